"""Relaxed scans over a dihedral grid: starts, retries from neighbours, hysteresis."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from core.bonding import moving_atoms
from core.fitting.cores import cores
from core.forcefields.base import ForceField
from core.geometry import rotate_dihedral
from core.molecule import Molecule
from core.motion.constraints import wrap
from core.motion.evaluate import Evaluator
from core.motion.hessians import own_hessian, to_internals
from core.motion.internals import Internals, build
from core.motion.relax import Relaxed, relax

MEMORY = 6e8  # bytes for the Hessians of all points that are relaxed at once
OTHER_BASIN = 0.6  # rad: a free torsion that differs by more belongs to another minimum
LOWER = 1e-5  # eV, by which a point must be lower to take the place of another
SWEEPS = 3

OnPoints = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


@dataclass(frozen=True)
class Grid:
    """Targets (G,A) rad, dihedrals (A,4), and neighbours (G,2A): index or -1 past an edge."""

    targets: np.ndarray
    dihedrals: np.ndarray
    neighbours: np.ndarray


@dataclass(eq=False)
class Scan:
    """positions (G,N,3) Å, energy (G,) eV (NaN where it failed), residual (G,) eV/Å, converged
    (G,), reasons (grid index -> text), evaluations of the force field in all."""

    positions: np.ndarray
    energy: np.ndarray
    residual: np.ndarray
    converged: np.ndarray
    reasons: dict[int, str]
    evaluations: int


def make_grid(dihedrals, values: list[np.ndarray]) -> Grid:
    """Grid over the product of `values` (rad), last axis fastest.

    An axis whose ends are one step apart round the circle is periodic; where start and stop are
    the same angle both rows are computed and are neighbours of each other's neighbours.
    """
    shape = [len(v) for v in values]
    mesh = np.meshgrid(*values, indexing="ij")
    targets = np.stack([m.ravel() for m in mesh], axis=-1)
    index = np.arange(len(targets)).reshape(shape)
    near = []
    for axis, v in enumerate(values):
        n = len(v)
        step = (v[-1] - v[0]) / max(n - 1, 1)
        gap = 2 * math.pi - abs(v[-1] - v[0])
        closed = n > 2 and abs(gap) < 1e-6
        periodic = closed or (n > 2 and abs(gap - abs(step)) < 1e-6)
        for by in (-1, 1):
            to = np.arange(n) + by
            outside = (to < 0) | (to >= n)
            # on a closed axis the first and the last row are one angle: step over the twin
            to = np.where(outside, (to + by * closed) % n, to)
            moved = np.take(index, to, axis=axis)
            if not periodic:
                np.moveaxis(moved, axis, 0)[outside] = -1
            near.append(moved.ravel())
    return Grid(targets, np.asarray(dihedrals, dtype=np.int64), np.stack(near, axis=-1))


def rotated(molecule: Molecule, grid: Grid, positions: np.ndarray, points: np.ndarray):
    """positions (N,3) or (P,N,3) with the dihedrals of grid `points` (P,), by rigid rotation."""
    x = np.broadcast_to(positions, (len(points), *molecule.positions.shape))
    for a, atoms in enumerate(grid.dihedrals):
        x = rotate_dihedral(x, atoms, grid.targets[points, a], moving_atoms(molecule, atoms))
    return x


class RelaxedScan:
    """One force field's relaxed scan. `run` does it; see its docstring."""

    def __init__(
        self,
        field: ForceField,
        molecule: Molecule,
        grid: Grid,
        *,
        fmax: float,
        max_steps: int,
        check: Callable[[], None] = lambda: None,
        stopping: Callable[[], bool] = lambda: False,
        on_points: OnPoints | None = None,
        improve: bool = True,
    ) -> None:
        self.field, self.molecule, self.grid = field, molecule, grid
        self.fmax, self.max_steps, self.improve = fmax, max_steps, improve
        self.evaluate = Evaluator(field, check)
        self.stopping, self.on_points = stopping, on_points
        g, n = len(grid.targets), len(molecule.numbers)
        self.out = Scan(
            np.zeros((g, n, 3)), np.full(g, np.nan), np.full(g, np.nan), np.zeros(g, bool), {}, 0
        )
        self.targets = self._tensor(grid.targets)

    @cores(1)
    def run(self) -> Scan:
        """The scan.

        1. The molecule is relaxed freely, and its Hessian there taken when the grid is large
           enough to pay for it. 2. Every point starts from it by rigid rotation. 3. A point that
        failed is tried once more from a neighbour that did not. 4. A point whose neighbour stands
        in another minimum of the free torsions is relaxed from there too and keeps the lower one.
        """
        everything = np.arange(len(self.grid.targets))
        origin = self._origin()
        start = rotated(self.molecule, self.grid, origin, everything)
        self.coords = self._coords(origin, self.grid.dihedrals)
        self.hessian = None
        x = self._tensor(origin)
        if len(everything) > x.numel() and not self.stopping():
            h = own_hessian(self.evaluate, x)
            if bool(torch.isfinite(h).all()):
                self.hessian = to_internals(h, self.coords, x)
        bonds = self.coords.bonds
        self.lengths = (x[bonds[:, 0]] - x[bonds[:, 1]]).norm(dim=-1)
        self._relax(everything, start, first=True)
        self._retry()
        if self.improve:
            self._hysteresis()
        self.out.evaluations = self.evaluate.count
        return self.out

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array, dtype=torch.float64, device=self.field.device)

    def _coords(self, positions: np.ndarray, held: np.ndarray) -> Internals:
        m = self.molecule
        return build(m.numbers, positions, m.bonds, held, device=self.field.device)

    def _origin(self) -> np.ndarray:
        """The molecule's own minimum; its given geometry where that cannot be found."""
        given = self.molecule.positions
        coords = self._coords(given, np.zeros((0, 4), dtype=np.int64))
        x = self._tensor(given)[None]
        free = relax(
            self.evaluate,
            coords,
            x,
            x.new_zeros((1, 0)),
            fmax=self.fmax,
            max_steps=self.max_steps,
            stopping=self.stopping,
        )
        fine = bool(torch.isfinite(free.energy[0])) and 0 not in free.reasons
        return free.positions[0].cpu().numpy() if fine else given

    def _relax(self, points: np.ndarray, start: np.ndarray, *, first: bool) -> np.ndarray:
        """Relax grid `points` from `start`, keep what is better; (P,) bool: taken over."""
        taken = np.zeros(len(points), dtype=bool)
        width = len(self.coords) ** 2 + (3 * len(self.molecule.numbers)) ** 2
        at_once = max(1, int(MEMORY / (8 * 4 * width)))
        for at in range(0, len(points), at_once):
            part = points[at : at + at_once]

            def arrived(result: Relaxed, rows: torch.Tensor, part=part, at=at) -> None:
                taken[at + rows.cpu().numpy()] = self._take(part, result, rows, first=first)

            relax(
                self.evaluate,
                self.coords,
                self._tensor(start[at : at + at_once]),
                self.targets[torch.as_tensor(part, device=self.targets.device)],
                hessian=self.hessian,
                fmax=self.fmax,
                max_steps=self.max_steps,
                lengths=self.lengths,
                on_done=arrived,
                stopping=self.stopping,
            )
        return taken

    def _take(self, part: np.ndarray, result: Relaxed, rows: torch.Tensor, *, first: bool):
        """Write arrived rows where they are the first or better; (rows,) bool."""
        i = rows.cpu().numpy()
        where = part[i]
        ok = result.converged[rows].cpu().numpy()
        energy = np.where(ok, result.energy[rows].cpu().numpy(), np.nan)
        x = result.positions[rows].cpu().numpy()
        residual = result.residual[rows].cpu().numpy()
        if first:
            better = np.ones(len(i), dtype=bool)
            for row, point in zip(i, where, strict=True):
                if int(row) in result.reasons:
                    self.out.reasons[int(point)] = result.reasons[int(row)]
        else:
            # a failed second try leaves the first failure's geometry and reason as they are
            better = ok & ~(self.out.energy[where] <= energy + LOWER)
            for point in where[better]:
                self.out.reasons.pop(int(point), None)
        to = where[better]
        self.out.positions[to], self.out.energy[to] = x[better], energy[better]
        self.out.residual[to], self.out.converged[to] = residual[better], ok[better]
        if self.on_points is not None and better.any():
            self.on_points(to, self.out.energy[to], self.out.positions[to], self.out.residual[to])
        return better

    def _retry(self) -> None:
        """Failed points once more, each from its lowest converged neighbour, as a wavefront."""
        tried = np.zeros(len(self.out.energy), dtype=bool)
        while not self.stopping():
            near = self.grid.neighbours
            energy = np.where((near >= 0) & self.out.converged[near], self.out.energy[near], np.inf)
            best = near[np.arange(len(near)), energy.argmin(1)]
            todo = np.flatnonzero(~self.out.converged & ~tried & np.isfinite(energy.min(1)))
            if not len(todo):
                return
            tried[todo] = True
            x = self.out.positions[best[todo]]
            self._relax(todo, rotated(self.molecule, self.grid, x, todo), first=False)

    def _hysteresis(self) -> None:
        """Relax from neighbours that stand in another minimum, while that finds lower points."""
        fresh = self.out.converged.copy()
        for _ in range(SWEEPS):
            lowered = np.zeros_like(fresh)
            for column in self.grid.neighbours.T:
                if self.stopping():
                    return
                todo = np.flatnonzero((column >= 0) & fresh[column] & self.out.converged)
                todo = todo[self._differ(todo, column[todo])] if len(todo) else todo
                if len(todo):
                    x = self.out.positions[column[todo]]
                    start = rotated(self.molecule, self.grid, x, todo)
                    lowered[todo[self._relax(todo, start, first=False)]] = True
            fresh = lowered
            if not fresh.any():
                return

    def _differ(self, points: np.ndarray, others: np.ndarray) -> np.ndarray:
        """(P,) bool: a torsion about a bond that no axis turns differs by more than OTHER_BASIN."""
        from core.motion.internals import dihedral

        held = {frozenset(map(int, d[1:3])) for d in self.grid.dihedrals}
        rows = [
            i for i, t in enumerate(self.coords.torsions.tolist()) if frozenset(t[1:3]) not in held
        ]
        if not rows:
            return np.zeros(len(points), dtype=bool)
        atoms = self.coords.torsions[rows]
        a, _ = dihedral(self._tensor(self.out.positions[points]), atoms)
        b, _ = dihedral(self._tensor(self.out.positions[others]), atoms)
        return (wrap(a - b).abs().amax(1) > OTHER_BASIN).cpu().numpy()
