"""Surface: compute energies over one or two dihedrals, compare force fields, see the geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from core.analyses.surface import Surface, SurfaceSpec
from core.engine.events import FINAL, Event
from widgets.empty import States
from widgets.form_beside import in_a_row, lay_out
from widgets.later import Refill
from widgets.loading import load_item
from widgets.palette import inks
from widgets.session import Session
from widgets.surface.data import SurfaceData
from widgets.surface.display import SurfaceDisplay
from widgets.surface.form import SurfaceForm
from widgets.surface.overlays import GridReader, LivePath, PointChooser, newest_surface

FORM_WIDTH = 236
STALE = "Shown: a surface over other dihedrals. Compute draws the chosen ones."


class SurfacePanel(QWidget):
    """One question: what does the energy look like over these dihedrals, and to whom?"""

    TITLE = "Surface"
    ORDER = 10
    AREA = "center"
    HELP = (
        "Choose one or two dihedrals (or pick four atoms in the molecule view), tick force fields "
        "and press Compute. Every map has its own minimum as zero and all share one scale; what "
        "lies above it is hatched. Point at a map to read all of them, click to see the geometry, "
        "use the arrow keys to walk. “Difference” shows each force field minus the one chosen, "
        "“Both” the energies too; where there is room for one difference only, click a map. "
        "Right click: copy and export. Double click: whole period."
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.job = ""  # the running surface job that is shown
        self._loading = ""  # item being read
        self.form = SurfaceForm(session)
        self.display = SurfaceDisplay(session)
        self.points = PointChooser(session, numbers=self.display.numbers)
        self.points.chosen.connect(self.display.set_points)
        self.points.problem.connect(lambda text: self._say(text, "error"))
        self.path = LivePath(session)
        self.path.moved.connect(self.display.set_path)
        self.states = States(self.display)
        self.states.message.button.setToolTip("Compute what the form on the left says")
        self.compute = QPushButton("Compute")
        self.compute.setAccessibleName("Compute the surface")
        self.compute.setDefault(True)
        self.compute.clicked.connect(self.start)
        self.stop = QPushButton("Stop")
        self.stop.setToolTip("Finish early and keep the points that are there")
        self.stop.clicked.connect(lambda: self.job and session.stop(self.job))
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Throw this calculation away")
        self.cancel.clicked.connect(lambda: self.job and session.cancel(self.job))
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setAccessibleName("Progress of the surface")
        self.why = QLabel(wordWrap=True)
        self.why.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.notice = QLabel(wordWrap=True)
        self.notice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.notice.setAccessibleName("Notice")
        self.notice.hide()
        self.fold = QToolButton()
        self.fold.setArrowType(Qt.ArrowType.LeftArrow)
        self.fold.setAutoRaise(True)
        self.fold.setAccessibleName("Hide or show the settings")
        self.fold.setToolTip("Hide or show the settings")
        self.fold.clicked.connect(self._fold)
        self._lay_out()
        self.form.changed.connect(self._form_changed)
        session.axes_changed.connect(self._axes_changed)
        session.project_changed.connect(self._project_changed)
        Refill(self, session, self._items_changed)
        session.item_selected.connect(self._item_selected)
        session.job_added.connect(self._job_added)
        session.job_event.connect(self._job_event)
        session.theme_changed.connect(lambda _dark: self._say(""))
        keys = QShortcut(QKeySequence("Ctrl+Return"), self, self.compute.click)
        keys.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._running(False)
        self._project_changed()

    def _lay_out(self) -> None:
        dots = in_a_row(QLabel("Dots"), self.points, stretch=(0, 1))
        buttons = in_a_row(self.compute, self.stop, self.cancel)
        self.settings, self.splitter = lay_out(
            self,
            (self.form, dots, self.why, self.progress, buttons),
            (self.notice, self.states),
            width=FORM_WIDTH,
            rest=470,
            stretch_first=True,
        )
        self.display.bar.put_first(self.fold)

    def _fold(self) -> None:
        hidden = self.settings.isVisible()
        self.settings.setVisible(not hidden)
        arrow = Qt.ArrowType.RightArrow if hidden else Qt.ArrowType.LeftArrow
        self.fold.setArrowType(arrow)

    # -- computing ----------------------------------------------------------------------------
    def start(self) -> None:
        """Hand the form's request to the engine."""
        problem = self.form.problem()
        if problem or self.session.project is None:
            self._say(problem or "Open a project first.", "error")
            return
        spec = self.form.spec()
        name = f"{spec.molecule.name or spec.molecule.formula} " + " / ".join(
            f.label for f in spec.fields
        )
        try:
            item = self.session.project.reserve("surfaces", name[:120])
            spec = self.form.spec(name=item.name, out=str(item.folder))
            job = self.session.submit(spec, title=f"surface {name}")
        except (OSError, ValueError, RuntimeError) as error:
            self._say(f"The surface could not be started: {error}", "error")
            return
        self._watch(job, spec, item.id)

    def _watch(self, job: str, spec: SurfaceSpec, item: str) -> None:
        if self.job == job:
            return
        self.job = job
        self._loading = ""
        self._say("")
        self._show(SurfaceData.from_spec(spec, source=item, job=job))
        self.progress.setValue(0)
        self.progress.setFormat("waiting …")
        self._running(True)

    def _job_added(self, job: str, _title: str) -> None:
        record = self.session.jobs.get(job)
        if record is not None and record.item and isinstance(record.spec, SurfaceSpec):
            self._watch(job, record.spec, record.item)

    def _job_event(self, job: str, event: Event) -> None:
        if not job or job != self.job:
            return
        data = self.display.data
        if event.kind == "progress":
            self.progress.setValue(int(1000 * event.fraction))
            left = event.payload.get("seconds_left", float("nan"))
            wait = f", {left:.0f} s left" if np.isfinite(left) else ""
            self.progress.setFormat(f"%p %{wait}")
            self.progress.setToolTip(str(event.payload.get("message", "")))
        elif event.kind == "frame" and data is not None and data.job == job:
            try:
                data.put(event.payload)
            except (KeyError, ValueError) as error:
                self._say(f"A piece of the surface could not be used: {error}", "error")
                return
            self.display.touch()
        elif event.kind in FINAL:
            self._ended(event, data)

    def _ended(self, event: Event, data: SurfaceData | None) -> None:
        self.job = ""
        self._running(False)
        ours = data if data is not None and data.job == event.job else None
        if event.kind == "done":
            result = event.payload.get("result")
            if isinstance(result, Surface) and ours is not None:
                self._show(SurfaceData.from_surface(result, source=ours.source))
            return
        if event.kind == "failed":
            self._say(f"The surface failed: {event.payload.get('message', '')}", "error")
        else:
            self._say("Cancelled. What had arrived is shown, but not kept.", "warning")
        if ours is not None and not any(x.known.any() for x in ours.layers):
            self._show_newest(or_empty=True)

    def _running(self, on: bool) -> None:
        self.progress.setVisible(on)
        self.stop.setVisible(on)
        self.cancel.setVisible(on)
        self.compute.setVisible(not on)
        self._form_changed()

    # -- what is shown ------------------------------------------------------------------------
    def _show(self, data: SurfaceData | None) -> None:
        self.display.show_data(data)
        if data is not None:
            self.states.ready()
            self._stale()
        else:
            self._invite()

    def _invite(self) -> None:
        if self.form.molecule.count() == 0:
            hint = "Drop a file with geometries on the window; its surface is drawn here."
            self.states.empty("No molecule yet", hint)
        elif self._on_its_way():
            self.states.loading("The first surface is on its way", "It is drawn here by itself.")
        else:
            hint = "Tick force fields on the left, choose one or two dihedrals and press Compute."
            self.states.empty("No surface yet", hint, button="Compute", on_click=self.start)

    def _on_its_way(self) -> bool:
        """Whether the example project is being made: its jobs end in a surface."""
        project = self.session.project
        if project is None or project.settings.get("example") != "making":
            return False
        items = (*project.items("datasets"), *project.items("surfaces"))
        return any(not item.record.exists() for item in items)

    def show_item(self, item: Any, *, follow: bool = False) -> None:
        """Read a finished surface of the project and show it; follow: choose its axes too."""
        self._loading = item.id

        def done(record: Any) -> None:
            if self._loading == item.id and isinstance(record, Surface):
                self._loading = ""
                self._say("")
                self._show(SurfaceData.from_surface(record, source=item.id))
                if follow:
                    self._take_axes(record)

        def failed(text: str) -> None:
            if self._loading == item.id:
                self._loading = ""
                self._say(text, "error")

        load_item(self, self.session.project, item, done=done, failed=failed)

    def _take_axes(self, surface: Surface) -> None:
        """Choose the dihedrals of a surface that the person selected, where they fit."""
        start = self.form.start
        if start is None or not np.array_equal(start.molecule.numbers, surface.molecule.numbers):
            return
        atoms = [tuple(a.atoms) for a in surface.axes]
        axes = (atoms[0], atoms[1] if len(atoms) > 1 else None)
        if axes != self.session.axes:
            self.session.axes = axes
            self.session.axes_changed.emit()

    def _show_newest(self, *, or_empty: bool) -> None:
        """The newest surface over the chosen axes, else the newest one."""
        fitting, found = newest_surface(self.session), self._finished("surfaces")
        if fitting is not None or found:
            self.show_item(fitting or found[-1])
        else:
            if or_empty:
                self._show(None)
            self._try_grid()

    def _try_grid(self) -> None:
        """With no surface yet: a data set that is a scan itself shows what it holds."""
        scans = self._finished("datasets")
        if self.display.data is not None or self.job or self._loading or not scans:
            return
        item = scans[-1]

        def done(data: SurfaceData | None) -> None:
            if data is not None and self.display.data is None and not self.job:
                self._show(data)

        load_item(self, GridReader(self.session), item, done=done, failed=lambda _text: None)

    def _finished(self, kind: str) -> list[Any]:
        project = self.session.project
        return [i for i in project.items(kind) if i.record.exists()] if project else []

    def _wanted_axes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(a) for a in self.session.axes if a is not None)

    def _axes_changed(self) -> None:
        data = self.display.data
        if data is None or self.job or self._loading:
            self._stale()
            self._try_grid()
            return
        if tuple(tuple(a.atoms) for a in data.axes) != self._wanted_axes():
            fitting = newest_surface(self.session)
            if fitting is not None:
                self.show_item(fitting)
        self._stale()

    def _stale(self) -> None:
        """Say so when the surface shown is not that of the axes chosen."""
        data, wanted = self.display.data, self._wanted_axes()
        old = data is not None and wanted and tuple(tuple(a.atoms) for a in data.axes) != wanted
        if old and not self.job:
            self._say(STALE, "stale")
        elif self.notice.property("level") == "stale":
            self._say("")

    def _say(self, text: str, level: str = "info") -> None:
        self.notice.setText(text)
        self.notice.setVisible(bool(text))
        self.notice.setProperty("level", level)
        ink = inks(dark=self.session.dark)
        colour = {"error": ink.bad, "warning": ink.accent, "stale": ink.accent}.get(
            level, ink.muted
        )
        self.notice.setStyleSheet(f"border-left: 3px solid {colour}; padding: 2px 6px;")

    def _form_changed(self) -> None:
        problem = self.form.problem()
        self.why.setText(problem)
        self.why.setVisible(bool(problem))
        self.compute.setEnabled(not problem)
        n, points = len(self.form.fields.refs()), self.form.points
        what = f"Compute {n} × {points} points" if not problem else "Compute"
        self.compute.setText(what)
        self.compute.setToolTip(f"{n} force fields at {points} grid points each (Ctrl+Enter)")

    # -- project ------------------------------------------------------------------------------
    def _project_changed(self) -> None:
        self.job = self._loading = ""
        self._running(False)
        self.path.clear()
        self.form.fill()
        self.points.fill_again()
        self._show(None)
        self._show_newest(or_empty=False)

    def _items_changed(self, kind: str) -> None:
        if kind in ("datasets", "fits", "molecules"):
            self.form.fill()
            self.points.fill_again()
            if self.display.data is None and not self._loading:
                self._invite()
                self._try_grid()
        elif kind == "surfaces" and not self.job:
            data, there = self.display.data, {i.id for i in self._finished(kind)}
            if data is None or (data.source and data.source not in there):
                self._show_newest(or_empty=True)

    def _item_selected(self, id: str) -> None:
        project = self.session.project
        try:
            item = project.item(id) if project is not None and id else None
        except (KeyError, ValueError):
            return
        if item is None or not item.record.exists():
            return
        if item.kind == "surfaces":
            self.show_item(item, follow=True)
        elif item.kind == "fits":
            self.points.choose(item.id)


PANEL = SurfacePanel
