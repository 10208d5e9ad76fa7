"""Train a force field on a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.analyses.errors import Errors
from core.dataset import Split
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context


@wire
@dataclass(frozen=True, eq=False)
class FitSpec:
    """Train `key` on a saved Dataset.

    n_train, n_valid, n_test (0 = all that is left, at most 1000) frames are drawn with `seed` by
    `method` unless `split` is given. out: folder for model.npz (empty = keep in memory only).
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


@wire
@dataclass(frozen=True, eq=False)
class Fit:
    """A trained force field: `model` is the path of its file.

    errors: on the test frames. curves: name -> (2,P) points of what was plotted live. info: what
    the method wants to tell (permutations found, sigma chosen …). fit_seconds wall clock;
    peak_rss bytes of the worker; versions of what computed it; stopped: ended early on request.
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


def run(spec: FitSpec, context: Context) -> Fit:
    """See FitSpec."""
    raise NotImplementedError


SPEC = FitSpec
