"""Permutations as people see and choose them: cycles of atoms, some of them switched off."""

from __future__ import annotations

import re

import numpy as np

from core.analyses.permutations import cycles, cycles_text
from core.fitting.symmetry import SymmetryError, close_group


def text(permutation: np.ndarray) -> str:
    """ "(5 8)(6 7)", atoms from 1; "none" for the identity."""
    return cycles_text(cycles(permutation)) or "none"


def parse_skipped(words: str, permutations: np.ndarray) -> list[int]:
    """Which rows of `permutations` (S,N) a text switches off.

    "(7 8), (5 6)(7 8), 3": cycles of atoms from 1, or numbers in the list, where 1 is no
    permutation at all. Raises SymmetryError naming what it does not find.
    """
    known = {frozenset(cycles(p)): i for i, p in enumerate(permutations)}
    listed = ", ".join(f"{i + 1} {text(p)}" for i, p in enumerate(permutations[:12]) if i)
    listed = f"there are: {listed or 'none'}" + (" …" if len(permutations) > 12 else "")
    chosen = []
    for part in re.split(r"[,;](?![^()]*\))", words):
        word = part.strip()
        if not word:
            continue
        if word.isdigit():
            index = int(word) - 1 if len(word) < 6 else -1
            if not 0 < index < len(permutations):
                raise SymmetryError(f"there is no permutation {word} to switch off; {listed}")
            chosen.append(index)
            continue
        found = re.fullmatch(r"(\(\s*\d{1,5}(?:[\s,]+\d{1,5})+\s*\)\s*)+", word)
        if not found:
            raise SymmetryError(
                f"{word[:40]!r} is no permutation: write cycles of atoms as in (7 8), or its number"
            )
        rows = [[int(a) - 1 for a in re.split(r"[\s,]+", c.strip())]
                for c in re.findall(r"\(([^()]*)\)", word)]  # fmt: skip
        image = np.arange(permutations.shape[1])
        flat = [a for row in rows for a in row]
        if len(set(flat)) != len(flat) or min(flat) < 0 or max(flat) >= len(image):
            raise SymmetryError(f"{word} is not a permutation of atoms 1 to {len(image)}")
        for row in rows:
            image[row] = row[1:] + row[:1]
        index = known.get(frozenset(cycles(image)), -1)
        if index < 1:
            raise SymmetryError(f"the data show no permutation {word}; {listed}")
        chosen.append(index)
    return sorted(set(chosen))


def without(permutations: np.ndarray, skipped: list[int]) -> np.ndarray:
    """A largest subgroup (in the order of the list) that holds none of the skipped rows: (S',N).

    Others may have to go with them: products of those kept would bring the skipped ones back.
    """
    if not skipped:
        return permutations
    banned = {tuple(permutations[i].tolist()) for i in skipped}
    kept = permutations[:1]
    have = {tuple(kept[0].tolist())}
    for p in permutations[1:]:
        row = tuple(p.tolist())
        if row in have or row in banned:
            continue
        group = close_group(np.concatenate([kept, p[None]]))
        rows = {tuple(g) for g in group.tolist()}
        if not rows & banned:
            kept, have = group, rows
    return kept


def orbits(permutations: np.ndarray) -> np.ndarray:
    """(N,) the same number for atoms that some permutation of the group (S,N) exchanges, from 0."""
    first = permutations.min(axis=0)  # of a group: the lowest atom that each is sent from
    return np.unique(first, return_inverse=True)[1].astype(np.int64)
