"""Solve (K + lambda I) alpha = -F of Sauceda 2020 eq. 1 for one kernel width.

Assembly runs in threads that each use one core: the pieces are small, and threads inside each
operation would spend longer waiting for each other than computing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

from core.descriptors.matern_hessian import MaternHessian
from core.fitting.closed_form import LowerPanels, NotPositiveDefinite

PANEL = 768  #: columns of a panel, rounded to whole geometries: wide enough for full-speed products
MAX_LAM = 1e-6  #: regularisation is never raised beyond this on the program's own account


def bytes_needed(n_train: int, per_frame: int) -> float:
    """Memory of the kernel matrix: half of (M R)² float64, and the panels' leading squares."""
    n = float(n_train * per_frame)
    return 8.0 * n * (n + PANEL) / 2.0


def flops(n_train: int, per_frame: int, descriptor: int, permutations: int) -> tuple[float, float]:
    """Floating-point operations of the assembly and of the factorisation."""
    pair = 2.0 * descriptor * per_frame * (per_frame + 4.0 * permutations)
    return pair * n_train**2 / 2.0, float(n_train * per_frame) ** 3 / 3.0


def one_thread_each(threads: int) -> ThreadPoolExecutor:
    """Threads that each run torch operations on one core."""
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))


def assemble(kernel: MaternHessian, report: Callable[[float], None]) -> LowerPanels:
    """The lower triangle of K; report(0..1) after each panel."""
    m, _, r = kernel.g.shape
    step = max(1, PANEL // r)
    frames = [*range(0, m, step), m]
    panels = LowerPanels([a * r for a in frames], dtype=kernel.g.dtype, device=kernel.g.device)
    threads = 1 if kernel.g.is_cuda else torch.get_num_threads()
    total, done = m * (m + 1) / 2.0, 0.0
    with one_thread_each(threads) as pool:
        for out, first, last in zip(panels.panels, frames[:-1], frames[1:], strict=True):
            piece = max(8, -(-(m - first) // (2 * threads)))

            def work(start: int, out=out, first=first, last=last, piece=piece) -> None:
                stop = min(m, start + piece)
                rows = out[(start - first) * r : (stop - first) * r]
                kernel.fill(rows, slice(start, stop), slice(first, last))

            list(pool.map(work, range(first, m, piece)))
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
        panels = assemble(kernel, lambda f: report(share * f, "building the kernel matrix"))
        panels.add_diagonal(lam)
        try:
            panels.factorise(lambda f: report(share + (1 - share) * f, "solving"))
        except NotPositiveDefinite:
            if lam * 10 > MAX_LAM:
                raise
            lam = max(lam * 10, 1e-14)
            report(0.0, f"rounding errors: regularisation raised to {lam:.0e}")
            continue
        return panels.solve(gradient.reshape(-1)).view(m, r), lam
