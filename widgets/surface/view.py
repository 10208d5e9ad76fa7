"""One map: energy over two dihedrals, with lines, marks, points and a path on top."""

from __future__ import annotations

import functools

import contourpy
import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor

from core.analyses import surface_tools as tools
from core.analyses.surface import Axis
from widgets.palette import inks, table
from widgets.plot_tools import PlotWidget

PIXELS = 6  # drawn pixels between two grid points
HATCH = 6  # pixels: period of the stripes over what lies outside the scale
LEFT, BOTTOM, TOP, RIGHT = 40, 20, 8, 16  # pixels around the map, without axis names
INNER = 6  # pixels for an axis without numbers
NAME = 16  # pixels for the name of an axis


class DegreeAxis(pg.AxisItem):
    """Ticks at 60 degrees, named where there is room; closer ones when zoomed in."""

    first_named = True  # whether the lowest end has room for its number

    def tickValues(self, low, high, size):
        """Levels and positions, as pyqtgraph wants them."""
        span = max(high - low, 1e-9)
        fine = next(s for s in (1, 5, 10, 30, 60) if s == 60 or span <= 4.01 * s)
        room = 38 if self.orientation in ("bottom", "top") else 18
        self._named = next(s for s in (fine, 180, 360) if s == 360 or size * s / span >= room)
        first = np.ceil((low - 1e-6) / fine) * fine
        return [(fine, list(np.arange(first, high + 1e-6, fine)))]

    def tickStrings(self, values, scale, spacing):
        """Whole degrees with a true minus sign; no text where it would not fit."""
        named = [abs(v / self._named - round(v / self._named)) < 1e-6 for v in values]
        texts = [f"{v:.0f}".replace("-", "−") for v in values]
        if not self.first_named:
            low = min(self.range) + 1e-6 * abs(self.range[1] - self.range[0])
            named = [show and v > low for v, show in zip(values, named, strict=True)]
        return [text if show else "" for text, show in zip(texts, named, strict=True)]


