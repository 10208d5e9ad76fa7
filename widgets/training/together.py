"""Other molecules that a force field is fitted to together with the first data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.analyses.estimate import EstimateShare
from core.analyses.fit import FitShare
from core.dataset import Dataset, Split
from core.molecule import Molecule
from widgets.background import in_background
from widgets.forms import NumberBox
from widgets.naming import named, text_label, tool_button
from widgets.session import Session

MOST_TEST = 1000  # frames that a test takes where all that are left are asked (core.fitting.splits)
TITLE = "Together with"
PROPOSED = (200, 100)  # frames to train and to choose on, where there are so many


@dataclass(frozen=True, eq=False)
class Held:
    """What a data set holds, without its arrays."""

    molecule: Molecule
    frames: int
    energies: int
    forces: int
    level: str

    @classmethod
    def of(cls, dataset: Dataset) -> Held:
        """Read off a data set."""
        energies, forces = int(dataset.has_energy.sum()), int(dataset.has_forces.sum())
        return cls(dataset.molecule, len(dataset), energies, forces, dataset.level)

    def usable(self, *, energies_suffice: bool) -> tuple[int, str]:
        """Frames that can be trained on, and what they have."""
        if self.forces or not energies_suffice:
            return self.forces, "forces"
        return self.energies, "an energy"


class ShareRow(QWidget):
    """One data set: a tick, and once ticked how many of its frames."""

    changed = Signal()

    def __init__(self, item: Any) -> None:
        super().__init__()
        self.id, self.name, self.record = item.id, item.name, str(item.record)
        self.held: Held | None = None
        self.trouble = ""  # why it cannot be read
        self.split: Split | None = None  # the very frames, where they were proposed
        self.tick = named(QCheckBox(item.name), f"Together with {item.name}")
        self.tick.setToolTip(f"Learn the frames of {item.name} too")
        self.about = self._small("What this data set holds")
        self.note = self._small("What this means")
        self.n_train = self._count(
            PROPOSED[0], 1, "frames to train on, beside those of the first data set"
        )
        self.n_valid = self._count(PROPOSED[1], 0, "frames to choose settings on (for example λ)")
        self.n_train.setAccessibleName(f"Training frames of {item.name}")
        self.n_valid.setAccessibleName(f"Validation frames of {item.name}")
        self.edits = QWidget()
        line = QHBoxLayout(self.edits)
        line.setContentsMargins(18, 0, 0, 0)
        line.setSpacing(4)
        for word, box in (("train", self.n_train), ("validate", self.n_valid)):
            label = QLabel(word)
            label.setBuddy(box)
            label.setToolTip(box.toolTip())
            line.addWidget(label)
            line.addWidget(box, 1)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 2)
        grid.setVerticalSpacing(1)
        grid.addWidget(self.tick, 0, 0)
        for k, widget in enumerate((self.about, self.edits, self.note), 1):
            grid.addWidget(widget, k, 0)
        self.edits.hide()
        self.note.hide()
        self.tick.toggled.connect(self._ticked)
        for box in (self.n_train, self.n_valid):
            box.changed.connect(self._edited)

    def _small(self, name: str) -> QLabel:
        text = text_label(name, wrap=True)
        text.setEnabled(False)
        text.setContentsMargins(18, 0, 0, 0)
        text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        return text

    @staticmethod
    def _count(value: int, low: int, tip: str) -> NumberBox:
        box = NumberBox("int", low=low, high=10_000_000)
        box.setButtonSymbols(NumberBox.ButtonSymbols.NoButtons)  # two in a row of a narrow form
        box.setMinimumWidth(box.fontMetrics().horizontalAdvance("00000") + 12)
        box.set_value(value)
        box.setToolTip(f"Number of {tip}")
        return box

    @property
    def on(self) -> bool:
        """Whether it is learnt too."""
        return self.tick.isChecked()

    def _ticked(self, on: bool) -> None:
        self.edits.setVisible(on)
        self.note.setVisible(on and bool(self.note.text()))
        self.changed.emit()

    def _edited(self) -> None:
        self.split = None  # other numbers: those frames were not meant
        self.changed.emit()

    def take_held(self, held: Held, *, energies_suffice: bool) -> None:
        """What it holds is known: fewer frames are proposed where it has not as many."""
        self.held = held
        usable, _ = held.usable(energies_suffice=energies_suffice)
        asked = (self.n_train.value(), self.n_valid.value())
        if self.split is None and asked == PROPOSED and sum(PROPOSED) >= usable > 4:
            self.n_train.set_value(3 * usable // 5)
            self.n_valid.set_value(usable // 5)

    def rename(self, name: str) -> None:
        """The person calls the data set otherwise now."""
        self.name = name
        self.tick.setText(name)

    def tell(self, first: Dataset | None) -> None:
        """Say what the data set holds and what it means beside the first one."""
        held = self.held
        if held is None:
            self.about.setText(self.trouble or "reading …")
            return
        labels = f"{held.forces} forces" if held.forces else f"{held.energies} energies, no forces"
        level = f", {held.level}" if held.level else ""
        self.about.setText(f"{held.molecule.formula}: {held.frames} frames, {labels}{level}")
        self.note.setText("" if first is None else meaning(held, first))
        self.note.setVisible(self.on and bool(self.note.text()))

    def problem(self, *, energies_suffice: bool) -> str:
        """What is wrong with a ticked row, "" when nothing is."""
        for word, box in (("training", self.n_train), ("validation", self.n_valid)):
            if box.problem():
                return f"{self.name}, {word}: {box.problem()}"
        if self.held is None:
            return self.trouble or f"{self.name}: reading …"
        usable, what = self.held.usable(energies_suffice=energies_suffice)
        n = int(self.n_train.value())
        asked = n + int(self.n_valid.value())
        if not usable:
            return f"{self.name}: no frame has {what}"
        if n >= usable or asked > usable:
            return f"{self.name}: {asked} frames asked, but only {usable} have {what}"
        return ""

    def share(self) -> FitShare:
        """What a fit is told. Only where there is no problem."""
        n_train, n_valid = int(self.n_train.value()), int(self.n_valid.value())
        return FitShare(self.record, n_train, n_valid, split=self.split)

    def line(self, *, energies_suffice: bool) -> str:
        """Its frames, for the preview of the split."""
        assert self.held is not None
        n, m = int(self.n_train.value()), int(self.n_valid.value())
        left = self.held.usable(energies_suffice=energies_suffice)[0] - n - m
        return f"{self.name}: training {n}, validation {m}, test {min(left, MOST_TEST)}"


def meaning(held: Held, first: Dataset) -> str:
    """What it means to learn this data set beside the first one, "" where it needs no words."""
    rows = []
    ours, theirs = held.molecule, first.molecule
    if np.array_equal(ours.numbers, theirs.numbers):
        rows.append("The same molecule as the first: more frames of it, with errors of their own.")
    elif ours.formula == theirs.formula:
        rows.append("The formula of the first in another order of atoms: learnt as a molecule.")
    if held.level and first.level and held.level != first.level:
        rows.append(f"Another level than the first ({first.level}): the energies will not agree.")
    return " ".join(rows)


class Together(QWidget):
    """Ticks for the other data sets of the project, folded away where the method takes one."""

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.rows: dict[str, ShareRow] = {}  # by item, also those not on show
        self._first = ""  # item of the first data set
        self._first_data: Dataset | None = None
        self._can, self._energies_suffice = False, False
        self._reading: set[str] = set()
        self._by_hand: bool | None = None  # the person folded or unfolded
        self.fold = tool_button(TITLE, "Learn other molecules of the project too", check=True)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.clicked.connect(self._folded)
        self.why = text_label("Why nothing else can be learnt together", wrap=True)
        self.why.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.why.setEnabled(False)
        self.body = QWidget()
        self._box = QVBoxLayout(self.body)
        self._box.setContentsMargins(4, 0, 0, 0)
        self._box.setSpacing(1)
        self._box.addWidget(self.why)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(1)
        box.addWidget(self.fold, 0, Qt.AlignmentFlag.AlignLeft)
        box.addWidget(self.body)
        named(self, TITLE)
        self._show()

    # -- what there is ------------------------------------------------------------------------
    def fill(self, first: str, dataset: Dataset | None) -> None:
        """Read the project again; `first` is the item of the first data set. Keeps the ticks."""
        self._first, self._first_data = first, dataset
        project = self.session.project
        items = () if project is None else project.items("datasets")
        items = tuple(i for i in items if i.record.exists())
        for id in set(self.rows) - {i.id for i in items}:
            gone = self.rows.pop(id)
            self._box.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        for item in items:
            row = self.rows.get(item.id)
            if row is None:
                row = self.rows[item.id] = ShareRow(item)
                row.changed.connect(self._edited)
                self._box.addWidget(row)
            elif row.name != item.name:
                row.rename(item.name)
        self._show()
        self._read()

    def set_method(self, label: str, *, combines: bool, energies_suffice: bool = False,
                   corrects: bool = False) -> None:  # fmt: skip
        """The method now chosen. corrects: it is trained on top of another force field."""
        self._can, self._energies_suffice = combines, energies_suffice
        if corrects:
            text = "What lies on top of another force field is learnt for one molecule."
        else:
            able = [i.label for i in self.session.catalog if i.trainable and i.combines]
            more = f" Several together: {', '.join(able)}." if able else ""
            text = f"{label or 'This method'} learns one molecule at a time.{more}"
        self.why.setText(text)
        self._show()
        self._read()

    def _others(self) -> list[ShareRow]:
        return [row for id, row in self.rows.items() if id != self._first]

    def ticked(self) -> list[ShareRow]:
        """The rows that are learnt too; none where the method takes one molecule."""
        return [row for row in self._others() if row.on] if self._can else []

    def _folded(self, on: bool) -> None:
        self._by_hand = on
        self._show()

    def _edited(self) -> None:
        self._show()
        self._read()
        self.changed.emit()

    def _show(self) -> None:
        """Open where it can be used, unless the person folded it; ticks are never hidden."""
        others = self._others()
        ticks = any(row.on for row in others)
        wanted = self._can and bool(others) if self._by_hand is None else self._by_hand
        on = wanted or ticks
        none = self._can and not others
        if none:
            self.why.setText("Import a data set of another molecule to learn both together.")
        self.why.setVisible(none or not self._can)
        for row in self.rows.values():
            row.setVisible(self._can and row.id != self._first)
            row.tell(self._first_data)
        self.body.setVisible(on)
        self.fold.setChecked(on)
        self.fold.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        n = len(self.ticked())
        self.fold.setText(f"{TITLE} {n} other{'s' * (n > 1)}" if n else f"{TITLE} other molecules")
        self.fold.setToolTip(
            self.why.text() if not self._can else "Learn other molecules of the project too"
        )

    def _read(self) -> None:
        """Find out what the data sets hold, in one thread, once each; only where it matters."""
        project = self.session.project
        rows = [r for r in self._others() if r.held is None and not r.trouble]
        ids = [r.id for r in rows if r.id not in self._reading]
        if not self._can or project is None or not ids:
            return
        self._reading.update(ids)

        def work() -> dict[str, Held | str]:
            found: dict[str, Held | str] = {}
            for id in ids:
                try:
                    found[id] = Held.of(project.load(id))
                except (OSError, ValueError, KeyError, AttributeError) as error:
                    found[id] = str(error)
            return found

        in_background(self, work, done=self._take_held, failed=lambda _why: None)

    def _take_held(self, found: dict[str, Held | str]) -> None:
        self._reading.difference_update(found)
        for id, what in found.items():
            if id in self.rows and isinstance(what, Held):
                self.rows[id].take_held(what, energies_suffice=self._energies_suffice)
            elif id in self.rows:
                self.rows[id].trouble = str(what)
        self._show()
        self.changed.emit()

    # -- for the form -------------------------------------------------------------------------
    def problems(self) -> list[str]:
        """What is wrong with the ticked rows, one line each."""
        found = (r.problem(energies_suffice=self._energies_suffice) for r in self.ticked())
        return [problem for problem in found if problem]

    def shares(self) -> tuple[FitShare, ...]:
        """What a fit is told. Only where there is no problem."""
        return tuple(row.share() for row in self.ticked())

    def costs(self) -> tuple[EstimateShare, ...]:
        """What the estimate of the cost is told. Only where there is no problem."""
        return tuple(
            EstimateShare(r.held.molecule, int(r.n_train.value()))
            for r in self.ticked()
            if r.held is not None
        )

    def sizes_text(self) -> str:
        """ "+100+50", the training frames of the others, for a name; "" while they are wrong."""
        rows = self.ticked()
        wrong = any(r.n_train.problem() for r in rows)
        return "" if wrong else "".join(f"+{int(r.n_train.value())}" for r in rows)

    def lines(self) -> list[str]:
        """The frames of each, for the preview of the split."""
        if self.problems():
            return []
        return [r.line(energies_suffice=self._energies_suffice) for r in self.ticked()]

    def take(self, shares: Sequence[FitShare]) -> str:
        """Show the other molecules of a spec; "" or what is not there any more."""
        by_record = {row.record: row for row in self.rows.values()}
        wanted = {s.dataset: s for s in shares}
        for record, row in by_record.items():
            share = wanted.get(record)
            row.tick.setChecked(share is not None)
            if share is not None:
                n = (share.n_train, share.n_valid)
                if share.split is not None:
                    n = (len(share.split.train), len(share.split.valid))
                row.n_train.set_value(n[0])
                row.n_valid.set_value(n[1])
                row.split = share.split
        if set(wanted) - set(by_record):
            return "A data set that was learnt together with the first is not in the project."
        return ""
