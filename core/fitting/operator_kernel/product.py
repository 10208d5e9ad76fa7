"""The covariance matrix of `core.fitting.operator_kernel.kernel` as an operator, never as a matrix.

K alpha is what the model with weights alpha predicts at its own training frames: energies, and
gradients through G_I. Rows and columns are scaled by `scale`, so that one noise suits all labels.
With x = q / sigma and A_J = sum_s alpha_s dx_J/ds over the directions s of its frame:

    w_IJ = k_IJ (b_J + (x_I - x_J).A_J),   dE/dx_I = sum_J [k_IJ A_J + w_IJ (x_J - x_I)]

three products of all pairs of environments with the D columns of a descriptor; k is kept where
there is memory for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.fitting.cores import Spread
from core.fitting.operator_kernel.kernel import OperatorKernel

BLOCK = 2_000_000  #: numbers in one block of pairs of environments
COLUMNS = 400_000  #: numbers in the slopes of one frame along some columns


@dataclass(frozen=True)
class _Part:
    """One element: x = q / sigma (J,D) and |x|²/2 (J,), frame by frame; n atoms in a frame."""

    x: torch.Tensor
    half: torch.Tensor
    n: int


class OperatorProduct:
    """S K S as an operator on flat vectors (M (R+1),); S = diag(scale)."""

    def __init__(
        self,
        kernel: OperatorKernel,
        scale: torch.Tensor,
        spread: Spread = map,
        *,
        keep: bool = False,
    ) -> None:
        """scale (M,R+1); keep: hold k of all pairs instead of making it in every product."""
        self.kernel, self.scale, self.spread, self.keep = kernel, scale, spread, keep
        self._kept: dict[tuple[int, int], torch.Tensor] = {}
        self.parts = []
        for p in kernel.parts:
            x = (p.q / kernel.sigma).reshape(-1, p.q.shape[2])
            self.parts.append(_Part(x, 0.5 * x.square().sum(1), p.q.shape[1]))

    def __call__(self, vector: torch.Tensor) -> torch.Tensor:
        """S K S v."""
        m, sigma = self.kernel.frames, self.kernel.sigma
        v = vector.view(m, -1) * self.scale
        out = torch.zeros_like(v)
        for e, part in enumerate(self.parts):
            g = self.kernel.parts[e].g
            n, width = part.n, part.x.shape[1]
            a = torch.einsum("mr,mrnd->mnd", v[:, 1:], g).reshape(-1, width).div_(sigma)
            own = (part.x * a).sum(1)
            beta = v[:, :1].expand(m, n).reshape(-1)
            step = max(1, BLOCK // (len(part.x) * n))

            def piece(
                first: int,
                e: int = e,
                part: _Part = part,
                a: torch.Tensor = a,
                own: torch.Tensor = own,
                beta: torch.Tensor = beta,
                g: torch.Tensor = g,
                step: int = step,
            ) -> None:
                frames = slice(first, min(m, first + step))
                x = part.x[first * part.n : frames.stop * part.n]
                k = self._near(e, frames)
                w = torch.addmm(beta - own, x, a.T).mul_(k)
                each = w.sum(1)
                slope = (k @ a).addmm_(w, part.x).sub_(each[:, None] * x)
                slope = slope.view(-1, part.n * x.shape[1], 1)
                out[frames, 0] += each.view(-1, part.n).sum(1)
                rows = g[frames].reshape(len(slope), g.shape[1], -1)
                out[frames, 1:] += torch.bmm(rows, slope)[..., 0].div_(sigma)

            for _ in self.spread(piece, range(0, m, step)):
                pass
        return out.mul_(self.scale).view(-1)

    def _near(self, e: int, frames: slice) -> torch.Tensor:
        """k of the environments of an element in some frames with all those of that element."""
        kept = self._kept.get((e, frames.start))
        if kept is not None:
            return kept
        part = self.parts[e]
        rows = slice(frames.start * part.n, frames.stop * part.n)
        k = torch.addmm(-part.half, part.x[rows], part.x.T)
        k.sub_(part.half[rows, None]).exp_()
        if self.keep:
            self._kept[e, frames.start] = k
        return k

    def diagonal(self) -> torch.Tensor:
        """The diagonal of S K S (M (R+1),)."""
        kernel = self.kernel
        out = torch.empty_like(self.scale)
        r = kernel.rows

        def piece(frame: int) -> None:
            block = out.new_empty(r, r)
            kernel.fill(block, slice(frame, frame + 1), slice(frame, frame + 1))
            out[frame] = block.diagonal()

        for _ in self.spread(piece, range(kernel.frames)):
            pass
        return (out * self.scale.square()).view(-1)

    def columns(self, which: torch.Tensor) -> torch.Tensor:
        """Columns of S K S: which (k,) flat indices -> (M (R+1), k)."""
        m, rows = self.scale.shape
        out = self.scale.new_zeros(m, rows, len(which))
        for e in range(len(self.parts)):
            n, width = self.parts[e].n, self.parts[e].x.shape[1]
            step = max(1, COLUMNS // (n * width))
            jobs = [(e, s) for s in torch.arange(len(which)).split(step)]
            for _ in self.spread(lambda job: self._columns(out, which, *job), jobs):
                pass
        out.mul_(self.scale[..., None]).mul_(self.scale.view(-1)[which])
        return out.view(m * rows, len(which))

    def _columns(self, out: torch.Tensor, which: torch.Tensor, e: int, some: torch.Tensor) -> None:
        """One element's share of some columns, into out (M,R+1,k)."""
        sigma, part, g = self.kernel.sigma, self.parts[e], self.kernel.parts[e].g
        m, r, n, width = g.shape
        first, last = int(some[0]), int(some[-1]) + 1
        frame, row = which[some] // (r + 1), which[some] % (r + 1)
        force = (row > 0).to(g.dtype)
        a = g[frame, (row - 1).clamp(min=0)] * (force / sigma)[:, None, None]  # (k,n,D)
        t = part.x.view(m, n, width)[frame]
        k = len(some)
        flat_t, flat_a = t.reshape(k * n, width), a.reshape(k * n, width)
        shift = -part.half.view(m, n)[frame].reshape(-1)
        bias = (1.0 - force).repeat_interleave(n) - (flat_t * flat_a).sum(1)
        both = torch.cat([a, t], 1)  # (k,2n,D)
        to_k, to_y = flat_t.T.contiguous(), flat_a.T.contiguous()
        for i in range(m):
            x = part.x[i * n : (i + 1) * n]
            near = torch.addmm(shift, x, to_k).sub_(part.half[i * n : (i + 1) * n, None]).exp_()
            w = torch.addmm(bias, x, to_y).mul_(near).view(n, k, n)
            weights = torch.cat([near.view(n, k, n), w], 2).transpose(0, 1)  # (k,n,2n)
            each = w.sum(2).T  # (k,n)
            slope = torch.bmm(weights, both).sub_(each[..., None] * x)  # (k,n,D)
            out[i, 0, first:last] += each.sum(1)
            part_i = g[i].view(r, n * width) @ slope.view(k, n * width).T
            out[i, 1:, first:last] += part_i.div_(sigma)
