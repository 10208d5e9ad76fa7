"""Cuts of a data set that keep training and test frames apart: in time, or on the surface."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from core.dataset import Dataset
from core.geometry import measure, wrap


class PartitionError(ValueError):
    """A cut that cannot be made; the message says what to change."""


@dataclass(frozen=True)
class Region:
    """Frames whose dihedral `atoms` (four, from 0) goes from low to high (rad), rising."""

    atoms: tuple[int, int, int, int]
    low: float
    high: float

    def inside(self, positions: np.ndarray) -> np.ndarray:
        """positions (M,N,3) Å -> (M,) bool."""
        phi = measure(positions, self.atoms)
        width = (self.high - self.low) % (2 * math.pi) or 2 * math.pi
        return np.mod(wrap(phi) - self.low, 2 * math.pi) <= width


def region_from(text: str, n_atoms: int) -> Region:
    """ "1-2-3-9:-90:90" (atoms from 1, degrees) -> Region. Raises PartitionError."""
    wanted = "write it as 1-2-3-9:-90:90 (four atoms, from angle, to angle in degrees)"
    parts = text.strip().split(":")
    try:
        atoms = tuple(int(a) - 1 for a in parts[0].split("-"))
        low, high = (math.radians(float(x)) for x in parts[1:])
    except ValueError:
        raise PartitionError(f"the region {text!r} cannot be read: {wanted}") from None
    if len(atoms) != 4 or len(set(atoms)) != 4 or not (math.isfinite(low) and math.isfinite(high)):
        raise PartitionError(f"the region {text!r} cannot be read: {wanted}")
    if min(atoms) < 0 or max(atoms) >= n_atoms:
        raise PartitionError(f"the region {text!r} names an atom outside 1..{n_atoms}")
    i, j, k, m = atoms
    return Region((i, j, k, m), low, high)


def stretches(pool: np.ndarray, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """The pool in file order cut into consecutive stretches, as long as `sizes` are to each other.

    Frames near in time are alike: apart, the test frames say what happens on a new trajectory.
    """
    edges = np.round(np.cumsum((0, *sizes)) / max(1, sum(sizes)) * len(pool)).astype(int)
    ordered = np.sort(pool)
    parts = [ordered[a:b] for a, b in itertools.pairwise(edges)]
    for part, size in zip(parts, sizes, strict=True):
        if len(part) < size:  # rounding
            return [ordered[sum(sizes[:i]) : sum(sizes[: i + 1])] for i in range(len(sizes))]
    return parts


def sides(pool: np.ndarray, dataset: Dataset, region: str) -> tuple[np.ndarray, np.ndarray]:
    """The pool's frames (inside, outside) a region of the surface. Raises PartitionError."""
    if not region:
        raise PartitionError(
            "a split by region needs the region: four atoms and two angles, as 1-2-3-9:-90:90"
        )
    inside = region_from(region, len(dataset.molecule.numbers)).inside(dataset.positions[pool])
    if not inside.any() or inside.all():
        where = "in" if inside.all() else "outside"
        raise PartitionError(f"all {len(pool)} frames lie {where} the region {region}")
    return pool[inside], pool[~inside]
