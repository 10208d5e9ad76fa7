"""The data set's own points as a force field: labels where they are, nothing in between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from core.dataset import Dataset
from core.descriptors.pair_distances import pair_distances
from core.fieldref import FieldRef
from core.forcefields.base import DataForceField, ForceFieldError, hyper
from core.forcefields.hyper import hyper_from
from core.forcefields.info import Info
from core.geometry import measure, wrap
from core.molecule import Molecule

#: A frame this near (rad) to a grid point was made for it, as in a scan: it beats lower frames
#: that only fall into the same cell.
ON_GRID = np.radians(0.5)
#: Frames x grid points compared at once: bounds memory at some 200 MB.
CHUNK = 10_000_000


@dataclass(frozen=True)
class Hyper:
    """What counts as the same geometry."""

    tolerance: float = hyper(
        0.001,
        label="Tolerance",
        unit="Å",
        help="Two geometries are the same when no interatomic distance differs by more",
        low=1e-8,
        high=0.1,
    )


class Reference(DataForceField):
    """Energies and forces of labelled frames, found again up to rotation, shift and mirror image.

    Forces are turned with the frame. `at_grid` picks frames for a dihedral grid.
    """

    INFO = Info(
        key="reference",
        label="Reference",
        family="reference",
        about="The labels of a data set. Knows only its own points; label more to see more.",
        implementation="lookup",
        batched=True,
        absolute_energy=True,
    )
    Hyper = Hyper

    def __init__(
        self, molecule: Molecule, hyper: Any = None, *, device: str = "cpu", dtype: str = "float64"
    ) -> None:
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        n = len(molecule.numbers)
        self._positions = np.zeros((0, n, 3))
        self._energies = np.zeros(0)
        self._forces = np.zeros((0, n, 3))

    # -- making -----------------------------------------------------------------------------
    @classmethod
    def from_dataset(
        cls, dataset: Dataset, hyper: Any = None, *, device: str = "cpu", dtype: str = "float64"
    ) -> Self:
        """The frames of a data set that have an energy. Raises ForceFieldError when none has."""
        keep = dataset.has_energy
        if dataset.energies is None or not keep.any():
            raise ForceFieldError(f"no frame of {dataset.name} has an energy: label it first")
        r = dataset.positions[keep]
        forces = np.full(r.shape, np.nan) if dataset.forces is None else dataset.forces[keep]
        state = {"positions": r, "energies": dataset.energies[keep], "forces": forces}
        return cls.from_state(dataset.molecule, hyper, state, device=device, dtype=dtype)

    @classmethod
    def from_state(
        cls,
        molecule: Molecule,
        hyper: Any,
        state: dict[str, np.ndarray],
        *,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> Self:
        field = cls(molecule, hyper, device=device, dtype=dtype)
        m, n = len(state["energies"]), len(molecule.numbers)
        shapes = {"positions": (m, n, 3), "energies": (m,), "forces": (m, n, 3)}
        for name, shape in shapes.items():
            array = np.asarray(state[name], dtype=np.float64)
            if array.shape != shape:
                raise ForceFieldError(f"{name} has shape {array.shape}, expected {shape}")
            if name != "forces" and not np.isfinite(array).all():
                raise ForceFieldError(f"{name} has a value that is not a number")
            setattr(field, f"_{name}", array)
        return field

    @classmethod
    def open(cls, ref: FieldRef, molecule: Molecule, *, device: str = "cpu") -> Self:
        from core import storage
        from core.forcefields.load import check_atoms

        if not ref.dataset:
            raise ForceFieldError("Reference needs a data set: name the one whose labels to show")
        try:
            dataset = storage.load(ref.dataset, Dataset)
        except (OSError, ValueError) as error:
            raise ForceFieldError(f"{ref.dataset} is not a readable data set: {error}") from error
        check_atoms(dataset.molecule, molecule, what=f"the data set {dataset.name}")
        return cls.from_dataset(dataset, hyper_from(cls, ref.hyper), device=device)

    def state(self) -> dict[str, np.ndarray]:
        return {
            "positions": self._positions,
            "energies": self._energies,
            "forces": self._forces,
        }

    # -- asking -----------------------------------------------------------------------------
    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(_distances(self._positions))

    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energy = np.full(len(positions), np.nan)
        forces = np.full(positions.shape, np.nan)
        off = np.full(len(positions), np.inf)
        which = np.zeros(len(positions), dtype=np.int64)
        if len(positions) and len(self._energies):
            limit = np.nextafter(self.hyper.tolerance, np.inf)
            off, which = self._tree.query(
                _distances(positions), p=np.inf, distance_upper_bound=limit
            )
        found = np.flatnonzero(np.isfinite(off))
        frames = which[found]
        energy[found] = self._energies[frames]
        turn = _rotations(self._positions[frames], positions[found])
        forces[found] = self._forces[frames] @ turn
        for i in np.flatnonzero(~np.isfinite(off)):
            self.reasons[int(i)] = "it is not in the data set: label it first"
        for i in found[~np.isfinite(forces[found]).all((1, 2))]:
            self.reasons[int(i)] = "the data set has no forces for it"
        return energy, forces

    def at_grid(
        self, angles: np.ndarray, dihedrals: np.ndarray, step: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """One frame per grid point: the lowest of those on it, else the lowest in its cell.

        angles (G,A) rad, dihedrals (A,4), step (A,) rad. A frame is in the cell when each dihedral
        is within half a step, around the circle. Returns energy (G,) eV and positions (G,N,3) Å,
        NaN where there is no frame.
        """
        angles = np.asarray(angles, dtype=np.float64)
        measured = np.stack([measure(self._positions, list(q)) for q in dihedrals], axis=-1)
        reach = np.maximum(np.asarray(step, dtype=np.float64) / 2, ON_GRID)
        energy = np.full(len(angles), np.nan)
        chosen = np.full(len(angles), -1)
        size = max(1, CHUNK // max(1, measured.size))
        for start in range(0, len(angles), size):
            part = slice(start, start + size)
            away = np.abs(wrap(measured[None] - angles[part, None]))
            inside = (away <= reach).all(-1)
            on = (away <= ON_GRID).all(-1)
            inside &= on | ~on.any(1, keepdims=True)
            e = np.where(inside, self._energies, np.inf)
            best = e.argmin(1) if e.shape[1] else np.zeros(len(e), dtype=int)
            has = inside.any(1)
            chosen[part][has] = best[has]
        held = chosen >= 0
        energy[held] = self._energies[chosen[held]]
        positions = np.full((len(angles), *self._positions.shape[1:]), np.nan)
        positions[held] = self._positions[chosen[held]]
        return energy, positions


def _distances(positions: np.ndarray) -> np.ndarray:
    """(B,N,3) Å -> (B,N(N-1)/2) Å, all interatomic distances (one zero for a lone atom)."""
    d = pair_distances(positions)
    return d if d.shape[1] else np.zeros((len(positions), 1))


def _rotations(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(B,3,3) orthogonal Q with source @ Q ≈ target after centring (B,N,3), mirrors allowed.

    Kabsch, Acta Cryst. A 32, 922 (1976), without forcing det Q = 1: the labels of a mirror image
    are the mirrored labels.
    """
    a = source - source.mean(1, keepdims=True)
    b = target - target.mean(1, keepdims=True)
    u, _, vt = np.linalg.svd(np.swapaxes(a, 1, 2) @ b)
    return u @ vt


FIELD = Reference
