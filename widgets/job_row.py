"""One job in the list of jobs: how far it is, its place in the line, and how to end or move it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionFocusRect,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.engine.events import FINAL
from widgets.naming import named, push_button
from widgets.queue import place_text
from widgets.session import Session
from widgets.words import time_left

LOG_LINES = 2000
WORDS = {"queued": "waiting", "started": "running"} | {k: k for k in FINAL}
MOVES = (  # name, arrow, key, where to: steps, or None = to the front
    ("Next", Qt.ArrowType.NoArrow, "Alt+Home", None),
    ("Earlier", Qt.ArrowType.UpArrow, "Alt+Up", -1),
    ("Later", Qt.ArrowType.DownArrow, "Alt+Down", 1),
)


class JobRow(QWidget):
    """Title, bar, words, buttons, and a log that folds out."""

    move_asked = Signal(str, int)  # job, the place in the line it shall have (1 = next)
    withdrawn = Signal(str)  # job, cancelled while it waits
    go_asked = Signal(str, int)  # job; -1 = to the row above, 1 = below
    state_changed = Signal()

    def __init__(self, session: Session, job: str, title: str) -> None:
        super().__init__()
        self.session, self.job, self.name = session, job, title
        self.state = "queued"
        self.place, self.waiting = 0, 0  # in the line, and how many wait in all
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.title = QLabel(title)
        self.title.setToolTip(title)
        self.bar = named(QProgressBar(), f"Progress of {title}")
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedSize(140, 10)
        self.words = QLabel("waiting")
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.moves = [self._move_button(*move) for move in MOVES]
        self.stop = self._end_button("Stop", "Finish early and keep what is there", "stop")
        self.cancel = self._end_button("Cancel", "Throw this job away (Del)", "cancel")
        self.cancel_action = self._action("Cancel", QKeySequence.StandardKey.Delete)
        self.cancel_action.triggered.connect(self.cancel.click)
        self.fold = named(QToolButton(), f"Log of {title}", "Log")
        self.fold.setArrowType(Qt.ArrowType.RightArrow)
        self.fold.setCheckable(True)
        self.fold.setAutoRaise(True)
        self.fold.toggled.connect(self._unfold)
        self.log: QPlainTextEdit | None = None  # made when it is folded out: it takes a while
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        line.addWidget(self.fold)
        line.addWidget(self.title)
        line.addWidget(self.bar)
        line.addWidget(self.words, 1)
        for button in (*(b for b, _ in self.moves), self.stop, self.cancel):
            line.addWidget(button)
        box = self.box = QVBoxLayout(self)
        box.setContentsMargins(4, 1, 4, 1)
        box.setSpacing(1)
        box.addLayout(line)
        self._offer()

    # -- building -----------------------------------------------------------------------------
    def _action(self, text: str, key: str | QKeySequence.StandardKey) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(key))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.addAction(action)
        return action

    def _move_button(
        self, name: str, arrow: Qt.ArrowType, key: str, step: int | None
    ) -> tuple[QToolButton, QAction]:
        where = "the front of the line" if step is None else f"one place {name.lower()}"
        button = named(QToolButton(), f"{name}: {self.name}", f"Move to {where} ({key})")
        if step is None:
            button.setText(name)
        button.setArrowType(arrow)
        button.setAutoRaise(True)
        action = self._action(f"Move to {where}", key)
        for signal in (button.clicked, action.triggered):
            signal.connect(lambda _=False: self._move(step))
        return button, action

    def _end_button(self, name: str, tip: str, call: str) -> QPushButton:
        button = push_button(name, tip, name=f"{name} {self.name}")
        button.clicked.connect(lambda: self._end(name, getattr(self.session, call)))
        return button

    # -- what is told -------------------------------------------------------------------------
    def take(self, event: Any) -> None:
        """Show one event of the job."""
        payload, before = event.payload, self.state
        message = payload.get("message", "")
        if event.kind == "progress":
            self.state = "running"
            words = []
            if event.fraction == event.fraction:
                self.bar.setValue(round(1000 * event.fraction))
                words = [f"{100 * event.fraction:.0f} %"]
            words += [time_left(payload.get("seconds_left", float("nan"))), message]
            self._say(", ".join(w for w in words if w))
        elif event.kind == "log":
            self._write(message)
        elif event.kind in WORDS:
            self.state = event.kind if event.kind != "started" else "running"
            # it may have been told its place in the line before it was said to wait
            queued = event.kind == "queued" and self.place
            self._say(place_text(self.place) if queued else WORDS[event.kind])
        if event.kind == "cancelled" and message and message != "cancelled":
            self._say(message if message.startswith("cancelled") else f"cancelled: {message}")
        if event.kind in FINAL:
            self.bar.setValue(1000 if event.kind == "done" else self.bar.value())
            self.bar.setEnabled(event.kind == "done")
        if event.kind == "failed":
            message = message or "no reason given"
            self._say(f"failed: {message}")
            details = payload.get("details", "")
            self._write(message + (f"\n{details}" if details else ""))
            self._colour()
        if self.state != before:
            self._offer()
            self.state_changed.emit()

    def set_place(self, place: int, waiting: int) -> None:
        """Its place in the line (1 = next, 0 = it does not wait) of so many."""
        if (place, waiting) != (self.place, self.waiting):
            self.place, self.waiting = place, waiting
            if self.state == "queued" and place:
                self._say(place_text(place))
            self._offer()

    def _offer(self) -> None:
        """What can be done with it now."""
        queued, over = self.state == "queued", self.state in FINAL
        for (button, action), (_name, _arrow, _key, step) in zip(self.moves, MOVES, strict=True):
            possible = queued and 0 < self.place + (step or -1) <= self.waiting
            if button.hasFocus() and not possible:
                self.setFocus()  # else Qt gives it to the next button, which does the opposite
            button.setEnabled(possible)
            action.setEnabled(possible)
            button.setVisible(queued and self.waiting > 1)
        self.stop.setEnabled(self.state == "running")
        self.stop.setVisible(not over and not queued)
        self.cancel.setVisible(not over)
        self.cancel_action.setEnabled(not over)

    def _say(self, text: str) -> None:
        if text != self.words.text():
            self.words.setText(text)
            self.words.setToolTip(text)
            self.setAccessibleName(f"{self.name}: {text}")

    # -- what is asked ------------------------------------------------------------------------
    def _move(self, step: int | None) -> None:
        self.move_asked.emit(self.job, 1 if step is None else self.place + step)

    def _end(self, name: str, how: Callable[[str], None]) -> None:
        self.stop.setEnabled(False)
        self.cancel.setEnabled(name != "Cancel")
        self._say("stopping …" if name == "Stop" else "cancelling …")
        if self.state == "queued" and name == "Cancel":
            self.withdrawn.emit(self.job)
        else:
            how(self.job)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down go from row to row; else they would only scroll."""
        step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
        if step is None or event.modifiers() & Qt.KeyboardModifier.AltModifier:
            super().keyPressEvent(event)
        else:
            self.go_asked.emit(self.job, step)

    # -- log ----------------------------------------------------------------------------------
    def _write(self, text: str) -> None:
        self._lines.append(text)
        if self.log is not None:
            if len(self._lines) == 1:
                self.log.clear()
            self.log.appendPlainText(text)

    def _unfold(self, on: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        if self.log is None:
            self.log = named(QPlainTextEdit(readOnly=True), f"Log of {self.name}")
            self.log.setMaximumBlockCount(LOG_LINES)
            self.log.setFixedHeight(96)
            self.log.setPlainText("\n".join(self._lines) or "Nothing logged.")
            self.box.addWidget(self.log)
        self.log.setVisible(on)

    # -- looks --------------------------------------------------------------------------------
    def _colour(self) -> None:
        palette = self.words.palette()
        palette.setColor(palette.ColorRole.WindowText, self.palette().brightText().color())
        self.words.setPalette(palette)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange and self.state == "failed":
            self._colour()
        super().changeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        # the same in all rows, whatever buttons they have: the bars stand below each other
        self.title.setFixedWidth(max(90, self.width() // 4))
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            option = QStyleOptionFocusRect()
            option.initFrom(self)
            option.state |= QStyle.StateFlag.State_KeyboardFocusChange  # also after a click
            self.style().drawPrimitive(
                QStyle.PrimitiveElement.PE_FrameFocusRect, option, QPainter(self), self
            )
