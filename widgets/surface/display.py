"""A surface on the screen: maps or curves, energy or difference, readout, selection, overlays."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QLabel, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from core.analyses import surface_tools as tools
from core.bonding import chain_label
from core.geometry import measure
from core.units import KCAL_MOL
from widgets.palette import chip, inks
from widgets.profile import ProfileView
from widgets.session import Geometries, Session
from widgets.surface.bar import SurfaceBar
from widgets.surface.data import (
    HELD_NOTE,
    SurfaceData,
    degrees_text,
    line_step,
    nice_limit,
    nice_step,
    shown_range,
)
from widgets.surface.grid import Map, Scale, SurfaceGrid

REFRESH_MS = 100  # what arrives within this time is drawn together
NOTHING = np.zeros(0, dtype=np.int64)


class SurfaceDisplay(QWidget):
    """Shows one SurfaceData; call `touch` after its numbers changed."""

    refreshed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.data: SurfaceData | None = None
        self._points: np.ndarray | None = None  # positions (P,N,3) of what is drawn as dots
        self._path: np.ndarray | None = None  # positions (S,N,3) of a trajectory
        self._shown: tuple[Geometries, int, int] | None = None  # what, layer, known points then
        self._at: tuple[float, ...] | None = None
        self._focus = -1  # layer whose difference is shown where there is room for one only
        self._by_hand = False  # the person chose energy, difference or both
        self._range = {"energy": 0.0, "difference": 0.0}  # eV, 0 = automatic
        self.bar = SurfaceBar()
        self.both = self.bar.both
        self.energy, self.difference = self.bar.energy, self.bar.difference
        for button in (self.both, self.energy, self.difference):
            button.clicked.connect(self._chosen_by_hand)
        self.reference, self.top = self.bar.reference, self.bar.top
        self.grid, self.profile = SurfaceGrid(), ProfileView()
        holder = QWidget()
        self.stack = QStackedLayout(holder)
        self.stack.addWidget(self.grid)
        self.stack.addWidget(self.profile)
        self.readout, self.summary = QLabel(), QLabel()
        for label, name in ((self.readout, "Values under the mouse"), (self.summary, "Summary")):
            label.setAccessibleName(name)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.readout.setMinimumHeight(2 * self.readout.fontMetrics().height() + 2)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(3)
        box.addWidget(self.bar)
        box.addWidget(holder, 1)
        box.addWidget(self.readout)
        box.addWidget(self.summary)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self.refresh)
        self.bar.mode_changed.connect(self._mode_changed)
        self.bar.marks_changed.connect(lambda: self._overlays(again=True))
        self.reference.activated.connect(lambda _row: self.refresh())
        self.top.valueChanged.connect(self._range_changed)
        for view in (self.grid, self.profile):
            view.hovered.connect(self._hover)
            view.clicked.connect(self.choose)
        session.unit_changed.connect(lambda _unit: self._mode_changed())
        session.theme_changed.connect(self.set_dark)
        session.frame_changed.connect(lambda _frame: self._follow())
        session.geometries_changed.connect(lambda _geometries: self._follow())
        self.set_dark(session.dark)
        self._mode_changed()

    # -- what is shown ------------------------------------------------------------------------
    def show_data(self, data: SurfaceData | None) -> None:
        """Show another surface, None for none."""
        self.data, self._shown, self._at, self._focus = data, None, None, -1
        if data is None:
            return
        kept = self.reference.currentText()
        self.reference.clear()
        self.reference.addItems([layer.label for layer in data.layers])
        at = self.reference.findText(kept)
        self.reference.setCurrentIndex(at if at >= 0 else max(data.reference, 0))
        more, two = len(data.layers) > 1, len(data.axes) == 2
        self.difference.setEnabled(more)
        self.both.setEnabled(more and two)
        before = self._mode
        if not more or (not two and self.both.isChecked()):
            self.energy.setChecked(True)
        elif two and data.reference >= 0 and not self._by_hand:
            self.both.setChecked(True)
        if self._mode == before:  # else that has drawn it
            self.refresh()
        self._overlays(again=True)
        self._follow()

    def touch(self) -> None:
        """Numbers changed: draw soon, together with what else changes meanwhile."""
        if not self._timer.isActive():
            self._timer.start()

    def numbers(self) -> np.ndarray | None:
        """Atomic numbers (N,) of the molecule whose surface is on show."""
        return None if self.data is None else self.data.molecule.numbers

    def set_points(self, positions: np.ndarray | None) -> None:
        """Geometries (P,N,3) Å to mark as dots, None for none."""
        self._points = positions
        self._overlays(again=True)

    def set_path(self, positions: np.ndarray | None) -> None:
        """Frames (S,N,3) Å of a trajectory, in order of time; None for none."""
        self._path = positions
        self._overlays(again=False)

    @property
    def view(self) -> SurfaceGrid | ProfileView:
        """Maps for two axes, curves for one."""
        two = self.data is None or len(self.data.axes) == 2
        return self.grid if two else self.profile

    def refresh(self) -> None:
        """Draw the present numbers."""
        self._timer.stop()
        if self.data is None:
            return
        self.stack.setCurrentWidget(self.view)
        labels = [chain_label(self.data.molecule, a.atoms) + " (°)" for a in self.data.axes]
        names = (labels[0], labels[1] if len(labels) > 1 else "")
        if self._mode == "both":
            maps, scale = self._maps("energy")
            more, second = self._maps("difference")
            self.grid.show_maps(
                self.data.axes, names, maps + more, scale, second=second, focus=self._focus
            )
        else:
            maps, scale = self._maps(self._mode)
            self.view.show_maps(self.data.axes, names, maps, scale)
        self._summarise()
        self._read()
        self.refreshed.emit()

    # -- numbers ------------------------------------------------------------------------------
    def _maps(self, mode: str) -> tuple[list[Map], Scale]:
        """Energies of all layers or the differences of all but one, and their scale."""
        data, ev = self.data, self.session.unit.ev
        assert data is not None
        unit, base, layers = self.session.unit.label, self.reference.currentIndex(), data.layers
        energies = mode == "energy" or not 0 <= base < len(layers)
        if energies:
            values = {i: tools.zeroed(x.energy) / ev for i, x in enumerate(layers)}
            title, short = f"Energy above minimum ({unit})", f"Energy ({unit})"
            auto = shown_range(list(values.values()))
        else:
            values = {
                i: tools.difference(x.energy, layers[base].energy) / ev
                for i, x in enumerate(layers)
                if i != base
            }
            title, short = f"Difference to {layers[base].label} ({unit})", f"Difference ({unit})"
            finite = [np.abs(v[np.isfinite(v)]) for v in values.values()]
            joined = np.concatenate(finite) if finite else np.zeros(0)
            auto = nice_limit(float(np.percentile(joined, 98))) if len(joined) else 1.0
        chosen = self._range["energy" if energies else "difference"] / ev
        high = chosen if chosen > 0 else auto
        if mode == self._ranged:
            sign = "0 –" if energies else "±"
            self.top.setSpecialValueText(f"{sign} {high:.3g}" if not chosen else "auto")
        low, kind = (0.0, "sequential") if energies else (-high, "diverging")
        scale = Scale(low, high, kind, line_step(high - low, ev), title, short)
        extra = self._mode == "both" and not energies
        maps = []
        for i, v in values.items():
            x = layers[i]
            ready = energies and self.bar.show_minima.isChecked() and x.known.all()
            minima = tools.minima(x.energy, data.axes) if ready else NOTHING
            maps.append(Map(x.label, v, minima, x.failed, self._note(i), i, extra))
        return maps, scale

    def _note(self, which: int) -> str:
        layer = self.data.layers[which]  # type: ignore[union-attr]
        lines = [f"{layer.label}: {int(np.isfinite(layer.energy).sum())} of {len(layer.energy)}"]
        if len(layer.failed):
            why = sorted(set(layer.problems.values()))[:3]
            lines.append(f"{len(layer.failed)} points failed: {'; '.join(why)}")
        return " points\n".join(lines) if len(lines) > 1 else lines[0] + " points"

    def _summarise(self) -> None:
        data, ev, digits = self.data, self.session.unit.ev, self.session.unit.digits
        assert data is not None
        base = self.reference.currentIndex()
        parts = []
        dark = self.session.dark
        for i, x in enumerate(data.layers):
            if i == base or not 0 <= base < len(data.layers):
                continue
            value = tools.rmse(x.energy, data.layers[base].energy) / ev
            if np.isfinite(value):
                name = x.label.replace(" ", "&nbsp;")
                mark = chip(x.label, dark=dark)
                parts.append(f"{mark}&nbsp;{name}&nbsp;{value:.{digits}f}")
        text = ""
        if parts:
            name = data.layers[base].label
            text = f"RMSE to {name}: " + " &nbsp; ".join(parts) + f" {self.session.unit.label}"
        failed = sum(len(x.failed) for x in data.layers)
        if failed:
            text += f' &nbsp; <span style="color:{inks(dark=dark).bad}">✕ {failed} failed</span>'
        if data.relaxed:
            text += f" &nbsp; {self._held()}"
        self.summary.setText(text)
        self.summary.setToolTip("Root mean square of the difference, its mean removed")
        self.summary.setVisible(bool(text))

    def _held(self) -> str:
        """How far measured angles are from requested ones."""
        data = self.data
        assert data is not None
        want = tools.grid_angles(data.axes)
        worst = 0.0
        for x in data.layers:
            off = np.abs((x.measured - want + np.pi) % (2 * np.pi) - np.pi)
            worst = max(worst, float(np.nanmax(off)) if np.isfinite(off).any() else 0.0)
        return f"dihedrals held within {max(np.rad2deg(worst), 1e-3):.2g}°"

    # -- readout and selection ----------------------------------------------------------------
    def _hover(self, at: tuple[float, ...] | None) -> None:
        self._at = at
        self._read()

    def _read(self) -> None:
        """Readout of the point under the mouse, else of the selected one."""
        data = self.data
        if data is None:
            self.readout.clear()
            return
        index = self._selected()
        if self._at is not None:
            index = int(tools.nearest(np.deg2rad([self._at]), data.axes)[0])
        if index < 0:
            self.readout.setText("Point at the surface to read it; click to see the geometry.")
            return
        self.readout.setText(self.describe(index))

    def describe(self, index: int) -> str:
        """Rich text: angles and the energies of all layers at a grid point."""
        data, unit, dark = self.data, self.session.unit, self.session.dark
        assert data is not None
        angles = tools.grid_angles(data.axes)[index]
        names = [chain_label(data.molecule, a.atoms) for a in data.axes]
        text = ", ".join(f"{n} {degrees_text(v)}" for n, v in zip(names, angles, strict=True))
        parts = []
        for x in data.layers:
            energy = tools.zeroed(x.energy)[index] / unit.ev
            if np.isfinite(energy):
                value = f"{energy:.{unit.digits}f}"
            elif x.known[index]:
                value = x.problems.get(str(index), "failed")
            else:
                value = "…"
            name = x.label.replace(" ", "&nbsp;")
            parts.append(f"{chip(x.label, dark=dark)}&nbsp;{name}&nbsp;<b>{value}</b>")
        measured = [self._off(x.measured[index], angles) for x in data.layers if x.known[index]]
        if measured and measured[0] and len(set(measured)) == 1:
            text += f" ({measured[0]})"
        elif any(measured):
            k = iter(measured)
            notes = [next(k) if x.known[index] else "" for x in data.layers]
            parts = [f"{p} ({n})" if n else p for p, n in zip(parts, notes, strict=True)]
        return f"{text} &nbsp; {' &nbsp; '.join(parts)} {unit.label}"

    @staticmethod
    def _off(measured: np.ndarray, wanted: np.ndarray) -> str:
        """The angles of a geometry where they are not those asked for, else ""."""
        off = np.abs((measured - wanted + np.pi) % (2 * np.pi) - np.pi)
        if not (np.rad2deg(off) > HELD_NOTE).any():
            return ""
        return "measured " + ", ".join(degrees_text(v) for v in measured)

    def choose(self, which: int, index: int) -> None:
        """Show the geometry of a grid point of one map in the molecule view."""
        data = self.data
        if data is None:
            return
        layer_at = self.view.maps[which].layer
        layer = data.layers[layer_at]
        if self._mode == "both" and layer_at != self.reference.currentIndex():
            self._focus = layer_at
            self.touch()
        good = np.isfinite(layer.positions).all((1, 2))
        if not good[index]:
            why = layer.problems.get(str(index), "not computed yet")
            self.readout.setText(f"{self.describe(index)}<br>No geometry here: {why}")
            return
        now = (layer_at, int(good.sum()))
        if self._shown and self._shown[1:] == now and self._shown[0] is self.session.geometries:
            self.session.set_frame(index)
            return
        # a missing point shows the geometry before it; its energy stays NaN
        last = np.maximum.accumulate(np.where(good, np.arange(len(good)), -1))
        rows = np.where(last < 0, int(np.flatnonzero(good)[0]), last)
        caption = f"{layer.label}, surface"
        source = data.source or data.job
        frames = Geometries(
            data.molecule, layer.positions[rows], layer.energy.copy(), caption, source
        )
        self._shown = (frames, *now)
        self.session.show(frames, frame=index)

    def _selected(self) -> int:
        """The grid point that the molecule view shows, -1 when it shows something else."""
        frames, data = self.session.geometries, self.data
        if frames is None or data is None or len(frames.positions) != data.size:
            return -1
        ours = self._shown is not None and self._shown[0] is frames
        same = bool(frames.source) and frames.source == data.source
        return self.session.frame if ours or same else -1

    def _follow(self) -> None:
        if self.data is not None:
            self.view.set_selected(self._selected())
            self._read()

    # -- overlays, looks ----------------------------------------------------------------------
    def _angles(self, positions: np.ndarray | None, on: bool) -> np.ndarray:
        data = self.data
        if data is None or positions is None or not on or not len(positions):
            return np.zeros((0, len(data.axes) if data else 2))
        if positions.shape[1] != len(data.molecule.numbers):
            return np.zeros((0, len(data.axes)))
        return np.stack([measure(positions, a.atoms) for a in data.axes], axis=-1)

    def _overlays(self, *, again: bool) -> None:
        """Path; with `again` the points too, and the marks."""
        if self.data is None:
            return
        if again:
            self.view.set_points(self._angles(self._points, self.bar.show_points.isChecked()))
            self.touch()
        self.view.set_path(self._angles(self._path, self.bar.show_path.isChecked()))

    @property
    def _mode(self) -> str:
        return self.bar.mode

    @property
    def _ranged(self) -> str:
        """The scale that the number in the bar belongs to."""
        return "difference" if self._mode == "difference" else "energy"

    def _chosen_by_hand(self) -> None:
        self._by_hand = True

    def _mode_changed(self) -> None:
        unit = self.session.unit
        self.top.setPrefix("± " if self._ranged == "difference" else "0 – ")
        self.reference.setVisible(self._mode != "energy")
        self.bar.versus.setVisible(self._mode != "energy")
        self.top.blockSignals(True)
        self.top.setSuffix(f" {unit.label}")
        self.top.setDecimals(unit.digits)
        self.top.setSingleStep(nice_step(KCAL_MOL / unit.ev, parts=1))
        self.top.setValue(self._range[self._ranged] / unit.ev)
        self.top.blockSignals(False)
        self.top.setToolTip(
            f"Upper end of the scale ({unit.label}); beyond it the map is hatched. 0 = automatic"
        )
        self.refresh()

    def _range_changed(self, value: float) -> None:
        self._range[self._ranged] = value * self.session.unit.ev
        self.refresh()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.grid.set_dark(dark)
        self.profile.set_dark(dark)
        self.refresh()
