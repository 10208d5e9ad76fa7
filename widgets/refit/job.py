"""A refit under way: started from the form, told by its events, stopped or thrown away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.analyses.refit import Refit
from core.engine.events import FINAL, Event
from widgets.session import Session
from widgets.words import time_left

if TYPE_CHECKING:
    from core.mm.topology import Topology
    from widgets.parameter.document import Document
    from widgets.refit.form import RefitForm


class RefitJob(QObject):
    """One refit at a time; `document` and `start` are what it began with."""

    changed = Signal()  # fraction and words
    done = Signal(object, str)  # Refit, item id
    ended = Signal(str, str)  # sentence (empty: cancelled on request), level

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.job = self.item = self.name = ""
        self.document: Document | None = None
        self.start: Topology | None = None
        self.fraction, self.words = 0.0, ""
        session.job_event.connect(self._event)

    def problem(self) -> str:
        """Why nothing can be kept, "" when it can."""
        if self.session.project is None:
            return "Open a project first."
        if self.session.read_only:
            return "The project is open in another window: nothing can be added to it here."
        return ""

    def begin(self, form: RefitForm, name: str, *, parent: str = "") -> None:
        """Reserve an item and hand in the job; parent: what it begins with.

        Raises ValueError saying what is wrong.
        """
        problem = self.problem() or form.problem()
        if problem:
            raise ValueError(problem)
        try:
            item = self.session.project.reserve("fits", name)
        except OSError as error:
            raise ValueError(f"the refit cannot be kept: {error}") from error
        try:
            spec = form.spec(item.name, str(item.folder), parent=parent)
            self.job = self.session.submit(spec, title=f"Refit {item.name}")
        except (RuntimeError, ValueError, OSError) as error:
            self.session.project.remove(item.id)
            raise ValueError(str(error)) from error
        self.item, self.name = item.id, item.name
        self.document = form.document
        self.start = form.document.topology if form.document is not None else None
        self.fraction, self.words = 0.0, "waiting"
        self.changed.emit()

    def stop(self) -> None:
        """Finish early and keep the best so far."""
        if self.job:
            self.words = "stopping …"
            self.session.stop(self.job)
            self.changed.emit()

    def cancel(self) -> None:
        """Throw it away."""
        if self.job:
            self.words = "cancelling …"
            self.session.cancel(self.job)
            self.changed.emit()

    def forget(self) -> None:
        """Another project: the job goes on in its own item, but is no business of this panel."""
        self.job, self.document, self.start = "", None, None
        self.changed.emit()

    def _event(self, job: str, event: Event) -> None:
        if not job or job != self.job:
            return
        if event.kind == "progress":
            self.fraction = event.fraction if math.isfinite(event.fraction) else self.fraction
            left = time_left(event.payload.get("seconds_left", float("nan")))
            words = (f"{100 * self.fraction:.0f} %", left, event.payload.get("message", ""))
            self.words = ", ".join(w for w in words if w)
        elif event.kind == "started":
            self.words = "running"
        if event.kind not in FINAL:
            self.changed.emit()
            return
        self.job = ""
        self.changed.emit()
        result = event.payload.get("result")
        if event.kind == "done" and isinstance(result, Refit):
            self.done.emit(result, self.item)
        elif event.kind == "cancelled":
            why = str(event.payload.get("message", ""))
            told = why if why not in ("", "cancelled") else ""
            self.ended.emit(f"The refit was cancelled: {told}" if told else "", "info")
        else:
            why = str(event.payload.get("message", "")) or "the worker gave no result"
            self.ended.emit(f"The refit was not done: {why}", "error")
