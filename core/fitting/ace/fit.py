"""Fit a linear ACE: basis for the molecule, equations in blocks of frames, prior, lambda."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.descriptors.ace.setup import Setup, System
from core.descriptors.inverse_distances import internal_basis
from core.fitting.ace.setup import check, constants, cost, resolve
from core.fitting.cores import Spread, spread_over_cores
from core.fitting.linear import NormalEquations, SingularSystem, Solution, choose
from core.fitting.linear_rows import StreamingQR, lsqr
from core.forcefields.base import ForceFieldError

if TYPE_CHECKING:
    from core.engine.context import Context

BLOCK = 2.5e8  #: bytes of rows held before they are added to the equations
LAMBDA = 1e-8  #: where the search starts, relative to the mean squared scaled column
HELD = 10  #: one of so many training frames chooses lambda where there are no validation frames
TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)  #: tried for rrqr


class _Frames:
    """Rows and targets of frames: energies and the internal components of forces, weighted."""

    def __init__(
        self, dataset: Dataset, system: System, offset: float, energy_weight: float, device: str
    ) -> None:
        self.dataset, self.design = dataset, system.design()
        self.offset, self.weight, self.device = offset, energy_weight, device
        self.columns = self.design.columns

    def rows(self, frame: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(m,K) and (m,): first the energy where there is one, then 3N-6 forces where there are."""
        data = self.dataset
        x = torch.tensor(data.positions[frame], device=self.device)
        with_energy = bool(data.has_energy[frame]) and self.weight > 0
        with_forces = bool(data.has_forces[frame])
        q = internal_basis(x[None])[0] if with_forces else x.new_zeros(x.numel(), 0)
        rows = self.design.frame(x, q)
        rows[0] *= self.weight
        rows[1:] *= -1.0
        y = x.new_empty(len(rows))
        if with_energy:
            assert data.energies is not None
            y[0] = (float(data.energies[frame]) - self.offset) * self.weight
        if with_forces:
            assert data.forces is not None
            y[1:] = q.T @ torch.tensor(data.forces[frame], device=self.device).ravel()
        return (rows, y) if with_energy else (rows[1:], y[1:])

    def blocks(
        self, frames: np.ndarray, spread: Spread, tell: Callable[[int], bool]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Blocks of rows of `frames`; tell(frames done) answers whether to go on."""
        n = 3 * len(self.dataset.molecule.numbers) + 1
        at_once = max(1, int(BLOCK / (8.0 * self.columns * n)))
        for start in range(0, len(frames), at_once):
            done = list(spread(self.rows, frames[start : start + at_once].tolist()))
            yield torch.cat([r for r, _ in done]), torch.cat([y for _, y in done])
            if not tell(min(start + at_once, len(frames))):
                return


def fit_arrays(
    dataset: Dataset, split: Split, hyper: Any, context: Context, field: Any
) -> dict[str, Any]:
    """Train on split.train; keyword arguments of the field. Raises ForceFieldError."""
    begun = time.perf_counter()
    check(dataset, split, hyper)
    setup = resolve(dataset, split.train, hyper)
    one_body = constants(dataset, split.train, setup, hyper)
    numbers = dataset.molecule.numbers
    offset = float(one_body[np.searchsorted(setup.elements, numbers)].sum())
    try:
        columns = setup.columns()
    except ValueError as error:
        raise ForceFieldError(f"linear ACE: {error}; choose lower ones") from None
    seconds, need = cost(len(numbers), len(split.train), columns, hyper.solver)
    context.log(f"{columns} basis functions; about {seconds:.0f} s and {need / 2**30:.1f} GiB")
    if need > hyper.memory * 2**30:
        raise ForceFieldError(
            f"linear ACE: the fit of {columns} functions needs about {need / 2**30:.1f} GiB, more "
            f"than the {hyper.memory:g} GiB allowed; choose fewer functions or raise the limit"
        )
    system = setup.system(numbers, device=context.device, dtype=torch.float64)
    weight = 0.0 if hyper.one_body == "forces only" else hyper.energy_weight
    frames = _Frames(dataset, system, offset, weight, context.device)

    train, valid = split.train, split.valid
    held = np.zeros(0, dtype=np.int64)
    by_error = hyper.choose == "validation"
    searched = by_error and hyper.lam == 0 and hyper.solver == "cholesky"
    if searched and not len(valid) and len(train) >= HELD:
        # lambda is chosen on a tenth of the training frames, which then join the equations
        valid = held = train[HELD // 2 :: HELD]
        train = np.setdiff1d(train, held)
        context.log(f"lambda is chosen on {len(held)} of the training frames, then all are used")

    def score(solution: Solution) -> float:
        model = system.evaluator(solution.coefficients.cpu().numpy())
        return _error(model.compute, dataset, valid, offset, context.device)

    with spread_over_cores(context.device) as spread:
        solver = _SOLVERS[hyper.solver](frames, train, setup, hyper, context, spread)
        built = time.perf_counter()
        best = solver.best(score if len(valid) and by_error else None)
        if len(held) and not context.stopping:
            best = solver.join(held, best)
    done = time.perf_counter()
    notes = {
        "basis functions": str(columns),
        "degrees": " ".join(f"{d:g}" for d in setup.degrees),
        "regularisation": f"{best.lam:.1e}" + (" (chosen)" if hyper.lam == 0 else ""),
        "one-body energy": hyper.one_body
        if hyper.one_body != "auto"
        else ("isolated atoms" if dataset.isolated_atoms else "average"),
        "equations": f"{solver.rows} rows in {built - begun:.1f} s",
        "solution": f"{done - built:.1f} s" + solver.remark,
        "memory": f"about {need / 2**30:.1f} GiB",
    }
    if solver.frames < len(split.train):
        notes["training frames"] = f"{solver.frames} of {len(split.train)} (stopped early)"
    if np.isfinite(best.log_evidence):
        notes["log evidence"] = f"{best.log_evidence:.1f}"
    found = {
        "setup": setup,
        "coefficients": best.coefficients.cpu().numpy(),
        "one_body": one_body,
        "notes": notes,
    }
    if weight == 0:
        found |= _shift(found, field, dataset, split.train, hyper, context.device)
    context.progress(1.0, "trained")
    return found


def _shift(
    found: dict[str, Any], field: Any, dataset: Dataset, train: np.ndarray, hyper: Any, device: str
) -> dict[str, Any]:
    """One-body energies that make the mean training energy error zero (forces-only fits)."""
    known = train[dataset.has_energy[train]]
    if not len(known):
        found["notes"]["energy constant"] = "none: no training frame has an energy"
        return {"absolute": False}
    assert dataset.energies is not None
    model = field(dataset.molecule, hyper, device=device, **found)
    wrong = dataset.energies[known] - model.predict(dataset.positions[known]).energy
    return {"one_body": found["one_body"] + wrong.mean() / len(dataset.molecule.numbers)}


def _error(compute: Any, dataset: Dataset, frames: np.ndarray, offset: float, device: str) -> float:
    """Force MAE eV/Å where there are forces, else energy MAE eV."""
    with_forces = frames[dataset.has_forces[frames]]
    use = with_forces if len(with_forces) else frames
    total, count = 0.0, 0
    for start in range(0, len(use), 32):
        part = use[start : start + 32]
        e, f = compute(torch.tensor(dataset.positions[part], device=device))
        if len(with_forces):
            assert dataset.forces is not None
            wrong = f.cpu().numpy() - dataset.forces[part]
        else:
            assert dataset.energies is not None
            wrong = e.cpu().numpy() + offset - dataset.energies[part]
        total, count = total + float(np.abs(wrong).sum()), count + wrong.size
    return total / count


class _Solver:
    """Equations gathered for one way to solve them; `best(score)` chooses the regularisation."""

    share = 0.6  # of the progress, for gathering

    def __init__(
        self,
        frames: _Frames,
        train: np.ndarray,
        setup: Setup,
        hyper: Any,
        context: Context,
        spread: Spread,
    ) -> None:
        self.hyper, self.context, self.spread = hyper, context, spread
        self.source, self.frames, self.rows, self.remark = frames, 0, 0, ""
        roughness = torch.as_tensor(setup.roughness(hyper.smoothness), device=context.device)
        self.square = torch.zeros_like(roughness)
        self.gather(train, len(train) / self.share)
        square = self.square
        # widths in units in which every function has the same mean square on the data
        size = (square / self.rows).sqrt()
        size = size.clamp(min=float(size.max()) * 1e-9)
        prior = 1.0 / (roughness * size)
        self.prior = prior / ((prior**2 * square).mean() / self.rows).sqrt()

    def gather(self, train: np.ndarray, whole: float) -> None:
        """Add the rows of frames; progress counts them as a part of `whole`."""
        before = self.frames

        def tell(count: int) -> bool:
            self.frames = before + count
            self.context.progress(
                min(0.99, self.frames / whole), f"equations, {self.frames} frames"
            )
            return not self.context.stopping

        for rows, targets in self.source.blocks(train, self.spread, tell):
            if not bool(torch.isfinite(rows).all()):
                raise ForceFieldError(
                    f"linear ACE: a basis function is not finite after training frame "
                    f"{self.frames} of the split; two atoms may lie on each other"
                )
            self.square += rows.square().sum(0)
            self.rows += len(rows)
            self.add(rows, targets)

    def join(self, held: np.ndarray, best: Solution) -> Solution:
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
            name = "validation force MAE" if score else "minus log evidence"
            unit = " (eV/Å)" if score else ""
            self.context.curve(
                name, found.lam, v, x_label="regularisation λ", y_label=f"{name}{unit}"
            )
            self.context.log(f"lambda {found.lam:.1e}: {name} {v:.5g}")
            return v

        return value


class _Normal(_Solver):
    """Normal equations and Cholesky: the fastest, for every lambda from the same triangle."""

    equations: NormalEquations | None = None

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

    def join(self, held: np.ndarray, best: Solution) -> Solution:
        self.gather(held, (self.frames + len(held)) / 0.96)
        try:
            return self.solve(best.lam, 1000)
        except SingularSystem as error:
            raise ForceFieldError(f"linear ACE: {error}") from None


class _QR(_Solver):
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


class _LSQR(_Solver):
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


_SOLVERS: dict[str, type[_Solver]] = {"cholesky": _Normal, "rrqr": _QR, "lsqr": _LSQR}
