"""Errors of a fit on its test frames: numbers, by element, parity plots and histograms."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property, partial
from typing import TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from core.analyses.fit import Fit
from core.units import EnergyUnit
from widgets.later import Later
from widgets.naming import text_label
from widgets.parity import ErrorHistogram, ParityPlot
from widgets.tables import MISSING

P = TypeVar("P", ParityPlot, ErrorHistogram)
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
        self._turns = Later(self)
        self._dark = False
        self._made: list[ParityPlot | ErrorHistogram] = []
        self._grid = QGridLayout()
        self._grid.setSpacing(2)
        box = QVBoxLayout(self)
        box.setContentsMargins(4, 4, 4, 0)
        box.addWidget(self.headline)
        box.addLayout(self._grid, 1)

    # -- the plots: made when first needed, for each takes 5 ms -------------------------------
    @cached_property
    def energy_parity(self) -> ParityPlot:
        """Energies, predicted against reference."""
        return self._placed(ParityPlot("energy parity"), 0, 0)

    @cached_property
    def force_parity(self) -> ParityPlot:
        """Force components, predicted against reference."""
        return self._placed(ParityPlot("force parity"), 0, 1)

    @cached_property
    def energy_errors(self) -> ErrorHistogram:
        """How often each error of the energy occurs."""
        return self._placed(ErrorHistogram("energy errors"), 1, 0)

    @cached_property
    def force_errors(self) -> ErrorHistogram:
        """How often each error of a force component occurs."""
        return self._placed(ErrorHistogram("force errors"), 1, 1)

    def _placed(self, plot: P, row: int, column: int) -> P:
        plot.setMinimumSize(120, 110)
        plot.set_dark(self._dark)
        self._grid.addWidget(plot, row, column)
        self._made.append(plot)
        return plot

    def pieces(self) -> list[Callable[[], object]]:
        """Calls that make one plot each, ahead of its need."""
        names = ("energy_parity", "force_parity", "energy_errors", "force_errors")
        return [partial(getattr, self, name) for name in names]

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = dark
        for plot in self._made:
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
        # one plot per turn of the event loop: to draw and paint all four takes 60 ms
        for plot in self._made:
            plot.setUpdatesEnabled(False)
        for key in ("energy_parity", "force_parity", "energy_errors", "force_errors"):
            self._turns.ask(self, key, partial(self._plot, key, fit, name, unit))

    def _plot(self, key: str, fit: Fit, name: str, unit: EnergyUnit) -> None:
        e, k = fit.errors, 1.0 / unit.ev
        if key.startswith("energy"):
            zero = float(e.energies.min()) if len(e.energies) else 0.0
            true, predicted = (e.energies - zero) * k, (e.predicted_energies - zero) * k
            quantity, text = "energy", unit.label
        else:
            true, predicted = e.forces * k, e.predicted_forces * k
            quantity, text = "force", f"{unit.label}/Å"
        plot = getattr(self, key)
        if isinstance(plot, ParityPlot):
            plot.set_data(true, predicted, quantity=quantity, unit=text, label=name)
        else:
            plot.set_data(predicted - true, quantity=quantity, unit=text, label=name)
        plot.setUpdatesEnabled(True)

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
