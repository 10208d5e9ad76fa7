"""Which pairs and triples of atoms feed which part of the FCHL19 descriptor of which atom.

All atoms of one element have the same number of neighbours and triples of each kind, so that the
sums of the descriptor become one batched matrix product per element and kind (a `Group`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Group:
    """Rows `start:stop` of a list of pairs or triples, `centres` x `each`, and where they go.

    The list's rows are ordered by centre atom; each centre has `each` of them; their sum fills
    columns `column:column + width` of the descriptor.
    """

    start: int
    stop: int
    centres: int
    each: int
    column: int


@dataclass(frozen=True)
class Layout:
    """Index tables of one molecule.

    elements (E,) atomic numbers, ascending; atoms: the atoms of each element. pairs (P,2): a < b.
    two (T2,): the pair of each (centre, neighbour). three (T3,3): the pairs (i,j), (i,k), (j,k) of
    each triple with centre i. two_groups and three_groups: one list of groups per element.
    """

    elements: np.ndarray
    atoms: tuple[np.ndarray, ...]
    pairs: np.ndarray
    two: np.ndarray
    three: np.ndarray
    two_groups: tuple[tuple[Group, ...], ...]
    three_groups: tuple[tuple[Group, ...], ...]
    width: int


def layout(numbers: np.ndarray, n_two: int, n_three: int) -> Layout:
    """Tables for a molecule with these atomic numbers (N,) and numbers of radial functions.

    Columns: for each element n_two of the pairs; then for each pair of elements (p <= q) n_three x
    2 of the triples (cosine, sine).
    """
    elements, kind = np.unique(numbers, return_inverse=True)
    n, count = len(numbers), len(elements)
    a, b = np.triu_indices(n, 1)
    where = np.zeros((n, n), dtype=np.int64)
    where[a, b] = where[b, a] = np.arange(len(a))
    atoms = tuple(np.flatnonzero(kind == e) for e in range(count))
    two: list[int] = []
    three: list[tuple[int, int, int]] = []
    two_groups, three_groups = [], []
    for e in range(count):
        groups = []
        for other in range(count):
            start = len(two)
            for i in atoms[e]:
                two += [int(where[i, j]) for j in atoms[other] if j != i]
            groups.append(_group(start, len(two), len(atoms[e]), other * n_two))
        two_groups.append(tuple(g for g in groups if g.each))
        groups = []
        column = count * n_two
        for p in range(count):
            for q in range(p, count):
                start = len(three)
                for i in atoms[e]:
                    three += [
                        (int(where[i, j]), int(where[i, k]), int(where[j, k]))
                        for j, k in _couples(atoms[p], atoms[q], p == q)
                        if i not in (j, k)
                    ]
                groups.append(_group(start, len(three), len(atoms[e]), column))
                column += 2 * n_three
        three_groups.append(tuple(g for g in groups if g.each))
    return Layout(
        elements,
        atoms,
        np.stack([a, b], 1),
        np.array(two, dtype=np.int64),
        np.array(three, dtype=np.int64).reshape(-1, 3),
        tuple(two_groups),
        tuple(three_groups),
        count * n_two + count * (count + 1) * n_three,
    )


def _couples(first: np.ndarray, second: np.ndarray, same: bool) -> list[tuple[int, int]]:
    if same:
        return [(int(j), int(k)) for j, k in combinations(first, 2)]
    return [(int(j), int(k)) for j in first for k in second]


def _group(start: int, stop: int, centres: int, column: int) -> Group:
    return Group(start, stop, centres, (stop - start) // centres, column)
