"""The table of all terms: grouped by kind and type, values edited in place."""

from __future__ import annotations

import csv
import io

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QLineEdit,
    QStyledItemDelegate,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from core.molecule import Molecule
from core.units import EnergyUnit
from widgets.molecule.measure import atoms_name
from widgets.naming import named
from widgets.palette import inks
from widgets.parameter import rows
from widgets.parameter.document import Document
from widgets.parameter.rows import Key
from widgets.parameter.sort import PLACE_ROLE, SORT_ROLE, Sorter

TERM, FORCE, PLACE, PHASE, PENALTY, REFIT, SOURCE = range(7)
LEAST = 150  # pixels of the names of terms
HEADS = ("Term", "Strength", "Position", "Phase", "Penalty", "Refit", "Source")
TIPS = (
    "Atom types, and the atoms of each term",
    "Force constant, amplitude or depth of the well; the unit stands in the line of the kind",
    "Equilibrium value, periodicity n, radius or charge",
    "Phase of a torsion: its maximum",
    "0 = the table has this very entry; more = taken by analogy, the larger the worse",
    "What a refit may do with it: F2 or the boxes below change it",
    "Where the values come from",
)
MIXED = "…"  # the terms of a type have different values
WARN = {False: QColor("#b26a00"), True: QColor("#ffb74d")}
WARN_BACK = {False: QColor("#fff3d6"), True: QColor("#4a3a17")}
BIG = 10.0  # a penalty from here on is marked twice
Role = Qt.ItemDataRole
Index = QModelIndex | QPersistentModelIndex


class _ValueDelegate(QStyledItemDelegate):
    """Only cells that hold a parameter can be edited; numbers stand right."""

    def createEditor(self, parent: QWidget, option, index: Index) -> QWidget:
        if index.data(Role.UserRole + 1) is None:
            return None  # type: ignore[return-value]
        return super().createEditor(parent, option, index)


