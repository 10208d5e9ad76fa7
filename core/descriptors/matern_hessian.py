"""The permutation-symmetrised Hessian of the Matérn-5/2 kernel between geometries.

With x = |d - d'| in descriptor space and r = sqrt(5) x / sigma the kernel is
k = (1 + r + r²/3) e^{-r}, and its mixed second derivative d²k / dd dd' is

    H(d, d') = c e^{-r} [(1 + r) I - (5/sigma²) (d-d')(d-d')^T], c = 5/(3 sigma²).

One block of Sauceda 2020 eq. 1 between geometries i and j is (sum over the permutations P_q)

    K_ij = sum_q J_i^T H(d_i, P_q d_j) P_q J_j.

J = dd/dr is taken in each geometry's internal directions (G = J U, U from `internal_basis`): rigid
motions lie in the kernel's null space, so leaving them out loses nothing and saves 6 of 3N rows.

Where energies are fitted too, every frame has one row and column more: the kernel with no or one
derivative. With w the weight of energies,

    K^EE_ij = w² sum_q k,    K^FE_ij = -w sum_q J_i^T c e^{-r} (1 + r) (d_i - P_q d_j).
"""

from __future__ import annotations

import torch

CHUNK_BYTES = 4e6  # working memory of one chunk of pairs; small enough to stay near the caches


class MaternHessian:
    """Blocks of the kernel matrix of M geometries.

    d (M,D) 1/Å; g (M,D,R) 1/Å² per internal direction; permuted (S,D) indices from
    `permute_pairs`; sigma 1/Å, the length scale; weight (1/Å) of energies, 0 = forces only. `rows`
    is how many rows a geometry has: R, or R + 1 with its energy last.
    """

    def __init__(
        self,
        d: torch.Tensor,
        g: torch.Tensor,
        permuted: torch.Tensor,
        sigma: float,
        weight: float = 0.0,
    ) -> None:
        self.d = d - d.mean(0)  # distances lose fewer digits near the origin
        # the mean is not symmetric under permutation: both sides must be moved by the same vector
        self.images = d[:, permuted] - d.mean(0)  # (M,S,D)
        self.g = g
        self.gt = g.transpose(1, 2).contiguous()  # (M,R,D)
        self.permuted = permuted
        self.sigma = sigma
        self.weight = weight
        self.rows = g.shape[2] + (1 if weight else 0)

    def fill(self, out: torch.Tensor, rows: slice, columns: slice) -> None:
        """out (m rows, n rows) <- blocks K_ij, i in `rows` (m geometries), j in `columns` (n)."""
        _, width, r = self.g.shape
        high = self.rows
        s = len(self.permuted)
        n = columns.stop - columns.start
        per_row = 8.0 * n * (2 * width * r + 3 * s * r + 2 * r * r)
        step = max(1, int(CHUNK_BYTES / per_row))
        # images of the column geometries: their descriptors, and the rows of G moved along
        t = self.images[columns]  # (n,S,D)
        pg = self.g[columns][:, self.permuted]  # (n,S,D,R)
        pg_rows = pg.reshape(n, s, width * r)
        own = (pg * t[..., None]).sum(2)  # (n,S,R): G^T t
        flat = pg.permute(2, 0, 1, 3).reshape(width, n * s * r)
        norm_t = t.square().sum(-1).reshape(-1)
        for first in range(rows.start, rows.stop, step):
            last = min(rows.stop, first + step)
            m = last - first
            d, gt = self.d[first:last], self.gt[first:last]
            x2 = torch.addmm(norm_t[None], d, t.reshape(-1, width).T, alpha=-2.0)
            x2.add_(d.square().sum(1)[:, None]).clamp_(min=0.0)
            root = x2.sqrt_().mul_(5**0.5 / self.sigma)
            raw = torch.exp(-root)
            whole = (
                (1.0 + root + root.square() / 3.0).mul_(raw).view(m, n, s) if self.weight else raw
            )
            decay = raw.mul_(5.0 / (3.0 * self.sigma**2)).view(m, n, s)
            near = decay + decay * root.view(m, n, s)  # c e^{-r} (1 + r)
            # first term: J_i^T (sum_q c e (1+r) P_q) J_j
            mixed = torch.bmm(near.transpose(0, 1), pg_rows)  # (n, m, D R)
            left = gt[None].expand(n, m, r, width).reshape(n * m, r, width)
            block = torch.bmm(left, mixed.view(n * m, width, r))
            # second term: the projections G_i^T (d_i - t) and G_jq^T (d_i - t)
            u = torch.bmm(gt, d[:, :, None]) - (gt.reshape(m * r, width) @ t.reshape(-1, width).T
                ).view(m, r, n * s)  # fmt: skip
            u = u.view(m, r, n, s).permute(2, 0, 1, 3)
            v = (d @ flat).view(m, n, s, r) - own
            target = out[(first - rows.start) * high : (last - rows.start) * high]
            target = target.view(m, high, n, high)
            if self.weight:
                target[:, r, :, r] = whole.sum(2).mul_(self.weight**2)
                target[:, r, :, :r] = torch.einsum("mns,mnsr->mnr", near, v).mul_(self.weight)
                fe = torch.einsum("mns,nmrs->mrn", near, u)
                target[:, :r, :, r] = fe.mul_(-self.weight)
            u = (u * decay.transpose(0, 1)[:, :, None, :]).reshape(n * m, r, s)
            v = v.transpose(0, 1).reshape(n * m, s, r)
            block.baddbmm_(u, v, alpha=-5.0 / self.sigma**2)
            target[:, :r, :, :r] = block.view(n, m, r, r).permute(1, 2, 0, 3)
