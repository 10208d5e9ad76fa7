"""A form that scrolls up and down and is never cut at the side."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QScrollArea, QWidget


class FormScroll(QScrollArea):
    """Always as wide as the form needs: its rows come and go."""

    def __init__(self, form: QWidget) -> None:
        super().__init__()
        self.form = form
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(form)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """QScrollArea watches its widget already."""
        if event.type() == QEvent.Type.LayoutRequest and watched is self.form:
            bar = self.verticalScrollBar().sizeHint().width()
            self.setMinimumWidth(self.form.minimumSizeHint().width() + bar + 2)
        return super().eventFilter(watched, event)
