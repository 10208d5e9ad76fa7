"""Solve (K + noise) alpha = labels in closed form, K from `core.fitting.operator_kernel.kernel`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch

from core.fitting.cholesky import LowerPanels
from core.fitting.cores import Spread
from core.fitting.operator_kernel.kernel import OperatorKernel

PANEL = 768  #: columns of a panel, rounded to whole frames
PIECE = 50  #: frames whose rows one core fills at a time
Report = Callable[[float, str], None]


def bytes_needed(n_train: int, rows: int) -> float:
    """Memory of the matrix: its lower half in float64, and the panels' leading squares."""
    n = float(n_train * rows)
    return 8.0 * n * (n + PANEL) / 2.0


def flops(n_train: int, n_atoms: int, rows: int, width: int) -> tuple[float, float]:
    """Floating-point operations of the assembly and of the factorisation."""
    pair = 2.0 * n_atoms * width * rows * (rows + 3.0 * n_atoms / 2.0)
    return pair * n_train**2 / 2.0, float(n_train * rows) ** 3 / 3.0


def assemble(
    kernel: OperatorKernel, report: Callable[[float], None], spread: Spread
) -> LowerPanels:
    """The lower triangle of K in panels of whole frames; report(0..1) as they are filled."""
    m, r = kernel.frames, kernel.rows
    frames = [*range(0, m, max(1, PANEL // r)), m]
    like = kernel.parts[0].q
    panels = LowerPanels([a * r for a in frames], dtype=like.dtype, device=like.device)
    total, done = m * (m + 1) / 2.0, 0.0
    for out, (first, last) in zip(panels.panels, pairwise(frames), strict=True):
        pieces = [*range(first, m, PIECE), m]

        def fill(piece: tuple[int, int], out: torch.Tensor = out, first: int = first,
                 last: int = last) -> int:  # fmt: skip
            start, stop = piece
            part = out[(start - first) * r : (stop - first) * r]
            kernel.fill(part, slice(start, stop), slice(first, last))
            return stop - start

        for count in spread(fill, pairwise(pieces)):
            done += count * (last - first) * (1 - 0.5 * (last - first) / (m - first))
            report(min(1.0, done / total))
    return panels


def copy_of(panels: LowerPanels) -> LowerPanels:
    """The same matrix once more, to be factorised with another noise."""
    twin = LowerPanels([0], dtype=torch.float64, device=torch.device("cpu"))
    twin.starts = list(panels.starts)
    twin.panels = [p.clone() for p in panels.panels]
    return twin


def solve(
    panels: LowerPanels,
    noise: torch.Tensor,
    labels: torch.Tensor,
    report: Callable[[float], None],
    spread: Spread,
    stopping: Callable[[], bool] = lambda: False,
) -> torch.Tensor:
    """alpha (n,) of (K + diag(noise)) alpha = labels; the panels are overwritten.

    When stopping(), alpha of the leading frames only (those the factor is ready for). Raises
    NotPositiveDefinite.
    """
    for panel, (start, stop) in zip(panels.panels, pairwise(panels.starts), strict=True):
        panel[: stop - start].diagonal().add_(noise[start:stop])
    panels.factorise(report, spread, stopping)
    return panels.solve(labels[: panels.starts[-1]])
