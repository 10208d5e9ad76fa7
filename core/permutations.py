"""Permutations of like atoms that any exchange makes, whatever the bonds."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, pairwise

import numpy as np


def exchanges(numbers: np.ndarray, *, every: bool = False) -> np.ndarray:
    """(P,N) permutations: identity, then one exchange for each next pair of equal nuclei (N,).

    They generate the group of all permutations of like atoms. every: an exchange for every pair.
    """
    rows = [np.arange(len(numbers))]
    for z in np.unique(numbers):
        same = np.flatnonzero(numbers == z)
        pairs: Iterable[tuple[int, int]] = combinations(same, 2) if every else pairwise(same)
        for a, b in pairs:
            row = rows[0].copy()
            row[[a, b]] = b, a
            rows.append(row)
    return np.array(rows)