@functools.cache
def _weights(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear weights (P,n) for the pixels between n points, and the nearest point (P,)."""
    at = (np.arange((n - 1) * PIXELS) + 0.5) / PIXELS
    low = np.minimum(at.astype(int), n - 2)
    weights = np.zeros((len(at), n))
    rows = np.arange(len(at))
    weights[rows, low] = 1 - (at - low)
    weights[rows, low + 1] = at - low
    return weights, np.rint(at).astype(int)


def smooth(grid: np.ndarray) -> np.ndarray:
    """Grid (n1,n2) -> pixels, bilinear; beside a missing point, the nearest known value."""
    (w1, near1), (w2, near2) = _weights(grid.shape[0]), _weights(grid.shape[1])
    missing = ~np.isfinite(grid)
    out = w1 @ np.where(missing, 0.0, grid) @ w2.T
    if missing.any():
        touched = (w1 @ missing @ w2.T) > 0
        out[touched] = grid[np.ix_(near1, near2)][touched]
    return out


def colours(values: np.ndarray, low: float, high: float, kind: str, *, dark: bool) -> np.ndarray:
    """Pixels (P,Q) -> (P,Q,4) uint8; outside low..high is hatched, missing is transparent."""
    lut = table(kind)
    finite = np.isfinite(values)
    t = np.where(finite, (values - low) / max(high - low, 1e-300), 0.0)
    rgba = np.empty((*values.shape, 4), dtype=np.uint8)
    rgba[..., :3] = lut[np.clip(t * 255, 0, 255).astype(np.uint8)]
    rgba[..., 3] = np.where(finite, 255, 0)
    outside = finite & ((t > 1 + 1e-6) | (t < -1e-6))
    if outside.any():
        rows, columns = (np.arange(n) for n in values.shape)
        stripes = outside & (np.add.outer(rows, columns) % HATCH < HATCH // 3)
        rgba[stripes, :3] = (90, 90, 90)
    return rgba


def contour_path(
    x: np.ndarray, y: np.ndarray, grid: np.ndarray, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All contour lines of grid (n1,n2) as one x and one y with NaN between the lines."""
    z = np.ma.masked_invalid(grid.T)
    generator = contourpy.contour_generator(x, y, z, name="serial")
    pieces = [line for level in levels for line in generator.lines(level)]
    if not pieces:
        return np.zeros(0), np.zeros(0)
    gap = np.full((1, 2), np.nan)
    together = np.concatenate([part for line in pieces for part in (line, gap)])
    return together[:, 0], together[:, 1]


class SurfaceView(PlotWidget):
    """A map over axes[0] (across) and axes[1] (up), in degrees, over exactly one period."""

    hovered = Signal(object)  # (x, y) degrees, or None when the mouse leaves
    clicked = Signal(int)  # grid index

    def __init__(self, name: str = "map", parent=None) -> None:
        axes = {side: DegreeAxis(side) for side in ("bottom", "left")}
        super().__init__(parent, axisItems=axes)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.axes: tuple[Axis, ...] = ()
        self._labels = ("", "")
        self.values = np.zeros(0)
        self.selected = -1
        self._dark = False
        self._scale = (0.0, 1.0, "sequential", 1.0)
        self._grid = np.zeros((0, 0))
        item = self.plotItem
        item.layout.setContentsMargins(0, TOP, RIGHT, 0)
        item.getAxis("left").setWidth(LEFT + NAME)
        item.getAxis("bottom").setHeight(BOTTOM + NAME)
        self.image = pg.ImageItem(axisOrder="row-major")
        self.lines_low, self.lines_high = pg.PlotCurveItem(), pg.PlotCurveItem()
        self.others, self.path = pg.PlotCurveItem(), pg.PlotCurveItem()
        self.head = pg.ScatterPlotItem(size=9)
        self.points = pg.ScatterPlotItem(size=4)
        self.failed = pg.ScatterPlotItem(size=9, symbol="x")
        self.minima = pg.ScatterPlotItem(size=8, symbol="o")
        self.mark = pg.ScatterPlotItem(size=13, symbol="o")
        self.cross = (pg.InfiniteLine(angle=90), pg.InfiniteLine(angle=0))
        below = (self.image, self.lines_low, self.lines_high, self.points)
        paths = (self.others, self.path, self.head)
        for z, part in enumerate(
            (*below, *paths, self.minima, self.failed, self.mark, *self.cross)
        ):
            part.setZValue(z)
            item.addItem(part, ignoreBounds=True)
        for line in self.cross:
            line.setVisible(False)
        self.on_reset = self.reset
        self.scene().sigMouseMoved.connect(self._moved)
        self.scene().sigMouseClicked.connect(self._clicked)
        self.set_dark(False)

    # -- what is shown ----------------------------------------------------------------------
    def set_axes(self, axes: tuple[Axis, ...], labels: tuple[str, str]) -> None:
        """Two axes and their names; clears what stood on the old ones."""
        if axes != self.axes:
            self.values = np.zeros(0)
            self.image.clear()
            for curve in (self.lines_low, self.lines_high, self.others, self.path):
                curve.setData([], [])
            for dots in (self.points, self.head, self.failed, self.minima, self.mark):
                dots.setData([], [])
            self.selected = -1
        self.axes = axes
        self._labels = labels
        self._name_axes()
        self.reset()

    def set_values(
        self, values: np.ndarray, *, low: float, high: float, kind: str, step: float
    ) -> None:
        """values (G,) in the unit shown; lines every `step`; kind "sequential" or "diverging"."""
        self.values = values
        self._scale = (low, high, kind, step)
        self._grid = tools.closed(values, self.axes)
        pixels = colours(smooth(self._grid), low, high, kind, dark=self._dark)
        self.image.setImage(pixels.swapaxes(0, 1), autoLevels=False, levels=None)
        (x0, x1), (y0, y1) = self._extent()
        self.image.setRect(x0, y0, x1 - x0, y1 - y0)
        self._draw_lines()

    def _draw_lines(self) -> None:
        low, high, kind, step = self._scale
        x, y = (
            np.rad2deg(a.start) + np.rad2deg(tools.step(a)) * np.arange(n)
            for a, n in zip(self.axes, self._grid.shape, strict=True)
        )
        levels = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        levels = levels[(levels > low) & (levels <= high)]
        if kind == "diverging":  # where two agree, the line of zero is only noise
            levels = levels[np.abs(levels) > 1e-3 * step]
        dim = levels < low + 0.45 * (high - low) if kind == "sequential" else levels > np.inf
        for curve, part in ((self.lines_low, levels[dim]), (self.lines_high, levels[~dim])):
            curve.setData(*contour_path(x, y, self._grid, part), connect="finite")

    def set_marks(self, *, minima: np.ndarray, failed: np.ndarray) -> None:
        """Grid indices of minima (rings; the lowest is filled) and failed points (crosses)."""
        angles = np.rad2deg(tools.grid_angles(self.axes))
        lowest, rest = self._wrapped(angles[minima[:1]]), self._wrapped(angles[minima[1:]])
        brushes = [pg.mkBrush("#ffffff")] * len(lowest) + [pg.mkBrush(None)] * len(rest)
        self.minima.setData(*np.concatenate([lowest, rest]).T, brush=brushes)
        self.failed.setData(*angles[failed].T)

    def set_points(self, angles: np.ndarray) -> None:
        """Geometries as dots: angles (P,2) rad."""
        self.points.setData(*np.rad2deg(tools.into(angles, self.axes)).T)

    def set_path(self, angles: np.ndarray) -> None:
        """A trajectory as a line with its head marked: angles (S,2) rad in order of time."""
        path = np.rad2deg(tools.broken(angles, self.axes)) if len(angles) else np.zeros((0, 2))
        self.path.setData(path[:, 0], path[:, 1], connect="finite")
        self.head.setData(*path[-1:].T)

    def set_others(self, paths: list[np.ndarray]) -> None:
        """Faint lines behind the path: angles (S,2) rad of each."""
        gap = np.full((1, 2), np.nan)
        pieces = [x for p in paths if len(p) for x in (tools.broken(p, self.axes), gap)]
        line = np.rad2deg(np.concatenate(pieces)) if pieces else np.zeros((0, 2))
        self.others.setData(line[:, 0], line[:, 1], connect="finite")

    def set_selected(self, index: int) -> None:
        """Ring around a grid point, -1 for none."""
        self.selected = index
        angles = np.rad2deg(tools.grid_angles(self.axes))
        self.mark.setData(*(angles[index : index + 1] if index >= 0 else angles[:0]).T)

    def set_cross(self, at: tuple[float, float] | None) -> None:
        """Crosshair at (x, y) degrees, None for none."""
        for line, value in zip(self.cross, at or (0.0, 0.0), strict=True):
            line.setVisible(at is not None)
            line.setPos(value)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        super().set_dark(dark)
        self._dark = dark
        if not hasattr(self, "mark"):  # called by the base class before the parts are there
            return
        ink = inks(dark=dark)
        light, black = QColor(255, 255, 255, 120), QColor(0, 0, 0, 110)
        self.lines_low.setPen(pg.mkPen(light, width=1))
        self.lines_high.setPen(pg.mkPen(black, width=1))
        self.path.setPen(pg.mkPen(QColor(255, 46, 136, 190), width=1))
        self.others.setPen(pg.mkPen(QColor(255, 255, 255, 70), width=1))
        self.head.setBrush("#ff2e88")
        self.head.setPen(pg.mkPen("#ffffff", width=1.5))
        self.points.setBrush(pg.mkBrush(255, 255, 255, 230))
        self.points.setPen(pg.mkPen(0, 0, 0, 200, width=0.8))
        self.failed.setPen(pg.mkPen(ink.bad, width=2))
        self.minima.setPen(pg.mkPen("#ffffff", width=1.5))
        self.mark.setBrush(pg.mkBrush(None))
        self.mark.setPen(pg.mkPen("#ff9d00", width=2.5))
        for line in self.cross:
            line.setPen(pg.mkPen(QColor(255, 255, 255, 170), width=1))
        if self.axes:
            self._name_axes()

    def reset(self) -> None:
        """Exactly one period (or the whole open range)."""
        if self.axes:
            (x0, x1), (y0, y1) = self._extent()
            box = self.plotItem.vb
            box.setLimits(xMin=x0, xMax=x1, yMin=y0, yMax=y1)
            box.setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0)

    def resizeEvent(self, event) -> None:
        """Dots that do not hide a small map."""
        super().resizeEvent(event)
        if hasattr(self, "points"):
            self.points.setSize(float(np.clip(min(self.width(), self.height()) / 80, 2.6, 4.5)))

    def index_at(self, x: float, y: float) -> int:
        """Grid index nearest to (x, y) degrees, -1 outside."""
        return int(tools.nearest(np.deg2rad([[x, y]]), self.axes)[0])

    # -- inside -----------------------------------------------------------------------------
    def _extent(self) -> list[tuple[float, float]]:
        ends = [np.rad2deg(tools.extent(a)) for a in self.axes]
        return [(float(low), float(high)) for low, high in ends]

    def _wrapped(self, angles: np.ndarray) -> np.ndarray:
        """Points on the edge of a full period also at its other end: both sides show them."""
        out = [angles]
        for k, axis in enumerate(self.axes):
            if tools.full_period(axis):
                edge = np.concatenate(out)
                edge = edge[np.isclose(edge[:, k], np.rad2deg(axis.start))].copy()
                edge[:, k] += 360
                out.append(edge)
        return np.concatenate(out)

    def set_names(self, labels: tuple[str, str]) -> None:
        """Names of the axes, "" for none."""
        if labels != self._labels:
            self._labels = labels
            self._name_axes()

    def set_outer(self, *, left: bool, bottom: bool) -> None:
        """Whether the axes are numbered and have room for a name; a neighbour's serve else."""
        axes = (self.plotItem.getAxis("left"), self.plotItem.getAxis("bottom"))
        for axis, outer in zip(axes, (left, bottom), strict=True):
            axis.setStyle(showValues=outer)
        axes[1].first_named = left  # a neighbour stands where half of that number would be
        axes[0].setWidth(LEFT + NAME if left else INNER)
        axes[1].setHeight(BOTTOM + NAME if bottom else INNER)

    def _name_axes(self) -> None:
        ink = inks(dark=self._dark).ink
        for side, text in zip(("bottom", "left"), self._labels, strict=True):
            axis = self.plotItem.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setStyle(tickLength=-4, tickTextOffset=3, hideOverlappingLabels=24)
            if text:
                axis.setLabel(text, color=ink)
            axis.showLabel(bool(text))

    def _where(self, scene: QPointF) -> tuple[float, float] | None:
        box = self.plotItem.vb
        if not self.axes or not box.sceneBoundingRect().contains(scene):
            return None
        at = box.mapSceneToView(scene)
        return at.x(), at.y()

    def _moved(self, scene: QPointF) -> None:
        self.hovered.emit(self._where(scene))

    def _clicked(self, event) -> None:
        at = self._where(event.scenePos())
        if at is None or event.button() != Qt.MouseButton.LeftButton or event.double():
            return
        index = self.index_at(*at)
        if index >= 0:
            self.clicked.emit(index)

    def leaveEvent(self, event) -> None:
        """No crosshair without the mouse."""
        super().leaveEvent(event)
        self.hovered.emit(None)

    def keyPressEvent(self, event) -> None:
        """Arrows walk over the grid, around the circle; the geometry follows."""
        steps = {
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Up: (0, 1),
            Qt.Key.Key_Down: (0, -1),
        }
        if event.key() not in steps or not self.axes:
            super().keyPressEvent(event)
            return
        n1, n2 = tools.grid_shape(self.axes)
        i, j = divmod(max(self.selected, 0), n2)
        di, dj = steps[event.key()]
        self.clicked.emit(((i + di) % n1) * n2 + (j + dj) % n2)
