"""A search of settings on the screen: all trials, the best so far, and a button to use them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QSizePolicy, QTabWidget, QWidget

from core.analyses.search import Search, SearchSpec, Trial
from core.units import EnergyUnit
from widgets.form_beside import under_head
from widgets.naming import push_button, text_label
from widgets.palette import STYLES
from widgets.session import Session
from widgets.study.map import ScoreMap
from widgets.study.parallel import ParallelPlot
from widgets.study.plot import ErrorPlot, Series
from widgets.study.scores import Scores, value_text
from widgets.tables import Column, Row, Shown, Table

REDRAW_MS = 150


class SearchView(QWidget):
    """Shows a Search, or the trials of one that runs."""

    fit_wanted = Signal(object)  # FitSpec with the best settings

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.unit, self.dark = session, session.unit, session.dark
        self.spec: SearchSpec | Search | None = None
        self.result: Search | None = None
        self.trials: list[Trial] = []
        self.scores: Scores | None = None
        self.headline = text_label("The best settings", wrap=True)
        self.headline.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.train = push_button(
            "Train with the best", "Open the training form filled in with these settings"
        )
        self.parallel, self.map = ParallelPlot(), ScoreMap()
        self.progress = ErrorPlot("best so far", log_y=True)
        self.table = Table("Trials", filter_box=True)
        self.tabs = QTabWidget(documentMode=True)
        for widget, title in ((self.parallel, "Settings"), (self.map, "Map"),
                              (self.progress, "Best so far"), (self.table, "Trials")):  # fmt: skip
            self.tabs.addTab(widget, title)
        under_head(self, self.headline, self.train, self.tabs)
        self._timer = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._timer.timeout.connect(self.refresh)
        self.train.clicked.connect(self._train)
        self.table.row_selected.connect(lambda key: self._mark(int(key)))
        for plot in (self.parallel, self.map):
            plot.trial_clicked.connect(self._clicked)
        self._stale: set[int] = set()
        self.tabs.currentChanged.connect(lambda _i: self._draw_tab())
        self.set_dark(session.dark)

    # -- what is shown ------------------------------------------------------------------------
    def start_live(self, spec: SearchSpec) -> None:
        """A job is running: trials come by `take`."""
        self._begin(spec, ())
        self.result = None
        self.refresh()

    def take(self, kind: str, payload: dict[str, Any]) -> bool:
        """An event of the job; True when there is something to show."""
        if kind == "frame" and isinstance(payload.get("trial"), Trial):
            self.trials.append(payload["trial"])
            if not self._timer.isActive():
                self._timer.start()
        return bool(self.trials)

    def show_result(self, result: Search) -> None:
        """The end of it, or one from the project."""
        self._begin(result, result.trials)
        self.result = result
        self.refresh()

    def _begin(self, spec: SearchSpec | Search, trials: tuple[Trial, ...]) -> None:
        self.spec, self.trials = spec, list(trials)
        two = len(spec.ranges) == 2 and not any(r.choices for r in spec.ranges)
        self.tabs.setTabVisible(1, two)
        self._mark(-1)
        self.progress.reset()

    def set_unit(self, unit: EnergyUnit) -> None:
        """Follow the unit of the screen."""
        self.unit = unit
        self.refresh()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.dark = dark
        for plot in (self.parallel, self.map, self.progress):
            plot.set_dark(dark)

    # -- drawing ------------------------------------------------------------------------------
    def _titles(self) -> dict[str, str]:
        key = self.spec.fit.key if self.spec is not None else ""
        info = next((i for i in self.session.catalog if i.key == key), None)
        return {
            p.name: f"{p.label} ({p.unit})" if p.unit else p.label
            for p in (info.parameters if info is not None else ())
        }

    def refresh(self) -> None:
        """Draw what there is."""
        if self.spec is None:
            return
        s = Scores.of(self.trials, self.spec.ranges, self._titles(), self.spec.objective, self.unit)
        self.scores = s
        self._stale = {0, 1, 2, 3}
        self._draw_tab()
        self.train.setEnabled(self.result is not None and s.best >= 0)
        self._say(s)

    def _draw_tab(self) -> None:
        """Only what is seen is drawn: a search may have two thousand trials."""
        at, s = self.tabs.currentIndex(), self.scores
        if at in self._stale and s is not None:
            self._stale.discard(at)
            draw = (
                self.parallel.show_scores, self.map.show_scores,
                self._draw_progress, self._fill_table,
            )[at]  # fmt: skip
            draw(s)

    def _say(self, s: Scores) -> None:
        if s.best < 0:
            self.headline.setText("No training has worked so far: Trials tells why." if s.trials
                                  else "")  # fmt: skip
            return
        best = s.trials[s.best]
        chosen = ", ".join(f"{a.title} <b>{value_text(best.values[a.name])}</b>" for a in s.axes)
        failed = sum(not np.isfinite(v) for v in s.values)
        more = f" {failed} of {len(s.trials)} failed." if failed else ""
        early = " Stopped early." if self.result is not None and self.result.stopped else ""
        self.headline.setText(
            f"Best of {len(s.trials)}: {chosen}. {s.title} <b>{s.values[s.best]:.4g}</b> {s.unit} "
            f"on the validation frames.{more}{early}{self._edge(s)}"
        )

    def _edge(self, s: Scores) -> str:
        """The best may lie outside of what was searched."""
        places = [(a, a.place(s.trials[s.best].values[a.name])) for a in s.axes if a.numeric]
        at = [a.title for a, place in places if a.high > a.low and not 0.01 < place < 0.99]
        if not at or len(s.trials) < 3 or self.result is None:
            return ""
        return f" At the edge of the range of {' and '.join(at)}: search further out."

    def _draw_progress(self, s: Scores) -> None:
        x = np.arange(1, len(s.values) + 1, dtype=float)
        good = np.where(np.isfinite(s.values), s.values, np.nan)
        best = np.fmin.accumulate(good) if len(good) else good
        self.progress.set_labels("trial", f"{s.title} ({s.unit})")
        self.progress.set_series(
            [
                Series("each trial", x, good, STYLES[1][:2], "s", "■", line=False),
                Series("best so far", x, best, STYLES[2][:2], "", "━", steps=True),
            ]
        )

    def _fill_table(self, s: Scores) -> None:
        unit = self.unit
        columns = [Column("Trial", digits=0)]
        columns += [Column(a.title, digits=3 if a.numeric else None) for a in s.axes]
        columns += [
            Column("Force RMSE", f"{unit.label}/Å", unit.digits, "on the validation frames"),
            Column("Energy RMSE", unit.label, unit.digits, "on the validation frames"),
            Column("Time", "s", 1, "of the training"),
            Column("Remarks"),
        ]
        rows = []
        for k, t in enumerate(s.trials):
            values: list[Any] = [k + 1]
            for a in s.axes:
                value = t.values[a.name]
                text = value_text(value)
                values.append(Shown(float(value), text) if a.numeric else text)
            values += [
                unit.from_ev(t.force_rmse), unit.from_ev(t.energy_rmse), t.seconds,
                t.problem or ("best" if k == s.best else ""),
            ]  # fmt: skip
            rows.append(Row(str(k), tuple(values), tip=t.problem))
        self.table.set_table(columns, rows)

    # -- selecting ----------------------------------------------------------------------------
    def _mark(self, index: int) -> None:
        self.parallel.select(index)
        self.map.select(index)

    def _clicked(self, index: int) -> None:
        self.table.select(str(index))
        self._mark(index)

    def _train(self) -> None:
        if self.result is not None:
            fit = dataclasses.replace(
                self.result.fit, hyper=self.result.hyper, split=None, label="", out=""
            )
            self.fit_wanted.emit(fit)
