"""The molecules of a combined fit: errors on each, and which one the other pages are about."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from core.analyses.fit import Fit
from core.dataset import Split
from core.units import EnergyUnit
from widgets.dataset_choice import narrow
from widgets.forms import Choice
from widgets.naming import named, text_label
from widgets.tables import Column, Row, Table


@dataclass(frozen=True, eq=False)
class Portion:
    """What a fit learnt of one molecule. record: path of its data set, "" = not known."""

    name: str
    formula: str
    record: str
    fit: Fit  # with the split and the errors of this molecule

    @property
    def split(self) -> Split:
        """Of the data set of this molecule."""
        return self.fit.split


def portions_of(project: Any, item: Any, fit: Fit) -> tuple[Portion, ...]:
    """All molecules of a fit, its first one first.

    Data sets are those that its job names; where that is lost, those that the fit itself names.
    """
    spec = project.job(item.id)
    names = {str(i.record): i.name for i in project.items("datasets")}
    first = str(getattr(spec, "dataset", ""))
    asked = [str(s.dataset) for s in getattr(spec, "others", ())]
    if len(asked) != len(fit.others):
        asked = [os.path.normpath(os.path.join(item.folder, s.dataset)) for s in fit.others]
    portions = [Portion(names.get(first, "the first"), "", first, fit)]
    for share, record in zip(fit.others, asked, strict=True):
        alike = dataclasses.replace(fit, split=share.split, errors=share.errors)
        portions.append(Portion(names.get(record, share.name), share.formula, record, alike))
    return tuple(portions)


class MoleculeChoice(QWidget):
    """One line: the molecule that the pages beneath are about; hidden where there is only one."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = named(
            narrow(Choice()), "Molecule shown",
            "Errors, frames and details are of this molecule of the combined fit",
        )  # fmt: skip
        label = QLabel("Molecule")
        label.setBuddy(self.combo)
        line = QHBoxLayout(self)
        line.setContentsMargins(6, 0, 6, 2)
        line.addWidget(label)
        line.addWidget(self.combo, 1)
        self.combo.currentIndexChanged.connect(self._moved)

    def _moved(self, at: int) -> None:
        if at >= 0:
            self.chosen.emit(at)

    def show_portions(self, portions: tuple[Portion, ...], at: int) -> None:
        """List them without telling anybody."""
        self.combo.blockSignals(True)
        self.combo.clear()
        for portion in portions:
            self.combo.addItem(portion.name)
        self.combo.setCurrentIndex(at)
        self.combo.blockSignals(False)
        self.setVisible(len(portions) > 1)


class MoleculePage(QWidget):
    """A row for each molecule: frames and errors. A row selected is the molecule shown."""

    chosen = Signal(int)
    opened = Signal(int)  # double click or Enter: its errors, please

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = Table("Molecules of the fit", filter_box=False)
        self.say = text_label("What the rows are", wrap=True)
        self.say.setText("Errors on the test frames of each molecule. Enter opens one of them.")
        box = QVBoxLayout(self)
        box.setContentsMargins(4, 4, 4, 0)
        box.addWidget(self.table, 1)
        box.addWidget(self.say)
        self.table.row_selected.connect(lambda key: self.chosen.emit(int(key)))
        self.table.row_activated.connect(lambda key: self.opened.emit(int(key)))

    def show_portions(self, portions: tuple[Portion, ...], at: int, unit: EnergyUnit) -> None:
        """Show their errors in the unit of the screen."""
        columns = (
            Column("Molecule"),
            Column("Frames", digits=0, tip="number of its training frames"),
            Column("Energy MAE", unit.label, unit.digits, "mean absolute error of the energy"),
            Column("Force MAE", f"{unit.label}/Å", unit.digits, "of the force components"),
            Column("Tested", digits=0, tip="number of its test frames"),
        )
        rows = []
        for k, portion in enumerate(portions):
            e = portion.fit.errors
            errors = (unit.from_ev(e.energy_mae), unit.from_ev(e.force_mae))
            tip = f"{portion.formula}: {e.n_energies} energies and {e.n_forces} forces tested"
            rows.append(
                Row(str(k), (portion.name, len(portion.split.train), *errors,
                             max(e.n_energies, e.n_forces)), tip=tip.removeprefix(": "))
            )  # fmt: skip
        self.table.set_table(columns, rows)
        self.table.select(str(at))
