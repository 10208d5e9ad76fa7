"""The layers of a surface: one force field each, over one grid, rigid or relaxed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.analyses.surface import Layer
from core.bonding import label, why_not_dihedral, with_bonds
from core.engine.context import Cancelled
from core.forcefields.load import make
from core.geometry import measure
from core.motion.evaluate import Evaluator
from core.motion.scan import Grid, RelaxedScan, make_grid, rotated

if TYPE_CHECKING:
    from core.analyses.surface import SurfaceSpec
    from core.engine.context import Context
    from core.fieldref import FieldRef
    from core.forcefields.base import ForceField
    from core.molecule import Molecule

MOST_POINTS = 200_000
PACE = 0.1  # s between two frame events, about


def check_axes(spec: SurfaceSpec, molecule: Molecule) -> None:
    """Raises ValueError saying which axis cannot be scanned, and why."""
    if not 1 <= len(spec.axes) <= 2:
        raise ValueError(f"a surface has one or two axes, not {len(spec.axes)}")
    if not spec.fields:
        raise ValueError("choose at least one force field")
    if spec.relax and not (0 < spec.fmax < np.inf and spec.max_steps >= 1):
        raise ValueError(
            f"relaxing to {spec.fmax:g} eV/Å in {spec.max_steps} steps cannot be: both must be "
            "above 0"
        )
    points = 1
    for number, axis in enumerate(spec.axes, start=1):
        name = "-".join(
            label(molecule, a) if 0 <= a < len(molecule.numbers) else str(a + 1) for a in axis.atoms
        )
        reason = why_not_dihedral(molecule, axis.atoms)
        if reason:
            raise ValueError(f"axis {number} ({name}) cannot be scanned: {reason}")
        if axis.n < 1 or not np.isfinite([axis.start, axis.stop]).all():
            raise ValueError(f"axis {number} ({name}) needs a finite range and at least 1 point")
        points *= axis.n
    if points > MOST_POINTS:
        raise ValueError(f"{points} grid points; at most {MOST_POINTS} at once: use wider steps")
    bonds = [frozenset(axis.atoms[1:3]) for axis in spec.axes]
    if len(set(bonds)) < len(bonds):
        a, b = (label(molecule, i) for i in sorted(bonds[0]))
        raise ValueError(
            f"both axes turn the bond {a}-{b}, so they cannot be set independently: "
            "choose dihedrals about two different bonds"
        )


def compute(spec: SurfaceSpec, context: Context) -> tuple[Layer, ...]:
    """All layers of `spec`. Raises ValueError for axes that make no sense, or when no force field
    at all could be evaluated."""
    molecule = with_bonds(spec.molecule)
    check_axes(spec, molecule)
    grid = make_grid([a.atoms for a in spec.axes], [a.values() for a in spec.axes])
    shared = _Shared(spec, context, molecule, grid)
    made: list[tuple[FieldRef, ForceField | None, str]] = []
    for ref in spec.fields:
        try:
            made.append((ref, make(ref, molecule, device=spec.device), ""))
        except Cancelled:
            raise
        except Exception as error:
            made.append((ref, None, str(error) or type(error).__name__))
    for stranger in (field.stranger for _, field, _ in made if field is not None):
        if stranger:
            context.log(stranger)
    shared.look_for_data([field for _, field, _ in made])
    layers = []
    for i, (ref, field, why) in enumerate(made):
        layers.append(shared.layer(i, ref, field, why))
    if not any(np.isfinite(layer.energy).any() for layer in layers) and not context.stopping:
        whys = "; ".join(f"{x.label}: {next(iter(x.problems.values()), '?')}" for x in layers)
        raise ValueError(f"no force field gave an energy at any grid point ({whys})")
    return tuple(layers)


class _Shared:
    """What the layers of one surface have in common."""

    def __init__(self, spec: SurfaceSpec, context: Context, molecule: Molecule, grid: Grid):
        self.spec, self.context, self.molecule, self.grid = spec, context, molecule, grid
        self.points = np.arange(len(grid.targets))
        self.geometry = rotated(molecule, grid, molecule.positions, self.points)
        self.data: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def look_for_data(self, fields: list[ForceField | None]) -> None:
        """Ask every field for points it holds; rigid layers share the first one's geometries."""
        step = np.array([abs(a.stop - a.start) / max(a.n - 1, 1) for a in self.spec.axes])
        for i, field in enumerate(fields):
            if field is None:
                continue
            held = field.at_grid(self.grid.targets, self.grid.dihedrals, step)
            if held is None:
                continue
            energy, positions = (np.asarray(v, dtype=np.float64) for v in held)
            have = np.isfinite(energy) & np.isfinite(positions).all((1, 2))
            if not self.spec.relax and not self.data:
                self.geometry = np.where(have[:, None, None], positions, self.geometry)
                self.context.log(
                    f"{have.sum()} of {len(have)} grid points use the reference's geometries, "
                    "the others are rotated rigidly from the molecule"
                )
            positions = np.where(have[:, None, None], positions, self.geometry)
            self.data[i] = np.where(have, energy, np.nan), positions

    def measured(self, positions: np.ndarray) -> np.ndarray:
        """(P,N,3) Å -> (P,A) rad."""
        return np.stack([measure(positions, d) for d in self.grid.dihedrals], axis=-1)

    def layer(self, i: int, ref: FieldRef, field: ForceField | None, why: str) -> Layer:
        """Compute layer i. A field that fails altogether gives a layer of NaN with the reason."""
        begin = time.perf_counter()
        name = ref.label or (field.INFO.label if field is not None else ref.key)
        size = len(self.points)
        energy, residual = np.full(size, np.nan), np.full(size, np.nan)
        positions, problems = self.geometry.copy(), {}
        send = _Frames(self, i, name)
        self._progress(i, 0.0, name)
        if field is None:
            problems = dict.fromkeys(map(str, range(size)), why)
        elif i in self.data:
            energy, positions = self.data[i]
            problems = {
                str(p): "the data set has no frame near this point"
                for p in np.flatnonzero(~np.isfinite(energy))
            }
            send(self.points, energy, positions)
        else:
            try:
                if self.spec.relax:
                    energy, positions, residual, problems = self._relaxed(i, field, name, send)
                else:
                    problems = self._rigid(i, field, name, send, energy, residual)
            except Cancelled:
                raise
            except Exception as error:
                # one force field that cannot go on takes no other layer with it
                text = str(error) or type(error).__name__
                problems = {str(p): text for p in np.flatnonzero(~np.isfinite(energy))}
        send.flush()
        if problems:
            first = next(iter(problems.values()))
            self.context.log(f"{name}: {len(problems)} of {size} points failed; first: {first}")
        return Layer(
            label=name,
            key=ref.key,
            energy=energy,
            positions=positions,
            measured=self.measured(positions),
            converged=np.isfinite(energy),
            residual=residual,
            problems=problems,
            seconds=time.perf_counter() - begin,
        )

    def _progress(self, i: int, done: float, name: str) -> None:
        total = len(self.spec.fields)
        self.context.progress((i + done) / total, f"{name} ({i + 1} of {total})")

    def _rigid(self, i, field, name, send, energy, residual) -> dict[str, str]:
        """Fill energy and residual in place, as far as a stop lets it."""
        evaluate = Evaluator(field, self.context.check)
        problems: dict[str, str] = {}
        at, size = 0, 8
        while at < len(self.points):
            if self.context.stopping:
                problems |= {str(p): "stopped before this point" for p in self.points[at:]}
                break
            part = self.points[at : at + size]
            start = time.perf_counter()
            x = torch.tensor(self.geometry[part], dtype=torch.float64, device=field.device)
            e, f = (v.cpu().numpy() for v in evaluate(x))
            spent = time.perf_counter() - start
            fine = np.isfinite(e) & np.isfinite(f).all((1, 2))
            energy[part] = np.where(fine, e, np.nan)
            residual[part] = np.linalg.norm(f, axis=-1).max(1)
            for row in np.flatnonzero(~fine):
                why = evaluate.reasons.get(int(row), "the energy is not a finite number")
                problems[str(part[row])] = why
            send(part[fine], energy[part[fine]], self.geometry[part[fine]])
            at += len(part)
            self._progress(i, at / len(self.points), name)
            size = max(1, min(int(len(part) * 0.2 / max(spent, 1e-6)), 2 * size, 1024))
        return problems

    def _relaxed(self, i, field, name, send):
        """energy (G,), positions (G,N,3), residual (G,), problems."""
        done = np.zeros(len(self.points), dtype=bool)
        told = [time.monotonic()]

        def arrived(points, energy, positions, residual) -> None:
            done[points] = True
            fine = np.isfinite(energy)
            send(points[fine], energy[fine], positions[fine])
            tell()

        def tell() -> None:
            self.context.check()
            if time.monotonic() - told[0] > PACE:
                told[0] = time.monotonic()
                self._progress(i, 0.95 * done.mean(), name)

        scan = RelaxedScan(
            field,
            self.molecule,
            self.grid,
            fmax=self.spec.fmax,
            max_steps=self.spec.max_steps,
            check=tell,
            stopping=lambda: self.context.stopping,
            on_points=arrived,
        ).run()
        problems = {str(p): why for p, why in sorted(scan.reasons.items())}
        count, size = scan.evaluations, len(self.points)
        self.context.log(f"{name}: {count / size:.1f} force evaluations per grid point")
        return scan.energy, scan.positions, scan.residual, problems


class _Frames:
    """Sends points as frame events, not more often than PACE."""

    def __init__(self, shared: _Shared, layer: int, name: str) -> None:
        self.shared, self.layer, self.name = shared, layer, name
        self.waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.last = 0.0

    def __call__(self, points: np.ndarray, energy: np.ndarray, positions: np.ndarray) -> None:
        if len(points):
            self.waiting.append((points, energy, positions))
        if time.monotonic() - self.last > PACE:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if not self.waiting:
            return
        points, energy, positions = (np.concatenate(v) for v in zip(*self.waiting, strict=True))
        self.waiting.clear()
        self.shared.context.frame(
            layer=self.layer,
            label=self.name,
            points=points,
            energy=energy,
            positions=positions,
            measured=self.shared.measured(positions),
        )
        self.last = time.monotonic()
