"""Where a refit stands, kept after every iteration so that a killed one goes on to the same end."""

from __future__ import annotations

import numpy as np
import torch

from core.fitting.checkpoint import Checkpoint
from core.fitting.mm.solve import State

TOLD = "told "  # begins the names of the arrays with what each iteration was told to be worth


class Kept:
    """The last state in a checkpoint; `save` replaces it.

    state: where to go on, None = at the start. told: name -> RMSE of each iteration so far.
    note: what became of a checkpoint that was there. parameters: how many the refit has.
    """

    def __init__(self, checkpoint: Checkpoint | None, parameters: int) -> None:
        self._checkpoint = checkpoint
        self.state: State | None = None
        self.told: dict[str, list[float]] = {}
        self.note = ""
        found = None if checkpoint is None else checkpoint.load()
        if checkpoint is not None:
            self.note = checkpoint.note
        if found is None:
            return
        if found["u"].shape != (parameters,):
            self.note = "starting anew: the checkpoint is of a refit with other parameters"
            return
        iteration = int(found["iteration"])
        self.note = f"going on after iteration {iteration}"
        self.told = {k[len(TOLD) :]: v.tolist() for k, v in found.items() if k.startswith(TOLD)}
        objective, damping = (float(x) for x in found["objective, damping"])
        converged = bool(found["converged"])
        self.state = State(torch.tensor(found["u"]), objective, damping, iteration, converged)

    def save(self, state: State, told: dict[str, float]) -> None:
        """Keep a state and what it was told to be worth."""
        for name, value in told.items():
            self.told.setdefault(name, []).append(value)
        if self._checkpoint is None:
            return
        arrays = {
            "u": state.u.detach().numpy(),
            "objective, damping": np.array([state.objective, state.damping]),
            "iteration": np.array(state.iteration),
            "converged": np.array(state.converged),
        }
        arrays |= {TOLD + name: np.array(values) for name, values in self.told.items()}
        self._checkpoint.save(arrays, now=True)
