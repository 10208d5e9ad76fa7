"""Duplicates, outliers and the sign of the forces of one data set (eV, Å)."""

from __future__ import annotations

import numpy as np

from core.readers import evidence
from core.readers.raw import Block

DUPLICATE = 1e-5  # Å, root mean square after the best fit
OUTLIER = 8.0  # robust standard deviations
LISTED = 1000  # frames a report lists at most


def duplicates(positions: np.ndarray, *, tolerance: float = DUPLICATE) -> np.ndarray:
    """Frames (from 0) that repeat an earlier one, wherever it lies in space; mirror images do not.

    positions (M,N,3) Å. Candidates share a random projection of their distances from the centroid
    and from three fixed atoms; each is then laid over the other.
    """
    m, n = positions.shape[:2]
    if m < 2:
        return np.zeros(0, dtype=np.int64)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, n)) / np.sqrt(4 * n)
    key = np.zeros(m)
    for start in range(0, m, 20_000):
        r = positions[start : start + 20_000]
        key[start : start + 20_000] = np.linalg.norm(
            r - r.mean(1, keepdims=True), axis=-1
        ) @ weights[0] + sum(
            np.linalg.norm(r - r[:, k : k + 1], axis=-1) @ w
            for k, w in zip((0, n // 2, n - 1), weights[1:], strict=True)
        )
    order = np.argsort(key, kind="stable")
    repeats: set[int] = set()
    window = 4 * tolerance * np.sqrt(n)
    for shift in range(1, min(m, 64)):
        close = np.flatnonzero(key[order[shift:]] - key[order[:-shift]] < window)
        if not len(close):
            break
        i, j = order[close], order[close + shift]
        for part in range(0, len(i), 20_000):
            a, b = positions[i[part : part + 20_000]], positions[j[part : part + 20_000]]
            a = a - a.mean(1, keepdims=True)
            b = b - b.mean(1, keepdims=True)
            off = b @ evidence.rotation(a, b) - a
            same = np.sqrt((off**2).sum(-1).mean(-1)) < tolerance
            later = np.maximum(i[part : part + 20_000], j[part : part + 20_000])[same]
            repeats.update(int(k) for k in later)
    return np.array(sorted(repeats), dtype=np.int64)


def outliers(energies: np.ndarray | None, forces: np.ndarray | None) -> np.ndarray:
    """Frames (from 0) beyond OUTLIER robust deviations in energy or in the largest force.

    energies (M,), forces (M,N,3), NaN = no label. Robust: median and 1.4826 x median deviation.
    """
    far: list[np.ndarray] = []
    if energies is not None:
        far.append(_far(energies))
    if forces is not None:
        far.append(_far(np.linalg.norm(forces, axis=-1).max(1)))
    return np.unique(np.concatenate(far)) if far else np.zeros(0, dtype=np.int64)


def _far(values: np.ndarray) -> np.ndarray:
    have = np.flatnonzero(np.isfinite(values))
    if len(have) < 10:
        return np.zeros(0, dtype=np.int64)
    off = np.abs(values[have] - np.median(values[have]))
    width = 1.4826 * np.median(off)
    if width <= 0:
        return np.zeros(0, dtype=np.int64)
    return have[off > OUTLIER * width]


def force_sign(
    block: Block,
    *,
    energy_ev: float,
    force_ev: float,
    length_a: float,
    pooled: evidence.Work | None,
) -> tuple[str, str]:
    """("ok" | "reversed" | "unknown", the numbers behind it). block in file units.

    pooled: the energy check over all molecules of the file, for a block with too few frames.
    """  # fmt: skip
    if block.forces is None or not np.isfinite(block.forces).any():
        return "unknown", "no forces"
    votes: list[int] = []
    details: list[str] = []
    spring = evidence.stretch(block, length=length_a)
    if spring is not None:
        votes.append(1 if spring.constant > 0 else -1)
        details.append(
            f"X-H bonds: force constant {spring.constant * force_ev:+.2f} x the usual one "
            f"({spring.bonds} bonds)"
        )
    near = evidence.work([block])
    whose = "near frames"
    if near is None and not votes and pooled is not None:
        near, whose = pooled, "near frames of all molecules of the file"
    if near is not None:
        scale = near.slope * energy_ev / (force_ev * length_a)
        details.append(
            f"dE against -F·dr over {near.pairs} {whose}: correlation {near.correlation:+.2f}, "
            f"slope {scale:+.2f}"
        )
        if abs(near.correlation) > 0.5 and near.slope * near.correlation > 0:
            votes.append(1 if near.correlation > 0 else -1)
    if not votes:
        return "unknown", "; ".join(details) or "too few near frames"
    if min(votes) != max(votes):
        return "unknown", "; ".join(details)
    return ("ok" if votes[0] > 0 else "reversed"), "; ".join(details)
