"""Preconditioned conjugate gradients for (K + lambda I) alpha = b, where K is an operator.

Hestenes & Stiefel, J. Res. NBS 49, 409 (1952). The iterate with the least residual is kept, so
that a stop at any time leaves the best so far; the state is saved as it goes, so that a kill costs
a few seconds of iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from core.fitting.checkpoint import Checkpoint

MAX_STEPS = 3000
LEAST_STEPS = 20  #: taken even after a stop: without any there is no model to keep
STALL = 300  #: steps without a better residual: rounding errors have the upper hand


@dataclass(frozen=True)
class Progress:
    """steps done (those of an earlier, killed run included); residual |b - A x| / |b|."""

    step: int
    residual: float


@dataclass(frozen=True, eq=False)
class Solution:
    """x (n,); residual |b - A x| / |b|; steps; resumed: step at which it went on, or 0."""

    x: torch.Tensor
    residual: float
    steps: int
    resumed: int = 0


def conjugate_gradients(
    apply: Callable[[torch.Tensor], torch.Tensor],
    b: torch.Tensor,
    precondition: Callable[[torch.Tensor], torch.Tensor],
    *,
    tolerance: float,
    report: Callable[[Progress], None],
    checkpoint: Checkpoint | None = None,
    stopping: Callable[[], bool] = lambda: False,
    max_steps: int = MAX_STEPS,
) -> Solution:
    """Solve A x = b for symmetric positive definite A = `apply`; b (n,).

    Ends at residual |b - A x| <= tolerance |b|, after max_steps, when stopping() or when rounding
    lets it fall no further; the caller compares `residual` with what it wanted.
    """
    size = float(b.norm())
    if size == 0.0:
        return Solution(torch.zeros_like(b), 0.0, 0)
    x, r, step, best, best_x, p, rz = _begin(b, precondition, checkpoint)
    resumed, best_step = step, step
    while best > tolerance and step < max_steps and step - best_step < STALL:
        if stopping() and step - resumed >= LEAST_STEPS:
            break
        ap = apply(p)
        curvature = float(p @ ap)
        if not curvature > 0.0:  # also NaN: rounding has eaten the positive definiteness
            break
        a = rz / curvature
        x = x + a * p
        r = r - a * ap
        step += 1
        residual = float(r.norm()) / size
        if residual < best:
            best, best_x, best_step = residual, x, step
        report(Progress(step, residual))
        z = precondition(r)
        now = float(r @ z)
        p = z + (now / rz) * p
        rz = now
        if checkpoint is not None:
            arrays = {"x": x, "r": r, "p": p, "best_x": best_x}
            checkpoint.save(
                {k: v.cpu().numpy() for k, v in arrays.items()}
                | {"numbers": np.array([step, best, rz])}
            )
    # the recurrence drifts from the truth: tell what is really left
    truth = float((b - apply(best_x)).norm()) / size
    return Solution(best_x, truth, step, resumed)


def _begin(
    b: torch.Tensor,
    precondition: Callable[[torch.Tensor], torch.Tensor],
    checkpoint: Checkpoint | None,
) -> tuple[torch.Tensor, torch.Tensor, int, float, torch.Tensor, torch.Tensor, float]:
    """x, r, step, best residual, its x, p, r.z: of a saved state, or of the start."""
    kept = checkpoint.load() if checkpoint is not None else None
    names = ("x", "r", "p", "best_x")
    if (
        kept is not None
        and set(kept) == {*names, "numbers"}
        and kept["numbers"].shape == (3,)
        and all(kept[k].shape == b.shape and np.isfinite(kept[k]).all() for k in names)
    ):
        x, r, p, best_x = (torch.as_tensor(kept[k]).to(b) for k in names)
        step, best, rz = (float(v) for v in kept["numbers"])
        return x, r, int(step), best, best_x, p, rz
    x = torch.zeros_like(b)
    z = precondition(b)
    return x, b.clone(), 0, 1.0, x, z, float(b @ z)
