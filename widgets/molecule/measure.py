"""What is written over the molecule: atom labels, picked atoms, distances, angles, axes.

Drawn with QPainter on projected points, so text stays sharp and values follow the frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen

from core.geometry import measure

PICK_LIGHT, PICK_DARK = QColor("#0b66c3"), QColor("#ffd54a")
AXIS_COLOURS = (QColor("#d55e00"), QColor("#7b3fa0"))  # apart for colour-blind eyes, and numbered
HIGHLIGHT = QColor("#e69f00")  # atoms of what is selected in another panel
KINDS = {2: "distance", 3: "angle", 4: "dihedral"}
MINUS = "−"


def atom_name(symbols: Sequence[str], atom: int) -> str:
    """Element and number as chemists count: atom 0 of ethanol is C1."""
    return f"{symbols[atom]}{atom + 1}"


def atoms_name(symbols: Sequence[str], atoms: Sequence[int]) -> str:
    """For example C1–C2–O3–H9."""
    return "–".join(atom_name(symbols, a) for a in atoms)


def value_text(positions: np.ndarray, atoms: Sequence[int]) -> str:
    """Distance in Å, angle or dihedral in degrees of 2, 3 or 4 atoms; positions (N,3) Å."""
    value = float(measure(positions, tuple(atoms)))
    if not math.isfinite(value):
        return "not defined"
    if len(atoms) == 2:
        return f"{value:.3f} Å"
    return f"{round(math.degrees(value), 1) + 0.0:.1f}°".replace("-", MINUS)  # never −0.0


@dataclass
class Style:
    """How the writing looks: dark background or not, point size of the labels."""

    dark: bool = False
    size: int = 10

    @property
    def pick(self) -> QColor:
        return PICK_DARK if self.dark else PICK_LIGHT

    @property
    def ink(self) -> QColor:
        return QColor("#f2f3f5") if self.dark else QColor("#14161a")

    @property
    def paper(self) -> QColor:
        return QColor(24, 25, 28, 225) if self.dark else QColor(255, 255, 255, 235)


def _font(painter: QPainter, size: int, *, bold: bool = False) -> QFont:
    font = QFont(painter.font())
    font.setPointSize(size)
    font.setBold(bold)
    return font


def visible(screen: np.ndarray, depth: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """(N,) bool: atoms whose middle is not covered by a nearer atom.

    screen (N,2) pixels, depth (N,) Å, radii (N,) pixels.
    """
    gap = np.linalg.norm(screen[:, None] - screen[None], axis=-1)
    covered = (gap < 0.75 * radii[None]) & (depth[None] < depth[:, None])
    np.fill_diagonal(covered, False)
    return ~covered.any(1)


def draw_labels(
    painter: QPainter, screen: np.ndarray, shown: np.ndarray, texts: Sequence[str], style: Style
) -> None:
    """Each text in the middle of its atom, outlined so that it reads on any element's colour."""
    font = _font(painter, style.size, bold=True)
    metrics = QFontMetricsF(font)
    outline = QPen(QColor(255, 255, 255, 220), 2.5)
    outline.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    for (x, y), see, text in zip(screen, shown, texts, strict=True):
        if not see:
            continue
        path = QPainterPath()
        path.addText(
            QPointF(x - metrics.horizontalAdvance(text) / 2, y + metrics.capHeight() / 2),
            font,
            text,
        )
        painter.strokePath(path, outline)
        painter.fillPath(path, QColor("#14161a"))


def draw_rings(
    painter: QPainter,
    screen: np.ndarray,
    radii: np.ndarray,
    atoms: Sequence[int],
    style: Style,
    *,
    colour: QColor | None = None,
    width: float = 2.5,
) -> None:
    """A ring round each of `atoms`, in the colour of picked ones unless another is given."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(style.pick if colour is None else colour, width))
    for a in atoms:
        r = radii[a] + width
        painter.drawEllipse(QPointF(*screen[a]), r, r)


def draw_disc(painter: QPainter, centre: np.ndarray, radius: float, colour: QColor) -> None:
    """Tint an atom, with a thick ring round it: it belongs with the others of this colour."""
    tint = QColor(colour)
    tint.setAlpha(150)
    painter.setBrush(tint)
    painter.setPen(QPen(colour, 4.0))
    painter.drawEllipse(QPointF(*centre), radius + 2.0, radius + 2.0)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def draw_hover(painter: QPainter, centre: np.ndarray, radius: float, style: Style) -> None:
    """A soft ring round the atom under the mouse."""
    colour = QColor(style.pick)
    colour.setAlpha(120)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colour, 4))
    painter.drawEllipse(QPointF(*centre), radius + 3, radius + 3)


def draw_path(painter: QPainter, points: np.ndarray, colour: QColor, *, dashed: bool) -> None:
    """A polyline through points (P,2)."""
    pen = QPen(colour, 2.0, Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.drawPolyline([QPointF(*p) for p in points])


def draw_pill(
    painter: QPainter, at: np.ndarray, text: str, edge: QColor, style: Style, taken: list[QRectF]
) -> None:
    """A text in a rounded box near `at`, moved down until it covers no earlier one."""
    font = _font(painter, style.size)
    metrics = QFontMetricsF(font)
    w, h = metrics.horizontalAdvance(text) + 12, metrics.height() + 4
    box = QRectF(at[0] - w / 2, at[1] - h / 2, w, h)
    # round half of the box's height may stick out, so that text is never cut at the window's edge
    limit = painter.viewport() if painter.viewport().isValid() else painter.window()
    box.moveLeft(min(max(box.left(), 2.0), max(2.0, limit.width() - w - 2)))
    for _ in range(12):
        if not any(box.intersects(other) for other in taken):
            break
        box.translate(0, h + 2)
    taken.append(QRectF(box))
    painter.setFont(font)
    painter.setBrush(style.paper)
    painter.setPen(QPen(edge, 1.5))
    painter.drawRoundedRect(box, 5, 5)
    painter.setPen(style.ink)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def draw_measurement(
    painter: QPainter,
    screen: np.ndarray,
    positions: np.ndarray,
    atoms: Sequence[int],
    colour: QColor,
    style: Style,
    taken: list[QRectF],
    *,
    prefix: str = "",
) -> None:
    """The value of 2, 3 or 4 atoms, beside a line through them."""
    points = screen[list(atoms)]
    draw_path(painter, points, colour, dashed=True)
    at = _beside(points, screen.mean(0), style.size * 2.4)
    draw_pill(painter, at, prefix + value_text(positions, atoms), colour, style, taken)


def _beside(points: np.ndarray, middle: np.ndarray, gap: float) -> np.ndarray:
    """Where the value goes: `gap` pixels off the central line, or off the outside of an angle."""
    if len(points) == 3:
        at = points[1]
        side = points[1] - 0.5 * (points[0] + points[2])
        gap *= 1.5
    else:
        a, b = points[len(points) // 2 - 1], points[len(points) // 2]
        at = 0.5 * (a + b)
        side = np.array([a[1] - b[1], b[0] - a[0]])
        if side @ (at - middle) < 0:
            side = -side
    length = float(np.linalg.norm(side))
    return at + gap * (side / length if length > 1e-6 else np.array([0.0, -1.0]))
