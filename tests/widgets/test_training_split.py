"""The split of a training: how it is drawn, and how it is shown before anything is trained."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PySide6.QtCore import Qt

from core.analyses import splitting
from core.analyses.fit import FitSpec
from core.analyses.splitting import Splitting, SplittingSpec
from core.dataset import Split
from core.fitting.partitions import region_from
from core.units import ENERGY_UNITS
from tests.molecules import ETHANOL, HYDROXYL, METHYL
from tests.widgets.lab import training_panel
from widgets.split_view import REST, SplitView
from widgets.training.split import REGION, region_problem

LEFT = Qt.MouseButton.LeftButton
CHOSEN = Split(np.arange(12), np.arange(12, 15), np.arange(15, 35), 0, "flattening, round 2")


@pytest.fixture
def panel(qtbot, lab):
    return training_panel(qtbot, lab)


def answer(qtbot, panel, lab) -> Splitting:
    """What the worker would say to the last question."""
    panel.preview.timer.stop()
    before = len(lab.jobs(SplittingSpec))
    panel.preview.ask()
    qtbot.waitUntil(lambda: len(lab.jobs(SplittingSpec)) > before)
    return lab.answer(SplittingSpec, splitting.run)


# -- the form ---------------------------------------------------------------------------------
def test_the_region_is_edited_only_where_it_means_something(qtbot, panel, lab):
    split = panel.form.split
    assert not split.region.isVisible()
    split.method.setCurrentText(REGION)
    assert split.region.isVisible()
    assert not panel.form.train.isEnabled()
    assert "1-2-3-9:-90:90" in panel.form.problem.text()
    assert not split.from_axis.isEnabled()
    lab.session.set_axis(0, HYDROXYL)
    qtbot.mouseClick(split.from_axis, LEFT)
    assert panel.form.spec().region == "1-2-3-9:-90:90"
    split.region.setText("1-2-3-9:10:50")
    lab.session.set_axis(0, METHYL)
    qtbot.mouseClick(split.from_axis, LEFT)
    assert split.region.text() == "4-1-2-3:10:50", "the angles a person typed stay"
    split.method.setCurrentText("random")
    assert panel.form.spec().region == ""


@pytest.mark.parametrize(
    ("text", "good"),
    [("1-2-3-9:-90:90", True), ("1-2-3-9:90:-90", True), ("1-2-3:-90:90", False), ("", False),
     ("1-2-3-3:0:10", False), ("1-2-3-10:0:10", False), ("1-2-3-9:0", False),
     ("1-2-3-9:0:nan", False), ("0-2-3-9:0:10", False)],
)  # fmt: skip
def test_a_region_is_judged_as_the_fit_will_judge_it(text, good):
    assert (region_problem(text, 9) == "") == good
    if good:
        assert region_from(text, 9).atoms
    else:
        with pytest.raises(ValueError, match="region"):
            region_from(text, 9)


def test_all_test_frames_left_is_said_in_words(panel):
    assert panel.form.n_test.lineEdit().text() == "all left"
    assert panel.form.spec().n_test == 0
    panel.form.n_test.set_value(4)
    assert panel.form.spec().n_test == 4


# -- frames that a study chose ----------------------------------------------------------------
def test_a_proposal_fills_the_form_and_comes_to_the_front(qtbot, panel, lab):
    fronts = []
    lab.session.open_workspace.connect(fronts.append)
    spec = FitSpec(
        "sgdml", str(lab.data.record), n_train=12, n_valid=3, n_test=20, seed=7,
        hyper={"sigma": 14.0, "perms": False}, split=CHOSEN, label="flattened",
    )  # fmt: skip
    lab.session.fit_proposed.emit(spec)
    assert fronts == ["Training"]
    qtbot.waitUntil(panel.form.train.isEnabled)
    made = panel.form.spec()
    assert made.hyper == {"sigma": 14.0, "perms": False}
    assert (made.n_train, made.n_valid, made.n_test) == (12, 3, 20)
    assert made.split is CHOSEN
    assert "flattening, round 2" in panel.form.split.given.text()
    assert "12 for training" in panel.form.split.given.text()
    assert not panel.form.n_train.isVisible()
    assert panel.form.name.text() == "sGDML 12"
    qtbot.mouseClick(panel.form.split.draw, LEFT)
    assert panel.form.spec().split is None
    assert panel.form.n_train.isVisible()
    assert panel.form.spec().seed == 7


def test_a_proposal_with_a_method_and_a_region(qtbot, panel, lab):
    panel.form.fill(
        FitSpec("gap", str(lab.data.record), n_train=10, n_valid=2, method=REGION,
                region="1-2-3-9:0:20")
    )  # fmt: skip
    made = panel.form.spec()
    assert (made.key, made.method, made.region) == ("gap", REGION, "1-2-3-9:0:20")
    assert made.n_test == 0


def test_what_a_proposal_names_and_is_not_here_is_told(panel, lab):
    said = []
    lab.session.message.connect(lambda text, _level: said.append(text))
    before = panel.form.spec()
    lab.session.fit_proposed.emit(FitSpec("sgdml", "/gone/record.npz"))
    lab.session.fit_proposed.emit(FitSpec("mace", str(lab.data.record)))
    assert "data set" in said[0]
    assert "mace" in said[1]
    assert panel.form.spec().dataset == before.dataset
    odd = panel.form.fill(FitSpec("sgdml", str(lab.data.record), hyper={"colour": 1}))
    assert odd == "Not taken over: colour"


def test_chosen_frames_do_not_stay_for_another_data_set(qtbot, panel, lab):
    lab.add_data("other", 60)
    lab.session.items_changed.emit("datasets")
    item = next(i for i in lab.project.items("datasets") if i.name == "ethanol")
    lab.session.item_selected.emit(item.id)
    panel.form.split.give(CHOSEN)
    other = next(i for i in lab.project.items("datasets") if i.name == "other")
    lab.session.item_selected.emit(other.id)
    assert panel.form.split.split is None


# -- seen before training ---------------------------------------------------------------------
def test_the_frames_that_would_be_taken_are_shown(qtbot, panel, lab):
    lab.session.set_axis(0, HYDROXYL)
    lab.session.set_axis(1, METHYL)
    result = answer(qtbot, panel, lab)
    view = panel.preview.view
    assert panel.result.tabs.currentWidget() is panel.preview
    assert lab.specs[lab.jobs(SplittingSpec)[-1]].dihedrals == (HYDROXYL, METHYL)
    assert view.parts.frames["training"].tolist() == result.split.train.tolist()
    x, y = view.points("training")
    assert x == pytest.approx(np.degrees(result.angles[result.split.train, 0]))
    assert y == pytest.approx(np.degrees(result.angles[result.split.train, 1]))
    everything = np.sort(np.concatenate(list(view.parts.frames.values())))
    assert everything.tolist() == list(range(40)), "each frame is in one part, or not used"
    assert "training 20" in view.legend.text().replace("&nbsp;", " ")


def test_one_question_for_many_edits_and_none_while_nobody_looks(qtbot, panel, lab):
    qtbot.waitUntil(lambda: len(lab.jobs(SplittingSpec)) == 1, timeout=5000)
    for n in (10, 11, 12):
        panel.form.n_train.set_value(n)
    qtbot.waitUntil(lambda: len(lab.jobs(SplittingSpec)) == 2, timeout=5000)
    assert lab.specs[lab.jobs(SplittingSpec)[-1]].fit.n_train == 12
    assert ("cancel", lab.jobs(SplittingSpec)[0]) in lab.asked
    panel.preview.ask()
    assert len(lab.jobs(SplittingSpec)) == 2, "the same question is not asked twice"
    panel.hide()
    panel.form.n_train.set_value(15)
    panel.preview.ask()
    assert len(lab.jobs(SplittingSpec)) == 2


def test_frames_that_cannot_be_drawn_are_told(qtbot, panel, lab):
    qtbot.waitUntil(lambda: len(lab.jobs(SplittingSpec)) == 1, timeout=5000)
    lab.say(lab.jobs(SplittingSpec)[0], "failed", message="all 40 frames lie in the region")
    assert "all 40 frames" in panel.preview.states.message.hint.text()


def test_shares_are_of_each_part_in_the_screens_unit(qtbot):
    view = SplitView()
    qtbot.addWidget(view)
    energies = np.concatenate([np.full(30, -5.0), np.full(10, -4.0), [np.nan]])
    split = Split(np.arange(3), np.arange(3, 5), np.arange(30, 35), 0, "random")
    view.show_splitting(
        Splitting(split, energies, np.zeros((41, 0)), notes={"a": "left out, no energy: frame 41"}),
        ETHANOL, ENERGY_UNITS["meV"],
    )  # fmt: skip
    edges, shares = view.shares()
    assert edges[[0, -1]] == pytest.approx([0.0, 1000.0])
    assert shares["all"][[0, -1]] == pytest.approx([75.0, 25.0])
    assert shares["training"][[0, -1]] == pytest.approx([100.0, 0.0])
    assert shares["test"][[0, -1]] == pytest.approx([0.0, 100.0])
    assert view.notes.text() == "Left out, no energy: frame 41."
    assert not view.map.isVisibleTo(view)
    assert "no bond turns" in view.no_map.text()
    assert len(view.parts.frames[REST]) == 31


def test_one_dihedral_is_shown_against_the_energy(qtbot):
    view = SplitView()
    qtbot.addWidget(view)
    angles = np.linspace(-3, 3, 10)[:, None]
    split = Split(np.arange(4), np.arange(4, 6), np.arange(6, 10), 0, "random")
    shown = Splitting(split, np.arange(10.0), angles, dihedrals=(HYDROXYL,))
    view.show_splitting(shown, ETHANOL, ENERGY_UNITS["eV"])
    assert view.points("test")[1].tolist() == [6.0, 7.0, 8.0, 9.0]
    header, rows = view.map_table()
    assert header == ("frame", "part", "C1–C2–O3–H9 (°)")
    assert rows[0][:2] == (1, "training")
    energy_free = dataclasses.replace(shown, energies=np.full(10, np.nan))
    view.show_splitting(energy_free, ETHANOL, ENERGY_UNITS["eV"])
    assert not view.energies.isVisibleTo(view)
