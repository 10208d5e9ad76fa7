"""The refit beside the table of terms: settings, progress, what came of it, all earlier ones."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QSizePolicy,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from core.analyses.parameter_scan import ParameterScan
from core.analyses.refit import ParameterChange, Refit
from widgets.later import Refill
from widgets.naming import named, push_button, text_label
from widgets.parameter.document import Document, same_terms
from widgets.parameter.rows import Key
from widgets.refit.form import RefitForm
from widgets.refit.history import START, RefitHistory
from widgets.refit.job import RefitJob
from widgets.refit.result import RefitResult
from widgets.refit.rows import keys_of
from widgets.session import Session


class RefitTab(QWidget):
    """Works on the Document of the editor; what it changes there is one edit each."""

    shown = Signal(object)  # Refit whose before and after belong into the plots, or None
    chosen = Signal(object)  # keys of rows that a change speaks of
    said = Signal(str, str)  # sentence, level

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.document: Document | None = None
        self.form = RefitForm(session)
        self.job = RefitJob(session, self)
        self.result = RefitResult()
        self.history = RefitHistory(session)
        self.name = named(QLineEdit(), "Name of the refit", "Name in the project")
        self._named = False
        self.refit = push_button("Refit", "Fit these terms (Ctrl+Return)")
        self.refit.setShortcut("Ctrl+Return")
        self.stop = push_button("Stop", "Finish early and keep the best so far")
        self.cancel = push_button("Cancel", "Throw this refit away")
        self.progress = named(QProgressBar(), "Progress of the refit")
        self.words = text_label("State of the refit")
        self.problem = text_label("Why no refit can be started", wrap=True)
        self._lay_out()
        self._connect()
        self._job_changed()
        self.set_dark(session.dark)

    def _lay_out(self) -> None:
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.progress.setFixedWidth(80)
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.problem.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.problem.setForegroundRole(self.palette().ColorRole.BrightText)
        row = QHBoxLayout()
        row.setContentsMargins(6, 0, 6, 0)
        row.addWidget(self.name, 1)
        for part in (self.progress, self.words, self.stop, self.cancel, self.refit):
            row.addWidget(part, int(part is self.words))
        self.tabs = QTabWidget(documentMode=True)
        self.tabs.addTab(self.history, "Fits")
        self.tabs.addTab(self.result.page, "Changes")
        self.tabs.addTab(self.result.bars, "By kind")
        self.tabs.tabBar().setAccessibleName("What refits did")
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(self.form)
        box.addWidget(self.problem)
        box.addLayout(row)
        box.addWidget(self.tabs, 1)

    def _connect(self) -> None:
        s = self.session
        Refill(self, s, self._items_changed)
        s.unit_changed.connect(lambda _unit: self._redraw())
        s.theme_changed.connect(self.set_dark)
        self.form.changed.connect(self._check)
        self.name.textEdited.connect(self._name_edited)
        self.refit.clicked.connect(self.start)
        self.stop.clicked.connect(self.job.stop)
        self.cancel.clicked.connect(self.job.cancel)
        self.job.changed.connect(self._job_changed)
        self.job.done.connect(self._done)
        self.job.ended.connect(self.said)
        self.history.wanted.connect(self.load)
        self.history.failed.connect(lambda text: self.said.emit(text, "error"))
        self.result.changes.chosen.connect(self._change_chosen)

    # -- what the panel tells -----------------------------------------------------------------
    def show_document(self, document: Document | None) -> None:
        """Other terms, or the same after an edit."""
        fresh, self.document = document is not self.document, document
        if fresh:
            self.result.show_refit(None, self.session.unit)
            self.shown.emit(None)
            self._named = False
            self._suggest()
        self.form.show_document(document)
        self.history.show_document(document)
        self._check()

    def show_scan(self, scan: ParameterScan | None, name: str) -> None:
        """The scan beside the table."""
        self.form.show_scan(scan, name)

    def follow(self, keys: list[Key]) -> None:
        """Rows selected in the table."""
        self.form.follow(keys)

    def forget(self) -> None:
        """Another project."""
        self.job.forget()
        self.show_document(None)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.result.set_dark(dark)
        self.history.fill()

    def _items_changed(self, kind: str) -> None:
        if kind in ("datasets", "molecules"):
            self.form.fill_data()
        elif kind == "fits":
            self.history.fill()
            self._suggest()
            self._check()

    def _redraw(self) -> None:
        self.result.show_refit(self.result.refit, self.session.unit)
        self.history.fill()

    # -- running ------------------------------------------------------------------------------
    def _suggest(self) -> None:
        """A name that is not taken yet, unless the person gave one."""
        if self._named:
            return
        if self.document is None:
            self.name.clear()
            return
        label = self.document.parameters.label
        base = label if "refit" in label else f"{label} refit"
        base = base.rsplit(" (", 1)[0]
        project = self.session.project
        names = {i.name for i in project.items("fits")} if project is not None else set()
        k, name = 2, base
        while name in names:
            name, k = f"{base} ({k})", k + 1
        self.name.setText(name)

    def _name_edited(self, text: str) -> None:
        self._named = bool(text.strip())
        self._check()

    def _check(self) -> None:
        """Whether Refit can be pressed; why not stands above it and in its tool tip."""
        problem = self.form.problem() or self.job.problem()
        if not problem and not self.name.text().strip():
            problem = "Give the refit a name first."
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem) and not self.job.job)
        self.refit.setEnabled(not problem and not self.job.job)
        self.refit.setToolTip(problem or "Fit these terms (Ctrl+Return)")

    def start(self) -> None:
        """Hand the refit in."""
        try:
            name = self.name.text().strip()
            self.job.begin(self.form, name, parent=self.history.present())
        except ValueError as error:
            self.said.emit(f"The refit could not be started: {error}", "error")
        else:
            self.said.emit("", "info")

    def _job_changed(self) -> None:
        runs = bool(self.job.job)
        for part in (self.progress, self.words, self.stop, self.cancel):
            part.setVisible(runs)
        self.name.setVisible(not runs)
        self.refit.setVisible(not runs)
        self.progress.setValue(round(1000 * self.job.fraction))
        self.words.setText(self.job.words)
        self.words.setToolTip(self.job.words)
        ending = self.job.words.startswith(("stopping", "cancelling"))
        self.stop.setEnabled(runs and self.job.words != "waiting" and not ending)
        self.cancel.setEnabled(runs and not self.job.words.startswith("cancelling"))
        self._check()

    def _done(self, refit: Refit, item: str) -> None:
        self._named = False
        self.history.add(item, refit)
        start, document = self.job.start, self.job.document
        self._suggest()
        self._check()
        if document is None or document is not self.document or start is None:
            self.said.emit(f"“{self.job.name}” is ready.", "info")
            return
        if not same_terms(document.topology, start):
            text = "the terms were edited meanwhile: click it under Fits to put it in place."
            self.said.emit(f"“{self.job.name}” is ready; {text}", "info")
            return
        self.tabs.setCurrentWidget(self.result.page)
        self._put(refit, f"Refit “{self.job.name}”")

    # -- results ------------------------------------------------------------------------------
    def load(self, key: str) -> None:
        """Put the terms of an earlier refit, or of the start, in place."""
        document = self.document
        if document is None:
            return
        refit = self.history.refit(key)
        if refit is not None:
            self._put(refit, f"Go to “{self.history.names.get(key, refit.fit.label)}”")
        elif key == START:
            document.take(document.original, document.parameters.flags, "Go to the start")
            self.result.show_refit(None, self.session.unit)
            self.shown.emit(None)

    def _put(self, refit: Refit, text: str) -> None:
        assert self.document is not None
        try:
            self.document.take(refit.topology, refit.flags, text)
        except ValueError as error:
            self.said.emit(str(error), "error")
            return
        self.result.show_refit(refit, self.session.unit)
        self.shown.emit(refit)

    def _change_chosen(self, change: ParameterChange) -> None:
        if self.document is not None:
            self.chosen.emit(keys_of(change, self.document.topology))
