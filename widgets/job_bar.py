"""What stands above a result: its name; while a job makes it how far it is, and how to end it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from widgets.item_list import Live
from widgets.naming import named, push_button, text_label
from widgets.panels.jobs import time_left


class JobBar(QWidget):
    """Title, bar, time left, Stop and Cancel."""

    stop_asked = Signal()
    cancel_asked = Signal()

    def __init__(self, noun: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = text_label(f"The {noun} on show")
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.status = text_label(f"Progress of the {noun}")
        self.status.setContentsMargins(6, 0, 6, 0)
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.bar = named(QProgressBar(), f"Progress of the {noun}")
        self.bar.setMaximumHeight(14)
        self.bar.setMinimumWidth(50)
        self.stop = push_button("Stop", "End early and keep what is there")
        self.cancel = push_button("Cancel", f"Throw this {noun} away")
        self.stop.clicked.connect(self.stop_asked)
        self.cancel.clicked.connect(self.cancel_asked)
        head = QHBoxLayout()
        head.setContentsMargins(6, 4, 6, 0)
        for part, stretch in ((self.title, 2), (self.bar, 1), (self.stop, 0), (self.cancel, 0)):
            head.addWidget(part, stretch)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addLayout(head)
        box.addWidget(self.status)
        self.show_job("", None)

    def show_job(self, name: str, live: Live | None) -> None:
        """name: of what is on show; live: its job, None where it has ended."""
        self.title.setText(f"<b>{name}</b>" if name else "")
        self.title.setToolTip(name)
        busy = live is not None and live.busy
        for widget in (self.bar, self.stop, self.cancel, self.status):
            widget.setVisible(busy)
        if live is None or not busy:
            return
        self.stop.setEnabled(live.state == "running")
        self.cancel.setEnabled(True)
        known = live.fraction == live.fraction and live.state != "waiting"
        self.bar.setRange(0, 100 if known else 0)
        self.bar.setValue(round(100 * live.fraction) if known else 0)
        left = time_left(live.seconds_left) if live.state == "running" else ""
        text = ", ".join(x for x in (left, live.message or live.state) if x)
        self.status.setText(text)
        self.status.setToolTip(text)
