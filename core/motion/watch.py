"""Find the first unphysical frame of each replica."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.motion.integrators import State
from core.motion.thermal import kinetic, temperature


@dataclass(frozen=True, eq=False)
class Watch:
    """Bounds for a run.

    bonds (B,2); lengths (B,) Å at the start; names of the bonds; start (R,) eV: energy of each
    replica at the start; max_stretch x length, max_energy eV from the start, max_temperature K.
    """

    bonds: torch.Tensor
    lengths: torch.Tensor
    names: tuple[str, ...]
    mass: torch.Tensor
    start: torch.Tensor
    max_stretch: float
    max_energy: float
    max_temperature: float

    def ratios(self, x: torch.Tensor) -> torch.Tensor:
        """x (R,N,3) -> (R,B): bond lengths over those at the start."""
        return (x[:, self.bonds[:, 0]] - x[:, self.bonds[:, 1]]).norm(dim=-1) / self.lengths

    def bad(self, state: State, which: torch.Tensor) -> torch.Tensor:
        """(R,) bool: replicas of `state` (rows `which` (R,) of all) that left the bounds."""
        hot = temperature(kinetic(state.v, self.mass), len(self.mass)) > self.max_temperature
        far = (state.energy - self.start[which]).abs() > self.max_energy
        # a NaN compares false with everything: ask for what is right instead of what is wrong
        fine = torch.isfinite(state.energy) & torch.isfinite(state.x.sum((1, 2)))
        if len(self.bonds):
            fine &= self.ratios(state.x).amax(1) <= self.max_stretch
        return ~fine | hot | far

    def reason(self, state: State, row: int, which: int) -> str:
        """Why row `row` of `state` (replica `which`) is unphysical."""
        energy = float(state.energy[row])
        x = state.x[row : row + 1]
        if not (torch.isfinite(x).all() and torch.isfinite(state.energy[row])):
            return "the force field gave no finite energy or forces"
        if len(self.bonds):
            ratios = self.ratios(x)[0]
            worst = int(ratios.argmax())
            if float(ratios[worst]) > self.max_stretch:
                return f"bond {self.names[worst]} {float(ratios[worst]):.1f} x its starting length"
        change = energy - float(self.start[which])
        if abs(change) > self.max_energy:
            return f"potential energy {change:+.1f} eV from its start"
        hot = float(temperature(kinetic(state.v[row : row + 1], self.mass), len(self.mass))[0])
        return f"temperature {hot:.0f} K"
