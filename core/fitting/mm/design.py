"""The linear algebra of a force-field refit: normal equations over basis functions, once per data.

Every term of a topology is a sum of fixed functions of one internal coordinate q, with coefficients
that follow from its parameters: k (r - r0)² is k x² - 2 k (r0 - s) x + const with x = r - s, a
Fourier series is cosines and sines, a pair energy is r^-1, r^-6 and r^-12, a Morse curve is a short
Chebyshev series over the data's range. With the columns Phi of these functions (energies with their
mean taken out, as the energy constant is free, and forces), the squared error of any parameters is

    |Phi c - y|² = c.G c - 2 b.c + y.y,     G = Phi^T Phi,  b = Phi^T y

so that the data are looked at once, whatever is tried afterwards, and memory does not grow with
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from core.mm import energy as mm

CHUNK = 4_000_000  #: elements of one block of columns: 32 MB
#: q (B,R) -> values and slopes (B,R,C) of the C basis functions
Functions = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
MEASURES = {2: mm.distances, 3: mm.angles, 4: mm.dihedrals}


@dataclass(frozen=True, eq=False)
class Block:
    """Basis functions that a group of like rows shares.

    atoms (R,2..4); functions of the coordinate they span; count: how many; scale (R,): what each
    row is multiplied by (1-4 scales).
    """

    atoms: torch.Tensor
    functions: Functions
    count: int
    scale: torch.Tensor | None = None


@dataclass(eq=False)
class Normal:
    """Normal equations of one label: gram (C,C), right (C,), square: y.y, rows: how many values."""

    gram: torch.Tensor
    right: torch.Tensor
    square: float = 0.0
    rows: int = 0

    def mean_square(self, c: torch.Tensor) -> float:
        """Mean squared residual of the coefficients c (C,)."""
        if not self.rows:
            return 0.0
        total = float(c @ (self.gram @ c) - 2.0 * (self.right @ c)) + self.square
        return max(total, 0.0) / self.rows


@dataclass(eq=False)
class Design:
    """Normal equations of the energies (eV) and of the force components (eV/Å)."""

    energy: Normal
    forces: Normal


def local_gradient(x: torch.Tensor, atoms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """x (B,N,3), atoms (R,k) -> coordinate q (B,R) and its gradient (B,R,k,3) at its own atoms."""
    b, (r, k) = len(x), atoms.shape
    with torch.enable_grad():
        near = x[:, atoms].reshape(b * r, k, 3).detach().requires_grad_(True)
        q = MEASURES[k](near, torch.arange(k, device=x.device)[None])
        (g,) = torch.autograd.grad(q.sum(), near)
    return q.detach().reshape(b, r), g.reshape(b, r, k, 3)


def columns(blocks: list[Block], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """x (B,N,3) -> energies (B,C) and forces (B,3N,C) of every basis function."""
    b, n = x.shape[:2]
    width = sum(block.count for block in blocks)
    energy, forces = x.new_zeros(b, width), x.new_zeros(b, n, 3, width)
    at = 0
    for block in blocks:
        q, g = local_gradient(x, block.atoms)
        value, slope = block.functions(q)
        if block.scale is not None:
            value, slope = value * block.scale[:, None], slope * block.scale[:, None]
        energy[:, at : at + block.count] = value.sum(1)
        pull = -(g[..., None] * slope[:, :, None, None, :]).reshape(b, -1, 3, block.count)
        part = x.new_zeros(b, n, 3, block.count)
        forces[..., at : at + block.count] = part.index_add_(1, block.atoms.reshape(-1), pull)
        at += block.count
    return energy, forces.reshape(b, 3 * n, width)


def assemble(
    blocks: list[Block],
    x: torch.Tensor,
    energies: torch.Tensor,
    forces: torch.Tensor,
    progress: Callable[[float], None] | None = None,
) -> Design:
    """Normal equations over frames.

    x (M,N,3) Å; energies (M,) eV and forces (M,N,3) eV/Å to be explained, NaN where a frame has
    none.
    """
    width, n = sum(block.count for block in blocks), x.shape[1]
    pair = [Normal(x.new_zeros(width, width), x.new_zeros(width)) for _ in range(2)]
    have_e, have_f = energies.isfinite(), forces.isfinite().all(-1).all(-1)
    mean_e, mean_y = x.new_zeros(width), 0.0
    step = max(1, CHUNK // (3 * n * max(width, 1)))
    # a first guess of the means keeps the digits that subtracting them at the end would cost
    start_e = columns(blocks, x[:1])[0][0]
    start_y = float(energies[have_e][0]) if bool(have_e.any()) else 0.0
    for i in range(0, len(x), step):
        if progress is not None:
            progress(i / len(x))
        part = slice(i, i + step)
        e, f = columns(blocks, x[part])
        e = (e - start_e)[have_e[part]]
        y = energies[part][have_e[part]] - start_y
        mean_e, mean_y = mean_e + e.sum(0), mean_y + float(y.sum())
        _add(pair[0], e, y)
        _add(pair[1], f[have_f[part]].reshape(-1, width), forces[part][have_f[part]].reshape(-1))
    energy = pair[0]
    if energy.rows:
        m = energy.rows
        energy.gram -= torch.outer(mean_e, mean_e) / m
        energy.right -= mean_e * (mean_y / m)
        energy.square -= mean_y**2 / m
    return Design(pair[0], pair[1])


def _add(normal: Normal, phi: torch.Tensor, y: torch.Tensor) -> None:
    normal.gram += phi.T @ phi
    normal.right += phi.T @ y
    normal.square += float(y @ y)
    normal.rows += len(y)


# -- basis functions ------------------------------------------------------------------------------
def parabola(centre: float) -> Functions:
    """x², x with x = q - centre."""

    def functions(q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = q - centre
        one = torch.ones_like(x)
        return torch.stack([x * x, x], -1), torch.stack([2.0 * x, one], -1)

    return functions


def fourier(orders: tuple[int, ...], *, sines: bool) -> Functions:
    """cos(n q) for every n, then sin(n q) where they are wanted."""

    def functions(q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        n = q.new_tensor(orders)
        c, s = torch.cos(n * q[..., None]), torch.sin(n * q[..., None])
        if not sines:
            return c, -n * s
        return torch.cat([c, s], -1), torch.cat([-n * s, n * c], -1)

    return functions


def powers(length: float, exponents: tuple[int, ...]) -> Functions:
    """(length / q)^m for every exponent m."""

    def functions(q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        m = q.new_tensor(exponents)
        value = (length / q[..., None]) ** m
        return value, -m * value / q[..., None]

    return functions


@dataclass(frozen=True)
class Chebyshev:
    """T_1 … T_degree over low..high: `functions`, and `fit` from values at `nodes`."""

    low: float
    high: float
    degree: int = 12

    def nodes(self) -> torch.Tensor:
        """(degree+1,) the points at which a function is asked for."""
        k = torch.arange(self.degree + 1, dtype=torch.float64)
        t = torch.cos(torch.pi * (k + 0.5) / (self.degree + 1))
        return 0.5 * (self.high + self.low) + 0.5 * (self.high - self.low) * t

    def fit(self, values: torch.Tensor) -> torch.Tensor:
        """Values (...,degree+1) at the nodes -> coefficients (...,degree), without the constant."""
        count = self.degree + 1
        k = torch.arange(count, dtype=torch.float64)
        m = torch.cos(torch.pi * k[:, None] * (k + 0.5) / count)
        return (2.0 / count * (values @ m.T))[..., 1:]

    def functions(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """q (B,R) within low..high -> values and slopes (B,R,degree)."""
        scale = 2.0 / (self.high - self.low)
        t = ((q - self.low) * scale - 1.0).clamp(-1.0, 1.0)
        k = torch.arange(1, self.degree + 1, dtype=q.dtype, device=q.device)
        value, second = [torch.ones_like(t), t], [torch.ones_like(t), 2.0 * t]
        for _ in range(1, self.degree):
            value.append(2.0 * t * value[-1] - value[-2])
            second.append(2.0 * t * second[-1] - second[-2])
        slope = torch.stack(second[: self.degree], -1) * k * scale  # T_n' = n U_(n-1)
        return torch.stack(value[1:], -1), slope
