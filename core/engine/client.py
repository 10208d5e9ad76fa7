"""The local backend: a queue of jobs, worker processes on this machine. No torch, no Qt."""

from __future__ import annotations

import atexit
import collections
import contextlib
import importlib
import itertools
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

from core import analyses
from core.engine import codec, lanes, large
from core.engine.errors import EngineError
from core.engine.events import FINAL, Event
from core.engine.handle import Handle
from core.engine.messages import (
    PROTOCOL,
    AskCatalog,
    CancelJob,
    Catalog,
    Hello,
    Refused,
    RunJob,
    StopJob,
)
from core.engine.process import WorkerProcess, command
from core.forcefields.info import Info

BEFORE = "cancelled before it was started"
CATALOG_TRIES = 2
GRACE = 3.0  # s a cancelled job has to answer


class Engine:
    """Jobs run first come, first served (see `move`), one at a time on each of `workers` processes.

    Workers are started when needed and replaced when they die. quick: specs whose class says
    `QUICK` (answers of milliseconds that somebody looks at) do not wait behind the others: a small
    further process of one thread takes them while all workers are busy. grace: seconds between a
    cancel and the worker being killed for not answering. modules: more analyses (tests only).
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        quick: bool = False,
        grace: float = GRACE,
        modules: tuple[str, ...] = (),
        max_frame: int = codec.MAX_FRAME,
    ) -> None:
        if workers < 1:
            raise EngineError(f"{workers} workers: at least one is needed")
        threads = 0 if workers == 1 else max(1, (os.cpu_count() or 1) // workers)
        self._size = workers
        self._grace = grace
        self._max_frame = max_frame
        self._line = command(modules=modules, max_frame=max_frame, threads=threads)
        self._quick_line = command(modules=modules, max_frame=max_frame, threads=1)
        self._quick = quick
        self._more_quick_ones = False  # one has come: have a worker ready before the next
        self._specs: set[type] = set(analyses.discover())
        self._specs |= {importlib.import_module(name).SPEC for name in modules}
        self._lock = threading.Lock()  # never held while a subscriber is called
        self._changed = threading.Condition(self._lock)
        self._queue: collections.deque[Handle] = collections.deque()
        self._jobs: dict[str, Handle] = {}  # not yet finished
        self._workers: list[WorkerProcess] = []
        self._subscribers: tuple[Callable[[Event], None], ...] = ()
        self._hello: Hello | None = None
        self._catalog: Catalog | None = None
        self._asked = 0  # times the catalogue was asked for
        self._closed = False
        self._exit_noted = False
        self._numbers = itertools.count(1)

    # -- life -----------------------------------------------------------------------------------
    def start(self) -> Engine:
        """Start the first worker now, so that it is warm when the first job comes."""
        with self._lock:
            self._check_open()
            if not self._workers:
                self._spawn()
        return self

    def close(self) -> None:
        """Cancel what runs, end all workers. Safe to call twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            queued, workers = list(self._queue), list(self._workers)
            self._queue.clear()
            self._changed.notify_all()
        atexit.unregister(self.close)
        for handle in queued:
            self._publish(handle, "cancelled", {"message": "the engine was closed"})
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join(5.0)

    def __enter__(self) -> Engine:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- what there is --------------------------------------------------------------------------
    @property
    def devices(self) -> dict[str, str]:
        """Device name -> what it is, empty until the first worker has said hello."""
        return dict(self._hello.devices) if self._hello else {}

    @property
    def versions(self) -> dict[str, str]:
        """Versions of what computes, empty until the first worker has said hello."""
        return dict(self._hello.versions) if self._hello else {}

    def ready(self, timeout: float | None = None) -> bool:
        """Wait for the first worker's hello; False when `timeout` s were not enough."""
        with self._lock:
            self._changed.wait_for(lambda: self._hello or self._closed, timeout)
            return self._hello is not None

    def catalog(self, timeout: float | None = None) -> tuple[Info, ...]:
        """The force fields there are, with their parameters.

        Raises EngineError when they cannot be listed, TimeoutError after `timeout` s.
        """
        with self._lock:
            self._check_open()
            if not self._workers and self._catalog is None:
                self._spawn()
            if not self._changed.wait_for(lambda: self._catalog or self._closed, timeout):
                raise TimeoutError(f"no worker has told its force fields within {timeout} s")
            self._check_open()
            found = self._catalog
        assert found is not None
        if found.problem:
            raise EngineError(found.problem)
        return found.infos

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Have every event of every job: called in order within a job, in a reading thread (the
        first, "queued", in the thread that submits). Be quick. Returns what unsubscribes."""
        with self._lock:
            self._subscribers = (*self._subscribers, callback)

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = tuple(c for c in self._subscribers if c is not callback)

        return unsubscribe

    # -- jobs -----------------------------------------------------------------------------------
    def submit(self, spec: Any, *, device: str | None = None, title: str = "") -> Handle:
        """Queue a job. device: "cpu" or "cuda:N"; None = what the spec says, else "cpu".

        Raises EngineError: not a spec of any analysis, two different devices asked for, too large.
        """
        if type(spec) not in self._specs:
            raise EngineError(f"{type(spec).__name__} is not the spec of any analysis")
        spec, device = lanes.agree_on_device(spec, device)
        job = f"job-{os.getpid()}-{next(self._numbers)}"
        handle = Handle(self, job, title=title, spec=spec, device=device)
        handle.quick = self._quick and bool(getattr(type(spec), "QUICK", False))
        handle.frame = codec.encode(RunJob(job, spec, device), max_frame=self._max_frame)
        with self._lock:
            self._check_open()
            self._jobs[job] = handle
        self._publish(handle, "queued", {"title": title, "device": device})
        with self._lock:
            given_up = "the engine was closed" if self._closed else ""
            given_up = BEFORE if handle.cancelled else given_up
            if not given_up:
                self._queue.append(handle)
        if given_up:
            self._publish(handle, "cancelled", {"message": given_up})
        self._dispatch()
        return handle

    def job(self, job: str) -> Handle | None:
        """The handle of a job that is not finished yet."""
        return self._jobs.get(job)

    def cancel(self, job: str) -> None:
        """See Handle.cancel. One that is finished or unknown is left alone."""
        with self._lock:
            handle = self._jobs.get(job)
            if handle is None or handle.cancelled:
                return
            handle.cancelled = True
            worker, queued = handle.worker, handle in self._queue
            if queued:
                self._queue.remove(handle)
            elif worker is not None:
                worker.send(codec.encode(CancelJob(job)))
        if queued:
            self._publish(handle, "cancelled", {"message": BEFORE})
        if queued or worker is None:
            return
        timer = threading.Timer(self._grace, self._insist, (handle, worker))
        timer.daemon = True
        timer.start()

    def stop(self, job: str) -> None:
        """See Handle.stop. A job that is finished or unknown is left alone."""
        with self._lock:
            handle = self._jobs.get(job)
            running = handle is not None and handle.worker is not None
            if running:
                handle.worker.send(codec.encode(StopJob(job)))  # type: ignore[union-attr]
        if not running:
            self.cancel(job)

    def waiting(self) -> tuple[str, ...]:
        """The jobs that wait, the next one first; quick ones are not in that line."""
        with self._lock:
            return tuple(h.id for h in lanes.line(self._queue))

    def move(self, job: str, place: int) -> int:
        """Put a waiting job at `place` of the line (0 = next); its old place, -1: not waiting."""
        with self._lock:
            handle = self._jobs.get(job)
            return -1 if handle is None else lanes.move(self._queue, handle, place)

    # -- inside ---------------------------------------------------------------------------------
    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("the engine is closed")

    def _publish(
        self, handle: Handle, kind: str, payload: dict[str, Any], *, fraction: float = float("nan")
    ) -> None:
        """Number an event and hand it on. At any time only one thread owns a job's events: the
        submitting one, then the reading thread of its worker; a queued job's, who cancels it."""
        if kind in FINAL:
            with self._lock:
                self._jobs.pop(handle.id, None)
        event = handle.push(kind, fraction, payload)
        self._tell(event)

    def _tell(self, event: Event) -> None:
        for callback in self._subscribers:
            try:
                callback(event)
            except Exception:
                # a subscriber's mistake must not stop the others, nor a closed stderr the engine
                with contextlib.suppress(Exception):
                    traceback.print_exc()

    def _spawn(self, lane: lanes.Start = lanes.Start.ORDINARY) -> WorkerProcess:
        quick = lane is lanes.Start.QUICK
        worker = WorkerProcess(
            self._quick_line if quick else self._line,
            on_message=self._heard,
            on_end=self._gone,
            max_frame=self._max_frame,
            quick=quick,
        )
        if not self._exit_noted:
            self._exit_noted = True
            atexit.register(self.close)
        self._workers.append(worker)
        if not quick and (self._catalog is None or self._catalog.problem):
            self._asked += 1
            worker.send(codec.encode(AskCatalog()))
        return worker

    def _dispatch(self) -> None:
        """Hand queued jobs to idle workers, starting workers up to the pool's size."""
        failed: list[tuple[Handle, str]] = []
        with self._lock:
            for handle in () if self._closed else tuple(self._queue):
                found = lanes.choose(handle, self._queue, self._workers, self._size)
                if found is None:
                    continue
                self._queue.remove(handle)
                try:
                    worker = self._spawn(found) if isinstance(found, lanes.Start) else found
                except EngineError as error:
                    failed.append((handle, str(error)))
                    continue
                handle.worker, worker.job = worker, handle
                handle.tries += 1
                worker.send(handle.frame)
                self._more_quick_ones |= handle.quick and not worker.quick
            if self._more_quick_ones and lanes.busy(self._workers):
                self._more_quick_ones = False
                with contextlib.suppress(EngineError):  # the job that needs it will say why
                    self._spawn(lanes.Start.QUICK)
        for handle, message in failed:
            self._publish(handle, "failed", {"message": message, "details": ""})

    def _heard(self, worker: WorkerProcess, message: Any) -> None:
        """One message of a worker. Raises EngineError when out of place: then it is killed."""
        if isinstance(message, Event):
            self._event(worker, message)
            return
        with self._lock:
            if isinstance(message, Hello):
                if message.protocol != PROTOCOL:
                    raise EngineError(
                        f"messages of protocol {message.protocol}, this program speaks {PROTOCOL}: "
                        "install it anew"
                    )
                worker.hello = message
                self._hello = self._hello or message
            elif isinstance(message, Catalog):
                self._catalog = message
            elif isinstance(message, Refused):
                raise EngineError(f"the worker refused a message: {message.message}")
            self._changed.notify_all()

    def _event(self, worker: WorkerProcess, event: Event) -> None:
        handle = worker.job
        if handle is None or event.job != handle.id or event.seq != handle.heard:
            raise EngineError(f"event {event.seq} of job {event.job!r} is out of place")
        if (event.kind == "started") != (event.seq == 0) or event.kind == "queued":
            raise EngineError(f"a {event.kind!r} event in the wrong place")
        payload = event.payload
        if event.kind == "done" and "result" not in payload:
            payload = {"result": large.fetch(payload)}
        elif event.kind in ("failed", "cancelled") and type(payload.get("message")) is not str:
            raise EngineError(f"a {event.kind!r} event without its reason")
        final = event.kind in FINAL
        with self._lock:
            handle.heard += 1
            handle.frame = b""
            if final:
                worker.job = None
                self._jobs.pop(handle.id, None)
        self._tell(handle.push(event.kind, event.fraction, payload, event.time))
        if final:
            self._dispatch()

    def _insist(self, handle: Handle, worker: WorkerProcess) -> None:
        with self._lock:
            if worker.job is not handle:
                return
            worker.doomed = worker.told_to_die = True
        worker.kill()

    def _gone(self, worker: WorkerProcess, problem: str) -> None:
        """A worker has ended, for whatever reason."""
        with self._lock:
            worker.doomed = True
            if worker in self._workers:
                self._workers.remove(worker)
            handle, worker.job = worker.job, None
            # it died between two jobs, before it saw this one: not the job's fault
            again = (
                handle is not None
                and not (problem or self._closed or handle.cancelled or handle.heard)
                and handle.tries < 2
            )
            if again:
                handle.worker = None
                self._queue.appendleft(handle)
            if self._catalog is None and not (
                lanes.hope(self._workers, self._queue) or self._closed
            ):
                self._ask_again(worker)
            self._changed.notify_all()
        if handle is not None and not again:
            self._publish(handle, *self._verdict(handle, worker, problem))
        self._dispatch()

    def _ask_again(self, worker: WorkerProcess) -> None:
        """The worker that was to tell the catalogue died, and no other is there to do it."""
        why = f"{worker.how_it_ended()} before it told its force fields\n{worker.log()}".strip()
        if self._asked < CATALOG_TRIES:
            try:
                self._spawn()
                return
            except EngineError as error:
                why = str(error)
        self._catalog = Catalog((), why)

    def _verdict(
        self, handle: Handle, worker: WorkerProcess, problem: str
    ) -> tuple[str, dict[str, Any]]:
        if self._closed:
            return "cancelled", {"message": "the engine was closed"}
        if worker.told_to_die:
            message = f"it did not answer within {self._grace:g} s and had to be killed"
            return "cancelled", {"message": message, "killed": True}
        reason = f"the worker sent {problem}" if problem else worker.how_it_ended()
        if handle.heard == 0 and worker.hello is None and not problem:
            reason += " before it was ready"
        if handle.cancelled:
            return "cancelled", {"message": f"cancelled; {reason}"}
        return "failed", {"message": reason, "details": worker.log()}
