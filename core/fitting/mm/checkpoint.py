"""Where a refit stands, kept after every iteration so that a killed one goes on to the same end."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core import storage
from core.fitting.mm.solve import State
from core.wire import pack, wire


@wire
@dataclass(frozen=True, eq=False)
class RefitCheckpoint:
    """key: of the refit it belongs to. u (P,) in prior widths; told: name -> RMSE (I,) so far."""

    key: str
    u: np.ndarray
    objective: float
    damping: float
    iteration: int
    converged: bool = False
    told: dict[str, np.ndarray] = field(default_factory=dict)


class Keeper:
    """Reads and writes the checkpoint in `path` of the refit that `key` names; "" keeps nothing."""

    def __init__(self, path: Path | None = None, key: str = "") -> None:
        self.path, self.key = path, key
        self.told: dict[str, list[float]] = {}
        self.note = ""  # what became of a checkpoint that was there

    def read(self, parameters: int) -> State | None:
        """Where to go on, or None where there is nothing to go on from; see `note`."""
        if self.path is None or not self.path.exists():
            return None
        try:
            c = storage.load(self.path, RefitCheckpoint)
        except storage.StorageError as error:
            self.note = f"starting anew: {error}"
            return None
        if c.key != self.key or c.u.shape != (parameters,):
            self.note = "starting anew: the checkpoint is of a refit with other settings"
            return None
        self.note = f"going on after iteration {c.iteration}"
        self.told = {name: values.tolist() for name, values in c.told.items()}
        return State(torch.tensor(c.u), c.objective, c.damping, c.iteration, c.converged)

    def write(self, state: State, told: dict[str, float]) -> None:
        """Keep a state and what it was told to be worth."""
        for name, value in told.items():
            self.told.setdefault(name, []).append(value)
        if self.path is None:
            return
        history = {name: np.array(values) for name, values in self.told.items()}
        u = state.u.detach().numpy()
        storage.save(
            self.path,
            RefitCheckpoint(
                self.key, u, state.objective, state.damping, state.iteration, state.converged,
                history,
            ),
        )  # fmt: skip

    def remove(self) -> None:
        """The refit is done and its result saved."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def fingerprint(*parts: Any) -> str:
    """sha256 of wire records and plain values: equal for equal work."""
    digest = hashlib.sha256()

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            digest.update(np.ascontiguousarray(value).tobytes())
            return [str(value.dtype), *value.shape]
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        return value

    tree = plain([pack(part) for part in parts])
    digest.update(json.dumps(tree, sort_keys=True).encode())
    return digest.hexdigest()
