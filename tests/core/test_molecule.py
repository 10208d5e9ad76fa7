"""A molecule checks itself and cannot be changed behind one's back."""

from __future__ import annotations

import ase.data
import numpy as np
import pytest

from core import wire
from core.elements import COVALENT_RADII, MASSES, SYMBOLS
from core.molecule import Molecule
from tests.molecules import ETHANOL


def test_formula_is_hills():
    def formula(*symbols: str) -> str:
        numbers = [SYMBOLS.index(s) for s in symbols]
        return Molecule("", numbers, np.zeros((len(numbers), 3))).formula

    assert ETHANOL.formula == "C2H6O"
    assert formula("H", "O", "H") == "H2O"
    assert formula("Na", "Cl") == "ClNa"
    assert formula("Br", "C", "H", "H", "H") == "CH3Br"


def test_arrays_are_copies_and_read_only():
    positions = np.zeros((1, 3))
    molecule = Molecule("H", [1], positions)
    positions[0, 0] = 5.0
    assert molecule.positions[0, 0] == 0.0
    with pytest.raises(ValueError):
        molecule.positions[0, 0] = 1.0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"numbers": []}, "0 atoms"),
        ({"numbers": [0, 6]}, "atom 1 has atomic number 0"),
        ({"numbers": [6, 200]}, "atom 2 has atomic number 200"),
        ({"positions": np.zeros((3, 3))}, "positions has shape"),
        ({"positions": [[0, 0, 0], [0, np.nan, 0]]}, "atom 2 has a coordinate"),
        ({"bonds": [[0, 2]], "orders": [1.0]}, r"outside 1\.\.2"),
        ({"bonds": [[0, 1]], "orders": []}, "orders has shape"),
        ({"bonds": [[1, 1]], "orders": [1.0]}, "with itself"),
        ({"bonds": [[0, 1], [1, 0]], "orders": [1.0, 1.0]}, "stands there twice"),
        ({"multiplicity": 0}, "multiplicity of 0"),
    ],
)
def test_nonsense_is_refused(change, why):
    good = {"name": "x", "numbers": [6, 8], "positions": np.zeros((2, 3))}
    with pytest.raises(ValueError, match=why):
        Molecule(**{**good, **change})


def test_travels():
    back = wire.unpack(wire.pack(ETHANOL), Molecule)
    assert np.array_equal(back.positions, ETHANOL.positions)
    assert back.symbols == ETHANOL.symbols


def test_element_tables_are_ases():
    assert tuple(ase.data.chemical_symbols) == SYMBOLS
    assert np.allclose(MASSES[1:], ase.data.atomic_masses[1:])
    n = min(len(COVALENT_RADII), len(ase.data.covalent_radii))
    assert np.allclose(COVALENT_RADII[1:n], ase.data.covalent_radii[1:n])
