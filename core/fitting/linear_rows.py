"""Least squares from the rows themselves: streaming QR with rank truncation, and LSQR.

The loss, prior and lambda are those of `core.fitting.linear`. QR keeps the digits that normal
equations lose (the condition number is not squared) for twice their work; LSQR needs the rows
again in every iteration but no K x K matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from core.fitting.linear import Solution, log_evidence

Block = tuple[torch.Tensor, torch.Tensor]


class StreamingQR:
    """R of [X y] = Q R, gathered from row blocks (tall-skinny QR: R is stacked on each block).

    Golub & Van Loan, Matrix Computations, 4th ed. (2013), section 5.2. Q is never formed.
    """

    def __init__(
        self, columns: int, *, device: str | torch.device = "cpu", patience: int = 0
    ) -> None:
        """patience: rows that are gathered before the next decomposition (blocks may be small)."""
        self.columns, self.rows, self.patience = columns, 0, patience
        self._r = torch.zeros(0, columns + 1, dtype=torch.float64, device=torch.device(device))
        self._waiting: list[torch.Tensor] = []

    @property
    def r(self) -> torch.Tensor:
        """R of everything so far, (at most K + 1, K + 1)."""
        if self._waiting:
            stack = torch.cat([self._r, *self._waiting])
            self._waiting = []
            self._r = torch.linalg.qr(stack, mode="r").R
        return self._r

    @staticmethod
    def bytes_needed(columns: int, block: int) -> float:
        """Peak memory with blocks of that many rows."""
        return 8.0 * (columns + 1) * (4 * columns + 3 * block)

    def add(self, rows: torch.Tensor, targets: torch.Tensor) -> None:
        """Add rows (m,K) with targets (m,); blocks of about K rows are the fastest."""
        block = torch.cat([rows.to(self._r), targets.to(self._r)[:, None]], 1)
        if not bool(torch.isfinite(block).all()):
            raise ValueError("a row of the linear fit holds a number that is not finite")
        self._waiting.append(block)
        self.rows += len(rows)
        if sum(map(len, self._waiting)) >= self.patience:
            _ = self.r

    def _scaled(self, prior: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor, float]:
        """R S (k,K), Q^T y (k,) and the part of |y|² outside the columns' span."""
        full = self.r
        k = min(len(full), self.columns)
        right, outside = full[:k, -1], float(full[k:, -1].square().sum())
        r = full[:k, : self.columns]
        return (r if prior is None else r * prior.to(r)), right, outside

    def ridge(self, lam: float, prior: torch.Tensor | None = None) -> Solution:
        """The minimum by QR of [R S; sqrt(lambda) I]; lam 0 is plain least squares."""
        r, right, outside = self._scaled(prior)
        eye = math.sqrt(lam) * torch.eye(self.columns, dtype=r.dtype, device=r.device)
        rhs = torch.cat([right, right.new_zeros(len(eye))])
        top = torch.cat([torch.cat([r, eye]), rhs[:, None]], 1)
        full = torch.linalg.qr(top, mode="r").R
        factor, rhs = full[: self.columns, : self.columns], full[: self.columns, -1]
        u = torch.linalg.solve_triangular(factor, rhs[:, None], upper=True)[:, 0]
        residual = float((r @ u - right).square().sum()) + outside
        loss = residual + lam * float(u @ u)
        log_det = 2 * float(factor.diagonal().abs().log().sum())
        evidence = log_evidence(loss, self.rows, log_det, self.columns, lam)
        c = u if prior is None else u * prior.to(u)
        return Solution(c, lam, residual, evidence, self.columns)

    def pivoted(self, prior: torch.Tensor | None = None) -> RankRevealing:
        """R S factorised with column pivoting, from which every tolerance is solved."""
        return RankRevealing(*self._scaled(prior), prior)

    def rrqr(self, tolerance: float, prior: torch.Tensor | None = None) -> Solution:
        """`pivoted(prior).solve(tolerance)`."""
        return self.pivoted(prior).solve(tolerance)


