"""Sparse Gaussian process from rows of kernel values, by QR.

With K_mm the kernel between M sparse points, K_nm that between N observations (energies, forces:
linear functions of the energy) and the sparse points, and noise sigma_n (Bartók & Csányi, Int. J.
Quantum Chem. 115, 1051 (2015), eqs 19-21):

    alpha = (K_mm + K_mn Sigma^-1 K_nm)^-1 K_mn Sigma^-1 y

solved as least squares of the stacked [Sigma^-1/2 K_nm; L^T] against [Sigma^-1/2 y; 0], where
K_mm = L L^T: the condition number is not squared (Foster et al., J. Mach. Learn. Res. 10, 857
(2009)). The rows are folded into a triangle block by block, so that N may be any size, and each
kind of observation keeps its own triangle, so that another noise costs no new rows.

The predictive variance of a linear function with kernel k to the sparse points and k** to itself
is, with R^T R = K_mm + K_mn Sigma^-1 K_nm,

    var = k** - |L^-1 k|² + |R^-T k|²

(deterministic training conditional: Quiñonero-Candela & Rasmussen, J. Mach. Learn. Res. 6, 1939
(2005), eq. 20b; Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), eq. 8.27).
For the energy of a molecule k and k** are sums over its atoms and over pairs of atoms, so that the
covariances between its atoms are in it: the variance of the sum, not the sum of variances.

The noise of the fit is a means to small errors, far below the errors it leaves; variances made with
it are too small. `core.fitting.sparse_gp.calibrate` makes them those of a noise s times as large.
"""

from __future__ import annotations

import torch

JITTER = 1e-8  #: least added to the diagonal of K_mm, over its mean: less lets weights explode
TRIES = 5


class SparseGPError(ArithmeticError):
    """The equations cannot be solved; the message says why."""


def factor(kernel: torch.Tensor) -> tuple[torch.Tensor, float]:
    """L (M,M) of K_mm + jitter, and the jitter. Raises SparseGPError."""
    size = float(kernel.diagonal().mean())
    for power in range(TRIES):
        jitter = JITTER * 10**power * size
        shifted = kernel + jitter * torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
        lower, info = torch.linalg.cholesky_ex(shifted)
        if int(info) == 0 and bool(torch.isfinite(lower).all()):
            return lower, jitter
    raise SparseGPError("the kernel between the sparse points is singular")


def solve(
    triangles: list[tuple[torch.Tensor, float]], lower: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """alpha (M,) and R (M,M) from triangles [A | y] with their sigmas, and L (M,M).

    Raises SparseGPError where the numbers are not finite.
    """
    m = len(lower)
    stack = [r / sigma for r, sigma in triangles if len(r)]
    prior = torch.cat([lower.T, lower.new_zeros(m, 1)], 1)
    r = torch.linalg.qr(torch.cat([*stack, prior]), mode="r").R
    upper, right = r[:m, :m].contiguous(), r[:m, m:]
    alpha = torch.linalg.solve_triangular(upper, right, upper=True)[:, 0]
    if not bool(torch.isfinite(alpha).all()):
        raise SparseGPError("the least-squares problem has no finite solution")
    return alpha, upper


def noisier(upper: torch.Tensor, lower: torch.Tensor, s: float) -> torch.Tensor:
    """R (M,M) had all noise been s >= 1 times as large, from R and L: no rows are needed.

    R_s^T R_s = K_mm + (R^T R - K_mm)/s² = (1 - 1/s²) L L^T + R^T R/s².
    """
    stack = torch.cat([(1.0 - 1.0 / s**2) ** 0.5 * lower.T, upper / s])
    return torch.linalg.qr(stack, mode="r").R.contiguous()


def variance(
    own: torch.Tensor, rows: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor
) -> torch.Tensor:
    """(B,) from k** (B,) and k (B,M); rounding below zero is cut."""
    prior = torch.linalg.solve_triangular(lower, rows.T, upper=False).square().sum(0)
    left = torch.linalg.solve_triangular(upper.T, rows.T, upper=False).square().sum(0)
    return (own - prior + left).clamp(min=0.0)
