"""What a learning curve is made of: data set, ladder of sizes, draws, force fields to compare."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QLineEdit, QListWidgetItem, QWidget

from core.analyses.estimate import EstimateSpec
from core.analyses.learning import Candidate, LearningSpec
from widgets.dataset_choice import narrow
from widgets.field_list import is_of, style_icon
from widgets.fit.settings import FitSettings, Settings
from widgets.forms import Choice
from widgets.naming import named, text_label
from widgets.session import Session
from widgets.study.cost import Question
from widgets.study.form import StudyForm, count_box
from widgets.study.styles import distinct
from widgets.tick_list import TickList

FIRST, MOST = 25, 800  # frames of the ladder that is proposed
TESTED = 1000  # frames at most
HELD_OUT = ""  # tested on frames of the same data set


def ladder(limit: int) -> tuple[int, ...]:
    """25, 50, 100 … up to `limit` frames; fewer and smaller steps where there are few frames."""
    if limit < 2 * FIRST:
        return tuple(sorted({max(1, limit // k) for k in (4, 2, 1)})) if limit > 0 else ()
    sizes = [FIRST]
    while 2 * sizes[-1] <= min(limit, MOST):
        sizes.append(2 * sizes[-1])
    return tuple(sizes)


class CandidateList(TickList):
    """Force fields with their defaults, and with the settings of the project's fits, to tick."""

    MOST = 10
    ticked = Signal()

    def __init__(
        self, session: Session, settings: FitSettings, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.session, self.settings = session, settings
        self._ticks: dict[str, bool] = {}
        empty = QPixmap(14, 14)
        empty.fill(Qt.GlobalColor.transparent)
        self._blank = QIcon(empty)
        named(self, "Force fields to compare", "Tick those that get a curve")
        self.setUniformItemSizes(True)
        self.itemChanged.connect(self._changed)

    def fill(self) -> None:
        """Read the catalogue and the fits again; ticks stay. At first sGDML is ticked."""
        self.blockSignals(True)
        self.clear()
        for one in self.settings.choices():
            text = f"as in fit “{one.label}”" if one.item else one.label
            row = QListWidgetItem(text)
            row.setFlags(row.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            on = self._ticks.setdefault(one.item or one.key, one.key == "sgdml" and not one.item)
            row.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
            row.setData(Qt.ItemDataRole.UserRole, one)
            what = "the settings of this fit" if one.item else "its default settings"
            row.setToolTip(f"{one.label}: {what}")
            self.addItem(row)
        self._show_markers()
        self.blockSignals(False)
        self.updateGeometry()

    def chosen(self) -> tuple[Settings, ...]:
        """The ticked ones."""
        return tuple(r.data(Qt.ItemDataRole.UserRole) for r in self.ticked_rows())

    def label_of(self, row: QListWidgetItem) -> str:
        return str(row.data(Qt.ItemDataRole.UserRole).label)

    def _changed(self, row: QListWidgetItem) -> None:
        one = row.data(Qt.ItemDataRole.UserRole)
        self._ticks[one.item or one.key] = row.checkState() == Qt.CheckState.Checked
        self.blockSignals(True)
        self._show_markers()
        self.blockSignals(False)
        self.ticked.emit()

    def _show_markers(self) -> None:
        """Those of the curves. Only ticked ones get a style: there are not enough for all."""
        styles = distinct(c.label for c in self.chosen())
        for row in (self.item(k) for k in range(self.count())):
            style = styles.get(row.data(Qt.ItemDataRole.UserRole).label)
            if style is None or row.checkState() != Qt.CheckState.Checked:
                row.setIcon(self._blank)
            else:
                row.setIcon(style_icon(style, dark=self.session.dark))


class LearningForm(StudyForm):
    """Makes LearningSpecs."""

    ACTION, TIP = "Compute the curves", "Train every force field on every number of frames"

    def build(self) -> None:
        self.test = named(
            narrow(Choice()), "Tested on", "Frames that no training saw, or another data set"
        )
        self.sizes = named(
            QLineEdit(), "Numbers of training frames", "For example 25, 50, 100; one point for each"
        )
        self.repeats = count_box(
            3, "How often each size is drawn anew; the error bars are the spread", low=1
        )
        self.n_test = count_box(
            0,
            "Frames to test on; 0 = all that the largest training leaves, at most 1000",
            zero="all left",
        )
        self.fields = CandidateList(self.session, self.settings)
        self.trainings = text_label("Number of trainings", wrap=True)
        self._sizes_by_hand = False
        self.section("Data", (("", self.data), ("Tested on", self.test)))
        self.section("Force fields", (("", self.fields), ("Device", self.device)))
        self.section(
            "Trainings",
            (
                ("Frames", self.sizes),
                ("Draws", self.repeats),
                ("Validation", self.n_valid),
                ("Test", self.n_test),
                ("Drawn", self.method),
                ("Seed", self.seed),
                ("Name", self.name),
                ("", self.trainings),
            ),
        )
        self.sizes.textEdited.connect(self._typed)
        self.sizes.textChanged.connect(lambda _t: self.edited())
        self.fields.ticked.connect(self.edited)
        for box in (self.repeats, self.n_test):
            box.changed.connect(self.edited)
        self.test.currentIndexChanged.connect(lambda _i: self._test_chosen())
        self.fill_tests()

    def fill_fields(self) -> None:
        self.fields.fill()
        super().fill_fields()

    def fill_tests(self) -> None:
        """Read the data sets that can be tested on again."""
        kept, project = self.test.currentData() or HELD_OUT, self.session.project
        self.test.blockSignals(True)
        self.test.clear()
        self.test.addItem("frames left over", HELD_OUT)
        chosen, data = self.data.combo.currentData(), self.data.dataset
        numbers = None if data is None else tuple(int(z) for z in data.molecule.numbers)
        for item in project.items("datasets") if project is not None else ():
            if item.record.exists() and item.id != chosen and is_of(str(item.record), numbers):
                self.test.addItem(item.name, str(item.record))
        self.test.setCurrentIndex(max(0, self.test.findData(kept)))
        self.test.blockSignals(False)

    def _typed(self, _text: str) -> None:
        self._sizes_by_hand = bool(self.sizes.text().strip())

    def _test_chosen(self) -> None:
        if self.data.dataset is not None:
            self.data_loaded()
        self.edited()

    def _usable(self) -> int:
        return self.data.usable(energies_suffice=False) or self.data.usable(energies_suffice=True)

    def data_loaded(self) -> None:
        self.fill_tests()
        usable = self._usable()
        if not self.n_valid.problem() and self.n_valid.value() > usable // 5:
            self.n_valid.set_value(usable // 5)
        if not self._sizes_by_hand and not self.n_valid.problem():
            kept = int(self.n_valid.value())
            if not self.test.currentData():
                kept += max(10, usable // 10)
            self.sizes.setText(", ".join(str(n) for n in ladder(usable - kept)))
            self.sizes.setCursorPosition(0)  # a narrow form shows where it begins

    def numbers(self) -> tuple[int, ...]:
        """The sizes, ascending. Raises ValueError for what is none."""
        words = self.sizes.text().replace(";", ",").replace(" ", ",").split(",")
        found = sorted({int(w) for w in words if w})
        if not found or found[0] < 1:
            raise ValueError("at least one number of frames is needed")
        return tuple(found)

    def own_problems(self) -> list[str]:
        rows = [
            f"{title}: {box.problem()}"
            for title, box in (("Draws", self.repeats), ("Test", self.n_test))
            if box.problem()
        ]
        self.trainings.setText("")
        try:
            sizes = self.numbers()
        except ValueError:
            return [*rows, "Frames: whole numbers are needed, for example 25, 50, 100"]
        chosen = self.fields.chosen()
        if not chosen:
            rows.append("Tick a force field that gets a curve")
        if rows or self.n_valid.problem():
            return rows
        asked = sizes[-1] + self.n_valid.value() + self.n_test.value()
        usable = self._usable()
        spare = 0 if self.test.currentData() or self.n_test.value() else 1
        if asked + spare > usable:
            rows.append(
                f"{asked} frames asked, but only {usable} have labels"
                if asked > usable
                else f"All {usable} frames are asked for: none is left to test on"
            )
        else:
            total = len(sizes) * len(chosen) * int(self.repeats.value())
            where = "another data set" if self.test.currentData() else f"{self._tested()} frames"
            self.trainings.setText(f"{total} trainings, tested on {where}")
        return rows

    def _tested(self) -> int:
        """As many for each size, so that all points are judged alike."""
        asked = int(self.n_test.value())
        left = self._usable() - int(self.n_valid.value()) - self.numbers()[-1]
        return asked or max(1, min(TESTED, left))

    def questions(self) -> list[Question]:
        assert self.data.dataset is not None
        molecule, device = self.data.dataset.molecule, str(self.device.currentData())
        return [
            (EstimateSpec(c.key, molecule, n, c.hyper, device), float(self.repeats.value()))
            for c in self.fields.chosen()
            for n in self.numbers()
        ]

    def suggestion(self) -> str:
        return f"Learning curves, {self.data.combo.currentText()}".rstrip(", ")

    def make(self, name: str) -> Any:
        on_other = str(self.test.currentData() or "")
        return LearningSpec(
            dataset=str(self.data.item().record),
            candidates=tuple(Candidate(c.label, c.key, c.hyper) for c in self.fields.chosen()),
            sizes=self.numbers(),
            repeats=int(self.repeats.value()),
            n_valid=int(self.n_valid.value()),
            n_test=0 if on_other else self._tested(),
            seed=int(self.seed.value()),
            method=self.method.currentText(),
            region=self.region_text(),
            test=on_other,
            device=str(self.device.currentData()),
            label=name,
        )
