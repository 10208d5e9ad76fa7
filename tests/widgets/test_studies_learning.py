"""Learning curves, and what the forms of all studies have in common."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core.analyses.estimate import Estimate, EstimateSpec
from core.analyses.learning import Learning, LearningSpec
from core.units import ENERGY_UNITS
from tests.widgets.studies_lab import KCAL, LEFT, choose, finish, make_panel, point, press, showing
from widgets.study.learning_form import ladder
from widgets.study.plot import LogAxis
from widgets.study.styles import distinct
from widgets.training.split import REGION


@pytest.fixture
def panel(qtbot, lab):
    return make_panel(qtbot, lab)


# -- learning curves ------------------------------------------------------------------------------
def test_a_ladder_doubles_up_to_what_there_is():
    assert ladder(1000) == (25, 50, 100, 200, 400, 800)
    assert ladder(120) == (25, 50, 100)
    assert ladder(30) == (7, 15, 30)
    assert ladder(0) == ()


def test_learning_curves_are_one_click(qtbot, panel, lab):
    form = panel.learning
    # 40 frames: a fifth to validate on, ten to test on, the rest is stepped through
    assert form.numbers() == (5, 11, 22)
    assert form.trainings.text() == "9 trainings, tested on 10 frames"
    spec = lab.specs[press(qtbot, panel, lab, LearningSpec)]
    assert (spec.sizes, spec.repeats, spec.n_valid, spec.n_test) == ((5, 11, 22), 3, 8, 10)
    assert [(c.label, c.key, c.hyper) for c in spec.candidates] == [("sGDML", "sgdml", {})]
    assert spec.out
    assert [i.name for i in lab.project.items("studies")] == ["Learning curves, ethanol"]
    # the next one has a name of its own
    assert form.name.text() == "Learning curves, ethanol (2)"


def test_candidates_may_take_the_settings_of_a_fit(qtbot, panel, lab):
    item = lab.add_fit("my fit")
    fit = lab.project.load(item)
    lab.project.save(item, dataclasses.replace(fit, hyper={"sigma": 12.0, "perms": False}))
    lab.session.items_changed.emit("fits")
    form = panel.learning
    texts = [form.fields.item(k).text() for k in range(form.fields.count())]
    assert texts == ["sGDML", "GAP", "as in fit “my fit”"]
    form.fields.tick("my fit")
    spec = lab.specs[press(qtbot, panel, lab, LearningSpec)]
    assert spec.candidates[1].hyper == {"sigma": 12.0, "perms": False}


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "whole numbers"), ("10, x", "whole numbers"), ("10, 39", "only 40"), ("32", "none is")],
)
def test_impossible_ladders_are_refused_in_words(panel, text, why):
    panel.learning.sizes.setText(text)
    assert why in panel.learning.problem.text()
    assert not panel.learning.start.isEnabled()


def test_testing_on_another_data_set_leaves_all_frames_to_train_on(qtbot, panel, lab):
    lab.add_data("mixed", 12)
    data = lab.project.load(lab.data)
    numbers = np.array([1, *data.molecule.numbers[1:]])
    other = dataclasses.replace(data.molecule, numbers=numbers)
    lab.project.add("datasets", "another molecule", dataclasses.replace(data, molecule=other))
    lab.session.items_changed.emit("datasets")
    form = panel.learning
    assert [form.test.itemText(k) for k in range(form.test.count())] == [
        "frames left over", "mixed",
    ]  # fmt: skip
    form.test.setCurrentIndex(form.test.findText("mixed"))
    assert form.numbers()[-1] == 32
    spec = lab.specs[press(qtbot, panel, lab, LearningSpec)]
    assert spec.test.endswith("record.npz")
    assert spec.test != spec.dataset
    assert spec.n_test == 0


def test_points_come_live_and_the_table_copies(qtbot, panel, lab):
    job = press(qtbot, panel, lab, LearningSpec)
    lab.say(job, "started")
    assert panel.states.message.title.text() == "Training …"
    lab.say(job, "progress", 0.5, seconds_left=72.0, message="sGDML, 10 frames, draw 1")
    assert panel.head.bar.value() == 50
    assert "72 s left, sGDML, 10 frames" in panel.head.status.text()
    for p in (point(n=10, force=0.2), point(n=10, repeat=1, force=0.4), point(n=20, force=0.1)):
        lab.say(job, "frame", point=p)
    assert showing(panel)
    panel.curves.refresh()
    (series,) = panel.curves.plot.series
    np.testing.assert_allclose(series.x, [10, 20])
    np.testing.assert_allclose(series.y, KCAL.from_ev(np.array([0.3, 0.1])))
    assert series.spread[0] == pytest.approx(KCAL.from_ev(np.sqrt(0.02)))
    assert np.isnan(series.spread[1])
    text = panel.curves.table.markdown()
    assert "Force MAE (kcal/mol/Å)" in text
    assert f"{KCAL.from_ev(0.3):.2f} ± {KCAL.from_ev(np.sqrt(0.02)):.2f}" in text
    panel.curves.quantity.setCurrentIndex(1)
    panel.curves.measure.setCurrentIndex(1)
    np.testing.assert_allclose(panel.curves.plot.series[0].y, KCAL.from_ev(0.02))
    assert panel.curves.plot._labels[1] == "Energy RMSE (kcal/mol)"
    lab.session.set_unit(ENERGY_UNITS["meV"])
    np.testing.assert_allclose(panel.curves.plot.series[0].y, 20.0)


def test_no_two_curves_look_alike(panel):
    labels = [f"field {k}" for k in range(10)]
    panel.curves.show_points([point(label) for label in labels], labels)
    looks = {(s.colors, s.symbol) for s in panel.curves.plot.series}
    assert len(looks) == 10


def test_the_form_shows_the_markers_that_the_plot_will_have(panel):
    """Of ten force fields two get the same style in the palette; not here."""
    names = [f"field {k}" for k in range(12)]
    found = distinct(names)
    assert len({(s.light, s.marker) for s in list(found.values())[:10]}) == 10
    assert distinct(names[:3]) == {n: found[n] for n in names[:3]}, "earlier ones keep theirs"
    form = panel.learning
    form.fields.tick("GAP")
    icons = {form.fields.item(k).text(): form.fields.item(k).icon() for k in range(2)}
    shown = {n: i.pixmap(14, 14).toImage() for n, i in icons.items()}
    assert shown["sGDML"] != shown["GAP"]


def test_failures_are_told_as_they_happen(qtbot, panel, lab):
    panel.learning.seed.set_value(4)
    job = press(qtbot, panel, lab, LearningSpec)
    lab.say(job, "started")
    lab.say(job, "frame", point=point(n=5, repeat=1, problem="the kernel is singular"))
    assert showing(panel)
    panel.curves.refresh()
    said = panel.curves.failed.text()
    assert said.startswith("1 training failed, the others go on: sGDML, 5 frames, draw 2 (seed 5)")
    assert "the kernel is singular." in said
    lab.say(job, "frame", point=point(n=5, repeat=2, problem="no memory"))
    lab.say(job, "frame", point=point(n=11))
    panel.curves.refresh()
    said = panel.curves.failed.text()
    assert "2 trainings failed, the others go on: the last was" in said
    assert "singular" in panel.curves.failed.toolTip()
    assert len(panel.curves.plot.series[0].x) == 1


def test_a_failed_training_is_told_and_the_others_are_drawn(qtbot, panel, lab):
    job = press(qtbot, panel, lab, LearningSpec)
    spec = lab.specs[job]
    points = (point(n=5), point(n=11, problem="sigma must be positive"))
    finish(lab, job, Learning("x", "ethanol", spec.candidates, points, 3.0, True))
    qtbot.waitUntil(lambda: showing(panel))
    assert "1 training failed" in panel.curves.failed.text()
    assert "Stopped early" in panel.curves.note.text()
    assert "sigma must be positive" in panel.curves.table.csv()
    (row,) = panel.studies.shown()
    assert row[1:4] == ["stopped early", "learning curves", "2, 1 failed"]


def test_both_axes_are_logarithmic_with_plain_numbers():
    axis = LogAxis("bottom")
    ((_, ticks),) = axis.tickValues(np.log10(20), np.log10(900), 400)
    texts = axis.tickStrings(ticks, 1.0, 1.0)
    assert "100" in texts
    assert all(20 <= float(t) <= 900 for t in texts)
    assert np.diff(ticks).min() > 0.1
    ((_, narrow),) = axis.tickValues(np.log10(1.01), np.log10(1.04), 400)
    assert len(narrow) > 1


@pytest.mark.parametrize(("kind", "name"), list(enumerate(["learning", "search", "flatten"])))
def test_a_region_of_the_surface_is_asked_for_where_it_means_something(
    qtbot, panel, lab, kind, name
):
    choose(panel, kind)
    form = getattr(panel, name)
    assert not form.region.isVisible()
    form.method.setCurrentText(REGION)
    assert form.region.line.isVisible()
    assert "four atoms" in form.problem.text()
    assert not form.start.isEnabled()
    lab.session.set_axis(0, (0, 1, 2, 8))
    qtbot.mouseClick(form.region.from_axis, LEFT)
    assert form.region.text() == "1-2-3-9:-90:90"
    assert "four atoms" not in form.problem.text()
    form.region.line.setText("1-2-3-19:-90:90")
    assert "counted from 1 to 9" in form.problem.text()
    form.region.line.setText("1-2-3-9:0:120")
    made = form.make("x")
    fit = made if name == "learning" else made.fit
    assert (fit.method, fit.region) == (REGION, "1-2-3-9:0:120")
    form.method.setCurrentText("random")
    made = form.make("x")
    assert (made if name == "learning" else made.fit).region == ""
    assert not form.region.isVisible()


# -- cost -----------------------------------------------------------------------------------------
def test_the_cost_of_all_trainings_is_added_up(qtbot, panel, lab):
    qtbot.waitUntil(lambda: len(lab.jobs(EstimateSpec)) == 3)
    for job, seconds in zip(lab.jobs(EstimateSpec), (1.0, 10.0, 100.0), strict=True):
        assert panel.learning.cost_text.text() == "Estimating the cost …"
        lab.say(job, "done", result=Estimate(seconds, 2e9, 8e9))
    assert panel.learning.cost_text.text() == "About 6 min, up to 2.0 GB of memory"
    asked = len(lab.jobs(EstimateSpec))
    panel.learning.repeats.set_value(1)  # the same trainings, fewer of them: nothing to ask
    qtbot.waitUntil(lambda: "110 s" in panel.learning.cost_text.text() or
                    "2 min" in panel.learning.cost_text.text())  # fmt: skip
    assert len(lab.jobs(EstimateSpec)) == asked


def test_what_a_field_refuses_is_said_before_the_click(qtbot, panel, lab):
    qtbot.waitUntil(lambda: len(lab.jobs(EstimateSpec)) == 3)
    for job in lab.jobs(EstimateSpec):
        lab.say(job, "done", result=Estimate(0.0, 0.0, problem="sGDML: no such device"))
    assert "no such device" in panel.learning.problem.text()
    assert not panel.learning.start.isEnabled()
