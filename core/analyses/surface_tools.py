"""Numbers of surfaces that views and reports share: zeros, differences, minima, periodic grids.

Angles are radians, energies eV. G = n1 (or n1*n2, second axis fastest) grid points, as in
`core.analyses.surface`.
"""

from __future__ import annotations

import numpy as np

from core.analyses.surface import Axis

TWO_PI = 2 * np.pi
GRID_TOLERANCE = np.deg2rad(1.0)  # measured angles this close count as one grid value


def grid_shape(axes: tuple[Axis, ...]) -> tuple[int, ...]:
    """(n1,) or (n1, n2)."""
    return tuple(axis.n for axis in axes)


def grid_angles(axes: tuple[Axis, ...]) -> np.ndarray:
    """(G,A) rad: the requested angles of every grid point, second axis fastest."""
    mesh = np.meshgrid(*(axis.values() for axis in axes), indexing="ij")
    return np.stack([m.ravel() for m in mesh], axis=-1)


def step(axis: Axis) -> float:
    """Spacing of the points, rad (0 for a single point)."""
    return (axis.stop - axis.start) / (axis.n - 1) if axis.n > 1 else 0.0


def full_period(axis: Axis) -> bool:
    """True when one more step closes the circle: -180 to 165 by 15 degrees."""
    return axis.n > 2 and abs(axis.stop + step(axis) - axis.start - TWO_PI) < 1e-6


def zeroed(energy: np.ndarray) -> np.ndarray:
    """Energies (..., G) eV above the lowest finite one of each layer; NaN stays NaN."""
    energy = np.asarray(energy, dtype=float)
    finite = np.isfinite(energy)
    low = np.min(energy, axis=-1, where=finite, initial=np.inf, keepdims=True)
    return np.where(finite, energy - np.where(np.isfinite(low), low, 0.0), np.nan)


def difference(
    energy: np.ndarray, reference: np.ndarray, *, align: str = "mean", below: float = np.inf
) -> np.ndarray:
    """energy - reference (G,) eV after one constant is taken out; NaN where either is missing.

    align "mean" takes out the mean difference, which is the constant that makes the root mean
    square smallest; "minimum" puts both lowest points at zero. below: with "mean", only points
    whose reference lies less than this above its minimum are averaged (eV), so that a few
    clashes do not shift the whole map. Raises ValueError for another `align` and where the grids
    differ.
    """
    energy, reference = np.asarray(energy, dtype=float), np.asarray(reference, dtype=float)
    if energy.shape != reference.shape:
        raise ValueError(f"surfaces over different grids: {energy.shape} and {reference.shape}")
    both = np.isfinite(energy) & np.isfinite(reference)
    out = np.full(energy.shape, np.nan)
    if not both.any():
        return out
    if align == "minimum":
        out[both] = (zeroed(energy) - zeroed(reference))[both]
        return out
    if align != "mean":
        raise ValueError(f"align is {align!r}; it can be 'mean' or 'minimum'")
    out[both] = energy[both] - reference[both]
    counted = both & (zeroed(reference) <= below)
    out -= out[counted if counted.any() else both].mean()
    return out


def rmse(energy: np.ndarray, reference: np.ndarray, *, below: float = np.inf) -> float:
    """Root-mean-square difference eV after the mean one is taken out: sqrt(<(d - <d>)^2>).

    NaN with fewer than two shared points, which say nothing. below: only points whose reference
    is less than this above its minimum count (eV).
    """
    d = difference(energy, reference, below=below)
    counted = np.isfinite(d) & (zeroed(reference) <= below)
    return float(np.sqrt(np.mean(d[counted] ** 2))) if counted.sum() > 1 else float("nan")


