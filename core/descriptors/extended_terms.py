"""Which angles and dihedrals an extended descriptor has: from text, closed under permutations.

A term is a row of four atoms counted from 0; an angle a-b-c (b in the middle) has -1 in the last
place. a-b-c and c-b-a, a-b-c-d and d-c-b-a are one term, kept with the smaller end first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.molecule import Molecule

MAX_TERMS = 2000  #: beyond this the chosen coordinates would outweigh the distances of any molecule
LINEAR = 0.05  #: rad from 0 or 180°, where an angle's slope is not defined any more


class TermError(ValueError):
    """The text names no coordinates of this molecule."""


def no_terms() -> np.ndarray:
    """No angle and no dihedral: (0,4)."""
    return np.zeros((0, 4), dtype=np.int64)


def canonical(atoms: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The one way a term is written: 3 or 4 atoms (or 4 with -1 last)."""
    core = atoms[:3] if len(atoms) == 3 or atoms[3] < 0 else atoms
    core = min(core, core[::-1])
    return (*core, -1) if len(core) == 3 else core  # type: ignore[return-value]


def parse_terms(text: str, molecule: Molecule) -> np.ndarray:
    """Angles and dihedrals (E,4) that a person named, e.g. "1-2-3, 4-1-2-3" (atoms from 1).

    "" = none; "auto" = one dihedral for each bond that can turn (`core.bonding.dihedrals`). Raises
    TermError naming the term.
    """
    if not text.strip():
        return no_terms()
    if text.strip().lower() == "auto":
        from core.bonding import BondingError, dihedrals

        try:
            found = dihedrals(molecule)
        except BondingError as error:
            raise TermError(f"'auto' needs the bonds, and {error}") from None
        if not found:
            raise TermError(
                "'auto' finds no bond that can turn in this molecule: name atoms or leave it empty"
            )
        return np.array(sorted({canonical(t) for t in found}), dtype=np.int64)
    n = len(molecule.numbers)
    rows = []
    for part in re.split(r"[,;]", text):
        words = re.split(r"[\s-]+", part.strip())
        if not all(w.isdigit() and len(w) < 6 for w in words) or len(words) not in (3, 4):
            raise TermError(
                f"{part.strip()[:40]!r} is neither an angle nor a dihedral: write 3 or 4 atom "
                "numbers with hyphens, several with commas, as in 1-2-3, 4-1-2-3, or auto"
            )
        atoms = tuple(int(w) - 1 for w in words)
        if min(atoms) < 0 or max(atoms) >= n:
            raise TermError(f"{part.strip()}: the molecule has the atoms 1 to {n}")
        if len(set(atoms)) != len(atoms):
            raise TermError(f"{part.strip()} names an atom twice")
        rows.append(canonical(atoms))
    return np.array(sorted(set(rows)), dtype=np.int64)


def close_terms(terms: np.ndarray, permutations: np.ndarray) -> np.ndarray:
    """The terms and all that the permutations (S,N) turn them into: (E',4), sorted.

    Without the others a permuted geometry would have another descriptor, not a permuted one.
    Raises TermError beyond MAX_TERMS.
    """
    found = {
        canonical(tuple(int(p[a]) if a >= 0 else -1 for a in term))
        for term in terms.tolist()
        for p in permutations
    }
    if len(found) > MAX_TERMS:
        raise TermError(
            f"the permutations turn the chosen angles and dihedrals into {len(found)}; at most "
            f"{MAX_TERMS} can be described, choose fewer"
        )
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 4)


def permute_terms(terms: np.ndarray, permutations: np.ndarray) -> np.ndarray:
    """(S,E) indices with terms(r[p]) = terms(r)[row]; the terms must be closed under p."""
    where = {tuple(t): i for i, t in enumerate(terms.tolist())}
    rows = [
        [where[canonical(tuple(int(p[a]) if a >= 0 else -1 for a in t))] for t in terms.tolist()]
        for p in permutations
    ]
    return np.array(rows, dtype=np.int64).reshape(len(permutations), len(terms))


def check_terms(terms: np.ndarray, n_atoms: int) -> None:
    """Raise TermError unless `terms` are (E,4) canonical terms of n atoms, each once."""
    if terms.ndim != 2 or terms.shape[1] != 4 or terms.dtype.kind != "i":
        raise TermError(f"angles and dihedrals have the shape {terms.shape}")
    rows = [tuple(t) for t in terms.tolist()]
    for t in rows:
        atoms = t[:3] if t[3] == -1 else t
        if min(atoms) < 0 or max(atoms) >= n_atoms or len(set(atoms)) != len(atoms):
            raise TermError(f"{t} is neither an angle nor a dihedral of {n_atoms} atoms")
    if len(set(rows)) != len(rows) or any(canonical(t) != t for t in rows):
        raise TermError("angles and dihedrals stand there twice or the wrong way round")


def straight(terms: np.ndarray, positions: np.ndarray) -> tuple[int, str] | None:
    """(frame, atoms as text) of the first geometry (M,N,3) with a straight angle in a term.

    There neither the angle's slope nor the dihedral is defined.
    """
    for term in terms.tolist():
        chain = term[:3] if term[3] < 0 else term
        for k in range(len(chain) - 2):
            a, b, c = (positions[:, x] for x in chain[k : k + 3])
            u, v = a - b, c - b
            sine = np.linalg.norm(np.cross(u, v), axis=1)
            angle = np.arctan2(sine, (u * v).sum(1))
            bad = np.flatnonzero((angle < LINEAR) | (angle > np.pi - LINEAR))
            if len(bad):
                return int(bad[0]), "-".join(str(x + 1) for x in chain[k : k + 3])
    return None
