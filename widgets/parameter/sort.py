"""Sorting of the parameter table: within each kind, so that units and groups stay together."""

from __future__ import annotations

import functools

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QTreeWidget, QTreeWidgetItem

from widgets.tables import ARROWS

SORT_ROLE = Qt.ItemDataRole.UserRole + 2  #: float or text of a cell to sort by
PLACE_ROLE = Qt.ItemDataRole.UserRole + 3  #: place of a line as it was made, in column 0


class Sorter(QObject):
    """Click a header, or use the menu key in the table: ascending, descending, as it was."""

    def __init__(self, tree: QTreeWidget, heads: tuple[str, ...]) -> None:
        super().__init__(tree)
        self.tree, self.heads = tree, heads
        self.column, self.descending = -1, False
        tree.header().setSectionsClickable(True)
        tree.header().sectionClicked.connect(self.click)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        for column, head in enumerate(heads):
            action = QAction(f"Sort by {head.lower()}", tree)
            action.triggered.connect(functools.partial(self.click, column))
            tree.addAction(action)

    def click(self, column: int, *_args: object) -> None:
        """The next order of a column."""
        if self.column != column:
            self.column, self.descending = column, False
        elif not self.descending:
            self.descending = True
        else:
            self.column, self.descending = -1, False
        for at, head in enumerate(self.heads):
            mark = ARROWS[self.descending] if at == self.column else ""
            self.tree.headerItem().setText(at, head + mark)
        self.apply()

    def apply(self) -> None:
        """Put the lines of every kind, and the terms of every type, in order."""
        self.tree.blockSignals(True)
        for at in range(self.tree.topLevelItemCount()):
            top = self.tree.topLevelItem(at)
            if top is not None:
                self._order(top)
        self.tree.blockSignals(False)

    def _order(self, above: QTreeWidgetItem) -> None:
        every = (above.child(k) for k in range(above.childCount()))
        lines = [line for line in every if line is not None]
        for line in lines:
            self._order(line)
        by_place = sorted(lines, key=lambda i: i.data(0, PLACE_ROLE))
        wanted = by_place
        if self.column >= 0:
            known = [i for i in by_place if i.data(self.column, SORT_ROLE) is not None]
            rest = [i for i in by_place if i.data(self.column, SORT_ROLE) is None]
            known.sort(key=lambda i: i.data(self.column, SORT_ROLE), reverse=self.descending)
            wanted = known + rest  # what has no such parameter stands last in either direction
        if wanted == lines:
            return
        states = [(i, i.isExpanded(), i.isHidden(), i.isSelected()) for i in lines]
        above.takeChildren()
        above.addChildren(wanted)
        for item, opened, hidden, selected in states:
            item.setExpanded(opened)
            item.setHidden(hidden)
            item.setSelected(selected)
