"""A geometry from all its distances."""

from __future__ import annotations

import numpy as np

from core.descriptors.inverse_distances import pairs
from core.forcefields.errors import ForceFieldError

APART = 1e-3  #: Å by which a rebuilt distance may differ from the one given


def geometry(inverse: np.ndarray, n: int, name: str) -> np.ndarray:
    """inverse (D,) 1/Å over the pairs a < b -> positions (N,3) Å, centred; up to a mirror image.

    Classical scaling (Torgerson, Psychometrika 17, 401 (1952)): with squared distances Q and
    J = 1 - 1/N, the three largest eigenpairs of -J Q J / 2 are the coordinates. Raises
    ForceFieldError where the distances are not those of points in space; `name` is told.
    """
    a, b = pairs(n)
    square = np.zeros((n, n))
    square[a, b] = square[b, a] = inverse**-2.0
    centre = np.eye(n) - 1.0 / n
    values, vectors = np.linalg.eigh(-0.5 * centre @ square @ centre)
    positions = np.zeros((n, 3))
    top = min(3, n)
    positions[:, :top] = vectors[:, ::-1][:, :top] * np.sqrt(np.maximum(values[::-1][:top], 0.0))
    again = np.linalg.norm(positions[a] - positions[b], axis=1)
    worst = float(np.abs(again - 1.0 / inverse).max())
    if not worst < APART:
        raise ForceFieldError(
            f"{name}: the distances of its first training frame are not those of {n} points in "
            f"space (off by {worst:.2g} Å): the file is damaged"
        )
    return positions
