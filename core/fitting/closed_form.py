"""Cholesky factorisation of a large symmetric positive definite matrix in column panels.

Only the lower triangle is held (half the memory of LAPACK's full square), the work is nearly all
matrix products (as fast as LAPACK's), and between panels a job can report progress or be cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch


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
            torch.empty(n - a, b - a, dtype=dtype, device=device)
            for a, b in zip(starts[:-1], starts[1:], strict=True)
        ]

    def __len__(self) -> int:
        return len(self.panels)

    def add_diagonal(self, value: float) -> None:
        """Add `value` to every diagonal element."""
        for panel in self.panels:
            panel[: panel.shape[1]].diagonal().add_(value)

    def factorise(self, report: Callable[[float], None]) -> None:
        """Overwrite with the Cholesky factor L (right-looking); report(0..1) after each product.

        Raises NotPositiveDefinite.
        """
        n = self.starts[-1]
        total = sum(float(n - a) ** 2 * (b - a) for a, b in self._spans())
        done = 0.0
        for k, (start, stop) in enumerate(self._spans()):
            panel, width = self.panels[k], stop - start
            square, info = torch.linalg.cholesky_ex(panel[:width])
            if int(info) != 0 or not bool(torch.isfinite(square.diagonal()).all()):
                raise NotPositiveDefinite(start)
            panel[:width] = square
            below = panel[width:]
            if len(below):
                # X L^T = B, solved in place of B
                below.copy_(torch.linalg.solve_triangular(square.T, below, upper=True, left=False))
            done += float(n - start) * width * width
            report(min(1.0, done / total))
            for j in range(k + 1, len(self)):
                first, last = self.starts[j] - start, self.starts[j + 1] - start
                rest = panel[first:]
                self.panels[j].addmm_(rest, panel[first:last].T, alpha=-1.0)
                done += 2.0 * len(rest) * (last - first) * width
                report(min(1.0, done / total))

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
        return zip(self.starts[:-1], self.starts[1:], strict=True)
