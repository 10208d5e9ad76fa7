"""Repulsion of atoms that come closer than they ever do in the training data.

Where a kernel model has no data its energy tends to a constant, and two atoms can fall into each
other. The universal screened repulsion of Ziegler, Biersack and Littmark (The Stopping and Range
of Ions in Matter, 1985), as also GAPs use it (Deringer et al., Chem. Rev. 121, 10073 (2021),
section 3.4), is switched on below a reach R, somewhat less than the least distance in training:

    E = sum_pairs f(r) z z' e²/(4 pi eps0 r) phi(r/a),    a = 0.8854 a_0/(z^0.23 + z'^0.23)
    phi(x) = 0.1818 e^{-3.2 x} + 0.5099 e^{-0.9423 x} + 0.2802 e^{-0.4029 x} + 0.02817 e^{-0.2016 x}

with f = 1 below 0.7 R and 0 from R on (smooth to second order): it leaves the fit untouched.
"""

from __future__ import annotations

import numpy as np
import torch

from core.descriptors.soap.radial import smooth_cutoff, smooth_cutoff_and_slope
from core.units import BOHR, HARTREE

COULOMB = HARTREE * BOHR  #: eV Å, e²/(4 pi eps0)
SCREENING = 0.8854 * BOHR  #: Å
SHARES = (0.1818, 0.5099, 0.2802, 0.02817)
RATES = (3.2, 0.9423, 0.4029, 0.2016)
SWITCH = 0.3  #: of the reach, over which it is switched on


class CoreRepulsion:
    """Pairs (P,2) of a molecule with atomic numbers (N,) and their reaches (P,) Å."""

    def __init__(self, numbers: np.ndarray, pairs: torch.Tensor, reach: torch.Tensor) -> None:
        self.pairs, self.reach = pairs, reach
        z = torch.as_tensor(np.asarray(numbers, dtype=np.float64), device=reach.device)
        z = z.to(reach.dtype)[pairs]
        self.charge = COULOMB * z.prod(1)
        self.rate = (z**0.23).sum(1, keepdim=True) / SCREENING * reach.new_tensor(RATES)
        self.share = reach.new_tensor(SHARES)

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        """positions (B,N,3) Å -> (B,) eV, differentiable."""
        vectors = positions[:, self.pairs[:, 1]] - positions[:, self.pairs[:, 0]]
        r = vectors.square().sum(-1).sqrt()
        phi = torch.exp(-r[..., None] * self.rate) @ self.share
        return (smooth_cutoff(r, self.reach, SWITCH * self.reach) * self.charge * phi / r).sum(1)

    def energy_and_gradient(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """positions (B,N,3) Å -> energy (B,) eV and dE/dr (B,N,3) eV/Å, written out."""
        vectors = positions[:, self.pairs[:, 1]] - positions[:, self.pairs[:, 0]]
        r = vectors.square().sum(-1).sqrt()
        cut, fall = smooth_cutoff_and_slope(r, self.reach, SWITCH * self.reach)
        wave = torch.exp(-r[..., None] * self.rate)
        phi, steep = wave @ self.share, -(wave * self.rate) @ self.share
        slope = self.charge / r * (fall * phi + cut * (steep - phi / r))
        steps = vectors * (slope / r)[..., None]
        out = torch.zeros_like(positions)
        out.index_add_(1, self.pairs[:, 1], steps)
        out.index_add_(1, self.pairs[:, 0], steps, alpha=-1.0)
        return (cut * self.charge * phi / r).sum(1), out
