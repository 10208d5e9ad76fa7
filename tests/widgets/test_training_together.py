"""Combined fits in the window: the form, the results for each molecule, and where they are used."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PySide6.QtCore import Qt

from core.analyses.compare import scorecard
from core.analyses.estimate import EstimateSpec
from core.analyses.fit import Fit, FitShare, FitSpec, ShareResult
from core.dataset import Dataset, Split
from core.molecule import Molecule
from core.units import ENERGY_UNITS
from tests.molecules import ETHANOL
from tests.widgets.lab import GAP, SGDML, look_at, make_errors, make_fit, training_panel
from widgets.field_list import trained
from widgets.panels.comparison import fair_frames
from widgets.surface.overlays import PointReader

LEFT = Qt.MouseButton.LeftButton
WATER = Molecule("water", np.array([8, 1, 1]), np.eye(3))
ETHANOL_NUMBERS = tuple(int(z) for z in ETHANOL.numbers)


def water_data(n: int = 30, level: str = "PBE/def2-SVP") -> Dataset:
    rng = np.random.default_rng(3)
    r = WATER.positions + 0.01 * rng.normal(size=(n, 3, 3))
    return Dataset("water", WATER, r, np.arange(n) * 0.01, rng.normal(size=r.shape), level=level)


def combined(lab, water, *, n: int = 12) -> tuple:
    """An item with a fit to ethanol and water, as the worker leaves it."""
    spec = FitSpec(
        "gap", str(lab.data.record), n_train=10, label="both",
        others=(FitShare(str(water.record), n_train=n, n_valid=4),),
    )  # fmt: skip
    item = lab.project.reserve("fits", "both")
    split = Split(np.arange(n), np.arange(n, n + 4), np.arange(n + 4, 30))
    tested = len(split.test)
    errors = dataclasses.replace(
        make_errors("both: water", 0.07, tested), energy_mae=0.05, frames=split.test,
        frame_force_mae=np.linspace(0.1, 0.2, tested), element_force={"O": (0.09, 0.1)},
    )  # fmt: skip
    other = ShareResult("water", "H2O", "../../x", split, errors)
    fit = dataclasses.replace(make_fit(item, spec, 0.04), others=(other,))
    lab.project.save(item, fit)
    lab.project.note_job(item.id, dataclasses.replace(spec, out=str(item.folder)))
    return item, fit


@pytest.fixture
def lab(lab):
    gap = dataclasses.replace(GAP, combines=True)
    lab.session.catalog = (SGDML, gap, *lab.session.catalog[2:])
    lab.water = lab.project.add("datasets", "water", water_data())
    return lab


@pytest.fixture
def panel(qtbot, lab):
    return training_panel(qtbot, lab)


def choose_gap(qtbot, panel, lab):
    """The method that combines, with water ticked; its row."""
    panel.form.field.setCurrentIndex(panel.form.field.findData("gap"))
    row = panel.form.together.rows[lab.water.id]
    qtbot.waitUntil(lambda: row.held is not None)
    row.tick.setChecked(True)
    row.n_train.set_value(12)
    row.n_valid.set_value(4)
    return row


# -- the form ---------------------------------------------------------------------------------
def test_a_method_of_one_molecule_says_so_and_takes_no_other(panel, lab):
    together = panel.form.together
    assert not together.body.isVisible()
    together.fold.click()
    assert together.why.isVisible()
    assert "sGDML learns one molecule at a time" in together.why.text()
    assert "GAP" in together.why.text()
    assert panel.form.spec().others == ()


def test_a_method_that_combines_shows_the_other_data_sets(qtbot, panel, lab):
    row = choose_gap(qtbot, panel, lab)
    assert row.isVisible()
    assert not panel.form.together.rows[lab.data.id].isVisible(), "the first is chosen above"
    assert "H2O: 30 frames, 30 forces" in row.about.text()
    assert not row.note.isVisible(), "another molecule needs no words"
    spec = panel.form.spec()
    (share,) = spec.others
    assert (share.dataset, share.n_train, share.n_valid) == (str(lab.water.record), 12, 4)
    assert panel.form.name.text() == "GAP 20+12"
    panel.form.field.setCurrentIndex(0)
    assert panel.form.spec().others == ()
    assert panel.form.together.body.isVisible(), "a tick is never hidden without a word"
    panel.form.field.setCurrentIndex(1)
    assert len(panel.form.spec().others) == 1


def test_it_is_all_done_with_the_keyboard(qtbot, panel, lab):
    row = choose_gap(qtbot, panel, lab)
    row.tick.setChecked(False)
    panel.activateWindow()
    row.tick.setFocus()
    qtbot.waitUntil(row.tick.hasFocus)
    qtbot.keyClick(row.tick, Qt.Key.Key_Space)
    assert row.on
    qtbot.keyClick(row.tick, Qt.Key.Key_Tab)
    assert row.n_train.hasFocus()
    for widget in (row.tick, row.n_train, row.n_valid):
        assert "water" in widget.accessibleName()
        assert widget.toolTip()


@pytest.mark.parametrize(("n_train", "n_valid"), [(28, 5), (30, 0), (0, 1)])
def test_too_many_frames_of_another_molecule_are_refused_by_name(
    qtbot, panel, lab, n_train, n_valid
):
    row = choose_gap(qtbot, panel, lab)
    row.n_train.set_value(n_train)
    row.n_valid.set_value(n_valid)
    assert "water" in panel.form.problem.text()
    assert not panel.form.train.isEnabled()


def test_the_same_molecule_and_another_level_are_explained(qtbot, panel, lab):
    row = choose_gap(qtbot, panel, lab)
    more = lab.add_data("more ethanol", 30)
    lab.session.items_changed.emit("datasets")
    again = panel.form.together.rows[more.id]
    qtbot.waitUntil(lambda: again.held is not None)
    again.tick.setChecked(True)
    assert "same molecule" in again.note.text()
    assert row.on, "the tick of another row stays"
    row.held = dataclasses.replace(row.held, level="CCSD(T)")
    panel.form.together._show()
    assert "Another level" in row.note.text()


def test_a_region_of_one_molecule_is_not_for_several(qtbot, panel, lab):
    choose_gap(qtbot, panel, lab)
    panel.form.split.region.setText("1-2-3-9:-90:90")
    panel.form.method.setCurrentText("surface-region")
    assert "one molecule" in panel.form.problem.text()


def test_what_corrects_another_field_is_of_one_molecule(qtbot, panel, lab):
    composite = dataclasses.replace(GAP, key="composite", label="Base + correction")
    lab.session.catalog = (*lab.session.catalog, composite)
    lab.session.catalog_changed.emit()
    choose_gap(qtbot, panel, lab)
    base = panel.form.on_top.base
    base.setCurrentIndex(base.findText("UFF"))
    assert panel.form.spec().others == ()
    assert "on top of another" in panel.form.together.why.text()


def test_the_cost_is_of_all_molecules(qtbot, panel, lab):
    choose_gap(qtbot, panel, lab)
    panel.form._ask_cost()
    spec = lab.specs[lab.jobs(EstimateSpec)[-1]]
    assert [(s.molecule.formula, s.n_train) for s in spec.others] == [("H2O", 12)]


def test_the_estimate_is_of_all_molecules_and_refuses_what_takes_one():
    from core.analyses import estimate
    from core.engine.context import Context
    from core.forcefields import discover

    able = [k for k, c in discover().items() if c.INFO.combines]
    share = estimate.EstimateShare(ETHANOL, 40)
    for key in able:
        one = estimate.run(EstimateSpec(key, ETHANOL, 40), Context())
        two = estimate.run(EstimateSpec(key, ETHANOL, 40, others=(share,)), Context())
        assert one.problem == two.problem == ""
        assert two.seconds > one.seconds, key
        assert two.bytes >= one.bytes, key
    assert able
    refused = estimate.run(EstimateSpec("sgdml", ETHANOL, 40, others=(share,)), Context())
    assert "several molecules" in refused.problem
    none = estimate.EstimateShare(ETHANOL, 0)
    refused = estimate.run(EstimateSpec(able[0], ETHANOL, 40, others=(none,)), Context())
    assert "at least one" in refused.problem


def test_the_split_tab_names_the_frames_of_the_others(qtbot, panel, lab):
    choose_gap(qtbot, panel, lab)
    panel.preview.ask()
    assert panel.preview.others.isVisible()
    assert panel.preview.others.text().endswith("water: training 12, validation 4, test 14")
    panel.form.field.setCurrentIndex(0)
    panel.preview.ask()
    assert not panel.preview.others.isVisible()


def test_a_proposed_fit_comes_back_with_its_molecules(qtbot, panel, lab):
    choose_gap(qtbot, panel, lab)
    spec = panel.form.spec()
    panel.form.together.rows[lab.water.id].tick.setChecked(False)
    assert panel.form.fill(spec) == ""
    qtbot.waitUntil(lambda: not panel.form.problems())
    assert panel.form.spec().others[0].n_train == 12
    gone = dataclasses.replace(spec, others=(FitShare("/nowhere/record.npz"),))
    assert "not in the project" in panel.form.fill(gone)


# -- the result -------------------------------------------------------------------------------
@pytest.fixture
def shown(qtbot, panel, lab):
    item, _ = combined(lab, lab.water)
    look_at(qtbot, panel, lab, item)
    return panel.result


def test_each_molecule_has_its_row_in_the_screens_unit(shown, lab):
    lab.session.set_unit(ENERGY_UNITS["meV"])
    rows = shown.molecules.table.shown()
    assert rows[0][:4] == ["ethanol", "10", "20.0", "40.0"]
    assert rows[1][:4] == ["water", "12", "50.0", "70.0"]
    assert shown.choice.isVisible()


def test_the_pages_follow_the_molecule_chosen(qtbot, shown, panel, lab):
    lab.session.set_unit(ENERGY_UNITS["meV"])
    shown.choice.combo.setCurrentIndex(1)
    shown.go_to("Errors")
    assert "50.0" in shown.headline.text()
    assert "O&nbsp;<b>90.0" in shown.headline.text()
    assert dict(shown.details.shown())["training frames"] == "12"
    assert shown.molecules.table.selected() == "1"
    lab.session.set_unit(ENERGY_UNITS["eV"])
    qtbot.waitUntil(lambda: "0.0500" in shown.headline.text())
    shown.molecules.table.row_selected.emit("0")
    assert shown.choice.combo.currentIndex() == 0
    assert dict(shown.details.shown())["training frames"] == "10"


def test_a_frame_of_the_other_molecule_shows_that_molecule(qtbot, shown, lab):
    shown.choice.combo.setCurrentIndex(1)
    shown.go_to("Frames")
    shown.frames.step(0)
    qtbot.waitUntil(lambda: lab.session.geometries is not None)
    now = lab.session.geometries
    assert now.molecule.formula == "H2O"
    worst = lab.project.load(lab.water).positions[29]  # the errors rise with the frame
    assert np.array_equal(now.positions[lab.session.frame], worst)
    shown.choice.combo.setCurrentIndex(0)
    shown.frames.step(0)
    qtbot.waitUntil(lambda: lab.session.geometries.molecule.formula == "C2H6O")


def test_a_fit_of_one_molecule_has_no_chooser(qtbot, shown, panel, lab):
    item = lab.add_fit("alone")
    lab.session.items_changed.emit("fits")
    lab.session.item_selected.emit(item.id)
    qtbot.waitUntil(lambda: panel.result.name == "alone")
    assert not shown.choice.isVisible()
    assert not shown.tabs.isTabVisible(list(shown.pages).index("Molecules"))


def test_the_list_counts_all_frames_and_names_the_others(shown, panel):
    assert panel.fits.shown()[0][4] == "22"
    assert "water" in panel.fits.model.rows[0].tip


# -- elsewhere --------------------------------------------------------------------------------
def test_a_combined_fit_is_offered_for_each_of_its_molecules(lab):
    combined(lab, lab.water)
    lab.add_fit("alone")

    def names(numbers):
        return [ref.label for ref, _, _ in trained(lab.session, numbers)]

    assert names(ETHANOL_NUMBERS) == ["both", "alone"]
    assert names((8, 1, 1)) == ["both"]
    assert names((1, 8, 1)) == ["both"], "elements and distances, not the order of the atoms"
    assert names((6, 1, 1, 1, 1)) == []


def test_a_comparison_spares_what_any_molecule_was_trained_on(lab):
    combined(lab, lab.water)
    refs = tuple(ref for ref, _, _ in trained(lab.session))
    assert fair_frames(lab.session, lab.water.id, refs).tolist() == list(range(16, 30))
    score = next(s for s in scorecard(lab.project, dataset=lab.water.id) if s.label == "both")
    assert score.energy_mae == 0.05
    assert score.dataset == "water"


def test_the_dots_on_a_surface_are_of_its_molecule(lab):
    item, fit = combined(lab, lab.water)
    assert isinstance(fit, Fit)
    for data, numbers, n in ((lab.data, ETHANOL.numbers, 10), (lab.water, WATER.numbers, 12)):
        dots = PointReader(lab.project, numbers).load(item)
        assert np.array_equal(dots, lab.project.load(data).positions[:n])
    with pytest.raises(ValueError, match="none of the molecules"):
        PointReader(lab.project, np.array([1, 1])).load(item)
