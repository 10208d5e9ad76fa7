"""Inverse distances, and chosen angles and dihedrals beside them.

Vassilev-Galindo et al., J. Chem. Phys. 154, 094119 (2021), sections IV and V: with Theta an angle
and Phi a dihedral in radians

    D_Theta = (1 - exp(-Theta))² - 1,    D_Phi = 1 + cos Phi.

Slopes are analytic; those of cos Phi come from its two normals and never divide by sin Phi.
"""

from __future__ import annotations

import numpy as np
import torch

from core.descriptors.extended_terms import permute_terms
from core.descriptors.inverse_distances import (
    describe,
    incidence,
    jacobian,
    permute_pairs,
    pull_back,
)

Slope = tuple[torch.Tensor, torch.Tensor | None]
TINY = 1e-12  #: keeps quotients finite at straight angles, where they are not defined


class Descriptor:
    """d(r) of a molecule of n atoms: D = N(N-1)/2 inverse distances (1/Å), then E terms."""

    def __init__(
        self, n: int, terms: np.ndarray, *, dtype: torch.dtype, device: torch.device
    ) -> None:
        """terms (E,4) as in `core.descriptors.extended_terms`: angles first do not matter."""
        self.inc = incidence(n, dtype=dtype, device=device)
        self.terms = terms
        self.width = len(self.inc) + len(terms)
        self.angles = torch.as_tensor(np.flatnonzero(terms[:, 3] < 0), device=device)
        self.dihedrals = torch.as_tensor(np.flatnonzero(terms[:, 3] >= 0), device=device)
        self.atoms = torch.as_tensor(np.maximum(terms, 0), device=device)  # (E,4)
        rows = torch.zeros(len(terms) * 4, n, dtype=dtype, device=device)
        rows[torch.arange(len(rows), device=device), self.atoms.reshape(-1)] = 1.0
        self.scatter = rows.T.contiguous()  # (N,4E)

    def __call__(self, positions: torch.Tensor) -> tuple[torch.Tensor, Slope]:
        """positions (B,N,3) Å -> d (B,D+E) and its slopes; differentiable."""
        d, slope = describe(positions, self.inc)
        if not len(self.terms):
            return d, (slope, None)
        more, steep = self._terms(positions)
        return torch.cat([d, more], 1), (slope, steep)

    def pull_back(self, gradient: torch.Tensor, slope: Slope) -> torch.Tensor:
        """J^T g: dE/dd (B,D+E) -> dE/dr (B,N,3)."""
        pairs, steep = slope
        if steep is None:
            return pull_back(gradient, pairs, self.inc)
        width = len(self.inc)
        out = pull_back(gradient[:, :width], pairs, self.inc)
        weighted = gradient[:, width:, None, None] * steep  # (B,E,4,3)
        return out + torch.matmul(self.scatter, weighted.flatten(1, 2))

    def jacobian(self, slope: Slope) -> torch.Tensor:
        """J = dd/dr, dense (B,D+E,3N)."""
        pairs, steep = slope
        dense = jacobian(pairs, self.inc)
        if steep is None:
            return dense
        e, n = len(self.terms), len(self.scatter)
        rows = torch.einsum("nea,beax->benx", self.scatter.view(n, e, 4), steep)
        return torch.cat([dense, rows.reshape(len(rows), e, 3 * n)], 1)

    def images(self, permutations: np.ndarray) -> np.ndarray:
        """(S,D+E) indices with d(r[p]) = d(r)[row] for permutations (S,N)."""
        pairs = permute_pairs(permutations)
        if not len(self.terms):
            return pairs
        return np.concatenate([pairs, permute_terms(self.terms, permutations) + len(self.inc)], 1)

    def _terms(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values (B,E) and slopes (B,E,4,3) 1/Å of the terms."""
        r = positions[:, self.atoms]  # (B,E,4,3)
        value = positions.new_zeros(r.shape[:2])
        slope = torch.zeros_like(r)
        if len(self.angles):
            v, s = _angle(r[:, self.angles])
            value = value.index_copy(1, self.angles, v)
            slope = slope.index_copy(1, self.angles, s)
        if len(self.dihedrals):
            v, s = _dihedral(r[:, self.dihedrals])
            value = value.index_copy(1, self.dihedrals, v)
            slope = slope.index_copy(1, self.dihedrals, s)
        return value, slope


def _angle(r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(1 - exp(-Theta))² - 1 of a-b-c in r (B,A,4,3; the last atom is not used)."""
    u, v = r[:, :, 0] - r[:, :, 1], r[:, :, 2] - r[:, :, 1]
    uv = (u * v).sum(-1)
    sine = torch.linalg.cross(u, v).square().sum(-1).clamp(min=TINY).sqrt()  # |u||v| sin
    decay = torch.exp(-torch.atan2(sine, uv))
    value = (1.0 - decay).square() - 1.0
    # dTheta/du = (u (u.v)/u² - v) / (|u||v| sin Theta)
    du = (u * (uv / u.square().sum(-1))[..., None] - v) / sine[..., None]
    dv = (v * (uv / v.square().sum(-1))[..., None] - u) / sine[..., None]
    chain = (2.0 * (1.0 - decay) * decay)[..., None]
    du, dv = chain * du, chain * dv
    return value, torch.stack([du, -du - dv, dv, torch.zeros_like(du)], 2)


def _dihedral(r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """1 + cos Phi of a-b-c-d in r (B,T,4,3)."""
    b1, b2, b3 = (r[:, :, k + 1] - r[:, :, k] for k in range(3))
    m, n = torch.linalg.cross(b1, b2), torch.linalg.cross(b2, b3)
    size_m = m.square().sum(-1, keepdim=True).clamp(min=TINY).sqrt()
    size_n = n.square().sum(-1, keepdim=True).clamp(min=TINY).sqrt()
    m, n = m / size_m, n / size_n
    cosine = (m * n).sum(-1, keepdim=True)
    p, q = (n - cosine * m) / size_m, (m - cosine * n) / size_n  # dcos/dm, dcos/dn
    g1 = torch.linalg.cross(b2, p)
    g2 = torch.linalg.cross(p, b1) + torch.linalg.cross(b3, q)
    g3 = torch.linalg.cross(q, b2)
    return 1.0 + cosine[..., 0], torch.stack([-g1, g1 - g2, g2 - g3, g3], 2)
