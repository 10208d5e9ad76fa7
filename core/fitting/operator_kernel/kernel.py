"""Covariances of energies and energy gradients under a kernel of atomic environments.

The energy is a sum over atoms of one Gaussian process per element; environments q_I compare by
k(q, q') = exp(-|q - q'|² / 2 sigma²) with those of the same element only. Energies and gradients
are linear operators on that process (Christensen, von Lilienfeld, Mach. Learn.: Sci. Technol. 1,
045018 (2020), their GPR model). With G_I = dq_I/dx along R directions of a frame's atoms,
delta = q_I - q_J, sums over atoms I of frame a and J of frame b of the same element:

    cov(E_a, E_b)     = sum k
    cov(E_a, dE_b)    = sum k / sigma² delta.G_J
    cov(dE_a, dE_b)   = sum k / sigma² [G_I^T G_J - (G_I^T delta)(delta^T G_J) / sigma²]
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

CACHE = 200_000  #: numbers of the largest intermediate of one step: it should stay in the cache


@dataclass(frozen=True)
class Environments:
    """Environments of one element in M frames: q (M,n,D), and derivatives g (M,R,n,D)."""

    q: torch.Tensor
    g: torch.Tensor


class OperatorKernel:
    """Blocks of the covariance matrix of M frames; R + 1 rows each: energy, then gradient."""

    def __init__(self, elements: list[Environments], sigma: float) -> None:
        """elements: the frames' environments by element; sigma in the descriptor's unit."""
        self.parts = elements
        self.sigma = sigma
        self.frames, self.directions = elements[0].g.shape[:2]
        self.rows = self.directions + 1
        self.norms = [p.q.square().sum(2) for p in elements]
        self.own = [
            torch.einsum("mnd,mrnd->mrn", p.q, p.g).contiguous() for p in elements
        ]  # q_I.G_I

    def fill(self, out: torch.Tensor, rows: slice, columns: slice) -> None:
        """Write the covariances of frames `rows` with frames `columns` into out."""
        r = self.rows
        count = rows.stop - rows.start
        block = out.view(count, r, columns.stop - columns.start, r)
        block.zero_()
        for e in range(len(self.parts)):
            n, d = self.parts[e].q.shape[1:]
            step = max(1, CACHE // (n * d * self.directions))
            column = self._columns(e, columns)
            for i in range(0, count, step):
                stop = min(count, i + step)
                part = slice(rows.start + i, rows.start + stop)
                self._element(block[i:stop], e, part, columns, column)

    def _columns(self, e: int, columns: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Derivatives of the column frames as (b,n,D,R) and (b,D,n,R)."""
        g = self.parts[e].g[columns]
        return g.permute(0, 2, 3, 1).contiguous(), g.permute(0, 3, 2, 1).contiguous()

    def _element(
        self,
        block: torch.Tensor,
        e: int,
        rows: slice,
        columns: slice,
        column: tuple[torch.Tensor, torch.Tensor],
    ) -> None:
        """Add one element's share of the covariances of few row frames with the columns."""
        part, s2 = self.parts[e], self.sigma**2
        q, g = part.q[rows], part.g[rows]
        a, n, d = q.shape
        r = self.directions
        flat = q.reshape(a * n, d)
        g_flat, g_rows = g.view(a * r * n, d), g.view(a, r, n * d)
        own = self.own[e][rows][..., None]
        other, norm = part.q[columns], self.norms[e][columns]
        square = self.norms[e][rows].reshape(a * n, 1) + norm.reshape(1, -1)
        square.addmm_(flat, other.reshape(-1, d).T, alpha=-2.0)
        k = torch.exp_(square.mul_(-0.5 / s2))
        block[:, 0, :, 0] += k.view(a, n, -1, n).sum((1, 3))
        w = (k / s2).view(a * n, -1, n)
        space = q.new_empty(a * n, d * r)
        for b in range(len(other)):
            weight = w[:, b].contiguous()
            torch.mm(weight, column[0][b].view(n, d * r), out=space)
            both = torch.bmm(g_rows, space.view(a, n * d, r))  # sum k G_I^T G_J / sigma²
            right = flat @ column[1][b].view(d, n * r)
            right -= self.own[e][columns.start + b].T.reshape(1, n * r)
            right = right.view(a, n * n, r)  # delta.G_J
            left = own - (g_flat @ other[b].T).view(a, r, n, n)  # G_I.delta
            left = left.view(a, r, n * n) * weight.view(a, 1, n * n)
            both.baddbmm_(left, right, alpha=-1.0 / s2)
            block[:, 1:, b, 1:] += both
            block[:, 1:, b, 0] -= left.sum(2)
            block[:, 0, b, 1:] += torch.bmm(weight.view(a, 1, n * n), right)[:, 0]
