"""Solve (K + noise) alpha = labels by preconditioned conjugate gradients, in little memory.

The preconditioner is a randomly pivoted Cholesky factor of few columns (`conjugate_nystrom`);
labels are scaled so that all have the same noise. Both the products and what is left of the labels
are float64. The forces of new frames stop changing long before the residual is small: for 100 to
400 frames of aspirin their error was within 1 % of the last at a residual of 5e-3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import torch

from core.fitting.checkpoint import Checkpoint, mark
from core.fitting.conjugate import Progress, conjugate_gradients
from core.fitting.conjugate_nystrom import Nystrom
from core.fitting.cores import Spread
from core.fitting.operator_kernel.cost import keeps, rank
from core.fitting.operator_kernel.kernel import OperatorKernel
from core.fitting.operator_kernel.product import OperatorProduct

if TYPE_CHECKING:
    from core.engine.context import Context

TOLERANCE = 3e-3  #: of the labels: well below the errors on frames the model has not seen
MAX_STEPS = 1000
FIRST = 0.5  #: share of the work that makes the preconditioner


def iterate(
    kernel: OperatorKernel,
    noise: torch.Tensor,
    labels: torch.Tensor,
    lam: float,
    report: Callable[[float, str], None],
    context: Context,
    notes: dict[str, str],
    spread: Spread = map,
    memory: float = float("inf"),
) -> torch.Tensor:
    """alpha (n,) of (K + diag(noise)) alpha = labels (n,); all noises are scaled to lam.

    memory: bytes for the preconditioner and, if it fits, the kernel of all pairs of environments.
    A stop keeps the best iterate so far; a fit that was killed goes on from the last one saved.
    Writes steps and residual into notes.
    """
    kept = Checkpoint(context, "fchl19", about=_mark(kernel, noise, labels, lam))
    scale = (lam / noise).sqrt()
    atoms = [p.q.shape[1] for p in kernel.parts]
    columns = rank(len(labels), memory)
    product = OperatorProduct(
        kernel,
        scale.view(kernel.frames, -1),
        spread,
        keep=keeps(atoms, kernel.frames, columns, kernel.rows, memory),
    )
    begun = [0.0]

    def building(fraction: float) -> None:
        report(FIRST * fraction, "building the preconditioner")

    prepared = Nystrom(
        cast("Any", product),
        columns,
        lam,
        building,
        spread=spread,
        stopping=lambda: context.stopping,
    )

    def step(progress: Progress) -> None:
        context.curve(
            "residual",
            progress.step,
            progress.residual,
            x_label="iteration",
            y_label="residual / labels",
        )
        # residuals fall about exponentially
        gone = math.log(max(progress.residual, 1e-300)) / math.log(TOLERANCE)
        begun[0] = min(1.0, max(begun[0], gone))
        report(FIRST + (1 - FIRST) * begun[0], "iterating")

    found = conjugate_gradients(
        lambda v: product(v).add_(v, alpha=lam),
        labels * scale,
        prepared,
        tolerance=TOLERANCE,
        report=step,
        checkpoint=kept,
        stopping=lambda: context.stopping,
        max_steps=MAX_STEPS,
    )
    kept.done()
    if found.resumed:
        context.log(f"went on after iteration {found.resumed}")
    notes["solver"] = (
        f"{found.steps} iterations with {prepared.f.shape[1]} columns, residual "
        f"{found.residual:.1e} of the labels"
    )
    if found.residual > TOLERANCE and not context.stopping:
        notes["not converged"] = (
            f"the residual should be {TOLERANCE:g}: give it more memory, a larger lambda or fewer "
            "frames"
        )
        context.log(f"not converged: {notes['not converged']}")
    return found.x * scale


def _mark(kernel: OperatorKernel, noise: torch.Tensor, labels: torch.Tensor, lam: float) -> str:
    """Names the equations: equal for the same frames and settings."""
    tensors = (noise, labels, *(p.q for p in kernel.parts))
    words = f"{kernel.sigma} {lam} {kernel.rows}"
    return mark(words, *(t.detach().cpu().numpy() for t in tensors))
