"""Dynamics: let the atoms move, watch temperature, energy and the path on the surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from core.analyses.dynamics import DynamicsSpec, Trajectory
from core.dataset import Dataset
from core.engine.events import FINAL, Event
from widgets.commands import AddItem
from widgets.dynamics_form import DynamicsForm
from widgets.empty import States
from widgets.form_beside import in_a_row, lay_out
from widgets.later import Refill
from widgets.loading import load_item
from widgets.run.data import RunData
from widgets.run.head import RunHead
from widgets.run.plots import RunPlots
from widgets.session import Geometries, Session
from widgets.surface.overlays import SurfaceBehind

FORM_WIDTH = 222
LIVE_MS = 150  # the molecule view gets new frames this often


class DynamicsPanel(QWidget):
    """One question: does this force field keep the molecule together, and where does it go?"""

    TITLE = "Dynamics"
    ORDER = 30
    AREA = "center"
    HELP = (
        "Choose a force field and press Run. Temperature, energies and the path on the surface are "
        "drawn as the atoms move; click a curve to see that frame. A replica stops at its first "
        "unphysical frame (a bond too long, energy or temperature out of bounds): such frames can "
        "be kept as a data set to be labelled. Stop keeps what is there, Cancel throws it away."
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.data: RunData | None = None
        self.job = ""
        self._loading = ""
        self._started = 0.0
        self._rate = float("nan")
        self._shown: Geometries | None = None
        self.form = DynamicsForm(session)
        self.plots = RunPlots(session)
        self.head = RunHead(session)
        self.states = States(self.plots)
        self.states.message.button.setToolTip("Start what the form on the left says")
        self.behind = SurfaceBehind(session)
        self.behind.found.connect(self.plots.set_surface)
        self.behind.problem.connect(self.head.trouble)
        self.run = _button("Run", "Start the dynamics (Ctrl+Enter)", self.start)
        self.stop = _button(
            "Stop",
            "Finish early and keep what is there",
            lambda: self.job and session.stop(self.job),
        )
        self.cancel = _button(
            "Cancel", "Throw this run away", lambda: self.job and session.cancel(self.job)
        )
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setAccessibleName("Progress of the dynamics")
        self.why = QLabel(wordWrap=True)
        self.why.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.replica, self.follow, self.keep = self.head.replica, self.head.follow, self.head.keep
        self.keep.clicked.connect(lambda _on=False: self.keep_unphysical())
        self.head.fold.clicked.connect(self._fold)
        self._lay_out()
        self._live = QTimer(self)
        self._live.setSingleShot(True)
        self._live.setInterval(LIVE_MS)
        self._live.timeout.connect(self._show_live)
        self.form.changed.connect(self._form_changed)
        self.replica.valueChanged.connect(self._choose_replica)
        self.follow.toggled.connect(lambda on: self._show_live() if on and self.job else None)
        self.plots.chosen.connect(self.show_frame)
        session.project_changed.connect(self._project_changed)
        Refill(self, session, self._items_changed)
        session.item_selected.connect(self._item_selected)
        session.frame_changed.connect(lambda _frame: self._mark())
        session.geometries_changed.connect(lambda _geometries: self._mark())
        session.unit_changed.connect(lambda _unit: self.head.describe(self.data, self._rate))
        session.job_added.connect(self._job_added)
        session.job_event.connect(self._job_event)
        keys = QShortcut(QKeySequence("Ctrl+Return"), self, self.run.click)
        keys.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._running(False)
        self._project_changed()

    def _lay_out(self) -> None:
        buttons = in_a_row(self.run, self.stop, self.cancel)
        self.settings, _ = lay_out(
            self,
            (self.form, None, self.why, self.progress, buttons),
            (self.head, self.states),
            width=FORM_WIDTH,
            rest=480,
        )

    def pieces(self) -> list[Callable[[], object]]:
        """What the first run would else have to make."""
        return self.plots.pieces()

    def _fold(self) -> None:
        hidden = self.settings.isVisible()
        self.settings.setVisible(not hidden)
        self.head.set_folded(hidden)

    # -- running ------------------------------------------------------------------------------
    def start(self) -> None:
        """Hand the form's request to the engine."""
        problem = self.form.problem()
        if problem or self.session.project is None:
            self.head.trouble(problem or "Open a project first.")
            return
        spec = self.form.spec()
        how = f"{spec.temperature:.0f} K" if spec.ensemble == "langevin" else "NVE"
        name = f"{spec.field.label or spec.field.key} {how} {spec.time / 1000:g} ps"
        try:
            item = self.session.project.reserve("runs", name)
            spec = self.form.spec(name=name, out=str(item.folder))
            job = self.session.submit(spec, title=f"dynamics {name}")
        except (OSError, ValueError, RuntimeError) as error:
            self.head.trouble(f"The run could not be started: {error}")
            return
        self._watch(job, spec, item.id)

    def _job_added(self, job: str, _title: str) -> None:
        record = self.session.jobs.get(job)
        if record is not None and record.item and isinstance(record.spec, DynamicsSpec):
            self._watch(job, record.spec, record.item)

    def _watch(self, job: str, spec: DynamicsSpec, item: str) -> None:
        if self.job == job:
            return
        self.job, self._loading, self._shown = job, "", None
        self._started, self._rate = 0.0, float("nan")
        self.head.trouble("")
        self.follow.setChecked(True)
        self._show(RunData.from_spec(spec, source=item, job=job))
        self.states.loading(f"Starting {spec.name or 'the run'} …")
        self.progress.setValue(0)
        self.progress.setFormat("waiting …")
        self._running(True)

    def _job_event(self, job: str, event: Event) -> None:
        if not job or job != self.job:
            return
        data = self.data
        if event.kind == "started":
            self._started = event.time
        elif event.kind == "progress":
            self.progress.setValue(int(1000 * event.fraction))
            left = event.payload.get("seconds_left", float("nan"))
            wait = f", {left:.0f} s left" if np.isfinite(left) else ""
            self.progress.setFormat(f"%p %{wait}")
            self.progress.setToolTip(str(event.payload.get("message", "")))
        elif event.kind == "frame" and data is not None and data.job == job:
            self._frame(data, event)
        elif event.kind in FINAL:
            self._ended(event)

    def _frame(self, data: RunData, event: Event) -> None:
        try:
            kept = data.put(event.payload)
        except (KeyError, ValueError) as error:
            self.head.trouble(f"A frame of the run could not be used: {error}")
            return
        spent = event.time - self._started
        if self._started and spent > 0:
            self._rate = data.steps * data.replicas / spent
        if kept:
            self.states.ready()
            self.plots.touch()
            if not self._live.isActive():
                self._live.start()

    def _ended(self, event: Event) -> None:
        self.job = ""
        self._running(False)
        self._live.stop()
        data = self.data
        if event.kind == "done":
            result = event.payload.get("result")
            if isinstance(result, Trajectory) and data is not None:
                target, source = data.target, data.source
                # a short run may end before its first frame was shown
                ours = self._shown is None or self._shown is self.session.geometries
                ours = ours and self.follow.isChecked()
                self._show(RunData.from_trajectory(result, source=source, target=target))
                if ours:
                    self.show_frame(len(self.data) - 1 if self.data else 0)
            return
        if event.kind == "failed":
            self.head.trouble(f"The run failed: {event.payload.get('message', '')}")
        else:
            self.head.trouble("Cancelled. What had arrived is shown, but not kept.")
        if data is None or not len(data):
            self._show(None)

    def _running(self, on: bool) -> None:
        for widget in (self.progress, self.stop, self.cancel):
            widget.setVisible(on)
        self.run.setVisible(not on)
        self._form_changed()

    def _form_changed(self) -> None:
        problem = self.form.problem()
        text = problem or self.form.advice()
        self.why.setText(text)
        self.why.setVisible(bool(text))
        self.run.setEnabled(not problem)

    # -- what is shown ------------------------------------------------------------------------
    def _show(self, data: RunData | None) -> None:
        self.data = data
        self.head.set_replicas(data.replicas if data is not None else 1)
        self.plots.show_data(data)
        if data is None:
            hint = "Choose a force field on the left and press Run: the molecule starts to move."
            self.states.empty("No run yet", hint, button="Run", on_click=self.start)
        elif len(data):
            self.states.ready()
        if data is not None and data.trajectory is not None:
            reasons = data.trajectory.reasons
            more = f" (and {len(reasons) - 2} more)" if len(reasons) > 2 else ""
            self.head.trouble(
                "; ".join(reasons[:2]) + more, unphysical=len(data.trajectory.unphysical)
            )
        self.head.describe(self.data, self._rate)
        self.behind.find()
        self._mark()

    def _choose_replica(self, value: int) -> None:
        self.plots.set_replica(value - 1)
        if self._shown is not None and self._shown is self.session.geometries:
            self.show_frame(self.session.frame)

    def show_frame(self, frame: int) -> None:
        """Show one frame of the chosen replica in the molecule view."""
        data = self.data
        if data is None or not 0 <= frame < len(data):
            return
        k = self.replica.value() - 1
        positions = data.positions[:, k]
        good = np.isfinite(positions).all((1, 2))  # a stopped replica has no frames after its end
        end = len(good) if good.all() else int(np.argmin(good))
        caption = f"{data.name or data.label}, replica {k + 1}"
        self._shown = Geometries(
            data.molecule, positions[:end], data.potential[:end, k], caption, data.source
        )
        self.session.show(self._shown, frame=max(0, min(frame, end - 1)))

    def _show_live(self) -> None:
        self.head.describe(self.data, self._rate)
        data = self.data
        if data is None or not len(data) or not self.follow.isChecked():
            return
        if self._shown is not None:
            elsewhere = self.session.geometries is not self._shown
            behind = self.session.frame < len(self._shown.positions) - 1
            if elsewhere or behind:  # the person looks at something else: leave it
                self.follow.setChecked(False)
                return
        self.show_frame(len(data) - 1)

    def _mark(self) -> None:
        ours = self._shown is not None and self._shown is self.session.geometries
        self.plots.set_frame(self.session.frame if ours and not self.job else -1)

    # -- project ------------------------------------------------------------------------------
    def _project_changed(self) -> None:
        self.job = self._loading = ""
        self._running(False)
        self.head.trouble("")
        self.form.fill()
        self._show(None)
        runs = self._finished("runs")
        if runs:
            self.show_item(runs[-1])

    def _items_changed(self, kind: str) -> None:
        if kind in ("datasets", "molecules", "fits"):
            self.form.fill()
        elif kind == "runs" and not self.job and self.data is not None:
            known = {i.id for i in self.session.project.items("runs")}
            if self.data.source and self.data.source not in known:
                self._show(None)

    def _item_selected(self, id: str) -> None:
        project = self.session.project
        try:
            item = project.item(id) if project is not None and id else None
        except (KeyError, ValueError):
            return
        if item is not None and item.kind == "runs" and item.record.exists() and not self.job:
            self.show_item(item)

    def show_item(self, item: Any) -> None:
        """Read a finished run of the project and show it."""
        if self.data is not None and self.data.source == item.id and self.data.trajectory:
            return
        self._loading = item.id
        project = self.session.project

        def done(record: Any) -> None:
            if self._loading == item.id and isinstance(record, Trajectory):
                self._loading = ""
                spec = project.job(item.id)
                bath = isinstance(spec, DynamicsSpec) and spec.ensemble == "langevin"
                target = spec.temperature if bath else float("nan")
                self._show(RunData.from_trajectory(record, source=item.id, target=target))

        def failed(text: str) -> None:
            if self._loading == item.id:
                self._loading = ""
                self.head.trouble(text)

        load_item(self, project, item, done=done, failed=failed)

    def _finished(self, kind: str) -> list[Any]:
        project = self.session.project
        return [i for i in project.items(kind) if i.record.exists()] if project else []

    def keep_unphysical(self) -> None:
        """Add the unphysical frames as a data set without labels (undoable)."""
        data, project = self.data, self.session.project
        if data is None or data.trajectory is None or not len(data.trajectory.unphysical):
            return
        frames = data.trajectory.unphysical
        good = np.isfinite(frames).all((1, 2))
        if not good.any():
            self.head.trouble("The unphysical frames have no finite coordinates: nothing to label.")
            return
        name = f"unphysical frames of {data.name or data.label}"
        none = np.full(int(good.sum()), np.nan)
        record = Dataset(name, data.molecule, frames[good], energies=none, source=data.name)
        item = project.add("datasets", name, record)
        self.session.undo.push(AddItem(self.session, item, "Keep unphysical frames"))
        self.session.items_changed.emit("datasets")
        self.session.message.emit(f"{len(none)} frames kept as “{name}”, ready to label.", "info")
        self.keep.hide()


def _button(text: str, tip: str, slot: Any) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleName(text)
    button.clicked.connect(lambda _on=False: slot())
    return button


PANEL = DynamicsPanel
