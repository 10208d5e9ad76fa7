"""Take a model file, ours or one of the sgdml package, into a project as a fit."""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.analyses.errors import Errors
from core.analyses.fit import Fit
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context

MOST_FRAMES = 1000  #: of the data set, on which the errors are measured


def is_package_model(path: str | Path) -> bool:
    """Is it a trained model of the sgdml package (and not, say, one of our own files)?"""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, RuntimeError, EOFError, OverflowError):
        return False
    except (KeyError, TypeError, struct.error):  # zipfile on hostile directories
        return False
    return {"R_desc.npy", "R_d_desc_alpha.npy"} <= names and "tree.json" not in names


@wire
@dataclass(frozen=True, eq=False)
class ModelImportSpec:
    """Copy the model in the file `path` into folder `out`, a fit of the project.

    dataset: path of a saved Dataset on which its errors are measured ("" = not at all).
    """

    path: str
    label: str = ""
    dataset: str = ""
    out: str = ""


def run(spec: ModelImportSpec, context: Context) -> Fit:
    """See ModelImportSpec. Raises ForceFieldError naming the file and what is wrong with it."""
    import dataclasses
    import time

    from core import storage
    from core.analyses.errors import evaluate
    from core.dataset import Dataset, Split
    from core.engine import system
    from core.fieldref import NAMED_CODE, FieldRef
    from core.forcefields.errors import ForceFieldError
    from core.forcefields.load import make, read_model, save_model

    start = time.perf_counter()
    record = read_model(spec.path)
    if record.key in NAMED_CODE:
        raise ForceFieldError(f"{spec.path} names code to run; it is not taken into a project")
    dataset = storage.load(spec.dataset, Dataset) if spec.dataset else None
    wanted = dataset.molecule if dataset is not None else None
    model = make(FieldRef("", model=spec.path), wanted)
    label = spec.label or record.extra.get("label", "") or Path(spec.path).stem
    nan, none = float("nan"), np.zeros(0)
    errors = Errors(
        label, 0, 0, nan, nan, nan, nan, nan, none, none, none, none, none,
        notes={"errors": "no data set was chosen"},
    )  # fmt: skip
    frames = np.zeros(0, dtype=np.int64)
    if dataset is not None:
        usable = np.flatnonzero(dataset.has_energy | dataset.has_forces)
        if len(usable):
            chosen = np.linspace(0, len(usable) - 1, min(len(usable), MOST_FRAMES))
            frames = usable[chosen.round().astype(int)]
            errors = evaluate(model, dataset, frames, context, label=label)
    path = ""
    if spec.out:
        storage.make_folder(spec.out)
        path = str(Path(spec.out) / "model.npz")
        save_model(path, model, extra={**record.extra, "label": label})
    empty = np.zeros(0, dtype=np.int64)
    result = Fit(
        label=label,
        key=record.key,
        model=path,
        split=Split(empty, empty, frames, method="none: opened from a file"),
        errors=errors,
        hyper=dataclasses.asdict(model.hyper),
        info={"origin": Path(spec.path).name, **record.extra},
        fit_seconds=time.perf_counter() - start,
        peak_rss=context.peak_rss(),
        versions=system.versions(),
    )
    storage.save_result(spec.out, result)
    return result


SPEC = ModelImportSpec
