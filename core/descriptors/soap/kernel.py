"""The energy term of one SOAP: a dot-product kernel between atoms of one element.

With q the normalised power spectrum of an atom and q_s that of sparse point s (Bartók & Csányi,
Int. J. Quantum Chem. 115, 1051 (2015), section 4.2):

    k(i, s) = delta² (q_i . q_s)^zeta,      E = sum_i sum_s alpha_s k(i, s)
    dE/dq_i = delta² zeta sum_s alpha_s (q_i . q_s)^(zeta - 1) q_s

delta in eV is how much energy one atom's surroundings are expected to account for.
"""

from __future__ import annotations

import torch

from core.descriptors.soap.around import Around
from core.descriptors.soap.power_spectrum import Soap


class SoapTerm:
    """A Soap, sparse points (S,D) of length 1, zeta >= 1 and delta in eV."""

    def __init__(self, soap: Soap, points: torch.Tensor, *, zeta: float, delta: float) -> None:
        self.soap, self.points, self.zeta, self.delta = soap, points, zeta, delta
        self.weights = points.new_zeros(len(points))

    def kernel(self) -> torch.Tensor:
        """k between the sparse points (S,S) eV²."""
        return self._covariance(self.points @ self.points.T)

    def _covariance(self, dot: torch.Tensor) -> torch.Tensor:
        return self.delta**2 * dot.clamp(min=0.0) ** self.zeta

    def _slope(self, dot: torch.Tensor) -> torch.Tensor:
        return self.delta**2 * self.zeta * dot.clamp(min=0.0) ** (self.zeta - 1.0)

    def rows(self, around: Around) -> tuple[torch.Tensor, torch.Tensor]:
        """K of energies (B,S) eV² and of gradients dE/dr (B,3N,S) eV²/Å."""
        q, dq = self.soap.gradient(around)
        dot = q @ self.points.T
        slope = (dq @ self.points.T).mul_(self._slope(dot)[:, :, None, None])  # (B,n,k,3,S)
        return self._covariance(dot).sum(1), around.scatter(slope, self.soap.at).flatten(1, 2)

    def energy_rows(self, around: Around) -> tuple[torch.Tensor, torch.Tensor]:
        """K of energies (B,S) eV², and the prior variance (B,) eV² of this term's energy."""
        q, _ = self.soap.power(self.soap.density(around))
        own = self._covariance(q @ q.mT).sum((1, 2))
        return self._covariance(q @ self.points.T).sum(1), own

    def energy(self, around: Around) -> torch.Tensor:
        """(B,) eV, differentiable."""
        q, _ = self.soap.power(self.soap.density(around))
        return (self._covariance(q @ self.points.T) @ self.weights).sum(1)

    def energy_and_gradient(self, around: Around) -> tuple[torch.Tensor, torch.Tensor]:
        """(B,) eV and dE/dr (B,N,3) eV/Å, written out."""
        density = self.soap.density(around)
        q, length = self.soap.power(density)
        dot = (q @ self.points.T).clamp_(min=0.0)
        slope = dot ** (self.zeta - 1.0)
        energy = ((slope * dot) @ self.weights).sum(1) * self.delta**2
        g = (slope * (self.delta**2 * self.zeta * self.weights)) @ self.points
        by_density = self.soap.pull_back(g, density, q, length)
        by_vector = self.soap.forces_on(by_density, around)
        return energy, around.scatter(by_vector, self.soap.at)
