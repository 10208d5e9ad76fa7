"""A form out of a force field's parameters (`core.forcefields.info.Parameter`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from core.forcefields.info import Parameter
from widgets.file_line import FileLine
from widgets.naming import text_label, tool_button

Value = bool | int | float | str


def show_number(value: float, kind: str) -> str:
    """A number as a person would type it."""
    return str(int(value)) if kind == "int" else f"{value:.10g}"


def range_text(low: float | None, high: float | None, kind: str = "float") -> str:
    """For example "between 1 and 100", "at least 0", or "" without limits."""
    if low is not None and high is not None:
        return f"between {show_number(low, kind)} and {show_number(high, kind)}"
    if low is not None:
        return f"at least {show_number(low, kind)}"
    return "" if high is None else f"at most {show_number(high, kind)}"


class NumberBox(QAbstractSpinBox):
    """A number with arrows that never corrects what was typed: `problem` says what is wrong.

    QSpinBox and QDoubleSpinBox silently put a number back into range, and cannot hold 1e-12.
    zero: the word that is shown for 0, and may be typed, where 0 has a meaning ("automatic").
    """

    changed = Signal()

    def __init__(
        self,
        kind: str,
        *,
        low: float | None = None,
        high: float | None = None,
        zero: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.kind, self.low, self.high, self.zero = kind, low, high, zero
        self.lineEdit().setAlignment(Qt.AlignmentFlag.AlignRight)
        self.lineEdit().textChanged.connect(self.changed)
        wide = max(self.fontMetrics().horizontalAdvance(t) for t in ("0.00e-00", zero))
        self.setMinimumWidth(wide + 28)
        if zero:
            self.editingFinished.connect(self._say_zero)

    def _text(self) -> str:
        """What is typed, with the number in place of its word."""
        text = self.lineEdit().text().strip()
        return "0" if self.zero and text.casefold() == self.zero.casefold() else text

    def _say_zero(self) -> None:
        if not self.problem() and self.value() == 0:
            self.set_value(0)

    def problem(self) -> str:
        """Why the text is no valid value; "" when it is one."""
        text = self._text()
        try:
            value = int(text) if self.kind == "int" else float(text)
        except ValueError:
            what = "a whole number" if self.kind == "int" else "a number"
            return f"“{text}” is not {what}" if text else f"{what} is needed"
        if not math.isfinite(value):
            return "must be finite"
        low, high = self.low, self.high
        if (low is not None and value < low) or (high is not None and value > high):
            return f"must be {range_text(low, high, self.kind)}"
        return ""

    def value(self) -> int | float:
        """The number. Raises ValueError while there is a problem."""
        problem = self.problem()
        if problem:
            raise ValueError(problem)
        text = self._text()
        return int(text) if self.kind == "int" else float(text)

    def set_value(self, value: float) -> None:
        """Show a number."""
        word = self.zero if value == 0 else ""
        if word and self.lineEdit().text() == word:
            return
        self.lineEdit().setText(word or show_number(value, self.kind))

    def validate(self, text: str, pos: int) -> tuple[QValidator.State, str, int]:
        """Let everything be typed; `problem` judges."""
        return QValidator.State.Acceptable, text, pos

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        """Both arrows, unless the text is no number."""
        flags = QAbstractSpinBox.StepEnabledFlag
        try:
            float(self._text())
        except ValueError:
            return flags.StepNone
        return flags.StepUpEnabled | flags.StepDownEnabled

    def stepBy(self, steps: int) -> None:
        """One in the second digit, so that 20 and 1e-12 both move sensibly; whole numbers by 1."""
        value = float(self._text())
        magnitude = max(0.0, math.floor(math.log10(abs(value)))) if value else 0.0
        if self.kind == "float":
            magnitude = math.floor(math.log10(abs(value))) - 1 if value else -1
        else:
            magnitude = max(0.0, magnitude - 1)
        value += steps * 10.0**magnitude
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        self.set_value(min(max(value, low), high))

    def wheelEvent(self, event) -> None:
        """Scroll the page, not the number, unless the number has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class Choice(QComboBox):
    """A combo box that leaves the wheel to the page unless it has the focus."""

    def wheelEvent(self, event) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class Form(QWidget):
    """One row per parameter: label, editor, unit, reset, and what is wrong beneath it."""

    changed = Signal()

    def __init__(self, parameters: Sequence[Parameter] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._parameters: dict[str, Parameter] = {}
        self.editors: dict[str, QWidget] = {}
        self.problem_labels: dict[str, QLabel] = {}
        self._resets: dict[str, QToolButton] = {}
        self._folded: list[QWidget] = []  # all widgets of the rows that are rarely changed
        self._open = False
        self.fold: QToolButton | None = None
        self._building = False
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)
        self.set_parameters(parameters)

    def set_parameters(self, parameters: Sequence[Parameter]) -> None:
        """Build the rows anew, at their defaults."""
        while (item := self._grid.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()  # deleted when the event loop comes round, out of sight at once
                old.deleteLater()
        self._parameters = {p.name: p for p in parameters}
        self.editors, self.problem_labels, self._resets = {}, {}, {}
        self._folded, self.fold = [], None
        self._building = True
        plain = [p for p in parameters if not p.advanced]
        rare = [p for p in parameters if p.advanced]
        for row, p in enumerate(plain):
            self._add(2 * row, p)
        if rare:
            self._add_fold(2 * len(plain))
        for row, p in enumerate(rare, len(plain) + 1):
            self._add(2 * row, p)
        self._building = False
        self.unfold(on=self._open)
        for p in parameters:
            self._check(p)

    def _add_fold(self, row: int) -> None:
        self.fold = tool_button("Advanced", "Settings that are rarely changed", check=True)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setChecked(self._open)
        self.fold.toggled.connect(lambda on: self.unfold(on=on))
        self._grid.addWidget(self.fold, row, 0, 1, 4)

    def unfold(self, *, on: bool = True) -> None:
        """Show or hide the advanced settings; wrong ones are never hidden."""
        wrong = any(self.problem(n) for n, p in self._parameters.items() if p.advanced)
        self._open = on or wrong
        for widget in self._folded:
            widget.setVisible(self._open)
        for name, p in self._parameters.items():
            if p.advanced:
                self.problem_labels[name].setVisible(bool(self.problem(name)))
        if self.fold is not None:
            self.fold.setArrowType(
                Qt.ArrowType.DownArrow if self._open else Qt.ArrowType.RightArrow
            )
            if self.fold.isChecked() != self._open:
                self.fold.setChecked(self._open)
            self._say_changed()

    def _say_changed(self) -> None:
        """How many of the folded settings differ: what is not seen must not surprise."""
        if self.fold is None:
            return
        rare = [n for n, p in self._parameters.items() if p.advanced]
        changed = sum(self._resets[n].isEnabled() for n in rare)
        more = f", {changed} changed" if changed else ""
        self.fold.setText(f"Advanced ({len(rare)} settings{more})")

    def _add(self, row: int, p: Parameter) -> None:
        editor = self._editor(p)
        limits = range_text(p.low, p.high, p.kind)
        tip = p.help + (f"\nRange: {limits}." if limits else "")
        tip += f"\nAutomatic (0): {p.automatic}." if p.automatic else ""
        shown = self._show(p, p.default)
        tip += f"\nDefault: {shown}" + (f" {p.unit}" if p.unit and shown != "automatic" else "")
        label = QLabel(p.label)
        label.setToolTip(tip)
        label.setBuddy(editor)
        editor.setToolTip(tip)
        editor.setAccessibleName(p.label + (f" in {p.unit}" if p.unit else ""))
        editor.setAccessibleDescription(p.help)
        reset = tool_button("↺", "Back to the default", name=f"Reset {p.label}")
        reset.clicked.connect(lambda _=False, p=p: self._put(p, p.default))
        problem = text_label(f"What is wrong with {p.label}", wrap=True)
        problem.hide()
        problem.setForegroundRole(self.palette().ColorRole.BrightText)
        self.editors[p.name], self._resets[p.name] = editor, reset
        self.problem_labels[p.name] = problem
        parts = (label, editor, QLabel(p.unit), reset)
        for column, part in enumerate(parts):
            self._grid.addWidget(part, row, column)
        if p.advanced:
            self._folded += parts
        self._grid.addWidget(problem, row + 1, 1, 1, 3)
        self._put(p, p.default)

    def _editor(self, p: Parameter) -> QWidget:
        if p.kind == "bool":
            box = QCheckBox()
            box.toggled.connect(lambda _on, p=p: self._edited(p))
            return box
        if p.choices:
            combo = Choice()
            combo.addItems([str(c) for c in p.choices])
            combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            combo.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(8)  # a long choice must not widen the form
            combo.currentIndexChanged.connect(lambda _i, p=p: self._edited(p))
            return combo
        if p.kind in ("int", "float"):
            zero = "automatic" if p.automatic else ""
            number = NumberBox(p.kind, low=p.low, high=p.high, zero=zero)
            number.changed.connect(lambda p=p: self._edited(p))
            return number
        line = FileLine(p.label) if p.file else QLineEdit()
        line.textChanged.connect(lambda _t, p=p: self._edited(p))
        return line

    @staticmethod
    def _show(p: Parameter, value: Value) -> str:
        if isinstance(value, bool):
            return "on" if value else "off"
        if p.automatic and value == 0:
            return "automatic"
        return show_number(value, p.kind) if isinstance(value, int | float) else str(value)

    def _put(self, p: Parameter, value: Value) -> None:
        editor = self.editors[p.name]
        if isinstance(editor, QCheckBox):
            editor.setChecked(bool(value))
        elif isinstance(editor, QComboBox):
            editor.setCurrentText(str(value))
        elif isinstance(editor, NumberBox):
            editor.set_value(float(value))
        elif isinstance(editor, QLineEdit):
            editor.setText(str(value))

    def _get(self, p: Parameter) -> Value:
        editor = self.editors[p.name]
        if isinstance(editor, QCheckBox):
            return editor.isChecked()
        if isinstance(editor, NumberBox):
            return editor.value()
        text = editor.currentText() if isinstance(editor, QComboBox) else editor.text()  # type: ignore[attr-defined]
        return {"int": int, "float": float}.get(p.kind, str)(text)

    def _edited(self, p: Parameter) -> None:
        if not self._building:
            self._check(p)
            self.changed.emit()

    def _check(self, p: Parameter) -> None:
        problem = self.problem(p.name)
        label = self.problem_labels[p.name]
        label.setText(problem)
        label.setVisible(bool(problem))
        self._resets[p.name].setEnabled(bool(problem) or self._get(p) != p.default)
        if p.advanced and not self._building:
            self.unfold(on=self._open) if problem else self._say_changed()

    # -- for the panel ------------------------------------------------------------------------
    def problem(self, name: str) -> str:
        """What is wrong with one value; "" when it is fine."""
        editor = self.editors[name]
        return editor.problem() if isinstance(editor, NumberBox) else ""

    def problems(self) -> tuple[str, ...]:
        """One line per wrong value, naming its label."""
        found = ((p.label, self.problem(n)) for n, p in self._parameters.items())
        return tuple(f"{label}: {text}" for label, text in found if text)

    def values(self) -> dict[str, Value]:
        """name -> value of every parameter. Raises ValueError naming the first wrong one."""
        problems = self.problems()
        if problems:
            raise ValueError(problems[0])
        return {name: self._get(p) for name, p in self._parameters.items()}

    def set_values(self, values: dict[str, Value]) -> None:
        """Fill in values by name; names the form does not have are an error (ValueError)."""
        unknown = sorted(set(values) - set(self._parameters))
        if unknown:
            raise ValueError(f"there is no parameter “{unknown[0]}”")
        for name, value in values.items():
            self._put(self._parameters[name], value)

    def take(self, values: Mapping[str, Value]) -> str:
        """Fill in what fits, from values or their texts; "" or what could not be taken over."""
        odd = []
        for name, value in values.items():
            p = self._parameters.get(name)
            if p is None:
                odd.append(name)
            elif p.kind == "bool":
                self._put(p, str(value).strip().lower() in ("true", "1", "yes", "on"))
            elif p.kind in ("int", "float") and not p.choices:
                try:
                    self._put(p, float(value))
                except ValueError:
                    odd.append(p.label)
            else:
                self._put(p, str(value))
        return f"Not taken over: {', '.join(odd)}" if odd else ""

    def reset(self) -> None:
        """Everything back to its default."""
        for p in self._parameters.values():
            self._put(p, p.default)
