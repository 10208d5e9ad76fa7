"""The scan beside the table: reference, original and current, or how far they are from it."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from core.analyses import surface_tools as tools
from core.analyses.parameter_preview import Preview
from core.analyses.parameter_scan import ParameterScan
from core.analyses.refit import ProfileFit
from core.bonding import chain_label
from core.molecule import Molecule
from core.units import EnergyUnit
from widgets.naming import text_label, tool_button
from widgets.palette import inks, palette
from widgets.parameter.layers import Decomposition, stacked, without_clashes
from widgets.profile import ProfileView
from widgets.surface.data import line_step, nice_limit, shown_range
from widgets.surface.grid import Map, Scale, SurfaceGrid

CURRENT, ORIGINAL, BEFORE, AFTER = "current", "original", "before", "after"
#: Numbers in STYLES that no other force field has as its own (the original's is GAFF's).
STYLE = {CURRENT: 7, ORIGINAL: 5, BEFORE: 5, AFTER: 9}
SAME = 1e-6  # Å and eV: geometries and energies that are no others


def keep_styles() -> None:
    """Give our curves their colours before anybody asks for them by name."""
    for name, style in STYLE.items():
        palette().given.setdefault(name, style)


class ParameterPlots(QWidget):
    """Profile or map of one scan over its decomposition; zero of every curve is its minimum.

    After a refit its before and after stand in place of original and current. The switch Δ shows
    what is left to the reference instead, with the same constant free that an RMSE has.
    """

    point_clicked = Signal(int)  # grid index

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.profile, self.grid = ProfileView(), SurfaceGrid()
        self.layers = Decomposition()
        self.figures = text_label("Distance to the reference")
        self.figures.setContentsMargins(6, 0, 6, 0)
        self.figures.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        tip = "Show what is left to the reference: current − reference (Alt+D)"
        self.difference = tool_button("Δ", tip, name="Difference to the reference", check=True)
        self.difference.setShortcut("Alt+D")
        self.difference.setEnabled(False)
        self.difference.toggled.connect(lambda _on: self._rescale())
        self.stack = QStackedWidget()
        self.stack.addWidget(self.profile)
        self.stack.addWidget(self.grid)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.addWidget(self.stack)
        self.splitter.addWidget(self.layers)
        self.splitter.setSizes([300, 220])
        head = QHBoxLayout()
        head.setSpacing(0)
        head.addWidget(self.figures, 1)
        head.addWidget(self.difference)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addLayout(head)
        box.addWidget(self.splitter, 1)
        self.scan: ParameterScan | None = None
        self.current: Preview | None = None
        self.original: np.ndarray | None = None
        self.fitted: ProfileFit | None = None
        keep_styles()
        self._names = ("", "")
        self._scale: Scale | None = None
        self._unit: EnergyUnit | None = None
        self._zero = pg.InfiniteLine(angle=0)
        self._zero.setVisible(False)
        self.profile.plot.plotItem.addItem(self._zero, ignoreBounds=True)
        self.profile.clicked.connect(lambda _curve, index: self.point_clicked.emit(index))
        self.grid.clicked.connect(lambda _map, index: self.point_clicked.emit(index))

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        for part in (self.profile, self.grid, self.layers):
            part.set_dark(dark)
        self._zero.setPen(pg.mkPen(inks(dark=dark).muted, width=1))

    # -- what is shown ------------------------------------------------------------------------
    def show_scan(self, scan: ParameterScan, molecule: Molecule, unit: EnergyUnit) -> None:
        """Another scan: its energies come later."""
        self.scan, self.current, self.original = scan, None, None
        self._scale, self._unit = None, unit
        labels = [chain_label(molecule, a.atoms) for a in scan.axes]
        self._names = (labels[0], labels[1] if len(labels) > 1 else "")
        if scan.label:
            palette().reference(scan.label)
        known = self._known()
        self.difference.setEnabled(known)
        if not known:
            self.difference.setChecked(False)
        if self.stack.currentIndex() != len(scan.axes) - 1:  # maps need more room than a profile
            self.stack.setCurrentIndex(len(scan.axes) - 1)
            self.splitter.setSizes([300, 220] if len(scan.axes) == 1 else [390, 150])

    def show_fit(self, fitted: ProfileFit | None) -> bool:
        """Before and after of a refit, None for none; False where it is of another scan."""
        self.fitted = fitted
        self._rescale()
        return fitted is None or self._of_scan() is not None

    def show_original(self, energy: np.ndarray) -> None:
        """Energies (G,) eV of the terms as they were read."""
        self.original = energy
        self._rescale()

    def show_current(self, preview: Preview, *, settle: bool = True) -> None:
        """Energies of the present terms; settle: the scale may follow (not while dragging)."""
        self.current = preview
        if settle:
            self._scale = None
        self.draw()

    def set_unit(self, unit: EnergyUnit) -> None:
        """Write everything in another unit."""
        self._unit = unit
        self._rescale()

    def clear(self) -> None:
        """Nothing to show."""
        self.scan = self.current = self.original = self.fitted = None
        self.difference.setEnabled(False)

    # -- drawing ------------------------------------------------------------------------------
    def draw(self) -> None:
        """Draw what there is."""
        scan, unit, current = self.scan, self._unit, self.current
        if scan is None or unit is None or current is None:
            return
        energies = self._energies(scan, current)
        if self._delta:
            values = [unit.from_ev(tools.difference(e, scan.reference)) for _, e in energies]
            maps = self._maps(energies, values)[1:]
            scale = self._scale or self._symmetric(maps, unit)
        else:
            values = [unit.from_ev(tools.zeroed(e)) for _, e in energies]
            maps = self._maps(energies, values)
            scale = self._scale or self._upwards(maps, unit, two=len(scan.axes) > 1)
        self._scale = scale
        self._zero.setVisible(self._delta)
        if len(scan.axes) > 1:
            self.grid.show_maps(scan.axes, self._names, maps, scale)
        else:
            self.profile.show_maps(scan.axes, self._names, maps, scale)
        self._draw_layers(scan, current, unit)
        self._say(scan, current, unit)

    def _rescale(self) -> None:
        self._scale = None
        self.draw()

    def _known(self) -> bool:
        return self.scan is not None and bool(np.isfinite(self.scan.reference).any())

    def _of_scan(self) -> ProfileFit | None:
        """The refit on show, where it is of the present scan."""
        fitted, scan = self.fitted, self.scan
        if fitted is None or scan is None or fitted.positions.shape != scan.positions.shape:
            return None
        return fitted if np.abs(fitted.positions - scan.positions).max() < SAME else None

    def _energies(self, scan: ParameterScan, current: Preview) -> list[tuple[str, np.ndarray]]:
        """(label, energies (G,) eV) of every curve, the reference first where there is one."""
        known, fitted = self._known(), self._of_scan()
        rows = [(scan.label or "reference", scan.reference)] if known else []
        if fitted is not None:
            rows += [(BEFORE, fitted.before), (AFTER, fitted.after)]
            ends = (fitted.before, fitted.after)
            if min(float(np.ptp(current.energy - e)) for e in ends) < SAME:
                return rows
        elif self.original is not None and not (known and len(scan.axes) > 1 and not self._delta):
            rows.append((ORIGINAL, self.original))  # there is no room for a third map
        return [*rows, (CURRENT, current.energy)]

    @property
    def _delta(self) -> bool:
        """Whether differences are shown."""
        return self.difference.isChecked() and self._known()

    @staticmethod
    def _maps(energies: list[tuple[str, np.ndarray]], values: list) -> list[Map]:
        none = np.zeros(0, dtype=int)
        return [
            Map(name, np.asarray(v), none, none, layer=k)
            for k, ((name, _), v) in enumerate(zip(energies, values, strict=True))
        ]

    @staticmethod
    def _upwards(maps: list[Map], unit: EnergyUnit, *, two: bool) -> Scale:
        values = [m.values for m in maps]
        high = without_clashes(shown_range(values) if two else _top(values), unit)
        title = f"energy ({unit.label})"
        return Scale(0.0, high, "sequential", line_step(high, unit.ev), title)

    @staticmethod
    def _symmetric(maps: list[Map], unit: EnergyUnit) -> Scale:
        high = without_clashes(_top([np.abs(m.values) for m in maps]), unit)
        title = f"energy − reference ({unit.label})"
        short = f"Δ ({unit.label})"
        return Scale(-high, high, "diverging", line_step(2 * high, unit.ev), title, short)

    def _draw_layers(self, scan: ParameterScan, current: Preview, unit: EnergyUnit) -> None:
        axis = scan.axes[0]
        shape = tools.grid_shape(scan.axes)
        cut = np.arange(len(scan.positions)).reshape(shape)
        name = self._names[0]
        if len(scan.axes) > 1:  # through the minimum of the present map
            at = int(np.argmin(current.energy)) % shape[1]
            cut = cut[:, at]
            degrees = np.rad2deg(scan.axes[1].values()[at])
            name += f" (other at {degrees:.0f}°)".replace("-", "−")
        layers = stacked(current, cut)
        x = np.rad2deg(axis.values())
        if tools.full_period(axis):
            x = np.append(x, x[0] + 360.0)
            layers = [(n, np.append(e, e[0])) for n, e in layers]
        shown = [(n, np.asarray(unit.from_ev(e))) for n, e in layers]
        self.layers.show_layers(x, shown, (name, unit.label), unit)

    def _say(self, scan: ParameterScan, current: Preview, unit: EnergyUnit) -> None:
        if not self._known():
            self.figures.setText("No reference points on this scan.")
            return

        def text(energy: np.ndarray) -> str:
            return f"{unit.from_ev(tools.rmse(energy, scan.reference)):.{unit.digits}f}"

        line = f"RMSE <b>{text(current.energy)}</b>"
        fitted = self._of_scan()
        if fitted is not None:
            line += f" (refit {text(fitted.before)} → {text(fitted.after)})"
        elif self.original is not None:
            line += f" (original {text(self.original)})"
        held = int(np.isfinite(scan.reference).sum())
        self.figures.setText(f"{line} {unit.label}")
        what = f"Root mean square difference to {scan.label or 'the reference'}"
        self.figures.setToolTip(f"{what}, over {held} of {len(scan.positions)} points")


def _top(values: list[np.ndarray]) -> float:
    """The highest point of all curves, at the end of a fine scale."""
    known = [v[np.isfinite(v)].max() for v in values if np.isfinite(v).any()]
    return nice_limit(float(max(known, default=1.0)))
