"""Cholesky factorisation of a large symmetric positive definite matrix in column panels.

Only the lower triangle is held (half the memory of LAPACK's full square), the work is nearly all
matrix products (as fast as LAPACK's), and between panels a job can report progress or be cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch

from core.fitting.cores import Spread

ROWS = 2048  #: rows of a panel that one core divides at a time
SOON = 6000  #: rows of a matrix that is factorised to the end even after a stop: a second or two


class NotPositiveDefinite(ArithmeticError):
    """The matrix has no Cholesky factor; `row` is the first index of the panel that failed."""

    def __init__(self, row: int) -> None:
        super().__init__(f"not positive definite (panel at row {row})")
        self.row = row


class LowerPanels:
    """The lower triangle of an n x n matrix as column panels.

    starts: first column of each panel and, last, n. Panel k holds rows starts[k]..n of columns
    starts[k]..starts[k+1]; inside its leading square the upper part is not used.
    """

    def __init__(self, starts: list[int], *, dtype: torch.dtype, device: torch.device) -> None:
        self.starts = starts
        n = starts[-1]
        self.panels = [
            torch.empty(n - a, b - a, dtype=dtype, device=device) for a, b in pairwise(starts)
        ]

    def __len__(self) -> int:
        return len(self.panels)

    def add_diagonal(self, value: float) -> None:
        """Add `value` to every diagonal element."""
        for panel in self.panels:
            panel[: panel.shape[1]].diagonal().add_(value)

    def cut(self, count: int) -> None:
        """Keep the leading square of the first `count` panels, drop the rest of the matrix."""
        self.starts = self.starts[: count + 1]
        end = self.starts[-1]
        self.panels = [p[: end - a] for p, a in zip(self.panels, self.starts[:-1], strict=False)]

    def factorise(
        self,
        report: Callable[[float], None],
        spread: Spread = map,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Overwrite with the Cholesky factor L (right-looking); report(0..1) after each product.

        spread: a `map` that may share its pieces between cores. When stopping(), the matrix is cut
        to the leading square whose factor is ready (not when all of it is near). Raises
        NotPositiveDefinite.
        """
        n = self.starts[-1]
        work = [(n - a) * float(b - a) * (n - a) for a, b in self._spans()]
        total, done = sum(work), 0.0
        for k, (start, stop) in enumerate(self._spans()):
            panel, width = self.panels[k], stop - start
            square, info = torch.linalg.cholesky_ex(panel[:width])
            if int(info) != 0 or not bool(torch.isfinite(square.diagonal()).all()):
                raise NotPositiveDefinite(start)
            panel[:width] = square

            def divide(part: torch.Tensor, upper: torch.Tensor = square.T) -> None:
                part.copy_(torch.linalg.solve_triangular(upper, part, upper=True, left=False))

            def update(j: int, panel: torch.Tensor = panel, start: int = start) -> None:
                first, last = self.starts[j] - start, self.starts[j + 1] - start
                self.panels[j].addmm_(panel[first:], panel[first:last].T, alpha=-1.0)

            for _ in spread(divide, panel[width:].split(ROWS)):
                pass
            later = len(self) - k - 1
            for i, _ in enumerate(spread(update, range(k + 1, len(self)))):
                # the products get shorter with j: two linear ramps make the square of what is left
                report(min(1.0, (done + work[k] * (1 - (1 - (i + 1) / later) ** 2)) / total))
            done += work[k]
            report(min(1.0, done / total))
            if later and stopping() and self.starts[-1] > SOON:
                self.cut(k + 1)  # the leading square of a right-looking factor is final
                return

    def solve(self, right: torch.Tensor) -> torch.Tensor:
        """x (n,) of L L^T x = right (n,), after `factorise`."""
        x = right.clone()[:, None]
        for k, (start, stop) in enumerate(self._spans()):
            panel, width = self.panels[k], stop - start
            x[start:stop] = torch.linalg.solve_triangular(panel[:width], x[start:stop], upper=False)
            x[stop:] -= panel[width:] @ x[start:stop]
        for k in reversed(range(len(self))):
            start, stop = self.starts[k], self.starts[k + 1]
            panel, width = self.panels[k], stop - start
            part = x[start:stop] - panel[width:].T @ x[stop:]
            x[start:stop] = torch.linalg.solve_triangular(panel[:width].T, part, upper=True)
        return x[:, 0]

    def _spans(self) -> Iterator[tuple[int, int]]:
        return pairwise(self.starts)
