"""The terms of a molecular-mechanics force field on one molecule, as plain arrays.

Functional form: Sauceda et al., J. Chem. Phys. 153, 124109 (2020), eqs 4-13 (Bixon and Lifson) in
Amber's convention: every constant multiplies its term without a factor one half.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from core.molecule import frozen_array
from core.wire import wire

#: name of a term -> (number of atoms, names of its parameters)
TERMS: dict[str, tuple[int, tuple[str, ...]]] = {
    "bond": (2, ("k", "r0")),
    "angle": (3, ("k", "theta0")),
    "torsion": (4, ("k", "n", "phase")),
    "improper": (4, ("k", "n", "phase")),
}


@wire
@dataclass(frozen=True, eq=False)
class Term:
    """T terms of one kind.

    atoms (T,2..4) from 0; parameters: name -> (T,); types (T,) the atom types as "c3-c3-oh-ho";
    source (T,) where the values come from; penalty (T,) 0 = exact match, larger = worse analogy.

    bond      k (r - r0)^2                       k eV/Å², r0 Å
    angle     k (theta - theta0)^2               k eV/rad², theta0 rad
    torsion   k (1 + cos(n phi - phase))         k eV, n integer (as float), phase rad
    improper  the same; the central atom is the third
    """

    kind: str
    atoms: np.ndarray
    parameters: dict[str, np.ndarray]
    types: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    penalty: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if self.kind not in TERMS:
            raise ValueError(f"unknown kind of term {self.kind!r}")
        width, names = TERMS[self.kind]
        atoms = frozen_array(self.atoms, dtype="int64", shape=(None, width), name="atoms")
        object.__setattr__(self, "atoms", atoms)
        if tuple(self.parameters) != names:
            raise ValueError(f"a {self.kind} has the parameters {', '.join(names)}")
        for name, column in self.parameters.items():
            if np.shape(column) != (len(atoms),):
                raise ValueError(f"{self.kind} {name}: {np.shape(column)} for {len(atoms)} terms")
        if len(self.penalty) not in (0, len(atoms)):
            raise ValueError(f"{len(self.penalty)} penalties for {len(atoms)} terms")

    def __len__(self) -> int:
        return len(self.atoms)


@wire
@dataclass(frozen=True, eq=False)
class Topology:
    """All terms of one molecule.

    types (N,) atom types; charges (N,) e; rmin_half (N,) Å and epsilon (N,) eV: Lennard-Jones with
    Lorentz-Berthelot mixing in Amber's form, eps [(Rmin/r)^12 - 2 (Rmin/r)^6]. pairs (P,2): all
    pairs four or more bonds apart, full strength. pairs14 (Q,2): 1-4 pairs, each once, divided by
    scee14 and scnb14 (Q,) (per torsion, as Amber stores them). coulomb eV Å/e²: the constant used.
    """

    types: tuple[str, ...]
    charges: np.ndarray
    rmin_half: np.ndarray
    epsilon: np.ndarray
    bond: Term
    angle: Term
    torsion: Term
    improper: Term
    pairs: np.ndarray
    pairs14: np.ndarray
    scee14: np.ndarray
    scnb14: np.ndarray
    coulomb: float
    source: str = ""
    notes: tuple[str, ...] = ()
