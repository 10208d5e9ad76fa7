"""The pair term: a Gaussian kernel on the distances between atoms of two elements.

    k(r, s) = delta² f_c(r) f_c(s) exp(-(r - s)²/(2 theta²)),    E = sum_pairs sum_s alpha_s k(r, s)

(Deringer et al., Chem. Rev. 121, 10073 (2021), section 3.2). Sparse points lie evenly over the
distances that occur.
"""

from __future__ import annotations

import numpy as np
import torch

from core.descriptors.soap.radial import smooth_cutoff, smooth_cutoff_and_slope


def pair_kinds(numbers: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """(z, z') with z <= z' -> atom pairs (P,2) of these elements."""
    i, j = np.triu_indices(len(numbers), 1)
    low, high = np.minimum(numbers[i], numbers[j]), np.maximum(numbers[i], numbers[j])
    kinds = sorted(set(zip(low.tolist(), high.tolist(), strict=True)))
    return {k: np.stack([i, j], 1)[(low == k[0]) & (high == k[1])] for k in kinds}


class PairTerm:
    """All pairs (P,2) of two elements; points (S,) Å, theta and cutoff in Å, delta in eV."""

    def __init__(
        self,
        pairs: torch.Tensor,
        points: torch.Tensor,
        *,
        theta: float,
        cutoff: float,
        transition: float,
        delta: float,
    ) -> None:
        self.pairs, self.points, self.theta, self.delta = pairs, points, theta, delta
        self.cutoff, self.transition = cutoff, transition
        self.weights = torch.zeros_like(points)

    def _cut(self, r: torch.Tensor) -> torch.Tensor:
        return smooth_cutoff(r, self.cutoff, self.transition)

    def _distances(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        vectors = positions[:, self.pairs[:, 1]] - positions[:, self.pairs[:, 0]]
        return vectors, vectors.square().sum(-1).sqrt()

    def _covariance(self, r: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """k (...,S) between distances r (...) and other (S,) or (...,S)."""
        u = (r[..., None] - other) / self.theta
        cut = self._cut(r)[..., None] * self._cut(other)
        return self.delta**2 * cut * torch.exp(-0.5 * u * u)

    def kernel(self) -> torch.Tensor:
        """k between the sparse points (S,S) eV²."""
        return self._covariance(self.points, self.points)

    def _sloped(self, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """k (...,S) and dk/dr (...,S)."""
        value, slope = smooth_cutoff_and_slope(r, self.cutoff, self.transition)
        cut, u = value[..., None], (r[..., None] - self.points) / self.theta
        bare = self.delta**2 * self._cut(self.points) * torch.exp(-0.5 * u * u)
        return bare * cut, bare * (slope[..., None] - cut * u / self.theta)

    def rows(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """positions (B,N,3) Å -> K of energies (B,S) eV² and of gradients dE/dr (B,3N,S) eV²/Å."""
        vectors, r = self._distances(positions)
        k, slope = self._sloped(r)
        steps = (vectors / r[..., None])[..., None] * slope[:, :, None]  # (B,P,3,S)
        out = steps.new_zeros(*positions.shape, len(self.points))
        out.index_add_(1, self.pairs[:, 1], steps)
        out.index_add_(1, self.pairs[:, 0], steps, alpha=-1.0)
        return k.sum(1), out.flatten(1, 2)

    def energy_rows(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """K of energies (B,S) eV², and the prior variance (B,) eV² of this term's energy."""
        _, r = self._distances(positions)
        own = self._covariance(r, r[:, None]).sum((1, 2))
        return self._covariance(r, self.points).sum(1), own

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        """positions (B,N,3) Å -> (B,) eV, differentiable."""
        _, r = self._distances(positions)
        return (self._covariance(r, self.points) @ self.weights).sum(1)

    def energy_and_gradient(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """positions (B,N,3) Å -> energy (B,) eV and dE/dr (B,N,3) eV/Å, written out."""
        vectors, r = self._distances(positions)
        k, slope = self._sloped(r)
        steps = vectors * ((slope @ self.weights) / r)[..., None]
        out = torch.zeros_like(positions)
        out.index_add_(1, self.pairs[:, 1], steps)
        out.index_add_(1, self.pairs[:, 0], steps, alpha=-1.0)
        return (k @ self.weights).sum(1), out
