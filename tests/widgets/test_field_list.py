"""Which force fields are offered: those of this molecule, the newest fit first in mind."""

from __future__ import annotations

import numpy as np
import pytest

from core.dataset import Dataset
from core.forcefields.info import Info
from core.molecule import Molecule
from tests.molecules import ETHANOL, ethanol_frames
from widgets.field_list import FieldCombo, FieldList

WATER = Molecule("water", np.array([8, 1, 1]), np.eye(3))
NUMBERS = tuple(int(z) for z in ETHANOL.numbers)


@pytest.fixture
def fields(qtbot, lab):
    made = FieldList(lab.session)
    qtbot.addWidget(made)
    return made


def names(fields) -> list[str]:
    return [fields.item(k).text() for k in range(fields.count())]


def test_a_field_that_can_be_fitted_and_used_before_is_built_in(lab, fields):
    gaff = Info("gaff", "GAFF", "MM", trainable=True, ready=True)
    lab.session.catalog = (*lab.session.catalog, gaff)
    fields.fill()
    assert "GAFF" in names(fields)
    assert not {"sGDML", "GAP"} & set(names(fields))


def test_references_and_fits_of_another_molecule_are_not_offered(lab, fields):
    lab.project.add(
        "datasets", "water", Dataset("water", WATER, WATER.positions[None], np.zeros(1), level="X")
    )
    lab.add_fit("of ethanol")
    fields.fill()
    assert {"X", "PBE/def2-SVP", "of ethanol"} <= set(names(fields))
    fields.set_molecule(NUMBERS)
    assert "X" not in names(fields)
    assert {"PBE/def2-SVP", "of ethanol", "MMFF94"} <= set(names(fields))
    fields.set_molecule((8, 1, 1))
    assert "X" in names(fields)
    assert not {"PBE/def2-SVP", "of ethanol"} & set(names(fields))


def test_frames_without_energies_are_no_reference(lab, fields):
    none = Dataset("kept", ETHANOL, ethanol_frames(2), np.full(2, np.nan), level="later")
    lab.project.add("datasets", "kept", none)
    fields.fill()
    assert "later" not in names(fields)


def test_a_new_fit_is_ticked_and_what_was_unticked_stays_so(lab, fields):
    lab.add_fit("first")
    fields.fill()
    assert "first" in [r.label for r in fields.refs()]
    fields.tick("first", on=False)
    lab.add_fit("second")
    fields.fill()
    assert [r.label for r in fields.refs() if r.model] == ["second"]


def test_dynamics_takes_the_newest_fit_until_the_person_chooses(lab, qtbot):
    combo = FieldCombo(lab.session)
    qtbot.addWidget(combo)
    assert combo.currentText() == "MMFF94"
    lab.add_fit("first")
    combo.fill()
    assert combo.currentText() == "first"
    at = combo.findText("UFF")
    combo.setCurrentIndex(at)
    combo.activated.emit(at)
    lab.add_fit("second")
    combo.fill()
    assert combo.currentText() == "UFF"
