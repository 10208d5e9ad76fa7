"""Train FCHL19: describe the frames, choose kernel width and noise, solve, energy constant."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.fitting.cholesky import LowerPanels, NotPositiveDefinite
from core.fitting.cores import Spread, spread_over_cores
from core.fitting.operator_kernel.checks import check_data, check_memory
from core.fitting.operator_kernel.cost import (
    ATTEMPTS,
    check_frames,
    frames_used,
    iterates,
    search_frames,
    seconds,
)
from core.fitting.operator_kernel.data import COARSE, TOLERANCE, TrainingFrames
from core.fitting.operator_kernel.kernel import Environments, OperatorKernel
from core.fitting.operator_kernel.model import ElementModel
from core.fitting.operator_kernel.solve import assemble, copy_of, solve
from core.fitting.splits import farthest_point
from core.forcefields.base import ForceFieldError

if TYPE_CHECKING:
    from core.engine.context import Context
    from core.forcefields.fchl19 import FCHL19Field

WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 10.0, 15.0, 22.0, 33.0, 50.0)
START = WIDTHS.index(3.0)
NOISES = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4)
#: The more frames, the less noise is best: with labels of no noise, lambda stands for what the
#: frames cannot tell. On ethanol the best fell by 100 from 100 to 500 frames; this is cautious.
FALL, LEAST = 2.0, 1e-10
WIDER = 0.95  #: a wider kernel must be better by so much: more frames want a narrower one
UNKNOWN = 1e12  #: noise of a label that there is none of


@dataclasses.dataclass
class _Job:
    """What all stages of one fit share."""

    dataset: Dataset
    split: Split
    train: np.ndarray  #: those of split.train that are used
    hyper: Any
    context: Context
    field: type[FCHL19Field]
    data: TrainingFrames
    spread: Spread

    def kernel(self, m: int, sigma: float) -> OperatorKernel:
        parts = [Environments(e.q[:m], e.g[:m]) for e in self.data.environments]
        return OperatorKernel(parts, sigma)

    def noise(self, m: int, lam: float) -> torch.Tensor:
        """Diagonal (m (R+1),): energies of less noise than forces, unknown ones of any."""
        found = torch.full_like(self.data.labels[:m], lam)
        found[:, 0] = lam / self.hyper.energy_weight
        found[~self.data.known[:m], 0] = UNKNOWN
        return found.reshape(-1)

    def elements(self, alpha: torch.Tensor, sigma: float) -> list[ElementModel]:
        """Weights alpha (m (R+1),) spread to the environments of each element."""
        rows = self.data.labels.shape[1]
        weights = alpha.view(-1, rows)
        m, out = len(weights), []
        for e, part in enumerate(self.data.environments):
            n, width = part.q.shape[1:]
            a = torch.einsum("mr,mrnd->mnd", weights[:, 1:], part.g[:m]).reshape(-1, width)
            b = weights[:, :1].expand(m, n).reshape(-1)
            t = part.q[:m].reshape(-1, width)
            arrays = (self.data.means[e], self.data.bases[e] / sigma, t / sigma, a / sigma, b)
            out.append(ElementModel(*(x.cpu().numpy() for x in arrays)))
        return out

    def make(self, alpha: torch.Tensor, sigma: float) -> FCHL19Field:
        return self.field(
            self.dataset.molecule,
            self.hyper,
            elements=self.elements(alpha, sigma),
            offset=self.data.mean,
            device=self.context.device,
        )


def fit_model(
    dataset: Dataset, split: Split, hyper: Any, context: Context, field: type[FCHL19Field]
) -> dict[str, Any]:
    """Train on split.train; keyword arguments of FCHL19Field. Raises ForceFieldError."""
    check_data(dataset, split, hyper)
    numbers, train = dataset.molecule.numbers, split.train
    kept = frames_used(numbers, len(train), hyper)
    notes = {"training frames": str(kept)}
    if kept < len(train):
        context.progress(0.0, "choosing frames")
        notes["training frames"] = f"{kept} of {len(train)} (most environments)"
        train = farthest_point(train, kept, np.random.default_rng(0), dataset)
    check_memory(numbers, kept, hyper, context.device)
    with spread_over_cores(context.device) as spread:
        from core.forcefields.fchl19 import settings_of

        context.progress(0.0, "describing the frames")
        data = TrainingFrames(
            dataset,
            train,
            settings_of(hyper),
            context.device,
            lambda f: context.progress(0.05 * f, "describing the frames"),
            spread,
            COARSE if iterates(numbers, kept, hyper) else TOLERANCE,
        )
        job = _Job(dataset, split, train, hyper, context, field, data, spread)
        return _solved(job, notes)


def _solved(job: _Job, notes: dict[str, str]) -> dict[str, Any]:
    hyper, context, train = job.hyper, job.context, job.train
    sigma, lam, begun = hyper.sigma, hyper.lam, 0.05
    best: torch.Tensor | None = None
    try:
        if sigma == 0 or lam == 0:
            sigma, lam, best, begun, finer = _search(job, len(train))
        if best is None or (len(best) < job.data.labels.numel() and not context.stopping):
            goal = lam
            if best is not None and hyper.lam == 0:
                goal = max(LEAST, finer * (len(best) / job.data.labels.numel()) ** FALL)
            last, goal = _raised(job, sigma, goal, begun, notes)
            # a stop may leave fewer frames than the search had
            if best is None or len(last) > len(best):
                best, lam = last, goal
    except NotPositiveDefinite as error:
        frame = int(train[min(len(train) - 1, error.row // job.data.labels.shape[1])])
        raise ForceFieldError(
            f"FCHL19: the kernel matrix is singular to rounding near frame {frame + 1} (sigma "
            f"{sigma:g}, lambda {lam:g}); make lambda larger or sigma smaller, or leave out "
            "frames that are nearly the same"
        ) from None
    used = len(best) // job.data.labels.shape[1]
    if used < len(train):
        notes["training frames"] = f"{used} of {len(train)} (stopped early)"
    notes["environments"] = str(used * job.dataset.positions.shape[1])
    notes["sigma"] = f"{sigma:g}" + (" (chosen)" if hyper.sigma == 0 else "")
    notes["lambda"] = f"{lam:.1e}" + (" (chosen)" if hyper.lam == 0 else "")
    elements = job.elements(best, sigma)
    known = bool(job.data.known[:used].any())
    if not known:
        notes["energy constant"] = "none: no training frame has an energy"
    context.progress(1.0, "trained")
    return {"elements": elements, "offset": job.data.mean, "absolute": known, "notes": notes}


def _raised(
    job: _Job, sigma: float, lam: float, begun: float, notes: dict[str, str]
) -> tuple[torch.Tensor, float]:
    """alpha and lambda; where that was not given, more of it if rounding needs it."""
    while True:
        try:
            return _last(job, sigma, lam, begun, notes), lam
        except NotPositiveDefinite:
            if job.hyper.lam > 0 or lam * 10 > max(NOISES):
                raise
        lam *= 10
        job.context.log(f"rounding errors: lambda raised to {lam:.0e}")


def _last(job: _Job, sigma: float, lam: float, begun: float, notes: dict[str, str]) -> torch.Tensor:
    """alpha of all training frames."""
    context, m = job.context, len(job.data.labels)

    def report(fraction: float, message: str) -> None:
        context.progress(begun + (0.99 - begun) * fraction, f"{message}, sigma {sigma:g}")

    if iterates(job.dataset.molecule.numbers, m, job.hyper):
        from core.fitting.operator_kernel.iterate import iterate

        labels, noise = job.data.labels.reshape(-1), job.noise(m, lam)
        memory = job.hyper.memory * 1e9
        return iterate(
            job.kernel(m, sigma), noise, labels, lam, report, context, notes, job.spread, memory
        )
    panels = assemble(
        job.kernel(m, sigma), lambda f: report(0.5 * f, "building the kernel matrix"), job.spread
    )
    return solve(
        panels,
        job.noise(m, lam),
        job.data.labels.reshape(-1),
        lambda f: report(0.5 + 0.5 * f, "solving"),
        job.spread,
        lambda: context.stopping,
    )


def _finer(lam: float, errors: dict[float, float]) -> float:
    """Where a parabola through the errors of lambda and its neighbours in NOISES is least."""
    k = NOISES.index(lam) if lam in NOISES else 0
    if not 0 < k < len(NOISES) - 1:
        return lam
    below, here, above = (errors.get(x, float("inf")) for x in NOISES[k - 1 : k + 2])
    if not here <= min(below, above) < max(below, above) < float("inf"):
        return lam
    return float(lam * 10.0 ** (0.5 * (below - above) / (below - 2.0 * here + above)))


def _search(job: _Job, n_train: int) -> tuple[float, float, torch.Tensor, float, float]:
    """Width and noise with the least force MAE on `check_frames`; walks downhill in width.

    Returns sigma, lambda, the weights found with them, the fraction of the work done, and a lambda
    between those tried.
    """
    hyper, context = job.hyper, job.context
    m = search_frames(job.dataset.molecule.numbers, n_train, hyper)
    share = 0.93
    if m < n_train:
        first, after = seconds(job.dataset.molecule.numbers, n_train, hyper)
        share *= first / (first + after)  # so that the time left is about right from the start
    assert job.dataset.forces is not None
    valid = check_frames(job.train, job.split.valid, m)
    target = torch.tensor(job.dataset.forces[valid], device=context.device)
    geometries = torch.tensor(job.dataset.positions[valid], device=context.device)
    tried: dict[float, float] = {}
    curves: dict[float, dict[float, float]] = {}  # sigma -> lambda -> error
    best: tuple[float, float, float, torch.Tensor] | None = None
    singular: NotPositiveDefinite | None = None

    def one(panels: LowerPanels, sigma: float, lam: float) -> float:
        nonlocal best, singular
        try:
            labels = job.data.labels[:m].reshape(-1)
            alpha = solve(panels, job.noise(m, lam), labels, lambda f: None, job.spread)
        except NotPositiveDefinite as error:
            singular = error
            return float("inf")
        _, forces = job.make(alpha, sigma).compute(geometries)
        found = float((forces - target).abs().mean())
        curves.setdefault(sigma, {})[lam] = found
        context.curve(
            f"validation force MAE, σ {sigma:g}",
            math.log10(lam),
            found,
            x_label="log₁₀ λ",
            y_label="validation force MAE (eV/Å)",
        )
        if best is None or found < best[0] * (WIDER if sigma > best[1] else 1.0):
            best = (found, sigma, lam, alpha)
        return found

    def attempt(sigma: float) -> float:
        def say(f: float) -> None:
            done = min(len(tried) + f, ATTEMPTS + 1)
            context.progress(
                0.05 + share * done / (ATTEMPTS + 1), f"choosing sigma and lambda: sigma {sigma:g}"
            )

        matrix = assemble(job.kernel(m, sigma), lambda f: say(0.5 * f), job.spread)
        noises = NOISES if hyper.lam == 0 else (hyper.lam,)
        errors: list[float] = []
        # from much noise to little: a matrix that is singular at one is so at all that follow
        for i, lam in enumerate(reversed(noises)):
            errors.append(one(copy_of(matrix), sigma, lam))
            say(0.5 + 0.5 * (i + 1) / len(noises))
            if errors[-1] > 1.1 * min(errors) or (context.stopping and best is not None):
                break
        tried[sigma] = min(errors)
        context.log(f"sigma {sigma:g}: validation force MAE {1e3 * tried[sigma]:.1f} meV/Å")
        return tried[sigma]

    if hyper.sigma > 0:
        attempt(hyper.sigma)
    else:
        attempt(WIDTHS[START])
        for step in (-1, 1):
            k = START + step
            while 0 <= k < len(WIDTHS) and not context.stopping:
                if attempt(WIDTHS[k]) > tried[WIDTHS[k - step]]:
                    break
                k += step
            if best is not None and best[1] != WIDTHS[START]:
                break
    if best is None:
        assert singular is not None
        raise singular
    return best[1], best[2], best[3], 0.05 + share, _finer(best[2], curves[best[1]])
