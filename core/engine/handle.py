"""A submitted job."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from core.engine.errors import JobCancelled, JobFailed
from core.engine.events import FINAL, Event

if TYPE_CHECKING:
    from core.engine.client import Engine

HELD_BYTES = 64 * 2**20


class Handle:
    """One job. status: queued, running, done, failed or cancelled."""

    def __init__(self, engine: Engine, id: str, *, title: str, spec: Any, device: str) -> None:
        self.id = id
        self.title = title
        self.spec = spec
        self.device = device
        self._engine = engine
        self._changed = threading.Condition()
        self._held: collections.deque[Event] = collections.deque()
        self._held_bytes = 0
        self._seq = 0
        self._final: Event | None = None
        # the engine's notes, changed only under its lock
        self.frame = b""  # the RunJob, until it is sent
        self.worker: Any = None
        self.heard = 0  # events the worker sent
        self.tries = 0
        self.cancelled = False
        self.quick = False  # need not wait behind others
        self.status = "queued"

    def __repr__(self) -> str:
        return f"<Handle {self.id} {self.title!r} {self.status}>"

    def cancel(self) -> None:
        """Throw the job away: at once when queued, else at its next check or by force."""
        self._engine.cancel(self.id)

    def stop(self) -> None:
        """Ask the job to finish early and keep what is there; a queued one is cancelled."""
        self._engine.stop(self.id)

    @property
    def finished(self) -> bool:
        """True once it is done, failed or cancelled."""
        return self._final is not None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; False when `timeout` s were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: self._final is not None, timeout)

    def result(self, timeout: float | None = None) -> Any:
        """The result, waiting for it.

        Raises JobFailed (message, .details), JobCancelled, or TimeoutError after `timeout` s.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"{self.title or self.id} is not finished after {timeout} s")
        event = self._final
        assert event is not None
        if event.kind == "failed":
            raise JobFailed(event.payload["message"], event.payload.get("details", ""))
        if event.kind == "cancelled":
            raise JobCancelled(event.payload["message"])
        return event.payload["result"]

    def events(self) -> Iterator[Event]:
        """The events from the first to the final one, waiting for each. For one reader.

        A reader who comes late to a long job may miss early `frame` events (they are held up to
        64 MB together); `seq` shows that. Subscribers of the engine get all.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._held or self._final is not None)
                if not self._held:
                    return
                event = self._held.popleft()
                self._held_bytes -= _size(event)
            yield event
            if event.kind in FINAL:
                return

    def push(self, kind: str, fraction: float, payload: dict[str, Any], at: float = 0.0) -> Event:
        """Number an event and hold it (the engine only, one thread at a time)."""
        event = Event(self.id, self._seq, at or time.time(), kind, fraction, payload)
        self._seq += 1
        with self._changed:
            self._held.append(event)
            self._held_bytes += _size(event)
            if self._held_bytes > HELD_BYTES:
                self._shed()
            if kind in FINAL:
                self._final = event
                self.status = kind
            elif kind != "queued":
                self.status = "running"
            self._changed.notify_all()
        return event

    def _shed(self) -> None:
        """Nobody reads: let go of the older half of the frames."""
        frames = [e for e in self._held if e.kind == "frame"]
        gone = {e.seq for e in frames[: (len(frames) + 1) // 2]}
        self._held = collections.deque(e for e in self._held if e.seq not in gone)
        self._held_bytes = sum(map(_size, self._held))


def _size(event: Event) -> int:
    if event.kind in FINAL:
        return 0
    arrays = (v.nbytes for v in event.payload.values() if isinstance(v, np.ndarray))
    return 200 + sum(arrays)
