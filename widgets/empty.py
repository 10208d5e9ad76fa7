"""Empty, loading and failed states, drawn the same way in every panel."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)


class Empty(QWidget):
    """A centred invitation: what is missing, what to do next, and a button that does it.

    level "error" makes the title stand out; details fold out under it.
    """

    def __init__(
        self,
        title: str = "",
        hint: str = "",
        *,
        button: str = "",
        on_click: Callable[[], object] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.title = QLabel()
        self.hint = QLabel()
        self.details = QLabel()
        self.busy = QProgressBar()
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setFixedSize(160, 6)
        self.button = QPushButton()
        self.more = QPushButton("Details")
        self.more.setFlat(True)
        self.more.setCheckable(True)
        self.more.toggled.connect(self.details.setVisible)
        self._click: Callable[[], object] | None = None
        self.button.clicked.connect(lambda: self._click and self._click())
        box = QVBoxLayout(self)
        box.addStretch(1)
        for label in (self.title, self.hint, self.details):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        font = self.title.font()
        font.setPointSizeF(font.pointSizeF() * 1.15)
        font.setBold(True)
        self.title.setFont(font)
        self.hint.setForegroundRole(self.hint.foregroundRole())
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        box.addWidget(self.title)
        box.addWidget(self.hint)
        for small in (self.busy, self.button, self.more):
            box.addWidget(small, 0, Qt.AlignmentFlag.AlignHCenter)
        box.addWidget(self.details)
        box.addStretch(1)
        self.say(title, hint, button=button, on_click=on_click)

    def say(
        self,
        title: str,
        hint: str = "",
        *,
        button: str = "",
        on_click: Callable[[], object] | None = None,
        details: str = "",
        busy: bool = False,
    ) -> None:
        """Show another text; without a button text the button is hidden."""
        self.title.setText(title)
        self.title.setVisible(bool(title))
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        self.button.setText(button)
        self.button.setVisible(bool(button))
        self._click = on_click
        self.busy.setVisible(busy)
        self.details.setText(details)
        self.details.hide()
        self.more.setChecked(False)
        self.more.setVisible(bool(details))
        self.setAccessibleName(f"{title}. {hint}")


class States(QWidget):
    """A widget, or in its place an Empty: `ready()`, `empty(…)`, `loading(…)`, `failed(…)`."""

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.content = content
        self.message = Empty()
        self.stack = QStackedLayout(self)
        self.stack.addWidget(content)
        self.stack.addWidget(self.message)

    def ready(self) -> None:
        """Show the content."""
        self.stack.setCurrentWidget(self.content)

    def empty(
        self,
        title: str,
        hint: str = "",
        *,
        button: str = "",
        on_click: Callable[[], object] | None = None,
    ) -> None:
        """Nothing here yet: say what to do."""
        self.message.say(title, hint, button=button, on_click=on_click)
        self.stack.setCurrentWidget(self.message)

    def loading(self, title: str, hint: str = "") -> None:
        """Something is on its way."""
        self.message.say(title, hint, busy=True)
        self.stack.setCurrentWidget(self.message)

    def failed(
        self,
        title: str,
        hint: str = "",
        *,
        details: str = "",
        button: str = "",
        on_click: Callable[[], object] | None = None,
    ) -> None:
        """It did not work: what happened and what to do."""
        self.message.say(title, hint, details=details, button=button, on_click=on_click)
        self.stack.setCurrentWidget(self.message)
