"""Which frames train, validate and test: their energies, and where they lie on two dihedrals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QSizePolicy, QSplitter, QVBoxLayout, QWidget

from core.analyses.splitting import Splitting
from core.bonding import chain_label
from core.molecule import Molecule
from core.units import EnergyUnit
from widgets.curves import Legend
from widgets.naming import text_label
from widgets.palette import STYLES, inks
from widgets.plot_tools import PlotMenu, PlotWidget, Table, paper

BINS = 24
MOST_POINTS = 3000  # drawn of each part; more look the same and take longer
#: part -> (style of the palette, marker, marker as text): told apart without colour too
PARTS = {"training": (1, "o", "●"), "validation": (5, "t1", "▲"), "test": (4, "d", "◆")}
REST = "not used"


def _ticks(step: int) -> list[list[tuple[int, str]]]:
    """Ticks every 60 degrees, with a number every `step`."""
    every = range(-180, 181, 60)
    text = {v: str(v).replace("-", "−") for v in every if v % step == 0}
    return [list(text.items()), [(v, "") for v in every if v not in text]]


@dataclass(frozen=True)
class Parts:
    """Frame indices of each part, and of the frames in none."""

    frames: dict[str, np.ndarray]

    @classmethod
    def of(cls, split, n: int) -> Parts:
        """The parts of a split of n frames."""
        used = {"training": split.train, "validation": split.valid, "test": split.test}
        rest = np.ones(n, dtype=bool)
        for frames in used.values():
            rest[frames] = False
        return cls({**used, REST: np.flatnonzero(rest)})


class SplitView(QWidget):
    """Histograms of energies and a map of two dihedrals, coloured by part, with notes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.splitting: Splitting | None = None
        self.molecule: Molecule | None = None
        self.unit: EnergyUnit | None = None
        self.parts = Parts({})
        self._dark = False
        self._stale = False
        self.legend = Legend()
        self.notes = text_label("What was left out, and why", wrap=True)
        self.notes.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.notes.setContentsMargins(6, 0, 6, 2)
        self.energies = PlotWidget()
        self.energies.setAccessibleName("Energies of training, validation and test frames")
        self.map = PlotWidget()
        self.map.setAccessibleName("Frames on the map of two dihedrals")
        self.no_map = text_label("Why there is no map", wrap=True)
        self.no_map.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.no_map.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.menus = (
            PlotMenu(self.energies, table=self.energy_table, reset=self._reset_energies,
                     name="split energies"),
            PlotMenu(self.map, table=self.map_table, reset=self._reset_map, name="split map"),
        )  # fmt: skip
        self.energies.on_reset, self.map.on_reset = self._reset_energies, self._reset_map
        self.plots = QSplitter(Qt.Orientation.Horizontal)
        self.plots.setChildrenCollapsible(False)
        for plot in (self.energies, self.map):
            plot.setMinimumSize(140, 120)
            self.plots.addWidget(plot)
        self.plots.setSizes([300, 300])
        box = QVBoxLayout(self)
        box.setContentsMargins(4, 4, 4, 0)
        box.setSpacing(2)
        box.addWidget(self.legend)
        box.addWidget(self.plots, 1)
        box.addWidget(self.no_map)
        box.addWidget(self.notes)

    # -- data ---------------------------------------------------------------------------------
    def show_splitting(self, splitting: Splitting, molecule: Molecule, unit: EnergyUnit) -> None:
        """Show a split of the frames of `molecule`."""
        self.splitting, self.molecule, self.unit = splitting, molecule, unit
        self.parts = Parts.of(splitting.split, len(splitting.energies))
        self.draw()
        self._reset_map()

    def set_unit(self, unit: EnergyUnit) -> None:
        """Follow the energy unit of the screen."""
        self.unit, self._stale = unit, True
        if self.isVisible():
            self.draw()

    def showEvent(self, event) -> None:
        super().showEvent(event)
        if self._stale:
            self.draw()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = dark
        paper(self, dark=dark)
        for plot in (self.energies, self.map):
            plot.set_dark(dark)
        self.draw()

    def color(self, part: str) -> str:
        """#rrggbb of a part in the present theme."""
        if part == REST:
            return inks(dark=self._dark).muted
        return STYLES[PARTS[part][0]][self._dark]

    # -- histograms ---------------------------------------------------------------------------
    def shares(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Edges (BINS+1,) above the lowest energy, in the screen's unit, and part -> percent of
        its frames in each bin; "all" for all frames."""
        s = self.splitting
        if s is None or self.unit is None or not np.isfinite(s.energies).any():
            return np.linspace(0, 1, BINS + 1), {}
        e = self.unit.from_ev(s.energies - np.nanmin(s.energies))
        edges = np.linspace(0.0, float(np.nanmax(e)) or 1.0, BINS + 1)
        everything = {"all": np.arange(len(e)), **{p: self.parts.frames[p] for p in PARTS}}
        shares = {}
        for part, frames in everything.items():
            known = e[frames][np.isfinite(e[frames])]
            counts = np.histogram(known, edges)[0]
            if len(known):
                shares[part] = 100.0 * counts / len(known)
        return edges, shares

    def _draw_energies(self) -> None:
        plot, ink = self.energies.plotItem, inks(dark=self._dark)
        plot.clear()
        edges, shares = self.shares()
        self.energies.setVisible(bool(shares))
        if not shares or self.unit is None:
            return
        everything = shares.pop("all")
        plot.addItem(
            pg.BarGraphItem(x0=edges[:-1], x1=edges[1:], height=everything,
                            brush=pg.mkBrush(ink.grid), pen=pg.mkPen(None))
        )  # fmt: skip
        for part, share in shares.items():
            line = pg.PlotDataItem(edges, share, stepMode="center")
            line.setPen(pg.mkPen(self.color(part), width=2))
            plot.addItem(line)
        self._axis(plot, "bottom", f"Energy ({self.unit.label})")
        self._axis(plot, "left", "Frames of the part (%)")

    def energy_table(self) -> Table:
        """Rows: bin edges, percent of all frames and of each part."""
        edges, shares = self.shares()
        label = self.unit.label if self.unit is not None else ""
        header = (f"from ({label})", f"to ({label})", *(f"{p} (%)" for p in shares))
        columns = [edges[:-1].tolist(), edges[1:].tolist(), *(s.tolist() for s in shares.values())]
        return header, list(zip(*columns, strict=True))

    # -- map ----------------------------------------------------------------------------------
    def points(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """x, y of a part's frames on the map: two dihedrals in degrees, or dihedral and energy."""
        s = self.splitting
        frames = self.parts.frames.get(part, np.zeros(0, dtype=int))
        if s is None or s.angles.shape[1] == 0:
            return np.zeros(0), np.zeros(0)
        angles = np.degrees(s.angles[frames])
        if angles.shape[1] > 1:
            return angles[:, 0], angles[:, 1]
        if self.unit is None or not np.isfinite(s.energies).any():
            return angles[:, 0], np.zeros(len(angles))
        return angles[:, 0], self.unit.from_ev(s.energies[frames] - np.nanmin(s.energies))

    def _draw_map(self) -> None:
        plot, s = self.map.plotItem, self.splitting
        plot.clear()
        there = s is not None and bool(s.angles.shape[1])
        self.map.setVisible(there)
        self.no_map.setVisible(s is not None and not there)
        self.no_map.setText("No map: no bond turns in this molecule.")
        if s is None or not there:
            return
        for part in (REST, "test", "validation", "training"):  # the last lies on top
            x, y = self.points(part)
            step = max(1, -(-len(x) // MOST_POINTS))
            colour = QColor(self.color(part))
            colour.setAlpha({REST: 90, "test": 170}.get(part, 255))
            marker = "o" if part == REST else PARTS[part][1]
            plot.addItem(
                pg.ScatterPlotItem(x[::step], y[::step], size=4 if part == REST else 6, pen=None,
                                   symbol=marker, brush=pg.mkBrush(colour))
            )  # fmt: skip
        two = s.angles.shape[1] > 1
        self._axis(plot, "bottom", self._dihedral(0))
        label = self.unit.label if self.unit is not None else ""
        self._axis(plot, "left", self._dihedral(1) if two else f"Energy ({label})")
        plot.getAxis("bottom").setTicks(_ticks(120))  # the map is narrower than it is high
        plot.getAxis("left").setTicks(_ticks(60) if two else None)

    def _dihedral(self, k: int) -> str:
        assert self.splitting is not None
        atoms = self.splitting.dihedrals[k]
        if self.molecule is None:
            return "-".join(str(a + 1) for a in atoms)
        return f"{chain_label(self.molecule, atoms)} (°)"

    def map_table(self) -> Table:
        """Rows: frame (from 1), part, angles."""
        s = self.splitting
        if s is None:
            return ("frame", "part"), []
        angles = np.degrees(s.angles)
        names = [self._dihedral(k) for k in range(angles.shape[1])]
        rows = [
            (int(f) + 1, part, *angles[f].tolist())
            for part, frames in self.parts.frames.items()
            for f in frames
        ]
        return ("frame", "part", *names), sorted(rows)

    # -- drawing ------------------------------------------------------------------------------
    def draw(self) -> None:
        """Draw everything again."""
        self._stale = False
        self._draw_energies()
        self._draw_map()
        names = [
            (self.color(part), PARTS[part][2], f"{part} {len(self.parts.frames[part])}")
            for part in PARTS
            if part in self.parts.frames
        ]
        rest = self.parts.frames.get(REST, ())
        if len(rest):
            names.append((inks(dark=self._dark).muted, "●", f"{REST} {len(rest)}"))
        if self.splitting is not None and np.isfinite(self.splitting.energies).any():
            names.append((inks(dark=self._dark).muted, "▮", "all"))
        self.legend.show_names(names)
        notes = self.splitting.notes if self.splitting is not None else {}
        self.notes.setText("\n".join(f"{n[:1].upper()}{n[1:]}." for n in notes.values()))
        self.notes.setVisible(bool(notes))

    def _axis(self, plot: pg.PlotItem, side: str, text: str) -> None:
        plot.setLabel(side, text, color=inks(dark=self._dark).ink)
        plot.getAxis(side).enableAutoSIPrefix(False)
        plot.getAxis(side).setStyle(hideOverlappingLabels=2)

    def _reset_energies(self) -> None:
        self.energies.plotItem.autoRange()

    def _reset_map(self) -> None:
        """One period of each dihedral."""
        s = self.splitting
        if s is not None and s.angles.shape[1]:
            self.map.plotItem.setXRange(-180, 180, padding=0.02)
            if s.angles.shape[1] > 1:
                self.map.plotItem.setYRange(-180, 180, padding=0.02)
            else:
                self.map.plotItem.enableAutoRange(axis="y")
