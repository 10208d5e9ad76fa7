"""What each kind of term adds along a scan, as stacked layers."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.analyses.parameter_preview import Preview
from core.units import KCAL_MOL, EnergyUnit
from widgets.curves import Legend
from widgets.palette import STYLES, inks
from widgets.plot_tools import PlotMenu, PlotWidget, Table, paper
from widgets.surface.data import nice_limit
from widgets.surface.view import DegreeAxis

CHOSEN = "selected terms"
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
