"""Curves that grow while a job runs, with their legend outside the data and a readout."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from widgets.palette import STYLES, inks
from widgets.plot_tools import PlotMenu, PlotWidget, Table, paper

REDRAW_MS = 40  # points that arrive within this time are drawn together
MARKERS_UP_TO = 60  # points: below, each is marked


class Buffer:
    """Two columns that grow in place (doubling, so that appending stays linear in total)."""

    def __init__(self) -> None:
        self._data = np.empty((2, 256))
        self._n = 0

    def append(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add points."""
        n = self._n + len(x)
        if n > self._data.shape[1]:
            grown = np.empty((2, max(n, 2 * self._data.shape[1])))
            grown[:, : self._n] = self._data[:, : self._n]
            self._data = grown
        self._data[0, self._n : n] = x
        self._data[1, self._n : n] = y
        self._n = n

    @property
    def x(self) -> np.ndarray:
        """(P,) view of the first column."""
        return self._data[0, : self._n]

    @property
    def y(self) -> np.ndarray:
        """(P,) view of the second column."""
        return self._data[1, : self._n]


class Legend(QLabel):
    """A line of coloured names above a plot; it wraps, and never covers data."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.setAccessibleName("Legend")

    def show_names(self, names: list[tuple[str, str, str]]) -> None:
        """names: (colour, glyph, text) each."""
        spans = [
            f'<span style="white-space:nowrap"><span style="color:{c}">{g}</span>&nbsp;'
            f"{t.replace(' ', '&nbsp;').replace('-', '&#8209;')}</span>"
            for c, g, t in names
        ]
        self.setText("&emsp; ".join(spans))
        self.setVisible(bool(names))


class LiveCurve(QWidget):
    """Named curves in one plot; `append` from any job event, drawn at most every 40 ms.

    Series take the palette's styles in the order they first come, unless `set_color` is called.
    """

    drawn = Signal()
    clicked = Signal(float)  # x

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        x_label: str = "",
        y_label: str = "",
        name: str = "curve",
        legend: bool = True,
    ) -> None:
        super().__init__(parent)
        self.name = name
        self.plot = PlotWidget()
        self.plot.setAccessibleName(name)
        self.plot.plotItem.setDownsampling(auto=True, mode="peak")
        self.plot.plotItem.setClipToView(True)
        self.plot.plotItem.showGrid(x=True, y=True, alpha=0.15)
        self.legend = Legend()
        self.legend.setVisible(False)
        self._with_legend = legend
        self.readout = QLabel()
        self.readout.setAccessibleName("Value under the mouse")
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(1)
        top = QHBoxLayout()
        top.addWidget(self.legend, 3)
        box.addLayout(top)
        box.addWidget(self.plot, 1)
        box.addWidget(self.readout)
        self._buffers: dict[str, Buffer] = {}
        self._items: dict[str, pg.PlotDataItem] = {}
        self._bands: dict[str, tuple[pg.PlotCurveItem, pg.PlotCurveItem, pg.FillBetweenItem]] = {}
        self._colors: dict[str, tuple[str, str]] = {}
        self._log_y = False
        self._dark = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REDRAW_MS)
        self._timer.timeout.connect(self.flush)
        self._dirty: set[str] = set()
        self._cross = pg.InfiniteLine(angle=90, movable=False)
        self._cross.setVisible(False)
        self.plot.plotItem.addItem(self._cross, ignoreBounds=True)
        self._level = pg.InfiniteLine(angle=0, movable=False)
        self._mark = pg.InfiniteLine(angle=90, movable=False)
        for line in (self._level, self._mark):
            line.setVisible(False)
            self.plot.plotItem.addItem(line, ignoreBounds=True)
        self.plot.scene().sigMouseMoved.connect(self._hover)
        self.plot.scene().sigMouseClicked.connect(self._click)
        self.menu = PlotMenu(self.plot, table=self.table, reset=self.reset, name=name)
        self.plot.on_reset = self.reset
        self.set_labels(x_label, y_label)
        self.set_dark(False)

    # -- data -------------------------------------------------------------------------------
    def append(self, name: str, x, y) -> None:
        """Append points (scalars or arrays) to the curve `name`, which is made when new."""
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        if x.shape != y.shape:
            raise ValueError(f"curve {name!r}: {len(x)} x values for {len(y)} y values")
        self._buffers.setdefault(name, Buffer()).append(x, y)
        self._dirty.add(name)
        if not self._timer.isActive():
            self._timer.start()

    def set_series(self, name: str, x, y) -> None:
        """Replace the curve `name`."""
        self._buffers[name] = Buffer()
        self.append(name, x, y)

    def set_band(self, name: str, x, low, high) -> None:
        """A shaded band behind the curve `name` (the spread of replicas)."""
        if name not in self._bands:
            edges = [pg.PlotCurveItem(pen=pg.mkPen(None)) for _ in range(2)]
            fill = pg.FillBetweenItem(edges[0], edges[1])
            for item in (*edges, fill):
                self.plot.plotItem.addItem(item)
            fill.setZValue(-10)
            self._bands[name] = (edges[0], edges[1], fill)
        first, second, fill = self._bands[name]
        first.setData(x, low)
        second.setData(x, high)
        color = QColor(self.color(name))
        color.setAlpha(50)
        fill.setBrush(color)

    def series(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) of a curve so far."""
        buffer = self._buffers[name]
        return buffer.x, buffer.y

    def clear(self) -> None:
        """Remove all curves."""
        for item in self._items.values():
            self.plot.plotItem.removeItem(item)
        for band in self._bands.values():
            for item in band:
                self.plot.plotItem.removeItem(item)
        self._items, self._buffers, self._bands = {}, {}, {}
        self._dirty.clear()
        self.readout.clear()
        self._cross.setVisible(False)
        self._show_legend()
        self.reset()

    def table(self) -> Table:
        """All points as rows (curve, x, y)."""
        header = ("curve", self._labels[0] or "x", self._labels[1] or "y")
        rows = [
            (name, float(a), float(b))
            for name, buffer in self._buffers.items()
            for a, b in zip(buffer.x, buffer.y, strict=True)
        ]
        return header, rows

    # -- looks ------------------------------------------------------------------------------
    def set_labels(self, x: str, y: str) -> None:
        """Axis titles, with units."""
        self._labels = (x, y)
        ink = inks(dark=getattr(self, "_dark", False)).ink
        self.plot.plotItem.setLabel("bottom", x or None, color=ink)
        self.plot.plotItem.setLabel("left", y or None, color=ink)
        for side in ("bottom", "left"):
            self.plot.plotItem.getAxis(side).enableAutoSIPrefix(False)

    def set_log(self, *, y: bool) -> None:
        """Logarithmic y axis on or off."""
        self._log_y = y
        self.plot.plotItem.setLogMode(y=y)

    def set_color(self, name: str, light: str, dark: str) -> None:
        """Give one curve its own colour (#rrggbb in each theme)."""
        self._colors[name] = (light, dark)
        self._dirty.add(name)
        self._timer.start()

    def color(self, name: str) -> str:
        """#rrggbb of a curve in the present theme."""
        if name not in self._colors:
            light, dark, _, _ = STYLES[1 + len(self._colors) % (len(STYLES) - 1)]
            self._colors[name] = (light, dark)
        return self._colors[name][self._dark]

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = dark
        paper(self, dark=dark)
        self.plot.set_dark(dark)
        ink = inks(dark=dark)
        self._cross.setPen(pg.mkPen(ink.muted, width=1))
        self._level.setPen(pg.mkPen(ink.muted, width=1, style=Qt.PenStyle.DashLine))
        self._mark.setPen(pg.mkPen("#ff9d00", width=2))
        self.set_labels(*self._labels)
        self._dirty.update(self._buffers)
        self.flush()

    def set_mark(self, x: float | None) -> None:
        """Upright line at the selected x, None for none."""
        self._mark.setVisible(x is not None)
        if x is not None:
            self._mark.setPos(x)

    def set_level(self, y: float | None) -> None:
        """Dashed line at a wanted y (a thermostat's temperature), None for none."""
        self._level.setVisible(y is not None)
        if y is not None:
            self._level.setPos(y)

    def reset(self) -> None:
        """Show all points again, and keep doing so as more come."""
        self.plot.plotItem.enableAutoRange()

    # -- drawing ----------------------------------------------------------------------------
    def flush(self) -> None:
        """Draw now what has come since the last time."""
        new = False
        for name in [n for n in self._buffers if n in self._dirty]:
            buffer = self._buffers[name]
            if name not in self._items:
                self._items[name] = self.plot.plotItem.plot()
                new = True
            color = self.color(name)
            few = len(buffer.x) <= MARKERS_UP_TO
            y = buffer.y
            if self._log_y:
                y = np.where(y > 0, y, np.nan)
            self._items[name].setData(
                buffer.x,
                y,
                pen=pg.mkPen(color, width=1),
                symbol="o" if few else None,
                symbolSize=4,
                symbolBrush=color,
                symbolPen=None,
            )
        self._dirty.clear()
        if new or self.legend.isVisible():
            self._show_legend()
        self.drawn.emit()

    def _show_legend(self) -> None:
        names = [(self.color(n), "━", n) for n in self._items] if self._with_legend else []
        self.legend.show_names(names)

    def _click(self, event) -> None:
        view = self.plot.plotItem.vb
        inside = view.sceneBoundingRect().contains(event.scenePos())
        if inside and event.button() == Qt.MouseButton.LeftButton and not event.double():
            self.clicked.emit(view.mapSceneToView(event.scenePos()).x())

    def _hover(self, place) -> None:
        view = self.plot.plotItem.vb
        inside = view.sceneBoundingRect().contains(place)
        self._cross.setVisible(inside and bool(self._items))
        if not inside or not self._items:
            self.readout.clear()
            return
        x = view.mapSceneToView(place).x()
        self._cross.setPos(x)
        parts, at = [], x
        for name, buffer in self._buffers.items():
            if not len(buffer.x):
                continue
            i = int(np.argmin(np.abs(buffer.x - x)))
            at = buffer.x[i]
            parts.append(f'<span style="color:{self.color(name)}">{name}</span> {buffer.y[i]:.5g}')
        self.readout.setText(f"{self._labels[0] or 'x'} {at:.5g} &nbsp; " + " &nbsp; ".join(parts))
