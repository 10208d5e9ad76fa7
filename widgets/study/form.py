"""What the forms of all studies share: data set, split, device, name, cost, and the button."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QGroupBox,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from widgets.dataset_choice import DatasetChoice, narrow
from widgets.fit.settings import FitSettings
from widgets.forms import Choice, NumberBox
from widgets.naming import named, push_button, text_label
from widgets.session import Session
from widgets.study.cost import Question, StudyCost
from widgets.training.split import METHODS, REGION, Region

WAIT_MS = 350  # after the last keystroke, before the cost is asked for


class StudyForm(QWidget):
    """Base of the forms. A subclass fills `build`, `own_problems`, `questions` and `make`."""

    requested = Signal(object, str)  # spec without out, name
    ACTION, TIP = "Compute", ""

    def __init__(
        self, session: Session, settings: FitSettings, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.session, self.settings = session, settings
        self._named = self._filling = False
        self.data = DatasetChoice(session)
        self.n_valid = count_box(100, "Frames to choose settings on (for example σ)")
        self.seed = count_box(0, "The same seed draws the same frames")
        self.method = named(narrow(Choice()), "Drawn", "How the frames are drawn")
        for k, (key, tip) in enumerate(METHODS.items()):
            self.method.addItem(key)
            self.method.setItemData(k, tip, Qt.ItemDataRole.ToolTipRole)
        self.region = Region(session)
        self._drawn_rows: QFormLayout | None = None  # the section with method and region
        self.device = named(
            narrow(Choice()), "Device", "Where it is computed; never changed silently"
        )
        self.name = named(QLineEdit(), "Name", "What this study is called in the project")
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(6, 4, 6, 4)
        self._build_foot()
        self.cost = StudyCost(session, self)
        self._timer = QTimer(self, singleShot=True, interval=WAIT_MS)
        self._timer.timeout.connect(self._ask_cost)
        self.build()
        self.rows.addStretch(1)
        self.cost.answered.connect(self._show_state)
        self.data.changed.connect(self._data_changed)
        for box in (self.n_valid, self.seed):
            box.changed.connect(self.edited)
        self.device.currentIndexChanged.connect(lambda _i: self.edited())
        self.method.currentIndexChanged.connect(lambda _i: self._method_chosen())
        self.region.changed.connect(self.edited)
        self._show_region()
        self.name.textEdited.connect(self._name_edited)
        self.start.clicked.connect(self._start)
        session.catalog_changed.connect(self.fill_fields)
        self.fill_fields()

    def _build_foot(self) -> None:
        """Stays in sight however long the form is: the panel puts it under the scrolling part."""
        self.problem = text_label("What must be corrected", wrap=True)
        self.problem.setForegroundRole(self.palette().ColorRole.BrightText)
        self.cost_text = text_label("Cost of this study", wrap=True)
        for text in (self.problem, self.cost_text):
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.start = push_button(self.ACTION, f"{self.TIP} (Ctrl+Return)")
        self.start.setShortcut("Ctrl+Return")
        self.foot = QWidget()
        box = QVBoxLayout(self.foot)
        box.setContentsMargins(6, 0, 6, 4)
        for part in (self.problem, self.cost_text, self.start):
            box.addWidget(part)

    def section(self, title: str, rows: Sequence[tuple[str, QWidget]]) -> QFormLayout:
        """A box with labelled rows; "" = a widget across the whole row."""
        group = QGroupBox(title)
        form = QFormLayout(group)
        form.setContentsMargins(8, 4, 8, 6)
        form.setVerticalSpacing(3)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        for text, widget in rows:
            if text:
                if not widget.accessibleName():
                    widget.setAccessibleName(text)
                form.addRow(text, widget)
            else:
                form.addRow(widget)
            if widget is self.method:
                form.addRow("Region", self.region)
                self._drawn_rows = form
        self.rows.addWidget(group)
        return form

    def _method_chosen(self) -> None:
        self._show_region()
        if self.method.currentText() == REGION:
            self.region.offer()
        self.edited()

    def _show_region(self) -> None:
        if self._drawn_rows is not None:
            self._drawn_rows.setRowVisible(self.region, self.method.currentText() == REGION)

    def region_text(self) -> str:
        """The region, "" where the method takes none."""
        return self.region.text() if self.method.currentText() == REGION else ""

    # -- for subclasses -----------------------------------------------------------------------
    def build(self) -> None:
        """Make the sections."""

    def own_problems(self) -> list[str]:
        """What keeps it from working, besides what all forms have in common."""
        return []

    def questions(self) -> list[Question]:
        """The trainings it makes."""
        return []

    def make(self, name: str) -> Any:
        """The spec, without `out`."""
        raise NotImplementedError

    def suggestion(self) -> str:
        """A name."""
        return ""

    def data_loaded(self) -> None:
        """Another data set was read: numbers of frames may follow."""

    # -- filling ------------------------------------------------------------------------------
    def fill_fields(self) -> None:
        """Read the catalogue and the fits again."""
        devices = getattr(self.session, "devices", None) or {"cpu": "CPU"}
        kept = self.device.currentData() or "cpu"
        self.device.blockSignals(True)
        self.device.clear()
        for name, what in devices.items():
            self.device.addItem(name if name == what else f"{name}: {what}", name)
        self.device.setCurrentIndex(max(0, self.device.findData(kept)))
        self.device.blockSignals(False)
        self.edited()

    def _data_changed(self) -> None:
        if self.data.dataset is not None:
            self._filling = True
            self.data_loaded()
            self._filling = False
        self.edited()

    # -- judging ------------------------------------------------------------------------------
    def problems(self) -> tuple[str, ...]:
        """All that keeps the button from working, in words; empty = ready."""
        if self.session.read_only:
            return ("The project is open for reading only: nothing can be added to it here.",)
        if self.data.problem():
            return (self.data.problem(),)
        if not self.settings.trainable():
            return ("The list of force fields is on its way …",)
        if self.data.dataset is None:
            return ()
        titles = (("Validation", self.n_valid), ("Seed", self.seed))
        rows = [f"{title}: {box.problem()}" for title, box in titles if box.problem()]
        if self.method.currentText() == REGION:
            rows += self.region.problems(self.data.dataset)
        rows += self.own_problems()
        if not self.name.text().strip():
            rows.append("Name: a name is needed")
        return tuple(rows)

    def edited(self) -> None:
        """Something changed: judge it, and ask for the cost when the typing is over."""
        if self._filling:
            return
        if not self._named:
            self.name.setText(self._free(self.suggestion()))
        self.cost.forget()
        self._show_state()
        self._timer.start()

    def suggest_again(self) -> None:
        """After a study was added: the next one needs another name."""
        self._named = False
        self.name.setText(self._free(self.suggestion()))

    def _free(self, base: str) -> str:
        project = self.session.project
        names = set() if project is None else {i.name for i in project.items("studies")}
        name, k = base, 2
        while name and name in names:
            name, k = f"{base} ({k})", k + 1
        return name

    def _name_edited(self, text: str) -> None:
        self._named = bool(text.strip())
        self._show_state()

    def _show_state(self) -> None:
        problems = self.problems() or ((self.cost.problem,) if self.cost.problem else ())
        self.problem.setText("\n".join(problems))
        self.problem.setVisible(bool(problems))
        self.cost_text.setText("" if problems else self.cost.text)
        self.start.setEnabled(not problems and self.data.dataset is not None)

    def _ask_cost(self) -> None:
        if self.isVisible() and not self.problems() and self.data.dataset is not None:
            self.cost.ask(self.questions())
            self._show_state()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if not self.cost.text:
            self._timer.start()

    def _start(self) -> None:
        if self.start.isEnabled():
            name = self.name.text().strip()
            self.requested.emit(self.make(name), name)


def count_box(value: int, tip: str, *, low: int = 0, zero: str = "") -> NumberBox:
    """A whole number; zero: what 0 means, shown in its place."""
    box = NumberBox("int", low=low, high=10_000_000, zero=zero)
    box.set_value(value)
    box.setToolTip(tip)
    return box
