"""A histogram with the distribution that is expected."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor

from core.analyses.run_tools import temperature_density
from widgets.palette import STYLES, inks
from widgets.plot_tools import PlotMenu, PlotWidget, Table


class TemperatureHistogram(PlotWidget):
    """How often which temperature occurred; the line is what a bath at the target would give."""

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Histogram of the temperature")
        self.setToolTip("Bars: temperatures of all frames and replicas. Line: expected in the bath")
        self.bars = pg.BarGraphItem(x=[], height=[], width=1)
        self.expected = pg.PlotCurveItem()
        self.plotItem.addItem(self.bars)
        self.plotItem.addItem(self.expected)
        self._counts, self._edges = np.zeros(0), np.zeros(0)
        self.menu = PlotMenu(
            self, table=self.table, reset=self.plotItem.autoRange, name="histogram"
        )
        self._dark = False
        self.set_dark(False)

    def show_values(self, values: np.ndarray, *, target: float, freedom: int) -> None:
        """values (P,) K; target K (NaN for no line); freedom: degrees of freedom."""
        values = values[np.isfinite(values)]
        if len(values) < 2:
            self._counts, self._edges = np.zeros(0), np.zeros(0)
            self.bars.setOpts(x=[], height=[], width=1)
            self.expected.setData([], [])
            return
        low, high = np.percentile(values, [0.2, 99.8])
        bins = int(np.clip(np.sqrt(len(values)), 8, 40))
        self._counts, self._edges = np.histogram(values, bins, (low, max(high, low + 1)))
        middle = (self._edges[:-1] + self._edges[1:]) / 2
        width = self._edges[1] - self._edges[0]
        share = self._counts / (len(values) * width)
        self.bars.setOpts(x=middle, height=share * 100, width=width * 0.94)
        if target > 0 and freedom > 0:
            t = np.linspace(self._edges[0], self._edges[-1], 120)
            self.expected.setData(t, temperature_density(t, target, freedom) * 100)
        else:
            self.expected.setData([], [])

    def table(self) -> Table:
        """Rows: bin edges and counts."""
        rows = [
            (float(a), float(b), int(n))
            for a, b, n in zip(self._edges[:-1], self._edges[1:], self._counts, strict=True)
        ]
        return ("from [K]", "to [K]", "frames"), rows

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        super().set_dark(dark)
        if not hasattr(self, "expected"):
            return
        ink, colour = inks(dark=dark), QColor(STYLES[2][dark])
        colour.setAlpha(170)
        self.bars.setOpts(brush=colour, pen=pg.mkPen(ink.paper))
        self.expected.setPen(pg.mkPen(ink.ink, width=1.5))
        for side, text in (("bottom", "Temperature (K)"), ("left", "Share (% per K)")):
            self.plotItem.getAxis(side).enableAutoSIPrefix(False)
            self.plotItem.getAxis(side).setStyle(hideOverlappingLabels=2)
            self.plotItem.setLabel(side, text, color=ink.ink)
