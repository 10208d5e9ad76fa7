"""The table of terms with the editor of the selected ones under it, and the way to keep them."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from widgets.naming import named, push_button
from widgets.parameter.editor import ParameterEditor
from widgets.parameter.table import ParameterTable


class TermsTab(QWidget):
    """Places filter, table, editor and the line that saves."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = ParameterTable()
        self.editor = ParameterEditor()
        self.name = named(QLineEdit(), "Name of the force field", "Name in the project")
        self.save = push_button("Save as force field", "Add the terms to the project as a fit")
        bottom = QHBoxLayout()
        bottom.addWidget(self.name, 1)
        bottom.addWidget(self.save)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.setSpacing(3)
        column.addWidget(self.table.filter_box)
        column.addWidget(self.table, 1)
        column.addWidget(self.editor)
        column.addLayout(bottom)
