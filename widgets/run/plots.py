"""The four plots of a dynamics run: temperature, energies, histogram, path on the surface."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSplitter, QToolButton, QVBoxLayout, QWidget

from core.analyses import surface_tools as tools
from core.analyses.surface import Axis
from core.bonding import chain_label
from core.geometry import measure
from widgets.curves import LiveCurve
from widgets.histogram import TemperatureHistogram
from widgets.later import Room
from widgets.palette import STYLES
from widgets.plot_tools import paper
from widgets.profile import ProfileView
from widgets.run.data import RunData
from widgets.session import Session
from widgets.surface.data import (
    SurfaceData,
    line_step,
    nice_limit,
    nice_step,
    shown_range,
)
from widgets.surface.grid import Map, Scale, SurfaceGrid

P = TypeVar("P", TemperatureHistogram, ProfileView)
REFRESH_MS = 150
PATH_FRAMES = 3000  # frames of one replica that are drawn as a path
CURVE_POINTS = 20_000  # per curve; longer runs are thinned for drawing
DENSITY_FRAMES = 20_000  # frames that are counted for the density; of more, every n-th
OTHERS = 16  # replicas whose paths are drawn faintly beside the chosen one
OTHERS_FRAMES = 500  # of each
NOTHING = np.zeros(0, dtype=np.int64)
POTENTIAL, KINETIC, TOTAL = "potential", "kinetic", "total"


class RunPlots(QWidget):
    """Shows one RunData; call `touch` after frames came."""

    chosen = Signal(int)  # frame

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.data: RunData | None = None
        self.surface: SurfaceData | None = None
        self.replica = 0
        self.frame = -1
        self.temperature = LiveCurve(x_label="Time (ps)", y_label="Temperature (K)", legend=False)
        self.energy = LiveCurve(x_label="Time (ps)", name="energy")
        for k, name in ((1, POTENTIAL), (2, KINETIC), (3, TOTAL)):
            self.energy.set_color(name, *STYLES[k][:2])
        self.temperature.set_color("temperature", *STYLES[2][:2])
        self.temperature.plot.setAccessibleName("Temperature over time")
        self.energy.plot.setAccessibleName("Energies over time")
        self.energy.setToolTip("Potential energy counts from the first frame; means over replicas")
        self.temperature.setToolTip("Mean over replicas; the band reaches from lowest to highest")
        self._dark = session.dark
        self._histogram = Room(lambda: self._dyed(TemperatureHistogram()))
        self._profile = Room(lambda: self._dyed(ProfileView()))
        self.grid = SurfaceGrid()
        self.density = QToolButton()
        self.density.setText("Density")
        self.density.setCheckable(True)
        self.density.setToolTip("Show how many frames lie at each grid point, all replicas")
        self.density.setAccessibleName("Density instead of energy")
        self.where = QLabel()
        top = QHBoxLayout()
        top.setContentsMargins(4, 0, 0, 0)
        top.addWidget(self.where, 1)
        top.addWidget(self.density)
        self.map_box = QWidget()
        column = QVBoxLayout(self.map_box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(top)
        column.addWidget(self.grid, 1)
        column.addWidget(self._profile, 1)
        self._profile.hide()
        rows = QSplitter(Qt.Orientation.Vertical)
        for left, right in ((self.temperature, self.energy), (self._histogram, self.map_box)):
            row = QSplitter(Qt.Orientation.Horizontal)
            row.addWidget(left)
            row.addWidget(right)
            row.setSizes([190, 280])
            rows.addWidget(row)
        rows.setSizes([220, 260])
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(rows)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self.refresh)
        self.density.toggled.connect(lambda _on: self.refresh())
        for plot in (self.temperature, self.energy):
            plot.clicked.connect(self._click)
        session.unit_changed.connect(lambda _unit: self.refresh())
        session.theme_changed.connect(self.set_dark)
        session.axes_changed.connect(self.refresh)
        self.set_dark(session.dark)

    # -- what is shown ------------------------------------------------------------------------
    def show_data(self, data: RunData | None) -> None:
        """Show another run, None for none."""
        self.data, self.replica, self.frame = data, 0, -1
        self.temperature.clear()
        self.energy.clear()
        self.refresh()

    def set_surface(self, surface: SurfaceData | None) -> None:
        """What is drawn behind the path."""
        self.surface = surface
        self.refresh()

    def set_replica(self, replica: int) -> None:
        """Which replica's path is drawn."""
        self.replica = replica
        self.refresh()

    def set_frame(self, frame: int) -> None:
        """Mark the frame that the molecule view shows, -1 for none."""
        self.frame = frame
        on = self.data is not None and 0 <= frame < len(self.data)
        x = float(self.data.time[frame]) / 1000 if on and self.data is not None else None
        self.temperature.set_mark(x)
        self.energy.set_mark(x)

    def touch(self) -> None:
        """Frames came: draw soon."""
        if not self._timer.isActive():
            self._timer.start()

    def refresh(self) -> None:
        """Draw the present numbers; long runs are drawn less often."""
        start = time.perf_counter()
        self._draw()
        spent = time.perf_counter() - start
        self._timer.setInterval(max(REFRESH_MS, int(6000 * spent)))

    def _draw(self) -> None:
        self._timer.stop()
        unit = self.session.unit
        self.energy.set_labels("Time (ps)", f"Energy ({unit.label})")
        data = self.data
        if data is None or not len(data):
            return
        thin = max(1, len(data) // CURVE_POINTS)
        pick = slice(None, None, thin)
        x = data.time[pick] / 1000
        t = data.temperature[pick]
        mean = _mean(t)
        self.temperature.set_series("temperature", x, mean)
        self.temperature.set_level(data.target if np.isfinite(data.target) else None)
        potential = data.potential[pick] - data.potential[0]
        kinetic = data.kinetic[pick]
        for name, values in (
            (POTENTIAL, potential),
            (KINETIC, kinetic),
            (TOTAL, potential + kinetic),
        ):
            self.energy.set_series(name, x, _mean(values) / unit.ev)
        if data.replicas > 1:
            self.temperature.set_band("temperature", x, *_span(t))
            self.energy.set_band(TOTAL, x, *(v / unit.ev for v in _span(potential + kinetic)))
        values = data.temperature[len(data) // 10 :].ravel()  # without the start
        self.histogram.show_values(values, target=data.target, freedom=data.freedom)
        self._draw_map()
        self.set_frame(self.frame)

    # -- the map ------------------------------------------------------------------------------
    def _axes(self) -> tuple[Axis, ...]:
        """The surface's axes, or whole turns over the dihedrals chosen."""
        if self.surface is not None and self._fits(self.surface):
            return self.surface.axes
        step = 2 * np.pi / 36
        n = len(self.data.molecule.numbers) if self.data is not None else 0
        chosen = [a for a in self.session.axes if a is not None and max(a) < n]
        return tuple(Axis((a[0], a[1], a[2], a[3]), -np.pi, np.pi - step, 36) for a in chosen)

    def _fits(self, surface: SurfaceData) -> bool:
        wanted = tuple(tuple(a) for a in self.session.axes if a is not None)
        same = tuple(tuple(a.atoms) for a in surface.axes) == wanted
        data = self.data
        return same and (
            data is not None and np.array_equal(surface.molecule.numbers, data.molecule.numbers)
        )

    def _draw_map(self) -> None:
        data, axes = self.data, self._axes()
        self.grid.setVisible(len(axes) != 1)
        self._profile.setVisible(len(axes) == 1)
        if data is None or not axes:
            self.where.setText("Choose dihedrals in Surface to see the path.")
            self.grid.setVisible(False)
            return
        one = f"Path of replica {self.replica + 1}"
        if data.replicas > 1:
            one += f" (faint: {min(data.replicas - 1, OTHERS)} more)"
        self.where.setText("All frames of all replicas" if self.density.isChecked() else one)
        view = self.grid if len(axes) == 2 else self.profile
        names = [chain_label(data.molecule, a.atoms) + " (°)" for a in axes]
        labels = (names[0], names[1] if len(names) > 1 else "")
        map_, scale = self._background(axes)
        view.show_maps(axes, labels, [map_], scale)
        drawn = not self.density.isChecked()
        path = self._angles(data.positions[-PATH_FRAMES:, self.replica], axes)
        view.set_path(path if drawn else path[:0])
        if view is self.grid:
            rest = [k for k in range(data.replicas) if k != self.replica][: OTHERS * drawn]
            frames = data.positions[-OTHERS_FRAMES:]
            self.grid.set_others([self._angles(frames[:, k], axes) for k in rest])

    @staticmethod
    def _angles(positions: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
        """Dihedrals (S,A) rad of the frames (S,N,3) Å that have finite coordinates."""
        angles = np.stack([measure(positions, a.atoms) for a in axes], axis=-1)
        return angles[np.isfinite(angles).all(1)]

    def _background(self, axes: tuple[Axis, ...]) -> tuple[Map, Scale]:
        data, unit = self.data, self.session.unit
        assert data is not None
        if self.surface is not None and self._fits(self.surface) and not self.density.isChecked():
            layers = self.surface.layers
            labels = [x.label for x in layers]
            own = labels.index(data.label) if data.label in labels else self.surface.reference
            layer = layers[max(own, 0)]
            values = tools.zeroed(layer.energy) / unit.ev
            top = shown_range([values])
            title = f"Energy ({unit.label})"
            scale = Scale(0.0, top, "sequential", line_step(top, unit.ev), title)
            return Map(layer.label, values, NOTHING, layer.failed), scale
        if not self.density.isChecked():
            empty = np.full(int(np.prod(tools.grid_shape(axes))), np.nan)
            note = "no surface over these dihedrals yet"
            return Map(note, empty, NOTHING, NOTHING), Scale(0, 1, "sequential", 1, "")
        r = data.positions.reshape(-1, *data.positions.shape[2:])
        r = r[:: max(1, len(r) // DENSITY_FRAMES)]
        angles = np.stack([measure(r, a.atoms) for a in axes], axis=-1)
        counts = tools.density(angles[np.isfinite(angles).all(1)], axes).astype(float)
        top = nice_limit(float(counts.max()))
        scale = Scale(0.0, top, "sequential", nice_step(top, parts=5), "Frames per point")
        return Map(data.label, counts, NOTHING, NOTHING), scale

    def _click(self, x: float) -> None:
        if self.data is not None and len(self.data):
            self.chosen.emit(int(np.argmin(np.abs(self.data.time / 1000 - x))))

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        paper(self.map_box, dark=dark)
        self._dark = dark
        made = (self._histogram.made, self._profile.made)
        for plot in (self.temperature, self.energy, self.grid, *made):
            if plot is not None:
                plot.set_dark(dark)

    # -- made when first needed, or ahead of that: each takes 10 ms ---------------------------
    @property
    def histogram(self) -> TemperatureHistogram:
        """How often which temperature occurred."""
        return self._histogram.get()

    @property
    def profile(self) -> ProfileView:
        """The path where there is one dihedral."""
        return self._profile.get()

    def _dyed(self, plot: P) -> P:
        plot.set_dark(self._dark)
        return plot

    def pieces(self) -> list[Callable[[], object]]:
        """Calls that make one part each, ahead of its need."""
        return [self._histogram.get, self._profile.get]


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over replicas (S,R) -> (S,); stopped replicas (NaN) are left out."""
    good = np.isfinite(values)
    count = good.sum(1)
    total = np.where(good, values, 0.0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _span(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest replica (S,R) -> two (S,); stopped replicas (NaN) are left out."""
    good = np.isfinite(values)
    low, high = np.where(good, values, np.inf).min(1), np.where(good, values, -np.inf).max(1)
    none = ~good.any(1)
    low[none] = high[none] = np.nan
    return low, high
