"""Training sets that flatten the error over the whole configuration space."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.analyses.fit import FitSpec, same_place
from core.analyses.resumed import resumed
from core.dataset import Split
from core.wire import wire

if TYPE_CHECKING:
    from core.dataset import Dataset
    from core.engine.context import Context

MOST_COMPARED = 1000  #: frames to compare on where the person gives no number
PARTIAL = "partial.npz"  #: rounds so far, in the folder of the job


@wire
@dataclass(frozen=True, eq=False)
class FlattenSpec:
    """Choose fit.n_train frames so that no group of shapes is predicted badly.

    The data set is sorted into `groups` clusters. Starting from the share `start` of the frames,
    each of `rounds` rounds trains, looks at the force RMSE of every cluster among the frames not
    held out, and adds the worst frames of those worse than the mean, the more the worse they are.
    Compared with as many frames drawn by fit.method; both judged on frames neither saw: fit.n_test,
    0 = half of what is left, at most 1000. Fonseca,
    Poltavsky, Vassilev-Galindo & Tkatchenko, J. Chem. Phys. 154, 124102 (2021); Poltavsky &
    Tkatchenko, J. Phys. Chem. Lett. 12, 6551 (2021), fig. 10. A frame with a wrong label is a bad
    one too and will be chosen: look at the outliers of an import first. out: folder of the
    project's item; a killed job goes on after the rounds in there.
    """

    fit: FitSpec
    groups: int = 50
    start: float = 0.25
    rounds: int = 8
    label: str = ""
    out: str = ""


@wire
@dataclass(frozen=True, eq=False)
class Flatten:
    """K clusters: size (K,) frames, before and after (K,) eV/Å RMSE on the test frames, NaN where a
    cluster has none there. rmse_before, rmse_after: of all test frames. split: the frames chosen,
    with the same validation and test frames as before; split_before: drawn by fit.method. cluster
    (M,) of each frame. rounds: RMSE of the worst cluster and of all after each round (2,R); sizes:
    training frames in each of them.
    """

    label: str
    key: str
    size: np.ndarray
    before: np.ndarray
    after: np.ndarray
    rmse_before: float
    rmse_after: float
    split: Split
    split_before: Split
    cluster: np.ndarray
    rounds: np.ndarray
    fit: FitSpec
    seconds: float = 0.0
    stopped: bool = False
    notes: dict[str, str] = field(default_factory=dict)
    sizes: tuple[int, ...] = ()


@wire
@dataclass(frozen=True, eq=False)
class FlattenPart:
    """What is on disk while it runs: frames chosen, rounds (2,R) as in Flatten, for which job."""

    mark: str
    chosen: np.ndarray
    rounds: np.ndarray


def compared(left: int) -> int:
    """How many of the frames left are kept to compare on: the others are there to be chosen."""
    return min(MOST_COMPARED, max(1, left // 2))


def run(spec: FlattenSpec, context: Context) -> Flatten:
    """See FlattenSpec. Raises ValueError, SplitError or ForceFieldError saying what to change."""
    import time
    from pathlib import Path

    from core import storage
    from core.analyses.fit import drawn
    from core.dataset import Dataset
    from core.fitting.clusters import clusters
    from core.fitting.part import Part
    from core.fitting.partitions import sides
    from core.fitting.splits import REGION, usable
    from core.forcefields.load import field_class

    if not 0 < spec.start < 1 or spec.rounds < 1 or spec.groups < 2:
        raise ValueError("the first share must lie between 0 and 1, with a round and two groups")
    begin = time.perf_counter()
    storage.make_folder(spec.out)
    dataset = storage.load(spec.fit.dataset, Dataset)
    info = field_class(spec.fit.key).INFO
    fit = spec.fit
    if not fit.n_test:
        pool, _ = usable(dataset, energies_suffice=info.energies_suffice)
        fit = dataclasses.replace(fit, n_test=compared(len(pool) - fit.n_train - fit.n_valid))
    split, notes = drawn(fit, dataset, info)
    if not len(split.test):
        raise ValueError("no frames are left to judge by: ask for fewer training frames")
    if dataset.forces is None or not dataset.has_forces[split.test].all():
        raise ValueError(f"{dataset.name}: groups are compared by their forces, and it has none")
    label = clusters(dataset.positions, spec.groups, seed=spec.fit.seed)
    context.log(f"{label.max() + 1} groups of {np.bincount(label).min()} frames and more")
    held = np.concatenate([split.valid, split.test])
    pool = np.setdiff1d(np.flatnonzero(dataset.has_forces), held)
    if fit.method == REGION:  # trained inside alone
        pool, _ = sides(pool, dataset, fit.region)
    total, first = len(split.train), max(2, round(spec.start * len(split.train)))
    # drawing shuffles: every beginning of the training frames is a fair sample too
    chosen = split.train[:first]
    track: list[tuple[float, float]] = []
    partial = Path(spec.out) / PARTIAL if spec.out else None
    before = resumed(partial, FlattenPart, mark(spec))
    if before is not None:
        chosen, track = before.chosen, [(float(a), float(b)) for a, b in before.rounds.T]
        context.log(f"goes on after {len(track)} rounds that were there already")
    sizes = np.round(np.linspace(first, total, spec.rounds + 1)).astype(int)
    steps = np.diff(sizes)
    share = 1.0 / (len(steps) + 2)
    for size, done in zip(sizes, track, strict=False):
        _draw(int(size), done, context)
    for i, more in enumerate(steps):
        if i < len(track):
            continue
        if context.stopping:
            break
        part = Part(context, i * share, (i + 1) * share)
        part.title = f"round {i + 1} of {len(steps)}, {len(chosen)} frames"
        part.progress(0.0, part.title)
        rest = np.setdiff1d(pool, chosen)
        frames, rmse = _errors(spec, dataset, split, chosen, rest, part)
        if context.stopping:
            break  # a training that was cut short tells nothing about the groups
        worst = _by_group(rmse**2, label[frames]) ** 0.5
        track.append((float(np.nanmax(worst)), float(np.sqrt(np.mean(rmse**2)))))
        _draw(len(chosen), track[-1], context)
        chosen = np.concatenate([chosen, pick(frames, rmse, label[frames], int(more))])
        if partial is not None:
            storage.save(partial, FlattenPart(mark(spec), chosen, np.array(track).T))
    after = dataclasses.replace(split, train=chosen, method="flattened")
    found = {}
    for i, (name, one) in enumerate((("before", split), ("after", after))):
        if name == "before" and len(chosen) < total:  # stopped: compare sets of one size
            one = dataclasses.replace(split, train=split.train[: len(chosen)])
        part = Part(context, (len(steps) + i) * share, (len(steps) + i + 1) * share)
        part.title = f"errors {name}"
        part.progress(0.0, part.title)
        frames, rmse = _errors(spec, dataset, split, one.train, split.test, part, whole=True)
        found[name] = (_by_group(rmse**2, label[frames], label.max() + 1) ** 0.5,
                       float(np.sqrt(np.mean(rmse**2))), one)  # fmt: skip
    result = Flatten(
        label=spec.label or "Flattened training set",
        key=spec.fit.key,
        size=np.bincount(label),
        before=found["before"][0],
        after=found["after"][0],
        rmse_before=found["before"][1],
        rmse_after=found["after"][1],
        split=found["after"][2],
        split_before=found["before"][2],
        cluster=label,
        rounds=np.array(track).T.reshape(2, -1),
        fit=dataclasses.replace(spec.fit, split=None),
        seconds=time.perf_counter() - begin,
        stopped=context.stopping,
        notes=notes,
        sizes=tuple(int(n) for n in sizes[: len(track)]),
    )
    storage.save_result(spec.out, result)
    return result


def pick(frames: np.ndarray, rmse: np.ndarray, group: np.ndarray, n: int) -> np.ndarray:
    """n of `frames` from the groups worse than the mean, as many as their RMSE exceeds it.

    frames, rmse (eV/Å), group (P,). A group's share does not depend on how large it is, and within
    it the worst frames come first: drawn at random they repeat what is known, and do not flatten.
    Where the bad groups have too few frames, the worst of the others fill up.
    """
    n = min(n, len(frames))
    order = np.argsort(-rmse, kind="stable")
    size = np.bincount(group)
    worst = np.nan_to_num(_by_group(rmse**2, group)) ** 0.5
    share = np.clip(worst - float(np.sqrt(np.mean(rmse**2))), 0, None)
    take = _apportion(share, size, n)
    # place of each frame in its own group, the worst first
    place = np.empty(len(frames), dtype=np.int64)
    for k in np.flatnonzero(take):
        mine = order[group[order] == k]
        place[mine] = np.arange(len(mine))
    first = take[group] > 0
    first[first] = place[first] < take[group][first]
    rest = order[~first[order]][: n - int(first.sum())]
    return frames[np.concatenate([order[first[order]], rest])]


def _apportion(share: np.ndarray, size: np.ndarray, n: int) -> np.ndarray:
    """Whole numbers (K,) near n share / sum(share), none above its size; they may sum to less."""
    take = np.zeros(len(share), dtype=np.int64)
    if not share.sum():
        return take
    wanted = share / share.sum() * n
    take = np.minimum(size, np.floor(wanted).astype(np.int64))
    for _ in range(n - int(take.sum())):
        left = np.where((take < size) & (share > 0), wanted - take, -np.inf)
        if not np.isfinite(left).any():
            break
        take[int(left.argmax())] += 1
    return take


def _draw(frames: int, errors: tuple[float, float], context: Context) -> None:
    for name, value in zip(("worst group", "all frames"), errors, strict=True):
        context.curve(name, frames, value, x_label="training frames", y_label="force RMSE (eV/Å)")


def mark(spec: FlattenSpec) -> str:
    """What must agree for the rounds of an earlier run to be kept: all that changes them."""
    import json

    from core.wire import pack

    place = same_place(spec.fit.dataset, spec.out)
    fit = dataclasses.replace(spec.fit, out="", label="", split=None, dataset=place)
    return json.dumps(pack(dataclasses.replace(spec, fit=fit, out="", label="")), sort_keys=True)


def _errors(
    spec: FlattenSpec,
    dataset: Dataset,
    split: Split,
    train: np.ndarray,
    judged: np.ndarray,
    context: Context,
    *,
    whole: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """(frames, force RMSE of each eV/Å) of a training on `train`; failed frames are left out.

    whole: a request to stop does not cut the training short.
    """
    from core.fitting import training
    from core.fitting.evaluation import predict_frames
    from core.fitting.judge import Quiet
    from core.forcefields.load import field_class, hyper_from

    cls = field_class(spec.fit.key)
    none = np.zeros(0, dtype=np.int64)
    blind = dataclasses.replace(split, train=train, test=none)
    values = hyper_from(cls, spec.fit.hyper)
    part = Quiet(context, 0.0, 0.9, device=spec.fit.device)
    rest = Quiet(context, 0.9, 1.0)
    part.finishing = rest.finishing = whole
    model = training.train(cls, dataset, blind, values, part)
    _, forces, _, _ = predict_frames(model, dataset, judged, rest)
    assert dataset.forces is not None
    rmse = np.sqrt(np.square(forces - dataset.forces[judged]).mean((1, 2)))
    good = np.isfinite(rmse)
    return judged[good], rmse[good]


def _by_group(values: np.ndarray, group: np.ndarray, count: int | None = None) -> np.ndarray:
    """Mean of values (P,) over each group (K,), NaN where a group has none."""
    count = int(group.max()) + 1 if count is None else int(count)
    n = np.bincount(group, minlength=count)
    total = np.bincount(group, values, minlength=count)
    return np.divide(total, n, out=np.full(count, np.nan), where=n > 0)


SPEC = FlattenSpec
