"""Search for the settings with which a force field learns best."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.analyses.fit import FitSpec, same_place
from core.analyses.resumed import resumed
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context

PARTIAL = "partial.npz"
METHODS = ("grid", "optuna")
OBJECTIVES = ("force", "energy", "both")
Value = bool | int | float | str


@wire
@dataclass(frozen=True)
class Range:
    """What one setting may be: `choices`, or low to high (log: by ratio, whole: integers).

    steps: how many values a grid takes.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    steps: int = 5
    choices: tuple[bool | int | float | str, ...] = ()


@wire
@dataclass(frozen=True, eq=False)
class SearchSpec:
    """Train `fit` with other settings and keep what does best on its validation frames.

    ranges: the settings that vary, the others stay as in `fit`. method: "grid" (all combinations)
    or "optuna" (its TPE sampler, `trials` of them). objective: force RMSE, energy RMSE or the
    product of both. out: folder of the project's item; a killed job goes on from the trials there.
    """

    fit: FitSpec
    ranges: tuple[Range, ...]
    method: str = "grid"
    trials: int = 30
    objective: str = "force"
    label: str = ""
    out: str = ""


@wire
@dataclass(frozen=True)
class Trial:
    """One training. Errors on the validation frames, eV and eV/Å; problem: "" where it worked."""

    values: dict[str, bool | int | float | str]
    energy_rmse: float
    force_rmse: float
    seconds: float
    problem: str = ""


@wire
@dataclass(frozen=True, eq=False)
class Search:
    """trials in their order; best: index of the winner, -1 where none worked."""

    label: str
    key: str
    ranges: tuple[Range, ...]
    objective: str
    trials: tuple[Trial, ...]
    best: int
    fit: FitSpec
    seconds: float = 0.0
    stopped: bool = False
    mark: str = ""

    @property
    def hyper(self) -> dict[str, bool | int | float | str]:
        """The settings of `fit` with those of the winner."""
        won = self.trials[self.best].values if self.best >= 0 else {}
        return {**self.fit.hyper, **won}


def score(trial: Trial, objective: str) -> float:
    """What is made small: eV/Å, eV, or their product; infinite where the training failed."""
    if trial.problem:
        return float("inf")
    energy, force = trial.energy_rmse, trial.force_rmse
    value = {"force": force, "energy": energy, "both": force * energy}[objective]
    return value if np.isfinite(value) else float("inf")


def grid_values(r: Range) -> tuple[Value, ...]:
    """The values that a grid takes of a range."""
    if r.choices:
        return r.choices
    space = np.geomspace if r.log else np.linspace
    values = space(r.low, r.high, max(1, r.steps))
    if r.whole:
        return tuple(dict.fromkeys(round(float(v)) for v in values))
    return tuple(float(f"{v:.6g}") for v in values)


