"""What the parameter editor works on: molecule or fit, GAFF's version, scan and reference."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QGridLayout, QLabel, QSizePolicy, QWidget

from core.bonding import chain_label
from core.dataset import Dataset
from core.molecule import Molecule
from core.storage import peek
from widgets.field_list import references
from widgets.forms import Choice
from widgets.naming import named
from widgets.session import Session

VERSIONS = (("GAFF 1.81", "gaff"), ("GAFF2 2.2.20", "gaff2"))
CHARGES = (
    ("Gasteiger", "gasteiger"),
    ("NAGL (AM1-BCC)", "nagl"),
    ("antechamber", "antechamber"),
)
FILE = "file"  # types, charges or terms of a file that AMBER's tools wrote
FROM_FILE = "from a file …"
FILES = "mol2, prmtop, frcmod (*.mol2 *.prmtop *.parm7 *.frcmod);;All files (*)"
EDITABLE = ("gaff",)  # keys of force fields whose fits can be edited
MAP = "map"


class MoleculeReader:
    """Stands where `load_item` wants a project: the molecule of an item, in its lowest frame."""

    def __init__(self, project: Any) -> None:
        self.project = project

    def load(self, item: Any) -> Molecule:
        """Raises ValueError where the item holds no molecule."""
        record = self.project.load(item)
        if isinstance(record, Dataset):
            molecule = record.molecule
            if record.energies is not None and record.has_energy.any():
                lowest = int(np.nanargmin(record.energies))
                molecule = dataclasses.replace(molecule, positions=record.positions[lowest])
            return molecule
        if not isinstance(record, Molecule):
            raise ValueError("there is no molecule in it")
        return record


class ParameterBar(QWidget):
    """Choices above the table. `source_changed`: other terms are wanted; `scan_changed`: a scan."""

    source_changed = Signal()
    scan_changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.source = named(Choice(), "Molecule or fit", "Whose terms are shown")
        self.version = named(Choice(), "Version of GAFF", "Parameter table the terms come from")
        self.charges = named(Choice(), "Charges", "How the charges of the atoms are made")
        self.scan = named(Choice(), "Scan", "Rigid scan that is redrawn with every edit")
        self.reference = named(Choice(), "Reference", "Data set whose points lie on the scan")
        for text, data in VERSIONS:
            self.version.addItem(text, data)
        for text, data in (*CHARGES, (FROM_FILE, FILE)):
            self.charges.addItem(text, data)
        tip = "Types and charges of a mol2 file, all terms of a prmtop, entries of a frcmod"
        self.charges.setItemData(len(CHARGES), tip, Qt.ItemDataRole.ToolTipRole)
        grid = QGridLayout(self)
        grid.setContentsMargins(6, 4, 6, 2)
        grid.setVerticalSpacing(2)
        first = (("Terms of", self.source), ("by", self.version), ("charges", self.charges))
        second = (("Scan", self.scan), ("reference", self.reference))
        for r, parts in enumerate((first, second)):
            for c, (text, box) in enumerate(parts):
                grid.addWidget(QLabel(text), r, 2 * c)
                grid.addWidget(box, r, 2 * c + 1)
                box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
                box.setMinimumWidth(70)
        for column, stretch in ((1, 3), (3, 2), (5, 2)):
            grid.setColumnStretch(column, stretch)
        self.corner = grid
        self.source.activated.connect(lambda _i: self._source_chosen())
        self.version.activated.connect(lambda _i: self.source_changed.emit())
        self.charges.activated.connect(lambda _i: self._charges_chosen())
        self.scan.activated.connect(lambda _i: self.scan_changed.emit())
        self.reference.activated.connect(lambda _i: self._reference_chosen())
        self.file = ""  # where the charges, types or terms are from, where it is a file
        self._charges_before = 0
        self._by_hand = False  # a person chose the reference
        self._numbers: tuple[int, ...] = ()  # of the molecule whose references are offered

    # -- filling ------------------------------------------------------------------------------
    def fill(self) -> bool:
        """Read the project again; True when another source is chosen now."""
        before = self.source.currentData()
        project = self.session.project
        self.source.blockSignals(True)
        self.source.clear()
        for kind in ("datasets", "molecules", "fits") if project is not None else ():
            for item in project.items(kind):
                if not item.record.exists():
                    continue
                tree = _head(item)
                if kind == "fits":
                    if tree.get("key") in EDITABLE and (item.folder / "model.npz").exists():
                        self.source.addItem(f"fit {item.name}", item.id)
                    continue
                self.source.addItem(item.name, item.id)
        self.source.setCurrentIndex(max(0, self.source.findData(before)))
        self.source.blockSignals(False)
        self.fill_references()
        self._follow_source()
        return self.source.currentData() != before

    def fill_references(self, molecule: Molecule | None = None) -> None:
        """Offer the labelled data sets of this molecule (None: of the one offered last)."""
        if molecule is not None:
            self._numbers = tuple(int(z) for z in molecule.numbers)
        kept = self.reference.currentData() if self._by_hand else None
        self.reference.clear()
        self.reference.addItem("none", "")
        best = 0
        known = references(self.session, self._numbers) if self._numbers else []
        for _ref, id, tip in known:
            item = self.session.project.item(id)
            self.reference.addItem(item.name, id)
            self.reference.setItemData(self.reference.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
            # a scan says which grid point a frame is; other data only happen to lie near
            if _head(item).get("tags") or not best:
                best = self.reference.count() - 1
        at = self.reference.findData(kept) if kept is not None else -1
        self.reference.setCurrentIndex(at if at >= 0 else best)

    def choose(self, item: str) -> bool:
        """Take the terms of an item; False when it has none that can be edited."""
        at = self.source.findData(item)
        if at >= 0:
            self.source.setCurrentIndex(at)
            self._source_chosen()
        return at >= 0

    def follow(self, hyper: dict[str, Any]) -> None:
        """Show the choices that terms on show were made with."""
        self.file = str(hyper.get("mol2") or hyper.get("parameters") or "")
        charges = FILE if self.file else hyper.get("charges")
        for box, value in ((self.version, hyper.get("flavour")), (self.charges, charges)):
            at = box.findData(value)
            if at >= 0:
                box.setCurrentIndex(at)
        self._name_file()

    def fill_scans(self, axes: list[tuple[int, ...]], molecule: Molecule) -> None:
        """Offer profiles over these dihedrals, and the map of the first two."""
        kept = self.scan.currentData()
        self.scan.clear()
        for atoms in axes:
            self.scan.addItem(chain_label(molecule, atoms), tuple(atoms))
        if len(axes) > 1 and set(axes[0][1:3]) != set(axes[1][1:3]):
            self.scan.addItem("map of the first two", MAP)
        at = next((i for i in range(self.scan.count()) if self.scan.itemData(i) == kept), 0)
        self.scan.setCurrentIndex(at if self.scan.count() else -1)

    def clear_scans(self) -> None:
        """There is no molecule to turn."""
        for box in (self.scan, self.reference):
            box.clear()

    def scan_name(self, at: int | None = None) -> str:
        """What a scan (None: the chosen one) is called, a map by both of its dihedrals."""
        at = self.scan.currentIndex() if at is None else at
        if self.scan.itemData(at) != MAP:
            return self.scan.itemText(at)
        return " × ".join(self.scan.itemText(k) for k in (0, 1))

    def choose_scan(self, name: str) -> bool:
        """Choose a scan by its name; True where it is another one than before."""
        places = {self.scan_name(at): at for at in range(self.scan.count())}
        at = places.get(name, -1)
        if at in (-1, self.scan.currentIndex()):
            return False
        self.scan.setCurrentIndex(at)
        return True

    def _reference_chosen(self) -> None:
        self._by_hand = True
        self.scan_changed.emit()

    def _charges_chosen(self) -> None:
        if self.charges.currentData() == FILE:
            title = "Types, charges or terms of this molecule"
            path, _ = QFileDialog.getOpenFileName(self, title, self.file, FILES)
            if not path:
                self.charges.setCurrentIndex(self._charges_before)
                return
            self.file = path
        else:
            self.file = ""
        self._name_file()
        self.source_changed.emit()

    def _name_file(self) -> None:
        self._charges_before = self.charges.currentIndex()
        at = self.charges.findData(FILE)
        self.charges.setItemText(at, Path(self.file).name if self.file else FROM_FILE)

    def _source_chosen(self) -> None:
        if self.file:  # that file was for the molecule before
            self.file = ""
            self.charges.setCurrentIndex(0)
            self._name_file()
        self._follow_source()
        self.source_changed.emit()

    def _follow_source(self) -> None:
        item = self.item()
        for box in (self.version, self.charges):
            box.setEnabled(item is not None and item.kind != "fits")

    # -- choices ------------------------------------------------------------------------------
    def item(self) -> Any:
        """The chosen item, None when there is none."""
        id = self.source.currentData()
        try:
            return self.session.project.item(id) if id else None
        except (KeyError, ValueError):
            return None

    def hyper(self) -> dict[str, Any]:
        """Hyper-parameters of GAFF."""
        flavour = self.version.currentData()
        if self.charges.currentData() != FILE:
            return {"flavour": flavour, "charges": self.charges.currentData()}
        name = "mol2" if self.file.lower().endswith(".mol2") else "parameters"
        return {"flavour": flavour, "charges": "auto", name: self.file}

    def dataset(self) -> str:
        """Path of the reference data set, "" for none."""
        id = self.reference.currentData()
        try:
            return str(self.session.project.item(id).record) if id else ""
        except (KeyError, ValueError):
            return ""


def _head(item: Any) -> dict[str, Any]:
    """The record's plain tree, empty where it cannot be read."""
    try:
        return peek(item.record)
    except (OSError, ValueError):
        return {}
