"""Geometries of one molecule with their quantum labels, and how they are split for training."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from core.molecule import Molecule, frozen_array
from core.wire import wire

MAX_FRAMES = 5_000_000


@wire
@dataclass(frozen=True, eq=False)
class Dataset:
    """M geometries of one composition, in one atom order.

    positions (M,N,3) Å; energies (M,) eV, NaN where a frame has none; forces (M,N,3) eV/Å, NaN
    where a frame has none; level of theory, source file, the units it was stored in and its
    sha256; tags: per-frame columns, each of length M (for example a grid angle).
    """

    name: str
    molecule: Molecule
    positions: np.ndarray
    energies: np.ndarray | None = None
    forces: np.ndarray | None = None
    level: str = ""
    source: str = ""
    source_units: str = ""
    sha256: str = ""
    tags: dict[str, np.ndarray] = field(default_factory=dict)
    isolated_atoms: dict[str, float] = field(default_factory=dict)  # symbol -> eV

    def __post_init__(self) -> None:
        n = len(self.molecule.numbers)

        def put(name: str, shape: tuple[int | None, ...]) -> np.ndarray:
            array = frozen_array(getattr(self, name), dtype="float64", shape=shape, name=name)
            object.__setattr__(self, name, array)
            return array

        m = len(put("positions", (None, n, 3)))
        if not 0 < m <= MAX_FRAMES:
            raise ValueError(f"{m} frames; between 1 and {MAX_FRAMES} are possible")
        if not np.isfinite(self.positions).all():
            bad = int(np.flatnonzero(~np.isfinite(self.positions).all((1, 2)))[0])
            raise ValueError(f"frame {bad + 1} has a coordinate that is not a number")
        if self.energies is not None:
            put("energies", (m,))
        if self.forces is not None:
            put("forces", (m, n, 3))
        for tag, column in self.tags.items():
            if len(column) != m:
                raise ValueError(f"tag {tag!r} has {len(column)} values for {m} frames")

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def has_energy(self) -> np.ndarray:
        """(M,) bool: the frames with an energy."""
        if self.energies is None:
            return np.zeros(len(self), dtype=bool)
        return np.isfinite(self.energies)

    @property
    def has_forces(self) -> np.ndarray:
        """(M,) bool: the frames with all forces."""
        if self.forces is None:
            return np.zeros(len(self), dtype=bool)
        return np.isfinite(self.forces).all((1, 2))


@wire
@dataclass(frozen=True, eq=False)
class Split:
    """Which frames train, validate and test; never overlapping.

    train, valid, test: frame indices from 0; seed and method say how they were drawn.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    seed: int = 0
    method: str = "energy-stratified"

    def __post_init__(self) -> None:
        for name in ("train", "valid", "test"):
            array = frozen_array(getattr(self, name), dtype="int64", shape=(None,), name=name)
            object.__setattr__(self, name, array)
        together = np.concatenate([self.train, self.valid, self.test])
        if len(np.unique(together)) != len(together):
            raise ValueError("a frame stands in two parts of the split, or twice in one")
