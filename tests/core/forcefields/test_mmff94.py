"""MMFF94 against RDKit's own numbers on the oracle molecules, and its refusals."""

from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest

from core.fieldref import FieldRef
from core.forcefields.base import ForceFieldError
from core.forcefields.load import make
from core.molecule import Molecule
from core.units import KCAL_MOL
from tests.molecules import ETHANOL, ethanol_frames, without_bonds
from tests.tolerances import ORACLE_ENERGY

MOLECULES = ("ethanol", "malonaldehyde", "aspirin", "azobenzene", "3bpa")


@pytest.mark.parametrize("variant", ["MMFF94", "MMFF94s"])
@pytest.mark.parametrize("name", MOLECULES)
def test_energies_of_the_oracle(shared, name, variant):
    folder = shared / "oracles" / "gaff"
    expected = json.loads((folder / "rdkit_mmff_uff.json").read_text())
    frames = [ase.io.read(folder / f"{name}_{which}.xyz") for which in ("min", "disp")]
    molecule = Molecule(name, frames[0].numbers, frames[0].positions)
    field = make(FieldRef("mmff94", hyper={"variant": variant}), molecule)
    energy = field.predict(np.stack([a.positions for a in frames])).energy
    wanted = np.array([expected[f"{name}/{w}"][variant] for w in ("min", "disp")]) * KCAL_MOL
    assert np.abs(energy - wanted).max() < ORACLE_ENERGY


def test_does_not_depend_on_the_geometry_it_was_made_from():
    """Pair lists come from the first geometry; a far one must not lose interactions."""
    frames = ethanol_frames(5)
    far = Molecule(
        "far", ETHANOL.numbers, ETHANOL.positions * 1.1, bonds=ETHANOL.bonds, orders=ETHANOL.orders
    )
    near = make(FieldRef("mmff94"), ETHANOL).predict(frames)
    assert np.allclose(make(FieldRef("mmff94"), far).predict(frames).energy, near.energy)


def test_two_molecules_interact():
    shift = np.array([0.0, 0.0, 3.5])
    pair = Molecule(
        "pair",
        np.tile(ETHANOL.numbers, 2),
        np.concatenate([ETHANOL.positions, ETHANOL.positions + shift]),
        bonds=np.concatenate([ETHANOL.bonds, ETHANOL.bonds + 9]),
        orders=np.ones(16),
    )
    field = make(FieldRef("mmff94"), pair)
    apart = pair.positions.copy()
    apart[9:] += 50.0
    here, there = field.predict(np.stack([pair.positions, apart])).energy
    assert abs(here - there) > 0.01  # eV: more than nothing


def test_bonds_are_perceived_where_they_are_missing():
    with_them = make(FieldRef("mmff94"), ETHANOL).predict(ETHANOL.positions[None])
    without = make(FieldRef("mmff94"), without_bonds(ETHANOL)).predict(ETHANOL.positions[None])
    assert np.array_equal(with_them.energy, without.energy)


def test_names_the_element_it_does_not_cover():
    borane = Molecule(
        "borane", [5, 1, 1, 1], [[0, 0, 0], [1.19, 0, 0], [-0.6, 1.03, 0], [-0.6, -1.03, 0]]
    )
    with pytest.raises(ForceFieldError, match=r"MMFF94 does not cover B \(atom 1\)"):
        make(FieldRef("mmff94"), borane)


def test_names_the_atom_without_a_type():
    fluorine = [[0, 0, 1.58], [0, 0, -1.58], [1.53, 0, 0], [-0.77, 1.33, 0], [-0.77, -1.33, 0]]
    pentafluoride = Molecule("PF5", [15, 9, 9, 9, 9, 9], [[0, 0, 0], *fluorine])
    with pytest.raises(ForceFieldError, match="no atom type for atom P1 of PF5"):
        make(FieldRef("mmff94"), pentafluoride)


def test_unknown_variant():
    with pytest.raises(ForceFieldError, match="variant must be one of MMFF94, MMFF94s"):
        make(FieldRef("mmff94", hyper={"variant": "MMFF95"}), ETHANOL)
