"""The symmetrised Hessian kernel as an operator: products and single columns, never the matrix.

The matrix of `core.descriptors.matern_hessian` times a vector alpha (M,R) is the gradient that the
model with weights A_j = G_j alpha_j predicts at its own training geometries (Sauceda 2020 eq. 2):

    (K alpha)_i = G_i^T sum_jq [near_ijq P_q A_j - (5/sigma²) decay_ijq (delta.P_q A_j) delta],

three products of (M, D) with (D, M S) matrices instead of (M R)² elements; delta = d_i - P_q d_j,
decay = c e^{-r}, near = (1 + r) decay. With energies a frame has one more unknown beta_j and one
more row (see `matern_hessian`); `weight` scales both.
"""

from __future__ import annotations

import torch

from core.descriptors.matern_hessian import MaternHessian
from core.fitting.cores import Spread

COLUMN_BYTES = 6e7  #: working memory of one piece of `columns`
PIECE_BYTES = 3e7  #: working memory of one piece of a product
GPU_FACTOR = 30.0  #: pieces on a GPU are so much larger


class KernelProduct:
    """K of a `MaternHessian` as an operator on (M, rows of a frame)."""

    def __init__(self, kernel: MaternHessian, spread: Spread = map, *, keep: bool = True) -> None:
        """keep: hold e^{-r} of all pairs (two M x M S matrices) instead of making it each time."""
        self.kernel, self.spread = kernel, spread
        self.shape = (len(kernel.d), kernel.rows)
        m, s, width = kernel.images.shape
        self.t = kernel.images.reshape(m * s, width)
        self.tt = self.t.T.contiguous()
        self.norm = self.t.square().sum(1)
        ones = self.t.new_ones(len(self.t), 1)
        self.pull = torch.cat([self.t, ones], 1)  # (MS, D+1)
        self.factor = GPU_FACTOR if self.t.is_cuda else 1.0
        step = max(1, min(-(-m // 4), int(self.factor * PIECE_BYTES / (8.0 * m * s))))
        self.pieces = [slice(i, min(m, i + step)) for i in range(0, m, step)]
        self._kept: list[tuple[torch.Tensor, ...]] | None = None
        if keep:
            self._kept = list(spread(self._decay, self.pieces))

    @staticmethod
    def bytes_kept(m: int, permutations: int, *, energies: bool) -> float:
        """Memory that `keep` takes."""
        return 8.0 * m * m * permutations * (3 if energies else 2)

    def _decay(self, rows: slice) -> tuple[torch.Tensor, ...]:
        """decay, near and, with energies, the kernel itself: (m, M S) each."""
        d, sigma = self.kernel.d[rows], self.kernel.sigma
        x2 = torch.addmm(self.norm[None], d, self.tt, alpha=-2.0)
        x2.add_(d.square().sum(1)[:, None]).clamp_(min=0.0)
        root = x2.sqrt_().mul_(5**0.5 / sigma)
        decay = torch.exp(-root)
        whole = None
        if self.kernel.weight:
            whole = (1.0 + root + root.square() / 3.0).mul_(decay)
        decay.mul_(5.0 / (3.0 * sigma**2))
        near = torch.addcmul(decay, decay, root, out=root)
        return (decay, near) if whole is None else (decay, near, whole)

    def __call__(self, alpha: torch.Tensor) -> torch.Tensor:
        """K alpha: (M, rows) -> (M, rows)."""
        kernel = self.kernel
        r, w = kernel.g.shape[2], kernel.weight
        weights = torch.bmm(kernel.g, alpha[:, :r, None])[..., 0]  # (M,D)
        a = weights[:, kernel.permuted].reshape(len(self.t), -1)  # (MS,D)
        own = (a * self.t).sum(1)
        beta = (w * alpha[:, r]).repeat_interleave(len(kernel.permuted)) if w else None
        at = a.T.contiguous()
        out = torch.empty_like(alpha)

        def piece(k: int) -> None:
            rows = self.pieces[k]
            parts = self._kept[k] if self._kept is not None else self._decay(rows)
            decay, near = parts[:2]
            d = kernel.d[rows]
            dot = torch.addmm(own[None], d, at, beta=-1.0)  # delta.A
            if beta is not None:
                out[rows, r] = w * ((near * dot).sum(1) + parts[2] @ beta)
            dot.mul_(decay).mul_(5.0 / kernel.sigma**2)
            if beta is not None:
                dot.addcmul_(near, beta[None])
            both = dot @ self.pull
            gradient = near @ a
            gradient.addcmul_(both[:, -1:], d, value=-1.0).add_(both[:, :-1])
            out[rows, :r] = torch.bmm(kernel.gt[rows], gradient[..., None])[..., 0]

        for _ in self.spread(piece, range(len(self.pieces))):
            pass
        return out

    def diagonal(self) -> torch.Tensor:
        """The diagonal of K (M, rows)."""
        kernel = self.kernel
        d, t, sigma = kernel.d, kernel.images, kernel.sigma
        delta = d[:, None] - t  # (M,S,D)
        root = delta.square().sum(2).sqrt() * (5**0.5 / sigma)
        decay = torch.exp(-root) * (5.0 / (3.0 * sigma**2))
        near = decay * (1.0 + root)
        out = d.new_zeros(self.shape)
        r = kernel.g.shape[2]
        for q, images in enumerate(kernel.permuted):
            moved = kernel.g[:, images]  # (M,D,R)
            out[:, :r] += near[:, q, None] * (kernel.g * moved).sum(1)
            u = torch.bmm(delta[:, q, None], kernel.g)[:, 0]
            v = torch.bmm(delta[:, q, None], moved)[:, 0]
            out[:, :r] -= (5.0 / sigma**2) * decay[:, q, None] * u * v
        if kernel.weight:
            whole = (1.0 + root + root.square() / 3.0) * torch.exp(-root)
            out[:, r] = kernel.weight**2 * whole.sum(1)
        return out

    def columns(self, which: torch.Tensor) -> torch.Tensor:
        """Columns of K: which (k,) flat indices of (M, rows) -> (M rows, k)."""
        kernel = self.kernel
        m, rows = self.shape
        r, w, sigma = kernel.g.shape[2], kernel.weight, kernel.sigma
        s, width, k = len(kernel.permuted), kernel.g.shape[1], len(which)
        frame, direction = which // rows, which % rows
        force = (direction < r).to(kernel.g.dtype)
        a = kernel.g[frame, :, direction.clamp(max=r - 1)] * force[:, None]  # (k,D)
        a = a[:, kernel.permuted]  # (k,S,D)
        beta = w * (1.0 - force)
        t = kernel.images[frame]  # (k,S,D)
        flat_t, flat_a = t.reshape(k * s, width), a.reshape(k * s, width)
        own, norm = (flat_a * flat_t).sum(1), flat_t.square().sum(1)
        out = kernel.g.new_empty(m, rows, k)
        step = max(1, int(self.factor * COLUMN_BYTES / (8.0 * k * (3 * s + 2 * width + rows))))

        def piece(first: int) -> None:
            part = slice(first, min(m, first + step))
            d = kernel.d[part]
            x2 = torch.addmm(norm[None], d, flat_t.T, alpha=-2.0)
            x2.add_(d.square().sum(1)[:, None]).clamp_(min=0.0)
            root = x2.sqrt_().mul_(5**0.5 / sigma)
            raw = torch.exp(-root)
            decay = raw * (5.0 / (3.0 * sigma**2))
            near = (decay * (1.0 + root)).view(-1, k, s)
            dot = torch.addmm(own[None], d, flat_a.T, beta=-1.0).view(-1, k, s)
            pull = dot * decay.view(-1, k, s) * (5.0 / sigma**2)
            if w:
                whole = ((1.0 + root + root.square() / 3.0) * raw).view(-1, k, s).sum(2)
                out[part, r] = w * ((near * dot).sum(2) + whole * beta)
                pull = pull + near * beta[:, None]
            # sum over q: near A - pull (d - t)
            gradient = torch.bmm(near.transpose(0, 1), a) + torch.bmm(pull.transpose(0, 1), t)
            gradient -= pull.sum(2).T[..., None] * d[None]  # (k, m, D)
            out[part, :r] = torch.bmm(kernel.gt[part], gradient.permute(1, 2, 0))

        for _ in self.spread(piece, range(0, m, step)):
            pass
        return out.view(m * rows, k)
