"""What running work sees of the engine: progress out, cancel and stop in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from core.engine.kept import Kept


class Cancelled(Exception):
    """Raised inside a job at the next check after the user cancelled it."""


PROGRESS_INTERVAL = 0.05  # s between two progress events: more than a screen can show


class Context:
    """Handed to every `run` and `fit`.

    emit(kind, fraction, payload) carries an event out. Long loops call `progress` (which checks
    for cancel) at least every half second; where that cannot be (one big factorisation) the worker
    is killed by the client after its grace time.
    """

    def __init__(
        self,
        emit: Callable[[str, float, dict[str, Any]], None] | None = None,
        *,
        device: str = "cpu",
        job: str = "",
        folder: str = "",
        kept: Kept | None = None,
    ) -> None:
        """folder: where checkpoints may be kept until the job is done, "" = nowhere.

        kept: what this process keeps from one job to the next; without it nothing is kept.
        """
        self._emit = emit or (lambda kind, fraction, payload: None)
        self._cancel = threading.Event()
        self._stop = threading.Event()
        self._start = time.monotonic()
        self._told = -PROGRESS_INTERVAL
        self._pending: tuple[float, dict[str, Any]] | None = None
        self.device = device
        self.job = job
        self.folder = folder
        self.kept = kept or Kept()

    # -- in ---------------------------------------------------------------------------------
    def request_cancel(self) -> None:
        """Throw the work away at the next check."""
        self._cancel.set()

    def request_stop(self) -> None:
        """Finish early and keep what is there."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """True once the user asked to stop and keep the best so far."""
        return self._stop.is_set()

    def check(self) -> None:
        """Raise Cancelled when the user cancelled."""
        if self._cancel.is_set():
            raise Cancelled

    # -- out --------------------------------------------------------------------------------
    def progress(self, fraction: float, message: str = "") -> None:
        """Report 0..1 done; time left follows from the pace so far. Raises Cancelled.

        At most 20 a second go out; the first and the last always do.
        """
        self.check()
        now = time.monotonic()
        spent = now - self._start
        left = spent * (1 - fraction) / fraction if fraction > 0 else float("nan")
        self._pending = (float(fraction), {"message": message, "seconds_left": left})
        if now - self._told >= PROGRESS_INTERVAL or fraction >= 1:
            self._told = now
            self.flush()

    def flush(self) -> None:
        """Send the progress that was held back (the worker calls this at the end of a job)."""
        if self._pending is not None:
            fraction, payload = self._pending
            self._pending = None
            self._emit("progress", fraction, {**payload, "memory": self.rss()})

    def curve(self, name: str, x, y, *, x_label: str = "", y_label: str = "") -> None:
        """Append points to a live curve."""
        payload = {
            "name": name,
            "x": np.atleast_1d(np.asarray(x, dtype=np.float64)),
            "y": np.atleast_1d(np.asarray(y, dtype=np.float64)),
            "x_label": x_label,
            "y_label": y_label,
        }
        self._emit("curve", float("nan"), payload)

    def frame(self, **payload: Any) -> None:
        """A piece of a result as it arrives (defined by each analysis)."""
        self._emit("frame", float("nan"), payload)

    def log(self, message: str) -> None:
        """A line for the job's log."""
        self._emit("log", float("nan"), {"message": message})

    @staticmethod
    def rss() -> float:
        """Resident memory of this process now, in bytes; NaN where the system does not say."""
        from core.engine import system

        return system.rss()

    @staticmethod
    def peak_rss() -> float:
        """Largest resident memory of this process during the job, in bytes."""
        from core.engine import system

        return system.peak_rss()
