"""A list of things to tick, no taller than it must be."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QListWidget, QListWidgetItem


class TickList(QListWidget):
    """A subclass fills it; MOST: rows that are shown without scrolling."""

    MOST = 8

    def label_of(self, row: QListWidgetItem) -> str:
        """What `tick` calls a row."""
        return row.text()

    def ticked_rows(self) -> list[QListWidgetItem]:
        """Those that are ticked, from top to bottom."""
        rows = [self.item(k) for k in range(self.count())]
        return [r for r in rows if r.checkState() == Qt.CheckState.Checked]

    def tick(self, label: str, on: bool = True) -> None:
        """Tick or untick by label. Raises KeyError when there is none."""
        for row in (self.item(k) for k in range(self.count())):
            if self.label_of(row) == label:
                row.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
                return
        raise KeyError(label)

    def sizeHint(self) -> QSize:
        """As tall as its rows, within reason."""
        row = self.sizeHintForRow(0) if self.count() else 18
        return QSize(160, min(self.MOST, max(3, self.count())) * row + 6)
