"""Parallel coordinates: an axis for each setting and one for the score, a line per trial."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QWidget

from widgets.palette import inks
from widgets.study.score_plot import ScorePlot
from widgets.study.scores import SHADES, shade

NEAR = 0.05  # of the height, from the mouse to a line that is read out
MANY = 150  # trials: lines of more are drawn the quick way
ROOMY = 4  # axes that have room for long names
LEFT, RIGHT = 26, 54  # pixels beside the first and the last axis: its numbers stand there
FAILED_AT = 1.12  # height of the failed ones on the axis of the score


class ParallelPlot(ScorePlot):
    """The best lines lie on top; failed trials are dotted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("settings and scores of all trials", parent)
        self._heights = np.zeros((0, 0))
        for side in ("left", "bottom"):
            self.plot.plotItem.hideAxis(side)
        self._last: pg.TextItem | None = None  # title of the axis of the score
        self.plot.plotItem.vb.sigResized.connect(lambda _box: self._frame())

    # -- drawing ------------------------------------------------------------------------------
    def draw(self) -> None:
        """Axes, lines from the worst to the best, the selected one."""
        self.clear()
        s = self.scores
        if s is None:
            return
        count = len(s.axes)
        score = s.places()
        rows = [[a.place(t.values[a.name]) for a in s.axes] for t in s.trials]
        self._heights = np.full((len(s.trials), count + 1), np.nan)
        if rows:
            self._heights[:, :count] = rows
            self._heights[:, count] = np.where(np.isfinite(score), score, FAILED_AT)
        self._draw_axes()
        shades = np.where(np.isfinite(score), np.round(score * (SHADES - 1)), -1).astype(int)
        ink = inks(dark=self.dark)
        for level in [-1, *range(SHADES - 1, -1, -1)]:
            mine = np.flatnonzero(shades == level)
            if not len(mine):
                continue
            failed = level < 0
            pen = pg.mkPen(
                ink.bad if failed else shade(level / (SHADES - 1), dark=self.dark),
                width=1 if failed or len(s.trials) > MANY else 1.5,
                style=Qt.PenStyle.DotLine if failed else Qt.PenStyle.SolidLine,
            )
            self.add(self._lines(mine, pen), z=1 + (SHADES - level if not failed else 0))
        if s.best >= 0:
            pen = pg.mkPen(shade(0.0, dark=self.dark), width=3.5)
            self.add(self._lines(np.array([s.best]), pen), z=40)
        self._frame()
        self.mark()

    def _frame(self) -> None:
        """Room for the numbers beside the last axis, however narrow the plot is."""
        s, view = self.scores, self.plot.plotItem.vb
        if s is None:
            return
        count, width = len(s.axes), max(view.width(), LEFT + RIGHT + 40)
        pixel = count / (width - LEFT - RIGHT)
        view.setRange(
            xRange=(-LEFT * pixel, count + RIGHT * pixel),
            yRange=(-0.3 if count < ROOMY else -0.4, FAILED_AT + 0.04),
            padding=0,
        )
        if self._last is not None:
            self._last.setPos(count + (RIGHT - 2) * pixel, -0.05)

    def _lines(self, which: np.ndarray, pen: object) -> pg.PlotCurveItem:
        """One item for many lines, with gaps between them."""
        n = self._heights.shape[1]
        y = np.column_stack([self._heights[which], np.full(len(which), np.nan)]).ravel()
        x = np.tile(np.append(np.arange(n), np.nan), len(which))
        fine = len(self._heights) <= MANY or len(which) == 1
        return pg.PlotCurveItem(x, y, pen=pen, connect="finite", antialias=fine)

    def _draw_axes(self) -> None:
        s, ink = self.scores, inks(dark=self.dark)
        assert s is not None
        crowded = len(s.axes) >= ROOMY
        # the strip above has the unit
        names = [a.title for a in s.axes] + [s.title if crowded else f"{s.title} ({s.unit})"]
        ticks = [a.ticks() for a in s.axes] + [s.ticks() if s.best >= 0 else []]
        if any(t.problem for t in s.trials):
            ticks[-1] = [*ticks[-1], (FAILED_AT, "failed")]
        for k, name in enumerate(names):
            text = name.replace(" ", "\n") if crowded else name.replace(" (", "\n(")
            side = 0.0 if k == 0 else 1.0 if k == len(names) - 1 else 0.5
            title = pg.TextItem(text, color=ink.ink, anchor=(side, 0.0))
            title.setPos(k - (0.1 if k == 0 else 0.0), -0.05)
            self.add(title, z=60)
            self._last = title
        for k, marks in enumerate(ticks):
            top = FAILED_AT if k == len(s.axes) and marks and marks[-1][1] == "failed" else 1.0
            self.add(pg.PlotCurveItem([k, k], [0, top], pen=pg.mkPen(ink.muted)), z=-5)
            for at, text in marks:
                label = pg.TextItem(text, color=ink.ink, anchor=(0, 0.5), fill=_veil(ink.paper))
                label.setPos(k + 0.02, at)
                self.add(label, z=60)

    def draw_mark(self) -> pg.GraphicsObject | None:
        """A line in another colour."""
        if not 0 <= self.selected < len(self._heights):
            return None
        pen = pg.mkPen(inks(dark=self.dark).accent, width=2.5)
        return self._lines(np.array([self.selected]), pen)

    # -- under the mouse ----------------------------------------------------------------------
    def nearest(self, place: QPointF) -> int:
        """The trial whose line passes there, the better one where several do; -1 for none."""
        view, y = self.plot.plotItem.vb, self._heights
        if self.scores is None or not len(y) or not view.sceneBoundingRect().contains(place):
            return -1
        at = view.mapSceneToView(place)
        left = int(np.clip(np.floor(at.x()), 0, y.shape[1] - 2))
        share = np.clip(at.x() - left, 0, 1)
        far = np.abs((1 - share) * y[:, left] + share * y[:, left + 1] - at.y())
        close = np.flatnonzero(far <= max(far.min() + 1e-3, 0.0))
        if far.min() > NEAR:
            return -1
        return int(close[np.argmin(self.scores.values[close])])


def _veil(colour: str) -> object:
    """Paper that lets lines shine through a little, behind numbers."""
    made = pg.mkColor(colour)
    made.setAlpha(140)
    return pg.mkBrush(made)
