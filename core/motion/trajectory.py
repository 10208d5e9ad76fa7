"""A run of dynamics: blocks of steps, the watch, kept frames, checkpoints."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from core import storage
from core.analyses.dynamics import ENGINES, Trajectory
from core.bonding import label, with_bonds
from core.fitting.cores import cores
from core.motion import checkpoint, timestep
from core.motion.evaluate import Evaluator
from core.motion.integrators import Integrator, State
from core.motion.langevin import Langevin
from core.motion.nve import VelocityVerlet
from core.motion.thermal import accelerator, kinetic, masses, maxwell_boltzmann, temperature
from core.motion.watch import Watch

if TYPE_CHECKING:
    from core.analyses.dynamics import DynamicsSpec
    from core.engine.context import Context
    from core.forcefields.base import ForceField

LOOK = 5  # steps between two looks at whether a replica is still physical
PACE = 0.1  # s between two frame events
MOST_BYTES = 1.5e9  # of kept frames
MOST_REPLICAS = 4096
MOST_NOISE = 2_000_000  # random numbers drawn at once
STEEP = 10.0  # eV/Å: forces that no thermal geometry has


def check(spec: DynamicsSpec) -> int:
    """The number of steps. Raises ValueError saying which setting cannot be, and what could."""
    if spec.ensemble not in ("langevin", "nve"):
        raise ValueError(f"the ensemble is langevin or nve, not {spec.ensemble!r}")
    if spec.engine not in ENGINES:
        raise ValueError(f"a run is done by {' or '.join(ENGINES)}, not by {spec.engine!r}")
    for name, unit in (("dt", "fs"), ("time", "fs")):
        value = getattr(spec, name)
        if not np.isfinite(value) or value <= 0:
            raise ValueError(f"{name} must be above 0 {unit}, not {value:g}")
    if not np.isfinite(spec.temperature) or spec.temperature < 0:
        raise ValueError(f"a temperature of {spec.temperature:g} K cannot be")
    if spec.ensemble == "langevin" and not 0 < spec.friction * spec.dt < 10:
        raise ValueError(f"a friction of {spec.friction:g} 1/fs does not fit dt = {spec.dt:g} fs")
    if not 1 <= spec.replicas <= MOST_REPLICAS:
        raise ValueError(f"{spec.replicas} replicas; between 1 and {MOST_REPLICAS} are possible")
    for name, least in (("max_stretch", 1.0), ("max_energy", 0.0)):
        if not getattr(spec, name) > least:  # a NaN is no bound either
            raise ValueError(f"{name} must be above {least:g}, not {getattr(spec, name):g}")
    if not spec.max_temperature >= 0:
        raise ValueError(f"max_temperature cannot be {spec.max_temperature:g} K (0 = 10 x target)")
    if spec.stride < 1:
        raise ValueError(f"a frame is kept every {spec.stride} steps: use at least 1")
    steps = max(1, round(spec.time / spec.dt / spec.stride)) * spec.stride
    size = 48.0 * len(spec.molecule.numbers) * spec.replicas
    frames = steps // spec.stride + 1
    if frames * size > MOST_BYTES:
        needed = int(np.ceil(steps * size / MOST_BYTES)) + 1
        raise ValueError(
            f"{frames} frames of {spec.replicas} replicas are {frames * size / 1e9:.1f} GB: keep a "
            f"frame every {needed} steps or more, or run a shorter time"
        )
    return steps


class Run:
    """One run. `go` does it."""

    def __init__(self, spec: DynamicsSpec, field: ForceField, context: Context) -> None:
        self.steps = check(spec)
        self.look = LOOK
        self.spec, self.field, self.context = spec, field, context
        self.molecule = with_bonds(spec.molecule)
        self.evaluate = Evaluator(field, context.check)
        self.mass = masses(self.molecule.numbers, device=field.device)
        self.generator = torch.Generator().manual_seed(spec.seed)
        self.integrator = self._integrator()
        n, r, s = len(self.mass), spec.replicas, self.steps // spec.stride + 1
        self.positions, self.velocities = np.empty((s, r, n, 3)), np.empty((s, r, n, 3))
        self.potential, self.kinetic = np.empty((s, r)), np.empty((s, r))
        self.ended = np.full(r, -1, dtype=np.int64)
        self.reasons: list[str] = []
        self.unphysical: list[np.ndarray] = []
        self.step = self.kept = 0
        self.active = torch.arange(r, device=field.device)
        self._last_frame = self._last_save = time.monotonic()
        self._save_cost = 0.0

    def _integrator(self) -> Integrator:
        spec = self.spec
        if spec.ensemble == "nve":
            return VelocityVerlet(self.mass, spec.dt)
        return Langevin(self.mass, spec.dt, temperature=spec.temperature, friction=spec.friction)

    # -- start ------------------------------------------------------------------------------
    def _begin(self) -> None:
        spec = self.spec
        if spec.resume:
            self._resume()
            return
        x = torch.tensor(self.molecule.positions, dtype=torch.float64, device=self.field.device)
        self._bounds_from(self._start_is_sound(x), x)
        start = x.expand(spec.replicas, -1, -1)
        v = maxwell_boltzmann(self.mass, spec.temperature, spec.replicas, self.generator)
        self.state = State.at(start, v.to(x.device), self.mass, self.evaluate)
        self._keep()

    def _start_is_sound(self, x: torch.Tensor) -> float:
        """Energy at x (N,3). Raises ValueError when the run cannot go well from here."""
        energy, forces = self.evaluate(x[None])
        if not (torch.isfinite(energy).all() and torch.isfinite(forces).all()):
            why = self.evaluate.reasons.get(0, "its energy or forces are not finite")
            raise ValueError(f"{self.field.INFO.label} cannot do the starting geometry: {why}")
        steep = float(forces.norm(dim=-1).max())
        if steep > STEEP:
            self.context.log(
                f"the starting geometry is far from any minimum of {self.field.INFO.label} "
                f"(largest force {steep:.1f} eV/Å): relax it first"
            )
        may, text = timestep.verdict(
            timestep.fastest_period(self.evaluate, x, self.mass), self.spec.dt
        )
        if not may:
            raise ValueError(text)
        if text:
            self.context.log(text)
        return float(energy[0])

    def _bounds_from(self, energy: float, x: torch.Tensor) -> None:
        bonds = torch.tensor(self.molecule.bonds, dtype=torch.long, device=x.device)
        lengths = (x[bonds[:, 0]] - x[bonds[:, 1]]).norm(dim=-1)
        self._watch(x.new_full((self.spec.replicas,), energy), lengths)

    def _watch(self, start: torch.Tensor, lengths: torch.Tensor) -> None:
        spec, m = self.spec, self.molecule
        hottest = spec.max_temperature or 10.0 * spec.temperature or float("inf")
        self.watch = Watch(
            bonds=torch.tensor(m.bonds, dtype=torch.long, device=start.device),
            lengths=lengths,
            names=tuple(f"{label(m, int(a))}-{label(m, int(b))}" for a, b in m.bonds),
            mass=self.mass,
            start=start,
            max_stretch=spec.max_stretch,
            max_energy=spec.max_energy,
            max_temperature=hottest,
        )

    def _resume(self) -> None:
        saved = checkpoint.read(self.spec.resume, self.spec)

        def tensor(array: np.ndarray) -> torch.Tensor:
            return torch.tensor(array, device=self.field.device)

        if saved.step > self.steps:
            done = saved.step * self.spec.dt
            raise ValueError(f"{self.spec.resume} has already run {done:g} fs: ask for more time")
        forces = tensor(saved.forces)
        a = accelerator(self.mass) @ forces
        self.state = State(tensor(saved.x), tensor(saved.v), tensor(saved.energy), forces, a)
        self.active = tensor(saved.active)
        self.step, self.kept = saved.step, len(saved.potential)
        for name in ("positions", "velocities", "potential", "kinetic"):
            getattr(self, name)[: self.kept] = getattr(saved, name)
        self.ended = saved.ended.copy()
        self.reasons, self.unphysical = list(saved.reasons), list(saved.unphysical)
        self.generator.set_state(torch.tensor(saved.generator))
        self._watch(tensor(saved.start), tensor(saved.lengths))

    # -- run --------------------------------------------------------------------------------
    @cores(1)
    def go(self) -> Trajectory:
        """Run to the end, a stop, or until no replica is left."""
        self._begin()
        first, begin = self.step, time.perf_counter()
        replica_steps, saving, whole = 0, 0.0, True
        while self.step < self.steps and len(self.active) and not self.context.stopping:
            count = len(self.active)
            whole = self._stride()
            if not whole:
                break
            replica_steps += count * self.spec.stride
            if len(self.active):
                self._keep()
            self._tell()
            saving += self._save(self.spec.checkpoint_seconds)
        spent = time.perf_counter() - begin - saving
        if whole:  # between two kept frames there is nothing to go on from
            self._save(0.0)
        if self.step > first:
            self.context.log(f"{self.evaluate.count} force evaluations in {spent:.1f} s")
        return self._result(replica_steps / max(spent, 1e-9))

    def _stride(self) -> bool:
        """The steps up to the next kept frame; False when a stop came in between."""
        stride, r, look = self.spec.stride, self.spec.replicas, self.look
        block = max(look, MOST_NOISE // (r * self.mass.numel() * 3)) // look * look
        done = 0
        while done < stride:
            drawn = min(block, stride - done)
            # drawn for all replicas, so that the end of one changes nothing for the others
            noise = self.integrator.draw(drawn, r, self.generator)
            for at in range(0, drawn, look):
                steps = min(look, drawn - at)
                before = self.state.x.clone()
                part = None if noise is None else noise[at : at + steps]
                if part is not None and len(self.active) < r:
                    part = part[:, self.active]
                self.integrator.run(self.state, steps, self.evaluate, part)
                self._look(before, self.step + done + at + steps)
                self.context.check()
                if not len(self.active):
                    break
                if self.context.stopping and done + at + steps < stride:
                    return False
            done += drawn
            if not len(self.active):
                break
        self.step += stride
        return True

    def _look(self, before: torch.Tensor, step: int) -> None:
        """Take unphysical replicas out at `step`; before (A,N,3): where they were last seen."""
        bad = self.watch.bad(self.state, self.active)
        if not bool(bad.any()):
            return
        for row in torch.nonzero(bad)[:, 0].tolist():
            which = int(self.active[row])
            reason = self.watch.reason(self.state, row, which)
            x = self.state.x[row]
            frame = x if bool(torch.isfinite(x).all()) else before[row]
            self.unphysical.append(frame.cpu().numpy().copy())
            self.ended[which] = step
            at = step * self.spec.dt / 1000.0
            self.reasons.append(f"replica {which + 1}: {reason} at {at:.3g} ps")
            self.context.log(self.reasons[-1])
        self.state, self.active = self.state.rows(~bad), self.active[~bad]

    # -- out --------------------------------------------------------------------------------
    def _keep(self) -> None:
        """One frame; a replica that has ended stays where it was, with NaN for the rest."""
        k, rows = self.kept, self.active.cpu().numpy()
        if k:
            self.positions[k] = self.positions[k - 1]
        for array in (self.velocities, self.potential, self.kinetic):
            array[k] = np.nan
        self.positions[k, rows] = self.state.x.cpu().numpy()
        self.velocities[k, rows] = self.state.v.cpu().numpy()
        self.potential[k, rows] = self.state.energy.cpu().numpy()
        self.kinetic[k, rows] = kinetic(self.state.v, self.mass).cpu().numpy()
        self.kept += 1

    def _temperature(self, energy: np.ndarray) -> np.ndarray:
        return temperature(torch.as_tensor(energy), len(self.mass)).numpy()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._last_frame < PACE and self.step < self.steps:
            return
        self._last_frame, k = now, self.kept - 1
        self.context.frame(
            step=self.step,
            time=self.step * self.spec.dt,
            positions=self.positions[k].copy(),
            potential=self.potential[k].copy(),
            kinetic=self.kinetic[k].copy(),
            temperature=self._temperature(self.kinetic[k]),
        )
        ps = self.step * self.spec.dt / 1000.0
        self.context.progress(self.step / self.steps, f"{ps:.2f} ps")

    def _save(self, every: float) -> float:
        """Write a checkpoint when the last is `every` s old (0: now); seconds it took."""
        start = time.monotonic()
        # a long run has much to write: no more than a twentieth of the time goes there
        wait = max(every, min(20 * self._save_cost, 60.0)) if every else 0.0
        if not self.spec.out or start - self._last_save < wait:
            return 0.0
        k, state = self.kept, self.state
        storage.save(
            Path(self.spec.out) / "checkpoint.npz",
            checkpoint.Checkpoint(
                numbers=self.molecule.numbers,
                field=self.spec.field.key,
                settings=checkpoint.settings(self.spec),
                step=self.step,
                active=self.active.cpu().numpy(),
                x=state.x.cpu().numpy(),
                v=state.v.cpu().numpy(),
                forces=state.forces.cpu().numpy(),
                energy=state.energy.cpu().numpy(),
                start=self.watch.start.cpu().numpy(),
                lengths=self.watch.lengths.cpu().numpy(),
                generator=self.generator.get_state().numpy(),
                positions=self.positions[:k],
                velocities=self.velocities[:k],
                potential=self.potential[:k],
                kinetic=self.kinetic[:k],
                ended=self.ended,
                reasons=tuple(self.reasons),
                unphysical=self._offending(),
            ),
        )
        self._last_save = time.monotonic()
        self._save_cost = self._last_save - start
        return self._save_cost

    def _offending(self) -> np.ndarray:
        return np.array(self.unphysical, dtype=np.float64).reshape(-1, len(self.mass), 3)

    def _result(self, speed: float) -> Trajectory:
        spec, k = self.spec, self.kept
        step = np.arange(k, dtype=np.int64) * spec.stride
        lived = np.where(self.ended < 0, self.step, self.ended) * spec.dt / 1000.0
        name = spec.name or f"{self.molecule.name or self.molecule.formula} dynamics"
        return Trajectory(
            name=name,
            label=spec.field.label or self.field.INFO.label,
            molecule=spec.molecule,
            ensemble=spec.ensemble,
            dt=spec.dt,
            step=step,
            time=step * spec.dt,
            positions=self.positions[:k],
            velocities=self.velocities[:k],
            potential=self.potential[:k],
            kinetic=self.kinetic[:k],
            temperature=self._temperature(self.kinetic[:k]),
            ended=self.ended,
            reasons=tuple(self.reasons),
            unphysical=self._offending(),
            stable_ps=float(lived.min()),
            steps_per_second=float(speed),
        )
