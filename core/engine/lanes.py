"""Which worker takes a job, and when: quick ones must not wait behind a training."""

from __future__ import annotations

import dataclasses
import enum
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from core.engine.errors import EngineError

if TYPE_CHECKING:
    from core.engine.handle import Handle
    from core.engine.process import WorkerProcess


class Start(enum.Enum):
    """A worker that is to be started."""

    ORDINARY = "ordinary"
    QUICK = "quick"


def choose(
    handle: Handle, queue: Iterable[Handle], workers: Iterable[WorkerProcess], size: int
) -> WorkerProcess | Start | None:
    """Who takes a queued job now: a worker, one to be started, or None (it has to wait).

    There are up to `size` ordinary workers and, once it was needed, one that takes only quick
    jobs. A quick job goes to that one; while it was never needed, to an idle ordinary worker
    that no earlier job waits for.
    """
    alive = [w for w in workers if not w.doomed]
    ordinary = [w for w in alive if not w.quick]
    own = next((w for w in alive if w.quick), None)
    free = next((w for w in ordinary if w.job is None), None)
    if not handle.quick:
        return free or (Start.ORDINARY if len(ordinary) < size else None)
    if own is not None:
        return own if own.job is None else None
    if next(h for h in queue if h is handle or not h.quick) is handle:
        if free is not None or not ordinary:
            return free or Start.ORDINARY
        if any(w.job.quick for w in ordinary):
            return None  # that is over in a moment
    return Start.QUICK


def busy(workers: Iterable[WorkerProcess]) -> bool:
    """Whether a job that may take long runs, and there is no worker for quick ones."""
    alive = [w for w in workers if not w.doomed]
    return not any(w.quick for w in alive) and any(w.job and not w.job.quick for w in alive)


def hope(workers: Iterable[WorkerProcess], queue: Iterable[Handle]) -> bool:
    """Whether an ordinary worker is there, or will be started for a job."""
    return any(not w.quick for w in workers) or any(not h.quick for h in queue)


def line(queue: Iterable[Handle]) -> list[Handle]:
    """The jobs of a queue that wait for their turn; quick ones have a worker of their own."""
    return [h for h in queue if not h.quick]


def move(queue: deque[Handle], handle: Handle, place: int) -> int:
    """Put a job at `place` of the line, 0 = next; the place it had, -1 where it does not wait."""
    waiting = line(queue)
    if handle not in waiting:
        return -1
    before = waiting.index(handle)
    waiting.remove(handle)
    waiting.insert(max(0, place), handle)
    others = iter(waiting)
    arranged = [h if h.quick else next(others) for h in queue]
    queue.clear()
    queue.extend(arranged)
    return before


def agree_on_device(spec: Any, device: str | None) -> tuple[Any, str]:
    """The spec and the device for it. EngineError where spec and call want different ones."""
    own = getattr(spec, "device", None)
    if device is None:
        return spec, own or "cpu"
    if own is None or own == device:
        return spec, device
    if own != "cpu":
        raise EngineError(f"the spec asks for device {own}, the call for {device}: which one?")
    return dataclasses.replace(spec, device=device), device
