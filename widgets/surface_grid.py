"""Maps side by side: one scale, one colour bar, one crosshair."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from core.analyses import surface_tools as tools
from core.analyses.surface import Axis
from widgets import surface_view
from widgets.palette import chip, inks, table
from widgets.plot_tools import PlotMenu, Table, paper
from widgets.surface_data import nice_step
from widgets.surface_view import SurfaceView

TITLE = 20  # pixels above each map
BAR = 66  # pixels for the colour bar
SMALLEST = 90  # pixels: maps do not get smaller, the grid scrolls instead
GAP = 6
BUDGET = 0.012  # s of the window's thread at one go


@dataclass(frozen=True, eq=False)
class Map:
    """One map: values (G,) in the unit shown; minima, failed: grid indices; note: tooltip."""

    label: str
    values: np.ndarray
    minima: np.ndarray
    failed: np.ndarray
    note: str = ""


@dataclass(frozen=True)
class Scale:
    """low and high in the unit shown, kind "sequential" or "diverging", lines every `step`."""

    low: float
    high: float
    kind: str
    step: float
    title: str

    def text(self, value: float) -> str:
        """A number of this scale with the digits it deserves."""
        digits = max(0, -math.floor(math.log10(nice_step(self.high - self.low, parts=8)) + 1e-9))
        return f"{value:.{digits}f}".replace("-", "−")


class ColourBar(QWidget):
    """The scale of all maps; a hatched cap where values lie outside it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scale = Scale(0, 1, "sequential", 1, "")
        self.over = self.under = False
        self.dark = False
        self.setAccessibleName("Colour scale")

    def set_scale(self, scale: Scale, *, over: bool, under: bool) -> None:
        """Show another scale."""
        self.scale, self.over, self.under = scale, over, under
        outside = "; hatched: outside this range" if over or under else ""
        self.setToolTip(f"{scale.title}, {scale.low:g} to {scale.high:g}{outside}")
        self.update()

    def paintEvent(self, event) -> None:
        """Bar, ticks, numbers, title."""
        painter = QPainter(self)
        ink = inks(dark=self.dark)
        lut = table(self.scale.kind)
        bar = QRectF(6, 18, 14, self.height() - 36)
        painter.setPen(Qt.PenStyle.NoPen)
        slices = 128
        for k in range(slices):
            painter.setBrush(QColor(*(int(c) for c in lut[255 - 2 * k])))
            y = bar.top() + bar.height() * k / slices
            painter.drawRect(QRectF(bar.left(), y, bar.width(), bar.height() / slices + 0.6))
        for wanted, y, colour in ((self.over, 8, lut[255]), (self.under, bar.bottom(), lut[0])):
            if wanted:
                painter.setBrush(QColor(*(int(c) for c in colour)))
                painter.drawRect(QRectF(bar.left(), y, bar.width(), 10))
                painter.setBrush(QColor(90, 90, 90))
                for x in (2, 8):
                    painter.drawRect(QRectF(bar.left() + x, y, 3, 10))
        painter.setPen(QPen(QColor(ink.ink)))
        font = painter.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() - 1))
        painter.setFont(font)
        low, high = self.scale.low, self.scale.high
        step = nice_step(high - low, parts=max(2, min(8, int(bar.height() / 26))))
        for value in np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
            v = float(value * step)
            y = bar.bottom() - bar.height() * (v - low) / max(high - low, 1e-300)
            painter.drawLine(int(bar.right()), int(y), int(bar.right()) + 3, int(y))
            place = QRectF(bar.right() + 5, y - 8, 40, 16)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, self.scale.text(v))
        painter.save()
        painter.translate(self.width() - 3, bar.center().y())
        painter.rotate(-90)
        half = bar.height() / 2 + 18
        place = QRectF(-half, -14, 2 * half, 14)
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, self.scale.title)
        painter.restore()
        painter.end()


