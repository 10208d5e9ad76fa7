"""Jobs: what is being computed, what waits in which order, how long it takes, how to end it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from core.engine.events import FINAL
from widgets.job_row import JobRow
from widgets.queue import CancelJob, MoveJob, is_listed, line_of
from widgets.session import Session
from widgets.words import time_left

__all__ = ["JobRow", "JobsPanel", "devices", "time_left"]
KEEP = 60  # ended jobs that stay listed


def devices(found: Iterable[str] = ()) -> str:
    """What there is to compute on: "CPU 2 / no GPU".

    found: names of the worker's devices ("cpu", "cuda:0"); empty while no worker has told.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = list(found)
    if not names:
        return f"CPU {cores}"
    gpus = sum(n.startswith("cuda") for n in names)
    gpu = f"GPU {gpus}" if gpus else "no GPU"
    return f"CPU {cores} / {gpu}"


class JobsPanel(QWidget):
    """All jobs of this session: what runs, what waits, the next first, what ended, newest first."""

    TITLE = "Jobs"
    ORDER = 90
    AREA = "bottom"
    HELP = (
        "What is being computed, and below it what is waiting, the next one first. Stop finishes a "
        "job early and keeps what is there; Cancel (Del) throws it away. A job that waits can be "
        "moved (Alt+Up, Alt+Down, Alt+Home to the front); Ctrl+Z takes that and the cancelling of "
        "one that waits back. Up and Down go "
        "from job to job. The arrow in front of a job folds out its log."
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setMinimumSize(160, 44)
        self.rows: dict[str, JobRow] = {}
        self.list = QVBoxLayout()
        self.list.setContentsMargins(0, 0, 0, 0)
        self.list.setSpacing(0)
        self.list.addStretch(1)
        inner = QWidget()
        inner.setLayout(self.list)
        self.scrolled = QScrollArea(widgetResizable=True)
        self.scrolled.setFrameShape(QScrollArea.Shape.NoFrame)
        self.scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scrolled.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # its rows have it
        self.scrolled.setWidget(inner)
        # a plain label: the strip is too low for the usual invitation
        self.empty = QLabel("Nothing is being computed. Jobs appear here with their progress.")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setMinimumSize(10, 10)
        self.states = QStackedWidget()
        self.states.addWidget(self.empty)
        self.states.addWidget(self.scrolled)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.states)
        session.job_added.connect(self.add)
        session.job_event.connect(self.take)
        session.queue_changed.connect(self.arrange)
        for job in session.jobs.values():
            self.add(job.id, job.title)

    def add(self, job: str, title: str) -> None:
        """List a new job; small questions that leave nothing behind are not worth a row."""
        if not is_listed(self.session, job):
            return
        row = JobRow(self.session, job, title)
        row.move_asked.connect(self.move_to)
        row.withdrawn.connect(self._withdraw)
        row.go_asked.connect(self._go)
        row.state_changed.connect(self._arrange_soon)
        self.rows[job] = row
        self.list.insertWidget(self._place_of_new(), row)
        self.states.setCurrentIndex(1)
        ended = [k for k, r in self.rows.items() if r.state in FINAL]
        for old in ended[: max(0, len(self.rows) - KEEP)]:
            self.rows.pop(old).deleteLater()

    def take(self, job: str, event: Any) -> None:
        """Show an event in its row."""
        row = self.rows.get(job)
        if row is not None:
            row.take(event)

    # -- order --------------------------------------------------------------------------------
    def move_to(self, job: str, place: int) -> None:
        """Give a waiting job another place in the line, 1 = next (undoable)."""
        if self.session.read_only:
            return
        self.session.undo.push(MoveJob(self.session, job, place))
        self.arrange()
        self._show(self.rows[job])

    def _withdraw(self, job: str) -> None:
        record = self.session.jobs.get(job)
        if record is not None and record.item and job in self.session.waiting():
            self.session.undo.push(CancelJob(self.session, job))
        else:
            self.session.cancel(job)

    def order(self) -> list[JobRow]:
        """The rows from top to bottom."""
        places = {job: k for k, job in enumerate(line_of(self.session))}
        rows = list(self.rows.values())
        ended = [r for r in rows if r.state in FINAL]
        waiting = [r for r in rows if r.state == "queued"]
        waiting.sort(key=lambda r: places.get(r.job, len(places)))
        running = [r for r in rows if r.state not in FINAL and r.state != "queued"]
        return [*running, *waiting, *reversed(ended)]

    def arrange(self) -> None:
        """Put the rows into their order, and tell those that wait their places."""
        line = line_of(self.session)
        before: QWidget | None = None
        for k, row in enumerate(self.order()):
            there = self.list.itemAt(k)
            if there is None or there.widget() is not row:
                self.list.removeWidget(row)
                self.list.insertWidget(k, row)
            row.set_place(line.index(row.job) + 1 if row.job in line else 0, len(line))
            if before is not None:
                QWidget.setTabOrder(before, row)
            before = row.cancel

    def _place_of_new(self) -> int:
        return sum(r.state not in FINAL for r in self.rows.values()) - 1

    def _arrange_soon(self) -> None:
        self.session.later.ask(self, "order", self.arrange)

    def _go(self, job: str, step: int) -> None:
        rows = self.order()
        to = rows.index(self.rows[job]) + step
        if 0 <= to < len(rows):
            rows[to].setFocus()
            self._show(rows[to])

    def _show(self, row: JobRow) -> None:
        self.list.activate()  # else it is where it was before it was moved
        self.scrolled.ensureWidgetVisible(row, 0, 0)

    # -- all of them --------------------------------------------------------------------------
    def stop_all(self) -> None:
        """Finish every running job early."""
        for job, row in self.rows.items():
            if row.state in ("running", "queued"):
                self.session.stop(job)

    def cancel_all(self) -> None:
        """Throw every job away."""
        for job, row in self.rows.items():
            if row.state in ("running", "queued"):
                self.session.cancel(job)


PANEL = JobsPanel