def minima(energy: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """Grid indices (M,) lower than all neighbours (2, or 8 on a map), lowest first.

    Full-period axes are circular. Of a flat valley bottom the first point counts; a point beside a
    missing one is judged by the neighbours it has; the rim of an open axis is never a minimum,
    because what lies beyond it is not known.
    """
    shape = grid_shape(axes)
    grid = np.asarray(energy, dtype=float).reshape(shape)
    filled = np.where(np.isfinite(grid), grid, np.inf)
    order = np.arange(filled.size).reshape(shape)
    keep = np.isfinite(grid)
    for k, axis in enumerate(axes):
        if not full_period(axis):
            rim = np.zeros(shape[k], dtype=bool)
            rim[[0, -1]] = True
            keep &= ~np.expand_dims(rim, tuple(i for i in range(len(shape)) if i != k))
    moves = [tuple(s - 1 for s in m) for m in np.ndindex(*(3,) * len(shape))]
    moves = [m for m in moves if any(m)]
    all_axes = tuple(range(len(shape)))
    seen = np.zeros(shape, dtype=bool)
    sinks = np.zeros(shape, dtype=bool)  # a neighbour lies lower
    for move in moves:
        other = np.roll(filled, move, axis=all_axes)
        label = np.roll(order, move, axis=all_axes)
        sinks |= other < filled
        keep &= (filled != other) | (order < label)
        seen |= np.isfinite(other) & (other > filled)
    while True:  # a flat shoulder is no minimum when any point of it has a way down
        spread = sinks.copy()
        for move in moves:
            level = np.roll(filled, move, axis=all_axes) == filled
            spread |= level & np.roll(sinks, move, axis=all_axes)
        if (spread == sinks).all():
            break
        sinks = spread
    keep &= ~sinks
    found = np.flatnonzero((keep & seen).ravel())
    return found[np.argsort(grid.ravel()[found], kind="stable")]


def closed(values: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """The grid (n1[,n2]) with its first row and column repeated after a full period.

    Lines and colours drawn over it cover exactly one period without a gap.
    """
    grid = np.asarray(values).reshape(grid_shape(axes))
    for k, axis in enumerate(axes):
        if full_period(axis):
            grid = np.concatenate([grid, np.take(grid, [0], axis=k)], axis=k)
    return grid


def extent(axis: Axis) -> tuple[float, float]:
    """First and last angle that is drawn (rad): one period, or the range of an open axis."""
    return axis.start, axis.start + TWO_PI if full_period(axis) else axis.stop


def into(angles: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """Angles (..., A) rad moved by whole turns into [start, start + 2 pi) of each axis."""
    start = np.array([axis.start for axis in axes])
    return start + np.mod(np.asarray(angles, dtype=float) - start, TWO_PI)


def nearest(angles: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """Grid index (...,) nearest to angles (..., A) rad, around the circle; -1 off an open axis."""
    angles = np.asarray(angles, dtype=float)
    flat = np.zeros(angles.shape[:-1], dtype=np.int64)
    outside = np.zeros(angles.shape[:-1], dtype=bool)
    for k, axis in enumerate(axes):
        h = step(axis) or TWO_PI
        # half a step before the start still belongs to the first point
        offset = np.mod(angles[..., k] - axis.start + h / 2, TWO_PI) - h / 2
        index = np.rint(offset / h).astype(np.int64)
        if full_period(axis):
            index = np.mod(index, axis.n)
        outside |= (index < 0) | (index >= axis.n)
        flat = flat * axis.n + np.clip(index, 0, axis.n - 1)
    return np.where(outside, -1, flat)


def density(angles: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """Counts (G,) of angles (P,A) rad that are nearest to each grid point."""
    index = nearest(angles, axes)
    size = int(np.prod(grid_shape(axes)))
    return np.bincount(index[index >= 0], minlength=size)


def broken(angles: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """A path (S,A) rad with NaN rows put in where it crosses the edge of the period.

    Drawn as one connected line, it then never runs across the whole map.
    """
    path = into(angles, axes)
    jumps = np.flatnonzero((np.abs(np.diff(path, axis=0)) > np.pi).any(axis=1)) + 1
    return np.insert(path, jumps, np.nan, axis=0)


def grid_of(angles: np.ndarray, atoms: tuple[tuple[int, ...], ...]) -> tuple[Axis, ...] | None:
    """The regular grid that measured angles (M,A) rad lie on, or None.

    Every angle must be within 1 degree of a grid value, the values evenly spaced with at least
    4 per axis, and at least half of the grid points present.
    """
    axes = []
    for k, four in enumerate(atoms):
        values = _levels(angles[:, k])
        if values is None:
            return None
        i, j, m, n = four
        axes.append(Axis((i, j, m, n), float(values[0]), float(values[-1]), len(values)))
    found = tuple(axes)
    index = nearest(angles, found)
    size = int(np.prod(grid_shape(found)))
    if (index < 0).any() or len(np.unique(index)) < size / 2:
        return None
    off = np.abs(_wrap(angles - grid_angles(found)[index]))
    return found if off.max() <= GRID_TOLERANCE else None


def _levels(angles: np.ndarray) -> np.ndarray | None:
    """Evenly spaced values (n,) rad that one column of angles takes, or None."""
    sorted_angles = np.sort(np.mod(angles + np.pi + GRID_TOLERANCE, TWO_PI))
    cut = np.flatnonzero(np.diff(sorted_angles) > 2 * GRID_TOLERANCE) + 1
    values = np.array([group.mean() for group in np.split(sorted_angles, cut)])
    if not 4 <= len(values) <= 360 or len(values) > len(angles):
        return None
    gaps = np.diff(values)
    if np.ptp(gaps) > 2 * GRID_TOLERANCE:
        return None
    # ideal values: 0.5 degree is far finer than any scan is meant
    start = np.deg2rad(np.rint(2 * np.rad2deg(values[0] - np.pi - GRID_TOLERANCE)) / 2)
    spacing = np.deg2rad(np.rint(2 * np.rad2deg(gaps.mean())) / 2)
    return start + spacing * np.arange(len(values))


def _wrap(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % TWO_PI - np.pi
