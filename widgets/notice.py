"""Bars at the top of the window: what went wrong, or an offer; never in the way of work."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

MAX_NOTICES = 3
MARKS = {"info": "ℹ", "warning": "⚠", "error": "✕"}


class Notice(QFrame):
    """One line with buttons; each button takes the notice away."""

    def __init__(
        self,
        text: str,
        level: str = "info",
        buttons: tuple[tuple[str, Callable[[], object]], ...] = (),
        *,
        details: str = "",
    ) -> None:
        super().__init__()
        self.text, self.level, self.times = text, level, 1
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self.setBackgroundRole(self.palette().ColorRole.Base)
        self.mark = QLabel(MARKS.get(level, "ℹ"))
        if level == "error":
            self.mark.setForegroundRole(self.palette().ColorRole.BrightText)
        self.label = QLabel(text, wordWrap=True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        line = QHBoxLayout()
        line.setContentsMargins(8, 2, 4, 2)
        line.addWidget(self.mark)
        line.addWidget(self.label, 1)
        self.buttons: dict[str, QPushButton] = {}
        for name, slot in buttons:
            button = QPushButton(name)
            button.clicked.connect(self.dismiss)
            button.clicked.connect(lambda _on=False, s=slot: s())
            line.addWidget(button)
            self.buttons[name] = button
        self.more = QPushButton("Details")
        self.more.setCheckable(True)
        self.more.setFlat(True)
        self.details = QLabel(details, wordWrap="\n" not in details)
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details.hide()
        self.more.setVisible(bool(details))
        self.more.toggled.connect(self.details.setVisible)
        line.addWidget(self.more)
        close = QToolButton()
        close.setText("×")
        close.setAutoRaise(True)
        close.setAccessibleName("Dismiss")
        close.clicked.connect(self.dismiss)
        line.addWidget(close)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addLayout(line)
        box.addWidget(self.details)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A layout does not ask a label for the height that its wrapped text needs."""
        super().resizeEvent(event)
        for label in (self.label, self.details):
            label.setMinimumHeight(max(0, label.heightForWidth(label.width())))

    def again(self) -> None:
        """The same thing happened once more."""
        self.times += 1
        self.label.setText(f"{self.text} (×{self.times})")

    def dismiss(self) -> None:
        """Take the notice away."""
        self.hide()
        self.setParent(None)
        self.deleteLater()


class Notices(QWidget):
    """The stack of notices; takes no room when there are none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = QVBoxLayout(self)
        self.box.setContentsMargins(0, 0, 0, 0)
        self.box.setSpacing(1)

    def shown(self) -> list[Notice]:
        """The notices, oldest first."""
        rows = [self.box.itemAt(i) for i in range(self.box.count())]
        widgets = [r.widget() for r in rows if r is not None]
        return [w for w in widgets if isinstance(w, Notice)]

    def add(
        self,
        text: str,
        level: str = "info",
        buttons: tuple[tuple[str, Callable[[], object]], ...] = (),
        *,
        details: str = "",
    ) -> Notice:
        """Show a notice; the same text twice is counted, and old ones without buttons go."""
        for notice in self.shown():
            if notice.text == text and notice.level == level and not buttons:
                notice.again()
                return notice
        plain = [n for n in self.shown() if not n.buttons]
        for old in plain[: max(0, len(plain) - MAX_NOTICES + 1)]:
            old.dismiss()
        notice = Notice(text, level, buttons, details=details)
        self.box.addWidget(notice)
        return notice
