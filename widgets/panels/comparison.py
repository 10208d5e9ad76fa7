"""Comparison: every force field with its errors, surface, speed and stability, in one table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from core.analyses.compare import Score, scorecard
from core.analyses.errors import ErrorsSpec
from core.fieldref import FieldRef
from core.storage import load
from widgets.background import in_background
from widgets.empty import States
from widgets.field_list import REF, built_in, trained
from widgets.forms import Choice
from widgets.later import Refill
from widgets.naming import named, text_label, tool_button
from widgets.palette import color_of
from widgets.session import Session
from widgets.tables import Column, Row, Shown, Table
from widgets.uncertainty_view import UncertaintyView, sigma_columns, sigma_values

MOST_FRAMES = 1000  # evaluated at once; more do not change a mean that a person can read
KINDS = ("fits", "errors", "surfaces", "runs", "datasets")


def fair_frames(session: Session, dataset_id: str, refs: tuple[FieldRef, ...]) -> np.ndarray | None:
    """Frames (from 0) of a data set that none of the fits among `refs` has been trained on.

    None = all of them. At most MOST_FRAMES, evenly spread. Raises ValueError when none is left.
    """
    project = session.project
    item = project.item(dataset_id)
    data = load(item.record)
    free = np.ones(len(data), dtype=bool)
    for ref in refs:
        if not ref.model:
            continue
        fit = project.item(next(i.id for i in project.items("fits") if str(i.folder) in ref.model))
        spec = project.job(fit.id)
        used = [getattr(spec, "dataset", ""), *(s.dataset for s in getattr(spec, "others", ()))]
        if str(item.record) in used:
            record = load(fit.record)
            splits = [record.split, *(s.split for s in getattr(record, "others", ()))]
            split = splits[used.index(str(item.record))]
            free[split.train] = False
            free[split.valid] = False
    frames = np.flatnonzero(free & (data.has_energy | data.has_forces))
    if not len(frames):
        raise ValueError(
            f"every labelled frame of {item.name} was used to train: choose another data set"
        )
    if len(frames) > MOST_FRAMES:
        frames = frames[(np.arange(MOST_FRAMES) * len(frames)) // MOST_FRAMES]
    return None if len(frames) == len(data) else frames


class ComparisonPanel(QWidget):
    """The scorecard of the project."""

    TITLE = "Comparison"
    ORDER = 60
    AREA = "center"
    HELP = (
        "Every force field of the project side by side. Evaluate measures the ticked ones on the "
        "same frames, none of which they were trained on. Click a header to sort, a row to select "
        "it everywhere; Copy gives Markdown or CSV. Fields that tell their own error (σ) are drawn "
        "below the table: predicted against actual; click a point to see the frame."
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.scores: list[Score] = []
        self.jobs: dict[str, str] = {}  # job -> label
        self._problem = ""
        self._asked = 0
        self.data = named(Choice(), "Data set of the errors")
        self.data.setToolTip("Errors are shown, and measured, on this data set")
        self.table = Table("Comparison of force fields")
        self.uncertainty = UncertaintyView(session)
        down = QSplitter(Qt.Orientation.Vertical)
        down.setChildrenCollapsible(False)
        down.addWidget(self.table)
        down.addWidget(self.uncertainty)
        down.setSizes([200, 300])
        self.states = States(down)
        self.evaluate = tool_button("Evaluate…", check=True)
        self.evaluate.setAutoRaise(False)
        self.evaluate.setToolTip("Measure errors and speed of force fields on the data set")
        self.note = text_label("State of the evaluation", wrap=True)
        self._make_chooser()
        self._lay_out()
        session.project_changed.connect(self._project_changed)
        Refill(self, session, self._items_changed)
        session.catalog_changed.connect(self._catalog_changed)
        session.unit_changed.connect(self._unit_changed)
        session.theme_changed.connect(self._theme_changed)
        session.item_selected.connect(self._select)
        session.job_event.connect(self._job_event)
        self.table.row_selected.connect(self._row_selected)
        self.data.currentIndexChanged.connect(lambda _i: self._data_chosen())
        self._project_changed()

    # -- building -----------------------------------------------------------------------------
    def _make_chooser(self) -> None:
        self.chooser = QWidget()
        self.chooser.hide()
        self.fields = named(QListWidget(), "Force fields to evaluate")
        self.go = QPushButton("Evaluate")
        self.go.clicked.connect(self.submit)
        self.fields.itemChanged.connect(lambda _row: self._count())
        self.evaluate.toggled.connect(self.chooser.setVisible)
        row = QHBoxLayout(self.chooser)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.fields, 1)
        row.addWidget(self.go, 0, Qt.AlignmentFlag.AlignBottom)

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        label = QLabel("Errors on")
        label.setBuddy(self.data)
        bar.addWidget(label)
        bar.addWidget(self.data)
        bar.addWidget(self.evaluate)
        bar.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 4, 6, 4)
        box.addLayout(bar)
        box.addWidget(self.chooser)
        box.addWidget(self.note)
        box.addWidget(self.states, 1)
        self.note.hide()

    # -- filling ------------------------------------------------------------------------------
    def _project_changed(self) -> None:
        self.jobs.clear()
        self._say("")
        self._fill_datasets()
        self._fill_chooser()
        self.refresh()

    def _items_changed(self, kind: str) -> None:
        if kind in KINDS:
            if kind == "datasets":
                self._fill_datasets()
            if kind == "fits":
                self._fill_chooser()
            self.refresh()

    def _catalog_changed(self) -> None:
        self._fill_chooser()
        self._show()

    def _unit_changed(self, unit: Any) -> None:
        self._show()
        self.uncertainty.set_unit(unit)

    def _theme_changed(self, dark: bool) -> None:
        self._show()
        self.uncertainty.set_dark(dark)

    def _data_chosen(self) -> None:
        self._count()
        self.refresh()

    def _items(self, kind: str) -> list[Any]:
        project = self.session.project
        return [] if project is None else [i for i in project.items(kind) if i.record.exists()]

    def _fill_datasets(self) -> None:
        kept = self.data.currentData()
        self.data.blockSignals(True)
        self.data.clear()
        self.data.addItem("newest results", "")
        for item in self._items("datasets"):
            self.data.addItem(item.name, item.id)
        self.data.setCurrentIndex(max(0, self.data.findData(kept)))
        self.data.blockSignals(False)
        self._count()

    def _fill_chooser(self) -> None:
        kept = {r.text(): r.checkState() for r in self._rows()}
        self.fields.blockSignals(True)
        self.fields.clear()
        if self.session.project is not None:
            for ref, _item, tip in (*trained(self.session), *built_in(self.session)):
                row = QListWidgetItem(ref.label)
                row.setData(REF, ref)
                row.setToolTip(tip)
                row.setFlags(row.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                row.setCheckState(kept.get(ref.label, Qt.CheckState.Checked))
                self.fields.addItem(row)
        self.fields.blockSignals(False)
        height = self.fields.sizeHintForRow(0) if self.fields.count() else 18
        self.fields.setFixedHeight(min(8, max(2, self.fields.count())) * height + 6)
        self._count()

    def _rows(self) -> list[QListWidgetItem]:
        return [self.fields.item(k) for k in range(self.fields.count())]

    def ticked(self) -> tuple[FieldRef, ...]:
        """The force fields to evaluate."""
        rows = [r for r in self._rows() if r.checkState() == Qt.CheckState.Checked]
        return tuple(r.data(REF) for r in rows)

    def _count(self) -> None:
        n = len(self.ticked())
        chosen = self.data.currentData() or self._largest()
        names = [i.name for i in self._items("datasets") if i.id == chosen]
        self.go.setText(f"Evaluate {n} on {names[0]}" if n and names else "Evaluate")
        self.go.setEnabled(n > 0 and bool(self._items("datasets")))

    def refresh(self) -> None:
        """Read the project's results again, in the background."""
        project = self.session.project
        if project is None:
            self.scores = []
            self._show()
            return
        self._asked += 1
        asked, dataset = self._asked, self.data.currentData() or ""

        def done(scores: list[Score]) -> None:
            if asked == self._asked:
                self.scores, self._problem = scores, ""
                self._show()

        def failed(text: str) -> None:
            if asked == self._asked:
                self.scores, self._problem = [], text
                self._show()

        in_background(self, lambda: scorecard(project, dataset=dataset), done=done, failed=failed)

    def _show(self) -> None:
        if self._problem:
            self.states.failed("The results could not be read", self._problem)
            return
        self._show_uncertainty()
        if not self.scores:
            can = bool(self._items("datasets")) and self.fields.count() > 0
            self.states.empty(
                "Nothing to compare yet",
                "Train a force field, compute a surface or run dynamics; or measure force fields "
                "on a data set now.",
                button="Evaluate…" if can else "",
                on_click=lambda: self.evaluate.setChecked(True),
            )
            return
        unit = self.session.unit
        columns = (
            Column("Force field"),
            Column("Energy MAE", unit.label, unit.digits, "mean absolute error of the energy, "
                   "after a constant shift unless the field's energies are absolute"),
            Column("Force MAE", f"{unit.label}/Å", unit.digits,
                   "mean absolute error of the force components"),
            Column("Surface RMSE", unit.label, unit.digits,
                   "root mean square difference to the reference surface, mean difference removed"),
            Column("Single", "ms", 3, "time of one evaluation, one geometry at a time"),
            Column("Bulk", "ms", 3, "time per geometry, many at once"),
            Column("Stable", "ps", 2, "dynamics until the first unphysical frame; ≥: none came"),
            *(sigma_columns(unit) if any(s.sigma for s in self.scores) else ()),
            Column("Errors measured on"),
        )  # fmt: skip
        rows = [self._row(s) for s in self.scores]
        self.table.set_table(columns, rows)
        self.states.ready()

    def _row(self, s: Score) -> Row:
        unit = self.session.unit
        ps: float = s.stable_ps
        if s.never_failed and math.isfinite(ps):
            ps = Shown(ps, f"≥ {ps:.2f}")
        on = ""
        if s.frames:
            own = "own test frames" if s.own_test else "frames"
            on = f"{s.frames} {own}" + (f" of {s.dataset}" if s.dataset else "")
        values: tuple[Any, ...] = (
            s.label, unit.from_ev(s.energy_mae), unit.from_ev(s.force_mae),
                  unit.from_ev(s.surface_rmse), s.single_ms, s.bulk_ms, ps)  # fmt: skip
        if any(other.sigma for other in self.scores):
            values += sigma_values(s, unit)
        values += (on,)
        tip = f"surface: {s.surface}" if s.surface else ""
        return Row(s.id, values, color_of(s.label, dark=self.session.dark), tip)

    # -- selection ----------------------------------------------------------------------------
    def _show_uncertainty(self, id: str = "") -> None:
        """Of the row selected, else of the one on show, else of the first that has one."""
        now = "" if self.uncertainty.score is None else self.uncertainty.score.id
        known = {s.id: s for s in self.scores if s.sigma}
        first = next(iter(known), "")
        wanted = next((k for k in (id or self.table.selected(), now, first) if k in known), "")
        self.uncertainty.show_score(known.get(wanted))

    def _row_selected(self, id: str) -> None:
        self._show_uncertainty(id)
        item = next((s.item for s in self.scores if s.id == id), "")
        if item:
            self.session.item_selected.emit(item)

    def _select(self, item_id: str) -> None:
        here = [s.id for s in self.scores if s.item == item_id]
        if here and self.table.selected() not in here:
            self.table.select(here[0])
        if here:
            self._show_uncertainty(here[0])

    # -- evaluate -----------------------------------------------------------------------------
    def submit(self) -> list[str]:
        """Measure the ticked force fields on the chosen data set; returns the jobs."""
        project, refs = self.session.project, self.ticked()
        chosen = self.data.currentData() or self._largest()
        if project is None or not refs or not chosen:
            self._say("Tick a force field and open a data set first.", problem=True)
            return []
        self._say("Choosing frames …")
        in_background(
            self,
            lambda: fair_frames(self.session, chosen, refs),
            done=lambda frames: self._submit(chosen, refs, frames),
            failed=lambda text: self._say(text, problem=True),
        )
        return list(self.jobs)

    def _largest(self) -> str:
        """The data set with the most in it, where none is chosen."""
        items = self._items("datasets")
        return max(items, key=lambda i: i.record.stat().st_size).id if items else ""

    def _submit(self, dataset: str, refs: tuple[FieldRef, ...], frames: Any) -> None:
        project = self.session.project
        data = project.item(dataset)
        for ref in refs:
            name = f"{ref.label} on {data.name}"
            try:
                item = project.reserve("errors", name)
                spec = ErrorsSpec(ref, str(data.record), frames, out=str(item.folder))
                job = self.session.submit(spec, title=f"Evaluating {name}")
            except (ValueError, OSError, RuntimeError) as error:
                self._say(f"{name}: {error}", problem=True)
                return
            self.jobs[job] = ref.label
        self.evaluate.setChecked(False)
        self._say_waiting()

    def _job_event(self, job: str, event: Any) -> None:
        if job not in self.jobs:
            return
        if event.kind == "failed":
            text = f"{self.jobs[job]}: {event.payload.get('message', 'failed')}"
            del self.jobs[job]
            self._say(text, problem=True)
        elif event.kind in ("done", "cancelled"):
            del self.jobs[job]
            self._say_waiting()
            self.refresh()

    def _say_waiting(self) -> None:
        names = list(self.jobs.values())
        self._say(f"Evaluating {', '.join(names)} …" if names else "")

    def _say(self, text: str, *, problem: bool = False) -> None:
        if not text and self.note.property("problem"):
            return  # a failure stays to be read until the next evaluation
        self.note.setProperty("problem", problem)
        role = self.palette().ColorRole
        self.note.setForegroundRole(role.BrightText if problem else role.WindowText)
        self.note.setText(text)
        self.note.setVisible(bool(text))


PANEL = ComparisonPanel
