"""Studies: learning curves, searches of settings and flattened training sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFormLayout,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from core.analyses.flatten import Flatten, FlattenSpec
from core.analyses.learning import Learning, LearningSpec
from core.analyses.search import Search, SearchSpec
from core.engine.events import FINAL
from core.fieldref import runs_named_code
from widgets.empty import States
from widgets.fit.settings import FitSettings
from widgets.form_beside import with_list
from widgets.form_scroll import FormScroll
from widgets.forms import Choice
from widgets.item_list import Live
from widgets.job_bar import JobBar
from widgets.later import Refill
from widgets.loading import load_item
from widgets.naming import named
from widgets.session import Session
from widgets.study.flatten_form import FlattenForm
from widgets.study.form import StudyForm
from widgets.study.learning_form import LearningForm
from widgets.study.list import StudyList
from widgets.study.search_form import SearchForm
from widgets.study.views import StudyViews
from widgets.words import sentence

SPECS = (LearningSpec, SearchSpec, FlattenSpec)
RESULTS = (Learning, Search, Flatten)
WHAT = (
    ("Learning curves", "How the error falls with more training frames, for several force fields"),
    ("Search of settings", "Which settings of a force field do best on the validation frames"),
    ("Flatten the error", "A training set that predicts no group of shapes badly"),
)


class StudiesPanel(QWidget):
    """Many trainings at once, to choose by."""

    TITLE = "Studies"
    ORDER = 22
    AREA = "center"
    HELP = (
        "Choose at the top left: learning curves compare force fields over the number of training "
        "frames; a search finds the settings that do best; flattening chooses training frames so "
        "that no group of shapes is predicted badly. The line above the button says how long it "
        "will take. Stop keeps what is there, Cancel throws it away; a study that was interrupted "
        "goes on where it was. What was found can be trained with a click. The list below holds "
        "every study: F2 renames, Del deletes, Ctrl+Z brings it back."
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.live: dict[str, Live] = {}  # by item id
        self._specs: dict[str, Any] = {}  # of the live ones
        self.shown = ""  # item id on the right
        settings = FitSettings(session)
        self.learning = LearningForm(session, settings)
        self.search = SearchForm(session, settings)
        self.flatten = FlattenForm(session, settings)
        self.forms: tuple[StudyForm, ...] = (self.learning, self.search, self.flatten)
        self.what = named(Choice(), "What to study")
        for k, (text, tip) in enumerate(WHAT):
            self.what.addItem(text)
            self.what.setItemData(k, tip, Qt.ItemDataRole.ToolTipRole)
        self.pages, self.pictures = QStackedWidget(), StudyViews(session)
        self.states = States(self.pictures)
        self.head = JobBar("study", session)
        self.studies = StudyList(session, self.live, self._specs)
        self._lay_out()
        self._connect()
        self.studies.fill("")
        self._show("")

    # -- building -----------------------------------------------------------------------------
    def _lay_out(self) -> None:
        for form in self.forms:
            page = QWidget()
            column = QVBoxLayout(page)
            column.setContentsMargins(0, 0, 0, 0)
            column.addWidget(FormScroll(form), 1)
            column.addWidget(form.foot)
            self.pages.addWidget(page)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        top = QFormLayout()
        top.setContentsMargins(6, 4, 6, 0)
        top.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        top.addRow("Study", self.what)
        column.addLayout(top)
        column.addWidget(self.pages, 1)
        right = QWidget()
        box = QVBoxLayout(right)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addWidget(self.head)
        box.addWidget(self.states, 1)
        with_list(self, left, right, self.studies)

    def _connect(self) -> None:
        s = self.session
        s.project_changed.connect(self._project_changed)
        Refill(self, s, self._items_changed)
        s.unit_changed.connect(self._unit_changed)
        s.theme_changed.connect(self._theme_changed)
        s.item_selected.connect(self._selected_elsewhere)
        s.job_event.connect(self._job_event)
        for form in self.forms:
            form.requested.connect(self.start)
        self.pictures.fit_wanted.connect(self.propose)
        self.what.activated.connect(lambda _i: self._chosen())
        self.what.currentIndexChanged.connect(self.pages.setCurrentIndex)
        self.studies.row_selected.connect(s.item_selected)
        self.head.stop_asked.connect(lambda: self._end("stopping", s.stop))
        self.head.cancel_asked.connect(lambda: self._end("cancelling", s.cancel))

    curves = property(lambda self: self.pictures.view(0))  # LearningView
    trials = property(lambda self: self.pictures.view(1))  # SearchView
    groups = property(lambda self: self.pictures.view(2))  # FlattenView

    def pieces(self) -> list[Callable[[], object]]:
        """What the first study would else have to make."""
        return self.pictures.pieces()

    # -- session ------------------------------------------------------------------------------
    def _project_changed(self) -> None:
        self.live.clear()
        self._specs.clear()
        for form in self.forms:
            form.data.fill()
            form.fill_fields()
            form.suggest_again()
            form.edited()
        self.studies.fill("")
        self._show("")

    def _items_changed(self, kind: str) -> None:
        if kind == "datasets":
            for form in self.forms:
                form.data.fill()
            self.learning.fill_tests()
        elif kind == "fits":
            for form in self.forms:
                form.fill_fields()
        elif kind == "studies":
            self.studies.fill(self.shown)
            ids = {i.id for i in self._items()}
            if self.shown and self.shown not in ids and self.shown not in self.live:
                self._show("")
            self._head()

    def _unit_changed(self, unit: Any) -> None:
        for view in self.pictures.made.values():
            view.set_unit(unit)

    def _theme_changed(self, dark: bool) -> None:
        for view in self.pictures.made.values():
            view.set_dark(dark)
        self.learning.fields.fill()

    def _selected_elsewhere(self, item_id: str) -> None:
        if any(i.id == item_id for i in self._items("datasets")):
            for form in self.forms:
                form.data.choose(item_id)
        elif item_id in self.live or any(i.id == item_id for i in self._items()):
            self._show(item_id)

    def _items(self, kind: str = "studies") -> tuple[Any, ...]:
        return () if self.session.project is None else self.session.project.items(kind)

    def _item(self, item_id: str) -> Any:
        return next((i for i in self._items() if i.id == item_id), None)

    # -- start and end ------------------------------------------------------------------------
    def start(self, spec: Any, name: str) -> str:
        """Submit a study as a new item of the project; returns the item's id ("" = refused)."""
        try:
            item = self.session.project.reserve("studies", name)
            return self._hand_in(item, spec)
        except (ValueError, OSError, RuntimeError) as error:
            self.states.failed("The study could not be started", str(error))
            return ""

    def go_on(self, item_id: str) -> None:
        """Hand in a study that did not come to its end once more."""
        item = self._item(item_id)
        try:
            self._hand_in(item, self.session.project.job(item_id))
        except (ValueError, OSError, RuntimeError) as error:
            self.states.failed("The study could not be gone on with", str(error))

    def _hand_in(self, item: Any, spec: Any) -> str:
        spec = dataclasses.replace(spec, out=str(item.folder))
        device = spec.device if isinstance(spec, LearningSpec) else spec.fit.device
        job = self.session.submit(spec, title=item.name, device=device)
        if item.id not in self.live:  # the engine may have answered already
            self._follow(item.id, Live(job, item.name), spec)
        self.session.items_changed.emit("studies")
        self.forms[SPECS.index(type(spec))].suggest_again()
        self.session.item_selected.emit(item.id)
        return str(item.id)

    def _follow(self, item_id: str, live: Live, spec: Any) -> None:
        self.live[item_id], self._specs[item_id] = live, spec

    def _end(self, word: str, how: Any) -> None:
        live = self.live.get(self.shown)
        if live is not None and live.busy:
            live.state, live.message = "stopping", f"{word} …"
            self._head()
            how(live.job)

    def _job_event(self, job: str, event: Any) -> None:
        found = next(((i, x) for i, x in self.live.items() if x.job == job), None)
        if found is None:
            found = self._adopted(job, event)
        if found is None:
            return
        item_id, live = found
        live.take(event)
        shown = item_id == self.shown
        if event.kind in FINAL:
            self._ended(item_id, live, event)
        elif event.kind == "started":
            self.studies.fill(self.shown)
            if shown:
                self._show(item_id)
        elif shown and self._view().take(event.kind, event.payload):
            self.states.ready()
        if shown and event.kind not in FINAL:
            self._head()

    def _adopted(self, job: str, event: Any) -> tuple[str, Live] | None:
        """A study that somebody else started: gone on with at opening."""
        record = self.session.jobs.get(job)
        if record is None or not isinstance(record.spec, SPECS) or not record.item:
            return None
        if event.kind in FINAL:
            return None
        item = self._item(record.item)
        live = Live(job, record.title if item is None else item.name)
        self._follow(record.item, live, record.spec)
        self.studies.fill(self.shown)  # it was listed as not finished
        return record.item, live

    def _ended(self, item_id: str, live: Live, event: Any) -> None:
        if event.kind in ("done", "cancelled"):
            del self.live[item_id]
        self.studies.fill(self.shown)
        if self.shown == item_id:
            self._show(item_id)

    def propose(self, spec: Any) -> None:
        """Open the training form filled in."""
        self.session.open_workspace.emit("Training")
        self.session.fit_proposed.emit(spec)

    # -- the right side -----------------------------------------------------------------------
    def _chosen(self) -> None:
        """The person wants another kind of study: what is on show may be of another one."""
        if not self.shown or self.pictures.currentIndex() != self.what.currentIndex():
            self._show("")

    def _view(self) -> Any:
        return self.pictures.view(self.pictures.currentIndex())

    def _turn_to(self, kind: int) -> None:
        self.what.setCurrentIndex(kind)
        self.pictures.setCurrentIndex(kind)

    def _show(self, item_id: str) -> None:
        self.shown = item_id
        self.studies.select(item_id)
        live, item = self.live.get(item_id), self._item(item_id)
        self._head()
        if live is not None and live.busy:
            self._show_live(item_id, live)
        elif live is not None:
            self._say_unfinished(item_id, f"“{live.name}” failed", live.problem, live.details)
        elif item is None:
            title, hint = WHAT[self.what.currentIndex()]
            rest = " Or click a study below." if self._items() else ""
            self.states.empty(
                title, f"{hint}. Fill in the form and press “{self._form().ACTION}”.{rest}"
            )
        elif not item.record.exists():
            self._say_unfinished(item_id, "This study did not come to its end")
        else:
            self.states.loading("Reading …", item.name)
            load_item(
                self,
                self.session.project,
                item,
                done=lambda record: self._loaded(item_id, record),
                failed=lambda text: self._not_loaded(item_id, text),
            )

    def _form(self) -> StudyForm:
        return self.forms[self.what.currentIndex()]

    def _show_live(self, item_id: str, live: Live) -> None:
        spec = self._specs[item_id]
        self._turn_to(SPECS.index(type(spec)))
        view = self._view()
        view.start_live(spec)
        there = False
        for kind, payloads in (("frame", live.frames), ("curve", live.curves)):
            for payload in payloads:
                there = view.take(kind, payload) or there
        if there:
            self.states.ready()
        elif live.state == "waiting":
            self.states.loading("Waiting …", f"“{live.name}” begins when its turn comes.")
        else:
            self.states.loading("Training …", live.name)

    def _say_unfinished(self, item_id: str, title: str, why: str = "", details: str = "") -> None:
        """It can go on where it was, unless it runs code that a stranger may have named."""
        try:
            spec = self.session.project.job(item_id)
        except (ValueError, OSError):
            spec = None
        possible = spec is not None and not runs_named_code(spec) and not self.session.read_only
        why = sentence(why)
        hint = f"{why} What is done so far is kept." if possible else why
        if not possible and not why:
            hint = "Start it again on the left."
        self.states.failed(title, hint.strip(), details=details, button="Go on" if possible else "",
                           on_click=lambda: self._again(item_id))  # fmt: skip

    def _again(self, item_id: str) -> None:
        self.live.pop(item_id, None)
        self.go_on(item_id)

    def _loaded(self, item_id: str, record: Any) -> None:
        if item_id != self.shown:
            return
        if not isinstance(record, RESULTS):
            self._not_loaded(item_id, "The item is no study.")
            return
        self._turn_to(RESULTS.index(type(record)))
        self._view().show_result(record)
        self.states.ready()
        self._head()

    def _not_loaded(self, item_id: str, text: str) -> None:
        if item_id == self.shown:
            self.states.failed("This study cannot be shown", text)

    def _head(self) -> None:
        live, item = self.live.get(self.shown), self._item(self.shown)
        name = item.name if item is not None else live.name if live is not None else ""
        self.head.show_job(name, live)


PANEL = StudiesPanel
