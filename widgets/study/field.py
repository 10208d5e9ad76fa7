"""The part of a form that says which force field is trained, and with the settings of what."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QWidget

from core.forcefields.info import Info
from widgets.dataset_choice import narrow
from widgets.fit.settings import FitSettings
from widgets.forms import Choice
from widgets.naming import named

DEFAULTS = "its defaults"


class FieldChoice(QWidget):
    """Two combo boxes. The newest fit's settings are not taken by themselves."""

    changed = Signal()
    field_changed = Signal()

    def __init__(self, settings: FitSettings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.settings = settings
        self.field = named(narrow(Choice()), "Method", "What is trained")
        self.origin = named(
            narrow(Choice()), "Settings as in", "Settings that are the same in all trainings"
        )
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(3)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("Method", self.field)
        form.addRow("Settings", self.origin)
        self.field.currentIndexChanged.connect(lambda _i: self._field_chosen())
        self.origin.currentIndexChanged.connect(lambda _i: self.changed.emit())

    def fill(self) -> None:
        """Read the catalogue and the fits again; keeps the choice, else sGDML."""
        kept, origin = self.field.currentData() or "sgdml", self.origin.currentData()
        self.field.blockSignals(True)
        self.field.clear()
        for info in self.settings.trainable():
            self.field.addItem(info.label, info.key)
        at = self.field.findData(kept)
        self.field.setCurrentIndex(at if at >= 0 else (0 if self.field.count() else -1))
        self.field.blockSignals(False)
        self._fill_origin(origin)
        if self.field.currentData() != kept or not getattr(self, "_told", ""):
            self._told = str(self.field.currentData() or "")
            self.field_changed.emit()

    def _fill_origin(self, kept: Any = None) -> None:
        self.origin.blockSignals(True)
        self.origin.clear()
        self.origin.addItem(DEFAULTS, None)
        for one in self.settings.of_fits(str(self.field.currentData() or "")):
            self.origin.addItem(f"fit “{one.label}”", one.item)
        self.origin.setCurrentIndex(max(0, self.origin.findData(kept)))
        self.origin.blockSignals(False)

    def _field_chosen(self) -> None:
        self._fill_origin()
        self._told = str(self.field.currentData() or "")
        self.field_changed.emit()

    def info(self) -> Info | None:
        """The chosen force field."""
        key = self.field.currentData()
        return next((i for i in self.settings.trainable() if i.key == key), None)

    def hyper(self) -> dict[str, Any]:
        """The settings chosen; empty = defaults."""
        item = self.origin.currentData()
        found = self.settings.of_fits(str(self.field.currentData() or "")) if item else ()
        return next((dict(s.hyper) for s in found if s.item == item), {})
