"""sGDML's sums in float32 without losing them to cancellation.

Weights A of a well-regularised fit are some 1e6 times larger than the forces that they add up to,
more than float32 can hold. But nearly all of that is in the leading term of the kernel, the same
for every training geometry: with

    (1 + r) e^{-r} = 1 + h(r),   h = -r²/2 + r³/3 - r⁴/8 + …        (r is some 0.05)

the sum of A (and of B, see `core.forcefields.sgdml`) is taken once in float64, and only the sums
over h, which are a thousand times smaller, are products in float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

SMALL = 0.5  #: r below which h is summed as a series: (1 + r) e^{-r} - 1 would cancel
#: Coefficients of r^k in h, k = 2..10: (-1)^k (1 - k) / k!
SERIES = [(-1) ** k * (1 - k) / math.factorial(k) for k in range(2, 11)]


def h(root: torch.Tensor) -> torch.Tensor:
    """(1 + r) e^{-r} - 1 to relative rounding; differentiable."""
    series = torch.full_like(root, SERIES[-1])
    for coefficient in reversed(SERIES[:-1]):
        series = series * root + coefficient
    small = torch.expm1(-root)
    direct = small + root + root * small
    return torch.where(root < SMALL, series * root * root, direct)


@dataclass(frozen=True, eq=False)
class Leading:
    """What is summed once, in float64: sum of A (D,), sum of t.A, sum of B, sum of B t (D,).

    A carries c = 5/(3 sigma²); t is counted from the centre.
    """

    a: torch.Tensor
    ta: torch.Tensor
    b: torch.Tensor
    bt: torch.Tensor

    @classmethod
    def of(cls, t: torch.Tensor, a: torch.Tensor, b: torch.Tensor | None) -> Leading:
        """From float64 images t (MS,D), weights a (MS,D) and b (MS,) or None."""
        none = a.new_zeros(1)
        levels = none.sum() if b is None else b.sum()
        level_images = torch.zeros_like(a[0]) if b is None else b @ t
        return cls(a.sum(0), (t * a).sum(), levels, level_images)

    def energy(self, d: torch.Tensor) -> torch.Tensor:
        """Their part of the energy (B,) for d (B,D) float64 from the centre."""
        return d @ self.a - self.ta + self.b

    def gradient(self, d: torch.Tensor, scale: float) -> torch.Tensor:
        """Their part of dE/dd (B,D); scale = sqrt(5) / sigma."""
        return self.a - (scale**2 / 3.0) * (d * self.b - self.bt)
