"""What to scan: molecule, one or two dihedrals, ranges, rigid or relaxed, which force fields."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from core.analyses.surface import Axis, SurfaceSpec
from core.bonding import chain_label, dihedrals, why_not_dihedral
from core.dataset import Dataset
from core.molecule import Molecule
from widgets.field_list import FieldList
from widgets.loading import load_item
from widgets.session import Geometries, Session

MAX_POINTS = 40_000  # per force field: a 200 x 200 map


@dataclass(frozen=True)
class Start:
    """A molecule to scan and its rotatable dihedrals."""

    molecule: Molecule
    dihedrals: tuple[tuple[int, ...], ...]


class StartReader:
    """Stands where `load_item` wants a project: reads a data set and finds its dihedrals.

    Bond perception needs RDKit, whose import alone would hold up the window.
    """

    def __init__(self, project: Any) -> None:
        self.project = project

    def load(self, item: Any) -> Start:
        """The lowest-energy frame of a data set, or a molecule (also one not in the project)."""
        record = item.molecule if hasattr(item, "molecule") else self.project.load(item)
        if isinstance(record, Dataset):
            molecule = record.molecule
            if record.energies is not None and record.has_energy.any():
                lowest = int(np.nanargmin(record.energies))
                molecule = dataclasses.replace(molecule, positions=record.positions[lowest])
            record = molecule
        return Start(record, tuple(dihedrals(record)))


@dataclass(frozen=True)
class Viewed:
    """The molecule view's molecule, in the shape `load_item` wants."""

    molecule: Molecule
    id: str = ""
    name: str = "molecule view"


class RangeRow(QWidget):
    """From, to, number of points of one axis, in degrees."""

    changed = Signal()

    def __init__(self, which: int) -> None:
        super().__init__()
        self.start, self.stop, self.n = QSpinBox(), QSpinBox(), QSpinBox()
        for box, value, low, high, what in (
            (self.start, -180, -360, 360, "First angle (degrees)"),
            (self.stop, 165, -360, 720, "Last angle (degrees)"),
            (self.n, 24, 3, 360, "Number of points"),
        ):
            box.setRange(low, high)
            box.setValue(value)
            box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
            box.setAlignment(Qt.AlignmentFlag.AlignRight)
            box.setAccessibleName(f"{what}, axis {which}")
            box.setToolTip(f"{what} of axis {which}; arrow keys change it")
            box.setFixedWidth(44 if box is self.n else 54)
            box.valueChanged.connect(self._changed)
        for box in (self.start, self.stop):
            box.setSuffix("°")
            box.setSingleStep(15)
        self.step = QLabel()
        self.step.setToolTip("Spacing of the points (degrees)")
        row = QGridLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setHorizontalSpacing(4)
        words = (self.start, QLabel("to"), self.stop, QLabel("in"), self.n)
        for column, part in enumerate(words):
            row.addWidget(part, 0, column)
        row.setColumnStretch(5, 1)
        self.step.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row.addWidget(self.step, 1, 0, 1, 6)
        self._changed()

    def _changed(self) -> None:
        step = (self.stop.value() - self.start.value()) / max(self.n.value() - 1, 1)
        whole = abs(self.stop.value() + step - self.start.value() - 360) < 1e-9
        text = f"a point every {step:.4g}°" if step > 0 else "the range is empty"
        self.step.setText(text + (", a full turn" if whole else ""))
        self.changed.emit()

    def axis(self, atoms: tuple[int, ...]) -> Axis:
        """The Axis record (rad)."""
        i, j, k, m = atoms
        start, stop = math.radians(self.start.value()), math.radians(self.stop.value())
        return Axis((i, j, k, m), start, stop, self.n.value())

    def problem(self) -> str:
        """Why this range cannot be; "" when it can."""
        span = self.stop.value() - self.start.value()
        if span <= 0:
            return "The last angle must be larger than the first."
        if span > 360:
            return "A range is at most one full turn (360°)."
        return ""


