"""Which force fields: the references, the built-in ones and the trained ones, to tick."""

from __future__ import annotations

import functools
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QComboBox, QListWidgetItem, QWidget

from core.fieldref import FieldRef
from core.molecule import Molecule
from core.storage import peek
from widgets.palette import Style, palette
from widgets.session import Session
from widgets.tick_list import TickList

REF = Qt.ItemDataRole.UserRole
ITEM = Qt.ItemDataRole.UserRole + 1  # project item id of a fit or data set


def field_icon(label: str, *, dark: bool) -> QIcon:
    """The force field's coloured marker."""
    return style_icon(palette().style(label), dark=dark)


def style_icon(style: Style, *, dark: bool) -> QIcon:
    """A coloured marker."""
    pixmap = QPixmap(14, 14)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setPen(QColor(style.color(dark=dark)))
    painter.drawText(pixmap.rect(), Qt.AlignmentFlag.AlignCenter, style.glyph)
    painter.end()
    return QIcon(pixmap)


Numbers = tuple[int, ...] | None  # atomic numbers of a molecule, None = any


def references(session: Session, numbers: Numbers = None) -> list[tuple[FieldRef, str, str]]:
    """(FieldRef, item id, tooltip) of every data set with energies, called by its level."""
    found = [
        (item, _head(item))
        for item in _finished(session, "datasets")
        if _serves(str(item.record), numbers, labelled=True)
    ]
    levels = [str(head.get("level") or "Reference") for _, head in found]
    rows = []
    for (item, _), level in zip(found, levels, strict=True):
        label = level if levels.count(level) == 1 else f"{level} ({item.name})"
        palette().reference(label)
        ref = FieldRef("reference", dataset=str(item.record), label=label)
        rows.append((ref, item.id, f"the labels of the data set “{item.name}”, where it has some"))
    return rows


def built_in(session: Session) -> list[tuple[FieldRef, str, str]]:
    """Force fields that work without training and without being told anything."""
    rows = []
    for info in session.catalog:
        if info.must_be_trained or info.key == "reference" or info.family == "external":
            continue
        tip = " ".join(x for x in (info.about, f"[{info.implementation}]") if x.strip("[]"))
        rows.append((FieldRef(info.key, label=info.label), "", tip))
    return rows


def trained(session: Session, numbers: Numbers = None) -> list[tuple[FieldRef, str, str]]:
    """The project's finished fits, of the molecule with these atoms."""
    rows = []
    for item in _finished(session, "fits"):
        model = item.folder / "model.npz"
        if model.exists() and _suits(session, item, numbers):
            ref = FieldRef(str(_head(item).get("key", "")), model=str(model), label=item.name)
            rows.append((ref, item.id, f"trained here: {item.name}"))
    return rows


def _suits(session: Session, fit: Any, numbers: Numbers) -> bool:
    """Whether a fit is of the molecule wanted: of its own, or of one it was combined with.

    A combined fit goes by elements and distances, so the order of the atoms does not matter to it.
    """
    dataset = _dataset_of(session, fit)
    if numbers is None or _serves(dataset, numbers):
        return True
    others = _head(fit).get("others") or ()
    if not others:
        return False
    learnt = {str(other.get("formula", "")) for other in others} | {_formula_of(dataset)}
    return _formula(numbers) in learnt


def _formula(numbers: tuple[int, ...]) -> str:
    """Hill formula of these atoms."""
    return Molecule("", np.array(numbers), np.zeros((len(numbers), 3))).formula


def _formula_of(dataset: str) -> str:
    try:
        return _formula(_contents(dataset, Path(dataset).stat().st_mtime_ns)[0])
    except (OSError, ValueError, KeyError):
        return ""


def _head(item: Any) -> dict[str, Any]:
    """The record's plain tree (its arrays are not read), empty where it cannot be read."""
    try:
        return _tree(item.record, item.record.stat().st_mtime_ns)
    except (OSError, ValueError):
        return {}


@functools.lru_cache(maxsize=256)
def _tree(record: Path, _stamp: int) -> dict[str, Any]:
    return peek(record)


def _dataset_of(session: Session, fit: Any) -> str:
    try:
        return _trained_on(weakref.ref(session.project), fit.id, fit.record.stat().st_mtime_ns)
    except (OSError, ValueError):
        return ""


@functools.lru_cache(maxsize=256)
def _trained_on(project: weakref.ref[Any], fit: str, _stamp: int) -> str:
    held = project()  # the cache must not keep a project that was closed
    return "" if held is None else str(getattr(held.job(fit), "dataset", ""))


def is_of(record: str, numbers: Numbers) -> bool:
    """Whether a stored data set has labels and is of the molecule with these atoms."""
    return _serves(record, numbers, labelled=True)


