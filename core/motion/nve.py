"""Constant-energy dynamics: velocity Verlet."""

from __future__ import annotations

import torch

from core.motion.integrators import Forces, Integrator, State


class VelocityVerlet(Integrator):
    """Swope, Andersen, Berens, Wilson, J. Chem. Phys. 76, 637 (1982). Time-reversible, symplectic:
    the energy error stays bounded and falls as dt²."""

    def run(self, state: State, steps: int, evaluate: Forces, noise: torch.Tensor | None) -> None:
        half, dt = 0.5 * self.dt, self.dt
        for _ in range(steps):
            state.v.add_(state.a, alpha=half)
            state.x.add_(state.v, alpha=dt)
            self._force(state, evaluate)
            state.v.add_(state.a, alpha=half)
