"""The refit tab afterwards: going back in its history, scans and maps of what was fitted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PySide6.QtCore import Qt

from core.analyses import surface_tools as tools
from core.analyses.parameter_scan import ParameterScanSpec
from core.units import KCAL_MOL
from tests.molecules import METHYL, labelled
from tests.widgets.refit_lab import begun, editor, make_refit, stronger
from widgets.parameter.bar import MAP
from widgets.parameter.document import same_terms
from widgets.parameter.plots import AFTER, BEFORE, CURRENT, ORIGINAL
from widgets.refit.bars import NONE
from widgets.refit.history import START


# -- going back -------------------------------------------------------------------------------
def test_one_click_goes_to_any_fit_and_to_the_start(qtbot, lab, panel):
    first = lab.finish_refit(begun(lab, panel))
    lab.work()
    second = lab.finish_refit(begun(lab, panel))
    lab.work()
    table = panel.refit.history
    assert [r[0] for r in table.shown()] == ["GAFF refit (2)", "GAFF refit", "start: GAFF"]
    assert [r[4] for r in table.shown()] == ["GAFF refit", "GAFF", ""]
    assert table.shown()[1][1:3] == ["1.21 → 0.64", "6.37 → 4.78"]
    panel.refit.tabs.setCurrentIndex(0)
    before = lab.session.undo.count()

    def click(row: int) -> None:
        place = table.view.visualRect(table.sorted.index(row, 0)).center()
        qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)

    click(1)
    assert panel.document.topology is first.topology
    assert panel.plots.fitted is first.profiles[0]
    assert lab.session.undo.count() == before + 1
    click(1)
    assert lab.session.undo.count() == before + 1, "they are there already"
    click(2)
    assert panel.document.topology is panel.document.original
    assert panel.refit.result.head.text() == NONE
    lab.work()
    assert [m.label for m in panel.plots.profile.maps] == ["mmff94", ORIGINAL, CURRENT]
    assert table.selected() == START
    lab.session.undo.undo()
    assert panel.document.topology is first.topology
    table.view.setCurrentIndex(table.sorted.index(0, 0))
    qtbot.keyClick(table.view, Qt.Key.Key_Return)
    assert panel.document.topology is second.topology


def test_earlier_fits_are_read_from_the_project_and_damaged_ones_told(qtbot, lab, panel):
    job = begun(lab, panel)
    spec = lab.specs[job]
    lab.finish_refit(job)
    lab.project.rename(lab.project.items("fits")[0].id, "the good one")
    damaged = lab.project.reserve("fits", "damaged")
    (damaged.folder / "refit.npz").write_bytes(b"no archive")
    other = lab.project.reserve("fits", "water")
    water = dataclasses.replace(spec.molecule, numbers=spec.molecule.numbers[::-1].copy())
    from core import storage

    record = dataclasses.replace(make_refit(dataclasses.replace(spec, out="")), molecule=water)
    storage.save(other.folder / "refit.npz", record)
    again = editor(qtbot, lab)
    table = again.refit.history
    qtbot.waitUntil(lambda: len(table.shown()) == 2)
    assert [r[0] for r in table.shown()] == ["the good one", "start: GAFF"]
    again.refit.load(lab.project.items("fits")[0].id)
    assert same_terms(again.document.topology, stronger(again.document.original))
    table._want(damaged.id)
    assert "“damaged” cannot be loaded" in again.notice.text()


def test_the_fitted_scan_is_shown_with_its_fit(lab, panel):
    lab.finish_refit(begun(lab, panel))
    lab.work()
    at = next(i for i in range(panel.bar.scan.count()) if panel.bar.scan.itemData(i) == METHYL)
    panel.bar.scan.setCurrentIndex(at)
    panel.scan()
    lab.work()
    assert [m.label for m in panel.plots.profile.maps][-1] == CURRENT
    panel.refit.load(lab.project.items("fits")[0].id)
    assert isinstance(lab.specs[lab.jobs(ParameterScanSpec)[-1]], ParameterScanSpec)
    lab.work()
    assert [m.label for m in panel.plots.profile.maps][-2:] == [BEFORE, AFTER]


def test_a_map_is_called_by_both_dihedrals_and_found_again(lab, panel):
    panel.bar.scan.setCurrentIndex(panel.bar.scan.findData(MAP))
    name = panel.bar.scan_name()
    assert name == " × ".join(panel.bar.scan.itemText(k) for k in (0, 1))
    panel.bar.scan.setCurrentIndex(0)
    assert panel.bar.choose_scan(name)
    assert panel.bar.scan.currentData() == MAP
    assert not panel.bar.choose_scan(name)
    assert not panel.bar.choose_scan("another molecule's")


def test_another_project_forgets_the_refit(lab, panel):
    begun(lab, panel)
    panel._project_changed()
    assert panel.refit.job.job == ""
    assert panel.refit.history.shown() == []
    assert "Choose a molecule first" in panel.refit.problem.text()


# -- the difference to the reference ----------------------------------------------------------
def test_the_difference_has_its_zero_in_the_middle_and_the_constant_of_the_rmse(lab, panel):
    plots = panel.plots
    plots.difference.setChecked(True)
    assert [m.label for m in plots.profile.maps] == [ORIGINAL, CURRENT]
    scale = plots.profile.scale
    assert (scale.kind, scale.low) == ("diverging", -scale.high)
    assert scale.title == "energy − reference (kcal/mol)"
    values = plots.profile.maps[1].values
    assert values.mean() == pytest.approx(0.0, abs=1e-9)
    rmse = tools.rmse(plots.current.energy, plots.scan.reference) / KCAL_MOL
    assert np.sqrt(np.mean(values**2)) == pytest.approx(rmse)
    assert plots._zero.isVisible()
    panel.bar.scan.setCurrentIndex(panel.bar.scan.findData(MAP))
    panel.scan()
    lab.work()
    assert plots.difference.isChecked() is bool(np.isfinite(plots.scan.reference).any())


def test_the_map_of_differences_is_diverging(lab, panel):
    panel.bar.scan.setCurrentIndex(panel.bar.scan.findData(MAP))
    panel.scan()
    lab.work()
    grid = labelled(panel.plots.scan.positions, key="mmff94")
    item = lab.project.add("datasets", "grid", dataclasses.replace(grid, forces=None))
    panel.bar.fill_references(panel.document.molecule)
    panel.bar.reference.setCurrentIndex(panel.bar.reference.findData(item.id))
    panel.scan()
    lab.work()
    panel.plots.difference.setChecked(True)
    shown = panel.plots.grid
    assert [m.label for m in shown.maps] == [ORIGINAL, CURRENT]
    assert shown.scale.kind == "diverging"
    assert shown.scale.low == -shown.scale.high
    assert "kcal/mol" in shown.scale.title
    panel.plots.difference.setChecked(False)
    assert [m.label for m in shown.maps] == ["mmff94", CURRENT]
    assert shown.scale.kind == "sequential"


def test_the_scan_of_other_terms_is_not_fitted(lab, panel):
    assert panel.refit.form.profile.isChecked()
    panel._loaded(panel.document.parameters)
    form = panel.refit.form
    assert form.scan is None
    assert not form.profile.isEnabled()
    lab.work()
    assert form.reference
    assert form.profile.isChecked()
