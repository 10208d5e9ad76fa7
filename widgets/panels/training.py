"""Training: form on the left, split, live curve and result on the right, all fits below."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.analyses.fit import Fit, FitSpec
from core.dataset import Dataset
from core.engine.events import FINAL
from widgets.empty import States
from widgets.fit.list import FitList, Live
from widgets.fit.molecules import portions_of
from widgets.fit.result import FitResult
from widgets.form_beside import with_list
from widgets.form_scroll import FormScroll
from widgets.job_bar import JobBar
from widgets.later import Refill
from widgets.loading import load_item
from widgets.queue import place_of, place_text
from widgets.session import Session
from widgets.training.form import TrainingForm
from widgets.training.preview import SplitPreview
from widgets.words import sentence


class TrainingPanel(QWidget):
    """Trains force fields and shows what came of it."""

    TITLE = "Training"
    ORDER = 20
    AREA = "center"
    HELP = (
        "Choose a data set and a force field, press Train. The Split tab shows the frames it would "
        "take, the line under the form what it will cost. Methods that can learn several molecules "
        "take more data sets under Together with. Stop keeps what is there, Cancel throws it away; "
        "a training started meanwhile waits its turn. The list below holds every fit of the "
        "project: F2 renames, Del deletes, Ctrl+Z brings it back."
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.live: dict[str, Live] = {}  # by item id
        self.shown = ""  # item id on the right
        self._starting = False
        self.form = TrainingForm(session)
        self.preview = SplitPreview(session, self._wanted_split, self.form.together.lines)
        self.result = FitResult(session, self.preview)
        self.states = States(self.result)
        self.head = JobBar("training", session, kept="the best so far")
        self.fits = FitList(session, self.live)
        self._lay_out()
        self._connect()
        self.result.set_dark(session.dark)
        self.fits.fill(self.shown)
        self._show("")

    # -- building -----------------------------------------------------------------------------
    def _lay_out(self) -> None:
        self.form_area = FormScroll(self.form)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.form_area, 1)
        column.addWidget(self.form.foot)
        right = QWidget()
        box = QVBoxLayout(right)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addWidget(self.head)
        box.addWidget(self.states, 1)
        with_list(self, left, right, self.fits)

    def _connect(self) -> None:
        s = self.session
        s.project_changed.connect(self._project_changed)
        Refill(self, s, self._items_changed)
        s.catalog_changed.connect(lambda: self.fits.fill(self.shown))
        s.unit_changed.connect(self._unit_changed)
        s.theme_changed.connect(self._theme_changed)
        s.item_selected.connect(self._selected_elsewhere)
        s.job_event.connect(self._job_event)
        s.fit_proposed.connect(self.take)
        self.form.train_requested.connect(self.start)
        self.form.edited.connect(self._form_edited)
        self.result.symmetry.skip_changed.connect(self._skip)
        self.fits.row_selected.connect(s.item_selected)
        self.head.stop_asked.connect(lambda: self._end("stopping", s.stop))
        self.head.cancel_asked.connect(lambda: self._end("cancelling", s.cancel))
        s.queue_changed.connect(self._queue_changed)

    def pieces(self) -> list[Callable[[], object]]:
        """What the first result would else have to make."""
        return [self.preview.room.get, *self.result.pieces()]

    # -- session ------------------------------------------------------------------------------
    def _project_changed(self) -> None:
        self.live.clear()
        self.form.fill_datasets()
        self.form.suggest_again()
        self.preview.forget()
        self.fits.fill(self.shown)
        self._show("")

    def _items_changed(self, kind: str) -> None:
        if kind == "datasets":
            self.form.fill_datasets()
        elif kind == "fits" and not self._starting:
            self.fits.fill(self.shown)
            ids = {i.id for i in self._items()}
            if self.shown and self.shown not in ids and self.shown not in self.live:
                self._show("")
            elif self.shown and self.result.fit is not None:
                self._name_of_shown()
            self.form.suggest_again() if not self.form._named else None

    def _unit_changed(self, unit: Any) -> None:
        self.result.set_unit(unit)
        self.fits.fill(self.shown)

    def _theme_changed(self, dark: bool) -> None:
        self.result.set_dark(dark)
        self.fits.fill(self.shown)

    def _selected_elsewhere(self, item_id: str) -> None:
        kind = next((i.kind for i in self._items("datasets") if i.id == item_id), "")
        if kind:
            self.form.choose_dataset(item_id)
        elif item_id in self.live or any(i.id == item_id for i in self._items()):
            self._show(item_id)

    def _items(self, kind: str = "fits") -> tuple[Any, ...]:
        return () if self.session.project is None else self.session.project.items(kind)

    # -- the form -----------------------------------------------------------------------------
    def _wanted_split(self) -> tuple[FitSpec, Dataset] | str:
        """What the split tab is to show, or what is missing for it."""
        form = self.form
        try:
            spec = form.spec()
        except ValueError as problem:
            return str(problem)
        return "reading the data set …" if form.dataset is None else (spec, form.dataset)

    def _form_edited(self) -> None:
        self.preview.timer.start()
        live = self.live.get(self.shown)
        if not self.shown or (live is not None and not live.busy):
            self._show_split()

    def _show_split(self) -> None:
        """No fit to show: the split, or the invitation while there are no data."""
        if self.form.data.currentData() is None:
            self.states.empty(
                "Train a force field", "Choose data and method on the left, then press Train."
            )
            return
        self.result.show_none()
        self.states.ready()

    def take(self, spec: Any) -> None:
        """Put a proposed FitSpec (of a study) into the form and come to the front."""
        if not isinstance(spec, FitSpec):
            return
        problem = self.form.fill(spec)
        if problem:
            self.session.message.emit(problem, "warning")
        self._show("")
        self.session.open_workspace.emit(self.TITLE)

    def _skip(self, words: str) -> None:
        """Permutations were switched off or on: the form takes them for the next training."""
        there = "skip_permutations" in self.form.form.editors
        if there:
            self.form.form.set_values({"skip_permutations": words})
        self.result.symmetry.told(taken=there)

    # -- start and end ------------------------------------------------------------------------
    def start(self, spec: FitSpec, name: str) -> str:
        """Submit a fit as a new item of the project; returns the item's id ("" when refused)."""
        project = self.session.project
        self._starting = True  # the list is filled once, when it is known what runs
        try:
            item = project.reserve("fits", name)
            spec = dataclasses.replace(spec, out=str(item.folder))
            job = self.session.submit(spec, title=f"Training {name}", device=spec.device)
        except (ValueError, OSError, RuntimeError) as error:
            self.states.failed("Training could not be started", str(error))
            return ""
        finally:
            self._starting = False
        self.live[item.id] = Live(job, name)
        self._items_changed("fits")  # the bridge tells the other panels
        self.form.suggest_again()
        self.session.item_selected.emit(item.id)
        return item.id

    def _end(self, word: str, how: Any) -> None:
        live = self.live.get(self.shown)
        if live is not None and live.busy:
            live.state, live.message = "stopping", f"{word} …"
            self._head()
            how(live.job)

    def _job_event(self, job: str, event: Any) -> None:
        found = next(((i, x) for i, x in self.live.items() if x.job == job), None)
        if found is None:
            self._adopt(job, event)
            return
        item_id, live = found
        shown = item_id == self.shown
        waited = live.state == "waiting"
        live.take(event)
        if event.kind in FINAL:
            self._ended(item_id, live, event)
            return
        if waited and live.state != "waiting":
            self.fits.fill(self.shown)
        if event.kind == "curve" and shown:
            self.result.take_curve(event.payload)
            self.states.ready()
        if shown:
            self._head()

    def _adopt(self, job: str, event: Any) -> None:
        """A fit that somebody else started: resumed at opening, or from the command palette."""
        record = self.session.jobs.get(job) if hasattr(self.session, "jobs") else None
        if record is None or not isinstance(record.spec, FitSpec) or not record.item:
            return
        if event.kind not in FINAL and record.item not in self.live:
            self.live[record.item] = Live(job, record.title.removeprefix("Training "))
            self._job_event(job, event)
            self.fits.fill(self.shown)  # it was listed as not finished

    def _ended(self, item_id: str, live: Live, event: Any) -> None:
        if event.kind in ("done", "cancelled"):
            del self.live[item_id]
        if event.kind == "done":
            self._items_changed("fits")  # the bridge tells the other panels
        else:
            self.fits.fill(self.shown)
        if self.shown == item_id:
            self._show(item_id)
        else:
            self._head()  # one less to wait for

    # -- the right side -----------------------------------------------------------------------
    def _show(self, item_id: str) -> None:
        self.shown = item_id
        self.fits.select(item_id)
        live = self.live.get(item_id)
        item = next((i for i in self._items() if i.id == item_id), None)
        self._head()
        if live is not None and live.busy:
            self.result.start_live(self.session.unit)
            for payload in live.curves:
                self.result.take_curve(payload)
            self.states.ready() if live.curves else self._loading(live)
        elif live is not None:
            self._say_failed(live, item)
        elif item is None:
            self.shown = ""
            self._show_split()
        elif not item.record.exists():
            self.states.empty(
                "This training did not come to its end", "Press Train to do it again."
            )
        else:
            self.states.loading("Reading …", item.name)
            load_item(
                self,
                self.session.project,
                item,
                done=lambda fit: self._loaded(item_id, fit),
                failed=lambda text: self._not_loaded(item_id, text),
            )

    def _say_failed(self, live: Live, item: Any) -> None:
        title, problem = f"“{live.name}” was not trained", sentence(live.problem)
        spec = getattr(self.session.jobs.get(live.job), "spec", None)
        possible = item is not None and item.under_way and not self.session.read_only
        if not possible or not isinstance(spec, FitSpec):
            hint = f"{problem} Change the form on the left and press Train again."
            self.states.failed(title, hint, details=live.details)
            return
        hint = f"{problem} What is done so far is kept."
        self.states.failed(title, hint, details=live.details, button="Go on",
                           on_click=lambda: self.go_on(item, spec))  # fmt: skip

    def go_on(self, item: Any, spec: FitSpec) -> None:
        """Hand in a training that was cut off once more; it goes on from its checkpoint."""
        try:
            job = self.session.submit(spec, title=f"Training {item.name}", device=spec.device)
        except (ValueError, OSError, RuntimeError) as error:
            self.states.failed("The training cannot be gone on with", str(error))
            return
        self.live[item.id] = Live(job, item.name)
        self._items_changed("fits")
        self._show(item.id)

    def _loading(self, live: Live) -> None:
        place = place_of(self.session, live.job) if live.state == "waiting" else 0
        ahead = place > 1 or any(x.busy and x.state != "waiting" for x in self.live.values())
        if place and ahead:
            hint = f"It {place_text(place)}. Its place can be changed in the list of jobs."
            self.states.loading(f"“{live.name}” waits", hint)
        else:
            self.states.loading("Training …", live.name)

    def _loaded(self, item_id: str, fit: Any) -> None:
        if item_id != self.shown:
            return
        if not isinstance(fit, Fit):
            self._not_loaded(item_id, "The item is no fit.")
            return
        name = next((i.name for i in self._items() if i.id == item_id), fit.label)
        project = self.session.project
        portions = portions_of(project, project.item(item_id), fit)
        self.result.show_fit(fit, name, self.session.unit, item_id=item_id, portions=portions)
        self.states.ready()
        self._head()

    def _not_loaded(self, item_id: str, text: str) -> None:
        if item_id == self.shown:
            self.states.failed("This fit cannot be shown", text)

    def _name_of_shown(self) -> None:
        item = next((i for i in self._items() if i.id == self.shown), None)
        if item is not None and self.result.fit is not None and item.name != self.result.name:
            self.result.show_fit(self.result.fit, item.name, self.session.unit, item_id=item.id)
        self._head()

    def _head(self) -> None:
        live = self.live.get(self.shown)
        if live is not None:
            name = live.name  # many times a second: the project's files are not read for it
        else:
            name = next((i.name for i in self._items() if i.id == self.shown), "")
        self.head.show_job(name, live)

    def _queue_changed(self) -> None:
        if any(x.state == "waiting" for x in self.live.values()):
            self.fits.fill(self.shown)
            live = self.live.get(self.shown)
            if live is not None and live.state == "waiting":
                self._loading(live)


PANEL = TrainingPanel