def _serves(record: str, numbers: Numbers, *, labelled: bool = False) -> bool:
    """Whether a data set is of the molecule wanted; what cannot be read is not hidden."""
    try:
        atoms, energies = _contents(record, Path(record).stat().st_mtime_ns)
    except (OSError, ValueError, KeyError):
        return True
    return (numbers is None or atoms == numbers) and (energies or not labelled)


@functools.lru_cache(maxsize=256)
def _contents(record: str, _stamp: int) -> tuple[tuple[int, ...], bool]:
    """Atomic numbers of a stored data set and whether it has an energy; no positions are read."""
    tree = peek(record)
    with np.load(record, allow_pickle=False) as arrays:
        numbers = arrays[f"a{tree['molecule']['numbers']['at']}"]
        energies = tree["energies"]
        some = energies is not None and np.isfinite(arrays[f"a{energies['at']}"]).any()
    return tuple(int(z) for z in numbers), bool(some)


def _finished(session: Session, kind: str) -> list[Any]:
    if session.project is None:
        return []
    return [i for i in session.project.items(kind) if i.record.exists()]


class FieldList(TickList):
    """Tick any number; ticks survive when the list is made anew."""

    ticked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.dark = session.dark
        self.numbers: Numbers = None
        self._ticks: dict[tuple[str, str, str], bool] = {}
        self.setAccessibleName("Force fields to compute")
        self.setToolTip("Tick the force fields whose energies are to be computed")
        self.setUniformItemSizes(True)
        self.itemChanged.connect(self._changed)
        self.fill()

    def fill(self) -> None:
        """Read the catalogue and the project again."""
        self.blockSignals(True)
        chosen = self.currentRow()
        self.clear()
        session, numbers = self.session, self.numbers
        groups = (references(session, numbers), built_in(session), trained(session, numbers))
        newest = [rows[-1][0] for rows in (groups[0], groups[2]) if rows]
        for rows in groups:
            for ref, item_id, tip in rows:
                row = QListWidgetItem(field_icon(ref.label, dark=self.dark), ref.label)
                row.setFlags(row.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                default = ref.key == "mmff94" or ref in newest
                if ref.key == "reference":
                    default = default and not self._any_reference()
                on = self._ticks.setdefault(_name(ref), default)
                row.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
                row.setData(REF, ref)
                row.setData(ITEM, item_id)
                row.setToolTip(tip)
                self.addItem(row)
        self.setCurrentRow(min(chosen, self.count() - 1))
        self.blockSignals(False)
        self.updateGeometry()
        self.ticked.emit()

    def set_molecule(self, numbers: Numbers) -> None:
        """Offer only references and fits of this molecule (atomic numbers, None = any)."""
        if numbers != self.numbers:
            self.numbers = numbers
            self.fill()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.dark = dark
        self.fill()

    def refs(self) -> tuple[FieldRef, ...]:
        """The ticked ones, references first."""
        return tuple(r.data(REF) for r in self.ticked_rows())

    def _any_reference(self) -> bool:
        return any(on for (key, *_), on in self._ticks.items() if key == "reference")

    def _changed(self, row: QListWidgetItem) -> None:
        self._ticks[_name(row.data(REF))] = row.checkState() == Qt.CheckState.Checked
        self.ticked.emit()


class FieldCombo(QComboBox):
    """Choose one force field that can be run (no references)."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setAccessibleName("Force field")
        self.setToolTip("The force field that drives the atoms")
        self.numbers: Numbers = None
        self._by_hand = False
        self.activated.connect(self._chosen)
        self.fill()

    def _chosen(self, _row: int) -> None:
        self._by_hand = True

    def set_molecule(self, numbers: Numbers) -> None:
        """Offer only fits of this molecule (atomic numbers, None = any)."""
        if numbers != self.numbers:
            self.numbers = numbers
            self.fill()

    def fill(self) -> None:
        """Read the catalogue and the project again; keeps what the person chose."""
        kept = self.currentText() if self._by_hand else ""
        self.blockSignals(True)
        self.clear()
        session = self.session
        for ref, _item, tip in (*built_in(session), *trained(session, self.numbers)):
            self.addItem(field_icon(ref.label, dark=self.session.dark), ref.label, ref)
            self.setItemData(self.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        at = self.findText(kept) if kept else -1
        if at < 0:  # the newest fit is what a person wants to see move, else the quickest one
            keys = [self.itemData(k).key for k in range(self.count())]
            fits = [k for k in range(self.count()) if self.itemData(k).model]
            at = fits[-1] if fits else keys.index("mmff94") if "mmff94" in keys else 0
        self.setCurrentIndex(at if self.count() else -1)
        self.blockSignals(False)
        self.currentIndexChanged.emit(self.currentIndex())

    def ref(self) -> FieldRef | None:
        """The chosen one."""
        return self.currentData()


def _name(ref: FieldRef) -> tuple[str, str, str]:
    return ref.key, ref.model, ref.dataset
