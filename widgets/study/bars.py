"""Force error of every group of shapes before and after, with how many frames each has."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from core.analyses.flatten import Flatten
from core.units import EnergyUnit
from widgets.curves import Legend
from widgets.naming import text_label
from widgets.palette import STYLES, inks
from widgets.plot_tools import PlainAxis, PlotMenu, PlotWidget, Table, paper

AFTER = STYLES[1][:2]
POPULATION = STYLES[5][:2]


class GroupBars(QWidget):
    """Groups from the smallest to the largest error before. A click tells which group it was."""

    group_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.result: Flatten | None = None
        self.unit: EnergyUnit | None = None
        self._dark, self.selected = False, -1
        self.order = np.zeros(0, dtype=int)
        self.plot = PlotWidget(axisItems={"right": PlainAxis("right")})
        self.plot.setAccessibleName("Force error of every group")
        self.legend = Legend()
        self.readout = text_label("Group under the mouse")
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        box = QVBoxLayout(self)
        box.setContentsMargins(4, 2, 4, 0)
        box.setSpacing(1)
        box.addWidget(self.legend)
        box.addWidget(self.plot, 1)
        box.addWidget(self.readout)
        item = self.plot.plotItem
        item.showAxis("right")
        item.vb.setMouseEnabled(x=True, y=False)
        self._second = pg.ViewBox(enableMenu=False)  # frames, with an axis of their own
        self._second.setMouseEnabled(x=False, y=False)
        item.scene().addItem(self._second)
        self._second.setZValue(100)  # the line lies on the bars
        item.getAxis("right").linkToView(self._second)
        self._second.setXLink(item.vb)
        item.vb.sigResized.connect(self._follow)
        self._line = pg.PlotDataItem()
        self._second.addItem(self._line)
        self._items: list[pg.GraphicsObject] = []
        self.menu = PlotMenu(self.plot, table=self.table, reset=self.reset, name="groups")
        self.plot.on_reset = self.reset
        self.plot.scene().sigMouseMoved.connect(self._hover)
        self.plot.scene().sigMouseClicked.connect(self._click)

    def _follow(self) -> None:
        self._second.setGeometry(self.plot.plotItem.vb.sceneBoundingRect())

    def show_result(self, result: Flatten, unit: EnergyUnit) -> None:
        """Replace everything."""
        self.result, self.unit = result, unit
        self.order = np.argsort(np.nan_to_num(result.before, nan=np.inf), kind="stable")
        self.draw()
        self.reset()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = dark
        paper(self, dark=dark)
        self.plot.set_dark(dark)
        self.draw()

    def select(self, group: int) -> None:
        """Mark a group, -1 for none."""
        self.selected = group
        self.draw()

    def reset(self) -> None:
        """Show all groups."""
        r, unit = self.result, self.unit
        if r is None or unit is None or not len(self.order):
            return
        values = unit.from_ev(np.concatenate([r.before, r.after]))
        top = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
        self.plot.plotItem.vb.setRange(
            xRange=(-0.7, len(self.order) - 0.3), yRange=(0, 1.05 * top), padding=0
        )
        self._second.setYRange(0, 1.1 * float(r.size.max()), padding=0)

    def table(self) -> Table:
        """Rows: group, frames, RMSE before and after."""
        r, unit = self.result, self.unit
        if r is None or unit is None:
            return (), []
        label = f"{unit.label}/Å"
        rows = [
            (int(k) + 1, int(r.size[k]), float(unit.from_ev(r.before[k])),
             float(unit.from_ev(r.after[k])))
            for k in self.order
        ]  # fmt: skip
        return ("group", "frames", f"RMSE before ({label})", f"RMSE after ({label})"), rows

    # -- drawing ------------------------------------------------------------------------------
    def draw(self) -> None:
        """Bars, lines, legend."""
        for item in self._items:
            self.plot.plotItem.removeItem(item)
        self._items.clear()
        r, unit = self.result, self.unit
        if r is None or unit is None:
            return
        ink, after = inks(dark=self._dark), AFTER[self._dark]
        x = np.arange(len(self.order), dtype=float)
        grey = QColor(ink.muted)
        grey.setAlpha(120)
        for values, width, brush in ((r.before, 0.9, grey), (r.after, 0.5, QColor(after))):
            height = np.nan_to_num(unit.from_ev(values[self.order]))
            self._add(pg.BarGraphItem(x=x, height=height, width=width, brush=brush, pen=None), 1)
        for value, color in ((r.rmse_before, ink.muted), (r.rmse_after, after)):
            pen = pg.mkPen(color, width=1.5, style=Qt.PenStyle.DashLine)
            self._add(pg.InfiniteLine(unit.from_ev(value), angle=0, pen=pen), 5)
        if self.selected in self.order:
            at = int(np.flatnonzero(self.order == self.selected)[0])
            mark = QColor(ink.accent)
            mark.setAlpha(60)
            self._add(
                pg.LinearRegionItem(
                    (at - 0.5, at + 0.5), movable=False, brush=mark, pen=pg.mkPen(None)
                ),
                -5,
            )
        frames = POPULATION[self._dark]
        self._line.setData(
            x, r.size[self.order].astype(float), pen=pg.mkPen(frames, width=1), symbol="o",
            symbolSize=4, symbolBrush=frames, symbolPen=None,
        )  # fmt: skip
        item = self.plot.plotItem
        item.setLabel("bottom", "group, ordered by the error before", color=ink.ink)
        item.setLabel("left", f"Force RMSE ({unit.label}/Å)", color=ink.ink)
        item.setLabel("right", "frames in the group", color=frames)
        item.getAxis("bottom").setStyle(showValues=False)
        for side in ("left", "right"):
            item.getAxis(side).enableAutoSIPrefix(False)
        self.legend.show_names(
            [(ink.muted, "■", "before"), (after, "■", "after"), (ink.ink, "╌", "all test frames"),
             (frames, "●", "frames (right)")]
        )  # fmt: skip

    def _add(self, item: pg.GraphicsObject, z: int) -> None:
        item.setZValue(z)
        self._items.append(item)
        self.plot.plotItem.addItem(item, ignoreBounds=True)

    # -- under the mouse ----------------------------------------------------------------------
    def group_at(self, place: QPointF) -> int:
        """The group at a place of the scene, -1 where there is none."""
        view = self.plot.plotItem.vb
        if self.result is None or not view.sceneBoundingRect().contains(place):
            return -1
        k = round(view.mapSceneToView(place).x())
        return int(self.order[k]) if 0 <= k < len(self.order) else -1

    def text(self, group: int) -> str:
        """A group in words."""
        r, unit = self.result, self.unit
        if r is None or unit is None or not 0 <= group < len(r.size):
            return ""
        label, n = f"{unit.label}/Å", unit.digits
        if not np.isfinite(r.before[group]):
            return f"Group {group + 1}: {r.size[group]} frames, none of them to test on"
        before, after = (unit.from_ev(v[group]) for v in (r.before, r.after))
        return (
            f"Group {group + 1}: {r.size[group]} frames, force RMSE {before:.{n}f} before, "
            f"{after:.{n}f} {label} after"
        )

    def _hover(self, place: QPointF) -> None:
        self.readout.setText(self.text(self.group_at(place)))

    def _click(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not event.double():
            group = self.group_at(event.scenePos())
            if group >= 0:
                self.group_clicked.emit(group)
