"""The scan beside the table: reference, original and current; and what each kind of term adds."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from core.analyses import surface_tools as tools
from core.analyses.parameter_preview import Preview
from core.analyses.parameter_scan import ParameterScan
from core.bonding import chain_label
from core.molecule import Molecule
from core.units import KCAL_MOL, EnergyUnit
from widgets.curves import Legend
from widgets.naming import text_label
from widgets.palette import STYLES, inks, palette
from widgets.plot_tools import PlotMenu, PlotWidget, Table, paper
from widgets.profile import ProfileView
from widgets.surface_data import line_step, nice_limit, shown_range
from widgets.surface_grid import Map, Scale, SurfaceGrid
from widgets.surface_view import DegreeAxis

CURRENT, ORIGINAL, CHOSEN = "current", "original", "selected terms"
NAMES = {
    "bond": "bonds",
    "angle": "angles",
    "torsion": "torsions",
    "improper": "impropers",
    "lj": "Lennard-Jones",
    "lj14": "Lennard-Jones 1–4",
    "coulomb": "Coulomb",
    "coulomb14": "Coulomb 1–4",
}
COLOURS = dict(zip((*NAMES, CHOSEN), (1, 6, 2, 8, 3, 9, 4, 7, 5), strict=True))
STYLE = {CURRENT: 7, ORIGINAL: 5}  # numbers in STYLES that no force field has as its own
CLASH = 60 * KCAL_MOL  # a rigid scan that goes higher has atoms that overlap
READABLE = 20 * KCAL_MOL  # and is shown up to here
FLAT = 1e-6  # eV: a layer that varies less is left out


def without_clashes(high: float, unit: EnergyUnit) -> float:
    """The end of a scale, in the unit shown: atoms that overlap would flatten all that matters."""
    return high if high * unit.ev <= CLASH else nice_limit(unit.from_ev(READABLE))


def stacked(preview: Preview, cut: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """(name, (n,) eV) of every kind that varies over the points `cut`, each above its own minimum.

    The rows asked one by one stand last as a layer of their own, taken out of their kinds. The sum
    of the layers is the energy but for a constant.
    """
    kinds = {k: e[cut].copy() for k, e in preview.kinds.items()}
    chosen = np.zeros(len(cut))
    for kind, each in preview.rows.items():
        part = each[:, cut].sum(0)
        kinds[kind] -= part
        chosen = chosen + part
    layers = [(NAMES.get(k, k), e - e.min()) for k, e in kinds.items()]
    if preview.rows:
        layers.append((CHOSEN, chosen - chosen.min()))
    return [(name, e) for name, e in layers if np.ptp(e) > FLAT]


class Decomposition(QWidget):
    """Stacked layers over one dihedral."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = PlotWidget(axisItems={"bottom": DegreeAxis("bottom")})
        self.plot.setAccessibleName("Energy by kind of term")
        self.plot.plotItem.setMouseEnabled(x=False, y=False)
        self.plot.plotItem.layout.setContentsMargins(0, 4, 16, 0)
        self.legend = Legend()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(1)
        box.addWidget(self.legend)
        box.addWidget(self.plot, 1)
        self._curves: dict[str, pg.PlotCurveItem] = {}
        self._x = np.zeros(0)
        self._layers: list[tuple[str, np.ndarray]] = []
        self._labels = ("", "")
        self._unit: EnergyUnit | None = None
        self._dark = False
        self.menu = PlotMenu(self, table=self.table, name="terms")
        self.set_dark(False)

    def colour(self, name: str) -> str:
        """#rrggbb of a layer."""
        key = next((k for k, n in NAMES.items() if n == name), CHOSEN)
        return STYLES[COLOURS[key]][self._dark]

    def show_layers(
        self,
        x: np.ndarray,
        layers: list[tuple[str, np.ndarray]],
        labels: tuple[str, str],
        unit: EnergyUnit,
    ) -> None:
        """x (n,) degrees, layers (n,) each in the unit shown."""
        self._x, self._layers, self._unit = x, layers, unit
        names = [name for name, _ in layers]
        for name in set(self._curves) - set(names):
            self.plot.plotItem.removeItem(self._curves.pop(name))
        # each curve is filled down to zero; a higher one lies behind, so that bands remain
        top = np.zeros(len(x))
        ink = inks(dark=self._dark).ink
        for z, (name, values) in enumerate(layers):
            top = top + values
            curve = self._curves.get(name)
            if curve is None:
                curve = self._curves[name] = pg.PlotCurveItem(fillLevel=0.0)
                self.plot.plotItem.addItem(curve)
            last = z == len(layers) - 1
            curve.setZValue(-z)
            curve.setData(
                x,
                top,
                brush=pg.mkBrush(self.colour(name)),
                pen=pg.mkPen(ink, width=2) if last else pg.mkPen(None),
                fillLevel=0.0,
            )
        high = without_clashes(nice_limit(float(top.max())), unit) if len(top) else 1.0
        box = self.plot.plotItem.vb
        box.disableAutoRange()
        if len(x):
            box.setRange(xRange=(x[0], x[-1]), yRange=(0.0, high), padding=0)
        if labels != self._labels:
            self._labels = labels
            self._name()
        self.legend.show_names([(self.colour(n), "■", n) for n in names])

    def _name(self) -> None:
        ink = inks(dark=self._dark).ink
        for side, text in zip(("bottom", "left"), self._labels, strict=True):
            self.plot.plotItem.setLabel(side, text, color=ink)
            self.plot.plotItem.getAxis(side).enableAutoSIPrefix(False)

    def table(self) -> Table:
        """Angle in degrees, then each layer."""
        header = (self._labels[0], *(name for name, _ in self._layers))
        columns = np.column_stack([self._x, *(e for _, e in self._layers)])
        return header, [[float(v) for v in row] for row in columns]

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = dark
        paper(self, dark=dark)
        self.plot.set_dark(dark)
        self._name()
        if self._unit is not None:
            self.show_layers(self._x, self._layers, self._labels, self._unit)


