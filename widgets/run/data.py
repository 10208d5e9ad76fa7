"""A dynamics run as views hold it: finished, or growing while the job runs."""

from __future__ import annotations

import math

import numpy as np

from core.analyses.dynamics import DynamicsSpec, Trajectory
from core.molecule import Molecule

MAX_BYTES = 300e6  # of positions kept for the live view; beyond, only every n-th frame is kept


class Rows:
    """An array that grows by rows (doubling)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._data = np.empty((64, *shape))
        self._n = 0

    def append(self, row: np.ndarray | float) -> None:
        """Add one row. Raises ValueError where its shape does not fit."""
        if self._n == len(self._data):
            grown = np.empty((2 * self._n, *self._data.shape[1:]))
            grown[: self._n] = self._data
            self._data = grown
        if np.shape(row) != self._data.shape[1:]:
            raise ValueError(f"shape {np.shape(row)}, expected {self._data.shape[1:]}")
        self._data[self._n] = row
        self._n += 1

    @property
    def array(self) -> np.ndarray:
        """View of the rows so far."""
        return self._data[: self._n]


class RunData:
    """S frames of R replicas: time (S,) fs; positions (S,R,N,3) Å; potential, kinetic (S,R) eV;
    temperature (S,R) K.
    """

    def __init__(self, molecule: Molecule, replicas: int, *, label: str) -> None:
        n = len(molecule.numbers)
        self.molecule, self.replicas, self.label = molecule, replicas, label
        self.source = self.job = self.name = ""
        self.target = float("nan")  # K, of the thermostat
        self.ensemble = ""
        self.steps = 0
        self.every = 1  # of the frames that arrive, every how many is kept
        self._seen = 0
        self.trajectory: Trajectory | None = None
        self._time = Rows(())
        self._positions = Rows((replicas, n, 3))
        self._columns = {k: Rows((replicas,)) for k in ("potential", "kinetic", "temperature")}

    @classmethod
    def from_spec(cls, spec: DynamicsSpec, *, source: str = "", job: str = "") -> RunData:
        """Empty, ready for `put`."""
        data = cls(spec.molecule, spec.replicas, label=spec.field.label or spec.field.key)
        data.source, data.job, data.name = source, job, spec.name
        data.target = spec.temperature if spec.ensemble == "langevin" else float("nan")
        data.ensemble = spec.ensemble
        frames = spec.time / spec.dt / max(spec.stride, 1)
        size = frames * spec.replicas * len(spec.molecule.numbers) * 24
        data.every = max(1, math.ceil(size / MAX_BYTES))
        return data

    @classmethod
    def from_trajectory(
        cls, run: Trajectory, *, source: str = "", target: float = float("nan")
    ) -> RunData:
        """A finished run. target: the thermostat's temperature (K), NaN for none or unknown."""
        data = cls(run.molecule, run.positions.shape[1], label=run.label)
        data.trajectory, data.source, data.name = run, source, run.name
        data.ensemble, data.target = run.ensemble, target
        data.steps = int(run.step[-1]) if len(run.step) else 0
        return data

    def put(self, payload: dict) -> bool:
        """Add a `frame` event; False where it was left out to save memory.

        Raises ValueError or KeyError where the event does not fit this run.
        """
        self._seen += 1
        self.steps = int(payload["step"])
        if (self._seen - 1) % self.every:
            return False
        rows = {k: np.asarray(payload[k], dtype=float) for k in self._columns}
        self._positions.append(np.asarray(payload["positions"], dtype=float))
        for name, row in rows.items():
            self._columns[name].append(row)
        self._time.append(float(payload["time"]))
        return True

    # -- numbers ------------------------------------------------------------------------------
    @property
    def time(self) -> np.ndarray:
        """(S,) fs."""
        return self._time.array if self.trajectory is None else self.trajectory.time

    @property
    def positions(self) -> np.ndarray:
        """(S,R,N,3) Å."""
        return self._positions.array if self.trajectory is None else self.trajectory.positions

    def _column(self, name: str) -> np.ndarray:
        if self.trajectory is not None:
            return getattr(self.trajectory, name)
        return self._columns[name].array

    @property
    def potential(self) -> np.ndarray:
        """(S,R) eV."""
        return self._column("potential")

    @property
    def kinetic(self) -> np.ndarray:
        """(S,R) eV."""
        return self._column("kinetic")

    @property
    def temperature(self) -> np.ndarray:
        """(S,R) K."""
        return self._column("temperature")

    @property
    def freedom(self) -> int:
        """Degrees of freedom of one replica: 3N - 3, there is no net momentum."""
        return 3 * len(self.molecule.numbers) - 3

    def __len__(self) -> int:
        return len(self.time)
