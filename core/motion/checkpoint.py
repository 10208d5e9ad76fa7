"""Where a run of dynamics stands, so that it can go on exactly as if it had not been stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core import storage
from core.wire import wire

if TYPE_CHECKING:
    from core.analyses.dynamics import DynamicsSpec

SAME = ("ensemble", "dt", "temperature", "friction", "replicas", "stride", "seed", "engine")
BEFORE = {"engine": "pescape"}  # what checkpoints mean that are older than the setting


@wire
@dataclass(frozen=True, eq=False)
class Checkpoint:
    """After `step` steps: what the integrator holds for the replicas `active` (A,) that still run,
    the state of the random generator (bytes), and all frames kept so far (S frames).

    x, v, forces (A,N,3) in Å, Å/fs, eV/Å; energy (A,), start (R,) eV; settings of the run as in
    DynamicsSpec; frame arrays as in Trajectory.
    """

    numbers: np.ndarray
    field: str
    settings: dict[str, float | str]
    step: int
    active: np.ndarray
    x: np.ndarray
    v: np.ndarray
    forces: np.ndarray
    energy: np.ndarray
    start: np.ndarray
    lengths: np.ndarray
    generator: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    potential: np.ndarray
    kinetic: np.ndarray
    ended: np.ndarray
    reasons: tuple[str, ...]
    unphysical: np.ndarray


def settings(spec: DynamicsSpec) -> dict[str, float | str]:
    """What must be the same when a run goes on."""
    values = {name: getattr(spec, name) for name in SAME}
    return {k: v if isinstance(v, str) else float(v) for k, v in values.items()}


def read(path: str, spec: DynamicsSpec) -> Checkpoint:
    """Read a checkpoint that `spec` can go on from.

    Raises ValueError naming the file and what is missing, damaged or different.
    """
    try:
        saved = storage.load(Path(path), Checkpoint)
    except storage.StorageError as error:
        raise ValueError(f"{path} is not a checkpoint to go on from: {error}") from error
    if not np.array_equal(saved.numbers, spec.molecule.numbers):
        raise ValueError(f"{path} is a run of another molecule")
    if saved.field != spec.field.key:
        raise ValueError(f"{path} was run with {saved.field}, not with {spec.field.key}")
    for name, value in settings(spec).items():
        before = saved.settings.get(name, BEFORE.get(name))
        if before != value:
            raise ValueError(
                f"{path} was run with {name} {before}, not {value}: "
                "a run goes on only with the same settings (the total time may be longer)"
            )
    n, a = len(saved.numbers), len(saved.active)
    frames = (saved.step // spec.stride + 1, spec.replicas)
    fits = all(v.shape == (a, n, 3) for v in (saved.x, saved.v, saved.forces))
    fits &= all(v.shape == (*frames, n, 3) for v in (saved.positions, saved.velocities))
    fits &= all(v.shape == frames for v in (saved.potential, saved.kinetic))
    if not fits or saved.step % spec.stride:
        raise ValueError(f"{path} is damaged: its arrays do not fit each other")
    return saved
