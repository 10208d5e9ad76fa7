"""A run of dynamics whose steps OpenMM takes, on its Reference platform (double precision).

Same start, time step, temperature, friction and watch as `core.motion.trajectory`; the force field
goes to OpenMM as in `core.mm.export`. Every replica is an OpenMM Context of its own, and Python
only sees it at kept frames (at least every CHUNK steps), where replicas are also watched.

OpenMM's LangevinMiddleIntegrator is BAOAB with the half steps of velocity next to each other
joined (Zhang et al., J. Phys. Chem. A 123, 6056 (2019)), its VerletIntegrator the same of velocity
Verlet. Both hold velocities half a step before the positions:

    v(t) = u(t) + dt/2 f(x(t)) / m,    u what OpenMM holds, v what is kept here

so that these are the very algorithms of our own Langevin and NVE. OpenMM also pushes the centre of
mass about, which changes nothing in the molecule; frames have it where it was, at rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.analyses.dynamics import OPENMM_REPLICAS
from core.mm.export.openmm import system_xml
from core.mm.export.subject import POSSIBLE, ExportError, subject_of
from core.motion.integrators import Forces, Integrator, State
from core.motion.thermal import freedom
from core.motion.trajectory import Run
from core.units import ACCELERATION, AMU_A2_FS2, KB, KJ_MOL

if TYPE_CHECKING:
    from core.analyses.dynamics import DynamicsSpec
    from core.engine.context import Context
    from core.forcefields.base import ForceField
    from core.motion.evaluate import Evaluator

PLATFORM = "Reference"
CHUNK = 500  # steps between two looks, at most
REST = 100  # steps between two times at which OpenMM stops the centre of mass
NM = 0.1  # Å in nm
NM_PS = 100.0  # Å/fs in nm/ps
NEEDS = "a run by OpenMM needs the package openmm: pip install openmm"


class OpenMMRun(Run):
    """As Run, for a field that OpenMM has. Raises ValueError: no openmm, no such field."""

    def __init__(self, spec: DynamicsSpec, field: ForceField, context: Context) -> None:
        if spec.replicas > OPENMM_REPLICAS:
            raise ValueError(
                f"{spec.replicas} replicas; OpenMM runs up to {OPENMM_REPLICAS} here, one after "
                "the other: let PEScape run more, which it does batched"
            )
        super().__init__(spec, field, context)
        self.look = min(spec.stride, CHUNK)

    def _integrator(self) -> Integrator:
        return Contexts(self.spec, self.field, self.mass, self.evaluate)

    def _begin(self) -> None:
        super()._begin()
        assert isinstance(self.integrator, Contexts)
        self.integrator.start(self.state, self.active.tolist(), self.step)

    def _look(self, before: torch.Tensor, step: int) -> None:
        if not self._fine():
            super()._look(before, step)
            assert isinstance(self.integrator, Contexts)
            self.integrator.keep(self.active.tolist())

    def _fine(self) -> bool:
        """The same bounds as Watch in a tenth of its time, which is that of a hundred steps here;
        Watch says what is wrong where something is."""
        watch, state = self.watch, self.state
        x, v, m = state.x.numpy(force=True), state.v.numpy(force=True), self.mass.numpy(force=True)
        bonds, lengths = watch.bonds.numpy(force=True), watch.lengths.numpy(force=True)
        d = x[:, bonds[:, 0]] - x[:, bonds[:, 1]]
        hot = 0.5 * AMU_A2_FS2 * ((v * v).sum(-1) @ m)
        away = (
            state.energy.numpy(force=True)
            - watch.start.numpy(force=True)[self.active.numpy(force=True)]
        )
        # a NaN compares false with everything, so it is not fine either
        return bool(
            ((d * d).sum(-1) <= (watch.max_stretch * lengths) ** 2).all()
            and (hot <= 0.5 * KB * freedom(len(m)) * watch.max_temperature).all()
            and (np.abs(away) <= watch.max_energy).all()
        )


class Contexts(Integrator):
    """One OpenMM Context for each running replica, behind the face of an Integrator."""

    def __init__(
        self, spec: DynamicsSpec, field: ForceField, mass: torch.Tensor, evaluate: Evaluator
    ) -> None:
        super().__init__(mass, spec.dt)
        self.spec, self.evaluate = spec, evaluate
        self.system = system_of(field)
        self.weights = mass.cpu().numpy()
        self.half = 0.5 * spec.dt * ACCELERATION / self.weights[:, None]  # forces -> Å/fs
        self.replicas: dict[int, Any] = {}

    def start(self, state: State, replicas: list[int], step: int) -> None:
        """Contexts at the rows of `state`. The random numbers follow from the run's seed and
        `step`: a run that goes on has others than one that never stopped."""
        import openmm

        platform = openmm.Platform.getPlatformByName(PLATFORM)
        self.centre = self._centre(state.x[0].cpu().numpy()) if replicas else np.zeros(3)
        self.replicas = {}
        for row, replica in enumerate(replicas):
            self.evaluate.check()
            steps = self._steps(openmm, step, replica)
            context = openmm.Context(self.system, steps, platform)
            context.setPositions(state.x[row].cpu().numpy() * NM)
            push = self.half * self._forces(context.getState(getForces=True))
            context.setVelocities((state.v[row].cpu().numpy() - push) * NM_PS)
            self.replicas[replica] = context

    def _steps(self, openmm: Any, step: int, replica: int) -> Any:
        spec = self.spec
        if spec.ensemble == "nve":
            return openmm.VerletIntegrator(spec.dt / 1000.0)
        made = openmm.LangevinMiddleIntegrator(
            spec.temperature, spec.friction * 1000.0, spec.dt / 1000.0
        )
        words = np.random.SeedSequence([spec.seed, step, replica]).generate_state(1)
        made.setRandomNumberSeed(int(words[0] % (2**31 - 1)) + 1)  # 0 would mean any
        return made

    def keep(self, replicas: list[int]) -> None:
        """Forget all others."""
        if len(replicas) < len(self.replicas):
            self.replicas = {r: self.replicas[r] for r in replicas}

    def run(self, state: State, steps: int, evaluate: Forces, noise: torch.Tensor | None) -> None:
        """`steps` steps of every replica; one that OpenMM gives up gets NaN."""
        import openmm

        found = []
        for context in self.replicas.values():
            try:
                context.getIntegrator().step(steps)
                now = context.getState(
                    getPositions=True, getVelocities=True, getForces=True, getEnergy=True
                )
                found.append(self._read(now))
            except openmm.OpenMMException:  # a coordinate or the energy is not a number
                nothing = np.full((len(self.weights), 3), np.nan)
                found.append((nothing, nothing, nothing, np.nan))
            self.evaluate.count += steps
            self.evaluate.check()
        held = (state.x, state.v, state.forces, state.energy)
        for tensor, rows in zip(held, zip(*found, strict=True), strict=True):
            tensor.copy_(torch.as_tensor(np.array(rows)))
        torch.matmul(self.accelerate, state.forces, out=state.a)

    def _read(self, now: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """x Å, v Å/fs, forces eV/Å, energy eV, with the centre of mass where it was."""
        forces = self._forces(now)
        x = now.getPositions(asNumpy=True)._value / NM
        v = now.getVelocities(asNumpy=True)._value / NM_PS + self.half * forces
        x += self.centre - self._centre(x)
        v -= self._centre(v)
        return x, v, forces, now.getPotentialEnergy()._value * KJ_MOL

    def _forces(self, now: Any) -> np.ndarray:
        """(N,3) eV/Å."""
        return now.getForces(asNumpy=True)._value * (KJ_MOL * NM)

    def _centre(self, x: np.ndarray) -> np.ndarray:
        return self.weights @ x / self.weights.sum()


def system_of(field: ForceField) -> Any:
    """The field as an openmm.System. Raises ValueError saying why there is none."""
    label, key = field.INFO.label, field.INFO.key
    if key not in POSSIBLE:
        raise ValueError(
            f"OpenMM cannot run {label}: it has {', '.join(POSSIBLE)}. Let PEScape run it"
        )
    try:
        import openmm
    except ImportError as error:
        raise ValueError(f"{NEEDS} ({error})") from error
    try:
        # our own text, made this moment: no file of somebody else is read here
        system = openmm.XmlSerializer.deserialize(system_xml(subject_of(field)))
    except ExportError as error:
        raise ValueError(f"OpenMM cannot run {label}: {error}") from error
    system.addForce(openmm.CMMotionRemover(REST))
    return system
