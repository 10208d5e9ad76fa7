"""Ways to solve a linear ACE's equations, and to choose the weight of the prior."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.descriptors.ace.setup import Setup
from core.fitting.ace.keeping import Gathered, Keeping
from core.fitting.ace.rows import Rows
from core.fitting.cores import Spread
from core.fitting.linear import NormalEquations, SingularSystem, Solution, choose
from core.fitting.linear_rows import StreamingQR, lsqr
from core.forcefields.base import ForceFieldError

if TYPE_CHECKING:
    from core.engine.context import Context

LAMBDA = 1e-8  #: where the search starts, relative to the mean squared scaled column
TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)  #: tried for rrqr


class Solver:
    """Equations gathered for one way to solve them; `best(score)` chooses the regularisation."""

    share = 0.6  # of the progress, for gathering
    checked = "force"  # what `score` is the error of; energy where no validation frame has forces

    def __init__(
        self,
        sources: Sequence[Rows],
        train: Sequence[np.ndarray],
        setup: Setup,
        hyper: Any,
        context: Context,
        spread: Spread,
        keeping: Keeping | None = None,
    ) -> None:
        """train: frames of each source."""
        self.hyper, self.context, self.spread, self.keeping = hyper, context, spread, keeping
        self.sources, self.frames, self.rows, self.remark = sources, 0, 0, ""
        self.reused = False  # the equations are those of an earlier fit
        roughness = torch.as_tensor(setup.roughness(hyper.smoothness), device=context.device)
        self.square = torch.zeros_like(roughness)
        self.start(train)
        square = self.square
        # widths in units in which every function has the same mean square on the data
        size = (square / self.rows).sqrt()
        size = size.clamp(min=float(size.max()) * 1e-9)
        prior = 1.0 / (roughness * size)
        self.prior = prior / ((prior**2 * square).mean() / self.rows).sqrt()

    def start(self, train: Sequence[np.ndarray]) -> None:
        """The equations of the training frames."""
        self.gather(train, sum(map(len, train)) / self.share)

    def gather(self, train: Sequence[np.ndarray], whole: float) -> None:
        """Add the rows of frames of every source; progress counts them as a part of `whole`."""
        for source, frames in zip(self.sources, train, strict=True):
            if not (self.context.stopping and self.frames):
                self._gather(source, frames, whole)

    def _gather(self, source: Rows, frames: np.ndarray, whole: float) -> None:
        before = self.frames

        def tell(count: int) -> bool:
            self.frames = before + count
            self.context.progress(
                min(0.99, self.frames / whole), f"equations, {self.frames} frames"
            )
            return not self.context.stopping

        for rows, targets in source.blocks(frames, self.spread, tell):
            if not bool(torch.isfinite(rows).all()):
                raise ForceFieldError(
                    f"linear ACE: a basis function is not finite after training frame "
                    f"{self.frames} of the split; two atoms may lie on each other"
                )
            self.square += rows.square().sum(0)
            self.rows += len(rows)
            self.add(rows, targets)

    def join(self, held: Sequence[np.ndarray], best: Solution) -> Solution:
        """The solution with the frames that chose lambda among the others."""
        raise NotImplementedError

    def add(self, rows: torch.Tensor, targets: torch.Tensor) -> None:
        raise NotImplementedError

    def best(self, score: Callable[[Solution], float] | None) -> Solution:
        raise NotImplementedError

    def told(self, score: Callable[[Solution], float] | None) -> Callable[[Solution], float]:
        """The score with its point on the live curve; minus log evidence without validation."""

        def value(found: Solution) -> float:
            v = score(found) if score else -found.log_evidence
            unit = "eV/Å" if self.checked == "force" else "eV"
            name = f"validation {self.checked} MAE" if score else "minus log evidence"
            said = f"{1e3 * v:.1f} m{unit}" if score else f"{v:.5g}"
            self.context.curve(
                name,
                math.log10(found.lam),
                v,
                x_label="log₁₀ λ",
                y_label=f"{name} ({unit})" if score else name,
            )
            self.context.log(f"lambda {found.lam:.1e}: {name} {said}")
            return v

        return value


class Normal(Solver):
    """Normal equations and Cholesky: the fastest, for every lambda from the same triangle."""

    equations: NormalEquations | None = None

    def start(self, train: Sequence[np.ndarray]) -> None:
        found = self.keeping.get() if self.keeping else None
        self.reused = found is not None
        if found:
            self._use(found)
            self.context.log("the equations of the fit before are used again")
            return
        super().start(train)
        if self.keeping and self.frames == sum(map(len, train)):
            self.keeping.put(self._gathered())

    def _gathered(self) -> Gathered:
        assert self.equations is not None
        return Gathered(self.equations, self.square, self.frames)

    def _use(self, found: Gathered) -> None:
        self.equations, self.square = found.equations, found.square
        self.frames, self.rows = found.frames, found.equations.rows

    def add(self, rows: torch.Tensor, targets: torch.Tensor) -> None:
        if self.equations is None:
            self.equations = NormalEquations(rows.shape[1], device=rows.device)
        self.equations.add(rows, targets, self.spread)

    def best(self, score: Callable[[Solution], float] | None) -> Solution:
        tried = 0

        def solve(lam: float) -> Solution:
            nonlocal tried
            tried += 1
            return self.solve(lam, tried - 1)

        try:
            if self.hyper.lam > 0:
                found = solve(self.hyper.lam)
                self.told(score)(found)
                return found
            return choose(
                solve,
                self.told(score),
                start=LAMBDA,
                low=1e-14,
                high=1e2,
                refine=0,  # the minimum is flat: half a decade is worth less than a percent
                stopping=lambda: self.context.stopping and tried > 0,
            )[0]
        except SingularSystem as error:
            raise ForceFieldError(f"linear ACE: {error}") from None

    def solve(self, lam: float, tried: int) -> Solution:
        """At lambda relative to the mean square of the scaled columns."""
        equations = self.equations
        assert equations is not None

        def report(fraction: float) -> None:
            steps = tried + fraction
            done = self.share + (0.95 - self.share) * steps / max(6.0, steps + 0.5)
            self.context.progress(done, f"solving, lambda {lam:.1e}")

        found = equations.solve(lam * self.rows, self.prior, report, self.spread)
        return dataclasses.replace(found, lam=lam)

    def join(self, held: Sequence[np.ndarray], best: Solution) -> Solution:
        keeping, count = self.keeping, sum(map(len, held))
        found = keeping.get(joined=True) if keeping else None
        if found:
            self._use(found)
        else:
            if keeping:
                kept = keeping.get()
                if kept:
                    self._use(keeping.copy(kept))
            whole = self.frames + count
            self.gather(held, whole / 0.96)
            if keeping and self.frames == whole:
                keeping.put_joined(self._gathered())
        try:
            return self.solve(best.lam, 1000)
        except SingularSystem as error:
            raise ForceFieldError(f"linear ACE: {error}") from None


class QR(Solver):
    """Streaming QR and rank truncation (the paper's RRQR)."""

    equations: StreamingQR | None = None

    def add(self, rows: torch.Tensor, targets: torch.Tensor) -> None:
        if self.equations is None:
            self.equations = StreamingQR(rows.shape[1], device=rows.device)
        self.equations.add(rows, targets)

    def best(self, score: Callable[[Solution], float] | None) -> Solution:
        assert self.equations is not None
        self.context.progress(self.share, "rank-revealing QR")
        made = self.equations.pivoted(self.prior)
        if self.hyper.lam > 0 or score is None:
            found = made.solve(self.hyper.lam or TOLERANCES[2])
        else:
            value = self.told(score)
            solutions: list[tuple[float, Solution]] = []
            for k, tolerance in enumerate(TOLERANCES):
                self.context.progress(
                    self.share + 0.3 * (k + 1) / len(TOLERANCES), f"tolerance {tolerance:.0e}"
                )
                solution = made.solve(tolerance)
                solutions.append((value(solution), solution))
                if self.context.stopping:
                    break
            found = min(solutions, key=lambda pair: pair[0])[1]
        self.remark = f", rank {found.rank}"
        return found


class LSQR(Solver):
    """LSQR on rows kept in memory."""

    def add(self, rows: torch.Tensor, targets: torch.Tensor) -> None:
        self.__dict__.setdefault("kept", []).append((rows, targets))

    def best(self, score: Callable[[Solution], float] | None) -> Solution:
        context, most = self.context, self.hyper.iterations

        def report(iteration: int, residual: float) -> bool:
            if iteration % 10 == 0:
                context.curve(
                    "residual",
                    iteration,
                    residual / self.rows**0.5,
                    x_label="LSQR iteration",
                    y_label="root mean square residual",
                )
            context.progress(self.share + 0.39 * iteration / most, f"LSQR, {iteration}")
            return not context.stopping

        lam = self.hyper.lam or LAMBDA
        found = lsqr(
            self.__dict__["kept"],
            lam=lam * self.rows,
            prior=self.prior,
            iterations=most,
            report=report,
        )
        found = dataclasses.replace(found, lam=lam)
        if score:
            self.told(score)(found)
        return found


SOLVERS: dict[str, type[Solver]] = {"cholesky": Normal, "rrqr": QR, "lsqr": LSQR}
