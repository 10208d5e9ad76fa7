"""Parity plots and error histograms: predicted against reference, and how far they are apart."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from widgets.naming import text_label
from widgets.palette import color_of, inks
from widgets.plot_tools import PlotMenu, PlotWidget, Table, paper

BINS = 41
MOST_POINTS = 2500  # drawn; more look the same and take longer
TAIL = 99.5  # percent of the errors that the histogram shows in full


class _Plot(QWidget):
    """A plot with a caption above it that never covers data."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = PlotWidget()
        self.plot.setAccessibleName(name)
        self.plot.plotItem.showGrid(x=True, y=True, alpha=0.15)
        self.caption = text_label(f"Caption of {name}")
        self.caption.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.caption.setContentsMargins(6, 2, 2, 0)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(self.caption)
        box.addWidget(self.plot, 1)
        self.plot.on_reset = self.reset
        self.menu = PlotMenu(self.plot, table=self.table, reset=self.reset, name=name)
        self.label, self.dark = "", False

    def _axes(self, bottom: str, left: str) -> None:
        ink = inks(dark=self.dark).ink
        for side, text in (("bottom", bottom), ("left", left)):
            self.plot.plotItem.setLabel(side, text, color=ink)
            self.plot.plotItem.getAxis(side).enableAutoSIPrefix(False)
            self.plot.plotItem.getAxis(side).setStyle(hideOverlappingLabels=2)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.dark = dark
        paper(self, dark=dark)
        self.plot.set_dark(dark)
        self.draw()

    def draw(self) -> None:
        """Draw the data again."""
        raise NotImplementedError

    def table(self) -> Table:
        """Header and rows of what is shown."""
        raise NotImplementedError

    def reset(self) -> None:
        """Show everything."""
        self.plot.plotItem.autoRange()


class ParityPlot(_Plot):
    """Predicted against reference; the diagonal is perfect agreement."""

    def __init__(self, name: str = "parity", parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.reference, self.predicted = np.zeros(0), np.zeros(0)
        self.quantity, self.unit = "", ""
        self._line = pg.PlotDataItem()
        self._points = pg.ScatterPlotItem(pxMode=True, size=4, pen=None)
        self.plot.plotItem.addItem(self._line)
        self.plot.plotItem.addItem(self._points)
        self.plot.plotItem.setAspectLocked(True)

    def set_data(
        self, reference: np.ndarray, predicted: np.ndarray, *, quantity: str, unit: str, label: str
    ) -> None:
        """reference, predicted (P,) in `unit`; label: the force field, for its colour."""
        n = min(len(reference), len(predicted))
        step = max(1, -(-n // MOST_POINTS))
        self.reference, self.predicted = reference[:n:step], predicted[:n:step]
        self.quantity, self.unit, self.label = quantity, unit, label
        self.draw()
        self.reset()

    def draw(self) -> None:
        ink = inks(dark=self.dark)
        self._axes(f"reference ({self.unit})", "predicted")
        if not len(self.reference):
            self.caption.setText(f"{self.quantity}: nothing to compare")
            self._points.setData([], [])
            self._line.setData([], [])
            return
        low = float(min(self.reference.min(), self.predicted.min()))
        high = float(max(self.reference.max(), self.predicted.max()))
        colour = QColor(color_of(self.label, dark=self.dark))
        colour.setAlpha(130)
        self._line.setData([low, high], [low, high], pen=pg.mkPen(ink.muted, width=1))
        self._points.setData(self.reference, self.predicted, brush=pg.mkBrush(colour))
        self.caption.setText(f"{self.quantity}: {len(self.reference)} values")

    def table(self) -> Table:
        header = (f"reference ({self.unit})", f"predicted ({self.unit})")
        rows = zip(self.reference.tolist(), self.predicted.tolist(), strict=True)
        return header, list(rows)


class ErrorHistogram(_Plot):
    """How often each error occurs, on limits symmetric about zero."""

    def __init__(self, name: str = "error histogram", parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.errors = np.zeros(0)
        self.quantity, self.unit = "", ""
        self._bars: pg.BarGraphItem | None = None
        self._zero = pg.InfiniteLine(0.0, angle=90)
        self.plot.plotItem.addItem(self._zero)

    def set_data(self, errors: np.ndarray, *, quantity: str, unit: str, label: str) -> None:
        """errors (P,): predicted minus reference, in `unit`."""
        self.errors = errors
        self.quantity, self.unit, self.label = quantity, unit, label
        self.draw()
        self.reset()

    def bins(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Edges (BINS+1,), counts (BINS,), and how many errors lie beyond the edges."""
        if not len(self.errors):
            return np.linspace(-1, 1, BINS + 1), np.zeros(BINS, dtype=int), 0
        size = np.abs(self.errors)
        limit = min(float(size.max()), 1.5 * float(np.percentile(size, TAIL))) or 1e-12
        counts, edges = np.histogram(self.errors, bins=BINS, range=(-limit, limit))
        return edges, counts, int((size > limit).sum())

    def draw(self) -> None:
        ink = inks(dark=self.dark)
        self._axes(f"error ({self.unit})", "count")
        self._zero.setPen(pg.mkPen(ink.muted, width=1))
        if self._bars is not None:
            self.plot.plotItem.removeItem(self._bars)
            self._bars = None
        if not len(self.errors):
            self.caption.setText(f"{self.quantity} error: nothing to compare")
            return
        edges, counts, beyond = self.bins()
        self._bars = pg.BarGraphItem(
            x0=edges[:-1],
            x1=edges[1:],
            height=counts,
            brush=pg.mkBrush(color_of(self.label, dark=self.dark)),
            pen=pg.mkPen(ink.paper, width=1),
        )
        self.plot.plotItem.addItem(self._bars)
        tail = f"{beyond} beyond the edges" if beyond else f"{len(self.errors)} values"
        self.caption.setText(f"{self.quantity} error: {tail}")
        self.caption.setToolTip(self.caption.text())

    def table(self) -> Table:
        edges, counts, _ = self.bins()
        header = (f"from ({self.unit})", f"to ({self.unit})", "count")
        rows = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
        return header, list(rows)
