"""Jobs: what is being computed, how long it will take, and how to end it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from widgets.session import Session

KEEP = 60  # ended jobs that stay listed
LOG_LINES = 2000
WORDS = {
    "queued": "waiting",
    "started": "running",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}


def time_left(seconds: float) -> str:
    """ "12 s left", "3 min left"; "" when nobody knows."""
    if seconds != seconds or seconds < 0:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s left"
    if seconds < 5400:
        return f"{round(seconds / 60)} min left"
    return f"{seconds / 3600:.1f} h left"


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


class JobRow(QWidget):
    """One job: title, bar, words, buttons, and a log that folds out."""

    def __init__(self, session: Session, job: str, title: str) -> None:
        super().__init__()
        self.session, self.job = session, job
        self.state = "queued"
        self.title = QLabel(title)
        self.title.setToolTip(title)
        self.title.setMinimumWidth(90)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedSize(140, 10)
        self.bar.setAccessibleName(f"Progress of {title}")
        self.words = QLabel("waiting")
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.stop = QPushButton("Stop")
        self.stop.setToolTip("Finish early and keep what is there")
        self.stop.clicked.connect(lambda: self._end(session.stop))
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Throw this job away")
        self.cancel.clicked.connect(lambda: self._end(session.cancel))
        self.fold = QToolButton()
        self.fold.setArrowType(Qt.ArrowType.RightArrow)
        self.fold.setCheckable(True)
        self.fold.setAutoRaise(True)
        self.fold.setToolTip("Log")
        self.fold.setAccessibleName(f"Log of {title}")
        self.fold.toggled.connect(self._unfold)
        self.log = QPlainTextEdit(readOnly=True)
        self.log.setMaximumBlockCount(LOG_LINES)
        self.log.setFixedHeight(96)
        self.log.hide()
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        line.addWidget(self.fold)
        line.addWidget(self.title, 3)
        line.addWidget(self.bar)
        line.addWidget(self.words, 5)
        line.addWidget(self.stop)
        line.addWidget(self.cancel)
        box = QVBoxLayout(self)
        box.setContentsMargins(4, 1, 4, 1)
        box.setSpacing(1)
        box.addLayout(line)
        box.addWidget(self.log)
        self.stop.setEnabled(False)

    def take(self, event: Any) -> None:
        """Show one event of the job."""
        payload = event.payload
        if event.fraction == event.fraction and event.kind == "progress":
            self.bar.setValue(round(1000 * event.fraction))
        if event.kind == "progress":
            self.state = "running"
            words = [f"{100 * event.fraction:.0f} %"] if event.fraction == event.fraction else []
            words += [time_left(payload.get("seconds_left", float("nan")))]
            words += [payload.get("message", "")]
            self._say(", ".join(w for w in words if w))
        elif event.kind == "log":
            self.log.appendPlainText(payload.get("message", ""))
        elif event.kind in WORDS:
            self.state = event.kind if event.kind != "started" else "running"
            self._say(WORDS[event.kind])
        self.stop.setEnabled(self.state == "running")
        why = payload.get("message", "")
        if event.kind == "cancelled" and why and why != "cancelled":
            self._say(f"cancelled: {why}")
        if event.kind in ("done", "failed", "cancelled"):
            self.cancel.hide()
            self.stop.hide()
            self.bar.setValue(1000 if event.kind == "done" else self.bar.value())
            self.bar.setEnabled(event.kind == "done")
        if event.kind == "failed":
            message = payload.get("message", "no reason given")
            self._say(f"failed: {message}")
            details = payload.get("details", "")
            self.log.appendPlainText(message + (f"\n{details}" if details else ""))
            self._colour()

    def _say(self, text: str) -> None:
        if text != self.words.text():
            self.words.setText(text)
            self.words.setToolTip(text)

    def _colour(self) -> None:
        palette = self.words.palette()
        palette.setColor(palette.ColorRole.WindowText, self.palette().brightText().color())
        self.words.setPalette(palette)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange and self.state == "failed":
            self._colour()
        super().changeEvent(event)

    def _end(self, how: Any) -> None:
        self.stop.setEnabled(False)
        self.cancel.setEnabled(how is not self.session.cancel)
        self._say("stopping …" if how is self.session.stop else "cancelling …")
        how(self.job)

    def _unfold(self, on: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        self.log.setVisible(on)
        if on and not self.log.toPlainText():
            self.log.setPlainText("Nothing logged.")


class JobsPanel(QWidget):
    """All jobs of this session, the newest first."""

    TITLE = "Jobs"
    ORDER = 90
    AREA = "bottom"
    HELP = (
        "What is being computed and what is waiting. Stop finishes a job early and keeps what is "
        "there; Cancel throws it away. The arrow in front of a job folds out its log."
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
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        # a plain label: the strip is too low for the usual invitation
        self.empty = QLabel("Nothing is being computed. Jobs appear here with their progress.")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setMinimumSize(10, 10)
        self.states = QStackedWidget()
        self.states.addWidget(self.empty)
        self.states.addWidget(scroll)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.states)
        session.job_added.connect(self.add)
        session.job_event.connect(self.take)
        for job in session.jobs.values():
            self.add(job.id, job.title)

    def add(self, job: str, title: str) -> None:
        """List a new job on top; small questions that leave nothing behind are not worth a row."""
        record = self.session.jobs.get(job)
        if record is not None and not hasattr(record.spec, "out"):
            return
        row = JobRow(self.session, job, title)
        self.rows[job] = row
        self.list.insertWidget(0, row)
        self.states.setCurrentIndex(1)
        ended = [k for k, r in self.rows.items() if r.state in ("done", "failed", "cancelled")]
        for old in ended[: max(0, len(self.rows) - KEEP)]:
            self.rows.pop(old).deleteLater()

    def take(self, job: str, event: Any) -> None:
        """Show an event in its row."""
        row = self.rows.get(job)
        if row is not None:
            row.take(event)

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
