"""Train a force field on a data set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.analyses.errors import Errors, evaluate
from core.analyses.parameters import FLAGS, flags_to_text
from core.dataset import Split
from core.wire import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.dataset import Dataset
    from core.engine.context import Context
    from core.fitting.portion import Portion
    from core.forcefields.base import ForceField
    from core.forcefields.info import Info


@wire
@dataclass(frozen=True, eq=False)
class FitShare:
    """Another molecule's data set that a combined fit learns from too.

    Frames are drawn like those of the first, with its seed and method, unless `split` is given.
    """

    dataset: str
    n_train: int = 200
    n_valid: int = 100
    n_test: int = 0
    split: Split | None = None


@wire
@dataclass(frozen=True, eq=False)
class FitSpec:
    """Train `key` on a saved Dataset.

    n_train, n_valid, n_test (0 = all that is left, at most 1000) frames are drawn with `seed` by
    `method` unless `split` is given (region: for the method surface-region, as "1-2-3-9:-90:90",
    atoms from 1, degrees). out: folder for model.npz (empty = keep in memory only). others: data
    sets of other molecules to be learnt together with this one (fields with Info.combines).
    """

    key: str
    dataset: str
    n_train: int = 200
    n_valid: int = 100
    n_test: int = 0
    seed: int = 0
    method: str = "energy-stratified"
    hyper: dict[str, bool | int | float | str] = field(default_factory=dict)
    split: Split | None = None
    device: str = "cpu"
    label: str = ""
    out: str = ""
    region: str = ""
    others: tuple[FitShare, ...] = ()


@wire
@dataclass(frozen=True, eq=False)
class ShareResult:
    """What a combined fit reaches on another of its molecules: errors on its test frames."""

    name: str
    formula: str
    dataset: str  # as seen from the fit's folder
    split: Split
    errors: Errors


@wire
@dataclass(frozen=True, eq=False)
class Fit:
    """A trained force field: `model` is the path of its file.

    errors: on the test frames. curves: name -> (2,P) points of what was plotted live,
    curve_labels: name -> titles of its axes. info: what the method wants to tell (permutations
    found, sigma chosen …). fit_seconds: of the fit alone, wall clock; peak_rss: bytes of the worker
    during the whole job; versions of what computed it; stopped: ended early on request. others: the
    other molecules of a combined fit.
    """

    label: str
    key: str
    model: str
    split: Split
    errors: Errors
    hyper: dict[str, bool | int | float | str] = field(default_factory=dict)
    curves: dict[str, np.ndarray] = field(default_factory=dict)
    info: dict[str, str] = field(default_factory=dict)
    fit_seconds: float = 0.0
    peak_rss: float = 0.0
    device: str = "cpu"
    versions: dict[str, str] = field(default_factory=dict)
    stopped: bool = False
    curve_labels: dict[str, tuple[str, str]] = field(default_factory=dict)
    others: tuple[ShareResult, ...] = ()


def run(spec: FitSpec, context: Context) -> Fit:
    """See FitSpec. Raises ForceFieldError, SplitError or StorageError saying what to change."""
    import time
    from pathlib import Path

    from core import storage
    from core.dataset import Dataset
    from core.engine import system
    from core.fitting.part import Part
    from core.fitting.training import check_combines, train_together
    from core.forcefields.base import ForceFieldError
    from core.forcefields.load import field_class, hyper_from, save_model

    cls = field_class(spec.key)
    if not cls.INFO.trainable:
        raise ForceFieldError(f"{cls.INFO.label} is not trained on data: use it as it is")
    if spec.others:
        check_combines(cls)
    hyper = hyper_from(cls, spec.hyper)
    storage.make_folder(spec.out)
    dataset = storage.load(spec.dataset, Dataset)
    portions, notes = portions_of(spec, dataset, cls.INFO)
    for note in notes.values():
        context.log(note)
    device = spec.device if spec.device != "cpu" else context.device
    start = time.perf_counter()
    part = Part(context, 0.0, 0.95, device=device)
    part.folder = spec.out  # a fit that was killed goes on from what it left there
    model = train_together(cls, portions, hyper, part)
    seconds = time.perf_counter() - start
    label = spec.label or _label(cls.INFO, portions)
    path = ""
    if spec.out:
        path = str(Path(spec.out) / "model.npz")
        extra = {"label": label, **_origin(portions)}
        if flags := getattr(model, "flags", ()):  # of terms, where there are any
            extra[FLAGS] = flags_to_text(flags)
        save_model(path, model, extra=extra)
    errors = _errors(model, portions, Part(context, 0.95, 1.0), label)
    result = Fit(
        label=label,
        key=spec.key,
        model=path,
        split=portions[0].split,
        errors=errors[0],
        hyper=dataclasses.asdict(hyper),
        curves=part.curves(),
        curve_labels=part.curve_labels(),
        info={**notes, **model.notes},
        fit_seconds=seconds,
        peak_rss=context.peak_rss(),
        device=device,
        versions=system.versions(),
        stopped=context.stopping,
        others=tuple(
            ShareResult(p.dataset.name, p.formula, same_place(s.dataset, spec.out), p.split, e)
            for s, p, e in zip(spec.others, portions[1:], errors[1:], strict=True)
        ),
    )
    storage.save_result(spec.out, result)
    return result


def portions_of(
    spec: FitSpec, dataset: Dataset, info: Info
) -> tuple[tuple[Portion, ...], dict[str, str]]:
    """All molecules of the fit with their frames, and notes on those left out.

    Raises SplitError or ValueError, which name the data set where there are several.
    """
    from core import storage
    from core.dataset import Dataset
    from core.fitting.portion import Portion

    if spec.region and any(s.split is None for s in spec.others):
        raise ValueError(
            "a region is that of one molecule's atoms; draw the frames of several in another way"
        )
    own, notes = drawn(spec, dataset, info)
    portions = [Portion(dataset, own)]
    for share in spec.others:
        other = storage.load(share.dataset, Dataset)
        if any(np.array_equal(other.positions, p.dataset.positions) for p in portions):
            raise ValueError(f"{other.name} is there twice; take more frames of it instead")
        mine = dataclasses.replace(
            spec,
            split=share.split,
            n_train=share.n_train,
            n_valid=share.n_valid,
            n_test=share.n_test,
        )
        try:
            split, more = drawn(mine, other, info)
        except ValueError as error:
            named = str(error) if other.name in str(error) else f"{other.name}: {error}"
            raise type(error)(named) from None
        portions.append(Portion(other, split))
        notes |= {f"{key}, {other.name}": text for key, text in more.items()}
    if len(portions) > 1:
        notes["molecules"] = ", ".join(
            f"{p.dataset.name} ({p.formula}, {len(p.split.train)} frames)" for p in portions
        )
    levels = {p.dataset.level for p in portions if p.dataset.level}
    if len(levels) > 1:
        notes["levels of theory"] = f"they differ: {', '.join(sorted(levels))}"
    return tuple(portions), notes


def _label(info: Info, portions: Sequence[Portion]) -> str:
    many = f"{len(portions)} molecules, " if len(portions) > 1 else ""
    return f"{info.label}, {many}{sum(len(p.split.train) for p in portions)} frames"


def _origin(portions: Sequence[Portion]) -> dict[str, str]:
    """What a model file tells about its data: name, level and hash, of all data sets in turn."""
    from core.forcefields.load import LEARNT

    sets = [p.dataset for p in portions]
    level = sets[0].level
    if any(d.level != level for d in sets):
        level = "; ".join(d.level or "unknown" for d in sets)
    return {
        "dataset": "; ".join(d.name for d in sets),
        "level": level,
        "sha256": "; ".join(d.sha256 for d in sets),
        LEARNT: "; ".join(dict.fromkeys(d.molecule.formula for d in sets)),
    }


def _errors(
    model: ForceField, portions: Sequence[Portion], context: Context, label: str
) -> list[Errors]:
    """On the test frames of every molecule."""
    from core.fitting.part import Part
    from core.forcefields.load import bound

    found = []
    for k, p in enumerate(portions):
        part = Part(context, k / len(portions), (k + 1) / len(portions))
        field = bound(model, p.dataset.molecule, what=p.dataset.name)
        name = f"{label}: {p.dataset.name}" if len(portions) > 1 else label
        found.append(evaluate(field, p.dataset, p.split.test, part, label=name))
    return found


def drawn(spec: FitSpec, dataset: Dataset, info: Info) -> tuple[Split, dict[str, str]]:
    """The frames that a fit takes, and notes on those left out. Raises SplitError, ValueError."""
    from core.fitting.splits import draw

    if spec.split is not None:
        return check_split(spec.split, dataset), {}
    return draw(
        dataset,
        n_train=spec.n_train,
        n_valid=spec.n_valid,
        n_test=spec.n_test,
        seed=spec.seed,
        method=spec.method,
        energies_suffice=info.energies_suffice,
        region=spec.region,
    )


def same_place(dataset: str, out: str) -> str:
    """The path of a data set as seen from a job's folder: it stays when the project is moved."""
    import os

    return os.path.relpath(dataset, out) if dataset and out else dataset


def check_split(split: Split, dataset: Dataset) -> Split:
    """The split itself. Raises ValueError when it names frames the data set does not have."""
    for name in ("train", "valid", "test"):
        frames = getattr(split, name)
        if len(frames) and (frames.min() < 0 or frames.max() >= len(dataset)):
            raise ValueError(
                f"the split's {name} frames go up to {int(frames.max()) + 1}; "
                f"{dataset.name} has {len(dataset)}"
            )
    return split


SPEC = FitSpec
