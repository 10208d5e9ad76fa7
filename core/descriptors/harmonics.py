"""Real spherical harmonics by recursion, with analytic gradients.

With u = r/|r| = (x, y, z) and the real and imaginary parts of (x + iy)^m, which are the circular
functions times sin^m(theta):

    Y_l^0 = Q_l^0(z),   Y_l^m = sqrt(2) Q_l^m(z) Re (x + iy)^m,
    Y_l^-m = sqrt(2) Q_l^m(z) Im (x + iy)^m                                   (m > 0)

where Q_l^m = N_lm d^m P_l/dz^m, N_lm² = (2l + 1)/(4 pi) (l - m)!/(l + m)!. They are orthonormal on
the sphere, carry no Condon-Shortley phase (Y_1 ~ y, z, x) and stand in the order l² + l + m.
Recursion as in Limpanuparb & Milthorpe, arXiv:1410.1748 (2014), eqs 12-15, without sin(theta), so
that nothing is singular at the poles.
"""

from __future__ import annotations

import math
from typing import Literal, overload

import torch


@overload
def real_harmonics(
    vectors: torch.Tensor, l_max: int, *, with_gradient: Literal[False] = False
) -> torch.Tensor: ...


@overload
def real_harmonics(
    vectors: torch.Tensor, l_max: int, *, with_gradient: Literal[True]
) -> tuple[torch.Tensor, torch.Tensor]: ...


def real_harmonics(
    vectors: torch.Tensor, l_max: int, *, with_gradient: bool = False
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """vectors (...,3) of any length but zero -> Y (..., (l_max+1)²), column l² + l + m.

    Differentiable by autograd any number of times. With `with_gradient` also dY/dvectors
    (..., (l_max+1)², 3), in one over the unit of the vectors, orthogonal to the vectors.
    Raises ValueError where l_max is negative or the vectors have not three components.
    """
    if l_max < 0:
        raise ValueError(f"l_max is {l_max}; it must be at least 0")
    if vectors.shape[-1] != 3:
        raise ValueError(f"vectors have shape {tuple(vectors.shape)}; the last must be 3")
    inverse = vectors.square().sum(-1, keepdim=True).rsqrt()
    unit = vectors * inverse
    first = unit.movedim(-1, 0)
    if not with_gradient:
        return harmonics_first(first, l_max).movedim(0, -1)
    values, slope = harmonics_first(first, l_max, with_slope=True)
    # (3, L, ...) -> (..., L, 3)
    slope = slope.movedim(0, -1).movedim(0, -2)
    along = (slope * unit[..., None, :]).sum(-1, keepdim=True)
    return values.movedim(0, -1), (slope - along * unit[..., None, :]) * inverse[..., None]


@overload
def harmonics_first(
    unit: torch.Tensor, l_max: int, *, with_slope: Literal[False] = False
) -> torch.Tensor: ...


@overload
def harmonics_first(
    unit: torch.Tensor, l_max: int, *, with_slope: Literal[True]
) -> tuple[torch.Tensor, torch.Tensor]: ...


def harmonics_first(
    unit: torch.Tensor, l_max: int, *, with_slope: bool = False
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """unit vectors (3,...) -> Y ((l_max+1)²,...); the layout that is fast for many vectors.

    With `with_slope` also d/d(x, y, z) (3, (l_max+1)², ...) of the polynomials above, with x, y, z
    taken as independent: subtract its part along the vector and divide by its length for dY/dr.
    """
    x, y, z = unit.unbind(0)
    q = _legendre(z, l_max)
    cos, sin = _circular(x, y, l_max)
    rows: list[torch.Tensor] = []
    for l in range(l_max + 1):  # noqa: E741 (the name of the quantum number)
        rows += [q[l][m] * sin[m] for m in range(l, 0, -1)]
        rows += [q[l][m] * cos[m] for m in range(l + 1)]
    values = torch.stack(rows)
    if not with_slope:
        return values
    return values, torch.stack([torch.stack(part) for part in _slopes(q, cos, sin, l_max)])


def _legendre(z: torch.Tensor, l_max: int) -> list[list[torch.Tensor]]:
    """Q[l][m](z) for 0 <= m <= l, with sqrt(2) in those of m > 0."""
    q: list[list[torch.Tensor]] = []
    corner = 1 / math.sqrt(4 * math.pi)
    for l in range(l_max + 1):  # noqa: E741
        if l:
            corner *= math.sqrt((2 * l + 1) / (2 * l))
        row = []
        for m in range(l - 1):
            a = math.sqrt((4 * l * l - 1) / (l * l - m * m))
            b = math.sqrt(((l - 1) ** 2 - m * m) / (4 * (l - 1) ** 2 - 1))
            row.append(a * (z * q[l - 1][m] - b * q[l - 2][m]))
        if l:
            row.append(math.sqrt(2 * l + 1) * z * q[l - 1][l - 1])
        row.append(torch.full_like(z, corner * (math.sqrt(2) if l else 1.0)))
        if l == 1:
            row[0] = math.sqrt(3) * z * q[0][0]
        q.append(row)
    return q


def _circular(
    x: torch.Tensor, y: torch.Tensor, l_max: int
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Real and imaginary part of (x + iy)^m for m = 0 … l_max."""
    cos, sin = [torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(l_max):
        c, s = cos[-1], sin[-1]
        cos.append(x * c - y * s)
        sin.append(x * s + y * c)
    return cos, sin


def _slopes(
    q: list[list[torch.Tensor]], cos: list[torch.Tensor], sin: list[torch.Tensor], l_max: int
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
    """d/dx, d/dy and d/dz of every harmonic."""
    none = torch.zeros_like(cos[0])
    out: tuple[list[torch.Tensor], ...] = ([], [], [])
    for l in range(l_max + 1):  # noqa: E741
        for m in range(-l, l + 1):
            k = abs(m)
            # dQ_l^m/dz = Q_l^(m+1) N_lm/N_l(m+1); the sqrt(2) enters between m = 0 and m = 1
            up = math.sqrt((l - k) * (l + k + 1) / (1 if k else 2))
            dz = up * q[l][k + 1] if k < l else none
            if m == 0:
                row = (none, none, dz)
            elif m > 0:
                row = (m * q[l][m] * cos[m - 1], -m * q[l][m] * sin[m - 1], dz * cos[m])
            else:
                row = (k * q[l][k] * sin[k - 1], k * q[l][k] * cos[k - 1], dz * sin[k])
            for part, value in zip(out, row, strict=True):
                part.append(value)
    return out[0], out[1], out[2]
