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
MAX_PERIODICITY = 12  #: of a torsion; the published tables end at 6


@wire
@dataclass(frozen=True, eq=False)
class Term:
    """T terms of one kind.

    atoms (T,2..4) from 0; parameters: name -> (T,); types (T,) the atom types as "c3-c3-oh-ho";
    source (T,) where the values come from; penalty (T,) 0 = exact match, larger = worse analogy.
    types, source and penalty may be empty. Raises ValueError naming the term that does not fit.

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
        ends = np.sort(atoms, axis=1)
        _refuse(self.kind, (ends[:, 1:] == ends[:, :-1]).any(1), "names one atom twice")
        if tuple(self.parameters) != names:
            raise ValueError(f"a {self.kind} has the parameters {', '.join(names)}")
        columns = {n: self._column(n, c) for n, c in self.parameters.items()}
        object.__setattr__(self, "parameters", columns)
        if "n" in columns:
            n = columns["n"]
            odd = (n != np.round(n)) | (n < 0) | (n > MAX_PERIODICITY)
            _refuse(self.kind, odd, f"has a periodicity that is none of 0 to {MAX_PERIODICITY}")
        for name, texts in (("types", self.types), ("sources", self.source)):
            if len(texts) not in (0, len(atoms)):
                raise ValueError(f"{self.kind}: {len(texts)} {name} for {len(atoms)} terms")
        penalty = frozen_array(self.penalty, dtype="float64", shape=(None,), name="penalty")
        if len(penalty) not in (0, len(atoms)):
            raise ValueError(f"{self.kind}: {len(penalty)} penalties for {len(atoms)} terms")
        _refuse(self.kind, ~(penalty >= 0), "has a penalty that is not 0 or more")
        object.__setattr__(self, "penalty", penalty)

    def _column(self, name: str, values: np.ndarray) -> np.ndarray:
        if np.shape(values) != (len(self.atoms),):
            raise ValueError(f"{self.kind} {name}: {np.shape(values)} for {len(self.atoms)} terms")
        column = frozen_array(values, dtype="float64", shape=(None,), name=name)
        _refuse(self.kind, ~np.isfinite(column), f"has a {name} that is not a number")
        return column

    def __len__(self) -> int:
        return len(self.atoms)


def _refuse(kind: str, bad: np.ndarray, what: str) -> None:
    if bad.any():
        raise ValueError(f"{kind} {int(np.flatnonzero(bad)[0]) + 1} {what}")


@wire
@dataclass(frozen=True, eq=False)
class Topology:
    """All terms of one molecule.

    types (N,) atom types; charges (N,) e; rmin_half (N,) Å and epsilon (N,) eV: Lennard-Jones with
    Lorentz-Berthelot mixing in Amber's form, eps [(Rmin/r)^12 - 2 (Rmin/r)^6]. pairs (P,2): all
    pairs four or more bonds apart, full strength. pairs14 (Q,2): 1-4 pairs, each once, divided by
    scee14 and scnb14 (Q,) (per torsion, as Amber stores them). coulomb eV Å/e²: the constant used.
    Raises ValueError where anything names an atom that is not there or is no number.
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

    def __post_init__(self) -> None:
        n = len(self.types)
        for kind in TERMS:
            term = getattr(self, kind)
            if term.kind != kind:
                raise ValueError(f"the terms of kind {term.kind} stand where {kind} should")
            _within(term.atoms, n, kind)
        for name in ("charges", "rmin_half", "epsilon"):
            self._put(name, "float64", (n,), low=None if name == "charges" else 0.0)
        for name in ("pairs", "pairs14"):
            pairs = self._put(name, "int64", (None, 2))
            _within(pairs, n, name)
            _refuse(name, pairs[:, 0] == pairs[:, 1], "pairs an atom with itself")
        both = np.sort(np.concatenate([self.pairs, self.pairs14]), axis=1)
        code = np.sort(both[:, 0] * n + both[:, 1])
        twice = np.flatnonzero(code[1:] == code[:-1])
        if len(twice):
            a, b = divmod(int(code[twice[0]]), n)
            raise ValueError(f"atoms {a + 1} and {b + 1} are paired twice")
        for name in ("scee14", "scnb14"):
            values = self._put(name, "float64", (len(self.pairs14),))
            _refuse(name, values <= 0, "is not positive")
        if not np.isfinite(self.coulomb) or self.coulomb < 0:
            raise ValueError(f"a Coulomb constant of {self.coulomb}")

    def _put(self, name: str, dtype: str, shape: tuple, low: float | None = None) -> np.ndarray:
        array = frozen_array(getattr(self, name), dtype=dtype, shape=shape, name=name)
        object.__setattr__(self, name, array)
        if dtype == "float64":
            _refuse(name, ~np.isfinite(array), "is not a number")
            if low is not None:
                _refuse(name, array < low, f"is below {low:g}")
        return array

    def terms(self) -> dict[str, Term]:
        """The bonded terms by kind."""
        return {kind: getattr(self, kind) for kind in TERMS}


def _within(atoms: np.ndarray, n: int, name: str) -> None:
    bad: np.ndarray = np.any((atoms < 0) | (atoms >= n), axis=1)
    _refuse(name, bad, f"names an atom outside 1..{n}")
