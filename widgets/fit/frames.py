"""Which test frames a fit is worst on: a strip of dots, a table, and the frames themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from core.analyses.fit import Fit
from core.dataset import Dataset
from core.units import EnergyUnit
from widgets.fit.data import FitData
from widgets.forms import Choice
from widgets.naming import named, text_label, tool_button
from widgets.palette import color_of, inks
from widgets.plot_tools import PlotMenu, PlotWidget, paper
from widgets.plot_tools import Table as Numbers
from widgets.session import Geometries, Session
from widgets.tables import Column, Row, Table

SOURCE = "worst frames of "  # head of Geometries.source, so that we know our own


def frame_errors(fit: Fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """frames (M,) from 0 in the data set; force MAE (M,) eV/Å; energy error (M,) eV, NaN = none."""
    e = fit.errors
    force = np.asarray(e.frame_force_mae)
    frames = np.asarray(e.frames)
    if len(frames) != len(force):  # a fit from before frames were noted
        frames = np.asarray(fit.split.test)
    if len(frames) != len(force):
        return np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
    energy = np.asarray(e.frame_energy_error)
    return frames, force, energy if len(energy) == len(frames) else np.full(len(frames), np.nan)


class FitFrames(QWidget):
    """Errors frame by frame, worst first. A click shows the frame in the molecule view."""

    shown_frame = Signal(int)  # frame from 0 in the data set, now in the molecule view

    def __init__(self, session: Session, data: FitData, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.data = session, data
        self.unit: EnergyUnit = session.unit
        self.item_id, self.name, self._dark = "", "", session.dark
        self.frames = np.zeros(0, dtype=np.int64)
        self.force, self.energy, self.sigma = np.zeros(0), np.zeros(0), np.zeros(0)
        self.order = np.zeros(0, dtype=np.int64)  # worst first
        self._wanted = -1
        self._stale = False
        self.measure = named(Choice(), "Error shown", "Which error the dots and the order are of")
        self.measure.addItems(["force error", "energy error"])
        self.say = text_label("About the frames", wrap=True)
        self.previous = tool_button("◂", "The frame before in this list", name="Previous frame")
        self.next = tool_button("▸", "The next frame in this list", name="Next frame")
        self.strip = PlotWidget()
        self.strip.setAccessibleName("Error of each test frame")
        self.strip.setMinimumHeight(90)
        self.dots = pg.ScatterPlotItem(size=6, pen=None, hoverable=True)
        self.mark = pg.ScatterPlotItem(size=13, symbol="o", brush=None)
        self.strip.plotItem.addItem(self.dots)
        self.strip.plotItem.addItem(self.mark)
        self.strip.plotItem.showGrid(x=False, y=True, alpha=0.15)
        self.menu = PlotMenu(self.strip, table=self.numbers, reset=self._reset, name="frame errors")
        self.strip.on_reset = self._reset
        self.table = Table("Test frames", filter_box=False)
        self._lay_out()
        self.measure.currentIndexChanged.connect(lambda _i: self._sort())
        self.dots.sigClicked.connect(self._dot_clicked)
        self.table.row_selected.connect(lambda key: self.go_to(int(key)))
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        session.frame_changed.connect(self._frame_elsewhere)
        self.set_dark(session.dark)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(4, 0, 4, 0)
        head.addWidget(self.measure)
        head.addWidget(self.say, 1)
        head.addWidget(self.previous)
        head.addWidget(self.next)
        down = QSplitter(Qt.Orientation.Vertical)
        down.setChildrenCollapsible(False)
        down.addWidget(self.strip)
        down.addWidget(self.table)
        down.setSizes([180, 160])
        box = QVBoxLayout(self)
        box.setContentsMargins(4, 4, 4, 0)
        box.setSpacing(2)
        box.addLayout(head)
        box.addWidget(down, 1)

    # -- what is shown ------------------------------------------------------------------------
    def show_fit(self, fit: Fit, item_id: str, name: str, unit: EnergyUnit) -> None:
        """Show the errors of a fit."""
        new = item_id != self.item_id
        self.item_id, self.name, self.unit = item_id, name, unit
        self.frames, self.force, self.energy = frame_errors(fit)
        sigma = np.asarray(fit.errors.frame_sigma)
        self.sigma = sigma if len(sigma) == len(self.frames) else np.zeros(0)
        if new:
            self._wanted = -1
        known = bool(np.isfinite(self.energy).any())
        self.measure.setEnabled(known)
        if not known:
            self.measure.setCurrentIndex(0)
        self._stale = True
        self._fill()

    def _fill(self) -> None:
        """Sort and draw, but not while another page is on show: a thousand frames take 30 ms."""
        if self._stale and self.isVisible():
            self._stale = False
            self._sort()

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._fill()

    def set_unit(self, unit: EnergyUnit) -> None:
        """Follow the energy unit of the screen."""
        self.unit = unit
        self._stale = True
        self._fill()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = dark
        paper(self, dark=dark)
        self.strip.set_dark(dark)
        self._draw()

    def _size(self) -> np.ndarray:
        """(M,) size of the chosen error in the screen's unit, NaN = none."""
        values = self.force if self.measure.currentIndex() == 0 else np.abs(self.energy)
        return values / self.unit.ev

    def _sort(self) -> None:
        size = np.nan_to_num(self._size(), nan=-1.0)
        self.order = np.argsort(-size, kind="stable")
        unit = self.unit
        columns = [
            Column("Frame", digits=0, tip="number in the data set, from 1"),
            Column("Force MAE", f"{unit.label}/Å", unit.digits, "mean over its force components"),
            Column("Energy error", unit.label, unit.digits, "predicted minus reference"),
        ]
        values = [self.force, self.energy]
        if len(self.sigma):
            tip = "standard deviation that the force field gives its own energy"
            columns.append(Column("σ(E)", unit.label, unit.digits, tip))
            values.append(self.sigma)
        scaled = np.array(values)[:, self.order].T / unit.ev
        rows = [
            Row(str(f), (f + 1, *row))
            for f, row in zip(self.frames[self.order].tolist(), scaled.tolist(), strict=True)
        ]
        self.table.set_table(tuple(columns), rows)
        self._draw()
        self._tell()

    def _draw(self) -> None:
        ink, size = inks(dark=self._dark), self._size()
        good = np.isfinite(size)
        colour = QColor(color_of(self.name, dark=self._dark))
        colour.setAlpha(150)
        self.dots.setData(
            self.frames[good] + 1, size[good], brush=pg.mkBrush(colour),
            data=self.frames[good].tolist(),
        )  # fmt: skip
        self._draw_mark()
        force = self.measure.currentIndex() == 0
        what = f"Force MAE ({self.unit.label}/Å)" if force else f"|ΔE| ({self.unit.label})"
        for side, text in (("bottom", "Frame of the data set"), ("left", what)):
            self.strip.plotItem.setLabel(side, text, color=ink.ink)
            self.strip.plotItem.getAxis(side).enableAutoSIPrefix(False)
            self.strip.plotItem.getAxis(side).setStyle(hideOverlappingLabels=2)

    def _draw_mark(self) -> None:
        at = np.flatnonzero(self.frames == self._wanted)
        self.mark.setPen(pg.mkPen(inks(dark=self._dark).accent, width=2))
        self.mark.setData(self.frames[at] + 1, np.nan_to_num(self._size()[at]))

    def _reset(self) -> None:
        self.strip.plotItem.autoRange()

    def numbers(self) -> Numbers:
        """Header and rows of the strip."""
        unit, order = self.unit, self.order
        columns = {
            f"force MAE ({unit.label}/Å)": self.force,
            f"energy error ({unit.label})": self.energy,
        }
        if len(self.sigma):
            columns[f"sigma of the energy ({unit.label})"] = self.sigma
        values = [(column[order] / unit.ev).tolist() for column in columns.values()]
        rows = list(zip((self.frames[order] + 1).tolist(), *values, strict=True))
        return ("frame", *columns), rows

    # -- one frame ----------------------------------------------------------------------------
    def go_to(self, frame: int) -> None:
        """Show this frame of the data set in the molecule view."""
        if frame not in self.frames:
            return
        self._wanted = frame
        self._draw_mark()
        self.say.setText("reading the data set …")
        self.data.get(self._show, self.say.setText)

    def step(self, by: int) -> None:
        """The next or previous frame in the order of the table."""
        if not len(self.order):
            return
        frames = self.frames[self.order]
        at = np.flatnonzero(frames == self._wanted)
        place = int(at[0]) + by if len(at) else 0
        self.go_to(int(frames[min(max(place, 0), len(frames) - 1)]))

    def _show(self, dataset: Dataset) -> None:
        """All test frames, worst first, so that the arrows there go from bad to good."""
        frames = self.frames[self.order]
        frames = frames[frames < len(dataset)]
        at = np.flatnonzero(frames == self._wanted)
        if not len(at):
            self.say.setText("The data set does not hold this frame any more.")
            return
        self._tell()
        self.table.select(str(self._wanted))
        source = f"{SOURCE}{self.item_id}/{self.measure.currentIndex()}"
        now = self.session.geometries
        if now is not None and now.source == source:
            self.session.set_frame(int(at[0]))
            return
        energies = None if dataset.energies is None else dataset.energies[frames]
        geometries = Geometries(
            dataset.molecule, dataset.positions[frames], energies,
            caption=f"{self.name}: worst first", source=source,
        )  # fmt: skip
        self.session.show(geometries, frame=int(at[0]))

    def _frame_elsewhere(self, place: int) -> None:
        """The molecule view stepped on: the same frame here."""
        now = self.session.geometries
        head = f"{SOURCE}{self.item_id}/"
        if now is None or not self.item_id or not now.source.startswith(head):
            return
        if now.source != head + str(self.measure.currentIndex()):
            return
        if place < len(self.order):
            frame = int(self.frames[self.order][place])
            if frame != self._wanted:
                self._wanted = frame
                self.table.select(str(frame))
                self._draw_mark()
                self._tell()
            self.shown_frame.emit(frame)

    def _tell(self) -> None:
        there = bool(len(self.frames))
        for button in (self.previous, self.next):
            button.setEnabled(there)
        if not there:
            self.say.setText("This fit was tested on no frames.")
        elif self._wanted in self.frames:
            place = int(np.flatnonzero(self.frames[self.order] == self._wanted)[0]) + 1
            self.say.setText(f"frame {self._wanted + 1}, {place} of {len(self.frames)}")
        else:
            self.say.setText("Click a frame to see it in the molecule view.")

    def _dot_clicked(self, _item: Any, points: Any, *_more: Any) -> None:
        if len(points):
            self.go_to(int(points[0].data()))
