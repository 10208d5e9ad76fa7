"""Radial functions of SOAP: orthonormal polynomials that meet a Gaussian-smeared neighbour.

A neighbour at distance r, smeared as exp(-|x - r|²/(2 s²)), has the coefficients
c_nlm = R_nl(r) Y_lm(r/|r|) in an orthonormal radial basis g_n and real spherical harmonics
(Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013), eqs 31-33), with a = 1/(2 s²)

    R_nl(r) = 4 pi ∫ x² g_n(x) exp(-a (x - r)²) [exp(-2 a r x) i_l(2 a r x)] dx,

i_l the modified spherical Bessel functions of the first kind. Each R_nl is a smooth function of r
alone: it is computed once, by quadrature, and held as a Chebyshev series, which is exact to
rounding and differentiable any number of times.
"""

from __future__ import annotations

import math

import numpy as np
import torch

Length = float | torch.Tensor  # Å; a tensor has one for each distance

QUADRATURE = 200  #: Gauss-Legendre points on 0..cutoff
PER_WIDTH = 5.0  #: Chebyshev terms per atom width in the cutoff: some 1e-10 of the largest value
LEAST_TERMS = 24
EDGE = 1e-9  #: keeps the slope of acos finite; pairs out there have no weight


def radial_basis(x: np.ndarray, weight: np.ndarray, n_max: int, cutoff: float) -> np.ndarray:
    """g_n (n_max,K) on quadrature points x (K,) Å with weights (K,): sum w x² g_n g_m = delta_nm.

    They span (cutoff - x)^(k+2), k = 1..n_max (Bartók 2013, eq. 29): value, slope and curvature
    vanish at the cutoff. Legendre polynomials times (cutoff - x)³ are the same space without its
    ill conditioning.
    """
    u = 2.0 * x / cutoff - 1.0
    shape = np.polynomial.legendre.legvander(u, n_max - 1) * ((1.0 - x / cutoff) ** 3)[:, None]
    measure = np.sqrt(weight) * x
    q, r = np.linalg.qr(measure[:, None] * shape)
    q = q * np.sign(np.diag(r))  # the sign of QR is LAPACK's choice
    return (q / measure[:, None]).T


def radial_functions(
    r: np.ndarray, *, n_max: int, l_max: int, cutoff: float, width: float
) -> np.ndarray:
    """R_nl(r) (K,n_max,l_max+1) at r (K,) Å for a cutoff and an atom width in Å."""
    from scipy.special import ive

    node, weight = np.polynomial.legendre.leggauss(QUADRATURE)
    x, weight = 0.5 * cutoff * (node + 1.0), 0.5 * cutoff * weight
    basis = radial_basis(x, weight, n_max, cutoff)
    a = 0.5 / width**2
    z = np.maximum(2.0 * a * r[:, None] * x, 1e-12)
    near = np.exp(-a * np.square(x - r[:, None]))
    # exp(-z) i_l(z) = sqrt(pi/(2 z)) exp(-z) I_{l+1/2}(z)
    scaled = np.stack([ive(k + 0.5, z) for k in range(l_max + 1)], -1)
    scaled = scaled * np.sqrt(0.5 * math.pi / z)[..., None]
    measure = 4.0 * math.pi * weight * x**2
    return np.einsum("nx,kx,kxl->knl", basis * measure, near, scaled, optimize=True)


def radial_table(
    *, n_max: int, l_max: int, cutoff: float, width: float, scale: float = 0.0
) -> np.ndarray:
    """Chebyshev coefficients (K,n_max,l_max+1) of u(r) R_nl(r) on 0..cutoff.

    u(r) = 1/(1 + (r/scale)^4) lets far neighbours weigh less (Willatt, Musil, Ceriotti, Phys. Chem.
    Chem. Phys. 20, 29661 (2018)); scale in Å, 0 = all weigh the same.
    """
    finest = width if scale == 0 else min(width, 0.6 * scale)
    terms = max(LEAST_TERMS, math.ceil(PER_WIDTH * cutoff / finest))
    theta = math.pi * (np.arange(terms) + 0.5) / terms
    r = 0.5 * cutoff * (np.cos(theta) + 1.0)
    value = radial_functions(r, n_max=n_max, l_max=l_max, cutoff=cutoff, width=width)
    if scale > 0:
        value = value / (1.0 + (r / scale) ** 4)[:, None, None]
    transform = np.cos(np.arange(terms)[:, None] * theta) * (2.0 / terms)
    transform[0] *= 0.5
    return np.einsum("kt,tnl->knl", transform, value)


def chebyshev(r: torch.Tensor, terms: int, cutoff: float) -> torch.Tensor:
    """T_k(2 r/cutoff - 1) (...,terms) for r (...) Å."""
    return torch.cos(_angles(r, terms, cutoff)[0])


def chebyshev_and_slope(
    r: torch.Tensor, terms: int, cutoff: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """T_k as `chebyshev`, and dT_k/dr = (2/cutoff) k sin(k t)/sin t, (...,terms) 1/Å."""
    angles, theta, order = _angles(r, terms, cutoff)
    scale = (2.0 / cutoff) / torch.sin(theta)
    return torch.cos(angles), torch.sin(angles).mul_(order).mul_(scale[..., None])


def _angles(
    r: torch.Tensor, terms: int, cutoff: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """k t (...,terms) with cos t = 2 r/cutoff - 1; t; k."""
    edge = max(EDGE, 4.0 * torch.finfo(r.dtype).eps)
    theta = torch.arccos((r * (2.0 / cutoff) - 1.0).clamp(-1.0 + edge, 1.0 - edge))
    order = torch.arange(terms, dtype=r.dtype, device=r.device)
    return theta[..., None] * order, theta, order


def smooth_cutoff(r: torch.Tensor, cutoff: Length, transition: Length) -> torch.Tensor:
    """1 below cutoff - transition, 0 above cutoff, with two smooth derivatives; r (...) Å."""
    t = ((r - (cutoff - transition)) / transition).clamp(0.0, 1.0)
    return 1.0 - t**3 * (10.0 - 15.0 * t + 6.0 * t * t)


def smooth_cutoff_and_slope(
    r: torch.Tensor, cutoff: Length, transition: Length
) -> tuple[torch.Tensor, torch.Tensor]:
    """`smooth_cutoff` and its slope in r (...) 1/Å."""
    t = ((r - (cutoff - transition)) / transition).clamp(0.0, 1.0)
    value = 1.0 - t**3 * (10.0 - 15.0 * t + 6.0 * t * t)
    return value, (t * (1.0 - t)).square() * -30.0 / transition
