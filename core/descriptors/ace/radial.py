"""Radial functions of the atomic cluster expansion: transform, cutoffs, orthonormal polynomials.

Kovács et al., J. Chem. Theory Comput. 17, 7696 (2021), section 2.2, per pair of elements:

    x(r) = 1/(1 + r/r0)²                                         (eq. 13)
    f(x) = (x - x(r_in))² (x - x(r_out))²                        (eq. 14), zero outside
    f(x) = (x - x(r_out))²  for the repulsive pair basis         (eq. 16), not cut off inside
    R_n(r) = p_n(x) f(x),  int R_n R_m x² dx = delta_nm          (eqs 12, 15)

x is mapped linearly on t in [-1, 1] (-1 at r_out) and the recursion coefficients of p_n(t) come
from Stieltjes' procedure on Gauss-Legendre nodes, exact for these polynomial weights:

    b_(n+1) p_(n+1) = (t - a_n) p_n - b_n p_(n-1)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

NODES = 256  #: Gauss-Legendre nodes: exact to degree 511


@dataclass(frozen=True, eq=False)
class Radial:
    """n_max functions for each of T pair types; r0, r_in (T,) and r_out in Å.

    repulsive: the envelope of eq. 16, which stays on inside r_in.
    """

    n_max: int
    r0: np.ndarray
    r_in: np.ndarray
    r_out: float
    repulsive: bool = False

    def __post_init__(self) -> None:
        if not (np.all(self.r_in >= 0) and np.all(self.r_in < self.r_out) and self.n_max > 0):
            raise ValueError("radial functions need 0 <= r_in < r_out and at least one function")
        a, b = self._recursion()
        object.__setattr__(self, "a", a)
        object.__setattr__(self, "b", b)

    a: np.ndarray = None  # type: ignore[assignment]  # (n_max,T), set from the rest
    b: np.ndarray = None  # type: ignore[assignment]

    def _x(self, r: np.ndarray | float) -> np.ndarray:
        return 1.0 / (1.0 + np.asarray(r) / self.r0) ** 2

    def _recursion(self) -> tuple[np.ndarray, np.ndarray]:
        t, w = np.polynomial.legendre.leggauss(NODES)
        far, near = self._x(self.r_out), self._x(self.r_in)
        x = far + (near - far) * (t[:, None] + 1) / 2  # (Q,T)
        envelope = (t + 1) ** 2 if self.repulsive else (1 - t * t) ** 2
        weight = (w * envelope**2)[:, None] * x**2 * (near - far) / 2
        a, b = np.zeros((2, self.n_max, len(self.r0)))
        b[0] = np.sqrt(weight.sum(0))
        before, p = np.zeros_like(x), np.ones_like(x) / b[0]
        for n in range(self.n_max - 1):
            a[n] = (weight * t[:, None] * p**2).sum(0)
            q = (t[:, None] - a[n]) * p - (b[n] if n else 0.0) * before
            b[n + 1] = np.sqrt((weight * q * q).sum(0))
            before, p = p, q / b[n + 1]
        return a, b

    def values(self, r: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        """r (...) Å and pair types of its shape -> R (n_max, ...); differentiable."""
        return self._evaluate(r, types, slope=False)[0]

    def values_and_slopes(
        self, r: torch.Tensor, types: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """R (n_max, ...) and dR/dr (n_max, ...) in 1/Å."""
        return self._evaluate(r, types, slope=True)

    def _evaluate(
        self, r: torch.Tensor, types: torch.Tensor, *, slope: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:

        def per_type(x: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(x, dtype=r.dtype, device=r.device)[..., types]

        r0, far = per_type(self.r0), per_type(self._x(self.r_out))
        scale = per_type(2.0 / (self._x(self.r_in) - self._x(self.r_out)))
        a, b = per_type(self.a), per_type(self.b)
        inner = 1.0 / (1.0 + r / r0)
        t = (inner * inner - far) * scale - 1.0
        t = t.clamp(min=-1.0) if self.repulsive else t.clamp(-1.0, 1.0)
        envelope = (1 + t) ** 2 if self.repulsive else (1 - t * t) ** 2
        rows = [envelope / b[0]]
        for n in range(self.n_max - 1):
            q = (t - a[n]) * rows[n]
            rows.append((q - b[n] * rows[n - 1] if n else q) / b[n + 1])
        values = torch.stack(rows)
        if not slope:
            return values, values
        # the product f p_n obeys the recursion of p_n; so does its slope, with one more term
        rise = 2 * (1 + t) if self.repulsive else -4 * t * (1 - t * t)
        slopes = [rise / b[0]]
        for n in range(self.n_max - 1):
            q = rows[n] + (t - a[n]) * slopes[n]
            slopes.append((q - b[n] * slopes[n - 1] if n else q) / b[n + 1])
        dt = -2.0 * scale * inner**3 / r0
        return values, torch.stack(slopes) * dt
