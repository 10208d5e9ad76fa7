"""Which settings a search tries next: a grid, or Optuna's tree-structured Parzen estimator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from core.analyses.search import Range, SearchSpec, Trial, Value, grid_values, score

MOST = 2000  #: trainings of one search
DIGITS = 3  #: of a number that Optuna proposes

Ask = Callable[[Sequence[Trial]], dict[str, Value]]


def suggestions(spec: SearchSpec, before: Sequence[Trial]) -> tuple[int, Ask]:
    """(number of trials in all, what to try next given those made so far).

    Deterministic: the same trials before give the same one next. Raises ValueError where a grid
    would be larger than MOST.
    """
    if spec.method == "grid":
        points = _grid(spec.ranges)
        return len(points), lambda trials: points[len(trials)]
    if spec.trials > MOST:
        raise ValueError(f"{spec.trials} trials; at most {MOST}")
    return spec.trials, lambda trials: _asked(spec, trials)


def _grid(ranges: tuple[Range, ...]) -> list[dict[str, Value]]:
    axes = [grid_values(r) for r in ranges]
    size = 1
    for axis in axes:
        size *= len(axis)
    if size > MOST:
        raise ValueError(f"the grid has {size} points; at most {MOST}: take fewer steps")
    names = [r.name for r in ranges]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*axes)]


def _asked(spec: SearchSpec, trials: Sequence[Trial]) -> dict[str, Value]:
    """Optuna is told all trials again each time: then a resumed search asks what it would have."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {r.name: _distribution(r) for r in spec.ranges}
    sampler = optuna.samplers.TPESampler(seed=spec.fit.seed * (MOST + 1) + len(trials))
    study = optuna.create_study(sampler=sampler)
    for trial in trials:
        value = score(trial, spec.objective)
        failed = value == float("inf")
        study.add_trial(
            optuna.trial.create_trial(
                params={name: trial.values[name] for name in space},
                distributions=space,
                value=None if failed else value,
                state=optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE,
            )
        )
    asked = study.ask(space).params
    return {r.name: _short(asked[r.name], r) for r in spec.ranges}


def _short(value: Value, r: Range) -> Value:
    """Digits that a person can read and type again, and no training can tell from the rest."""
    if isinstance(value, float):
        return min(max(float(f"{value:.{DIGITS}g}"), r.low), r.high)
    return value


def _distribution(r: Range) -> Any:
    import optuna

    if r.choices:
        return optuna.distributions.CategoricalDistribution(r.choices)
    if r.whole:
        return optuna.distributions.IntDistribution(round(r.low), round(r.high), log=r.log)
    return optuna.distributions.FloatDistribution(r.low, r.high, log=r.log)
