"""UFF against RDKit's own numbers on the oracle molecules, and its refusals."""

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
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import ORACLE_ENERGY


@pytest.mark.parametrize("name", ["ethanol", "malonaldehyde", "aspirin", "azobenzene", "3bpa"])
def test_energies_of_the_oracle(shared, name):
    folder = shared / "oracles" / "gaff"
    expected = json.loads((folder / "rdkit_mmff_uff.json").read_text())
    frames = [ase.io.read(folder / f"{name}_{which}.xyz") for which in ("min", "disp")]
    field = make(FieldRef("uff"), Molecule(name, frames[0].numbers, frames[0].positions))
    energy = field.predict(np.stack([a.positions for a in frames])).energy
    wanted = np.array([expected[f"{name}/{w}"]["UFF"] for w in ("min", "disp")]) * KCAL_MOL
    assert np.abs(energy - wanted).max() < ORACLE_ENERGY


def test_gradient_does_not_remember_the_call_before():
    """RDKit's gradient uses the distances of the last energy call: each must get its own."""
    frames = ethanol_frames(20)
    field = make(FieldRef("uff"), ETHANOL)
    forward = field.predict(frames).forces
    backward = make(FieldRef("uff"), ETHANOL).predict(frames[::-1]).forces[::-1]
    assert np.array_equal(forward, backward)


def test_names_the_atom_without_parameters():
    with pytest.raises(ForceFieldError, match="UFF has no atom type for atom He1"):
        make(FieldRef("uff"), Molecule("helium", [2], [[0.0, 0.0, 0.0]]))
