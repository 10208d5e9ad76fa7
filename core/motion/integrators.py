"""What the integrators share: the state of all replicas and how a block of steps is run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch

from core.motion.thermal import accelerator

Forces = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass(eq=False)
class State:
    """R replicas: x (R,N,3) Å, v (R,N,3) Å/fs, a (R,N,3) Å/fs², energy (R,) eV, forces eV/Å.

    Integrators change x and v in place.
    """

    x: torch.Tensor
    v: torch.Tensor
    energy: torch.Tensor
    forces: torch.Tensor
    a: torch.Tensor

    @classmethod
    def at(cls, x: torch.Tensor, v: torch.Tensor, mass: torch.Tensor, evaluate: Forces) -> State:
        """The state at x, v (copied)."""
        energy, forces = evaluate(x)
        return cls(x.clone(), v.clone(), energy, forces, accelerator(mass) @ forces)

    def rows(self, keep: torch.Tensor) -> State:
        """Only the replicas where keep (R,) is true."""
        return State(*(value[keep] for value in vars(self).values()))


class Integrator(ABC):
    """Advances a State. Coefficients are computed once; a step is a handful of in-place calls."""

    def __init__(self, mass: torch.Tensor, dt: float) -> None:
        self.mass, self.dt = mass, dt
        self.accelerate = accelerator(mass)

    @abstractmethod
    def run(self, state: State, steps: int, evaluate: Forces, noise: torch.Tensor | None) -> None:
        """`steps` steps. noise: what `draw` gave, for the replicas of `state`."""

    def draw(self, steps: int, replicas: int, generator: torch.Generator) -> torch.Tensor | None:
        """Random numbers of `steps` steps for all replicas, or None."""
        return None

    def _force(self, state: State, evaluate: Forces) -> None:
        state.energy, state.forces = evaluate(state.x)
        torch.matmul(self.accelerate, state.forces, out=state.a)