class ParameterTable(QTreeWidget):
    """Rows of a Document; one edit in a type's line edits all its terms.

    A click on a header sorts within each kind.
    """

    chosen = Signal(object)  # list of Key of the selected lines
    typed = Signal(object, str, float)  # keys, parameter, value inside
    refused = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        named(self, "Parameters")
        self.setColumnCount(len(HEADS))
        self.setHeaderLabels(list(HEADS))
        for column, tip in enumerate(TIPS):
            self.headerItem().setToolTip(column, tip)
        self.setItemDelegate(_ValueDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setAlternatingRowColors(True)
        self.setUniformRowHeights(True)
        self.setIndentation(12)
        self.header().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.header().setStretchLastSection(True)
        self.header().sectionResized.connect(lambda *_a: self._column_resized())
        self.document: Document | None = None
        self.unit: EnergyUnit | None = None
        self.dark = False
        self._lines: list[tuple[QTreeWidgetItem, list[Key]]] = []
        self._shape: tuple = ()
        self._filling = False
        self._by_hand = False  # a header was dragged
        tip = "Types, atoms or source; Ctrl+C in the table copies all terms"
        line = QLineEdit(placeholderText="Filter", clearButtonEnabled=True)
        self.filter_box = named(line, "Filter terms", tip)  # for the panel to place
        line.textChanged.connect(self.filter)
        self.sorter = Sorter(self, HEADS)
        self.itemSelectionChanged.connect(self._selected)
        self.itemChanged.connect(self._edited)

    # -- filling ------------------------------------------------------------------------------
    def show_document(self, document: Document | None, unit: EnergyUnit, *, dark: bool) -> None:
        """Show other terms, or the same in another unit or theme."""
        same = document is self.document
        self.document, self.unit, self.dark = document, unit, dark
        if not same:
            self._shape, self._lines = (), []
        self.refresh()

    def refresh(self) -> None:
        """Write all values again; lines are made anew only where there are others now."""
        if self.document is None or self.unit is None:
            self.clear()
            self._lines, self._shape = [], ()
            return
        topology = self.document.topology
        every = {kind: rows.groups(topology, kind) for kind in rows.KINDS}
        shape = tuple((k, tuple((g, tuple(ks)) for g, ks in every[k].items())) for k in every)
        self._filling = True
        if shape != self._shape:
            self._rebuild(every)
            self._shape = shape
        fresh = bool(self._lines) and self._lines[0][0].data(TERM, SORT_ROLE) is None
        for item, keys in self._lines:
            self._write(item, keys)
        if fresh:  # an edit does not move lines about
            self.sorter.apply()
        self._filling = False

    def _rebuild(self, every: dict) -> None:
        kept = set(self.selected_keys())
        first = not self._shape
        open_ = {top.data(0, Role.UserRole): top.isExpanded() for top in self._tops()}
        assert self.document is not None
        topology, symbols = self.document.topology, self.document.molecule.symbols
        self.blockSignals(True)
        self.clear()
        self._lines = []
        for kind, members in every.items():
            if not members:
                continue
            total = sum(map(len, members.values()))
            top = QTreeWidgetItem(self, [f"{rows.TITLES[kind]} ({total})"])
            top.setData(0, Role.UserRole, kind)
            font = top.font(0)
            font.setBold(True)
            top.setFont(0, font)
            top.setFlags(Qt.ItemFlag.ItemIsEnabled)
            for keys in members.values():
                name = rows.types(topology, keys[0])
                line = QTreeWidgetItem(top, [name])
                self._lines.append((line, keys))
                if len(keys) == 1:
                    where = atoms_name(symbols, rows.atoms(topology, keys[0]))
                    line.setText(TERM, f"{name}  {where}")
                else:
                    line.setText(TERM, f"{name}  ×{len(keys)}")
                    for key in keys:
                        where = atoms_name(symbols, rows.atoms(topology, key))
                        self._lines.append((QTreeWidgetItem(line, [where]), [key]))
            top.setExpanded(open_.get(kind, kind == "torsion"))
        for place, (item, _) in enumerate(self._lines):
            item.setData(TERM, PLACE_ROLE, place)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            item.setToolTip(TERM, item.text(TERM))
        self._write_units()
        self.blockSignals(False)
        if first:
            self._widths()
        self.select(list(kept))

    def _tops(self) -> list[QTreeWidgetItem]:
        """The lines of the kinds."""
        found = (self.topLevelItem(i) for i in range(self.topLevelItemCount()))
        return [top for top in found if top is not None]

    def _widths(self) -> None:
        measure = self.fontMetrics().horizontalAdvance
        texts = ("c3-c3-oh-ho  C1–C2–O3–H9", "kcal/mol/rad²", "−0.00000", "Phase", "▲▲ 10.0",
                 "frozen")  # fmt: skip
        for column, text in enumerate(texts):
            self.setColumnWidth(column, measure(text) + (42 if column == 0 else 8))
        self._room()

    def _room(self) -> None:
        """The names give way, down to LEAST: what is said about refits stays in sight."""
        rest = sum(self.columnWidth(c) for c in range(TERM + 1, REFIT + 1))
        natural = self.fontMetrics().horizontalAdvance("c3-c3-oh-ho  C1–C2–O3–H9") + 42
        free = self.viewport().width() - rest
        self.setColumnWidth(TERM, max(LEAST, min(natural, free)))

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        if self._shape and not self._by_hand:
            self._room()

    def _column_resized(self) -> None:
        """The width that a person has given stays."""
        self._by_hand |= bool(QApplication.mouseButtons())

    def _write_units(self) -> None:
        assert self.unit is not None
        for top in self._tops():
            kind = top.data(0, Role.UserRole)
            for name in rows.names(kind):
                q = rows.QUANTITIES[kind, name]
                unit = q.unit_text(self.unit)
                top.setText(q.column, unit or q.symbol)
                top.setTextAlignment(q.column, Qt.AlignmentFlag.AlignRight)
                top.setToolTip(q.column, f"{q.symbol} in {unit}" if unit else q.symbol)
            for column in range(self.columnCount()):
                top.setForeground(column, QBrush(QColor(inks(dark=self.dark).muted)))
            top.setForeground(TERM, QBrush(QColor(inks(dark=self.dark).ink)))
            if kind == "charge":
                total = float(self.document.topology.charges.sum()) if self.document else 0.0
                top.setText(SOURCE, f"together {total:+.4f} e".replace("-", "−"))

    def _write(self, item: QTreeWidgetItem, keys: list[Key]) -> None:
        assert self.document is not None
        assert self.unit is not None
        topology, original = self.document.topology, self.document.original
        kind = keys[0][0]
        for name in rows.names(kind):
            q = rows.QUANTITIES[kind, name]
            values = {rows.value(topology, k, name) for k in keys}
            one = len(values) == 1
            item.setData(q.column, SORT_ROLE, min(values))
            item.setText(q.column, q.text(values.pop(), self.unit) if one else MIXED)
            item.setData(q.column, Role.UserRole + 1, name)
            item.setTextAlignment(q.column, Qt.AlignmentFlag.AlignRight)
            there = all(k[1] < rows.count(original, kind) for k in keys)
            new = not there or any(
                rows.value(topology, k, name) != rows.value(original, k, name) for k in keys
            )
            font = item.font(q.column)
            font.setBold(new)
            item.setFont(q.column, font)
            item.setToolTip(q.column, f"{q.symbol} {q.unit_text(self.unit)}".strip())
        worst = max(rows.penalty(topology, k) for k in keys)
        text = "" if kind in rows.ATOMIC else f"{worst:.1f}" if worst > 0 else "0"
        item.setText(PENALTY, f"▲{'▲' if worst >= BIG else ''} {text}" if worst > 0 else text)
        item.setTextAlignment(PENALTY, Qt.AlignmentFlag.AlignRight)
        warn = QBrush(WARN[self.dark]) if worst > 0 else QBrush()
        back = QBrush(WARN_BACK[self.dark]) if worst > 0 else QBrush()
        item.setForeground(PENALTY, warn)
        item.setBackground(PENALTY, back)
        sources = dict.fromkeys(rows.source(topology, k) for k in keys)
        text = next(iter(sources)) if len(sources) == 1 else MIXED
        item.setText(SOURCE, text)
        item.setToolTip(SOURCE, "\n".join(sources))
        item.setToolTip(PENALTY, "Taken by analogy: " + text if worst > 0 else "Exact entry")
        item.setText(REFIT, self._refit(keys))
        item.setData(PENALTY, SORT_ROLE, None if kind in rows.ATOMIC else worst)
        for column in (TERM, REFIT, SOURCE):
            item.setData(column, SORT_ROLE, item.text(column).casefold())

    def _refit(self, keys: list[Key]) -> str:
        assert self.document is not None
        words = set()
        for key in keys:
            flag = self.document.flag(key)
            word = "frozen" if flag.frozen else "" if flag.tied else "alone"
            words.add(word + (" ↕" if flag.low or flag.high else ""))
        return (words.pop() or "").strip() if len(words) == 1 else MIXED

    # -- filter and copy ----------------------------------------------------------------------
    def filter(self, text: str) -> None:
        """Show only lines that hold all these words anywhere."""
        words = text.casefold().split()
        shown = set()
        for item, _ in reversed(self._lines):
            cells = " ".join(item.text(c) for c in range(self.columnCount())).casefold()
            above = item.parent()
            if above is not None and above.parent() is not None:
                cells += " " + above.text(TERM).casefold()
            good = id(item) in shown or all(w in cells for w in words)
            item.setHidden(not good)
            if good and above is not None:
                shown.add(id(above))
                if words:
                    above.setExpanded(True)
        for top in self._tops():
            top.setHidden(id(top) not in shown)

    def csv(self) -> str:
        """Every term with its kind, full numbers in the unit of the screen, and its source."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("kind", "types", "atoms", "parameter", "value", "unit", "penalty",
                         "refit", "source"))  # fmt: skip
        document, unit = self.document, self.unit
        if document is None or unit is None:
            return out.getvalue()
        topology = document.topology
        for kind in rows.KINDS:
            for row in range(rows.count(topology, kind)):
                key = (kind, row)
                where = "-".join(str(a + 1) for a in rows.atoms(topology, key))
                for name in rows.names(kind):
                    q = rows.QUANTITIES[kind, name]
                    number = f"{q.shown(rows.value(topology, key, name), unit):.8g}"
                    writer.writerow((
                        kind, rows.types(topology, key), where, name, number, q.unit_text(unit),
                        f"{rows.penalty(topology, key):g}", self._refit([key]),
                        rows.source(topology, key),
                    ))  # fmt: skip
        return out.getvalue()

    def keyPressEvent(self, event) -> None:
        """Ctrl+C copies all terms as CSV."""
        if event.matches(QKeySequence.StandardKey.Copy):
            QApplication.clipboard().setText(self.csv())
        else:
            super().keyPressEvent(event)

    # -- selection ----------------------------------------------------------------------------
    def selected_keys(self) -> list[Key]:
        """Rows of the selected lines."""
        chosen = {id(i) for i in self.selectedItems()}
        found = [k for item, keys in self._lines if id(item) in chosen for k in keys]
        return list(dict.fromkeys(found))

    def select(self, keys: list[Key]) -> None:
        """Select the lines of these rows without telling anybody, and bring them into view."""
        self.blockSignals(True)
        self.clearSelection()
        wanted, last = set(keys), None
        for item, members in self._lines:
            if members and set(members) <= wanted and (len(members) > 1 or not self._in(item)):
                item.setSelected(True)
                last = last or item
        self.blockSignals(False)
        if last is not None:
            self.scrollToItem(last)

    def _in(self, item: QTreeWidgetItem) -> bool:
        """Whether the line of its type is selected already."""
        above = item.parent()
        return above is not None and above.isSelected()

    def _selected(self) -> None:
        self.chosen.emit(self.selected_keys())

    def _edited(self, item: QTreeWidgetItem, column: int) -> None:
        if self._filling or self.document is None or self.unit is None:
            return
        keys = next((k for i, k in self._lines if i is item), None)
        name = item.data(column, Role.UserRole + 1)
        if keys is None or name is None:
            return
        text = item.text(column)
        q = rows.QUANTITIES[keys[0][0], name]
        try:
            typed = float(text.strip().replace("−", "-").replace(",", "."))
        except ValueError:
            if text != MIXED:
                self.refused.emit(f"“{text}” is not a number")
            self.refresh()
            return
        old = {q.text(rows.value(self.document.topology, k, name), self.unit) for k in keys}
        if old == {text}:
            return  # opened and closed again: digits that are not shown must not get lost
        self.typed.emit(keys, name, q.inside(typed, self.unit))
        self.refresh()


def row_title(document: Document, keys: list[Key], molecule: Molecule) -> str:
    """What is selected, in words: "torsion c3-c3-oh-ho, C1–C2–O3–H9"."""
    if not keys:
        return "Nothing selected"
    topology = document.topology
    every = document.tied(keys)
    names = dict.fromkeys(f"{k[0]} {rows.types(topology, k)}" for k in keys)
    if len(names) > 1:
        return f"{len(keys)} terms of {len(names)} types"
    what = next(iter(names))
    if len(keys) == 1:
        what += f", {atoms_name(molecule.symbols, rows.atoms(topology, keys[0]))}"
    return what + (f" (moves {len(every)} terms)" if len(every) > 1 else "")
