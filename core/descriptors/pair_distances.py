"""Interatomic distances of many geometries in numpy, and geometries that repeat others."""

from __future__ import annotations

import numpy as np

SAME = 1e-6  #: Å, two geometries closer than this in every distance are one


def pair_distances(positions: np.ndarray) -> np.ndarray:
    """positions (M,N,3) Å -> all distances a < b (M, N(N-1)/2) Å."""
    a, b = np.triu_indices(positions.shape[1], 1)
    return np.linalg.norm(positions[:, a] - positions[:, b], axis=-1)


def repeated_frames(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames that are an earlier one again, moved or turned as a whole.

    positions (M,N,3) Å. Returns (again, first): index of each repeating frame, ascending, and of
    the earlier frame it repeats. Mirror images count as the same: no force field here tells them
    apart by distances.
    """
    d = pair_distances(positions)
    m, width = d.shape
    if m < 2 or width == 0:
        none = np.zeros(0, dtype=np.int64)
        return none, none
    # equal frames are neighbours on any line through the space of distances
    direction = np.random.default_rng(0).normal(size=width)
    along = d @ (direction / np.linalg.norm(direction))
    order = np.argsort(along, kind="stable")
    reach = SAME * width**0.5
    earlier = np.arange(m)
    for shift in range(1, m):
        left, right = order[:-shift], order[shift:]
        near = along[right] - along[left] <= reach
        if not near.any():
            break
        left, right = left[near], right[near]
        same = np.abs(d[left] - d[right]).max(1) <= SAME
        low, high = np.minimum(left, right)[same], np.maximum(left, right)[same]
        np.minimum.at(earlier, high, low)
    again = np.flatnonzero(earlier < np.arange(m))
    return again, earlier[again]
