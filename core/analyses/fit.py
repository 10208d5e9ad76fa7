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
    from core.dataset import Dataset
    from core.engine.context import Context
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
    from core.fitting.training import train
    from core.forcefields.base import ForceFieldError
    from core.forcefields.load import field_class, hyper_from, save_model

    cls = field_class(spec.key)
    if not cls.INFO.trainable:
        raise ForceFieldError(f"{cls.INFO.label} is not trained on data: use it as it is")
    hyper = hyper_from(cls, spec.hyper)
    storage.make_folder(spec.out)
    dataset = storage.load(spec.dataset, Dataset)
    split, notes = drawn(spec, dataset, cls.INFO)
    for note in notes.values():
        context.log(note)
    device = spec.device if spec.device != "cpu" else context.device
    start = time.perf_counter()
    part = Part(context, 0.0, 0.95, device=device)
    part.folder = spec.out  # a fit that was killed goes on from what it left there
    model = train(cls, dataset, split, hyper, part)
    seconds = time.perf_counter() - start
    label = spec.label or f"{cls.INFO.label}, {len(split.train)} frames"
    path = ""
    if spec.out:
        path = str(Path(spec.out) / "model.npz")
        about = {"dataset": dataset.name, "level": dataset.level, "sha256": dataset.sha256}
        extra = {"label": label, **about}
        if flags := getattr(model, "flags", ()):  # of terms, where there are any
            extra[FLAGS] = flags_to_text(flags)
        save_model(path, model, extra=extra)
    errors = evaluate(model, dataset, split.test, Part(context, 0.95, 1.0), label=label)
    result = Fit(
        label=label,
        key=spec.key,
        model=path,
        split=split,
        errors=errors,
        hyper=dataclasses.asdict(hyper),
        curves=part.curves(),
        curve_labels=part.curve_labels(),
        info={**notes, **model.notes},
        fit_seconds=seconds,
        peak_rss=context.peak_rss(),
        device=device,
        versions=system.versions(),
        stopped=context.stopping,
    )
    storage.save_result(spec.out, result)
    return result


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
