"""Solve (K + lambda I) alpha = -F of Sauceda 2020 eq. 1 for one kernel width."""

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


def bytes_needed(n_train: int, per_frame: int) -> float:
    """Memory of the kernel matrix: half of (M R)² float64, and the panels' leading squares."""
    n = float(n_train * per_frame)
    return 8.0 * n * (n + PANEL) / 2.0


def flops(n_train: int, per_frame: int, descriptor: int, permutations: int) -> tuple[float, float]:
    """Floating-point operations of the assembly and of the factorisation."""
    pair = 2.0 * descriptor * per_frame * (per_frame + 4.0 * permutations)
    return pair * n_train**2 / 2.0, float(n_train * per_frame) ** 3 / 3.0


def assemble(
    kernel: MaternHessian, report: Callable[[float], None], spread: Spread = map
) -> LowerPanels:
    """The lower triangle of K; report(0..1) after each panel."""
    m, _, r = kernel.g.shape
    frames = [*range(0, m, max(1, PANEL // r)), m]
    panels = LowerPanels([a * r for a in frames], dtype=kernel.g.dtype, device=kernel.g.device)
    total, done = m * (m + 1) / 2.0, 0.0
    for out, (first, last) in zip(panels.panels, pairwise(frames), strict=True):
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
    gradient: torch.Tensor,
    lam: float,
    report: Callable[[float, str], None],
    *,
    permutations: int,
    spread: Spread = map,
) -> tuple[torch.Tensor, float]:
    """alpha (M,R) eV Å from the energy gradient (M,R) eV/Å along the internal directions.

    Where rounding makes K + lam I lose its positive definiteness, lam is multiplied by 10 and the
    matrix built again, at most up to 1e-6. Returns alpha and the lam that was used. Raises
    NotPositiveDefinite when that is not enough.
    """
    m, width, r = kernel.g.shape
    build, factor = flops(m, r, width, permutations)
    # small products run at about a third of the speed of the large ones
    share = 3.0 * build / (3.0 * build + factor)
    while True:
        panels = assemble(kernel, lambda f: report(share * f, "building the kernel matrix"), spread)
        panels.add_diagonal(lam)
        try:
            panels.factorise(lambda f: report(share + (1 - share) * f, "solving"), spread)
        except NotPositiveDefinite:
            if lam * 10 > MAX_LAM:
                raise
            lam = max(lam * 10, 1e-14)
            report(0.0, f"rounding errors: regularisation raised to {lam:.0e}")
            continue
        return panels.solve(gradient.reshape(-1)).view(m, r), lam
