"""How much each kind of term adds to the surface, before a refit and after: a small bar chart."""

from __future__ import annotations

import math

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from core.units import EnergyUnit
from widgets.curves import Legend
from widgets.naming import named
from widgets.palette import color_of, inks
from widgets.parameter.layers import NAMES
from widgets.parameter.plots import AFTER, BEFORE, keep_styles
from widgets.plot_tools import PlotMenu, Table, paper

NONE = "No refit is on show: press Refit, or click one under Fits."
LINE = 26  # pixels of one kind at most
BAR = 9


class _Bars(QWidget):
    """The drawn part."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, tuple[float, ...]]] = []  # in the unit shown
        self.digits = 2
        self.dark = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 12 * max(1, len(self.rows)))

    def paintEvent(self, event) -> None:
        """Name, two bars, two numbers in each line."""
        painter = QPainter(self)
        ink = inks(dark=self.dark)
        painter.setFont(self.font())
        metrics = painter.fontMetrics()
        texts = [[self.text(v) for v in values] for _, values in self.rows]
        left = max((metrics.horizontalAdvance(n) for n, _ in self.rows), default=0) + 14
        words = [f"{a} → {b}" for a, b in texts]
        right = max((metrics.horizontalAdvance(t) for t in words), default=0) + 14
        most = max((v for _, vs in self.rows for v in vs if math.isfinite(v)), default=0.0) or 1.0
        room = max(10, self.width() - left - right)
        tall = min(LINE, self.height() / max(1, len(self.rows)))
        for k, ((name, values), text) in enumerate(zip(self.rows, words, strict=True)):
            y = k * tall
            painter.setPen(QColor(ink.ink))
            middle = Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(6, y, left, tall), middle, name)
            place = QRectF(self.width() - right, y, right - 6, tall)
            painter.drawText(place, middle | Qt.AlignmentFlag.AlignRight, text)
            painter.setPen(Qt.PenStyle.NoPen)
            high = min(BAR, tall / 2 - 1)
            for at, (label, value) in enumerate(zip((BEFORE, AFTER), values, strict=True)):
                painter.setBrush(QColor(color_of(label, dark=self.dark)))
                wide = room * value / most if math.isfinite(value) else 0.0
                painter.drawRect(QRectF(left, y + tall / 2 + (at - 1) * high, wide, high))
        painter.end()

    def text(self, value: float) -> str:
        return f"{value:.{self.digits}f}" if math.isfinite(value) else "–"


class Contributions(QWidget):
    """Root mean square of each kind's energy about its mean, over the data."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        keep_styles()
        self.legend = Legend()
        self.bars = named(_Bars(), "Energy by kind of term, before and after")
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 2, 0, 2)
        box.setSpacing(2)
        box.addWidget(self.legend)
        box.addWidget(self.bars, 1)
        self._given: dict[str, tuple[float, ...]] = {}
        self._unit: EnergyUnit | None = None
        self.menu = PlotMenu(self, table=self.table, name="contributions")
        self.set_dark(False)

    def show_values(self, contributions: dict[str, tuple[float, ...]], unit: EnergyUnit) -> None:
        """Kind of term -> (before, after) eV; kinds in the order of the table, others last."""
        self._given, self._unit = contributions, unit
        order = [k for k in NAMES if k in contributions]
        order += [k for k in contributions if k not in NAMES]
        pairs = {k: tuple(float(unit.from_ev(v)) for v in contributions[k][:2]) for k in order}
        seen = 0.5 * 10.0**-unit.digits  # what would be written as nothing is left out
        self.bars.rows = [
            (NAMES.get(k, k), v) for k, v in pairs.items() if len(v) == 2 and max(v) >= seen
        ]
        self.bars.digits = unit.digits
        texts = [(name, *map(self.bars.text, values)) for name, values in self.bars.rows]
        self.bars.setAccessibleDescription("; ".join(f"{n} {a} to {b}" for n, a, b in texts))
        self._name()
        self.bars.updateGeometry()
        self.bars.update()

    def table(self) -> Table:
        """Rows: kind, before, after."""
        unit = self._unit.label if self._unit else ""
        header = ("kind of term", f"before [{unit}]", f"after [{unit}]")
        return header, [[name, *values] for name, values in self.bars.rows]

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.bars.dark = dark
        paper(self, dark=dark)
        self._name()
        self.bars.update()

    def _name(self) -> None:
        dark = self.bars.dark
        if not self.bars.rows:
            self.legend.setText(NONE)
            return
        unit = f"RMS about the mean, {self._unit.label}" if self._unit else ""
        names = [(color_of(n, dark=dark), "■", n) for n in (BEFORE, AFTER)]
        self.legend.show_names([*names, (inks(dark=dark).muted, "", unit)])