def run(spec: SearchSpec, context: Context) -> Search:
    """See SearchSpec. A training that fails is a trial with a problem; the others go on.

    Raises ValueError for settings that are not there or ranges that are none; SplitError.
    """
    import time
    from pathlib import Path

    from core import storage
    from core.analyses.fit import drawn
    from core.dataset import Dataset, Split
    from core.fitting.part import Part
    from core.fitting.search import suggestions
    from core.forcefields.load import field_class

    cls = field_class(spec.fit.key)
    check(spec, {p.name for p in cls.parameters()})
    storage.make_folder(spec.out)
    dataset = storage.load(spec.fit.dataset, Dataset)
    split, _ = drawn(spec.fit, dataset, cls.INFO)
    if not len(split.valid):
        raise ValueError("a search compares errors on validation frames: ask for some")
    none = np.zeros(0, dtype=np.int64)
    # the trainings may use no frame that judges them
    blind = Split(split.train, none, none, seed=split.seed, method=split.method)
    partial = Path(spec.out) / PARTIAL if spec.out else None
    wanted = mark(spec)
    trials = list(left.trials) if (left := resumed(partial, Search, wanted)) else []
    if trials:
        context.log(f"goes on after {len(trials)} trials that were there already")
    start = time.perf_counter()

    def result() -> Search:
        scores = [score(t, spec.objective) for t in trials]
        best = int(np.argmin(scores)) if scores and np.isfinite(min(scores)) else -1
        return Search(
            label=spec.label or f"Search, {cls.INFO.label}",
            key=spec.fit.key,
            ranges=spec.ranges,
            objective=spec.objective,
            trials=tuple(trials),
            best=best,
            fit=dataclasses.replace(spec.fit, split=None),
            seconds=time.perf_counter() - start,
            stopped=context.stopping,
            mark=wanted,
        )

    for trial in trials:
        context.frame(trial=trial)
    count, ask = suggestions(spec, trials)
    for i in range(len(trials), count):
        if context.stopping:
            break
        values = ask(trials)
        part = Part(context, i / count, (i + 1) / count)
        part.title = f"trial {i + 1} of {count}"
        part.progress(0.0, part.title)
        trial = _trial(spec, dataset, blind, split.valid, values, part)
        if context.stopping:
            break  # a training that was cut short tells nothing about its settings
        trials.append(trial)
        context.frame(trial=trials[-1])
        scores = [score(t, spec.objective) for t in trials]
        if np.isfinite(min(scores)):
            context.curve("best so far", i + 1, min(scores), x_label="trial",
                          y_label="RMSE (eV)" if spec.objective == "energy" else "RMSE (eV/Å)"
                          if spec.objective == "force" else "product of RMSEs")  # fmt: skip
        if partial is not None:
            storage.save(partial, result())
    found = result()
    storage.save_result(spec.out, found)
    return found


def _trial(spec, dataset, split, valid, values, context) -> Trial:  # type: ignore[no-untyped-def]
    from core.engine.context import Cancelled
    from core.fitting.judge import train
    from core.forcefields.base import ForceFieldError

    nan = float("nan")
    hyper = {**spec.fit.hyper, **values}
    try:
        _, e, seconds = train(
            spec.fit.key, hyper, dataset, split, valid, context, device=spec.fit.device
        )
    except Cancelled:
        raise
    except Exception as error:  # one training of many: what went wrong is told, the others go on
        known = isinstance(error, ForceFieldError)
        problem = str(error) if known else f"{type(error).__name__}: {error}"
        context.log(f"{values} failed: {problem}")
        return Trial(values, nan, nan, nan, problem)
    return Trial(values, e.energy_rmse, e.force_rmse, seconds)


def check(spec: SearchSpec, known: set[str]) -> None:
    """Raises ValueError naming the setting, range, method or objective that cannot be."""
    if spec.method not in METHODS:
        raise ValueError(f"there is no search {spec.method!r}; there are {', '.join(METHODS)}")
    if spec.objective not in OBJECTIVES:
        raise ValueError(f"a search is for {', '.join(OBJECTIVES)}, not for {spec.objective!r}")
    if not spec.ranges or spec.trials < 1:
        raise ValueError("a search needs a setting that varies and at least one trial")
    for r in spec.ranges:
        if r.name not in known:
            raise ValueError(
                f"{spec.fit.key} has no setting {r.name!r}: {', '.join(sorted(known))}"
            )
        if r.choices:
            continue
        finite = np.isfinite([r.low, r.high]).all()
        if not finite or r.low > r.high or (r.log and r.low <= 0) or r.steps < 1:
            raise ValueError(
                f"{r.name}: {r.low:g} to {r.high:g} is no range"
                + (" to be stepped through by ratio: it must start above 0" if r.log else "")
            )


def mark(spec: SearchSpec) -> str:
    """What must agree for the trials of an earlier run to be kept."""
    import json

    from core.wire import pack

    place = same_place(spec.fit.dataset, spec.out)
    fit = dataclasses.replace(spec.fit, out="", label="", split=None, dataset=place)
    plain = dataclasses.replace(spec, fit=fit, out="", label="", trials=1)
    return json.dumps(pack(plain), sort_keys=True)


SPEC = SearchSpec
