"""A made-up molecule with every kind of term, some of them at their awkward places."""

from __future__ import annotations

import numpy as np

from core.mm.constants import AMBER_COULOMB
from core.mm.topology import Term, Topology


def toy() -> Topology:
    """Six atoms in a chain, 1-2-3-4-5-6 with 3 bonded to 5 as well; multi-term torsions.

    Two terms on one dihedral, once written from its other end; an improper; an atom without
    Lennard-Jones term; scales that differ between 1-4 pairs.
    """
    bond = Term(
        "bond",
        np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]),
        {"k": np.array([14.0, 13.0, 20.0, 15.0, 12.0]), "r0": np.array([1.1, 1.4, 1.5, 1.3, 1.0])},
    )
    angle = Term(
        "angle",
        np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]),
        {"k": np.array([2.0, 3.0, 2.5, 1.5]), "theta0": np.array([1.9, np.pi, 2.1, 1.8])},
    )
    torsion = Term(
        "torsion",
        np.array([[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 3, 4], [2, 3, 4, 5], [2, 3, 4, 5]]),
        {
            "k": np.array([0.10, 0.05, 0.20, 0.07, -0.03]),
            "n": np.array([3.0, 1.0, 2.0, 6.0, 4.0]),
            "phase": np.array([0.0, np.pi, np.pi, 0.4, 1.1]),
        },
        types=("a-b-b-b",) * 5,
        penalty=np.array([0.0, 0.0, 3.0, 0.0, 0.0]),
    )
    improper = Term(
        "improper",
        np.array([[1, 3, 2, 4]]),
        {"k": np.array([0.05]), "n": np.array([2.0]), "phase": np.array([np.pi])},
        source=("made up",),
    )
    return Topology(
        types=("a", "b", "b", "b", "b", "ho"),
        charges=np.array([0.3, -0.4, 0.2, 0.1, -0.5, 0.3]),
        rmin_half=np.array([1.4, 1.9, 1.8, 1.7, 1.7, 0.0]),
        epsilon=np.array([0.002, 0.004, 0.005, 0.003, 0.007, 0.0]),
        bond=bond,
        angle=angle,
        torsion=torsion,
        improper=improper,
        pairs=np.array([[0, 4], [0, 5], [1, 5]]),
        pairs14=np.array([[0, 3], [1, 4], [2, 5]]),
        scee14=np.array([1.2, 1.0, 1.2]),
        scnb14=np.array([2.0, 2.0, 1.0]),
        coulomb=AMBER_COULOMB,
        source="a toy",
        notes=("angle 2 wants to be straight",),
    )


def geometries(count: int, *, seed: int = 0) -> np.ndarray:
    """(count,6,3) Å: a bent chain, every atom moved by a normal step of 0.2 Å."""
    chain = np.array(
        [
            [0.0, 0.0, 0.0], [0.9, 0.6, 0.1], [2.2, 0.2, 0.3],
            [3.2, 1.3, 0.2], [4.3, 0.7, 0.9], [5.1, 1.2, 1.2],
        ]
    )  # fmt: skip
    return chain + np.random.default_rng(seed).normal(0.0, 0.2, (count, 6, 3))
