"""Molecular dynamics with a force field, watched for the first unphysical frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.fieldref import FieldRef
from core.molecule import Molecule
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context


ENGINES = ("pescape", "openmm")
#: Keys of the force fields that OpenMM can run (those that can be exported to it).
OPENMM = ("gaff", "gaff-openmm", "gaff-morse", "gaff-nn")
OPENMM_REPLICAS = 256  #: at most: each compiles its expressions and keeps its own memory


@wire
@dataclass(frozen=True, eq=False)
class DynamicsSpec:
    """Langevin or NVE dynamics of `replicas` copies, all at once.

    engine: "pescape", or "openmm" for the force fields in OPENMM: OpenMM's Reference platform,
    replicas one after the other; microseconds per step for a small molecule.

    ensemble: "langevin" or "nve". dt fs; time fs in all; temperature K; friction 1/fs (Langevin);
    a frame is kept every `stride` steps; checkpoint every `checkpoint_seconds`. Stops a replica at
    the first frame with a bond beyond `max_stretch` x its starting length, |E_pot - start| beyond
    `max_energy` eV, or temperature beyond `max_temperature` K (0 = 10 x the target).
    resume: path of a checkpoint to go on from.
    """

    molecule: Molecule
    field: FieldRef
    ensemble: str = "langevin"
    dt: float = 0.5
    time: float = 5000.0
    temperature: float = 300.0
    friction: float = 0.01
    replicas: int = 1
    stride: int = 10
    seed: int = 0
    max_stretch: float = 1.5
    max_energy: float = 20.0
    max_temperature: float = 0.0
    checkpoint_seconds: float = 2.0
    device: str = "cpu"
    name: str = ""
    out: str = ""
    resume: str = ""
    engine: str = "pescape"


@wire
@dataclass(frozen=True, eq=False)
class Trajectory:
    """S kept frames of R replicas.

    step (S,); time (S,) fs; positions (S,R,N,3) Å; velocities (S,R,N,3) Å/fs; potential and
    kinetic (S,R) eV; temperature (S,R) K (3N-3 degrees of freedom: no net momentum). ended (R,):
    step at which a replica was stopped, -1 if it never was; reasons: one line per stopped replica;
    unphysical (U,N,3): the offending frames. steps_per_second: of all replicas together.
    While it runs, `frame` events carry {step, time, positions (R,N,3), potential (R,),
    kinetic (R,), temperature (R,)}.
    """

    name: str
    label: str
    molecule: Molecule
    ensemble: str
    dt: float
    step: np.ndarray
    time: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    potential: np.ndarray
    kinetic: np.ndarray
    temperature: np.ndarray
    ended: np.ndarray
    reasons: tuple[str, ...]
    unphysical: np.ndarray
    stable_ps: float
    steps_per_second: float


def run(spec: DynamicsSpec, context: Context) -> Trajectory:
    """See DynamicsSpec; the number of steps is rounded to whole strides.

    Starts at the molecule's geometry as it is, with Maxwell-Boltzmann velocities and the centre of
    mass at rest. A replica that becomes unphysical (looked for every 5 steps, with OpenMM at kept
    frames and at least every 500 steps) stays where it was in later frames, with NaN velocities
    and energies; the others go on. stable_ps is the time until the first replica ended, or all of
    the run when none did.

    Raises ValueError before the first step: settings that cannot be, a time step too long for the
    fastest vibration, a starting geometry the field cannot do, too many frames to keep, a
    checkpoint of another run, a force field that OpenMM does not have, or no OpenMM (there is no
    falling back to another engine). A run that goes on from a checkpoint is the one it would have
    been; with OpenMM's Langevin its random numbers are others.
    """
    from core import storage
    from core.forcefields.load import make
    from core.motion.trajectory import Run, check

    check(spec)
    storage.make_folder(spec.out)
    field = make(spec.field, spec.molecule, device=spec.device)
    if field.stranger:
        context.log(field.stranger)
    kind = Run
    if spec.engine == "openmm":
        from core.motion.openmm_run import OpenMMRun

        kind = OpenMMRun
    trajectory = kind(spec, field, context).go()
    storage.save_result(spec.out, trajectory)
    context.progress(1.0, "done")
    return trajectory


SPEC = DynamicsSpec
