"""Distances, angles and dihedrals of many geometries at once (numpy; light enough for a view)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def wrap(angle: np.ndarray | float) -> np.ndarray:
    """Any angle (rad) -> the same direction in (-pi, pi], shape kept."""
    return np.pi - np.mod(np.pi - np.asarray(angle, dtype=np.float64), 2.0 * np.pi)


def measure(positions: np.ndarray, atoms: Sequence[int]) -> np.ndarray:
    """Distance, angle or dihedral of 2, 3 or 4 atoms in every geometry.

    positions (..., N, 3) Å; atoms: indices from 0. Returns (...): Å for two atoms, rad in [0, pi]
    for three, rad in (-pi, pi] for four (IUPAC sign: looking from atom 2 to atom 3, clockwise is
    positive). NaN where atoms coincide so that the angle does not exist; a dihedral over a linear
    angle is not defined and comes out as 0. Raises ValueError for any other number of atoms.
    """
    r = np.asarray(positions, dtype=np.float64)
    p = [r[..., a, :] for a in atoms]
    if len(p) == 2:
        return np.linalg.norm(p[1] - p[0], axis=-1)
    if len(p) == 3:
        return _angle(p[0] - p[1], p[2] - p[1])
    if len(p) != 4:
        raise ValueError(f"{len(p)} atoms: a distance takes 2, an angle 3, a dihedral 4")
    # atan2 form (Blondel & Karplus, J. Comput. Chem. 17, 1132 (1996)): exact near 0 and pi
    b1, b2, b3 = p[1] - p[0], p[2] - p[1], p[3] - p[2]
    n1, n2 = np.cross(b1, b2), np.cross(b2, b3)
    length = np.linalg.norm(b2, axis=-1)
    sine = length * np.sum(b1 * n2, axis=-1)
    angle = wrap(np.arctan2(sine, np.sum(n1 * n2, axis=-1)))
    return np.where(length > 0, angle, np.nan)


def _angle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Angle (...) rad between vectors (..., 3), exact near 0 and pi (Kahan's formula)."""
    a, b = np.linalg.norm(u, axis=-1), np.linalg.norm(v, axis=-1)
    x, y = u * b[..., None], v * a[..., None]
    angle = 2.0 * np.arctan2(np.linalg.norm(x - y, axis=-1), np.linalg.norm(x + y, axis=-1))
    return np.where((a > 0) & (b > 0), angle, np.nan)


def rotate(points: np.ndarray, origin: np.ndarray, axis: np.ndarray, angle: np.ndarray):
    """Rodrigues rotation of points (B,K,3) Å about axes through origin (B,3), angle (B,) rad.

    axis (B,3) need not be normalised. Right-handed.
    """
    k = (axis / np.linalg.norm(axis, axis=-1, keepdims=True))[:, None, :]
    c, s = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    v = points - origin[:, None, :]
    along = np.sum(v * k, axis=-1, keepdims=True)
    turned = v * c + np.cross(np.broadcast_to(k, v.shape), v) * s + k * along * (1.0 - c)
    return turned + origin[:, None, :]


def rotate_dihedral(
    positions: np.ndarray, atoms: Sequence[int], target: np.ndarray, moving: np.ndarray
) -> np.ndarray:
    """Set one dihedral of every geometry by turning one side rigidly about the central bond.

    positions (B,N,3) Å, or (N,3) to be used for every target; atoms (4,); target (B,) rad;
    moving (N,) bool: the atoms on the side of the last atom (`core.bonding.moving_atoms`).
    Returns (B,N,3) Å, a new array. Raises ValueError where the dihedral is not defined.
    """
    target = np.atleast_1d(np.asarray(target, dtype=np.float64))
    r = np.asarray(positions, dtype=np.float64)
    if r.ndim == 2:
        r = np.broadcast_to(r, (len(target), *r.shape))
    r = np.array(r)
    if len(r) != len(target):
        raise ValueError(f"{len(r)} geometries and {len(target)} target angles")
    moving = np.asarray(moving, dtype=bool)
    if not moving[atoms[3]] or moving[atoms[0]] or moving[atoms[1]]:
        raise ValueError("the last atom of a dihedral must move, and the first two must not")
    now = measure(r, atoms)
    if not np.isfinite(now).all():
        bad = int(np.flatnonzero(~np.isfinite(now))[0])
        raise ValueError(f"geometry {bad + 1}: the dihedral is not defined, atoms coincide")
    j, k = atoms[1], atoms[2]
    r[:, moving] = rotate(r[:, moving], r[:, j], r[:, k] - r[:, j], target - now)
    return r
