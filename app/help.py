"""Help in place: a card beside what it explains, the list of shortcuts, the command palette."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QApplication, QFrame, QLabel, QVBoxLayout, QWidget

from app.actions import every_action, plain, shortcut_text
from app.palette_dialog import PaletteDialog

if TYPE_CHECKING:
    from app.window import Window


class HelpCard(QFrame):
    """A title and a few sentences; any click or key closes it."""

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


class Guide:
    """What a person calls when they do not know what to do."""

    def __init__(self, window: Window) -> None:
        self.window = window

    def help_here(self) -> None:
        """Help for the panel under the cursor, else for the one with the keyboard."""
        dock = self.window.docks.under(QCursor.pos())
        if dock is None:
            focus = QApplication.focusWidget()
            dock = next(
                (d for d in self.window.docks.all.values() if focus and d.isAncestorOf(focus)),
                next(iter(self.window.docks.all.values())),
            )
        HelpCard(dock.windowTitle(), dock.help, dock).popup()

    def show_keys(self) -> None:
        """All shortcuts."""
        rows = [(plain(a), shortcut_text(a)) for a in every_action(self.window)]
        rows = [row for row in rows if row[1]]
        for dock in self.window.docks.all.values():
            keys = getattr(dock.panel_class, "KEYS", ())
            rows += [(f"{dock.windowTitle()}: {what}", key) for what, key in keys]
        HelpCard.of_rows("Keyboard shortcuts", rows, self.window).popup()

    def about(self) -> None:
        """Version and licence."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("pescape")
        except PackageNotFoundError:
            number = "(not installed)"
        text = (
            f"PEScape {number}. Potential-energy surfaces of flexible molecules: compare, fit and "
            "watch force fields. MIT licence."
        )
        HelpCard("About PEScape", text, self.window).popup()

    def show_palette(self) -> None:
        """Ctrl+K."""
        dialog = PaletteDialog(every_action(self.window), self.window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        frame = self.window.rect()
        x = self.window.mapToGlobal(frame.center()).x() - dialog.width() // 2
        dialog.move(x, self.window.mapToGlobal(frame.topLeft()).y() + 60)
        dialog.show()
        dialog.line.setFocus()
