"""Choose a data set of the project; it is read in the background."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from core.dataset import Dataset
from widgets.forms import Choice
from widgets.loading import load_item
from widgets.naming import named, text_label
from widgets.session import Session


def narrow(combo: Choice) -> Choice:
    """A combo box that takes the room there is, and no more for long names."""
    combo.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def holds(dataset: Dataset) -> tuple[str, str]:
    """What a data set holds, in words, and why nothing can be trained on it ("" = it can)."""
    energies, forces = int(dataset.has_energy.sum()), int(dataset.has_forces.sum())
    level = f", {dataset.level}" if dataset.level else ""
    found = (
        f"{dataset.molecule.formula}: {len(dataset)} frames, {energies} energies and {forces} "
        f"forces found{level}"
    )
    none = not forces and not energies
    return found, "No frame of this data set has labels: nothing to train on." if none else ""


class DatasetChoice(QWidget):
    """A combo box with what the data set holds beneath it. The largest one is preselected."""

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.dataset: Dataset | None = None
        self.trouble = ""
        self.combo = named(narrow(Choice()), "Data set", "Frames with energies and forces")
        self.found = text_label("What the data set holds", wrap=True)
        self.found.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._by_hand = False
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(3)
        box.addWidget(self.combo)
        box.addWidget(self.found)
        self.combo.activated.connect(self._chosen)
        self.combo.currentIndexChanged.connect(lambda _i: self._load())
        self.fill()

    def fill(self) -> None:
        """Read the project's data sets again; keeps the choice, else takes the largest."""
        before = self.combo.currentData()
        project = self.session.project
        items = [] if project is None else list(project.items("datasets"))
        items = [i for i in items if i.record.exists()]
        self.combo.blockSignals(True)
        self.combo.clear()
        for item in items:
            self.combo.addItem(item.name, item.id)
        at = self.combo.findData(before if self._by_hand else None)
        if at < 0 and items:  # the most to train on; a surface or a test set is smaller
            at = max(range(len(items)), key=lambda k: items[k].record.stat().st_size)
        self.combo.setCurrentIndex(at)
        self.combo.blockSignals(False)
        if self.combo.currentData() != before or self.dataset is None:
            self._load()

    def choose(self, item_id: str) -> None:
        """Choose by item; unknown ones are ignored."""
        at = self.combo.findData(item_id)
        if at >= 0:
            self._by_hand = True
            self.combo.setCurrentIndex(at)

    def item(self) -> Any:
        """The chosen item, or None."""
        item_id = self.combo.currentData()
        return None if item_id is None else self.session.project.item(item_id)

    def problem(self) -> str:
        """Why nothing can be trained on it, "" when it can."""
        if self.combo.currentData() is None:
            return "Open a file with energies and forces first (File, Open)."
        return self.trouble

    def usable(self, *, energies_suffice: bool = False) -> int:
        """How many frames can be trained on."""
        if self.dataset is None:
            return 0
        forces = int(self.dataset.has_forces.sum())
        return forces or (int(self.dataset.has_energy.sum()) if energies_suffice else 0)

    def _chosen(self, _row: int) -> None:
        self._by_hand = True

    def _load(self) -> None:
        self.dataset, self.trouble = None, ""
        item = self.item()
        self.found.setText("reading …" if item is not None else "")
        self.changed.emit()
        if item is not None:
            load_item(
                self,
                self.session.project,
                item,
                done=lambda record: self._loaded(item.id, record),
                failed=lambda text: self._failed(item.id, text),
            )

    def _loaded(self, item_id: str, record: Any) -> None:
        if item_id != self.combo.currentData():
            return  # another one was chosen meanwhile
        if not isinstance(record, Dataset):
            self._failed(item_id, "The item is no data set.")
            return
        self.dataset = record
        found, self.trouble = holds(record)
        self.found.setText(found)
        self.changed.emit()

    def _failed(self, item_id: str, text: str) -> None:
        if item_id == self.combo.currentData():
            self.trouble = text
            self.found.setText("")
            self.changed.emit()
