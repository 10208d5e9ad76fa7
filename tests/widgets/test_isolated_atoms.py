"""Energies of isolated atoms in the data panel: added by a file, shown, undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.analyses import isolated_atoms
from core.analyses.importing import ImportSpec
from core.analyses.isolated_atoms import IsolatedSpec
from core.units import ENERGY_UNITS
from tests.widgets.lab import show
from widgets.panels.data import DataPanel

HYDROGEN = "1\nProperties=species:S:1:pos:R:3 energy=-13.6\nH 0 0 0\n"


@pytest.fixture
def section(qtbot, lab):
    panel = show(qtbot, DataPanel(lab.session), 240, 400)
    panel.atoms.fold.click()
    panel.atoms.panel = panel
    return panel.atoms


def work(lab) -> None:
    """Do what the worker would do with the last job."""
    try:
        lab.answer(IsolatedSpec, isolated_atoms.run)
    except ValueError as error:
        lab.say(lab.jobs(IsolatedSpec)[-1], "failed", message=str(error))


def stored(lab) -> dict[str, float]:
    return lab.project.load(lab.data).isolated_atoms


def hydrogen(tmp_path) -> Path:
    path = tmp_path / "atoms.extxyz"
    path.write_text(HYDROGEN)
    return path


def test_a_file_is_added_shown_in_the_screens_unit_and_undone(section, lab, tmp_path):
    assert "no energies" in section.shown.text()
    lab.session.set_unit(ENERGY_UNITS["eV"])
    section.add_file(str(hydrogen(tmp_path)))
    assert not section.button.isEnabled(), "one at a time"
    work(lab)
    assert stored(lab) == {"H": -13.6}
    assert "−13.6000" in section.shown.text()
    assert "C, O" in section.say.text()
    lab.session.set_unit(ENERGY_UNITS["kcal/mol"])
    assert "−313.62" in section.shown.text()
    lab.session.undo.undo()
    work(lab)
    assert stored(lab) == {}
    assert "no energies" in section.shown.text()
    lab.session.undo.redo()
    work(lab)
    assert stored(lab) == {"H": -13.6}
    assert lab.session.undo.count() == 1


def test_a_file_of_molecules_is_refused_in_words(section, lab, tmp_path):
    path = tmp_path / "water.xyz"
    path.write_text("3\nProperties=species:S:1:pos:R:3 energy=-2079\nO 0 0 0\nH 1 0 0\nH 0 1 0\n")
    section.add_file(str(path))
    work(lab)
    assert "one atom in each frame" in section.say.text()
    assert section.button.isEnabled()
    assert lab.session.undo.count() == 0
    assert stored(lab) == {}


def test_a_unit_that_is_not_certain_is_asked_for(section, lab, tmp_path):
    path = tmp_path / "odd.extxyz"
    path.write_text(HYDROGEN.replace("-13.6", "-1.3"))
    section.add_file(str(path))
    work(lab)
    assert section.question.isVisible()
    assert stored(lab) == {}
    section.unit.setCurrentIndex(section.unit.findData("eV"))
    section.go_on.click()
    assert lab.specs[lab.jobs(IsolatedSpec)[-1]].units == "eV"
    work(lab)
    assert not section.question.isVisible()
    assert stored(lab) == {"H": -1.3}


def test_it_follows_the_selected_data_set_and_gives_way_to_an_import(section, lab, tmp_path):
    other = lab.add_data("other", 5)
    lab.session.items_changed.emit("datasets")
    lab.session.item_selected.emit(other.id)
    assert section.data.currentText() == "other"
    assert not section.panel.states.isVisible()
    section.panel.import_file(str(hydrogen(tmp_path)))
    assert lab.jobs(ImportSpec)
    assert not section.body.isVisible()
    assert section.panel.states.isVisible()


def test_every_part_has_a_name(section):
    for widget in (section.fold, section.data, section.button, section.unit, section.go_on):
        assert widget.accessibleName()