class SurfaceForm(QWidget):
    """Gives a SurfaceSpec, or says why there is none."""

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.start: Start | None = None
        self.error = ""
        self._wanted = ""
        self.molecule = QComboBox()
        self.molecule.setAccessibleName("Molecule")
        self.molecule.setToolTip("Scans start from the lowest-energy geometry of this data set")
        self.axis1, self.axis2 = QComboBox(), QComboBox()
        for k, box in enumerate((self.axis1, self.axis2), 1):
            box.setAccessibleName(f"Dihedral of axis {k}")
            box.setToolTip(
                "The dihedral that is turned. Others: pick four atoms in the molecule view and "
                f"choose “use as axis {k}”"
            )
        for box in (self.molecule, self.axis1, self.axis2):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.setMinimumWidth(120)
        self.range1, self.range2 = RangeRow(1), RangeRow(2)
        self.kind = QComboBox()
        self.kind.addItem("rigid (only turned)", False)
        self.kind.addItem("relaxed (minimised)", True)
        self.kind.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.kind.setAccessibleName("Rigid or relaxed")
        self.kind.setToolTip(
            "Rigid: turn the bonds and keep all else (a reference's own geometries are used where "
            "it has them). Relaxed: minimise everything else with the dihedrals held exactly"
        )
        self.fields = FieldList(session)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.setHorizontalSpacing(6)
        rows: tuple[tuple[str, QWidget], ...] = (
            ("Molecule", self.molecule),
            ("Axis 1", self.axis1),
            ("", self.range1),
            ("Axis 2", self.axis2),
            ("", self.range2),
            ("Scan", self.kind),
        )
        for label, widget in rows:
            form.addRow(label, widget) if label else form.addRow(widget)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(4)
        outer.addLayout(form)
        outer.addWidget(QLabel("Force fields"))
        outer.addWidget(self.fields, 1)
        self._by_hand = False
        self.molecule.activated.connect(self._molecule_by_hand)
        self.molecule.currentIndexChanged.connect(self._choose_molecule)
        self.axis1.activated.connect(lambda: self._choose_axis(0))
        self.axis2.activated.connect(lambda: self._choose_axis(1))
        for signal in (self.range1.changed, self.range2.changed, self.fields.ticked):
            signal.connect(self.changed)
        self.kind.currentIndexChanged.connect(self.changed)
        session.axes_changed.connect(self._show_axes)
        session.catalog_changed.connect(self.fields.fill)
        session.theme_changed.connect(self.fields.set_dark)
        session.geometries_changed.connect(self._viewed)
        self.fill()

    # -- filling ------------------------------------------------------------------------------
    def fill(self) -> None:
        """Read the project's data sets again; keeps the choices."""
        before = self.molecule.currentData()
        kept = before if self._by_hand else None
        self.molecule.blockSignals(True)
        self.molecule.clear()
        project = self.session.project
        for kind in ("datasets", "molecules") if project is not None else ():
            for item in project.items(kind):
                if item.record.exists():
                    self.molecule.addItem(item.name, item.id)
        if self.session.geometries is not None:
            self.molecule.addItem("as in the molecule view", "")
        at = self.molecule.findData(kept) if kept is not None else -1
        self.molecule.setCurrentIndex(at if at >= 0 else (0 if self.molecule.count() else -1))
        self.molecule.blockSignals(False)
        self.fields.fill()
        if self.molecule.currentData() != before or self.start is None:
            self._choose_molecule()

    def _molecule_by_hand(self, _row: int) -> None:
        self._by_hand = True

    def _viewed(self, _geometries: Any) -> None:
        if self.molecule.findData("") < 0:
            self.molecule.addItem("as in the molecule view", "")
        if self.start is None or self.molecule.currentData() == "":
            self._choose_molecule()

    def _choose_molecule(self) -> None:
        chosen = self.molecule.currentData()
        project, shown = self.session.project, self.session.geometries
        item: Any = None
        if chosen:
            item = project.item(chosen)
        elif chosen == "" and shown is not None:
            molecule = self._as_shown(shown)
            old = self.start if self._wanted == "" else None
            if old is not None and np.array_equal(old.molecule.numbers, molecule.numbers):
                self.start = Start(molecule, old.dihedrals)
                return
            item = Viewed(molecule)
        if item is None:
            self.start, self._wanted = None, ""
            self._show_axes()
            return
        self._wanted = chosen
        self.error = ""

        def done(start: Start) -> None:
            if self._wanted == chosen:
                self.set_start(start)

        def failed(text: str) -> None:
            if self._wanted == chosen:
                self.start, self.error = None, text
                self._show_axes()

        load_item(self, StartReader(project), item, done=done, failed=failed)

    def _as_shown(self, shown: Geometries) -> Molecule:
        """The molecule view's molecule in the frame that is shown."""
        return dataclasses.replace(shown.molecule, positions=shown.positions[self.session.frame])

    def set_start(self, start: Start) -> None:
        """Scan this molecule; axes that do not fit it are replaced by the suggested ones."""
        self.start = start
        self.fields.set_molecule(tuple(int(z) for z in start.molecule.numbers))
        axes = [self._fitting(a) for a in self.session.axes]
        if axes[0] is None and start.dihedrals:
            axes = [*start.dihedrals[:2], None][:2]
            self.session.axes = (axes[0], axes[1])
            self.session.axes_changed.emit()
        else:
            self._show_axes()

    def _fitting(self, atoms: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if atoms is None or self.start is None:
            return None
        return None if why_not_dihedral(self.start.molecule, atoms) else atoms

    def _show_axes(self) -> None:
        for which, box in enumerate((self.axis1, self.axis2)):
            chosen = self.session.axes[which]
            box.blockSignals(True)
            box.clear()
            if self.start is not None:
                molecule = self.start.molecule
                rows = [tuple(r) for r in self.start.dihedrals]
                for atoms in rows:
                    box.addItem(chain_label(molecule, atoms), atoms)
                inside = chosen is not None and max(chosen) < len(molecule.numbers)
                if chosen is not None and inside and tuple(chosen) not in rows:
                    label = chain_label(molecule, chosen)
                    box.addItem(f"{label} (picked)", tuple(chosen))
            if which == 1:
                box.insertItem(0, "none: a profile", None)
            at = 0 if which == 1 else -1
            for k in range(box.count()):
                if chosen is not None and box.itemData(k) == tuple(chosen):
                    at = k
            box.setCurrentIndex(at)
            box.blockSignals(False)
        self.range2.setEnabled(self.session.axes[1] is not None)
        self.changed.emit()

    def _choose_axis(self, which: int) -> None:
        box = (self.axis1, self.axis2)[which]
        self.session.set_axis(which, box.currentData())

    # -- answers ------------------------------------------------------------------------------
    def axes(self) -> tuple[Axis, ...]:
        """One or two axes; empty when there is none."""
        first, second = self.session.axes
        if first is None:
            return ()
        one = self.range1.axis(first)
        return (one,) if second is None else (one, self.range2.axis(second))

    @property
    def points(self) -> int:
        """Grid points per force field."""
        return math.prod(axis.n for axis in self.axes()) if self.axes() else 0

    def problem(self) -> str:
        """Why nothing can be computed yet; "" when it can."""
        if self.error:
            return self.error
        if self.molecule.count() == 0:
            return "Import a data set or a molecule first."
        if self.start is None:
            return "Reading the molecule …"
        first, second = self.session.axes
        if first is None:
            return "Choose a dihedral for axis 1, or pick four atoms in the molecule view."
        for k, atoms in enumerate((first, second), 1):
            why = why_not_dihedral(self.start.molecule, atoms) if atoms is not None else ""
            if why:
                return f"Axis {k}: {why}."
        if second is not None and {first[1], first[2]} == {second[1], second[2]}:
            return "Both axes turn the same bond: choose another one for axis 2."
        ranges = (self.range1.problem(), self.range2.problem() if second is not None else "")
        if any(ranges):
            return next(r for r in ranges if r)
        if self.points > MAX_POINTS:
            return f"{self.points} points are too many: at most {MAX_POINTS}."
        return "" if self.fields.refs() else "Tick at least one force field."

    def spec(self, *, name: str = "", out: str = "") -> SurfaceSpec:
        """The request. Raises ValueError with `problem()` when there is one."""
        problem = self.problem()
        if problem or self.start is None:
            raise ValueError(problem)
        molecule, shown = self.start.molecule, self.session.geometries
        if self.molecule.currentData() == "" and shown is not None:
            molecule = self._as_shown(shown)
        return SurfaceSpec(
            molecule=molecule,
            axes=self.axes(),
            fields=self.fields.refs(),
            relax=bool(self.kind.currentData()),
            name=name,
            out=out,
        )
