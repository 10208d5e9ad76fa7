"""A table that can be sorted, filtered and copied (Markdown, CSV), with numbers one can compare."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction, QColor, QFontDatabase, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from widgets.naming import named, tool_button

MISSING = "–"
ARROWS = {False: " ▴", True: " ▾"}  # descending or not
MANY = 60  # texts that are measured at most
WIDEST = 320  # pixels of one column
Role = Qt.ItemDataRole
Index = QModelIndex | QPersistentModelIndex


class Shown(float):
    """A number that is shown in its own way, for example "≥ 5.0", and sorted as a number."""

    text: str

    def __new__(cls, value: float, text: str) -> Shown:
        made = super().__new__(cls, value)
        made.text = text
        return made


@dataclass(frozen=True)
class Column:
    """One column. digits None = text, left aligned; else a number with so many decimals."""

    title: str
    unit: str = ""
    digits: int | None = None
    tip: str = ""

    @property
    def header(self) -> str:
        """Title with its unit, for example "force MAE / meV/Å"."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def text(self, value: Any) -> str:
        """What the cell shows."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return MISSING
        if isinstance(value, Shown):
            return value.text
        if self.digits is None or isinstance(value, str):
            return str(value)
        return f"{value:.{self.digits}f}".replace("-", "−")

    def widest(self, values: Sequence[Any]) -> list[str]:
        """A few texts of these values, the widest among them.

        The widest number is the largest or the smallest one, the widest text one of the longest:
        to measure all of two thousand rows would take 20 ms.
        """
        plain = [v for v in values if type(v) in (int, float) and math.isfinite(v)]
        if self.digits is None or len(plain) < MANY:
            texts = {self.text(v) for v in values}
        else:
            rest = {self.text(v) for v in values if type(v) not in (int, float)}
            texts = {self.text(min(plain)), self.text(max(plain)), MISSING, *rest}
        return sorted(texts, key=len)[-MANY:]


@dataclass(frozen=True)
class Row:
    """Values in column order; key names the row ("" = cannot be selected); colour of its mark."""

    key: str
    values: tuple[Any, ...]
    colour: str = ""
    tip: str = ""


class _Model(QAbstractTableModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.columns: tuple[Column, ...] = ()
        self.rows: tuple[Row, ...] = ()
        self.arrow = (-1, False)  # column sorted by, descending
        self._given: tuple[Row, ...] = ()  # in the order they came in
        self._digits_font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
        # tabular figures: 1 is as wide as 8, so decimal points stand below each other
        if hasattr(self._digits_font, "setFeature"):
            from PySide6.QtGui import QFont

            self._digits_font.setFeature(QFont.Tag("tnum"), 1)

    def put(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        self.beginResetModel()
        self.columns, self._given = tuple(columns), tuple(rows)
        if self.arrow[0] >= len(self.columns):
            self.arrow = (-1, False)
        self._arrange()
        self.endResetModel()

    def sort_by(self, column: int, *, descending: bool) -> None:
        """Order the rows: numbers by value, texts by letter, missing values last either way.

        Here and not in Qt's proxy, which would ask Python about each pair that it compares.
        """
        self.arrow = (column, descending)
        self._arrange()
        if self.rows and self.columns:
            last = self.index(len(self.rows) - 1, len(self.columns) - 1)
            self.dataChanged.emit(self.index(0, 0), last)
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, max(0, len(self.columns) - 1))

    def _arrange(self) -> None:
        column, descending = self.arrow
        if column < 0:
            self.rows = self._given
            return
        keyed = [(_sort_key(row.values[column]), row) for row in self._given]
        good = [(key, row) for key, row in keyed if key is not None]
        good.sort(key=lambda pair: pair[0], reverse=descending)
        self.rows = (*(r for _, r in good), *(r for key, r in keyed if key is None))

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        row, column = self.rows[index.row()], self.columns[index.column()]
        value = row.values[index.column()]
        if role == Role.DisplayRole:
            return column.text(value)
        if role == Role.TextAlignmentRole and column.digits is not None:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Role.FontRole and column.digits is not None:
            return self._digits_font
        if role == Role.DecorationRole and index.column() == 0 and row.colour:
            return QColor(row.colour)
        if role == Role.ToolTipRole:
            return row.tip or None
        return None

    def headerData(self, section: int, way: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        if way != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        column = self.columns[section]
        if role == Role.DisplayRole:
            title = column.title
            if self.arrow[0] == section:
                title += ARROWS[self.arrow[1]]
            return f"{title}\n{column.unit}" if column.unit else title
        if role == Role.ToolTipRole:
            return column.tip or column.header
        if role == Role.TextAlignmentRole and column.digits is not None:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None


def _sort_key(value: Any) -> tuple[int, float, str] | None:
    """What a value is sorted by; None = it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int | float):
        return 0, value, ""
    return 1, 0.0, str(value).casefold()