class RankRevealing:
    """Rank-revealing QR of R S: pivots below a tolerance x the largest are dropped.

    Minimum-norm solution of what is left (complete orthogonal decomposition; Golub & Van Loan,
    section 5.5). Kovács et al. 2021, eq. 22: the tolerance takes lambda's place.
    """

    def __init__(
        self, r: torch.Tensor, right: torch.Tensor, outside: float, prior: torch.Tensor | None
    ) -> None:
        import scipy.linalg

        self._r, self._right, self._outside, self._prior = r, right, outside, prior
        self._q, self._upper, self._order = scipy.linalg.qr(
            r.cpu().numpy(), mode="economic", pivoting=True, check_finite=False
        )

    def solve(self, tolerance: float) -> Solution:
        """Coefficients with the pivots kept that exceed tolerance times the largest."""
        import scipy.linalg

        r, right = self._r, self._right
        pivots = abs(self._upper.diagonal())
        rank = int((pivots > tolerance * pivots[0]).sum()) if len(pivots) and pivots[0] else 0
        u = torch.zeros(r.shape[1], dtype=r.dtype)
        if rank:
            z, lower = scipy.linalg.qr(self._upper[:rank].T, mode="economic", check_finite=False)
            rhs = self._q[:, :rank].T @ right.cpu().numpy()
            w = scipy.linalg.solve_triangular(lower.T, rhs, lower=True, check_finite=False)
            u[torch.from_numpy(self._order.astype("int64"))] = torch.from_numpy(z @ w)
        u = u.to(r.device)
        residual = float((r @ u - right).square().sum()) + self._outside
        c = u if self._prior is None else u * self._prior.to(u)
        return Solution(c, tolerance, residual, math.nan, rank)


def lsqr(
    blocks: Sequence[Block],
    *,
    lam: float = 0.0,
    prior: torch.Tensor | None = None,
    tolerance: float = 1e-10,
    iterations: int = 10_000,
    report: Callable[[int, float], bool] = lambda iteration, residual: True,
) -> Solution:
    """LSQR (Paige & Saunders, ACM Trans. Math. Softw. 8, 43 (1982)) with damping sqrt(lambda).

    blocks: (rows (m,K), targets (m,)) that are read again in each iteration (memory maps will
    do). Stops when |A^T r| < tolerance |A| |r|, after `iterations`, or when `report(iteration,
    |r|)` returns False, which keeps the best so far. S is a right preconditioner.
    """
    first = blocks[0][0]
    columns = first.shape[1]
    like = {"dtype": torch.float64, "device": first.device}
    s = torch.ones(columns, **like) if prior is None else prior.to(**like)  # type: ignore[call-overload]
    damp = math.sqrt(lam)

    def forward(v: torch.Tensor) -> torch.Tensor:
        return torch.cat([rows @ (s * v).to(rows) for rows, _ in blocks]).to(**like)  # type: ignore[call-overload]

    def backward(u: torch.Tensor) -> torch.Tensor:
        total, at = torch.zeros_like(s), 0
        for rows, _ in blocks:
            total += rows.T @ u[at : at + len(rows)].to(rows)
            at += len(rows)
        return s * total

    y = torch.cat([t for _, t in blocks]).to(**like)  # type: ignore[call-overload]
    beta = float(y.norm())
    x = torch.zeros(columns, **like)  # type: ignore[call-overload]
    if beta == 0:
        return Solution(x, lam, 0.0, math.nan, columns)
    u = y / beta
    v = backward(u)
    alpha = float(v.norm())
    if alpha == 0:
        return Solution(x, lam, beta**2, math.nan, columns)
    v = v / alpha
    w, rho_bar, phi_bar, norm = v.clone(), alpha, beta, 0.0
    for iteration in range(1, iterations + 1):
        u = forward(v) - alpha * u
        beta = float(u.norm())
        norm = math.hypot(norm, alpha, beta, damp)
        u = u / beta if beta > 0 else u
        v = backward(u) - beta * v
        alpha = float(v.norm())
        v = v / alpha if alpha > 0 else v
        rho_damp = math.hypot(rho_bar, damp)  # the damping is rotated away first
        phi_bar *= rho_bar / rho_damp
        rho = math.hypot(rho_damp, beta)
        cosine, sine = rho_damp / rho, beta / rho
        theta, rho_bar, phi = sine * alpha, -cosine * alpha, cosine * phi_bar
        phi_bar *= sine
        x += (phi / rho) * w
        w = v - (theta / rho) * w
        if not report(iteration, phi_bar) or abs(rho_bar) * norm == 0:
            break
        if alpha * abs(cosine) <= tolerance * norm:
            break
    c = s * x
    residual = float(torch.cat([(rows @ c.to(rows)) - t for rows, t in blocks]).square().sum())
    return Solution(c, lam, residual, math.nan, columns)
