"""Studies: searches, flattened sets, and studies as items of the project."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from core.analyses.flatten import Flatten, FlattenSpec
from core.analyses.learning import Learning, LearningSpec
from core.analyses.search import Range, Search, SearchSpec, Trial
from core.dataset import Split
from core.engine.events import Event
from tests.widgets.lab import SGDML
from tests.widgets.studies_lab import KCAL, LEFT, choose, finish, make_panel, point, press, showing
from widgets.panels.studies import StudiesPanel
from widgets.study.ranges import proposed
from widgets.study.scores import Scores

BUSY_AT_MOST = 0.15  # s of processor time: 50 ms on a quiet machine, tests share theirs


@pytest.fixture
def panel(qtbot, lab):
    return make_panel(qtbot, lab)


# -- search ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("parameter", "low", "high", "log"),
    [
        (dict(default=20.0, low=0.0, high=1e4), 4.0, 100.0, True),
        (dict(default=0.0, low=0.0, high=1e4), 1.0, 100.0, True),
        (dict(default=1e-10, low=0.0, high=1.0), 1e-12, 1e-8, True),
        (dict(default=0.0, low=0.0, high=1.0), 1e-4, 0.1, True),
        (dict(default=8, low=1, high=16, kind="int"), 4, 16, False),
        (dict(default=0.5, low=0.2, high=2.0), 0.2, 2.0, True),
    ],
)
def test_ranges_are_prefilled_about_the_default(parameter, low, high, log):
    p = dataclasses.replace(SGDML.parameters[0], **parameter)
    r = proposed(p)
    assert (r.low, r.high) == pytest.approx((low, high))
    assert r.log == log
    assert r.whole == (p.kind == "int")


def ask_search(qtbot, panel, lab) -> str:
    choose(panel, 1)
    row = panel.search.ranges.row("sigma")
    row.low.set_value(2)
    row.high.set_value(200)
    row.steps.set_value(3)
    panel.search.ranges.row("perms").tick.setChecked(True)
    return press(qtbot, panel, lab, SearchSpec)


def test_a_search_takes_the_ticked_settings(qtbot, panel, lab):
    job = ask_search(qtbot, panel, lab)
    spec = lab.specs[job]
    assert spec.ranges == (
        Range("sigma", 2.0, 200.0, True, False, 3),
        Range("perms", choices=(True, False)),
    )
    assert (spec.method, spec.objective, spec.fit.n_train, spec.fit.n_valid) == (
        "grid", "force", 20, 10,
    )  # fmt: skip
    assert panel.search.trainings.text() == "6 trainings"


def test_wrong_ranges_are_refused_in_words(panel):
    choose(panel, 1)
    row = panel.search.ranges.row("sigma")
    row.low.set_value(0)
    assert "must start above 0" in panel.search.problem.text()
    row.low.set_value(300)
    assert "from low to high" in panel.search.problem.text()
    row.low.set_value(1)
    row.steps.set_value(1000)
    assert "1000 trainings" in panel.search.trainings.text()
    perms = panel.search.ranges.row("perms")
    perms.tick.setChecked(True)
    perms.texts.setText("on; maybe")
    assert "“maybe” is none of on, off" in panel.search.problem.text()
    perms.texts.setText("on")
    row.tick.setChecked(False)
    perms.tick.setChecked(False)
    assert "Tick a setting" in panel.search.problem.text()


def trials() -> tuple[Trial, ...]:
    rows = []
    for sigma in (2.0, 20.0, 200.0):
        for perms in (True, False):
            force = 0.1 * (1 + abs(np.log10(sigma / 20))) * (1 if perms else 2)
            rows.append(Trial({"sigma": sigma, "perms": perms}, 0.01, force, 0.5))
    nan = float("nan")
    rows.append(Trial({"sigma": 200.0, "perms": False}, nan, nan, nan, "the kernel is singular"))
    return tuple(rows)


def make_search(lab, spec, rows=None) -> Search:
    rows = trials() if rows is None else rows
    return Search("s", "sgdml", spec.ranges, "force", rows, 2, spec.fit, 4.0)


def test_the_best_is_found_shown_and_can_be_trained(qtbot, panel, lab):
    job = ask_search(qtbot, panel, lab)
    for t in trials()[:3]:
        lab.say(job, "frame", trial=t)
    assert showing(panel)
    panel.trials.refresh()
    assert panel.trials.scores.best == 2
    assert not panel.trials.train.isEnabled()  # not before the end
    finish(lab, job, make_search(lab, lab.specs[job]))
    qtbot.waitUntil(lambda: panel.trials.result is not None)
    head = panel.trials.headline.text()
    assert "Length scale σ <b>20</b>" in head
    assert "1 of 7 failed" in head
    assert not panel.trials.tabs.isTabVisible(1)  # a map needs two numbers
    proposed_fits, opened = [], []
    lab.session.fit_proposed.connect(proposed_fits.append)
    lab.session.open_workspace.connect(opened.append)
    qtbot.mouseClick(panel.trials.train, LEFT)
    assert opened == ["Training"]
    assert proposed_fits[0].hyper == {"sigma": 20.0, "perms": True}
    assert (proposed_fits[0].key, proposed_fits[0].split, proposed_fits[0].out) == (
        "sgdml", None, "",
    )  # fmt: skip
    panel.trials.tabs.setCurrentIndex(3)
    assert "the kernel is singular" in panel.trials.table.csv()


def test_lines_of_the_best_lie_on_top_and_failed_ones_are_set_apart(qtbot, panel, lab):
    ranges = (Range("sigma", 2.0, 200.0, True), Range("perms", choices=(True, False)))
    s = Scores.of(trials(), ranges, {}, "force", KCAL)
    plot = panel.trials.parallel
    plot.show_scores(s)
    np.testing.assert_allclose(plot._heights[:3, 0], [0.0, 0.0, 0.5])
    np.testing.assert_allclose(plot._heights[:2, 1], [0.0, 1.0])
    assert plot._heights[2, 2] == 0.0  # the best at the bottom of the last axis
    assert plot._heights[6, 2] > 1.0  # failed: above it
    plot.select(6)
    assert "failed. the kernel is singular" in s.text(6)


def test_all_numbers_of_five_settings_are_inside_the_plot(qtbot, panel, lab):
    ranges = (
        Range("sigma", 2.0, 200.0, log=True), Range("a", 0.0, 1.0), Range("b", 0.0, 1.0),
        Range("count", 1, 8, whole=True), Range("kind", choices=("inverse", "extended")),
    )  # fmt: skip
    values = {"sigma": 20.0, "a": 0.2, "b": 0.3, "count": 3, "kind": "inverse"}
    trials = [Trial(values, 0.1 * k, 0.2 * k, 1.0) for k in (1, 2, 3)]
    trials.append(Trial(values, float("nan"), float("nan"), 1.0, "no memory"))
    choose(panel, 1)
    panel.states.ready()
    plot = panel.trials.parallel
    plot.show_scores(Scores.of(trials, ranges, {}, "force", KCAL))
    whole = next(a for a in plot.scores.axes if a.name == "count")
    assert all(text.isdigit() for _, text in whole.ticks())
    assert whole.ticks()[0][1] == "1"
    for width in (900, 760):
        panel.resize(width, 640)
        qtbot.waitUntil(lambda: plot.plot.plotItem.vb.width() > 100)
        view = plot.plot.plotItem.vb.sceneBoundingRect()
        texts = [i for i in plot._items if isinstance(i, pg.TextItem)]
        assert {"failed", "8"} <= {t.toPlainText() for t in texts}
        right = max(t.mapRectToScene(t.boundingRect()).right() for t in texts)
        assert right <= view.right() + 1


def test_two_numbers_make_a_map(qtbot, panel, lab):
    ranges = (Range("sigma", 1.0, 100.0, True, steps=3), Range("lam", 0.0, 1.0, steps=2))
    rows = tuple(
        Trial({"sigma": s, "lam": lam}, 0.01, s * (1 + lam), 0.1)
        for s in (1.0, 10.0, 100.0)
        for lam in (0.0, 1.0)
    )
    job = ask_search(qtbot, panel, lab)
    spec = dataclasses.replace(lab.specs[job], ranges=ranges)
    finish(lab, job, dataclasses.replace(make_search(lab, spec, rows), best=0))
    qtbot.waitUntil(lambda: panel.trials.result is not None)
    assert panel.trials.tabs.isTabVisible(1)
    panel.trials.tabs.setCurrentIndex(1)
    np.testing.assert_array_equal(
        panel.trials.map._places, [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]
    )
    panel.trials._clicked(3)
    assert panel.trials.map.selected == panel.trials.parallel.selected == 3


def test_optuna_asks_for_a_number_of_trials(qtbot, panel, lab):
    choose(panel, 1)
    panel.search.how.setCurrentIndex(1)
    assert panel.search.trials.isVisible()
    panel.search.trials.set_value(12)
    spec = lab.specs[press(qtbot, panel, lab, SearchSpec)]
    assert (spec.method, spec.trials) == ("optuna", 12)


# -- flattening -----------------------------------------------------------------------------------
def make_flatten(lab, spec) -> Flatten:
    cluster = np.arange(40) % 4
    split = Split(np.arange(10), np.arange(10, 14), np.arange(14, 30))
    before = np.array([0.4, 0.1, 0.2, np.nan])
    return Flatten(
        "f", "sgdml", np.array([10, 10, 10, 10]), before, before / 2, 0.25, 0.2,
        dataclasses.replace(split, train=np.arange(30, 40), method="flattened"), split, cluster,
        np.array([[0.5, 0.4], [0.3, 0.25]]), spec.fit, 2.0,
    )  # fmt: skip


def test_a_flattened_set_is_shown_before_and_after_and_can_be_trained_on(qtbot, panel, lab):
    choose(panel, 2)
    form = panel.flatten
    assert (form.n_train.value(), form.groups.value()) == (13, 4)
    form.rounds.set_value(2)
    assert form.trainings.text() == "4 trainings, compared on 11 frames: few for so many groups"
    job = press(qtbot, panel, lab, FlattenSpec)
    assert lab.specs[job].start == 0.25
    lab.say(job, "curve", name="worst group", x=6, y=0.5, x_label="training frames", y_label="")
    lab.say(job, "curve", name="all frames", x=6, y=0.3, x_label="training frames", y_label="")
    assert showing(panel)
    assert panel.groups.rounds.series[0].y[0] == pytest.approx(KCAL.from_ev(0.5))
    finish(lab, job, make_flatten(lab, lab.specs[job]))
    qtbot.waitUntil(lambda: panel.groups.result is not None)
    np.testing.assert_array_equal(panel.groups.bars.order, [1, 2, 0, 3])  # unknown ones last
    n = KCAL.digits
    assert f"{KCAL.from_ev(0.4):.{n}f} → {KCAL.from_ev(0.2):.{n}f}" in panel.groups.headline.text()
    assert "none of them to test on" in panel.groups.bars.text(3)
    panel.groups.bars.group_clicked.emit(2)
    qtbot.waitUntil(lambda: lab.session.geometries is not None)
    data = lab.project.load(lab.data)
    np.testing.assert_array_equal(lab.session.geometries.positions, data.positions[2::4])
    found = []
    lab.session.fit_proposed.connect(found.append)
    qtbot.mouseClick(panel.groups.train, LEFT)
    np.testing.assert_array_equal(found[0].split.train, np.arange(30, 40))
    assert found[0].n_train == 10


# -- the list, ends, resuming ---------------------------------------------------------------------
def test_rename_and_delete_can_be_undone(qtbot, panel, lab):
    job = press(qtbot, panel, lab, LearningSpec)
    said = []
    lab.session.message.connect(lambda text, level: said.append(text))
    panel.studies.delete()
    assert said == ["Cancel this study before deleting it."]
    finish(lab, job, Learning("x", "ethanol", lab.specs[job].candidates, (point(n=5),), 3.0))
    panel.studies.rename("new name")
    assert [r[0] for r in panel.studies.shown()] == ["new name"]
    assert "new name" in panel.head.title.text()
    panel.studies.view.setFocus()
    QTest.keyClick(panel.studies.view, Qt.Key.Key_Delete)
    assert panel.studies.shown() == []
    lab.session.undo.undo()
    assert [r[0] for r in panel.studies.shown()] == ["new name"]


def test_stop_and_cancel_reach_the_engine_and_waiting_ones_can_be_cancelled(qtbot, panel, lab):
    first = press(qtbot, panel, lab, LearningSpec)
    second = press(qtbot, panel, lab, LearningSpec)  # several may wait in the queue
    lab.say(first, "started")
    assert "begins when its turn comes" in panel.states.message.hint.text()
    assert not panel.head.stop.isEnabled()
    qtbot.mouseClick(panel.head.cancel, LEFT)
    lab.session.item_selected.emit(lab.project.items("studies")[0].id)
    qtbot.mouseClick(panel.head.stop, LEFT)
    assert lab.asked[-2:] == [("cancel", second), ("stop", first)]


def test_a_failure_is_a_sentence_and_can_be_gone_on_with(qtbot, panel, lab):
    job = press(qtbot, panel, lab, LearningSpec)
    lab.say(job, "failed", message="The worker was killed.", details="signal 9")
    message = panel.states.message
    assert "failed" in message.title.text()
    assert "The worker was killed." in message.hint.text()
    assert message.button.text() == "Go on"
    qtbot.mouseClick(message.button, LEFT)
    again = lab.specs[lab.jobs(LearningSpec)[-1]]
    assert again.out == lab.specs[job].out
    assert len(lab.project.items("studies")) == 1


def test_a_study_gone_on_with_at_opening_is_followed(qtbot, panel, lab):
    item = lab.project.reserve("studies", "old")
    spec = LearningSpec(str(lab.data.record), (), (5,), out=str(item.folder))
    job = lab.submit(spec, title="old")
    lab.session.items_changed.emit("studies")
    lab.session.item_selected.emit(item.id)
    assert "did not come to its end" in panel.states.message.title.text()
    lab.session.job_event.emit(job, Event(job, 0, 0.0, "started"))
    assert panel.live[item.id].state == "running"


def test_a_project_for_reading_says_so(qtbot, lab, tmp_path):
    from core.project import Project

    lab.session.project = Project.open(tmp_path / "project", read_only=True)
    panel = StudiesPanel(lab.session)
    qtbot.addWidget(panel)
    panel.show()
    qtbot.waitUntil(lambda: panel.learning.data.dataset is not None)
    assert "open for reading only" in panel.learning.problem.text()
    assert not panel.learning.start.isEnabled()


def test_without_data_the_forms_say_what_to_do(qtbot, lab):
    lab.project.remove(lab.data.id)
    panel = StudiesPanel(lab.session)
    qtbot.addWidget(panel)
    assert "Open a file with energies and forces first" in panel.learning.problem.text()
    assert "Compute the curves" in panel.states.message.hint.text()


def test_everything_has_a_name_for_screen_readers(panel):
    from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QLineEdit, QPushButton

    kinds = (QAbstractSpinBox, QComboBox, QPushButton, QCheckBox)
    unnamed = [
        w
        for kind in kinds
        for w in panel.findChildren(kind)
        if not w.isHidden() and not (w.accessibleName() or getattr(w, "text", str)())
    ]
    lines = [
        w
        for w in panel.findChildren(QLineEdit)
        if not w.accessibleName() and not isinstance(w.parent(), QAbstractSpinBox | QComboBox)
    ]
    assert not unnamed
    assert not lines


def test_two_thousand_trials_are_drawn_without_holding_up_the_window(qtbot, panel, lab):
    import time

    rng = np.random.default_rng(0)
    ranges = (Range("sigma", 1.0, 100.0, True), Range("lam", 0.0, 1.0))
    rows = tuple(
        Trial({"sigma": s, "lam": lam}, 0.01, s * (1 + lam), 0.1)
        for s, lam in zip(10 ** rng.uniform(0, 2, 2000), rng.uniform(0, 1, 2000), strict=True)
    )
    job = ask_search(qtbot, panel, lab)
    spec = dataclasses.replace(lab.specs[job], ranges=ranges)
    panel.trials.show_result(make_search(lab, spec, rows))
    took = {}
    for k in range(4):
        panel.trials.tabs.setCurrentIndex(k)
        spent = []
        for _ in range(3):  # of this thread alone: the machine may be busy
            start = time.thread_time()
            panel.trials.refresh()
            spent.append(time.thread_time() - start)
        took[k] = min(spent)
    assert max(took.values()) < BUSY_AT_MOST, took
