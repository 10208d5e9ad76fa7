"""What a job says while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.wire import wire

KINDS = ("queued", "started", "progress", "curve", "frame", "log", "done", "failed", "cancelled")
FINAL = ("done", "failed", "cancelled")


@wire
@dataclass(frozen=True, eq=False)
class Event:
    """One event of one job.

    seq counts from 0 without gaps within a job; time is seconds since the epoch; fraction 0..1 of
    the work done (NaN when not known). payload by kind:
    progress {message, seconds_left, memory: bytes of the worker now}; curve {name, x, y, x_label,
    y_label} (points to append); queued {title, device}; frame {…analysis-defined arrays}; log
    {message}; done {result}; failed {message, details}; cancelled {message, and killed: true where
    the worker had to be}.
    """

    job: str
    seq: int
    time: float
    kind: str
    fraction: float = float("nan")
    payload: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown event kind {self.kind!r}")