class SurfaceGrid(QWidget):
    """Linked maps with equal aspect. Reuses its views from one update to the next."""

    hovered = Signal(object)  # (x, y) degrees or None
    clicked = Signal(int, int)  # map, grid index

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.views: list[SurfaceView] = []
        self.titles: list[QLabel] = []
        self.maps: list[Map] = []
        self.axes: tuple[Axis, ...] = ()
        self.scale = Scale(0, 1, "sequential", 1, "")
        self.bar = ColourBar(self)
        self._labels = ("", "")
        self._dark = False
        self._points = self._path = np.zeros((0, 2))
        self._selected = -1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._dirty: set[int] = set()  # maps that wait to be drawn
        self._places: list[tuple[QRect, QRect, bool, bool]] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._work)
        self.set_dark(False)
        self.menu = PlotMenu(self, table=self.table, reset=self.reset, name="surface")

    def show_maps(
        self, axes: tuple[Axis, ...], labels: tuple[str, str], maps: list[Map], scale: Scale
    ) -> None:
        """Draw maps over two axes on one scale, within a few milliseconds at a time.

        Maps whose numbers did not change are left as they are. `flush` draws all at once.
        """
        fresh = axes != self.axes or labels != self._labels or scale != self.scale
        relayout = fresh or len(maps) != len(self.maps)
        old, self.maps = self.maps, maps
        self.axes, self._labels, self.scale = axes, labels, scale
        changed = (k for k, m in enumerate(maps) if k >= len(old) or not _same(old[k], m))
        self._dirty.update(range(len(maps)) if fresh else changed)
        self._dirty = {k for k in self._dirty if k < len(maps)}
        for k in range(len(maps), len(self.views)):
            self.views[k].hide()
            self.titles[k].hide()
        self._show_bar()
        if relayout:
            self._arrange()
        self._work()

    def flush(self) -> None:
        """Draw everything that is still waiting."""
        self._work(budget=float("inf"))

    def _work(self, *, budget: float = BUDGET) -> None:
        """Draw waiting maps until the time is up, then let the window breathe."""
        until = time.perf_counter() + budget
        while self._dirty:
            k = min(self._dirty)
            self._dirty.discard(k)
            if k == len(self.views):
                self._add_view()
            self._draw(k)
            if self._dirty and time.perf_counter() > until:
                self._timer.start()
                return

    def _draw(self, k: int) -> None:
        view, m, scale = self.views[k], self.maps[k], self.scale
        if view.axes != self.axes:
            view.set_axes(self.axes, ("", ""))
            view.set_points(self._points)
            view.set_path(self._path)
            view.set_selected(self._selected)
        self._place(k)
        view.set_values(m.values, low=scale.low, high=scale.high, kind=scale.kind, step=scale.step)
        view.set_marks(minima=m.minima, failed=m.failed)
        view.setAccessibleName(f"Map of {m.label}")
        self._title(k)
        view.show()
        self.titles[k].show()

    def set_points(self, angles: np.ndarray) -> None:
        """Dots on every map: angles (P,2) rad."""
        self._points = angles
        for view in self._shown():
            view.set_points(angles)

    def set_path(self, angles: np.ndarray) -> None:
        """A trajectory on every map: angles (S,2) rad."""
        self._path = angles
        for view in self._shown():
            view.set_path(angles)

    def set_selected(self, index: int) -> None:
        """The grid point shown in the molecule view, -1 for none."""
        self._selected = index
        for view in self._shown():
            view.set_selected(index)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = self.bar.dark = dark
        paper(self, dark=dark)
        for k, view in enumerate(self.views):
            view.set_dark(dark)
            if k < len(self.maps):
                self._title(k)
        self.bar.update()

    def reset(self) -> None:
        """Every map over its whole range."""
        for view in self._shown():
            view.reset()

    def table(self) -> Table:
        """Rows: both angles in degrees, then the value of each map."""
        angles = np.rad2deg(tools.grid_angles(self.axes)) if self.axes else np.zeros((0, 2))
        names = [f"{m.label} [{self.scale.title}]" for m in self.maps]
        header = [f"{name} [degrees]" for name in self._labels] + names
        columns = np.column_stack([angles, *(m.values for m in self.maps)])
        return header, [[float(v) for v in row] for row in columns]

    # -- inside -----------------------------------------------------------------------------
    def _shown(self) -> list[SurfaceView]:
        """Views that hold a map of the present axes."""
        return [v for v in self.views[: len(self.maps)] if v.axes == self.axes and self.axes]

    def _add_view(self) -> None:
        view, title = SurfaceView(parent=self), QLabel(self)
        k = len(self.views)
        title.setTextFormat(Qt.TextFormat.RichText)
        view.set_dark(self._dark)
        view.hovered.connect(self._hover)
        view.clicked.connect(lambda index, k=k: self.clicked.emit(k, index))
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)  # the grid's own opens
        view.plotItem.vb.sigRangeChangedManually.connect(lambda *_: self._zoom(view))
        self.views.append(view)
        self.titles.append(title)

    def _title(self, k: int) -> None:
        m = self.maps[k]
        failed = f' <span style="color:{inks(dark=self._dark).bad}">✕ {len(m.failed)}</span>'
        text = f"{chip(m.label, dark=self._dark)} {m.label}{failed if len(m.failed) else ''}"
        self.titles[k].setText(text)
        self.titles[k].setToolTip(m.note)
        self.views[k].setToolTip(m.note)

    def _show_bar(self) -> None:
        with np.errstate(invalid="ignore"):
            over = any((m.values > self.scale.high * (1 + 1e-6)).any() for m in self.maps)
            under = any((m.values < self.scale.low - 1e-6).any() for m in self.maps)
        self.bar.set_scale(self.scale, over=over, under=under)
        self.bar.setVisible(bool(self.maps))

    def _hover(self, at: tuple[float, float] | None) -> None:
        for view in self._shown():
            view.set_cross(at)
        self.hovered.emit(at)

    def _zoom(self, source: SurfaceView) -> None:
        """All maps show the same part."""
        (x0, x1), (y0, y1) = source.plotItem.vb.viewRange()
        for view in self._shown():
            if view is not source:
                view.plotItem.vb.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0)

    def resizeEvent(self, event) -> None:
        """Lay the maps out again."""
        super().resizeEvent(event)
        self._arrange()

    def minimumSizeHint(self) -> QSize:
        """One small map and the bar."""
        return QSize(SMALLEST + surface_view.LEFT + BAR + 20, SMALLEST + 60)

    def _arrange(self) -> None:
        """The number of columns that makes the maps largest, with degrees equally long on both."""
        n = len(self.maps)
        if not n or not self.axes:
            return
        spans = [np.rad2deg(b - a) for a, b in (tools.extent(axis) for axis in self.axes)]
        longest = max(spans)
        fx, fy = spans[0] / longest, spans[1] / longest
        width, height = self.width() - BAR, self.height()
        label = surface_view.NAME  # only the outer maps name their axes
        pad_x = surface_view.LEFT + surface_view.RIGHT + GAP
        pad_y = surface_view.BOTTOM + surface_view.TOP + TITLE + GAP
        best, columns = 0.0, 1
        for c in range(1, n + 1):
            r = math.ceil(n / c)
            side = min(((width - label) / c - pad_x) / fx, ((height - label) / r - pad_y) / fy)
            if side > best + 1:
                best, columns = side, c
        side = max(best, SMALLEST / 2)
        w, h = round(side * fx), round(side * fy)
        rows = math.ceil(n / columns)
        used_x, used_y = columns * (w + pad_x) + label, rows * (h + pad_y) + label
        x0, y0 = max(0, (width - used_x) // 2), max(0, (height - used_y) // 2)
        left, bottom = surface_view.LEFT, surface_view.BOTTOM
        self._places = []
        for k in range(n):
            row, column = divmod(k, columns)
            first, last = column == 0, k + columns >= n  # nothing to the left, nothing below
            x = x0 + column * (w + pad_x)
            y = y0 + row * (h + pad_y)
            wide = w + left + surface_view.RIGHT + (label if first else 0)
            tall = h + bottom + surface_view.TOP + (label if last else 0)
            title = QRect(x + label + left, y, w + surface_view.RIGHT, TITLE)
            view = QRect(x + (0 if first else label), y + TITLE, wide, tall)
            self._places.append((title, view, first, last))
        for k in range(min(n, len(self.views))):
            self._place(k)
        top = y0 + TITLE + surface_view.TOP
        tall = min(rows * (h + pad_y) - TITLE, 320)
        self.bar.setGeometry(min(x0 + used_x, self.width() - BAR), top - 14, BAR, max(tall, 90))

    def _place(self, k: int) -> None:
        """Put one map where `_arrange` wants it; only outer maps name their axes."""
        if k >= len(self._places):
            return
        title, place, first, last = self._places[k]
        view = self.views[k]
        name = surface_view.NAME
        view.plotItem.getAxis("left").setWidth(surface_view.LEFT + (name if first else 0))
        view.plotItem.getAxis("bottom").setHeight(surface_view.BOTTOM + (name if last else 0))
        view.set_names((self._labels[0] if last else "", self._labels[1] if first else ""))
        self.titles[k].setGeometry(title)
        view.setGeometry(place)
        view.reset()


def _same(a: Map, b: Map) -> bool:
    """True when nothing needs to be drawn again."""
    return (
        a.label == b.label
        and np.array_equal(a.values, b.values, equal_nan=True)
        and np.array_equal(a.minima, b.minima)
        and np.array_equal(a.failed, b.failed)
    )
