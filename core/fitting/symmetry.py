"""Permutations of like atoms that a set of geometries shows, by multi-way matching.

Chmiela et al., Nat. Commun. 9, 3887 (2018) and Comput. Phys. Commun. 240, 38 (2019); named in
Sauceda 2020 below eq. 1. A geometry is a graph whose adjacency matrix A holds the distances. Two
geometries G, H are matched by the permutation P that minimises |P A_G P^T - A_H|; relaxed to
orthogonal matrices its solution is made of the eigenvectors, and the assignment that maximises
tr(|V_H| |V_G|^T P^T) is the nearest permutation (Umeyama 1988), found by the Hungarian algorithm.
Pairwise matches are noisy, so only those along the minimum spanning tree over the match scores
are kept (synchronisation), and their closure is the group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.descriptors.pair_distances import SAME

if TYPE_CHECKING:
    from core.engine.context import Context

MAX_FRAMES = 200  #: frames that are matched with each other (all pairs)
MAX_GROUP = 1000  #: beyond this a group is taken for a failure of the matching


class SymmetryError(ValueError):
    """The permutations found do not make a usable group."""


def find_permutations(
    numbers: np.ndarray, positions: np.ndarray, context: Context | None = None
) -> np.ndarray:
    """The permutation group of like atoms that the geometries pass between.

    numbers (N,) atomic numbers; positions (M,N,3) Å, of which at most 200, evenly spaced, are
    matched. Returns (S,N) indices, identity first: row s sends a geometry r to r[s]. Raises
    SymmetryError when the closure grows beyond 1000 permutations.
    """
    m = len(positions)
    if m > MAX_FRAMES:
        positions = positions[(np.arange(MAX_FRAMES) * m) // MAX_FRAMES]
    cost, found = match_pairs(numbers, positions, context)
    return close_group(synchronise(cost, found, len(numbers)))


def match_pairs(
    numbers: np.ndarray, positions: np.ndarray, context: Context | None = None
) -> tuple[np.ndarray, dict[tuple[int, int], np.ndarray]]:
    """Match every pair of geometries.

    Returns the residual |P A_i P^T - A_j| in Å (M,M; upper triangle) and, where a permutation
    other than the identity lowers it, the permutation for (i, j).
    """
    from scipy.optimize import linear_sum_assignment

    m, n, _ = positions.shape
    adjacency = np.linalg.norm(positions[:, :, None] - positions[:, None, :], axis=-1)
    _, vectors = np.linalg.eigh(adjacency)
    vectors = np.abs(vectors)
    # |V||V|^T is at most 1: this penalty keeps unlike atoms apart whatever the rest says
    unlike = 10.0 * n * (numbers[:, None] != numbers[None, :])
    cost = np.zeros((m, m))
    found = {}
    identity = np.arange(n)
    for i in range(m - 1):
        if context is not None and i % 10 == 0:
            context.check()
        later = slice(i + 1, m)
        price = unlike - vectors[i] @ vectors[later].transpose(0, 2, 1)  # (K, N of i, N of j)
        # transposed: for each atom of j, which atom of i takes its place
        matches = np.array([linear_sum_assignment(p.T)[1] for p in price])
        permuted = adjacency[i][matches[:, :, None], matches[:, None, :]]
        after = np.linalg.norm(permuted - adjacency[later], axis=(1, 2))
        before = np.linalg.norm(adjacency[i] - adjacency[later], axis=(1, 2))
        better = (after < before - SAME) & (matches != identity).any(1)
        cost[i, later] = np.where(better, after, before)
        for k in np.flatnonzero(better):
            found[i, i + 1 + int(k)] = matches[k]
    return cost, found


def synchronise(
    cost: np.ndarray, found: dict[tuple[int, int], np.ndarray], n_atoms: int
) -> np.ndarray:
    """The distinct matches (K,N) along the minimum spanning tree of the scores (M,M)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    kept = {tuple(range(n_atoms))}
    row, col = np.triu_indices(len(cost), 1)
    if len(row):
        # a sparse graph takes 0 for "no edge"
        weights = np.maximum(cost[row, col], SAME)
        tree = minimum_spanning_tree(coo_array((weights, (row, col)), shape=cost.shape).tocsr())
        for i, j in zip(*tree.nonzero(), strict=True):
            match = found.get((min(i, j), max(i, j)))
            if match is not None:
                kept.add(tuple(int(a) for a in match))
    return np.array(sorted(kept), dtype=np.int64)


def close_group(generators: np.ndarray) -> np.ndarray:
    """All products of the given permutations: (K,N) -> (S,N), sorted, identity first.

    Finite, so products alone reach the inverses too. Raises SymmetryError beyond 1000.
    """
    identity = tuple(range(generators.shape[1]))
    steps = [g for g in map(tuple, generators.tolist()) if g != identity]
    group = {identity}
    frontier = [identity]
    while frontier:
        fresh = {tuple(p[a] for a in g) for p in frontier for g in steps} - group
        group |= fresh
        if len(group) > MAX_GROUP:
            raise SymmetryError(
                f"the matching found more than {MAX_GROUP} permutations of like atoms, which is "
                "more than a model can hold; switch 'symmetries' off or use closer geometries"
            )
        frontier = list(fresh)
    return np.array(sorted(group), dtype=np.int64)
