"""Constant-temperature dynamics: Langevin by the BAOAB splitting."""

from __future__ import annotations

import math

import torch

from core.motion.integrators import Forces, Integrator, State
from core.motion.thermal import without_drift
from core.units import ACCELERATION, KB


class Langevin(Integrator):
    """BAOAB: Leimkuhler and Matthews, Appl. Math. Res. Express 2013, 34 (2013).

    Positions of a harmonic oscillator are sampled exactly at every stable dt; its mean kinetic
    energy comes out low by the factor 1 - (omega dt / 2)², 1 % for an organic molecule at 0.5 fs.
    friction 1/fs, temperature K. The noise has no net momentum, so that with a start without it
    the centre of mass rests and 3N - 3 degrees of freedom carry k T / 2 each.
    """

    def __init__(
        self, mass: torch.Tensor, dt: float, *, temperature: float, friction: float
    ) -> None:
        super().__init__(mass, dt)
        self.keep = math.exp(-friction * dt)
        spread = (KB * temperature * ACCELERATION / mass * (1.0 - self.keep**2)).sqrt()
        self.kick = without_drift(mass) * spread[None, :]

    def draw(self, steps: int, replicas: int, generator: torch.Generator) -> torch.Tensor:
        """(steps,R,N,3) Å/fs: the random kicks. Drawn on the CPU: one seed, one trajectory."""
        shape = (steps, replicas, len(self.mass), 3)
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        return self.kick @ noise.to(self.mass.device)

    def run(self, state: State, steps: int, evaluate: Forces, noise: torch.Tensor | None) -> None:
        half, keep = 0.5 * self.dt, self.keep
        if noise is None or len(noise) < steps:
            raise ValueError("Langevin dynamics needs the kicks of every step")
        x, v = state.x, state.v
        for kick in noise[:steps].unbind():
            v.add_(state.a, alpha=half)
            x.add_(v, alpha=half)
            v.mul_(keep).add_(kick)
            x.add_(v, alpha=half)
            self._force(state, evaluate)
            v.add_(state.a, alpha=half)
