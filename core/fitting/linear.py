"""Linear least squares with a prior, for models with more columns than fit beside their rows.

All solvers here minimise, over coefficients c (K,), with rows X (M,K) and targets y (M,) that
arrive in blocks (already multiplied by the square roots of their weights),

    |X c - y|² + lambda |c / s|²                    (Tikhonov; Kovács et al. 2021, eqs 20, 22)

where s (K,) is the width of each coefficient's prior, 1/Gamma of that paper. `NormalEquations`
keeps X^T X only: the lower triangle, K²/2 numbers, from which every s and lambda is solved without
the rows. `core.fitting.linear_rows` has the solvers that do not square the condition number.

Evidence (Bishop, Pattern Recognition and Machine Learning, 2006, eq. 3.86; noise variance v
maximised in closed form): with u = c / s, A = S X^T X S + lambda I and
r = |y|² - y^T X c, the least value of the loss,

    v = r / M,    2 log p(y) = -M log(2 pi v) - M - log det A + K log lambda
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from core.fitting.cholesky import LowerPanels, NotPositiveDefinite
from core.fitting.cores import Spread

PANEL = 512  #: columns of the triangle held together


class SingularSystem(ArithmeticError):
    """The equations have no unique solution at this lambda; the message says which column."""


@dataclass(frozen=True)
class Solution:
    """Coefficients (K,), the lambda that gave them and how good they are on the rows.

    residual: |X c - y|² (the rows' part of the loss). log_evidence: log p(y), comparable between
    lambdas and priors on the same rows; NaN where the solver does not know it. rank: directions
    that were kept.
    """

    coefficients: torch.Tensor
    lam: float
    residual: float
    log_evidence: float
    rank: int


class NormalEquations:
    """X^T X, X^T y and |y|² gathered from row blocks; solved for any prior and lambda."""

    def __init__(self, columns: int, *, device: str | torch.device = "cpu") -> None:
        starts = [*range(0, columns, PANEL), columns]
        like = {"dtype": torch.float64, "device": torch.device(device)}
        self.columns, self.rows = columns, 0
        self.gram = LowerPanels(starts, **like)  # type: ignore[arg-type]
        for panel in self.gram.panels:
            panel.zero_()
        self.right = torch.zeros(columns, **like)  # type: ignore[call-overload]
        self.square = 0.0

    @staticmethod
    def bytes_needed(columns: int) -> float:
        """Peak memory: the triangle and, while solving, its factor."""
        return 2 * 8.0 * columns * (columns + PANEL) / 2

    def add(self, rows: torch.Tensor, targets: torch.Tensor, spread: Spread = map) -> None:
        """Add rows (m,K) with targets (m,). spread: a map that may share panels between cores.

        Blocks of some thousand rows are the fastest. Raises ValueError on numbers that are not
        finite.
        """
        if not bool(torch.isfinite(targets).all()):
            raise ValueError("a target of the linear fit is not a finite number")
        starts = self.gram.starts

        def panel(k: int) -> None:
            a, b = starts[k], starts[k + 1]
            self.gram.panels[k].addmm_(rows[:, a:].T, rows[:, a:b])

        for _ in spread(panel, range(len(self.gram))):
            pass
        self.right.addmv_(rows.T, targets)
        self.square += float(targets @ targets)
        self.rows += len(rows)

    def diagonal(self) -> torch.Tensor:
        """Squared norm of every column (K,)."""
        return torch.cat([p[: p.shape[1]].diagonal() for p in self.gram.panels])

    def times(self, c: torch.Tensor) -> torch.Tensor:
        """X^T X c (K,)."""
        out = torch.zeros_like(c)
        for k, panel in enumerate(self.gram.panels):
            a, b = self.gram.starts[k], self.gram.starts[k + 1]
            square = panel[: b - a].tril()
            out[a:b] += square @ c[a:b] + square.tril(-1).T @ c[a:b]
            out[b:] += panel[b - a :] @ c[a:b]
            out[a:b] += panel[b - a :].T @ c[b:]
        return out

    def solve(
        self,
        lam: float,
        prior: torch.Tensor | None = None,
        report: Callable[[float], None] = lambda fraction: None,
        spread: Spread = map,
    ) -> Solution:
        """The minimum for prior widths s (K,), default 1, by Cholesky of S X^T X S + lambda I.

        Raises SingularSystem where that is not positive definite in float64; ValueError where
        lam is negative or a width is not positive.
        """
        s = torch.ones_like(self.right) if prior is None else prior.to(self.right)
        if not lam >= 0 or not bool((s > 0).all()):
            raise ValueError(f"lambda is {lam:g}; it and all prior widths must be positive")
        if not bool(torch.isfinite(self.right).all()):
            raise ValueError("a row of the linear fit holds a number that is not finite")
        factor = LowerPanels(self.gram.starts, dtype=torch.float64, device=self.right.device)
        for k, panel in enumerate(self.gram.panels):
            a, b = self.gram.starts[k], self.gram.starts[k + 1]
            torch.mul(panel, s[a:, None], out=factor.panels[k])
            factor.panels[k].mul_(s[a:b])
        factor.add_diagonal(lam)
        try:
            factor.factorise(report, spread)
        except NotPositiveDefinite as error:
            raise SingularSystem(
                f"the normal equations are singular to rounding near column {error.row + 1} of "
                f"{self.columns} at lambda {lam:.1e}; a larger lambda or fewer functions is needed"
            ) from None
        c = s * factor.solve(s * self.right)
        # one step of refinement takes most of the rounding of the factor away
        left = self.right - self.times(c) - lam * c / s**2
        c = c + s * factor.solve(s * left)
        fit = float(c @ self.right)
        penalty = lam * float((c / s).square().sum())
        diagonal = torch.cat([p[: p.shape[1]].diagonal() for p in factor.panels])
        loss = max(self.square - fit, 1e-14 * self.square)
        evidence = log_evidence(loss, self.rows, 2 * float(diagonal.log().sum()), self.columns, lam)
        return Solution(c, lam, max(loss - penalty, 0.0), evidence, self.columns)


def log_evidence(loss: float, rows: int, log_det: float, columns: int, lam: float) -> float:
    """log p(y) of the module's docstring; log_det is that of A; NaN without a prior (lam 0)."""
    if lam <= 0 or loss <= 0 or rows == 0:
        return math.nan
    fit = rows * (math.log(2 * math.pi * loss / rows) + 1)
    return -0.5 * (fit + log_det - columns * math.log(lam))


def choose(
    solve: Callable[[float], Solution],
    score: Callable[[Solution], float],
    *,
    start: float,
    step: float = 10.0,
    low: float = 0.0,
    high: float = math.inf,
    refine: int = 1,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[Solution, list[tuple[float, float]]]:
    """The lambda of least score: downhill by factors of `step` from `start`, then by their roots.

    A lambda at which the system is singular counts as uphill. Returns the best solution and
    every (lambda, score) tried. score: for instance a validation error or minus the evidence.
    Raises SingularSystem where no lambda could be solved.
    """
    tried: dict[float, float] = {}
    best: Solution | None = None

    def attempt(exponent: float) -> float:
        nonlocal best
        key = round(exponent, 6)
        if key in tried:
            return tried[key]
        lam = start * step**key
        if not low <= lam <= high:
            return math.inf
        try:
            found = solve(lam)
            tried[key] = score(found)
        except SingularSystem:
            tried[key] = math.inf
            return math.inf
        if best is None or tried[key] < min(v for k, v in tried.items() if k != key):
            best = found
        return tried[key]

    centre, width = 0.0, 1.0
    while math.isinf(attempt(centre)) and centre < 16 and not stopping():
        centre += 1  # singular: only more of it helps
    for _ in range(refine + 1):
        for sign in (1.0, -1.0):
            moved = False
            while not stopping() and attempt(centre + sign * width) < tried[round(centre, 6)]:
                centre, moved = centre + sign * width, True
            if moved:
                break
        width /= 2
    if best is None:
        raise SingularSystem("the linear equations are singular at every lambda that was tried")
    return best, [(start * step**k, v) for k, v in sorted(tried.items())]


def gather(
    columns: int,
    blocks: Iterable[tuple[torch.Tensor, torch.Tensor]],
    *,
    device: str | torch.device = "cpu",
    spread: Spread = map,
) -> NormalEquations:
    """Normal equations of all (rows, targets) blocks."""
    equations = NormalEquations(columns, device=device)
    for rows, targets in blocks:
        equations.add(rows, targets, spread)
    return equations
