"""Which solver trains sGDML, and what it will cost; then the solving itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.engine.system import free_memory
from core.fitting.checkpoint import Checkpoint, mark
from core.fitting.conjugate import Progress, conjugate_gradients
from core.fitting.conjugate_kernel import KernelProduct
from core.fitting.conjugate_nystrom import Nystrom
from core.fitting.cores import Spread
from core.fitting.sgdml import gradient_domain
from core.fitting.sgdml.gradient_domain import bytes_needed, flops
from core.forcefields.base import ForceFieldError

if TYPE_CHECKING:
    from core.engine.context import Context
    from core.fitting.sgdml.data import Training

SPEED = 45e9  # float64 operations per second that two cores reach in large products
MEMORY_BASE = 3e8  # bytes that torch and the data take anyway
COLUMNS = 0.08  # columns of the preconditioner per row of the matrix
FEW, MOST = 3000, 8000  # … and their bounds, fewer only where there are fewer rows
LEAST = 200  # columns without which it is not worth trying, however little memory there is
STEPS = 250  # of conjugate gradients in a typical fit
WORTH = 3.0  # times slower than the iterative solver the closed form may be, if it fits
SHORT = 120.0  # s of closed form that nobody needs to avoid


@dataclass(frozen=True)
class Plan:
    """solver closed or iterative, and why; seconds and bytes of the solving alone."""

    solver: str
    why: str
    seconds: float
    bytes: float
    columns: int = 0
    keep: bool = True


def budget(hyper: Any, device: str) -> float:
    """Bytes that the solver may take: those given, or what is free."""
    if hyper.memory > 0:
        return float(hyper.memory * 2**30)
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(device)[0])
    return free_memory()


def plan(
    m: int, rows: int, width: int, permutations: int, hyper: Any, device: str, *, limit: float = 0.0
) -> Plan:
    """The solver for m frames with `rows` unknowns each and `width` descriptors.

    Raises ForceFieldError when it does not fit into the memory given.
    """
    limit = limit or budget(hyper, device)
    build, factor = flops(m, rows, width, permutations)
    # small products run at about a third of the speed of the large ones
    closed = Plan("closed", "", (3.0 * build + factor) / SPEED, MEMORY_BASE + bytes_needed(m, rows))
    other = _iterative(m, rows, width, permutations, hyper, limit)
    given = f"the {limit / 1e9:.1f} GB " + ("given" if hyper.memory > 0 else "that are free")
    if hyper.solver == "closed" or (hyper.solver == "auto" and closed.bytes <= limit):
        if closed.bytes > limit:
            fits = int(m * (limit / closed.bytes) ** 0.5)
            raise ForceFieldError(
                f"sGDML with {m} training frames needs {closed.bytes / 1e9:.1f} GB of memory in "
                f"closed form and has {given}; about {fits} frames would fit, or take the "
                "iterative solver"
            )
        if hyper.solver == "closed":
            return _because(closed, "as asked")
        if closed.seconds <= max(SHORT, WORTH * other.seconds) or other.bytes > limit:
            return _because(closed, f"{closed.bytes / 1e9:.1f} GB of {given}")
        return _because(
            other,
            f"about {other.seconds:.0f} s instead of {closed.seconds:.0f} s in closed form",
        )
    if other.bytes > limit:
        raise ForceFieldError(
            f"sGDML with {m} training frames needs at least {other.bytes / 1e9:.1f} GB of memory "
            f"even with the iterative solver and has {given}; take fewer frames"
        )
    if hyper.solver == "iterative":
        return _because(other, "as asked")
    return _because(other, f"the closed form needs {closed.bytes / 1e9:.1f} GB, more than {given}")


def _because(found: Plan, why: str) -> Plan:
    return Plan(found.solver, why, found.seconds, found.bytes, found.columns, found.keep)


def _iterative(m: int, rows: int, width: int, permutations: int, hyper: Any, limit: float) -> Plan:
    n = max(1, m * rows)
    # descriptors, their images and Jacobians, and vectors
    base = MEMORY_BASE + 8.0 * m * width * (3.0 * rows + 4.0 * permutations) + 100.0 * n
    kept = KernelProduct.bytes_kept(m, permutations, energies=hyper.energies)
    keep = kept <= 0.4 * (limit - base)
    room = limit - base - (kept if keep else 0.0)
    wanted = int(min(MOST, max(FEW, COLUMNS * n), n // 2 + 1))
    k = int(min(wanted, max(0.0, room) / (8.0 * (1.3 * n + 4.0 * wanted))))
    least = min(LEAST, n)
    k = max(k, least)
    size = base + (kept if keep else 0.0) + 8.0 * k * (1.3 * n + 4.0 * k)
    step = 6.0 * m * m * permutations * width * (1.0 if keep else 1.6) + 4.0 * n * k * 4.0
    seconds = (3.0 * n * k**2 + STEPS * step + 2.0 * n * k * width) / SPEED
    return Plan("iterative", "", seconds, size, k, keep)


def solve(
    data: Training,
    m: int,
    sigma: float,
    lam: float,
    hyper: Any,
    chosen: Plan,
    context: Context,
    report: Callable[[float, str], None],
    spread: Spread,
    *,
    final: bool = False,
) -> tuple[torch.Tensor, float, dict[str, str]]:
    """alpha (m', rows), the lambda used, and notes; m' < m after a stop in closed form.

    final: the fit itself, not a width that is only tried: its convergence is drawn and kept.
    """
    kernel = data.kernel(m, sigma)

    def stopping() -> bool:
        return context.stopping

    if chosen.solver == "closed":
        alpha, lam = gradient_domain.solve(
            kernel, data.right[:m], lam, report,
            permutations=len(data.permutations), spread=spread, stopping=stopping,
        )  # fmt: skip
        return alpha, lam, {"solver": f"closed form ({chosen.why})"}
    operator = KernelProduct(kernel, spread, keep=chosen.keep)
    low = Nystrom(
        operator, chosen.columns, lam,
        lambda f: report(0.4 * f, "building the preconditioner"),
        spread=spread, stopping=stopping,
    )  # fmt: skip
    right = data.right[:m].reshape(-1)

    def apply(x: torch.Tensor) -> torch.Tensor:
        return operator(x.view(operator.shape)).reshape(-1) + lam * x

    def told(p: Progress) -> None:
        # residuals fall about evenly in their logarithm
        done = np.log(max(p.residual, hyper.tolerance)) / np.log(hyper.tolerance)
        told.most = max(told.most, float(np.clip(done, 0.0, 1.0)))  # type: ignore[attr-defined]
        report(0.4 + 0.6 * told.most, f"iterating: step {p.step}, residual {p.residual:.1e}")  # type: ignore[attr-defined]
        if final:
            context.curve(
                "residual", p.step, np.log10(p.residual),
                x_label="step", y_label="log₁₀ |residual| / |forces|",
            )  # fmt: skip

    told.most = 0.0  # type: ignore[attr-defined]
    kept = Checkpoint(context, "sgdml", about=_mark(data, m, sigma, lam, chosen)) if final else None
    found = conjugate_gradients(
        apply, right, low, tolerance=hyper.tolerance, report=told, checkpoint=kept,
        stopping=stopping,
    )  # fmt: skip
    if kept is not None:
        kept.done()
    words = (
        f"iterative ({chosen.why}): {found.steps} steps to a residual of {found.residual:.1e}, "
        f"{low.f.shape[1]} columns in the preconditioner"
    )
    if found.resumed:
        words += f", went on at step {found.resumed}"
    if found.residual > 1.5 * hyper.tolerance:
        why = "stopped early" if context.stopping else "rounding errors"
        words += f"; {hyper.tolerance:.0e} was wanted ({why})"
    return found.x.view(operator.shape), lam, {"solver": words}


def _mark(data: Training, m: int, sigma: float, lam: float, chosen: Plan) -> str:
    """The question that a saved state belongs to."""
    words = f"sgdml {m} {sigma!r} {lam!r} {data.weight!r} {chosen.columns}"
    return mark(words, *(a.cpu().numpy() for a in (data.d[:m], data.right[:m], data.images)))
