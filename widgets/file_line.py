"""A line for the name of a file, with a button that looks for it."""

from __future__ import annotations

from PySide6.QtWidgets import QFileDialog, QLineEdit, QStyle, QWidget


class FileLine(QLineEdit):
    """What is typed stays as it is; the button within the line writes the name of a file there."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        icon = self.style().standardIcon(QStyle.StandardPixmap.SP_DirOpenIcon)
        self.look = self.addAction(icon, QLineEdit.ActionPosition.TrailingPosition)
        self.look.setText(f"{title}: look for it")
        self.look.setToolTip("Look for the file")
        self.look.triggered.connect(lambda _on=False: self.browse())

    def browse(self) -> None:
        """Ask for a file; nothing changes where none is chosen."""
        path, _ = QFileDialog.getOpenFileName(self, self.title, self.text().strip())
        if path:
            self.setText(path)
