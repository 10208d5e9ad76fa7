"""Rows of the linear equations of ACE: every basis function's energy and its slopes.

A frame gives one energy row and, along C directions u of all its atoms (the 3N - 6 internal ones:
net force and torque are zero for any coefficients), C rows -dB_k/du. The chain rule runs forward
through the small arrays, phi -> A -> products -> P, and ends in one sparse product

    dB_k = sum_M P_b dP_a + P_a dP_b

whose matrix has the frame's P as values; the sum over the centres of an element is inside it.
"""

from __future__ import annotations

import numpy as np
import torch

from core.descriptors.ace.density import Density
from core.descriptors.ace.tables import CentreTables, sparse


class CentreDesign:
    """The part of the rows that belongs to one element's basis."""

    def __init__(self, tables: CentreTables) -> None:
        self.tables = tables
        basis, nz, device = tables.basis, tables.count, tables.device
        width = 2 * basis.channel_l[basis.left] + 1
        function = np.repeat(np.arange(len(basis)), width)
        m = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width)
        left = basis.start[basis.left][function] + m
        right = basis.start[basis.right][function] + m
        factor = basis.factor[function]

        def tensor(x: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(x, device=device)

        self.left, self.right = tensor(left), tensor(right)
        self.factor = tensor(factor)[:, None]
        self.function = tensor(function)
        # entries (function, side, M, centre) with the constant channel, which has no slope, out
        rows = np.concatenate([function, function])
        column, other = np.concatenate([left, right]), np.concatenate([right, left])
        const = basis.start[basis.channel_l == 0][0] if self._has_constant() else -1
        keep = column != const
        rows, column, other = rows[keep], column[keep], other[keep]
        sort = np.lexsort((column, rows))
        rows, column, other = rows[sort], column[sort], other[sort]
        counts = np.bincount(rows, minlength=len(basis)) * nz
        self.crow = tensor(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
        self.col = tensor((column[:, None] * nz + np.arange(nz)).astype(np.int32).ravel())
        self.other = tensor(other)
        self.scale = tensor(np.tile(factor, 2)[keep][sort])[:, None]
        self.shape = (len(basis), basis.rows_p * nz)

    def _has_constant(self) -> bool:
        # the constant channel () sorts first; S gives it the column 0
        basis = self.tables.basis
        return bool((basis.s_col == 0).any())

    def rows(self, slots: torch.Tensor, slopes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums per slot (S,F,1), slopes of them (S,F,C) -> B (K,) and dB (K,C) of all centres."""
        t = self.tables
        nz, c = t.count, slopes.shape[2]
        ra = t.basis.rows_a
        a = t.a(slots)  # (rows, nz)
        one, two = t.factors(a)
        p = t.s @ t.x(a, one, two)
        da = t.a(slopes).reshape(ra, nz, c)
        dx = a.new_zeros(1 + ra + len(t.first), nz, c)
        dx[1 : 1 + ra] = da
        products = dx[1 + ra :]
        torch.mul(da[t.first], two[..., None], out=products)
        products.addcmul_(da[t.second], one[..., None])
        dp = (t.s @ dx.reshape(len(dx), nz * c)).reshape(-1, c)
        values = (p[self.other] * self.scale).ravel()
        d = sparse((self.crow, self.col, values, self.shape), t.device, t.dtype)
        energy = ((p[self.left] * p[self.right]).sum(1, keepdim=True) * self.factor)[:, 0]
        total = energy.new_zeros(len(t.basis)).index_add_(0, self.function, energy)
        return total, d @ dp


class Design:
    """Rows for all elements of a molecule and the repulsive pair functions."""

    def __init__(self, density: Density, centres: list[CentreTables], pair: Density | None) -> None:
        self.density, self.pair = density, pair
        self.centres = [CentreDesign(t) for t in centres]
        widths = [len(t.basis) for t in centres]
        if pair is not None:
            widths.append(len(pair) * int(pair_count(density.sites.n_elements)))
        self.edges = np.concatenate([[0], np.cumsum(widths)])

    @property
    def columns(self) -> int:
        return int(self.edges[-1])

    def frame(self, positions: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
        """positions (N,3) Å and directions (3N,C) -> rows (1+C, K): B, then dB/du."""
        density = self.density
        c = basis.shape[1]
        if c == 0:
            return self.frame(positions, basis.new_zeros(len(basis), 1))[:1]
        phi = density.features(positions[None])
        slots = density.gather(density.values(phi))
        q = basis.reshape(len(positions), 3, c)
        move = q[density.j] - q[density.i]  # (P,3,C)
        slope = torch.bmm(density.by_distance(phi)[..., 0], move)  # (P,F,C)
        slopes = density.gather(slope)
        out = positions.new_empty(1 + c, self.columns)
        for part, a, b in zip(self.centres, self.edges, self.edges[1:], strict=False):
            value, d = part.rows(slots, slopes)
            out[0, a:b] = value
            out[1:, a:b] = d.T
        if self.pair is not None:
            out[:, self.edges[-2] :] = self._pairs(phi.unit[..., 0], phi.r[:, 0], move)
        return out

    def _pairs(self, unit: torch.Tensor, r: torch.Tensor, move: torch.Tensor) -> torch.Tensor:
        """The repulsive functions' rows (1+C, types * n): unit (3,P), r (P,), move (P,3,C)."""
        pair = self.pair
        assert pair is not None
        value, slope = pair.radial.values_and_slopes(r, pair.types)  # (n,P)
        stretch = torch.einsum("xp,pxc->pc", unit, move)
        types = int(pair_count(pair.sites.n_elements))
        each = torch.cat([value.T[:, None], slope.T[:, None] * stretch[..., None]], 1)  # (P,1+C,n)
        total = each.new_zeros(types, *each.shape[1:]).index_add_(0, pair.types, each)
        return total.transpose(0, 1).reshape(total.shape[1], -1)


def pair_count(n_elements: int) -> int:
    """Unordered pairs of elements."""
    return n_elements * (n_elements + 1) // 2
