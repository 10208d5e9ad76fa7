"""One stretch of a larger job: progress is scaled into it, and curves are kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.engine.context import Context


class Part(Context):
    """A Context whose 0..1 is `start`..`stop` of another's, with the same cancel and stop.

    title: what this part is about, for the parts inside it to say ("" = nothing).
    """

    title = ""

    def __init__(
        self, whole: Context, start: float, stop: float, *, device: str | None = None
    ) -> None:
        super().__init__(
            device=device or whole.device, job=whole.job, folder=whole.folder, kept=whole.kept
        )
        self._whole, self._from, self._to = whole, start, stop
        self._curves: dict[str, list[np.ndarray]] = {}
        self._labels: dict[str, tuple[str, str]] = {}

    @property
    def stopping(self) -> bool:
        """True once the user asked to stop and keep the best so far."""
        return self._whole.stopping

    def check(self) -> None:
        """Raise Cancelled when the user cancelled."""
        self._whole.check()

    def progress(self, fraction: float, message: str = "") -> None:
        """Report 0..1 of this part."""
        self._whole.progress(self._from + (self._to - self._from) * fraction, message)

    def flush(self) -> None:
        """Send the progress that was held back."""
        self._whole.flush()

    def curve(self, name: str, x: Any, y: Any, *, x_label: str = "", y_label: str = "") -> None:
        """Append points to a live curve, and keep them."""
        points = np.array([np.atleast_1d(x), np.atleast_1d(y)], dtype=np.float64)
        self._curves.setdefault(name, []).append(points)
        self._labels[name] = (x_label, y_label)
        self._whole.curve(name, x, y, x_label=x_label, y_label=y_label)

    def frame(self, **payload: Any) -> None:
        """A piece of a result as it arrives."""
        self._whole.frame(**payload)

    def log(self, message: str) -> None:
        """A line for the job's log."""
        self._whole.log(message)

    def curves(self) -> dict[str, np.ndarray]:
        """name -> (2,P) all points so far."""
        return {name: np.concatenate(parts, 1) for name, parts in self._curves.items()}

    def curve_labels(self) -> dict[str, tuple[str, str]]:
        """name -> titles of its x and y axis."""
        return dict(self._labels)
