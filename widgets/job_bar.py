"""What stands above a result: its name; while a job makes it how far it is, and how to end it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from widgets.item_list import Live
from widgets.naming import named, push_button, text_label
from widgets.queue import place_of, place_text
from widgets.session import Session
from widgets.words import bytes_text, time_left


class JobBar(QWidget):
    """Title, bar, place in the line or time left and memory, Stop and Cancel.

    kept: what Stop keeps.
    """

    stop_asked = Signal()
    cancel_asked = Signal()

    def __init__(
        self,
        noun: str,
        session: Session,
        *,
        kept: str = "what is there",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self._live: Live | None = None
        self.title = text_label(f"The {noun} on show")
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.status = text_label(f"Progress of the {noun}")
        self.status.setContentsMargins(6, 0, 6, 0)
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.bar = named(QProgressBar(), f"Progress of the {noun}")
        self.bar.setMaximumHeight(14)
        self.bar.setMinimumWidth(50)
        self.stop = push_button("Stop", f"End early and keep {kept}")
        self.cancel = push_button("Cancel", f"Throw this {noun} away")
        self.stop.clicked.connect(self.stop_asked)
        self.cancel.clicked.connect(self.cancel_asked)
        head = QHBoxLayout()
        head.setContentsMargins(6, 4, 6, 0)
        for part, stretch in ((self.title, 2), (self.bar, 1), (self.stop, 0), (self.cancel, 0)):
            head.addWidget(part, stretch)
        box = self.box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addLayout(head)
        box.addWidget(self.status)
        session.queue_changed.connect(self._progress)
        self.show_job("", None)

    def show_job(self, name: str, live: Live | None) -> None:
        """name: of what is on show; live: its job, None where it has ended."""
        self.title.setText(f"<b>{name}</b>" if name else "")
        self.title.setToolTip(name)
        busy = live is not None and live.busy
        self._live = live if busy else None
        self._progress()  # while hidden: the bar paints at once what is visible
        if self.bar.isHidden() != busy:
            return
        self.box.setEnabled(False)  # laid out once, not for each of them: plots below are slow
        for widget in (self.bar, self.stop, self.cancel, self.status):
            widget.setVisible(busy)
        self.box.setEnabled(True)
        self.box.activate()

    def _progress(self) -> None:
        live = self._live
        if live is None:
            return
        running, waits = live.state == "running", live.state == "waiting"
        self.stop.setEnabled(running)
        self.cancel.setEnabled(True)
        known = live.fraction == live.fraction and not waits
        self.bar.setTextVisible(known)
        self.bar.setRange(0, 100 if known or waits else 0)  # what waits does not move
        self.bar.setValue(round(100 * live.fraction) if known else 0)
        parts = [time_left(live.seconds_left)] if running else []
        place = place_text(place_of(self.session, live.job)) if waits else ""
        parts.append(place or live.message or live.state)
        if running and live.memory > 0:
            parts.append(bytes_text(live.memory))
        text = ", ".join(p for p in parts if p)
        self.status.setText(text)
        self.status.setToolTip(text)
