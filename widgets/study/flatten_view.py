"""A flattened training set on the screen: errors of the groups before and after, and the rounds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QTabWidget, QWidget

from core.analyses.flatten import Flatten, FlattenSpec
from core.dataset import Dataset
from core.units import EnergyUnit
from widgets.form_beside import under_head
from widgets.loading import load_item
from widgets.naming import push_button, text_label
from widgets.palette import STYLES
from widgets.session import Geometries, Session
from widgets.study.bars import GroupBars
from widgets.study.plot import ErrorPlot, Series
from widgets.tables import Column, Row, Table

CURVES = (("worst group", 2), ("all frames", 1))  # names of the events, styles


class FlattenView(QWidget):
    """Shows a Flatten, or the rounds of one that runs."""

    fit_wanted = Signal(object)  # FitSpec on the frames found

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.unit = session, session.unit
        self.result: Flatten | None = None
        self._rounds: dict[str, list[tuple[float, float]]] = {}
        self.headline = text_label("What became better", wrap=True)
        self.headline.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.train = push_button(
            "Train on these frames", "Open the training form with this training set"
        )
        self.bars = GroupBars()
        self.rounds = ErrorPlot("rounds")
        self.table = Table("Groups", filter_box=True)
        self.tabs = QTabWidget(documentMode=True)
        for widget, title in ((self.bars, "Groups"), (self.rounds, "Rounds"),
                              (self.table, "Table")):  # fmt: skip
            self.tabs.addTab(widget, title)
        under_head(self, self.headline, self.train, self.tabs)
        self.train.clicked.connect(self._train)
        self.bars.group_clicked.connect(self.show_group)
        self.table.row_selected.connect(lambda key: self.show_group(int(key)))
        self.set_dark(session.dark)

    # -- what is shown ------------------------------------------------------------------------
    def start_live(self, spec: FlattenSpec) -> None:
        """A job is running: rounds come by `take`."""
        self.result, self._rounds = None, {}
        self._have_result(False)
        self.headline.setText("Each round adds frames from the worst groups.")
        self._draw_rounds()

    def take(self, kind: str, payload: dict[str, Any]) -> bool:
        """An event of the job; True when there is something to show."""
        if kind == "curve" and payload.get("name") in dict(CURVES):
            points = self._rounds.setdefault(payload["name"], [])
            x, y = (np.atleast_1d(payload[k]) for k in ("x", "y"))
            points.extend(zip(x.tolist(), y.tolist(), strict=True))
            self._draw_rounds()
        return bool(self._rounds)

    def show_result(self, result: Flatten) -> None:
        """The end of it, or one from the project."""
        fresh = self.result is not result
        self.result = result
        if fresh:
            steps = self._sizes(result)
            self._rounds = {
                name: list(zip(steps, values.tolist(), strict=True))
                for (name, _), values in zip(CURVES, result.rounds, strict=True)
            }
        self._have_result(True)
        self.refresh()

    def _sizes(self, result: Flatten) -> list[float]:
        """Frames in each round; the numbers of the rounds in a result that does not tell."""
        known = len(result.sizes) == result.rounds.shape[1]
        steps = result.sizes if known else range(1, result.rounds.shape[1] + 1)
        return [float(n) for n in steps]

    def _have_result(self, there: bool) -> None:
        for index in (0, 2):
            self.tabs.setTabEnabled(index, there)
        self.tabs.setCurrentIndex(0 if there else 1)
        self.train.setEnabled(there)

    def set_unit(self, unit: EnergyUnit) -> None:
        """Follow the unit of the screen."""
        self.unit = unit
        self.refresh()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.bars.set_dark(dark)
        self.rounds.set_dark(dark)

    # -- drawing ------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Draw what there is."""
        self._draw_rounds()
        r, unit = self.result, self.unit
        if r is None:
            return
        self.bars.show_result(r, unit)
        self._fill_table(r)
        label, n = f"{unit.label}/Å", unit.digits
        worst = [unit.from_ev(np.nanmax(v)) for v in (r.before, r.after)]
        every = [unit.from_ev(v) for v in (r.rmse_before, r.rmse_after)]
        early = " Stopped early." if r.stopped else ""
        if not worst[1] < worst[0]:
            early += " Not flatter: try more training frames, more rounds or fewer groups."
        self.headline.setText(
            f"Force RMSE of the worst group <b>{worst[0]:.{n}f} → {worst[1]:.{n}f}</b>, of all "
            f"test frames <b>{every[0]:.{n}f} → {every[1]:.{n}f}</b> {label}, with "
            f"{len(r.split.train)} training frames each.{early}"
        )

    def _draw_rounds(self) -> None:
        series = []
        for name, style in CURVES:
            points = np.array(self._rounds.get(name, ())).reshape(-1, 2)
            light, dark, marker, glyph = STYLES[style]
            y = self.unit.from_ev(points[:, 1])
            series.append(Series(name, points[:, 0], y, (light, dark), marker, glyph))
        frames = any(x > len(p) for p in self._rounds.values() for x, _ in p)
        self.rounds.set_labels(
            "training frames" if frames else "round", f"Force RMSE ({self.unit.label}/Å)"
        )
        self.rounds.set_series(series)

    def _fill_table(self, r: Flatten) -> None:
        unit = self.unit
        label = f"{unit.label}/Å"
        taken = [np.bincount(r.cluster[s.train], minlength=len(r.size))
                 for s in (r.split_before, r.split)]  # fmt: skip
        columns = (
            Column("Group", digits=0),
            Column("Frames", digits=0, tip="of the data set"),
            Column("RMSE before", label, unit.digits, "of the forces, on the test frames"),
            Column("RMSE after", label, unit.digits, "of the forces, on the test frames"),
            Column("Trained on", "before", 0, tip="frames of the training set before"),
            Column("Trained on", "after", 0, tip="frames of the flattened training set"),
        )
        rows = [
            Row(str(k), (int(k) + 1, int(r.size[k]), float(unit.from_ev(r.before[k])),
                         float(unit.from_ev(r.after[k])), int(taken[0][k]), int(taken[1][k])))
            for k in self.bars.order[::-1]
        ]  # fmt: skip
        self.table.set_table(columns, rows)

    # -- frames of a group --------------------------------------------------------------------
    def show_group(self, group: int) -> None:
        """Put the frames of a group into the molecule view."""
        r, project = self.result, self.session.project
        if r is None or project is None:
            return
        self.bars.select(group)
        self.table.select(str(group))
        item = next((i for i in project.items("datasets") if str(i.record) == r.fit.dataset), None)
        if item is None:
            self.session.message.emit("The data set of this study is no longer there.", "warning")
            return
        load_item(
            self,
            project,
            item,
            done=lambda record: self._show_frames(r, group, record),
            failed=lambda text: self.session.message.emit(text, "error"),
        )

    def _show_frames(self, r: Flatten, group: int, dataset: Any) -> None:
        mine = np.flatnonzero(r.cluster == group)
        if r is not self.result or not isinstance(dataset, Dataset):
            return
        if not len(mine) or len(dataset) != len(r.cluster):
            self.session.message.emit("The data set has changed since this study.", "warning")
            return
        energies = None if dataset.energies is None else dataset.energies[mine]
        self.session.show(
            Geometries(
                dataset.molecule,
                dataset.positions[mine],
                energies,
                caption=f"{dataset.name}, group {group + 1}",
            )
        )

    def _train(self) -> None:
        r = self.result
        if r is not None:
            fit = dataclasses.replace(
                r.fit, split=r.split, n_train=len(r.split.train), n_valid=len(r.split.valid),
                n_test=len(r.split.test), label="", out="",
            )  # fmt: skip
            self.fit_wanted.emit(fit)
