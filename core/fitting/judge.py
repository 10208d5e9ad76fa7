"""Train one candidate and measure it: what searches, learning curves and flattening repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.analyses.errors import Errors, evaluate
from core.dataset import Dataset, Split
from core.fitting import training
from core.fitting.part import Part

if TYPE_CHECKING:
    from core.engine.context import Context
    from core.forcefields.base import ForceField

FIT_SHARE = 0.9  #: of the progress bar


def train(
    key: str,
    hyper: dict[str, Any],
    dataset: Dataset,
    split: Split,
    judged: np.ndarray,
    context: Context,
    *,
    on: Dataset | None = None,
    device: str = "cpu",
) -> tuple[ForceField, Errors, float]:
    """(model, its errors on the frames `judged` of `on` or the data set, seconds of the fit).

    Raises ForceFieldError where the settings are wrong or the fit fails; Cancelled.
    """
    import time

    from core.forcefields.load import field_class, hyper_from

    cls = field_class(key)
    start = time.perf_counter()
    values = hyper_from(cls, hyper)
    part = Quiet(context, 0.0, FIT_SHARE, device=device)
    model = training.train(cls, dataset, split, values, part)
    seconds = time.perf_counter() - start
    errors = evaluate(
        model,
        on or dataset,
        judged,
        Quiet(context, FIT_SHARE, 1.0),
        label=cls.INFO.label,
        timing=False,
    )
    return model, errors, seconds


class Quiet(Part):
    """A Part whose curves stay inside: one candidate of many.

    finishing: it is needed whole, so a request to stop does not reach it.
    """

    finishing = False

    @property
    def stopping(self) -> bool:
        """Whether the fit shall end early; what comes of that must not be judged."""
        return not self.finishing and super().stopping

    def progress(self, fraction: float, message: str = "") -> None:
        """Which candidate it is stands before what its fit says."""
        title = getattr(self._whole, "title", "")
        super().progress(fraction, ": ".join(x for x in (title, message) if x))

    def curve(self, name: str, x: Any, y: Any, *, x_label: str = "", y_label: str = "") -> None:
        """Nobody sees the curves of a candidate."""

    def log(self, message: str) -> None:
        """Nor its log."""
