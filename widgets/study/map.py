"""Two settings against each other: the score as a colour, for a grid as cells, else as dots."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtWidgets import QWidget

from widgets.palette import inks
from widgets.study.score_plot import ScorePlot
from widgets.study.scores import SHADES, Scores, shade

CELLS = 4  # a grid has at most so many cells for each trial


class ScoreMap(ScorePlot):
    """For exactly two settings that are numbers; nothing is drawn for others."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("map of the scores", parent)
        self._places = np.zeros((0, 2))

    @staticmethod
    def fits(scores: Scores) -> bool:
        """Whether there are two settings, both numbers."""
        return len(scores.axes) == 2 and all(a.numeric for a in scores.axes)

    # -- drawing ------------------------------------------------------------------------------
    def draw(self) -> None:
        """Cells or dots, the best and the selected one."""
        plot, s = self.plot.plotItem, self.scores
        self.clear()
        if s is None or not self.fits(s):
            return
        ink = inks(dark=self.dark)
        every = [[t.values[a.name] for a in s.axes] for t in s.trials]
        values = np.array(every, dtype=float).reshape(-1, 2)
        distinct = [np.unique(values[:, k]) for k in range(2)]
        cells = len(distinct[0]) * len(distinct[1])
        if len(values) > 3 and cells <= CELLS * len(values):
            self._places = np.column_stack(
                [np.searchsorted(distinct[k], values[:, k]) for k in range(2)]
            ).astype(float)
            ticks = [[(float(i), f"{v:.3g}") for i, v in enumerate(d)] for d in distinct]
            self._draw_cells((len(distinct[0]), len(distinct[1])))
            size = (len(distinct[0]), len(distinct[1]))
            area = QRectF(-0.5, -0.5, size[0], size[1])
        else:
            self._places = np.array(
                [[a.place(v) for a, v in zip(s.axes, row, strict=True)] for row in values]
            ).reshape(-1, 2)
            ticks = [a.ticks() for a in s.axes]
            self._draw_dots()
            area = QRectF(-0.06, -0.06, 1.12, 1.12)
        for side, axis, marks in zip(("bottom", "left"), s.axes, ticks, strict=True):
            plot.getAxis(side).setTicks([marks])
            plot.setLabel(side, axis.title, color=ink.ink)
        plot.vb.setRange(area, padding=0)
        # the best are bright on dark paper and dark on white: the star is the other way round
        star = self._ring(s.best, "#000000" if self.dark else "#ffffff", "star", 14)
        if star is not None:
            self.add(star, z=40)
        self.mark()

    def draw_mark(self) -> pg.GraphicsObject | None:
        """A ring about the selected one."""
        return self._ring(self.selected, inks(dark=self.dark).accent, "o", 18)

    def _draw_cells(self, shape: tuple[int, int]) -> None:
        s = self.scores
        assert s is not None
        picture = np.zeros((*shape, 4), dtype=np.uint8)
        for (i, j), place in zip(self._places.astype(int), s.places(), strict=True):
            if np.isfinite(place):
                picture[i, j] = np.array(shade(place, dark=self.dark).getRgb())
        image = pg.ImageItem(picture)
        image.setRect(QRectF(-0.5, -0.5, *shape))
        self.add(image, z=-10)
        self._draw_failed()

    def _draw_dots(self) -> None:
        s = self.scores
        assert s is not None
        level = np.round(s.places() * (SHADES - 1))
        for k in range(SHADES - 1, -1, -1):  # the best lie on top
            x, y = self._places[level == k].T
            if len(x):
                brush = pg.mkBrush(shade(k / (SHADES - 1), dark=self.dark))
                dots = pg.ScatterPlotItem(x, y, size=11, brush=brush, pen=pg.mkPen(None))
                self.add(dots, z=1 + SHADES - k)
        self._draw_failed()

    def _draw_failed(self) -> None:
        assert self.scores is not None
        failed = ~np.isfinite(self.scores.values)
        if failed.any():
            bad, (x, y) = inks(dark=self.dark).bad, self._places[failed].T
            dots = pg.ScatterPlotItem(x, y, symbol="x", size=10, brush=bad, pen=pg.mkPen(bad))
            self.add(dots, z=0)

    def _ring(self, index: int, colour: object, symbol: str, size: int) -> pg.GraphicsObject | None:
        if not 0 <= index < len(self._places):
            return None
        x, y = self._places[[index]].T
        pen = pg.mkPen(colour, width=2)
        return pg.ScatterPlotItem(x, y, symbol=symbol, size=size, brush=None, pen=pen)

    # -- under the mouse ----------------------------------------------------------------------
    def nearest(self, place: QPointF) -> int:
        """The trial nearest to a place of the scene, -1 where none is near."""
        view = self.plot.plotItem.vb
        if not len(self._places) or not view.sceneBoundingRect().contains(place):
            return -1
        at, (dx, dy) = view.mapSceneToView(place), view.viewPixelSize()
        far = np.abs(self._places - (at.x(), at.y()))
        pixels = np.hypot(far[:, 0] / dx, far[:, 1] / dy)
        k = int(pixels.argmin())
        inside = (far[k] <= 0.5).all() and self._places.max() > 1
        return k if inside or pixels[k] < 16 else -1
