"""Maps side by side: energies on one scale, differences on another, one crosshair for all."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRect, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from core.analyses import surface_tools as tools
from core.analyses.surface import Axis
from widgets.palette import chip, inks
from widgets.plot_tools import PlotMenu, Table, paper
from widgets.surface import view as surface_view
from widgets.surface.layout import EDGE_X, EDGE_Y, INNER, PAD_X, PAD_Y, TITLE, Layout, arrange
from widgets.surface.scale import BAR, ColourBar, Map, Scale
from widgets.surface.view import SurfaceView

__all__ = ["Map", "Scale", "SurfaceGrid"]

SMALLEST = 90  # pixels: the smallest map a person can read
TALLEST = 320  # pixels: longer colour bars tell no more


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
        self.scale = self.second = Scale(0, 1, "sequential", 1, "")
        self.bar, self.bar2 = ColourBar(self), ColourBar(self)
        self.layout_ = Layout(0.0, ())
        self._given: list[Map] = []
        self._placed: dict[int, tuple] = {}
        self._focus = -1
        self._labels = ("", "")
        self._dark = False
        self._points = self._path = np.zeros((0, 2))
        self._others: list[np.ndarray] = []
        self._selected = -1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._dirty: set[int] = set()  # maps that wait to be drawn
        self._moved: set[int] = set()  # and those that wait to be put elsewhere
        self._places: list[tuple[QRect, QRect, bool, bool]] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._work)
        self.set_dark(False)
        self.menu = PlotMenu(self, table=self.table, reset=self.reset, name="surface")

    def show_maps(
        self,
        axes: tuple[Axis, ...],
        labels: tuple[str, str],
        maps: list[Map],
        scale: Scale,
        *,
        second: Scale | None = None,
        focus: int = -1,
    ) -> None:
        """Draw maps over two axes, one in each turn of the event loop.

        Energies share `scale`, differences (they come last) `second`. Where there is no room for
        all differences, only that of the layer `focus` is drawn (-1: the last). Maps whose numbers
        did not change are left as they are. `flush` draws all at once.
        """
        second = second or scale
        fresh = axes != self.axes or labels != self._labels
        again = (scale != self.scale, second != self.second)
        self.axes, self._labels, self.scale, self.second = axes, labels, scale, second
        self._given, self._focus = maps, focus
        self._choose(again, fresh=fresh)

    def _choose(self, again: tuple[bool, bool] = (False, False), *, fresh: bool = False) -> None:
        """Which of the given maps are shown where; what is new on the screen is drawn."""
        given, old, before = self._given, self.maps, self.layout_
        energies = [m.layer for m in given if not m.difference]
        differences = [m.layer for m in given if m.difference]
        if given and not energies:  # differences alone: one after the other
            energies, differences = differences, []
        self.layout_ = arrange(energies, differences, self._size(), self._shape())
        self.maps = given if self.layout_.every else _only(given, self._focus)
        maps = self.maps
        self._dirty.update(
            k
            for k, m in enumerate(maps)
            if fresh or again[m.difference] or k >= len(old) or not _same(old[k], m)
        )
        self._dirty = {k for k in self._dirty if k < len(maps)}
        for k in range(len(maps), len(self.views)):
            self.views[k].hide()
            self.titles[k].hide()
        self._show_bars()
        if fresh or before != self.layout_ or len(old) != len(maps):
            self._arrange()
        if self.views:
            self._work()
        elif self._dirty:  # making the first map takes a while
            self._timer.start()

    def flush(self) -> None:
        """Draw everything that is still waiting."""
        while self._dirty or self._moved:
            self._work()
        self._timer.stop()

    def _work(self) -> None:
        """Draw one waiting map; the others in later turns, so that the window can breathe."""
        waiting = self._dirty | self._moved
        if not waiting:
            return
        k = min(waiting)
        if k in self._dirty:
            if k == len(self.views):
                self._add_view()
            self._dirty.discard(k)
            self._draw(k)
        elif k < len(self.views):
            self._place(k)
        self._moved.discard(k)
        if self._dirty or self._moved:
            self._timer.start()

    def _draw(self, k: int) -> None:
        view, m = self.views[k], self.maps[k]
        scale = self.second if m.difference else self.scale
        if view.axes != self.axes:
            view.set_axes(self.axes, ("", ""))
            view.set_points(self._points)
            view.set_others(self._others)
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

    def set_others(self, paths: list[np.ndarray]) -> None:
        """Further trajectories, faint, on every map: angles (S,2) rad of each."""
        self._others = paths
        for view in self._shown():
            view.set_others(paths)

    def set_selected(self, index: int) -> None:
        """The grid point shown in the molecule view, -1 for none."""
        self._selected = index
        for view in self._shown():
            view.set_selected(index)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = self.bar.dark = self.bar2.dark = dark
        paper(self, dark=dark)
        for k, view in enumerate(self.views):
            view.set_dark(dark)
            if k < len(self.maps):
                self._title(k)
        self.bar.update()
        self.bar2.update()

    def reset(self) -> None:
        """Every map over its whole range."""
        for view in self._shown():
            view.reset()

    def table(self) -> Table:
        """Rows: both angles in degrees, then the value of each map."""
        angles = np.rad2deg(tools.grid_angles(self.axes)) if self.axes else np.zeros((0, 2))
        scales = [self.second if m.difference else self.scale for m in self.maps]
        names = [f"{m.label} [{s.title}]" for m, s in zip(self.maps, scales, strict=True)]
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
        delta = "Δ " if m.difference and self.second is not self.scale else ""
        label = self.titles[k]
        room = label.width() - 24 - 30 * bool(len(m.failed))
        short = label.fontMetrics().elidedText(
            f"{delta}{m.label}", Qt.TextElideMode.ElideRight, max(room, 40)
        )
        name = f"{chip(m.label, dark=self._dark)} {short}"
        text = f"{name}{failed if len(m.failed) else ''}"
        self.titles[k].setText(text)
        label.setToolTip(m.note)
        self.views[k].setToolTip(m.note)

    def _show_bars(self) -> None:
        two = self.second is not self.scale
        for bar, scale, difference in ((self.bar, self.scale, False), (self.bar2, self.second, 1)):
            mine = [m.values for m in self.maps if not two or m.difference == bool(difference)]
            with np.errstate(invalid="ignore"):
                over = any((v > scale.high * (1 + 1e-6)).any() for v in mine)
                under = any((v < scale.low - 1e-6).any() for v in mine)
            bar.set_scale(scale, over=over, under=under)
            bar.setVisible(bool(mine) and (two or not difference))

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
        if self._given and self.axes:
            self._choose()
            self._arrange()

    def minimumSizeHint(self) -> QSize:
        """One small map and the bar."""
        return QSize(SMALLEST + surface_view.LEFT + BAR + 20, SMALLEST + 60)

    def _size(self) -> tuple[float, float]:
        return float(self.width() - BAR), float(self.height())

    def _shape(self) -> tuple[float, float]:
        """How long the axes are in degrees, the longer one being 1."""
        if not self.axes:
            return 1.0, 1.0
        spans = [float(b - a) for a, b in (tools.extent(axis) for axis in self.axes)]
        return spans[0] / max(spans), spans[1] / max(spans)

    def _arrange(self) -> None:
        """Degrees equally long on both axes; only the outer maps name and number theirs."""
        lay = self.layout_
        if not lay.cells or not self.axes:
            return
        width, height = self._size()
        side = max(lay.side, SMALLEST / 2)
        w, h = (round(side * f) for f in self._shape())
        used_x, used_y = lay.columns * (w + PAD_X) + EDGE_X, lay.rows * (h + PAD_Y) + EDGE_Y
        x0, y0 = max(0, int(width - used_x) // 2), max(0, int(height - used_y) // 2)
        self._places = []
        for k, (row, column) in enumerate(lay.cells):
            first, last = lay.edges(k)
            x = x0 + EDGE_X + column * (w + PAD_X)  # where the map's inner axis begins
            y = y0 + row * (h + PAD_Y)
            wide, tall = w + INNER + surface_view.RIGHT, h + INNER + surface_view.TOP
            more = EDGE_X if first else 0
            view = QRect(x - more, y + TITLE, wide + more, tall + (EDGE_Y if last else 0))
            title = QRect(x + INNER, y, w + surface_view.RIGHT, TITLE)
            self._places.append((title, view, first, last))
        self._moved = {k for k in range(len(lay.cells)) if k < len(self.views)}
        self._moved = {k for k in self._moved if self._placed.get(k) != self._wanted(k)}
        if self._moved and not self._timer.isActive():
            self._timer.start()
        left, top = min(x0 + used_x, self.width() - BAR), y0 + TITLE + surface_view.TOP - 14
        row = h + PAD_Y
        two = self.second is not self.scale
        tall = row - TITLE if lay.paired else (lay.rows * row - TITLE) // (2 if two else 1)
        tall = max(min(tall, TALLEST), 90)
        self.bar.setGeometry(left, top, BAR, tall)
        self.bar2.setGeometry(left, top + (row if lay.paired else tall + 4), BAR, tall)

    def _wanted(self, k: int) -> tuple:
        return (*self._places[k], self._labels)

    def _place(self, k: int) -> None:
        """Put one map where `_arrange` wants it."""
        if k >= len(self._places):
            return
        title, place, first, last = self._places[k]
        view = self.views[k]
        self.titles[k].setGeometry(title)
        if self._placed.get(k) == self._wanted(k) and view.geometry() == place:
            return
        self._placed[k] = self._wanted(k)
        if k < len(self.maps) and k not in self._dirty:
            self._title(k)
        view.set_outer(left=first, bottom=last)
        view.set_names((self._labels[0] if last else "", self._labels[1] if first else ""))
        view.setGeometry(place)
        view.reset()


def _only(given: list[Map], focus: int) -> list[Map]:
    """The energies and one difference: that of the layer `focus`, else the last."""
    last = [m for m in given if m.difference]
    chosen = next((m for m in last if m.layer == focus), last[-1])
    return [*(m for m in given if not m.difference), chosen]


def _same(a: Map, b: Map) -> bool:
    """True when nothing needs to be drawn again."""
    return (
        a.label == b.label
        and a.difference == b.difference
        and np.array_equal(a.values, b.values, equal_nan=True)
        and np.array_equal(a.minima, b.minima)
        and np.array_equal(a.failed, b.failed)
    )
