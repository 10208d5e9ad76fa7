"""Learning curves: error against the number of training frames, for several force fields."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.analyses.resumed import resumed
from core.wire import wire

if TYPE_CHECKING:
    from core.dataset import Dataset, Split
    from core.engine.context import Context
    from core.fitting.part import Part

PARTIAL = "partial.npz"  #: points so far, in the folder of the job


@wire
@dataclass(frozen=True)
class Candidate:
    """A force field with its settings; label: what the plot calls it."""

    label: str
    key: str
    hyper: dict[str, bool | int | float | str] = field(default_factory=dict)


@wire
@dataclass(frozen=True, eq=False)
class LearningSpec:
    """Train every candidate on every size, `repeats` times on other frames.

    test: path of another saved Dataset to test on, "" = what the split leaves. out: folder of the
    project's item; a job that was killed goes on from the points in there.
    """

    dataset: str
    candidates: tuple[Candidate, ...]
    sizes: tuple[int, ...]
    repeats: int = 3
    n_valid: int = 100
    n_test: int = 0
    seed: int = 0
    method: str = "energy-stratified"
    region: str = ""
    test: str = ""
    device: str = "cpu"
    label: str = ""
    out: str = ""


@wire
@dataclass(frozen=True)
class LearningPoint:
    """One training. Energies eV, forces eV/Å, s; problem: why it failed, "" = it did not."""

    label: str
    n_train: int
    repeat: int
    energy_mae: float
    energy_rmse: float
    force_mae: float
    force_rmse: float
    seconds: float
    problem: str = ""


@wire
@dataclass(frozen=True, eq=False)
class Learning:
    """points: in the order they were computed. stopped: ended early on request.

    seed: of the first draw; draw k has the seed after it by k.
    """

    label: str
    dataset: str
    candidates: tuple[Candidate, ...]
    points: tuple[LearningPoint, ...]
    seconds: float = 0.0
    stopped: bool = False
    seed: int = 0

    def mean(self, label: str, quantity: str = "force_mae") -> np.ndarray:
        """(3,S): sizes, mean over the repeats, standard deviation over them (NaN with one)."""
        found: dict[int, list[float]] = {}
        for p in self.points:
            if p.label == label and not p.problem:
                found.setdefault(p.n_train, []).append(getattr(p, quantity))
        sizes = sorted(found)
        spread = [np.std(found[n], ddof=1) if len(found[n]) > 1 else np.nan for n in sizes]
        return np.array([sizes, [np.mean(found[n]) for n in sizes], spread], dtype=np.float64)


@wire
@dataclass(frozen=True, eq=False)
class LearningPart:
    """What is on disk while it runs: mark tells for which question."""

    mark: str
    points: tuple[LearningPoint, ...]


def run(spec: LearningSpec, context: Context) -> Learning:
    """See LearningSpec. A training that fails is a point with a problem; the others go on.

    Raises ValueError where there is nothing to train, SplitError where not even the smallest size
    can be drawn.
    """
    import time
    from pathlib import Path

    from core import storage
    from core.dataset import Dataset
    from core.fitting.part import Part
    from core.forcefields.load import check_atoms

    _check(spec)
    storage.make_folder(spec.out)
    dataset = storage.load(spec.dataset, Dataset)
    other = storage.load(spec.test, Dataset) if spec.test else None
    if other is not None:
        check_atoms(other.molecule, dataset.molecule, what=f"the test set {other.name}")
    for candidate in spec.candidates:
        _split(spec, dataset, candidate, min(spec.sizes), 0)
    partial = Path(spec.out) / PARTIAL if spec.out else None
    points = list(left.points) if (left := resumed(partial, LearningPart, mark(spec))) else []
    if points:
        context.log(f"goes on after {len(points)} points that were there already")
    have = {(p.label, p.n_train, p.repeat) for p in points}
    cells = [
        (n, repeat, c)
        for n in sorted(set(spec.sizes))
        for repeat in range(spec.repeats)
        for c in spec.candidates
        if (c.label, n, repeat) not in have
    ]
    for p in points:
        context.frame(point=p)
    start = time.perf_counter()
    for i, (n, repeat, candidate) in enumerate(cells):
        if context.stopping:
            break
        part = Part(context, i / len(cells), (i + 1) / len(cells))
        point = _point(spec, dataset, other, n, repeat, candidate, part)
        if context.stopping:
            break  # a training that was cut short tells nothing about its number of frames
        points.append(point)
        context.frame(point=point)
        if partial is not None:
            storage.save(partial, LearningPart(mark(spec), tuple(points)))
    result = Learning(
        label=spec.label or "Learning curves",
        dataset=dataset.name,
        candidates=spec.candidates,
        points=tuple(points),
        seconds=time.perf_counter() - start,
        stopped=context.stopping,
        seed=spec.seed,
    )
    storage.save_result(spec.out, result)
    return result


def _split(
    spec: LearningSpec, dataset: Dataset, candidate: Candidate, n: int, repeat: int
) -> Split:
    from core.fitting.splits import draw
    from core.forcefields.load import field_class

    split, _ = draw(
        dataset,
        n_train=n,
        n_valid=spec.n_valid,
        n_test=spec.n_test,
        seed=spec.seed + repeat,
        method=spec.method,
        energies_suffice=field_class(candidate.key).INFO.energies_suffice,
        region=spec.region,
    )
    return split


def _point(
    spec: LearningSpec,
    dataset: Dataset,
    other: Dataset | None,
    n: int,
    repeat: int,
    candidate: Candidate,
    context: Part,
) -> LearningPoint:
    from core.engine.context import Cancelled
    from core.fitting.judge import train
    from core.fitting.splits import SplitError
    from core.forcefields.base import ForceFieldError

    context.title = f"{candidate.label}, {n} frames, draw {repeat + 1}"
    context.progress(0.0, context.title)
    try:
        split = _split(spec, dataset, candidate, n, repeat)
        judged = np.arange(len(other)) if other is not None else split.test
        _, e, seconds = train(
            candidate.key, candidate.hyper, dataset, split, judged, context,
            on=other, device=spec.device,
        )  # fmt: skip
    except Cancelled:
        raise
    except (ForceFieldError, SplitError) as error:
        problem = str(error)
    except Exception as error:  # one training of many: what went wrong is told, the others go on
        problem = f"{type(error).__name__}: {error}"
    else:
        found = (e.energy_mae, e.energy_rmse, e.force_mae, e.force_rmse, seconds)
        return LearningPoint(candidate.label, n, repeat, *found)
    context.log(f"{context.title} (seed {spec.seed + repeat}) failed: {problem}")
    nan = float("nan")
    return LearningPoint(candidate.label, n, repeat, nan, nan, nan, nan, nan, problem)


def _check(spec: LearningSpec) -> None:
    labels = [c.label for c in spec.candidates]
    if not labels or not spec.sizes or spec.repeats < 1:
        raise ValueError("a learning curve needs a force field, a number of frames and one draw")
    if len(set(labels)) < len(labels):
        raise ValueError("two of the force fields have the same name: give each its own")
    if min(spec.sizes) < 1:
        raise ValueError("training needs at least one frame")


def mark(spec: LearningSpec) -> str:
    """What must agree for the points of an earlier run to be kept: all that changes a point."""
    import json

    from core.analyses.fit import same_place
    from core.wire import pack

    plain = dataclasses.replace(
        spec,
        out="",
        label="",
        dataset=same_place(spec.dataset, spec.out),
        test=same_place(spec.test, spec.out),
    )
    return json.dumps(pack(plain), sort_keys=True)


SPEC = LearningSpec
