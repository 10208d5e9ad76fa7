"""Predicted against actual errors: is a force field as far off as it says?"""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from core.analyses.uncertainty import groups
from core.units import ENERGY_UNITS, EnergyUnit
from widgets.naming import text_label
from widgets.palette import color_of, inks
from widgets.plot_tools import PlotMenu, PlotWidget, Table, paper
from widgets.study.plot import LogAxis

FLOOR = 0.03  #: of the median sigma: smaller errors lie on the lower edge
NEAR = 12  #: pixels from the mouse to a frame that is read out
HELP = (
    "Dots: frames. Squares: groups of equally many frames of like σ, root mean square of both. On "
    "the line the force field is as far off as it says, above it farther. Click one to see the "
    "frame; a square shows the worst of its frames. Tiny errors lie on the lower edge."
)


class UncertaintyPlot(QWidget):
    """Size of the energy error over the sigma that was predicted, on logarithmic axes."""

    frame_clicked = Signal(int)  # place in the arrays shown

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sigma, self.error = np.zeros(0), np.zeros(0)  # eV, only what is known
        self.places = np.zeros(0, dtype=np.int64)  # of these in the arrays given
        self.frames = np.zeros(0, dtype=np.int64)
        self.label, self.dark = "", False
        self.unit: EnergyUnit = ENERGY_UNITS["eV"]
        self._groups: list[np.ndarray] = []
        self._selected = -1
        self.plot = PlotWidget(axisItems={s: _log_axis(s) for s in ("bottom", "left")})
        self.plot.setAccessibleName("Predicted and actual errors")
        self.plot.setToolTip(HELP)
        self.plot.plotItem.showGrid(x=True, y=True, alpha=0.15)
        self.readout = text_label("Frame under the mouse")
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(1)
        box.addWidget(self.plot, 1)
        box.addWidget(self.readout)
        self._line = pg.PlotDataItem()
        self._dots = pg.ScatterPlotItem(pxMode=True, size=5, pen=None)
        self._squares = pg.ScatterPlotItem(pxMode=True, size=11, symbol="s")
        self._mark = pg.ScatterPlotItem(pxMode=True, size=15, brush=None)
        for z, item in enumerate((self._line, self._dots, self._squares, self._mark)):
            item.setZValue(z)
            self.plot.plotItem.addItem(item, ignoreBounds=item is self._line)
        self.menu = PlotMenu(self.plot, table=self.table, reset=self.reset, name="uncertainty")
        self.plot.on_reset = self.reset
        self.plot.scene().sigMouseMoved.connect(self._hover)
        self.plot.scene().sigMouseClicked.connect(self._click)

    # -- what is shown ------------------------------------------------------------------------
    def show_errors(
        self,
        sigma: np.ndarray,
        error: np.ndarray,
        frames: np.ndarray,
        *,
        label: str,
        unit: EnergyUnit,
    ) -> None:
        """sigma, error (M,) eV, NaN = not known; frames (M,) from 0; label: for the colour."""
        size = np.abs(error)
        good = np.isfinite(sigma) & np.isfinite(size) & (sigma > 0)
        self.places = np.flatnonzero(good)
        self.sigma, self.error, self.frames = sigma[good], size[good], frames[good]
        self._groups = groups(self.sigma, self.error)
        self.label, self.unit, self._selected = label, unit, -1
        self.draw()
        self.reset()

    def set_unit(self, unit: EnergyUnit) -> None:
        """Follow the unit of the screen."""
        self.unit = unit
        self.draw()
        self.reset()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.dark = dark
        paper(self, dark=dark)
        self.plot.set_dark(dark)
        self.draw()

    def select(self, place: int) -> None:
        """Mark a frame by its place in the arrays given, -1 = none."""
        self._selected = place
        self._draw_mark()

    def reset(self) -> None:
        """Show everything."""
        self.plot.plotItem.autoRange()

    def table(self) -> Table:
        """Rows: frame, sigma, size of the error."""
        u = self.unit
        header = ("frame", f"sigma ({u.label})", f"energy error, absolute ({u.label})")
        rows = zip(
            (self.frames + 1).tolist(),
            u.from_ev(self.sigma).tolist(),
            u.from_ev(self.error).tolist(),
            strict=True,
        )
        return header, list(rows)

    # -- drawing ------------------------------------------------------------------------------
    def _xy(self) -> tuple[np.ndarray, np.ndarray]:
        """log10 in the screen's unit of sigma and error, the latter not below the floor."""
        if not len(self.sigma):
            return np.zeros(0), np.zeros(0)
        floor = FLOOR * float(np.median(self.sigma))
        u = self.unit
        return np.log10(u.from_ev(self.sigma)), np.log10(u.from_ev(np.maximum(self.error, floor)))

    def _middles(self) -> tuple[np.ndarray, np.ndarray]:
        """(G,) log10 of the root mean square sigma and error of the groups."""
        rms = [
            [np.sqrt(np.mean(v[g] ** 2)) for g in self._groups] for v in (self.sigma, self.error)
        ]
        x, y = self.unit.from_ev(np.array(rms, float).reshape(2, -1))
        return np.log10(x), np.log10(np.maximum(y, 1e-300))

    def draw(self) -> None:
        """All anew."""
        ink, u = inks(dark=self.dark), self.unit
        for side, text in (("bottom", "predicted σ"), ("left", "energy error")):
            self.plot.plotItem.getAxis(side).enableAutoSIPrefix(False)
            self.plot.plotItem.setLabel(side, f"{text} ({u.label})", color=ink.ink)
        x, y = self._xy()
        strong = QColor(color_of(self.label, dark=self.dark))
        faint = QColor(strong)
        faint.setAlpha(90)
        self._dots.setData(x, y, brush=pg.mkBrush(faint))
        gx, gy = self._middles()
        self._squares.setData(gx, gy, brush=pg.mkBrush(strong), pen=pg.mkPen(ink.paper, width=1.5))
        ends = [float(x.min()) - 0.3, float(x.max()) + 0.3] if len(x) else []
        self._line.setData(ends, ends, pen=pg.mkPen(ink.ink, width=1.5))
        self._draw_mark()

    def _draw_mark(self) -> None:
        at = np.flatnonzero(self.places == self._selected)
        x, y = self._xy()
        self._mark.setPen(pg.mkPen(inks(dark=self.dark).accent, width=2))
        self._mark.setData(x[at], y[at])

    # -- the mouse ----------------------------------------------------------------------------
    def nearest(self, place: QPointF) -> tuple[str, int]:
        """("frame" or "group", index) at a place of the scene, ("", -1) where there is none."""
        view = self.plot.plotItem.vb
        if not view.sceneBoundingRect().contains(place) or not len(self.sigma):
            return "", -1
        at, pixel = view.mapSceneToView(place), view.viewPixelSize()
        # squares lie on top
        for kind, (x, y) in (("group", self._middles()), ("frame", self._xy())):
            far = np.hypot((x - at.x()) / pixel[0], (y - at.y()) / pixel[1])
            if len(far) and far.min() < NEAR:
                return kind, int(far.argmin())
        return "", -1

    def text(self, kind: str, k: int) -> str:
        """What is under the mouse, in words."""
        if k < 0:
            return ""
        u = self.unit
        if kind == "group":
            x, y = self._middles()
            s, e, n = 10 ** x[k], 10 ** y[k], len(self._groups[k])
            number = f"σ {s:.{u.digits}f}, error {e:.{u.digits}f} {u.label}"
            return f"{n} frames: {number} (root mean square)"
        s, e = u.from_ev(self.sigma[k]), u.from_ev(self.error[k])
        return f"frame {self.frames[k] + 1}: σ {s:.{u.digits}f}, error {e:.{u.digits}f} {u.label}"

    def _hover(self, place: QPointF) -> None:
        self.readout.setText(self.text(*self.nearest(place)))

    def _click(self, event) -> None:
        if event.double():
            return
        kind, k = self.nearest(event.scenePos())
        if kind == "group":
            members = self._groups[k]
            k = int(members[np.argmax(self.error[members])])
        if k >= 0:
            self.frame_clicked.emit(int(self.places[k]))


def _log_axis(side: str) -> LogAxis:
    axis = LogAxis(side)
    axis.log = True
    return axis
