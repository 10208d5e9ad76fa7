"""Errors of a fit on its test frames: numbers, by element, parity plots and histograms."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from core.analyses.fit import Fit
from core.units import EnergyUnit
from widgets.naming import text_label
from widgets.parity import ErrorHistogram, ParityPlot
from widgets.tables import MISSING

CELL = "<td align='right' style='padding-left:14px'>"


def quantity_text(value: float, unit: EnergyUnit) -> str:
    """A value in eV (or eV/Å) as the screen shows it, without unit."""
    if not math.isfinite(value):
        return MISSING
    return f"{unit.from_ev(value):.{unit.digits}f}".replace("-", "−")


def _row(title: str, mae: float, rmse: float, unit: EnergyUnit, words: str) -> str:
    return (
        f"<tr><td>{title}</td>{CELL}<b>{quantity_text(mae, unit)}</b></td>"
        f"{CELL}{quantity_text(rmse, unit)}</td><td style='padding-left:8px'>{words}</td></tr>"
    )


class FitErrors(QWidget):
    """MAE and RMSE as a small table above two parity plots and two histograms."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._later: tuple[Fit, str, EnergyUnit] | None = None  # to be drawn when on show
        self.headline = text_label("Errors on the test frames")
        self.headline.setTextFormat(Qt.TextFormat.RichText)
        self.headline.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.headline.setWordWrap(True)
        self.energy_parity = ParityPlot("energy parity")
        self.force_parity = ParityPlot("force parity")
        self.energy_errors = ErrorHistogram("energy errors")
        self.force_errors = ErrorHistogram("force errors")
        self.plots = (self.energy_parity, self.force_parity, self.energy_errors, self.force_errors)
        grid = QGridLayout()
        for k, plot in enumerate(self.plots):
            plot.setMinimumSize(120, 110)
            grid.addWidget(plot, k // 2, k % 2)
        grid.setSpacing(2)
        box = QVBoxLayout(self)
        box.setContentsMargins(4, 4, 4, 0)
        box.addWidget(self.headline)
        box.addLayout(grid, 1)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        for plot in self.plots:
            plot.set_dark(dark)

    def show_fit(self, fit: Fit, name: str, unit: EnergyUnit) -> None:
        """Show a fit in the unit of the screen; name: what the person calls it now."""
        self._later = (fit, name, unit)
        if self.isVisible():
            self._draw()

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._draw()

    def _draw(self) -> None:
        """Draw what was asked for last: nothing is drawn that nobody looks at."""
        if self._later is None:
            return
        (fit, name, unit), self._later = self._later, None
        self.headline.setText(self._numbers(fit, unit))
        e, k, force = fit.errors, 1.0 / unit.ev, f"{unit.label}/Å"
        zero = float(e.energies.min()) if len(e.energies) else 0.0
        self.energy_parity.set_data(
            (e.energies - zero) * k,
            (e.predicted_energies - zero) * k,
            quantity="energy",
            unit=unit.label,
            label=name,
        )
        self.force_parity.set_data(
            e.forces * k, e.predicted_forces * k, quantity="force", unit=force, label=name
        )
        self.energy_errors.set_data(
            (e.predicted_energies - e.energies) * k,
            quantity="energy",
            unit=unit.label,
            label=name,
        )
        self.force_errors.set_data(
            (e.predicted_forces - e.forces) * k, quantity="force", unit=force, label=name
        )

    @staticmethod
    def _numbers(fit: Fit, unit: EnergyUnit) -> str:
        e, force = fit.errors, f"{unit.label}/Å"
        html = f"<table><tr><td></td>{CELL}MAE</td>{CELL}RMSE</td><td></td></tr>"
        html += _row("Energy", e.energy_mae, e.energy_rmse, unit,
                     f"{unit.label} &nbsp; on {e.n_energies} frames")  # fmt: skip
        html += _row("Force", e.force_mae, e.force_rmse, unit,
                     f"{force} &nbsp; on {e.n_forces} frames")  # fmt: skip
        html += "</table>"
        if e.element_force:
            # a line, not rows: a molecule of five elements must not push the plots away
            parts = [
                f"{symbol}&nbsp;<b>{quantity_text(values[0], unit)}</b>"
                for symbol, values in e.element_force.items()
            ]
            html += f"<div>Force MAE by element: {' &nbsp; '.join(parts)} {force}</div>"
        return html + ("<div>Stopped early: the best so far was kept.</div>" if fit.stopped else "")
