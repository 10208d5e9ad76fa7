"""Geometries sorted into groups of like shape."""

from __future__ import annotations

import numpy as np

from core.descriptors.pair_distances import pair_distances

ROUNDS = 50  #: of Lloyd's iteration


def clusters(positions: np.ndarray, k: int, *, seed: int = 0) -> np.ndarray:
    """Number of the cluster (M,) of each geometry (M,N,3) Å, 0 the largest.

    k-means (Lloyd, started by k-means++) on the interatomic distances: groups of a data set whose
    errors are looked at one by one (Poltavsky & Tkatchenko, J. Phys. Chem. Lett. 12, 6551 (2021),
    fig. 10).
    Fewer than k where fewer shapes differ. Raises ValueError for k < 1.
    """
    from scipy.cluster.vq import kmeans2

    if k < 1:
        raise ValueError(f"{k} clusters: at least one")
    features = pair_distances(np.asarray(positions, dtype=np.float64))
    different = len(np.unique(np.round(features, 6), axis=0))
    k = min(k, different)
    if k == 1:
        return np.zeros(len(features), dtype=np.int64)
    _, label = kmeans2(
        features, k, iter=ROUNDS, minit="++", missing="raise", rng=np.random.default_rng(seed)
    )
    names, first = np.unique(label, return_inverse=True)
    size = np.bincount(first, minlength=len(names))
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(names))
    return rank[first]
