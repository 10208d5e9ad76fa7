"""Small molecules and data that tests make for themselves, so that they run anywhere."""

from __future__ import annotations

import dataclasses

import numpy as np

from core.bonding import moving_atoms
from core.dataset import Dataset
from core.geometry import rotate_dihedral
from core.molecule import Molecule

#: Ethanol, trans, minimised with GFN2-xTB: C C O, methyl H 3-5, methylene H 6-7, hydroxyl H 8.
ETHANOL = Molecule(
    name="ethanol",
    numbers=np.array([6, 6, 8, 1, 1, 1, 1, 1, 1]),
    positions=np.array(
        [
            [-0.9738, 0.3040, 0.1235],
            [0.3575, -0.3628, -0.1853],
            [1.3938, 0.4541, 0.3189],
            [-1.7921, -0.3032, -0.2530],
            [-1.0093, 1.2851, -0.3418],
            [-1.0815, 0.4282, 1.1973],
            [0.3943, -1.3577, 0.2830],
            [0.4678, -0.4910, -1.2725],
            [2.2432, 0.0435, 0.1299],
        ]
    ),
    bonds=np.array([[0, 1], [0, 3], [0, 4], [0, 5], [1, 2], [1, 6], [1, 7], [2, 8]]),
    orders=np.ones(8),
)
HYDROXYL = (0, 1, 2, 8)  # C-C-O-H
METHYL = (3, 0, 1, 2)  # H-C-C-O


def ethanol_frames(n: int, *, seed: int = 0, shake: float = 0.04) -> np.ndarray:
    """(n,9,3) Å: the hydroxyl turned by up to 0.5 rad, every atom moved by a normal step."""
    rng = np.random.default_rng(seed)
    moving = moving_atoms(ETHANOL, HYDROXYL)
    turned = rotate_dihedral(ETHANOL.positions, HYDROXYL, np.pi + rng.uniform(-0.5, 0.5, n), moving)
    return turned + rng.normal(0.0, shake, turned.shape)


def labelled(positions: np.ndarray, *, key: str = "gfn2-xtb") -> Dataset:
    """Ethanol geometries (M,9,3) Å labelled by an untrained force field."""
    from core.fieldref import FieldRef
    from core.forcefields.load import make

    p = make(FieldRef(key), ETHANOL).predict(positions)
    return Dataset("ethanol", ETHANOL, positions, p.energy, p.forces, level=key, source="test")


def without_bonds(molecule: Molecule) -> Molecule:
    """The same molecule, bonds not known."""
    return dataclasses.replace(molecule, bonds=np.zeros((0, 2), dtype=int), orders=np.zeros(0))
