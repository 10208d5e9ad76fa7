"""A map's numbers, the scale they are drawn on, and the bar that shows it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from widgets.palette import inks, table
from widgets.surface.data import nice_step

BAR = 80  # pixels for the colour bar


@dataclass(frozen=True, eq=False)
class Map:
    """One map: values (G,) in the unit shown; minima, failed: grid indices; note: tooltip.

    label: the force field. layer: its index in the surface. difference: on the second scale.
    """

    label: str
    values: np.ndarray
    minima: np.ndarray
    failed: np.ndarray
    note: str = ""
    layer: int = 0
    difference: bool = False


@dataclass(frozen=True)
class Scale:
    """low and high in the unit shown, kind "sequential" or "diverging", lines every `step`."""

    low: float
    high: float
    kind: str
    step: float
    title: str
    short: str = ""  # the title where there is no room for all of it

    def text(self, value: float) -> str:
        """A number of this scale with the digits it deserves."""
        digits = max(0, -math.floor(math.log10(nice_step(self.high - self.low, parts=8)) + 1e-9))
        return f"{value:.{digits}f}".replace("-", "−")


class ColourBar(QWidget):
    """The scale of all maps; a hatched cap where values lie outside it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scale = Scale(0, 1, "sequential", 1, "")
        self.over = self.under = False
        self.dark = False
        self.setAccessibleName("Colour scale")

    def set_scale(self, scale: Scale, *, over: bool, under: bool) -> None:
        """Show another scale."""
        self.scale, self.over, self.under = scale, over, under
        outside = "; hatched: outside this range" if over or under else ""
        self.setToolTip(f"{scale.title}, {scale.low:g} to {scale.high:g}{outside}")
        self.update()

    def paintEvent(self, event) -> None:
        """Bar, ticks, numbers, title."""
        painter = QPainter(self)
        ink = inks(dark=self.dark)
        lut = table(self.scale.kind)
        bar = QRectF(6, 18, 14, self.height() - 36)
        painter.setPen(Qt.PenStyle.NoPen)
        slices = 128
        for k in range(slices):
            painter.setBrush(QColor(*(int(c) for c in lut[255 - 2 * k])))
            y = bar.top() + bar.height() * k / slices
            painter.drawRect(QRectF(bar.left(), y, bar.width(), bar.height() / slices + 0.6))
        for wanted, y, colour in ((self.over, 8, lut[255]), (self.under, bar.bottom(), lut[0])):
            if wanted:
                painter.setBrush(QColor(*(int(c) for c in colour)))
                painter.drawRect(QRectF(bar.left(), y, bar.width(), 10))
                painter.setBrush(QColor(90, 90, 90))
                for x in (2, 8):
                    painter.drawRect(QRectF(bar.left() + x, y, 3, 10))
        painter.setPen(QPen(QColor(ink.ink)))
        font = painter.font()
        font.setPointSizeF(max(7.0, font.pointSizeF() - 1))
        painter.setFont(font)
        low, high = self.scale.low, self.scale.high
        step = nice_step(high - low, parts=max(2, min(8, int(bar.height() / 26))))
        for value in np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
            v = float(value * step)
            y = bar.bottom() - bar.height() * (v - low) / max(high - low, 1e-300)
            painter.drawLine(int(bar.right()), int(y), int(bar.right()) + 3, int(y))
            place = QRectF(bar.right() + 5, y - 8, 40, 16)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter, self.scale.text(v))
        painter.save()
        painter.translate(self.width() - 3, bar.center().y())
        painter.rotate(-90)
        half = bar.height() / 2 + 18
        place = QRectF(-half, -14, 2 * half, 14)
        title = self.scale.title
        if self.scale.short and painter.fontMetrics().horizontalAdvance(title) > 2 * half:
            title = self.scale.short
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, title)
        painter.restore()
        painter.end()
