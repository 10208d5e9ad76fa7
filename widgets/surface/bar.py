"""The controls above a surface: energy, difference or both, how far the scale goes, marks."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QToolButton,
    QWidget,
)


class SurfaceBar(QWidget):
    """Only the controls; the display decides what they do."""

    mode_changed = Signal()
    marks_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.both, self.energy, self.difference = QToolButton(), QToolButton(), QToolButton()
        group = QButtonGroup(self)
        for button, text, tip in (
            (
                self.both,
                "Both",
                "Energies, and the difference of each force field; where there is little room, "
                "that of the one clicked last",
            ),
            (self.energy, "Energy", "Energies above each force field's own minimum"),
            (self.difference, "Difference", "Each force field minus the one chosen, mean removed"),
        ):
            button.setText(text)
            button.setToolTip(tip)
            button.setAccessibleName(text)
            button.setCheckable(True)
            group.addButton(button)
        self.energy.setChecked(True)
        self.reference = QComboBox()
        self.reference.setAccessibleName("Difference to")
        self.reference.setToolTip("The force field that the others are compared with")
        self.reference.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.reference.setMinimumContentsLength(5)
        self.top = QDoubleSpinBox()
        self.top.setAccessibleName("Upper end of the energy scale")
        self.top.setRange(0.0, 1e5)
        self.top.setSpecialValueText("auto")
        self.top.setKeyboardTracking(False)
        self.top.setFixedWidth(84)
        self.top.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.marks = QToolButton()
        self.marks.setText("Marks")
        self.marks.setAccessibleName("What is marked on the surface")
        self.marks.setToolTip("What is marked on the surface")
        self.marks.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.marks)
        self.show_minima = self._mark(menu, "Minima (rings; the lowest is filled)")
        self.show_points = self._mark(menu, "Data points (dots)")
        self.show_path = self._mark(menu, "Path of the dynamics (line)")
        self.marks.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        self.versus = QLabel("to")
        modes: tuple[QWidget, ...] = (self.energy, self.difference, self.both)
        left = (*modes, self.versus, self.reference)
        right: tuple[QWidget, ...] = (self.top, self.marks)
        for part in left:
            row.addWidget(part)
        row.addStretch(1)
        for part in right:
            row.addWidget(part)
        group.buttonToggled.connect(lambda _button, on: self.mode_changed.emit() if on else None)

    def _mark(self, menu: QMenu, text: str) -> QAction:
        action = menu.addAction(text)
        action.setCheckable(True)
        action.setChecked(True)
        action.toggled.connect(lambda _on: self.marks_changed.emit())
        return action

    @property
    def mode(self) -> str:
        """both, energy or difference."""
        if self.both.isChecked():
            return "both"
        return "difference" if self.difference.isChecked() else "energy"

    def put_first(self, widget: QWidget) -> None:
        """Another control, at the left end."""
        layout = self.layout()
        assert isinstance(layout, QHBoxLayout)
        layout.insertWidget(0, widget)
