"""Profiles over one dihedral: every force field in one plot, over exactly one period."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.analyses import surface_tools as tools
from core.analyses.surface import Axis
from widgets.curves import Legend
from widgets.palette import color_of, glyph_of, inks, marker_of
from widgets.plot_tools import PlotMenu, PlotWidget, Table, paper
from widgets.surface.grid import Map, Scale
from widgets.surface.view import DegreeAxis


class ProfileView(QWidget):
    """Same calls as SurfaceGrid, for one axis; values above the scale stand at its upper edge."""

    hovered = Signal(object)  # (x,) degrees or None
    clicked = Signal(int, int)  # curve, grid index

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = PlotWidget(axisItems={"bottom": DegreeAxis("bottom")})
        self.plot.setAccessibleName("Energy profiles")
        self.plot.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.plot.keyPressEvent = self._key  # type: ignore[method-assign]
        self.plot.plotItem.showGrid(y=True, alpha=0.15)  # a grid in x would hide the outer labels
        self.plot.plotItem.layout.setContentsMargins(0, 6, 14, 0)
        self.legend = Legend()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(1)
        box.addWidget(self.legend)
        box.addWidget(self.plot, 1)
        self.axes: tuple[Axis, ...] = ()
        self.maps: list[Map] = []
        self.scale = Scale(0, 1, "sequential", 1, "")
        self._labels = ("", "")
        self._dark = False
        self._selected = -1
        self._curves: list[pg.PlotDataItem] = []
        self._above = pg.ScatterPlotItem(size=8, symbol="t1")
        self._failed = pg.ScatterPlotItem(size=9, symbol="x")
        self._minima = pg.ScatterPlotItem(size=12, symbol="o")
        self._rug = pg.ScatterPlotItem(size=10, symbol=_tick())
        self._cross = pg.InfiniteLine(angle=90)
        self._head = pg.InfiniteLine(angle=90)
        self._mark = pg.InfiniteLine(angle=90)
        for part in (
            self._rug,
            self._above,
            self._failed,
            self._minima,
            self._mark,
            self._head,
            self._cross,
        ):
            self.plot.plotItem.addItem(part, ignoreBounds=True)
        for line in (self._cross, self._mark, self._head):
            line.setVisible(False)
        self.plot.plotItem.vb.disableAutoRange()
        self.plot.plotItem.getAxis("bottom").setStyle(hideOverlappingLabels=24)
        self.plot.on_reset = self.reset
        self.plot.scene().sigMouseMoved.connect(self._moved)
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        self.menu = PlotMenu(self.plot, table=self.table, reset=self.reset, name="profile")
        self.set_dark(False)

    def show_maps(
        self, axes: tuple[Axis, ...], labels: tuple[str, str], maps: list[Map], scale: Scale
    ) -> None:
        """Draw one curve per map over axes[0]."""
        fresh = axes != self.axes or scale != self.scale or labels != self._labels
        self.axes, self._labels, self.maps, self.scale = axes, labels, maps, scale
        x = self._x()
        while len(self._curves) < len(maps):
            self._curves.append(self.plot.plotItem.plot())
        above: list[tuple[float, float]] = []
        colours: list[str] = []
        for k, curve in enumerate(self._curves):
            if k >= len(maps):
                curve.setData([], [])
                continue
            y = tools.closed(maps[k].values, axes)
            known = np.isfinite(y)
            colour = color_of(maps[k].label, dark=self._dark)
            curve.setData(
                x if known.any() else [],
                y if known.any() else [],
                connect="finite",
                pen=pg.mkPen(colour, width=2 if k == 0 else 1.5),
                symbol=marker_of(maps[k].label),
                symbolSize=7,
                symbolBrush=colour,
                symbolPen=None,
            )
            over = x[known & (y > scale.high * (1 + 1e-6))]
            above += [(float(v), scale.high) for v in over]
            colours += [colour] * len(over)
        at = np.array(above).reshape(-1, 2)
        self._above.setData(*at.T, brush=[pg.mkBrush(c) for c in colours], pen=None)
        self._marks(x)
        self._names()
        if fresh:
            self.reset()

    def _marks(self, x: np.ndarray) -> None:
        failed = [(x[i], self.scale.low, m.label) for m in self.maps for i in m.failed]
        pens = [pg.mkPen(color_of(label, dark=self._dark), width=2) for *_, label in failed]
        spots = np.array([f[:2] for f in failed]).reshape(-1, 2)
        self._failed.setData(*spots.T, pen=pens)
        low = [(x[i], m.values[i], m.label) for m in self.maps for i in m.minima]
        pens = [pg.mkPen(color_of(label, dark=self._dark), width=1.5) for *_, label in low]
        spots = np.array([f[:2] for f in low], dtype=float).reshape(-1, 2)
        self._minima.setData(*spots.T, pen=pens, brush=pg.mkBrush(None))

    def _names(self) -> None:
        dark = self._dark
        names = [(color_of(m.label, dark=dark), glyph_of(m.label), m.label) for m in self.maps]
        self.legend.show_names(names)
        ink = inks(dark=dark).ink
        for side, text in (("bottom", self._labels[0]), ("left", self.scale.title)):
            self.plot.plotItem.getAxis(side).enableAutoSIPrefix(False)
            self.plot.plotItem.setLabel(side, text, color=ink)

    def set_points(self, angles: np.ndarray) -> None:
        """Geometries as ticks along the bottom: angles (P,1) rad."""
        x = np.rad2deg(tools.into(angles, self.axes))[:, 0] if len(angles) else np.zeros(0)
        self._rug.setData(x, np.full(len(x), self.scale.low))

    def set_path(self, angles: np.ndarray) -> None:
        """Where a trajectory is now: angles (S,1) rad."""
        self._head.setVisible(len(angles) > 0)
        if len(angles):
            self._head.setPos(float(np.rad2deg(tools.into(angles[-1:], self.axes))[0, 0]))

    def set_selected(self, index: int) -> None:
        """The point shown in the molecule view, -1 for none."""
        self._selected = index
        self._mark.setVisible(index >= 0)
        if index >= 0:
            self._mark.setPos(self._x()[index])

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = dark
        paper(self, dark=dark)
        self.plot.set_dark(dark)
        ink = inks(dark=dark)
        self._cross.setPen(pg.mkPen(ink.muted, width=1))
        self._mark.setPen(pg.mkPen("#ff9d00", width=2))
        self._head.setPen(pg.mkPen(ink.accent, width=2))
        self._rug.setPen(pg.mkPen(ink.muted, width=1))
        if self.maps:
            self.show_maps(self.axes, self._labels, self.maps, self.scale)

    def reset(self) -> None:
        """One period across, the scale up."""
        if self.axes:
            x0, x1 = np.rad2deg(tools.extent(self.axes[0]))
            low, high = self.scale.low, self.scale.high
            box = self.plot.plotItem.vb
            box.setLimits(xMin=x0, xMax=x1)
            box.disableAutoRange()  # one call at a time would ask the empty curves for bounds
            box.setRange(xRange=(x0, x1), yRange=(low - 0.04 * (high - low), high), padding=0)

    def table(self) -> Table:
        """Rows: angle in degrees, then the value of each curve."""
        header = [f"{self._labels[0]}", *(f"{m.label} [{self.scale.title}]" for m in self.maps)]
        angles = np.rad2deg(self.axes[0].values()) if self.axes else np.zeros(0)
        columns = np.column_stack([angles, *(m.values for m in self.maps)])
        return header, [[float(v) for v in row] for row in columns]

    # -- inside -----------------------------------------------------------------------------
    def _x(self) -> np.ndarray:
        """(n,) or (n+1,) degrees: a full period closes."""
        axis = self.axes[0]
        n = axis.n + tools.full_period(axis)
        return np.rad2deg(axis.start + tools.step(axis) * np.arange(n))

    def _where(self, scene) -> tuple[float, float] | None:
        box = self.plot.plotItem.vb
        if not self.axes or not box.sceneBoundingRect().contains(scene):
            return None
        at = box.mapSceneToView(scene)
        return at.x(), at.y()

    def _moved(self, scene) -> None:
        at = self._where(scene)
        self._cross.setVisible(at is not None)
        if at is not None:
            self._cross.setPos(at[0])
        self.hovered.emit(at and at[:1])

    def _clicked(self, event) -> None:
        at = self._where(event.scenePos())
        if at is None or event.button() != Qt.MouseButton.LeftButton or event.double():
            return
        index = int(tools.nearest(np.deg2rad([[at[0]]]), self.axes)[0])
        values = np.array([m.values[index] for m in self.maps]) if index >= 0 else np.zeros(0)
        if np.isfinite(values).any():  # the curve nearest to the mouse
            self.clicked.emit(int(np.nanargmin(np.abs(values - at[1]))), index)

    def _key(self, event) -> None:
        step = {Qt.Key.Key_Right: 1, Qt.Key.Key_Left: -1}.get(event.key())
        if step is None or not self.maps:
            event.ignore()
            return
        self.clicked.emit(0, (max(self._selected, 0) + step) % self.axes[0].n)


def _tick():
    """A short upright line as a marker."""
    from PySide6.QtGui import QPainterPath

    path = QPainterPath()
    path.moveTo(0, -0.5)
    path.lineTo(0, 0.5)
    return path
