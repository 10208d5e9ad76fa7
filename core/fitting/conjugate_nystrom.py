"""A low-rank picture of a kernel matrix, and the preconditioner that it makes.

Block randomly pivoted Cholesky (Chen, Epperly, Tropp & Webber, Commun. Pure Appl. Math. 78, 995
(2025)): columns are drawn with the probability of what the diagonal still lacks, so that

    K ≈ F F^T,   F (n,k),   trace(K - F F^T) is near the least that k columns can leave.

With mu = the mean of what the diagonal lacks (plus lambda), P = F F^T + mu I is inverted by
Woodbury's identity: P^-1 r = (r - F (F^T F + mu I)^-1 F^T r) / mu.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from core.fitting.conjugate_kernel import KernelProduct
from core.fitting.cores import Spread

BLOCK = 500  #: columns drawn at a time
ROWS = 4096  #: rows of F that one core works on at a time
SEED = 20_180_924  #: the same columns for the same problem, so that a fit goes on where it was
JITTER = 1e-13  #: of a block's largest diagonal element: its Cholesky factor survives rounding


class Nystrom:
    """F of n rows, and P^-1; `rank` columns at most, fewer where stopped or none are lacking."""

    def __init__(
        self,
        operator: KernelProduct,
        rank: int,
        lam: float,
        report: Callable[[float], None],
        *,
        spread: Spread = map,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """report(0..1) after each block of columns; stopping() ends the building early."""
        lack = operator.diagonal().reshape(-1)
        start = float(lack.sum())
        n = len(lack)
        self.spread = spread
        self.f = lack.new_empty(n, min(rank, n))
        self.pieces = [slice(i, min(n, i + ROWS)) for i in range(0, n, ROWS)]
        dice = torch.Generator().manual_seed(SEED)
        have = 0
        while have < self.f.shape[1] and not stopping():
            chance = lack.clamp(min=0.0).cpu()
            take = min(BLOCK, self.f.shape[1] - have, int((chance > 1e-15 * start).sum()))
            if take == 0:
                break
            drawn = torch.multinomial(chance, take, generator=dice).sort().values.to(lack.device)
            have += self._add(operator.columns(drawn), drawn, have, lack)
            report(0.65 * (have / self.f.shape[1]) ** 1.5)
        self.f = self.f[:, :have]
        self.left = float(lack.clamp(min=0.0).sum()) / start
        self.mu = max(float(lack.clamp(min=0.0).mean()), 1e-16 * start) + lam
        self.factor = torch.linalg.cholesky(self._gram(report))

    def _add(
        self, columns: torch.Tensor, drawn: torch.Tensor, have: int, lack: torch.Tensor
    ) -> int:
        """Columns of K (n,b) -> columns `have`.. of F; `lack` falls. Returns b."""
        b = len(drawn)
        known = self.f[:, :have]
        pivot_rows = known[drawn].T.contiguous()  # (have, b)

        def reduce(rows: slice) -> None:
            columns[rows].addmm_(known[rows], pivot_rows, alpha=-1.0)

        for _ in self.spread(reduce, self.pieces):
            pass
        square = columns[drawn]
        square = (square + square.T) / 2.0
        jitter, info = JITTER, 1
        while info:
            lower, code = torch.linalg.cholesky_ex(
                square + jitter * square.diagonal().max() * torch.eye(b).to(square)
            )
            info, jitter = int(code), 10.0 * jitter

        def divide(rows: slice) -> None:
            part = torch.linalg.solve_triangular(lower.T, columns[rows], upper=True, left=False)
            self.f[rows, have : have + b] = part
            lack[rows] -= part.square().sum(1)

        for _ in self.spread(divide, self.pieces):
            pass
        lack[drawn] = 0.0
        return b

    def _gram(self, report: Callable[[float], None]) -> torch.Tensor:
        """F^T F + mu I (k,k); both triangles."""
        k = self.f.shape[1]
        out = self.f.new_zeros(k, k)
        blocks = [slice(i, min(k, i + BLOCK)) for i in range(0, k, BLOCK)]
        pairs = [(a, b) for a in blocks for b in blocks if b.start <= a.start]

        def product(pair: tuple[slice, slice]) -> None:
            a, b = pair
            part = self.f[:, a].T @ self.f[:, b]
            out[a, b] = part
            out[b, a] = part.T

        for i, _ in enumerate(self.spread(product, pairs)):
            report(0.65 + 0.35 * (i + 1) / len(pairs))
        out.diagonal().add_(self.mu)
        return out

    def __call__(self, r: torch.Tensor) -> torch.Tensor:
        """P^-1 r for r (n,)."""
        if not self.f.shape[1]:
            return r / self.mu
        parts = self.spread(lambda rows: r[rows] @ self.f[rows], self.pieces)
        y = torch.cholesky_solve(sum(parts)[:, None], self.factor)[:, 0]  # type: ignore[index]
        parts = self.spread(lambda rows: torch.mv(self.f[rows], y), self.pieces)
        return (r - torch.cat(list(parts))) / self.mu
