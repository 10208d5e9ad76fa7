"""A small card with help, beside what it explains; any click or key closes it."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget


class HelpCard(QFrame):
    """A title and a few sentences."""

    def __init__(self, title: str, text: str, beside: QWidget, *, rich: bool = False) -> None:
        super().__init__(beside, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.beside = beside
        body = text if rich else f"<p>{escape(text)}</p>"
        self.label = QLabel(f"<b>{escape(title)}</b>{body}", wordWrap=True)
        self.label.setMinimumWidth(360)
        box = QVBoxLayout(self)
        box.addWidget(self.label)

    @classmethod
    def of_rows(cls, title: str, rows: list[tuple[str, str]], beside: QWidget) -> HelpCard:
        """A two-column table."""
        cells = "".join(
            f"<tr><td style='padding-right:24px'>{escape(a)}</td><td>{escape(b)}</td></tr>"
            for a, b in rows
        )
        return cls(title, f"<table>{cells}</table>", beside, rich=True)

    def popup(self) -> None:
        """Show it over the middle of what it explains."""
        self.adjustSize()
        middle = self.beside.mapToGlobal(self.beside.rect().center())
        screen = self.beside.screen().availableGeometry()
        x = min(max(middle.x() - self.width() // 2, screen.left()), screen.right() - self.width())
        y = min(max(middle.y() - self.height() // 2, screen.top()), screen.bottom() - self.height())
        self.move(QPoint(x, y))
        self.show()

    def keyPressEvent(self, _event: object) -> None:
        self.close()
