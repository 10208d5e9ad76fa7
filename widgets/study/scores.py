"""Trials of a search as numbers to draw: where each setting lies, and how good it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from core.analyses.search import Range, Trial, score
from core.units import EnergyUnit
from widgets.palette import table

TICKS = 5  # numbers beside an axis, at most
SHADES = 24  # colours that are told apart


def value_text(value: Any) -> str:
    """A setting as a person reads it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, eq=False)
class Axis:
    """One setting. `place` gives 0..1; ticks: (place, text)."""

    name: str
    title: str
    log: bool
    low: float
    high: float
    choices: tuple[Any, ...] = ()
    whole: bool = False

    @classmethod
    def of(cls, r: Range, title: str, trials: Sequence[Trial]) -> Axis:
        """The range, or the values that occur where it names choices."""
        if r.choices:
            seen = [t.values[r.name] for t in trials if r.name in t.values]
            every = tuple(dict.fromkeys([*r.choices, *seen]))
            return cls(r.name, title, False, 0.0, float(max(1, len(every) - 1)), every)
        return cls(r.name, title, r.log and r.low > 0, r.low, r.high, whole=r.whole)

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return not self.choices

    def place(self, value: Any) -> float:
        """0 at the low end, 1 at the high one."""
        if self.choices:
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        low, high, at = self.low, self.high, float(value)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(max(at, 1e-300))
        return (at - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        """Places and what stands there."""
        if self.choices:
            return [(self.place(c), value_text(c)) for c in self.choices]
        if self.high <= self.low:
            return [(0.5, value_text(self.low))]
        share = np.linspace(0, 1, TICKS)
        if self.log:
            values = np.exp(math.log(self.low) + share * math.log(self.high / self.low))
        else:
            values = self.low + share * (self.high - self.low)
        if self.whole:
            whole = dict.fromkeys(round(float(v)) for v in values)
            return [(self.place(v), str(v)) for v in whole]
        return [(float(s), f"{v:.3g}") for s, v in zip(share, values, strict=True)]


@dataclass(frozen=True, eq=False)
class Scores:
    """Trials and their scores in the unit of the screen, inf where one failed."""

    trials: tuple[Trial, ...]
    axes: tuple[Axis, ...]
    values: np.ndarray
    unit: str
    title: str

    @classmethod
    def of(
        cls,
        trials: Sequence[Trial],
        ranges: Sequence[Range],
        titles: dict[str, str],
        objective: str,
        unit: EnergyUnit,
    ) -> Scores:
        """titles: name of a setting -> how a person calls it."""
        size = {"force": 1, "energy": 1, "both": 2}[objective]
        raw = np.array([score(t, objective) for t in trials], dtype=float)
        label = {"force": f"{unit.label}/Å", "energy": unit.label, "both": f"({unit.label})²/Å"}
        name = {"force": "Force RMSE", "energy": "Energy RMSE", "both": "Force × energy RMSE"}
        return cls(
            tuple(trials),
            tuple(Axis.of(r, titles.get(r.name, r.name), trials) for r in ranges),
            raw / unit.ev**size,
            label[objective],
            name[objective],
        )

    @property
    def best(self) -> int:
        """Index of the winner, -1 where none worked."""
        good = np.isfinite(self.values)
        return int(np.argmin(self.values)) if good.any() else -1

    @property
    def limits(self) -> tuple[float, float]:
        """Best and worst finite score."""
        good = self.values[np.isfinite(self.values)]
        return (float(good.min()), float(good.max())) if len(good) else (0.0, 1.0)

    def places(self) -> np.ndarray:
        """(T,) 0 = best, 1 = worst, by ratio where all scores are positive; NaN = failed."""
        low, high = self.limits
        good = np.isfinite(self.values)
        out = np.full(len(self.values), np.nan)
        if high <= low:
            out[good] = 0.0
        elif low > 0:
            out[good] = np.log(self.values[good] / low) / math.log(high / low)
        else:
            out[good] = (self.values[good] - low) / (high - low)
        return out

    def ticks(self) -> list[tuple[float, str]]:
        """Numbers for the axis of the score."""
        low, high = self.limits
        if high <= low:
            return [(0.0, f"{low:.3g}")]
        share = np.linspace(0, 1, TICKS)
        values = low * (high / low) ** share if low > 0 else low + share * (high - low)
        return [(float(s), f"{v:.3g}") for s, v in zip(share, values, strict=True)]

    def text(self, index: int) -> str:
        """One trial in words."""
        trial = self.trials[index]
        parts = [f"{a.title} {value_text(trial.values[a.name])}" for a in self.axes]
        if trial.problem:
            return f"Trial {index + 1}: {', '.join(parts)}: failed. {trial.problem}"
        return (
            f"Trial {index + 1}: {', '.join(parts)}: {self.title} "
            f"{self.values[index]:.4g} {self.unit}"
        )


def shade(place: float, *, dark: bool) -> QColor:
    """Colour of a score: 0 = best. The end that vanishes on the paper is left out."""
    colours = table("sequential")
    # on white the best are dark blue, on black bright yellow: always what stands out most
    at = 255 - 190 * place if dark else 200 * place
    return QColor(*(int(c) for c in colours[int(np.clip(at, 0, 255))]))


class ColourStrip(QWidget):
    """The scale of the colours, from the best score to the worst."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.low = self.high = ""
        self.dark = False
        self.setFixedHeight(self.fontMetrics().height() + 4)
        self.setAccessibleName("Scale of the colours")

    def show_scores(self, scores: Scores | None, *, dark: bool) -> None:
        """The limits of these scores."""
        self.dark = dark
        low, high = scores.limits if scores is not None and scores.best >= 0 else (0.0, 0.0)
        self.low = f"best {low:.3g}" if high else ""
        self.high = f"worst {high:.3g} {scores.unit}" if high and scores is not None else ""
        self.setVisible(bool(high))
        self.setToolTip(f"{self.low}, {self.high}")
        self.update()

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(200, self.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Text, gradient, text."""
        painter = QPainter(self)
        metrics, gap = self.fontMetrics(), 6
        left, right = (metrics.horizontalAdvance(t) for t in (self.low, self.high))
        base = (self.height() + metrics.ascent() - metrics.descent()) // 2
        painter.drawText(2, base, self.low)
        room = min(140, max(20, self.width() - left - right - 2 * gap - 6))
        bar = self.rect().adjusted(left + gap + 2, 5, 0, -5)
        bar.setWidth(room)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for k in range(9):
            gradient.setColorAt(k / 8, shade(k / 8, dark=self.dark))
        painter.fillRect(bar, gradient)
        painter.drawText(bar.right() + gap, base, self.high)
        painter.end()
