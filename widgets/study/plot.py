"""Points with error bars on plain or logarithmic axes, with legend and readout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from widgets.curves import Legend
from widgets.naming import text_label
from widgets.palette import inks
from widgets.plot_tools import PlainAxis, PlotMenu, PlotWidget, Table, paper

GAP = {"bottom": 46, "left": 26}  # pixels between two numbers of an axis
DIGITS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))
SIZES = {"star": 14, "p": 11, "h": 11, "d": 11}  # pixels; thin shapes look smaller than they are
NEAR = 24  # pixels from the mouse to a point that is read out


class LogAxis(PlainAxis):
    """An axis over log10 of a quantity that shows the quantity itself at 1, 2, 5, 10 …"""

    log = True
    wanted: tuple[float, ...] = ()  # log10 of numbers to stand there if there is room

    def tickValues(self, low: float, high: float, size: float) -> list:
        if not self.log:
            return super().tickValues(low, high, size)
        gap = GAP[self.orientation] / max(size, 1) * (high - low)
        best: np.ndarray = np.zeros(0)
        given = np.array([w for w in self.wanted if low <= w <= high])
        if len(given) > 1 and np.diff(given).min() >= gap:
            return [(1.0, given.tolist())]
        for digits in DIGITS:
            powers = np.arange(math.floor(low), math.ceil(high) + 1)
            ticks = np.sort((powers[:, None] + np.log10(digits)[None]).ravel())
            ticks = ticks[(ticks >= low) & (ticks <= high)]
            if len(best) > 1 and len(ticks) > 1 and np.diff(ticks).min() < gap:
                break
            best = ticks if len(ticks) > len(best) else best
        if len(best) < 2:  # a narrow range: even steps
            best = self._even(low, high, size)
        return [(1.0, best.tolist())]

    def _even(self, low: float, high: float, size: float) -> np.ndarray:
        first, last = 10.0**low, 10.0**high
        step = 10.0 ** math.floor(math.log10(max(last - first, 1e-300)))
        count = max(2, int(size / (2 * GAP[self.orientation])))
        while (last - first) / step > count:
            step *= 2
        while (last - first) / step < 2:
            step /= 2
        values = np.arange(math.ceil(first / step), math.floor(last / step) + 1) * step
        return np.log10(values[values > 0])

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        if not self.log:
            return super().tickStrings(values, scale, spacing)
        return [f"{10.0**v:.4g}" for v in values]


@dataclass(frozen=True, eq=False)
class Series:
    """Points to draw. color: #rrggbb in light and dark; spread: half an error bar, NaN = none."""

    name: str
    x: np.ndarray
    y: np.ndarray
    colors: tuple[str, str]
    symbol: str = "o"
    glyph: str = "●"
    spread: np.ndarray = field(default_factory=lambda: np.zeros(0))
    line: bool = True
    dashed: bool = False
    steps: bool = False  # a value holds until the next point


