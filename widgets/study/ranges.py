"""Which settings a search varies, and between what: a row for each of a field's parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QWidget

from core.analyses.search import Range
from core.forcefields.info import Parameter
from widgets.forms import NumberBox, range_text
from widgets.naming import named

APART = ";"  # between choices: a text may hold commas
STEPS = 5
SPREAD = (0.2, 5.0)  # times the default
TINY = 1e-3  # defaults below are varied by powers of ten


def proposed(p: Parameter) -> Range:
    """A range about the default, within what is allowed.

    0 often means "chosen by the fit": then from 1 on, or small numbers where all are small.
    """
    if p.kind == "bool":
        return Range(p.name, choices=(True, False))
    if p.choices or p.kind == "str":
        return Range(p.name, choices=tuple(p.choices) or (p.default,))
    low = -math.inf if p.low is None else p.low
    high = math.inf if p.high is None else p.high
    value, whole = float(p.default), p.kind == "int"
    if value > 0:
        less, more = (1e-2, 1e2) if value < TINY else (0.5, 2.0) if whole else SPREAD
        first, last = max(low, less * value), min(high, more * value)
    elif value < 0:
        first, last = max(low, 2 * value), min(high, 0.0)
    elif high <= 10:
        first, last = max(low, 1e-4 * high), 0.1 * high
    else:
        first, last = max(low, 1.0), min(high, 100.0)
    if whole:
        first, last = math.ceil(first), math.floor(last)
    return Range(p.name, float(first), float(last), not whole and first > 0, whole, STEPS)


class RangeRow(QWidget):
    """One setting: a tick, and once ticked where from and to."""

    changed = Signal()

    def __init__(self, p: Parameter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.parameter = p
        unit = f" ({p.unit})" if p.unit else ""
        self.tick = named(QCheckBox(p.label + unit), f"Vary {p.label}", p.help)
        limits = range_text(p.low, p.high, p.kind)
        tip = f"{p.help}\nAllowed: {limits}." if limits else p.help
        self.numeric = p.kind in ("int", "float") and not p.choices
        start = proposed(p)
        self.edits = QWidget()
        line = QHBoxLayout(self.edits)
        line.setContentsMargins(18, 0, 0, 2)
        line.setSpacing(4)
        if self.numeric:
            self.low, self.high = (NumberBox(p.kind, low=p.low, high=p.high) for _ in range(2))
            self.steps = NumberBox("int", low=1, high=1000)
            for box, value, name in (
                (self.low, start.low, f"{p.label}: from{unit}"),
                (self.high, start.high, f"{p.label}: to{unit}"),
                (self.steps, start.steps, f"{p.label}: values that a grid takes"),
            ):
                box.setButtonSymbols(NumberBox.ButtonSymbols.NoButtons)
                box.setMinimumWidth(box.fontMetrics().horizontalAdvance("0.00e-0") + 12)
                box.set_value(float(f"{value:.3g}"))
                named(box, name, tip if box is not self.steps else "Values that a grid takes")
                box.changed.connect(self.changed)
            self.steps.setMinimumWidth(self.steps.fontMetrics().horizontalAdvance("000") + 12)
            self.log = named(QCheckBox("log"), f"{p.label}: in equal ratios")
            self.log.setToolTip("Steps in equal ratios, for settings that span powers of ten")
            self.log.setChecked(start.log)
            self.log.toggled.connect(self.changed)
            parts = (self.low, QLabel("to"), self.high, self.log, self.steps, QLabel("steps"))
            for part, stretch in zip(parts, (3, 0, 3, 0, 1, 0), strict=True):
                line.addWidget(part, stretch)
        else:
            shown = ["on" if c is True else "off" if c is False else str(c) for c in start.choices]
            self.texts = QLineEdit(f"{APART} ".join(shown))
            tip = f"{p.help}\nValues to try, with {APART} between"
            named(self.texts, f"Values of {p.label}", tip)
            self.texts.textChanged.connect(self.changed)
            line.addWidget(self.texts)
        self.edits.setVisible(False)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(1)
        grid.addWidget(self.tick, 0, 0)
        grid.addWidget(self.edits, 1, 0)
        self.tick.toggled.connect(self._ticked)

    def _ticked(self, on: bool) -> None:
        self.edits.setVisible(on)
        self.changed.emit()

    def problem(self) -> str:
        """What is wrong with the range, "" when nothing is."""
        title = self.parameter.label
        if not self.numeric:
            try:
                return "" if self.choices() else f"{title}: name the values to try"
            except ValueError as error:
                return f"{title}: {error}"
        boxes = (("from", self.low), ("to", self.high), ("steps", self.steps))
        for word, box in boxes:
            if box.problem():
                return f"{title}, {word}: {box.problem()}"
        if self.low.value() > self.high.value():
            return f"{title}: the range must go from low to high"
        if self.log.isChecked() and self.low.value() <= 0:
            return f"{title}: a range in equal ratios must start above 0"
        return ""

    def choices(self) -> tuple[bool | str, ...]:
        """The values to try, where it is no number. Raises ValueError for one that is unknown."""
        p = self.parameter
        words = [w.strip() for w in self.texts.text().split(APART)]
        words = list(dict.fromkeys(w for w in words if w))
        known = ("on", "off") if p.kind == "bool" else p.choices
        for word in words:
            if known and word not in known:
                raise ValueError(f"“{word}” is none of {', '.join(known)}")
        return tuple(w == "on" for w in words) if p.kind == "bool" else tuple(words)

    def range(self) -> Range:
        """What a search is told. Only where there is no problem."""
        name = self.parameter.name
        if not self.numeric:
            return Range(name, choices=self.choices())
        return Range(
            name,
            float(self.low.value()),
            float(self.high.value()),
            self.log.isChecked(),
            self.parameter.kind == "int",
            int(self.steps.value()),
        )


class RangeTable(QWidget):
    """Rows for all parameters of a force field."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = QGridLayout(self)
        self.box.setContentsMargins(0, 0, 0, 0)
        self.box.setVerticalSpacing(1)
        self.rows: list[RangeRow] = []
        named(self, "Settings that vary")

    def set_parameters(self, parameters: Sequence[Parameter]) -> None:
        """Other rows; the first number is ticked, most often what matters most."""
        for row in self.rows:
            self.box.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = [RangeRow(p) for p in parameters]
        for k, row in enumerate(self.rows):
            self.box.addWidget(row, k, 0)
        first = next((r for r in self.rows if r.numeric), None)
        if first is not None:
            first.tick.setChecked(True)
        for row in self.rows:
            row.changed.connect(self.changed)

    def row(self, name: str) -> RangeRow:
        """By the name of the parameter. Raises KeyError."""
        for row in self.rows:
            if row.parameter.name == name:
                return row
        raise KeyError(name)

    def chosen(self) -> list[RangeRow]:
        """The ticked rows."""
        return [r for r in self.rows if r.tick.isChecked()]

    def problems(self) -> list[str]:
        """What is wrong with the ticked rows."""
        rows = self.chosen()
        if not rows:
            return ["Tick a setting that is to vary"]
        return [r.problem() for r in rows if r.problem()]

    def ranges(self) -> tuple[Range, ...]:
        """What is to vary, and between what."""
        return tuple(r.range() for r in self.chosen())
