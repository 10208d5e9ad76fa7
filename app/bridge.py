"""Engine events -> Qt signals: the only thread hop between the two sides of the program."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from core.engine.events import FINAL, Event
from widgets.session import Job, Session

BATCH_MS = 30  # events wait at most this long
BUDGET = 0.012  # s of the window's thread that one batch may take before others get a turn
NOTE_EVERY = 2.0  # s between notes of how far a job is
NOTE = "progress.json"


@dataclass
class _Waiting:
    """A job that is not handed over yet: no engine, or its item is not durable (safe) yet."""

    job: str
    spec: Any
    title: str
    device: str
    safe: bool


class Bridge(QObject):
    """Connects one Session to one Engine.

    `engine` makes the Engine; it is started in a thread because spawning a process must not hold
    up the window. Jobs handed in before it is up wait here, and so does one whose item is still
    being written: the project's disk is waited for in a thread, never in the window's.
    """

    ready = Signal()
    broken = Signal(str)  # the engine could not be started
    _up = Signal(object)
    _wake = Signal()
    _hurry = Signal()  # somebody drags something and waits for this
    _safe = Signal(str, str)  # job whose item is on the disk, or why it could not be written
    _unsaved = Signal(str)  # what could not be written

    def __init__(
        self, session: Session, engine: Callable[[], Any], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.engine: Any = None
        self._make = engine
        self._inbox: deque[Event] = deque()
        self._woken = False
        self._closed = False
        self._lock = threading.Lock()  # held while another thread emits
        self._waiting: list[_Waiting] = []
        self._ours: dict[str, str] = {}  # engine's job id -> session's
        self._handles: dict[str, Any] = {}
        self._noted: dict[str, float] = {}
        self._quiet: set[str] = set()  # engine's ids of small questions, answered at once
        self._counter = 0
        self._error = ""
        self._fresh: Any = None  # the engine, as soon as it is there
        self._started = threading.Event()
        self._begun = False
        self._timer = QTimer(self, singleShot=True, interval=BATCH_MS)
        self._timer.timeout.connect(self.drain)
        self._wake.connect(self._on_wake)
        self._hurry.connect(self._on_hurry)
        self._up.connect(self._on_up)
        self._safe.connect(self._on_safe)
        self._unsaved.connect(lambda text: session.message.emit(text, "error"))
        session.submit = self.submit
        session.cancel = self.cancel
        session.stop = self.stop
        session.waiting = self.waiting
        session.move = self.move
        session.project_changed.connect(self._project_changed)

    # -- life -------------------------------------------------------------------------------
    def start(self) -> None:
        """Start the engine in the background."""
        self._begun = True
        threading.Thread(target=self._start, name="engine start", daemon=True).start()

    def _start(self) -> None:
        try:
            engine = self._make()
            engine.start()
            engine.subscribe(self._receive)
            self._fresh = engine
            self._started.set()
            if self._closed:
                engine.close()
                return
            self._emit(self._up, engine)  # jobs may go in before the catalogue is there
            self._emit(self._up, tuple(engine.catalog()))
        except Exception as error:  # whatever it is, the person has to read it
            self._started.set()
            self._emit(self._up, error)

    def _on_up(self, what: Any) -> None:
        if self._closed:
            return
        if isinstance(what, Exception):
            self._error = f"The calculation engine could not be started: {what}"
            self.broken.emit(self._error)
            self.session.message.emit(self._error, "error")
            for entry in self._waiting:
                self._fail(entry.job, self._error)
            self._waiting.clear()
        elif isinstance(what, tuple):
            self.session.devices = self.devices
            self.session.catalog = what
            self.session.catalog_changed.emit()
        else:
            self.engine = what
            self._hand_over_safe()
            self.ready.emit()

    def _project_changed(self) -> None:
        project = self.session.project
        if project is not None and not project.read_only:
            project.write_behind(lambda text: self._emit(self._unsaved, text))

    def _emit(self, signal: Any, *values: Any) -> None:
        """Emit a signal of this object from any thread, and nothing after `shutdown`.

        Qt must not destroy an object while another thread emits a signal of it: `shutdown`
        waits for that. In the window's thread slots run at once, and may wait for others: no lock.
        """
        here = threading.current_thread() is threading.main_thread()
        with nullcontext() if here else self._lock, suppress(RuntimeError):  # it is destroyed
            if not self._closed:
                signal.emit(*values)

    def shutdown(self, timeout: float = 2.0) -> None:
        """End the engine; running jobs keep their last checkpoint. Takes at most `timeout` s."""
        with self._lock:
            self._closed = True
        self._timer.stop()
        self._inbox.clear()
        if self._begun:
            self._started.wait(timeout)
        engine, self._fresh, self.engine = self._fresh, None, None
        if engine is not None:
            engine.close()

    @property
    def devices(self) -> dict[str, str]:
        """Device name -> what it is; empty until a worker has told."""
        return {} if self.engine is None else dict(self.engine.devices)

    def abandon(self) -> None:
        """Let go of all jobs, their items stay and can be gone on with."""
        jobs = self.running
        self._waiting.clear()
        self._ours.clear()
        handles, self._handles = list(self._handles.values()), {}
        for handle in handles:
            handle.cancel()
        for job in jobs:
            payload = {"message": "its project was closed; it can go on when that is opened again"}
            event = Event(job, 0, time.time(), "cancelled", payload=payload)
            self.session.job_event.emit(job, event)

    # -- what panels call ---------------------------------------------------------------------
    def submit(self, spec: Any, *, title: str = "", device: str = "") -> str:
        """Hand a spec to the engine; returns the job's id. Fills session.submit."""
        self._counter += 1
        job = f"job-{self._counter}"
        title = title or type(spec).__name__.removesuffix("Spec")
        item, project = self._item_of(spec), self.session.project
        record = Job(job, title, spec, item.id if item else "", item.kind if item else "")
        self.session.jobs[job] = record
        if item is not None:
            project.note_job(item.id, spec)
        self.session.job_added.emit(job, title)
        if item is not None:
            self._items_changed(item.kind)
        if self._error:
            self._fail(job, self._error)
            return job
        self._waiting.append(_Waiting(job, spec, title, device, safe=item is None))
        if item is None:
            self._hand_over_safe()
        else:
            project.when_safe(item.id, lambda problem: self._emit(self._safe, job, problem))
        self._queue_changed()
        return job

    def _on_safe(self, job: str, problem: str) -> None:
        entry = next((w for w in self._waiting if w.job == job), None)
        if entry is None:
            return  # cancelled meanwhile
        if problem:
            self._waiting.remove(entry)
            self._fail(job, problem)
            return
        entry.safe = True
        self._hand_over_safe()

    def _hand_over_safe(self) -> None:
        if self.engine is None:
            return
        for entry in [w for w in self._waiting if w.safe]:
            self._waiting.remove(entry)
            self._hand_over(entry.job, entry.spec, entry.title, entry.device)

    def waiting(self) -> tuple[str, ...]:
        """Jobs that wait for their turn, the next one first. Fills session.waiting."""
        theirs = () if self.engine is None else self.engine.waiting()
        ours = (self._ours[j] for j in theirs if j in self._ours)
        return (*ours, *(w.job for w in self._line()))

    def _line(self) -> list[_Waiting]:
        return [w for w in self._waiting if not getattr(type(w.spec), "QUICK", False)]

    def move(self, job: str, place: int) -> int:
        """Put a waiting job at a place in the line, 0 = next; returns its old place, -1 where it
        does not wait any more. Fills session.move."""
        if job in self._handles and self.engine is not None:
            old = self.engine.move(self._handles[job].id, place)
        else:
            line, before = self._line(), len(self.waiting()) - len(self._line())
            entry = next((w for w in line if w.job == job), None)
            if entry is None:
                return -1
            old = before + line.index(entry)
            line.remove(entry)
            line.insert(max(0, place - before), entry)
            self._waiting = [*(w for w in self._waiting if w not in line), *line]
        if old >= 0:
            self._queue_changed()
        return int(old)

    def _queue_changed(self) -> None:
        self.session.later.ask(self, "queue", self.session.queue_changed.emit)

    def cancel(self, job: str) -> None:
        """Throw a job away. Fills session.cancel."""
        waiting = [w for w in self._waiting if w.job == job]
        if waiting:
            self._waiting.remove(waiting[0])
            self._receive_own(job, "cancelled", {})
        elif job in self._handles:
            self._handles[job].cancel()

    def stop(self, job: str) -> None:
        """Finish a job early and keep what is there. Fills session.stop."""
        if job in self._handles:
            self._handles[job].stop()
        else:
            self.cancel(job)

    @property
    def running(self) -> tuple[str, ...]:
        """Jobs that have not ended, oldest first."""
        return (*self._handles, *(w.job for w in self._waiting))

    def _hand_over(self, job: str, spec: Any, title: str, device: str) -> None:
        try:
            handle = self.engine.submit(spec, device=device or None, title=title)
        except (ValueError, RuntimeError, OSError) as error:
            self._fail(job, str(error))
            return
        self._ours[handle.id] = job
        self._handles[job] = handle
        if getattr(spec, "QUIET", False):
            self._quiet.add(handle.id)

    def _fail(self, job: str, message: str) -> None:
        self._receive_own(job, "failed", {"message": message, "details": ""})

    def _receive_own(self, job: str, kind: str, payload: dict[str, Any]) -> None:
        self._ours.setdefault(job, job)
        self._receive(Event(job, 0, time.time(), kind, payload=payload))

    # -- events -------------------------------------------------------------------------------
    def _receive(self, event: Event) -> None:
        """Called in the engine's reader thread."""
        self._inbox.append(event)
        if not self._woken and not self._closed:
            self._woken = True
            self._emit(self._wake)
        if event.kind in FINAL and event.job in self._quiet:
            self._quiet.discard(event.job)
            self._emit(self._hurry)

    def _on_hurry(self) -> None:
        if not self._closed:
            self._timer.stop()
            self.drain()

    def _on_wake(self) -> None:
        if not self._timer.isActive() and not self._closed:
            self._timer.start(BATCH_MS)

    def drain(self) -> None:
        """Give waiting events to the panels, for at most BUDGET s at one go."""
        self._woken = False
        until = time.perf_counter() + BUDGET
        while self._inbox and not self._closed:
            event = self._inbox.popleft()
            job = self._ours.get(event.job)
            if job is None:
                continue
            later = self._inbox[0] if self._inbox else None
            if (
                event.kind == "progress"
                and later is not None
                and (later.kind, later.job) == ("progress", event.job)
            ):
                continue  # the next one says it better
            self._deliver(job, event)
            if event.kind in FINAL or time.perf_counter() > until:
                break
        if self._inbox and not self._closed:
            self._timer.start(1)

    def _deliver(self, job: str, event: Event) -> None:
        if event.kind == "progress":
            self._note(job, event.fraction)
        if event.kind in FINAL:
            self._ours.pop(event.job, None)
            self._handles.pop(job, None)
            if event.kind != "done":
                self._tidy(job, event.kind)
        self.session.job_event.emit(job, dataclasses.replace(event, job=job))
        record = self.session.jobs.get(job)
        if event.kind in FINAL and record is not None and record.item:
            self._items_changed(record.kind)
        if event.kind == "started" or event.kind in FINAL:
            self._queue_changed()

    def _items_changed(self, kind: str) -> None:
        """In a turn of its own: the panel of the job was busy enough."""
        self.session.later.ask(self, kind, lambda: self.session.items_changed.emit(kind))

    # -- the items that jobs write to ---------------------------------------------------------
    def _item_of(self, spec: Any) -> Any:
        out, project = getattr(spec, "out", ""), self.session.project
        if not out or project is None:
            return None
        try:
            item = project.item(Path(out).name)
        except (KeyError, ValueError):
            return None
        return item if str(item.folder) == out else None

    def _tidy(self, job: str, kind: str) -> None:
        """Take out an item that will never be finished; a failed run can go on later."""
        record = self.session.jobs.get(job)
        if record is None or not record.item:
            return
        try:
            item = self.session.project.item(record.item)
        except (KeyError, ValueError):
            return
        if any(self.session.jobs[j].item == item.id for j in self.running):
            return  # it was handed in again meanwhile
        # a failed one that can go on stays
        if item.record.exists() or (kind == "failed" and item.under_way):
            return
        self.session.project.remove(item.id)

    def _note(self, job: str, fraction: float) -> None:
        """Write down how far a job is, for the offer to go on after a crash."""
        now = time.monotonic()
        record = self.session.jobs.get(job)
        if record is None or not record.item or now - self._noted.get(job, -9.0) < NOTE_EVERY:
            return
        self._noted[job] = now
        folder = Path(getattr(record.spec, "out", ""))

        def write() -> None:
            part = folder / f"{NOTE}.part"
            part.write_text(json.dumps({"fraction": fraction}), encoding="utf-8")
            part.replace(folder / NOTE)

        if folder.is_dir() and fraction == fraction:
            with suppress(ValueError):  # its item was taken out meanwhile
                self.session.project.do(record.item, write)


def noted_fraction(folder: Path) -> float:
    """How far the job of an unfinished item was, 0..1; NaN when nobody wrote it down."""
    try:
        return float(json.loads((folder / NOTE).read_text(encoding="utf-8"))["fraction"])
    except (OSError, ValueError, KeyError, TypeError):
        return float("nan")
