"""Sliders, numbers and flags of the selected terms."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from core.units import KCAL_MOL, EnergyUnit
from widgets.naming import named, push_button, text_label
from widgets.parameter import rows
from widgets.parameter.document import Document
from widgets.parameter.rows import Key
from widgets.parameter.table import row_title

STEPS = 1000
AMPLITUDE = 5 * KCAL_MOL  # a torsion's slider goes at least so far to both sides
MOST = 3  # parameters of one term


class Slider(QSlider):
    """Leaves the wheel to the page unless it has the focus."""

    def wheelEvent(self, event) -> None:
        super().wheelEvent(event) if self.hasFocus() else event.ignore()


class ParameterRow(QWidget):
    """One parameter: symbol, slider, number, unit, bounds."""

    moved = Signal(str, float)  # parameter, value inside: while dragging
    settled = Signal(str, float)
    bounded = Signal(str, str, object)  # side, parameter, value inside or None
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.name, self.kind = "", ""
        self.low, self.high = 0.0, 1.0
        self.unit: EnergyUnit | None = None
        self.label = QLabel()
        self.slider = Slider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setSingleStep(5)
        self.slider.setMinimumWidth(60)
        self.number = QLineEdit()
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.number.setFixedWidth(self.fontMetrics().horizontalAdvance("−000.000") + 12)
        self.unit_label = QLabel()
        self.edges = {side: QLineEdit() for side in ("low", "high")}
        for side, edge in self.edges.items():
            edge.setPlaceholderText("min" if side == "low" else "max")
            edge.setFixedWidth(self.fontMetrics().horizontalAdvance("−00.00") + 10)
            edge.editingFinished.connect(lambda side=side: self._bound(side))
        self.slider.valueChanged.connect(self._slid)
        self.slider.sliderReleased.connect(self._released)
        self.number.editingFinished.connect(self._typed)

    @property
    def quantity(self) -> rows.Quantity:
        """How this parameter is shown."""
        return rows.QUANTITIES[self.kind, self.name]

    def show_value(
        self, kind: str, name: str, value: float, original: float, unit: EnergyUnit, flag
    ) -> None:
        """Show a parameter: value and original inside; flag holds its bounds."""
        fresh = (kind, name, unit) != (self.kind, self.name, self.unit)
        self.kind, self.name, self.unit = kind, name, unit
        q = self.quantity
        if fresh or not self.low <= value <= self.high or not self.slider.isSliderDown():
            self.low, self.high = slider_range(kind, name, value, original)
        what = f"{q.symbol} {q.unit_text(unit)}".strip()
        self.label.setText(q.symbol)
        self.unit_label.setText(q.unit_text(unit))
        named(self.slider, f"Slider {what}", f"Drag to change {q.symbol}; arrow keys too")
        named(self.number, f"Value of {what}", "Type a number and press Enter")
        self._place(value)
        if not self.number.isModified() or not self.number.hasFocus():
            self.number.setText(q.text(value, unit))
        for side, edge in self.edges.items():
            named(edge, f"{side} bound of {what}", f"{side}est value a refit may take; empty: none")
            bound = getattr(flag, side).get(name)
            edge.setText("" if bound is None else q.text(bound, unit))
            edge.setModified(False)

    def _place(self, value: float) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round((value - self.low) / (self.high - self.low) * STEPS))
        self.slider.blockSignals(False)

    def _at(self) -> float:
        value = self.low + (self.high - self.low) * self.slider.value() / STEPS
        return float(round(value)) if self.name == "n" else value

    def _slid(self, _value: int) -> None:
        if self.unit is not None:
            self.number.setText(self.quantity.text(self._at(), self.unit))
            self.number.setModified(False)
            (self.moved if self.slider.isSliderDown() else self.settled).emit(self.name, self._at())

    def _released(self) -> None:
        self.settled.emit(self.name, self._at())

    def _read(self, edge: QLineEdit) -> float:
        assert self.unit is not None
        text = edge.text().strip().replace("−", "-").replace(",", ".")
        try:
            return self.quantity.inside(float(text), self.unit)
        except ValueError:
            raise ValueError(f"“{edge.text()}” is not a number") from None

    def _typed(self) -> None:
        if not self.number.isModified():
            return
        self.number.setModified(False)
        try:
            value = self._read(self.number)
        except ValueError as error:
            self.refused.emit(str(error))
            return
        self.settled.emit(self.name, value)

    def _bound(self, side: str) -> None:
        edge = self.edges[side]
        if not edge.isModified():
            return
        edge.setModified(False)
        try:
            value = self._read(edge) if edge.text().strip() else None
        except ValueError as error:
            self.refused.emit(str(error))
            return
        self.bounded.emit(side, self.name, value)


def slider_range(kind: str, name: str, value: float, original: float) -> tuple[float, float]:
    """What the slider spans (inside units): wide enough for value and original, and physical."""
    if name == "phase":
        return -math.pi, math.pi * (2 if max(value, original) > math.pi else 1)
    if name == "n":
        return 1.0, max(6.0, value)
    if kind in ("torsion", "improper"):
        reach = max(AMPLITUDE, 2 * abs(original), 1.5 * abs(value))
        return -reach, reach
    spans = {"r0": 0.2, "theta0": math.radians(20), "rmin_half": 0.5, "charges": 0.5}
    if name not in spans:  # a strength: from nothing to twice
        return 0.0, max(2 * original, 1.5 * value, 1e-3)
    reach = max(spans[name], 1.5 * abs(value - original))
    low, high = rows.LIMITS[kind, name]
    return max(low, original - reach), min(high, original + reach)


class ParameterEditor(QWidget):
    """Edits the selected rows of a Document."""

    added = Signal(object)  # keys of new torsion rows
    refused = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.document: Document | None = None
        self.keys: list[Key] = []
        self.unit: EnergyUnit | None = None
        self.title = text_label("Selected term")
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.origin = text_label("Source of the value")
        self.origin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.origin.setEnabled(False)  # muted
        self.rows = [ParameterRow() for _ in range(MOST)]
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        for r, row in enumerate(self.rows):
            parts = (row.label, row.slider, row.number, row.unit_label, *row.edges.values())
            for column, part in enumerate(parts):
                grid.addWidget(part, r, column)
            row.moved.connect(self._moved)
            row.settled.connect(self._settled)
            row.bounded.connect(self._bounded)
            row.refused.connect(self.refused)
        self.frozen = named(QCheckBox("Frozen"), "Frozen", "A refit leaves these values alone")
        self.tied = named(
            QCheckBox("Tied to its type"), "Tied", "Edits and refits move all terms of the type"
        )
        self.frozen.clicked.connect(lambda on: self._flag("frozen", on))
        self.tied.clicked.connect(lambda on: self._flag("tied", on))
        self.add = push_button("Add term", "Another Fourier term on the same atoms (undoable)")
        self.remove = push_button("Remove", "Take out this torsion term (undoable)")
        self.restore = push_button("Restore", "Back to the value it was read with (undoable)")
        self.add.clicked.connect(self._add)
        self.remove.clicked.connect(lambda: self._try(lambda d: d.remove_torsion(self.keys)))
        self.restore.clicked.connect(lambda: self._try(lambda d: d.restore(self.keys)))
        buttons = QHBoxLayout()
        buttons.addWidget(self.frozen)
        buttons.addWidget(self.tied)
        buttons.addStretch(1)
        for button in (self.add, self.remove, self.restore):
            buttons.addWidget(button)
        box = QVBoxLayout(self)
        box.setContentsMargins(4, 2, 4, 2)
        box.setSpacing(3)
        box.addWidget(self.title)
        box.addWidget(self.origin)
        box.addLayout(grid)
        box.addLayout(buttons)
        # room for a torsion's three rows is kept, so that the table does not jump
        policy = [self.rows[0].number.sizePolicy()]
        policy[0].setRetainSizeWhenHidden(True)
        for row in self.rows:
            row.number.setSizePolicy(policy[0])
        self.show_rows(None, [], None)

    def show_rows(
        self, document: Document | None, keys: list[Key], unit: EnergyUnit | None
    ) -> None:
        """Show the rows `keys` of a document; rows that are gone are left out."""
        self.document, self.unit = document, unit
        if document is not None:
            keys = [k for k in keys if k[1] < rows.count(document.topology, k[0])]
        self.keys = keys if document is not None else []
        kinds = {k[0] for k in self.keys}
        names = rows.names(kinds.copy().pop()) if len(kinds) == 1 else ()
        torsion = kinds == {"torsion"}
        self.title.setText(
            row_title(document, self.keys, document.molecule)
            if document is not None and self.keys
            else "Select a term to edit it, or pick its atoms in the molecule view."
        )
        sources = {rows.source(document.topology, k) for k in self.keys} if document else set()
        self.origin.setText("; ".join(sorted(sources)))
        self.origin.setToolTip("\n".join(sorted(sources)))
        for r, row in enumerate(self.rows):
            on = r < len(names)
            for part in (row.label, row.slider, row.number, row.unit_label, *row.edges.values()):
                part.setVisible(on)
            if on and document is not None and unit is not None:
                key = self.keys[0]
                value = rows.value(document.topology, key, names[r])
                old = value
                if key[1] < rows.count(document.original, key[0]):
                    old = rows.value(document.original, key, names[r])
                row.show_value(key[0], names[r], value, old, unit, document.flag(key))
        for box in (self.frozen, self.tied):
            box.setEnabled(bool(self.keys))
        if document is not None:
            self.frozen.setChecked(
                bool(self.keys) and all(document.flag(k).frozen for k in self.keys)
            )
            self.tied.setChecked(bool(self.keys) and all(document.flag(k).tied for k in self.keys))
        self.add.setVisible(torsion)
        self.remove.setVisible(torsion)
        self.restore.setEnabled(bool(self.keys) and document is not None and document.edited)

    # -- edits --------------------------------------------------------------------------------
    def _try(self, edit) -> None:
        if self.document is None or not self.keys:
            return
        try:
            edit(self.document)
        except ValueError as error:
            self.refused.emit(str(error))
            self.show_rows(self.document, self.keys, self.unit)

    def _moved(self, name: str, value: float) -> None:
        self._try(lambda d: d.draft(self.keys, name, value))

    def _settled(self, name: str, value: float) -> None:
        self._try(lambda d: d.set_value(self.keys, name, value))

    def _bounded(self, side: str, name: str, value: float | None) -> None:
        self._try(lambda d: d.set_bound(self.keys, side, name, value))

    def _flag(self, field: str, on: bool) -> None:
        text = {"frozen": "Freeze" if on else "Free", "tied": "Tie" if on else "Untie"}[field]
        self._try(lambda d: d.set_flags(self.keys, f"{text} parameters", **{field: on}))

    def _add(self) -> None:
        self._try(lambda d: self.added.emit(d.add_torsion(self.keys)))
