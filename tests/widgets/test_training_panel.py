"""Training: from the form to a fit in the project, and what is shown of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt

from core.analyses.estimate import Estimate, EstimateSpec
from core.analyses.fit import FitSpec
from core.units import ENERGY_UNITS
from tests.widgets.lab import look_at, training_panel
from widgets.panels.training import TrainingPanel
from widgets.training.form import METHODS

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(qtbot, lab):
    return training_panel(qtbot, lab)


def press_train(qtbot, panel, lab) -> str:
    qtbot.mouseClick(panel.form.train, LEFT)
    return lab.jobs(FitSpec)[-1]


def say_ready(panel) -> bool:
    return panel.states.stack.currentWidget() is panel.result


# -- the form ---------------------------------------------------------------------------------
def test_everything_is_preselected_and_the_data_set_described(panel):
    assert panel.form.data.currentText() == "ethanol"
    assert panel.form.field.currentData() == "sgdml"
    assert "40 frames, 40 energies and 40 forces" in panel.form.found.text()
    assert panel.form.train.isEnabled()
    spec = panel.form.spec()
    assert (spec.n_train, spec.n_valid, spec.seed) == (20, 5, 0)
    assert spec.hyper == {"sigma": 0.0, "perms": True}


def test_the_split_methods_are_those_that_exist():
    from core.fitting.splits import METHODS as KNOWN

    assert set(METHODS) == set(KNOWN)


def test_only_trainable_fields_are_offered_and_settings_survive_switching(panel):
    combo = panel.form.field
    assert [combo.itemData(k) for k in range(combo.count())] == ["sgdml", "gap"]
    panel.form.form.set_values({"sigma": 12.0})
    combo.setCurrentIndex(1)
    assert panel.form.form.values() == {}
    combo.setCurrentIndex(0)
    assert panel.form.form.values()["sigma"] == 12.0


@pytest.mark.parametrize(
    ("n_train", "n_valid", "why"),
    [(0, 5, "at least|between"), (38, 5, "only 40"), (40, 0, "only 40")],
)
def test_an_impossible_split_is_refused_in_words(panel, n_train, n_valid, why):
    import re

    panel.form.n_train.set_value(n_train)
    panel.form.n_valid.set_value(n_valid)
    assert not panel.form.train.isEnabled()
    assert re.search(why, panel.form.problem.text())
    with pytest.raises(ValueError, match=why):
        panel.form.spec()


def test_a_data_set_without_forces_says_so(qtbot, panel, lab):
    bare = lab.add_data("energies only", 10, forces=False)
    lab.session.items_changed.emit("datasets")
    lab.session.item_selected.emit(bare.id)
    qtbot.waitUntil(lambda: "10 energies and 0 forces" in panel.form.found.text())
    assert "nothing to train on" in panel.form.problem.text()
    assert not panel.form.train.isEnabled()


def test_a_wrong_setting_keeps_train_off(panel):
    panel.form.form.editors["sigma"].lineEdit().setText("-1")
    assert not panel.form.train.isEnabled()
    assert "Length scale" in panel.form.problem.text()


def test_the_cost_is_asked_once_for_many_changes_and_shown(qtbot, panel, lab):
    qtbot.waitUntil(lambda: len(lab.jobs(EstimateSpec)) > 0, timeout=3000)
    before = len(lab.jobs(EstimateSpec))
    for n in (21, 22, 23):
        panel.form.n_train.set_value(n)
    qtbot.waitUntil(lambda: len(lab.jobs(EstimateSpec)) > before, timeout=3000)
    assert len(lab.jobs(EstimateSpec)) == before + 1
    job = lab.jobs(EstimateSpec)[-1]
    assert lab.specs[job].n_train == 23
    lab.say(job, "done", result=Estimate(20.0, 5e8, 8e9))
    assert panel.form.cost.text() == "About 20 s, 0.5 GB of memory"
    assert lab.asked[-1][0] == "cancel", "the question asked before is withdrawn"


def test_too_large_a_fit_is_warned_of_and_a_refused_one_not_started(qtbot, panel, lab):
    qtbot.waitUntil(lambda: len(lab.jobs(EstimateSpec)) > 0, timeout=3000)
    job = lab.jobs(EstimateSpec)[-1]
    lab.say(job, "done", result=Estimate(900.0, 5e10, 8e9))
    assert "more than the 8.0 GB" in panel.form.cost.text()
    panel.form._ask_cost()
    job = lab.jobs(EstimateSpec)[-1]
    lab.say(job, "done", result=Estimate(0.0, 0.0, problem="no GAP for radicals"))
    assert "radicals" in panel.form.problem.text()
    assert not panel.form.train.isEnabled()


def test_without_data_there_is_an_invitation(qtbot, lab):
    lab.project.remove(lab.data.id)
    panel = TrainingPanel(lab.session)
    qtbot.addWidget(panel)
    assert "Open a file" in panel.form.problem.text()
    assert "Train" in panel.states.message.title.text()


# -- a fit ------------------------------------------------------------------------------------
def test_train_makes_an_item_shows_its_curve_and_then_its_result(qtbot, panel, lab):
    chosen = []
    lab.session.item_selected.connect(chosen.append)
    job = press_train(qtbot, panel, lab)
    (item,) = lab.project.items("fits")
    spec = lab.specs[job]
    assert spec.out == str(item.folder)
    assert (item.name, spec.label, spec.dataset) == ("sGDML 20", "sGDML 20", str(lab.data.record))
    assert chosen == [item.id]
    lab.say(job, "started")
    lab.say(job, "progress", 0.25, message="matching permutations", seconds_left=12.0)
    assert panel.head.bar.value() == 25
    assert panel.head.status.text() == "12 s left, matching permutations"
    for k in range(3):
        lab.say(job, "curve", name="validation", x=np.array([k]), y=np.array([1.0 / (k + 1)]),
                x_label="σ", y_label="force MAE")  # fmt: skip
    assert say_ready(panel)
    assert list(panel.result.curve.series("validation")[1]) == [1.0, 0.5, 1.0 / 3]
    lab.finish_fit(job)
    qtbot.waitUntil(lambda: panel.result.fit is not None)
    assert not panel.head.stop.isVisible()
    assert "MAE" in panel.result.headline.text()
    row = panel.fits.shown()[0]
    assert (row[0], row[1], row[6]) == ("sGDML 20", "done", "sGDML")
    assert panel.form.name.text() == "sGDML 20 (2)", "the next one gets another name"


def test_events_of_a_fit_not_on_show_are_kept_for_later(qtbot, panel, lab):
    other = lab.add_fit("older")
    job = press_train(qtbot, panel, lab)
    mine = panel.shown
    lab.session.item_selected.emit(other.id)
    qtbot.waitUntil(lambda: panel.result.fit is not None)
    lab.say(job, "curve", name="validation", x=np.array([1.0, 2.0]), y=np.array([3.0, 4.0]))
    assert panel.result.fit is not None, "the result on show stays"
    lab.session.item_selected.emit(mine)
    assert list(panel.result.curve.series("validation")[0]) == [1.0, 2.0]


def test_stop_keeps_and_cancel_throws_away(qtbot, panel, lab):
    job = press_train(qtbot, panel, lab)
    lab.say(job, "started")
    qtbot.mouseClick(panel.head.stop, LEFT)
    assert lab.asked[-1] == ("stop", job)
    assert not panel.head.stop.isEnabled()
    assert panel.head.cancel.isEnabled(), "whoever stops may still change their mind"
    qtbot.mouseClick(panel.head.cancel, LEFT)
    lab.session.cancel(job)
    lab.say(job, "cancelled")
    assert panel.live == {}


def test_a_failure_is_told_with_details_and_the_form_works_on(qtbot, panel, lab):
    job = press_train(qtbot, panel, lab)
    lab.say(job, "started")
    lab.say(job, "failed", message="The matrix does not fit into memory.", details="Traceback …")
    message = panel.states.message
    assert "was not trained" in message.title.text()
    assert "does not fit" in message.hint.text()
    assert message.details.text() == "Traceback …"
    assert panel.form.train.isEnabled()


def test_an_engine_that_refuses_is_told(qtbot, panel, lab):
    def refuse(*_args, **_kwargs):
        raise RuntimeError("the engine is not connected")

    lab.session.submit = refuse
    qtbot.mouseClick(panel.form.train, LEFT)
    assert "not connected" in panel.states.message.hint.text()


# -- results ----------------------------------------------------------------------------------
def test_errors_parity_and_histogram_show_the_numbers_in_the_screens_unit(qtbot, panel, lab):
    item = lab.add_fit("sGDML 10", 0.04)
    lab.session.items_changed.emit("fits")
    lab.session.set_unit(ENERGY_UNITS["meV"])
    lab.session.item_selected.emit(item.id)
    qtbot.waitUntil(lambda: panel.result.fit is not None)
    text = panel.result.headline.text()
    for number in ("20.0", "30.0", "40.0", "60.0"):
        assert number in text
    assert "meV/Å" in text
    parity = panel.result.force_parity
    qtbot.waitUntil(lambda: len(panel.result.force_errors.errors) > 0)  # the last one drawn
    assert np.abs(parity.predicted - parity.reference - 40.0).max() < 1e-9
    edges, counts, beyond = panel.result.force_errors.bins()
    assert counts.sum() + beyond == 180
    assert edges[0] == -edges[-1]
    lab.session.set_unit(ENERGY_UNITS["eV"])
    qtbot.waitUntil(lambda: parity.unit == "eV/Å")
    assert np.abs(parity.predicted - parity.reference - 0.04).max() < 1e-12
    assert panel.fits.model.columns[3].unit == "eV/Å"
    assert panel.fits.shown()[0][3] == "0.0400"


def test_a_curve_that_jumps_back_is_drawn_from_left_to_right_in_the_screens_unit(qtbot, panel, lab):
    job = press_train(qtbot, panel, lab)
    for x, y in ((20.0, 0.04), (28.0, 0.05), (14.0, 0.045)):
        lab.say(job, "curve", name="valid", x=np.array([x]), y=np.array([y]), x_label="σ",
                y_label="force MAE (eV/Å)")  # fmt: skip
    lab.session.set_unit(ENERGY_UNITS["meV"])
    x, y = panel.result.curve.series("valid")
    assert x.tolist() == [14.0, 20.0, 28.0]
    assert y == pytest.approx([45.0, 40.0, 50.0])
    assert panel.result.curve._labels == ("σ", "force MAE (meV/Å)")


def test_details_tell_how_it_was_made(qtbot, panel, lab):
    item = lab.add_fit("sGDML 10")
    look_at(qtbot, panel, lab, item)
    facts = dict(panel.result.details.shown())
    assert facts["permutations"] == "6"
    assert facts["training frames"] == "10"
    assert facts["version of torch"] == "2.13"
    assert "seed 0" in facts["split"]


def test_a_damaged_fit_says_so_and_hides_no_other(qtbot, panel, lab):
    good, bad = lab.add_fit("good"), lab.add_fit("bad")
    bad.record.write_bytes(b"nonsense")
    lab.session.items_changed.emit("fits")
    assert [row[0] for row in panel.fits.shown()] == ["bad", "good"]
    lab.session.item_selected.emit(bad.id)
    qtbot.waitUntil(lambda: "cannot be shown" in panel.states.message.title.text())
    lab.session.item_selected.emit(good.id)
    qtbot.waitUntil(lambda: panel.result.fit is not None)


# -- history ----------------------------------------------------------------------------------
def test_rename_and_delete_can_be_undone(qtbot, panel, lab):
    item = lab.add_fit("sGDML 10")
    lab.session.items_changed.emit("fits")
    panel.fits.select(item.id)
    panel.fits.rename("final model")
    assert panel.fits.shown()[0][0] == "final model"
    lab.session.undo.undo()
    assert panel.fits.shown()[0][0] == "sGDML 10"
    panel.activateWindow()
    panel.fits.view.setFocus()
    qtbot.waitUntil(panel.fits.view.hasFocus)
    qtbot.keyClick(panel.fits.view, Qt.Key.Key_Delete)
    assert panel.fits.shown() == []
    assert lab.project.items("fits") == ()
    lab.session.undo.undo()
    assert panel.fits.shown()[0][0] == "sGDML 10"


def test_a_running_fit_is_not_deleted(qtbot, panel, lab):
    said = []
    lab.session.message.connect(lambda text, level: said.append(text))
    press_train(qtbot, panel, lab)
    panel.fits.delete()
    assert len(lab.project.items("fits")) == 1
    assert "Cancel" in said[-1]


def test_clicking_a_fit_selects_it_everywhere(qtbot, panel, lab):
    a, _b = lab.add_fit("a"), lab.add_fit("b")
    lab.session.items_changed.emit("fits")
    seen = []
    lab.session.item_selected.connect(seen.append)
    place = panel.fits.view.visualRect(panel.fits.sorted.index(1, 0)).center()
    qtbot.mouseClick(panel.fits.view.viewport(), LEFT, pos=place)
    assert seen == [a.id]
    assert panel.shown == a.id


def test_a_fit_started_elsewhere_is_followed(qtbot, panel, lab):
    item = lab.project.reserve("fits", "resumed")
    job = lab.submit(
        FitSpec("sgdml", str(lab.data.record), out=str(item.folder)), title="Training resumed"
    )
    lab.say(job, "progress", 0.5, message="on", seconds_left=1.0)
    lab.session.item_selected.emit(item.id)
    assert panel.head.bar.value() == 50


def test_train_stays_in_sight_in_a_small_window(qtbot, panel):
    panel.resize(560, 380)
    qtbot.waitUntil(lambda: panel.height() <= 400)
    corner = panel.form.train.mapTo(panel, panel.form.train.rect().bottomRight())
    assert panel.rect().contains(corner)


def test_the_form_is_never_cut_off_whatever_is_chosen(qtbot, lab):
    catalog, lab.session.catalog = lab.session.catalog, ()
    panel = TrainingPanel(lab.session)
    qtbot.addWidget(panel)
    panel.resize(640, 500)
    panel.show()
    lab.session.catalog = catalog
    lab.session.catalog_changed.emit()
    view = panel.form_area.viewport()
    qtbot.waitUntil(lambda: panel.form.minimumSizeHint().width() <= view.width())


def test_a_training_whose_worker_died_goes_on_from_its_checkpoint(qtbot, panel, lab):
    job = press_train(qtbot, panel, lab)
    lab.say(job, "started")
    spec = lab.specs[job]
    (Path(spec.out) / "checkpoint-sgdml.npz").write_bytes(b"")
    lab.say(job, "failed", message="The worker died.")
    message = panel.states.message
    assert "What is done so far is kept" in message.hint.text()
    qtbot.mouseClick(message.button, LEFT)
    again = lab.jobs(FitSpec)[-1]
    assert again != job
    assert lab.specs[again] == spec  # the same question, in the same folder
    lab.say(again, "started")
    assert panel.live[panel.shown].busy
    lab.finish_fit(again)
    qtbot.waitUntil(lambda: say_ready(panel))


def test_a_training_that_left_nothing_is_done_again_from_the_form(qtbot, panel, lab):
    job = press_train(qtbot, panel, lab)
    lab.say(job, "failed", message="It cannot be.")
    assert "press Train again" in panel.states.message.hint.text()
    assert not panel.states.message.button.isVisibleTo(panel)