class ParameterPlots(QWidget):
    """Profile or map of one scan over its decomposition; zero of every curve is its minimum."""

    point_clicked = Signal(int)  # grid index

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.profile, self.grid = ProfileView(), SurfaceGrid()
        self.layers = Decomposition()
        self.figures = text_label("Distance to the reference")
        self.figures.setContentsMargins(6, 0, 6, 0)
        self.figures.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.profile)
        self.stack.addWidget(self.grid)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        self.splitter.addWidget(self.stack)
        self.splitter.addWidget(self.layers)
        self.splitter.setSizes([300, 220])
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addWidget(self.figures)
        box.addWidget(self.splitter, 1)
        self.scan: ParameterScan | None = None
        self.current: Preview | None = None
        self.original: np.ndarray | None = None
        for name, style in STYLE.items():
            palette().given.setdefault(name, style)
        self._names = ("", "")
        self._scale: Scale | None = None
        self._unit: EnergyUnit | None = None
        self.profile.clicked.connect(lambda _curve, index: self.point_clicked.emit(index))
        self.grid.clicked.connect(lambda _map, index: self.point_clicked.emit(index))

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        for part in (self.profile, self.grid, self.layers):
            part.set_dark(dark)

    def show_scan(self, scan: ParameterScan, molecule: Molecule, unit: EnergyUnit) -> None:
        """Another scan: its energies come later."""
        self.scan, self.current, self.original = scan, None, None
        self._scale, self._unit = None, unit
        labels = [chain_label(molecule, a.atoms) for a in scan.axes]
        self._names = (labels[0], labels[1] if len(labels) > 1 else "")
        if scan.label:
            palette().reference(scan.label)
        if self.stack.currentIndex() != len(scan.axes) - 1:  # maps need more room than a profile
            self.stack.setCurrentIndex(len(scan.axes) - 1)
            self.splitter.setSizes([300, 220] if len(scan.axes) == 1 else [390, 150])

    def set_unit(self, unit: EnergyUnit) -> None:
        """Write everything in another unit."""
        self._unit, self._scale = unit, None
        self.draw()

    def show_current(self, preview: Preview, *, settle: bool = True) -> None:
        """Energies of the present terms; settle: the scale may follow (not while dragging)."""
        self.current = preview
        if settle:
            self._scale = None
        self.draw()

    def draw(self) -> None:
        """Draw what there is."""
        scan, unit, current = self.scan, self._unit, self.current
        if scan is None or unit is None or current is None:
            return
        maps = []
        known = np.isfinite(scan.reference).any()
        if known:
            maps.append((scan.label or "reference", scan.reference))
        if self.original is not None:
            maps.append((ORIGINAL, self.original))
        maps.append((CURRENT, current.energy))
        values = [np.asarray(unit.from_ev(tools.zeroed(e))) for _, e in maps]
        none = np.zeros(0, dtype=int)
        shown = [
            Map(name, v, none, none, layer=k)
            for k, ((name, _), v) in enumerate(zip(maps, values, strict=True))
        ]
        if self._scale is None:
            high = shown_range(values) if len(scan.axes) > 1 else _top(values)
            high = without_clashes(high, unit)
            title = f"energy ({unit.label})"
            self._scale = Scale(0.0, high, "sequential", line_step(high, unit.ev), title)
        if len(scan.axes) > 1:
            self._draw_maps(scan, shown, unit, known=bool(known))
        else:
            self.profile.show_maps(scan.axes, self._names, shown, self._scale)
        self._draw_layers(scan, current, unit)
        self._say(scan, current, unit)

    def _draw_maps(
        self, scan: ParameterScan, maps: list[Map], unit: EnergyUnit, *, known: bool
    ) -> None:
        assert self._scale is not None
        maps = [m for m in maps if m.label != ORIGINAL or not known]
        self.grid.show_maps(scan.axes, self._names, maps, self._scale)

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
        if not np.isfinite(scan.reference).any():
            self.figures.setText("No reference points on this scan.")
            return
        now = unit.from_ev(tools.rmse(current.energy, scan.reference))
        text = f"RMSE to {scan.label or 'reference'}: <b>{now:.{unit.digits}f}</b>"
        if self.original is not None:
            was = unit.from_ev(tools.rmse(self.original, scan.reference))
            text += f" (original {was:.{unit.digits}f})"
        held = int(np.isfinite(scan.reference).sum())
        self.figures.setText(f"{text} {unit.label}")
        self.figures.setToolTip(f"Root mean square over {held} of {len(scan.positions)} points")

    def clear(self) -> None:
        """Nothing to show."""
        self.scan = self.current = self.original = None


def _top(values: list[np.ndarray]) -> float:
    """The highest point of all curves, at the end of a fine scale."""
    known = [v[np.isfinite(v)].max() for v in values if np.isfinite(v).any()]
    return nice_limit(float(max(known, default=1.0)))