class Table(QWidget):
    """Rows of values. Click a header to sort, type to filter, right click or Ctrl+C to copy."""

    row_selected = Signal(str)  # key
    row_activated = Signal(str)  # key, double click or Enter

    def __init__(
        self, name: str, parent: QWidget | None = None, *, filter_box: bool = True
    ) -> None:
        super().__init__(parent)
        self.model = _Model(self)
        self.sorted = QSortFilterProxyModel(self)  # filters; the model sorts
        self.sorted.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.sorted.setFilterKeyColumn(-1)
        self.sorted.setSourceModel(self.model)
        self.view = named(QTableView(), name)
        self.view.setModel(self.sorted)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setAlternatingRowColors(True)
        self.view.setShowGrid(False)
        self.view.setTabKeyNavigation(False)  # Tab leaves the table
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.view.horizontalHeader().setHighlightSections(False)
        self.view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        # Qt's own sort arrow is painted over right-aligned headers: ours is part of the text
        self.view.horizontalHeader().setSectionsClickable(True)
        self.view.horizontalHeader().setStretchLastSection(True)
        self.view.horizontalHeader().sectionClicked.connect(self._header_clicked)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._open_menu)
        self.view.selectionModel().currentRowChanged.connect(self._current)
        self.view.activated.connect(lambda index: self.row_activated.emit(self._key(index)))
        self.filter = QLineEdit(placeholderText="Filter", clearButtonEnabled=True)
        self.filter.setAccessibleName(f"Filter {name}")
        self.filter.textChanged.connect(self.sorted.setFilterFixedString)
        self.filter.setVisible(filter_box)
        copy = tool_button("Copy", "Copy the whole table", name=f"Copy {name}")
        copy.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        copy.setMenu(self.menu())
        copy.setVisible(filter_box)
        self.bar = QHBoxLayout()
        self.bar.addWidget(self.filter, 1)
        self.bar.addWidget(copy)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        if filter_box:
            box.addLayout(self.bar)
        box.addWidget(self.view)
        self.extra: list[QAction] = []  # a panel's own entries of the right-click menu
        self._quiet = False

    def set_table(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Show other content; the selected row and the sorting stay where they can."""
        kept = self.selected()
        same = [c.title for c in columns] == [c.title for c in self.model.columns]
        self._quiet = True
        self.model.put(columns, rows)
        self._quiet = False
        if not same:
            self.sort_by(-1)
        self.fit()
        self.select(kept)

    def fit(self) -> None:
        """Columns as wide as what they hold."""
        metrics = self.view.fontMetrics()
        arrow = metrics.horizontalAdvance(ARROWS[False])
        for c, column in enumerate(self.model.columns):
            cells = column.widest([row.values[c] for row in self.model.rows])
            wide = max((metrics.horizontalAdvance(t) for t in cells), default=0)
            mark = 22 if c == 0 and any(r.colour for r in self.model.rows) else 0
            heads = metrics.horizontalAdvance(column.title) + arrow
            heads = max(heads, metrics.horizontalAdvance(column.unit))
            self.view.setColumnWidth(c, min(max(wide + mark, heads) + 14, WIDEST))

    def sort_by(self, column: int, *, descending: bool = False) -> None:
        """As if its header had been clicked; -1 = the order the rows came in."""
        kept = self.selected()
        self.model.sort_by(column, descending=descending)
        self.select(kept)

    def _header_clicked(self, column: int) -> None:
        """Ascending, descending, and back to the order the rows came in."""
        old, descending = self.model.arrow
        if old != column:
            self.sort_by(column)
        else:
            self.sort_by(-1 if descending else column, descending=not descending)

    def selected(self) -> str:
        """Key of the selected row, "" when none is."""
        index = self.view.currentIndex()
        return self._key(index) if index.isValid() else ""

    def select(self, key: str) -> None:
        """Select a row by key without telling anybody; an unknown key clears the selection."""
        self._quiet = True
        self.view.clearSelection()
        self.view.setCurrentIndex(QModelIndex())
        rows = self.model.rows if key else ()
        at = next((r for r, row in enumerate(rows) if row.key == key), -1)
        index = self.sorted.mapFromSource(self.model.index(at, 0))
        if at >= 0 and index.isValid():
            self.view.selectRow(index.row())
        self._quiet = False

    def shown(self) -> list[list[str]]:
        """The cells as they are shown: filtered, in order."""
        rows, columns = self.sorted.rowCount(), self.sorted.columnCount()
        return [
            [str(self.sorted.index(r, c).data() or "") for c in range(columns)] for r in range(rows)
        ]

    # -- copy ---------------------------------------------------------------------------------
    def markdown(self) -> str:
        """The table as shown, in GitHub's Markdown."""
        heads = [c.header for c in self.model.columns]
        rule = ["---" if c.digits is None else "---:" for c in self.model.columns]
        cells = [[t.replace("|", "\\|") for t in row] for row in [heads, rule, *self.shown()]]
        return "".join("| " + " | ".join(row) + " |\n" for row in cells)

    def csv(self) -> str:
        """The table in the order shown, with full numbers and empty cells where there is none."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([c.header for c in self.model.columns])
        for r in range(self.sorted.rowCount()):
            row = self.model.rows[self.sorted.mapToSource(self.sorted.index(r, 0)).row()]
            writer.writerow([self._plain(v) for v in row.values])
        return out.getvalue()

    @staticmethod
    def _plain(value: Any) -> str:
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ""
        return f"{value:.8g}" if isinstance(value, float) else str(value)

    def copy_markdown(self) -> None:
        """To the clipboard."""
        QApplication.clipboard().setText(self.markdown())

    def copy_csv(self) -> None:
        """To the clipboard."""
        QApplication.clipboard().setText(self.csv())

    def menu(self) -> QMenu:
        """The copy menu."""
        menu = QMenu(self)
        menu.addAction("Copy as Markdown", self.copy_markdown)
        menu.addAction("Copy as CSV", self.copy_csv)
        return menu

    def keyPressEvent(self, event) -> None:
        """Ctrl+C copies the table, ready to be pasted into a document."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_markdown()
        else:
            super().keyPressEvent(event)

    # -- inside -------------------------------------------------------------------------------
    def _open_menu(self, where: QPoint) -> None:
        menu = self.menu()
        if self.extra:
            menu.insertActions(menu.actions()[0], self.extra)
            menu.insertSeparator(menu.actions()[len(self.extra)])
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.view.viewport().mapToGlobal(where))

    def _key(self, index: QModelIndex) -> str:
        return self.model.rows[self.sorted.mapToSource(index).row()].key if index.isValid() else ""

    def _current(self, index: QModelIndex, _old: QModelIndex) -> None:
        key = self._key(index)
        if key and not self._quiet:
            self.row_selected.emit(key)
