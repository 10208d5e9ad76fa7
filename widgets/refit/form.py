"""What a refit of the shown terms is fitted to, and what of them it may change."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QWidget

from core.analyses.parameter_scan import ParameterScan
from core.analyses.refit import Profile, RefitSpec
from core.dataset import Dataset
from widgets.field_list import references
from widgets.forms import Choice, Form, NumberBox
from widgets.loading import load_item
from widgets.molecule.measure import atoms_name
from widgets.naming import named, text_label
from widgets.parameter.document import Document
from widgets.parameter.rows import Key, atoms
from widgets.session import Session

GAFF = "gaff"
#: Parameters of the fit that have a place in the form -> their labels there, in two columns.
LABELS = (
    {"fit_terms": "Change", "fit_orders": "Torsions n ≤"},
    {"fit_tie": "tied by", "fit_prior": "prior"},
)
WEIGHTS = (
    ("energies", "Weight of the energies of the frames against forces and profile"),
    ("forces", "Weight of the forces of the frames against energies and profile"),
    ("profile", "Weight of the profile against the frames"),
)
TRAIN, SHARE = 500, 0.6  # training frames that are offered, and the most of a small data set


class DataChoice(QObject):
    """The chosen data set, read in the background: how many of its frames have labels."""

    changed = Signal()

    def __init__(self, session: Session, box: Choice) -> None:
        super().__init__(box)
        self.session, self.box = session, box
        self.usable = 0
        self.found = self.problem = ""
        self._numbers: tuple[int, ...] = ()
        self._by_hand = False
        box.currentIndexChanged.connect(lambda _i: self._read())
        box.activated.connect(lambda _i: setattr(self, "_by_hand", True))

    def fill(self, numbers: np.ndarray) -> None:
        """Offer the labelled data sets of a molecule: the one chosen by hand, else the largest."""
        here = tuple(int(z) for z in numbers)
        kept = self.box.currentData() if self._by_hand and here == self._numbers else None
        self._numbers = here
        self.box.blockSignals(True)
        self.box.clear()
        self.box.addItem("none: the profile alone", "")
        best, size = 0, 0
        for _ref, id, tip in references(self.session, here):
            item = self.session.project.item(id)
            self.box.addItem(item.name, id)
            at = self.box.count() - 1
            self.box.setItemData(at, tip, Qt.ItemDataRole.ToolTipRole)
            if item.record.stat().st_size > size:
                best, size = at, item.record.stat().st_size
        at = self.box.findData(kept) if kept is not None else -1
        self.box.setCurrentIndex(at if at >= 0 else best)
        self.box.blockSignals(False)
        self._read()

    def item(self) -> Any:
        """The chosen item, None for none."""
        id = self.box.currentData()
        try:
            return self.session.project.item(id) if id else None
        except (KeyError, ValueError):
            return None

    def _read(self) -> None:
        self.usable, self.found, self.problem = 0, "", ""
        item = self.item()
        self.changed.emit()
        if item is None:
            return
        self.found = "reading …"

        def done(dataset: Dataset) -> None:
            if self.box.currentData() != item.id:
                return
            energies, forces = int(dataset.has_energy.sum()), int(dataset.has_forces.sum())
            self.usable = int((dataset.has_energy | dataset.has_forces).sum())
            self.found = f"of {len(dataset)}"
            self.box.setToolTip(f"{energies} energies and {forces} forces found")
            self.changed.emit()

        def failed(text: str) -> None:
            if self.box.currentData() == item.id:
                self.found, self.problem = "", text
                self.changed.emit()

        load_item(self, self.session.project, item, done=done, failed=failed)


class RefitForm(QWidget):
    """Makes RefitSpecs for a Document and the scan that is shown beside it."""

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.document: Document | None = None
        self.scan: ParameterScan | None = None
        self.scan_name = ""
        self._frames_by_hand = self._bond_by_hand = False
        self.data = named(Choice(), "Data set to fit to", "Frames with energies or forces")
        self.data.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.choice = DataChoice(session, self.data)
        self.frames = self._number("int", TRAIN, "Training frames", low=1)
        self.frames.setToolTip("Frames to fit to; errors are measured on others")
        self.found = text_label("Frames of the data set")
        self.profile = QCheckBox("and to the profile shown")
        self.weights = {name: self._number("float", 1, f"Weight: {name}", tip=tip, low=0.0)
                        for name, tip in WEIGHTS}  # fmt: skip
        self.forms = tuple(Form() for _ in LABELS)
        self.only = QCheckBox("Only the torsions about")
        self.only.setToolTip("Leave everything else as it is; all torsions about the bond together")
        tip = "Follows the torsion selected in the table, else the scan"
        self.bond = named(Choice(), "Bond", tip)
        self._lay_out()
        self._connect()
        self.fill_fields()

    def _number(
        self, kind: str, value: float, name: str, *, tip: str = "", low: float
    ) -> NumberBox:
        box = named(NumberBox(kind, low=low, high=10_000_000), name, tip)
        box.set_value(value)
        box.setMinimumWidth(box.fontMetrics().horizontalAdvance("00000") + 28)
        return box

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(6, 4, 6, 0)
        grid.setVerticalSpacing(3)
        first = self._row(QLabel("Fit to"), (self.data, 1), self.frames, self.found)
        weights: list[QWidget] = [QLabel("Weights")]
        for name, box in self.weights.items():
            weights += [QLabel(name), box]
        grid.addLayout(first, 0, 0)
        grid.addWidget(self.profile, 1, 0)
        grid.addLayout(self._row(*weights, (QWidget(), 1)), 2, 0)
        grid.addLayout(self._row(*((form, 1) for form in self.forms)), 3, 0)
        grid.addLayout(self._row(self.only, (self.bond, 1)), 4, 0)

    @staticmethod
    def _row(*parts: Any) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        for part in parts:
            widget, stretch = part if isinstance(part, tuple) else (part, 0)
            row.addWidget(widget, stretch)
        return row

    def _connect(self) -> None:
        self.choice.changed.connect(self._data_changed)
        self.frames.changed.connect(self.changed)
        self.frames.lineEdit().textEdited.connect(lambda _t: self._by_hand("_frames_by_hand"))
        for box in self.weights.values():
            box.changed.connect(self.changed)
        for form in self.forms:
            form.changed.connect(self.changed)
        self.profile.toggled.connect(lambda _on: self._enable())
        self.only.toggled.connect(lambda _on: self._enable())
        self.bond.activated.connect(lambda _i: self._by_hand("_bond_by_hand"))
        self.bond.currentIndexChanged.connect(lambda _i: self.changed.emit())
        self.session.catalog_changed.connect(self.fill_fields)

    def _by_hand(self, what: str) -> None:
        setattr(self, what, True)

    # -- filling ------------------------------------------------------------------------------
    def fill_fields(self) -> None:
        """GAFF's own settings of a fit, once the catalogue is there."""
        info = next((i for i in self.session.catalog if i.key == GAFF), None)
        known = {p.name: p for p in info.parameters} if info is not None else {}
        for form, labels in zip(self.forms, LABELS, strict=True):
            if not form.editors:
                found = [(known[n], text) for n, text in labels.items() if n in known]
                form.set_parameters([dataclasses.replace(p, label=text) for p, text in found])
            form.setVisible(bool(form.editors))
            for box in form.findChildren(Choice):  # long words must not widen the panel
                box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
                box.setMinimumContentsLength(6)
            for number in form.findChildren(NumberBox):
                number.setMinimumWidth(self.frames.minimumWidth())
        editors = [e for form in self.forms for e in form.editors.values()]
        chain = [self.weights["profile"], *editors, self.only, self.bond]
        for one, following in itertools.pairwise(chain):  # they were made after the others
            self.setTabOrder(one, following)
        self._enable()

    def show_document(self, document: Document | None) -> None:
        """The terms that a refit would begin with."""
        fresh = document is None or document is not self.document
        self.document = document
        if fresh:  # the scan of other terms, perhaps of another molecule, comes later
            self._bond_by_hand = False
            self.show_scan(None, "")
            self.fill_data()
        self._fill_bonds()

    def fill_data(self) -> None:
        """Read the project's data sets again."""
        if self.document is not None:
            self.choice.fill(self.document.molecule.numbers)

    def show_scan(self, scan: ParameterScan | None, name: str) -> None:
        """The scan whose profile could be fitted."""
        self.scan, self.scan_name = scan, name
        if not self.reference:
            self.profile.setChecked(False)
        elif not self.profile.isEnabled():
            self.profile.setChecked(True)
        self._follow_bond(scan.axes[0].atoms[1:3] if scan is not None else None)
        self._enable()

    def follow(self, keys: list[Key]) -> None:
        """Rows selected in the table."""
        torsions = [k for k in keys if k[0] == "torsion"]
        if torsions and self.document is not None:
            self._follow_bond(atoms(self.document.topology, torsions[0])[1:3])

    def _fill_bonds(self) -> None:
        kept = self.bond.currentData()
        bonds: dict[tuple[int, ...], None] = {}
        if self.document is not None:
            for row in self.document.topology.torsion.atoms:
                bonds.setdefault(tuple(sorted(int(a) for a in row[1:3])))
        symbols = self.document.molecule.symbols if self.document else ()
        names = [atoms_name(symbols, pair) for pair in bonds]
        if names and names == [self.bond.itemText(at) for at in range(self.bond.count())]:
            return  # an edit of values
        self.bond.blockSignals(True)
        self.bond.clear()
        for pair, name in zip(bonds, names, strict=True):
            self.bond.addItem(name, pair)
        places = {pair: at for at, pair in enumerate(bonds)}
        self.bond.setCurrentIndex(places.get(kept, 0 if bonds else -1))
        self.bond.blockSignals(False)
        self._enable()

    def _follow_bond(self, pair: tuple[int, ...] | None) -> None:
        wanted = None if pair is None or self._bond_by_hand else tuple(sorted(pair))
        for at in range(self.bond.count()):
            if self.bond.itemData(at) == wanted:
                self.bond.setCurrentIndex(at)

    # -- state --------------------------------------------------------------------------------
    @property
    def reference(self) -> bool:
        """Whether the scan on show has points to be met."""
        return self.scan is not None and bool(np.isfinite(self.scan.reference).any())

    def _data_changed(self) -> None:
        usable = self.choice.usable
        if usable and not self._frames_by_hand:
            self.frames.set_value(max(1, min(TRAIN, int(SHARE * usable))))
        self.found.setText(self.choice.found)
        self._enable()

    def _enable(self) -> None:
        data = bool(self.data.currentData())
        for part in (self.frames, self.weights["energies"], self.weights["forces"]):
            part.setEnabled(data)
        self.profile.setEnabled(self.reference)
        kind = "map" if self.scan is not None and len(self.scan.axes) > 1 else "profile"
        self.profile.setText(f"and to the {kind} {self.scan_name}".rstrip())
        why = "The scan has no reference points: choose a reference above"
        tip = "Fit the energies of the scan on show as well; without, they are only compared"
        self.profile.setToolTip(tip if self.reference else why)
        self.weights["profile"].setEnabled(self.profile.isChecked())
        self.only.setEnabled(self.bond.count() > 0)
        self.bond.setEnabled(self.only.isChecked() and self.bond.count() > 0)
        terms = self.forms[0].editors.get("fit_terms")
        if terms is not None:
            terms.setEnabled(not self.only.isChecked())
        self.changed.emit()

    def problem(self) -> str:
        """Why no refit can be started, "" when one can."""
        data, profile = bool(self.data.currentData()), self.profile.isChecked()
        if self.document is None:
            return "Choose a molecule first: its terms are where a refit begins."
        if not data and not profile:
            if self.data.count() < 2 and not self.profile.isEnabled():
                return (
                    "Nothing to fit to: the project has no energies or forces of this molecule. "
                    "Open a file with some first."
                )
            return "Nothing to fit to: choose a data set, or tick the profile."
        if data and self.choice.problem:
            return self.choice.problem
        named_boxes = [("Training frames", self.frames)] if data else []
        named_boxes += [(f"Weight of the {n}", box) for n, box in self.weights.items()]
        wrong = [f"{name}: {box.problem()}" for name, box in named_boxes if box.problem()]
        wrong += [p for form in self.forms for p in form.problems()]
        if wrong:
            return wrong[0]
        if data and not self.choice.usable:
            return "Reading the data set …" if self.choice.found else "No frame has labels."
        if data and self.frames.value() >= self.choice.usable:
            return (
                f"{self.frames.value()} training frames of {self.choice.usable} with labels: "
                "leave some to measure the errors on."
            )
        used = {"energies": data, "forces": data, "profile": profile}
        if not any(used[n] and box.value() > 0 for n, box in self.weights.items()):
            return "All weights are 0: there is nothing to fit to."
        if not data and self.weights["profile"].value() == 0:
            return "The weight of the profile is 0: there is nothing to fit to."
        return ""

    def spec(self, label: str, out: str, *, parent: str = "") -> RefitSpec:
        """What is chosen; parent: what the terms are called now.

        Raises ValueError where there is a problem.
        """
        problem = self.problem()
        if problem or self.document is None:
            raise ValueError(problem)
        document, item = self.document, self.choice.item()
        hyper = dict(document.parameters.hyper)
        for form in self.forms:
            hyper |= form.values()
        profiles: tuple[Profile, ...] = ()
        if self.scan is not None and self.reference:  # weight 0: compared, not fitted
            weight = 1.0 if self.profile.isChecked() else 0.0
            found = Profile(self.scan_name, self.scan.positions, self.scan.reference, weight)
            profiles = (found,)
        return RefitSpec(
            molecule=document.molecule,
            topology=document.topology,
            hyper=hyper,
            flags=tuple(document.flags.values()),
            dataset=str(item.record) if item is not None else "",
            n_train=int(self.frames.value()) if item is not None else 0,
            profiles=profiles,
            around=(self.bond.currentData(),) if self.only.isChecked() else (),
            energy_weight=float(self.weights["energies"].value()),
            force_weight=float(self.weights["forces"].value()),
            profile_weight=float(self.weights["profile"].value()),
            label=label,
            out=out,
            parent=parent,
        )
