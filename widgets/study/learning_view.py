"""Learning curves on the screen: error against training frames, one curve per force field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QTabWidget, QVBoxLayout, QWidget

from core.analyses.learning import Learning, LearningPoint, LearningSpec
from core.units import EnergyUnit
from widgets.fit.result import quantity_text
from widgets.forms import Choice
from widgets.naming import named, text_label
from widgets.session import Session
from widgets.study.plot import ErrorPlot, Series
from widgets.study.styles import distinct
from widgets.tables import Column, Row, Shown, Table

REDRAW_MS = 100
QUANTITIES = (("Forces", "force"), ("Energies", "energy"))
MEASURES = (("MAE", "mae"), ("RMSE", "rmse"))


class LearningView(QWidget):
    """Shows a Learning, or the points of one that runs."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.unit: EnergyUnit = session.unit
        self.dark = session.dark
        self.points: list[LearningPoint] = []
        self.labels: tuple[str, ...] = ()
        self._stopped, self._seed = False, 0
        self.quantity = named(Choice(), "Energy or forces", "Errors of the forces or the energies")
        self.measure = named(Choice(), "MAE or RMSE", "Mean absolute or root mean square error")
        for combo, rows in ((self.quantity, QUANTITIES), (self.measure, MEASURES)):
            for text, key in rows:
                combo.addItem(text, key)
            combo.currentIndexChanged.connect(lambda _i: self.refresh())
        self.note = text_label("Remarks on the learning curves", wrap=True)
        self.failed = text_label("Trainings that failed", wrap=True)
        self.failed.setForegroundRole(self.palette().ColorRole.BrightText)
        self.failed.setContentsMargins(6, 0, 6, 0)
        self.failed.hide()
        self.plot = ErrorPlot("learning curves", log_x=True, log_y=True)
        self.table = Table("Points of the learning curves", filter_box=True)
        self.tabs = QTabWidget(documentMode=True)
        self.tabs.addTab(self.plot, "Curves")
        self.tabs.addTab(self.table, "Points")
        top = QHBoxLayout()
        top.setContentsMargins(6, 2, 6, 0)
        top.addWidget(self.quantity)
        top.addWidget(self.measure)
        top.addWidget(self.note, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addLayout(top)
        box.addWidget(self.failed)
        box.addWidget(self.tabs, 1)
        self._timer = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._timer.timeout.connect(self.refresh)
        self.plot.set_dark(session.dark)

    # -- what is shown ------------------------------------------------------------------------
    def start_live(self, spec: LearningSpec) -> None:
        """A job is running: points come by `take`."""
        self.show_points((), [c.label for c in spec.candidates], seed=spec.seed)

    def take(self, kind: str, payload: dict[str, Any]) -> bool:
        """An event of the job; True when there is something to show."""
        if kind == "frame" and isinstance(payload.get("point"), LearningPoint):
            self.points.append(payload["point"])
            self._timer.start() if not self._timer.isActive() else None
        return bool(self.points)

    def show_result(self, result: Learning) -> None:
        """The end of it, or one from the project."""
        labels = [c.label for c in result.candidates]
        self.show_points(result.points, labels, result.stopped, seed=result.seed)

    def show_points(
        self,
        points: Sequence[LearningPoint],
        labels: Sequence[str],
        stopped: bool = False,
        *,
        seed: int = 0,
    ) -> None:
        """points: as they were computed; labels: of all curves, in their order."""
        self.points, self.labels = list(points), tuple(labels)
        self._stopped, self._seed = stopped, seed
        self.plot.reset()
        self.refresh()

    def set_unit(self, unit: EnergyUnit) -> None:
        """Follow the unit of the screen."""
        self.unit = unit
        self.refresh()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.dark = dark
        self.plot.set_dark(dark)
        self.refresh()

    # -- drawing ------------------------------------------------------------------------------
    def _means(self, label: str, name: str) -> np.ndarray:
        """(3,S): sizes, mean and standard deviation over the draws, in the unit of the screen."""
        learning = Learning("", "", (), tuple(self.points))
        found = learning.mean(label, name)
        found[1:] = self.unit.from_ev(found[1:])
        return found

    def refresh(self) -> None:
        """Draw what there is."""
        quantity, measure = self.quantity.currentData(), self.measure.currentData()
        unit = f"{self.unit.label}/Å" if quantity == "force" else self.unit.label
        series = []
        styles = distinct(self.labels)
        for label in self.labels:
            sizes, mean, spread = self._means(label, f"{quantity}_{measure}")
            style = styles[label]
            if len(sizes):
                colors = (style.light, style.dark)
                series.append(Series(label, sizes, mean, colors, style.marker, style.glyph, spread))
        title = "Force" if quantity == "force" else "Energy"
        self.plot.set_labels("training frames", f"{title} {measure.upper()} ({unit})")
        self.plot.set_ticks(sorted({p.n_train for p in self.points}))
        self.plot.set_series(series)
        self._fill_table()
        self._tell_failed()
        parts = []
        if self._stopped:
            parts.append("Stopped early.")
        draws = max((p.repeat for p in self.points), default=0) + 1
        if draws > 1:
            parts.append(f"Error bars: standard deviation over {draws} draws.")
        self.note.setText(" ".join(parts))

    def _tell_failed(self) -> None:
        """Which trainings failed so far: the last in words, all of them in the tip."""
        failed = [self._why(p) for p in self.points if p.problem]
        some = "1 training" if len(failed) == 1 else f"{len(failed)} trainings"
        last = "" if len(failed) == 1 else "the last was "
        text = f"{some} failed, the others go on: {last}{failed[-1]}" if failed else ""
        self.failed.setText(text)
        self.failed.setToolTip("\n".join(failed))
        self.failed.setVisible(bool(failed))

    def _why(self, p: LearningPoint) -> str:
        """Which training failed, and the sentence that it failed with."""
        draw = f"draw {p.repeat + 1} (seed {self._seed + p.repeat})"
        end = "" if p.problem.endswith((".", "!", "?")) else "."
        return f"{p.label}, {p.n_train} frames, {draw}: {p.problem}{end}"

    def _fill_table(self) -> None:
        columns = [Column("Force field"), Column("Frames", digits=0)]
        names = [f"{q}_{m}" for _, q in QUANTITIES for _, m in MEASURES]
        for name in names:
            title, measure = name.split("_")
            unit = f"{self.unit.label}/Å" if title == "force" else self.unit.label
            columns.append(
                Column(
                    f"{title.capitalize()} {measure.upper()}",
                    unit,
                    self.unit.digits,
                    "mean ± standard deviation over the draws, on frames no training saw",
                )
            )
        columns += [Column("Time", "s", 1, "mean of a training"), Column("Draws", digits=0),
                    Column("Remarks")]  # fmt: skip
        rows, styles = [], distinct(self.labels)
        for label in self.labels:
            mine = [p for p in self.points if p.label == label]
            for n in sorted({p.n_train for p in mine}):
                here = [p for p in mine if p.n_train == n]
                good = [p for p in here if not p.problem]
                cells = [self._cell([getattr(p, name) for p in good]) for name in names]
                seconds = float(np.mean([p.seconds for p in good])) if good else float("nan")
                why = "; ".join(dict.fromkeys(p.problem for p in here if p.problem))
                values = (label, n, *cells, seconds, len(good), why)
                color = styles[label].color(dark=self.dark)
                rows.append(Row(f"{label} {n}", values, color, tip=why))
        self.table.set_table(columns, rows)

    def _cell(self, values: list[float]) -> float:
        if not values:
            return float("nan")
        mean, text = float(np.mean(values)), quantity_text(float(np.mean(values)), self.unit)
        if len(values) > 1:
            text += f" ± {quantity_text(float(np.std(values, ddof=1)), self.unit)}"
        return Shown(self.unit.from_ev(mean), text)