class ErrorPlot(QWidget):
    """Draws Series. The legend is above the plot, the value under the mouse below it."""

    def __init__(
        self,
        name: str,
        *,
        log_x: bool = False,
        log_y: bool = False,
        digits: int = 4,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.log_x, self.log_y = log_x, log_y
        self.series: tuple[Series, ...] = ()
        self._labels, self._dark, self._digits = ("", ""), False, digits
        axes = {"bottom": LogAxis("bottom"), "left": LogAxis("left")}
        axes["bottom"].log, axes["left"].log = log_x, log_y
        self.plot = PlotWidget(axisItems=axes)
        self.plot.setAccessibleName(name)
        self.plot.plotItem.showGrid(x=True, y=True, alpha=0.15)
        self.plot.plotItem.vb.setDefaultPadding(0.06)
        self.legend = Legend()
        self.legend.setVisible(False)
        self.readout = text_label("Value under the mouse")
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        box = QVBoxLayout(self)
        box.setContentsMargins(4, 2, 4, 0)
        box.setSpacing(1)
        box.addWidget(self.legend)
        box.addWidget(self.plot, 1)
        box.addWidget(self.readout)
        self._items: list[pg.GraphicsObject] = []
        self.menu = PlotMenu(self.plot, table=self.table, reset=self.reset, name=name)
        self.plot.on_reset = self.reset
        self.plot.scene().sigMouseMoved.connect(self._hover)
        self.set_dark(False)

    def set_labels(self, x: str, y: str) -> None:
        """Titles of the axes, with units."""
        self._labels = (x, y)
        ink = inks(dark=self._dark).ink
        for side, text in (("bottom", x), ("left", y)):
            self.plot.plotItem.getAxis(side).enableAutoSIPrefix(False)
            self.plot.plotItem.setLabel(side, text or None, color=ink)

    def set_ticks(self, x: Sequence[float]) -> None:
        """Numbers that shall stand below a logarithmic axis, if there is room."""
        axis = self.plot.plotItem.getAxis("bottom")
        axis.wanted = tuple(np.log10(np.asarray(x, float)).tolist())
        axis.picture = None

    def set_series(self, series: Sequence[Series]) -> None:
        """Replace everything."""
        self.series = tuple(series)
        self.draw()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = dark
        paper(self, dark=dark)
        self.plot.set_dark(dark)
        self.set_labels(*self._labels)
        self.draw()

    def reset(self) -> None:
        """Show all points, and keep doing so as more come."""
        self.plot.plotItem.enableAutoRange()

    def table(self) -> Table:
        """Rows: name, x, y, half an error bar."""
        rows = []
        for s in self.series:
            spread = s.spread if len(s.spread) == len(s.x) else np.full(len(s.x), np.nan)
            rows += [
                (s.name, float(a), float(b), float(c))
                for a, b, c in zip(s.x, s.y, spread, strict=True)
            ]
        x, y = self._labels
        return ("curve", x or "x", y or "y", "standard deviation"), rows

    def draw(self) -> None:
        """All anew: there are few points."""
        for item in self._items:
            self.plot.plotItem.removeItem(item)
        self._items.clear()
        for s in self.series:
            self._draw_one(s)
        self.legend.show_names([(s.colors[self._dark], s.glyph, s.name) for s in self.series])

    def _place(self, s: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(good (P,) bool, x, y) in the coordinates of the plot."""
        x, y = np.asarray(s.x, float), np.asarray(s.y, float)
        good = np.isfinite(x) & np.isfinite(y)
        good &= ((x > 0) | (not self.log_x)) & ((y > 0) | (not self.log_y))
        with np.errstate(all="ignore"):
            return good, np.log10(x) if self.log_x else x, np.log10(y) if self.log_y else y

    def _draw_one(self, s: Series) -> None:
        good, x, y = self._place(s)
        color = s.colors[self._dark]
        style = Qt.PenStyle.DashLine if s.dashed else Qt.PenStyle.SolidLine
        if len(s.spread) == len(s.x):
            bars = good & np.isfinite(s.spread) & (s.spread > 0)
            if bars.any():
                self._add(self._bars(s, bars, x[bars], y[bars], color))
        item = pg.PlotDataItem(
            x[good],
            y[good],
            pen=pg.mkPen(color, width=1.5, style=style) if s.line else None,
            symbol=s.symbol or None,
            symbolSize=SIZES.get(s.symbol, 9),
            stepMode="right" if s.steps else None,
            symbolBrush=color,
            symbolPen=pg.mkPen(inks(dark=self._dark).paper, width=0.5),
        )
        self._add(item)

    def _bars(
        self, s: Series, bars: np.ndarray, x: np.ndarray, y: np.ndarray, color: str
    ) -> pg.ErrorBarItem:
        mean, spread = np.asarray(s.y, float)[bars], s.spread[bars]
        top, bottom = spread, spread
        if self.log_y:  # the lower end stays above 0: a tenth of the value
            top = np.log10(mean + spread) - y
            bottom = y - np.log10(np.maximum(mean - spread, 0.1 * mean))
        span = np.ptp(x) if len(x) > 1 else 1.0
        return pg.ErrorBarItem(
            x=x, y=y, top=top, bottom=bottom, beam=0.015 * (span or 1.0), pen=pg.mkPen(color)
        )

    def _add(self, item: pg.GraphicsObject) -> None:
        self._items.append(item)
        self.plot.plotItem.addItem(item)

    # -- under the mouse ----------------------------------------------------------------------
    def _hover(self, place: QPointF) -> None:
        found = self.nearest(place)
        if found is None:
            self.readout.clear()
            return
        s, i = found
        spread = s.spread[i] if len(s.spread) == len(s.x) else np.nan
        more = f" ± {spread:.2g}" if np.isfinite(spread) else ""
        n = self._digits
        self.readout.setText(
            f'<span style="color:{s.colors[self._dark]}">{s.glyph}</span> {s.name}: '
            f"{self._labels[0]} {s.x[i]:.{n}g}, {self._labels[1]} {s.y[i]:.{n}g}{more}"
        )

    def nearest(self, place: QPointF) -> tuple[Series, int] | None:
        """The point within a few pixels of a place of the scene."""
        view = self.plot.plotItem.vb
        if not view.sceneBoundingRect().contains(place):
            return None
        at, pixel = view.mapSceneToView(place), view.viewPixelSize()
        best, found = float(NEAR), None
        for s in self.series:
            good, x, y = self._place(s)
            far = np.hypot((x - at.x()) / pixel[0], (y - at.y()) / pixel[1])
            far = np.where(good, far, np.inf)
            if len(far) and far.min() < best:
                best, found = float(far.min()), (s, int(far.argmin()))
        return found
