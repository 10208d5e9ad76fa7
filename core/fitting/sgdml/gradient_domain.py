"""Solve (K + lambda I) alpha = -F of Sauceda 2020 eq. 1 for one kernel width, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch

from core.descriptors.matern_hessian import MaternHessian
from core.fitting.cholesky import LowerPanels, NotPositiveDefinite
from core.fitting.cores import Spread

PANEL = 768  #: columns of a panel, rounded to whole geometries: wide enough for full-speed products
PIECE = 100  #: geometries whose rows one core fills at a time
MAX_LAM = 1e-6  #: regularisation is never raised beyond this on the program's own account
AFTER_STOP = 5000  #: rows still factorised after a stop: a second or two


def bytes_needed(n_train: int, per_frame: int) -> float:
    """Memory of the kernel matrix: half of (M R)² float64, and the panels' leading squares."""
    n = float(n_train * per_frame)
    return 8.0 * n * (n + PANEL) / 2.0


def flops(n_train: int, per_frame: int, descriptor: int, permutations: int) -> tuple[float, float]:
    """Floating-point operations of the assembly and of the factorisation."""
    pair = 2.0 * descriptor * per_frame * (per_frame + 4.0 * permutations)
    return pair * n_train**2 / 2.0, float(n_train * per_frame) ** 3 / 3.0


def assemble(
    kernel: MaternHessian,
    report: Callable[[float], None],
    spread: Spread = map,
    stopping: Callable[[], bool] = lambda: False,
) -> LowerPanels:
    """The lower triangle of K; report(0..1) after each panel.

    When stopping(), the panels made so far are given back, those of the first geometries: of the
    leading square they are all there is.
    """
    m, r = len(kernel.d), kernel.rows
    frames = [*range(0, m, max(1, PANEL // r)), m]
    panels = LowerPanels([a * r for a in frames], dtype=kernel.g.dtype, device=kernel.g.device)
    total, done = m * (m + 1) / 2.0, 0.0
    for k, (first, last) in enumerate(pairwise(frames)):
        if k and stopping():
            panels.cut(k)
            break
        out = panels.panels[k]
        rows = [*range(first, m, PIECE), m]

        def fill(piece: tuple[int, int], out=out, first=first, last=last) -> None:
            start, stop = piece
            part = out[(start - first) * r : (stop - first) * r]
            kernel.fill(part, slice(start, stop), slice(first, last))

        for _ in spread(fill, pairwise(rows)):
            pass
        done += (last - first) * (2 * m - first - last + 1) / 2.0
        report(min(1.0, done / total))
    return panels


def solve(
    kernel: MaternHessian,
    right: torch.Tensor,
    lam: float,
    report: Callable[[float, str], None],
    *,
    permutations: int,
    spread: Spread = map,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[torch.Tensor, float]:
    """alpha (m, rows) from the right-hand side (M, rows): gradients eV/Å and scaled energies.

    Where rounding makes K + lam I lose its positive definiteness, lam is multiplied by 10 and the
    matrix built again, at most up to 1e-6. m < M when stopping() came true on the way: the solution
    for the first m geometries, whose factor was ready. Returns alpha and the lam that was used.
    Raises NotPositiveDefinite when that is not enough.
    """
    m, width = len(kernel.d), kernel.d.shape[1]
    r = kernel.rows
    build, factor = flops(m, r, width, permutations)
    # small products run at about a third of the speed of the large ones
    share = 3.0 * build / (3.0 * build + factor)
    while True:
        panels = assemble(
            kernel, lambda f: report(share * f, "building the kernel matrix"), spread, stopping
        )
        panels.add_diagonal(lam)
        if stopping():
            panels.cut(max(1, sum(stop <= AFTER_STOP for stop in panels.starts[1:])))
        try:
            panels.factorise(lambda f: report(share + (1 - share) * f, "solving"), spread, stopping)
        except NotPositiveDefinite:
            if lam * 10 > MAX_LAM:
                raise
            lam = max(lam * 10, 1e-14)
            report(0.0, f"rounding errors: regularisation raised to {lam:.0e}")
            continue
        n = panels.starts[-1]
        return panels.solve(right.reshape(-1)[:n]).view(-1, r), lam
