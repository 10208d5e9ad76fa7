"""One line under the bar of a panel: what is wrong, or what happened."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from widgets.naming import named
from widgets.palette import inks


class NoticeLine(QLabel):
    """Hidden while there is nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "Notice")
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.hide()

    def say(self, text: str, level: str, *, dark: bool) -> None:
        """level: info, warning or error."""
        ink = inks(dark=dark)
        colour = {"error": ink.bad, "warning": ink.accent}.get(level, ink.muted)
        self.setText(text)
        self.setVisible(bool(text))
        self.setProperty("level", level)
        self.setStyleSheet(f"border-left: 3px solid {colour}; padding: 2px 6px;")
