"""Which frames a training takes: sizes, method, region; or the very frames that a study chose."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QGroupBox,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.dataset import Dataset, Split
from widgets.forms import Choice, NumberBox
from widgets.naming import named, push_button, text_label
from widgets.session import Session

REGION = "surface-region"
#: How training frames are drawn (the keys of core.fitting.splits.METHODS), and what that means.
METHODS = {
    "energy-stratified": "training frames cover the energies as the data set does",
    "random": "every frame is as likely as any other",
    "evenly-spaced": "every k-th frame: for trajectories",
    "farthest-point": "the most different geometries first",
    "cluster": "as many frames from every group of like shapes",
    "trajectory-block": "training, validation and test frames from separate stretches of the file",
    REGION: "trained inside a range of a dihedral, tested outside",
}
REGION_HELP = (
    "Training and validation frames come from where this dihedral lies between the two angles, "
    "test frames from outside. Four atoms counted from 1, then from and to in degrees, rising: "
    "1-2-3-9:-90:90; across 180° too: 1-2-3-9:90:-90."
)
HALF = ":-90:90"  # the range a new region starts with


def region_problem(text: str, n_atoms: int) -> str:
    """Why a region cannot be used, in words; "" when it can. n_atoms 0 = not known yet."""
    atoms, *angles = text.strip().split(":")
    try:
        chosen = [int(a) for a in atoms.split("-")]
        limits = [float(x) for x in angles]
    except ValueError:
        chosen, limits = [], []
    if len(chosen) != 4 or len(set(chosen)) != 4 or len(limits) != 2:
        return "write it as 1-2-3-9:-90:90 (four atoms, from and to in degrees)"
    if min(chosen) < 1 or (n_atoms and max(chosen) > n_atoms):
        return f"atoms are counted from 1 to {n_atoms or '…'}"
    if not all(abs(x) <= 360 for x in limits):
        return "angles lie between −360 and 360 degrees"
    return ""


class Region(QWidget):
    """A region of the surface as text, with a button that takes the dihedral of the surface."""

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.line = named(QLineEdit(), "Region of the surface", REGION_HELP)
        self.line.setPlaceholderText("1-2-3-9:-90:90")
        self.from_axis = push_button(
            "From the surface axis", "The dihedral of the surface's first axis, −90° to 90°"
        )
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(3)
        box.addWidget(self.line)
        box.addWidget(self.from_axis, 0, Qt.AlignmentFlag.AlignRight)
        self.line.textChanged.connect(lambda _t: self.changed.emit())
        self.from_axis.clicked.connect(lambda: self.take_axis())
        session.axes_changed.connect(self._axes_changed)
        self._axes_changed()

    def _axis(self) -> tuple[int, ...] | None:
        return next((a for a in self.session.axes if a is not None), None)

    def _axes_changed(self) -> None:
        self.from_axis.setEnabled(self._axis() is not None)

    def text(self) -> str:
        """Without the blanks around it."""
        return self.line.text().strip()

    def take_axis(self) -> None:
        """Put the dihedral of the surface's first axis in; keeps the angles."""
        axis = self._axis()
        if axis is not None:
            _, colon, angles = self.line.text().partition(":")
            atoms = "-".join(str(a + 1) for a in axis)
            self.line.setText(atoms + (colon + angles if angles else HALF))

    def offer(self) -> None:
        """Something to begin with, where there is nothing."""
        if not self.text():
            self.take_axis()

    def problems(self, dataset: Dataset | None) -> list[str]:
        """Why it cannot be used, [] when it can."""
        wrong = region_problem(self.text(), 0 if dataset is None else len(dataset.molecule.numbers))
        return [f"Region: {wrong}"] if wrong else []


class SplitGroup(QGroupBox):
    """Sizes, seed and method; `split` is set while the frames themselves were given."""

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Split", parent)
        self.session = session
        self.split: Split | None = None
        self.n_train = self._count(200, "Frames to train on", low=1)
        self.n_valid = self._count(100, "Frames to choose settings on (for example σ)")
        self.n_test = self._count(0, "Frames to measure errors on; all left: at most 1000",
                                  zero="all left")  # fmt: skip
        self.seed = self._count(0, "The same seed draws the same frames")
        self.method = named(Choice(), "Drawn", "How the frames are drawn")
        for k, (key, tip) in enumerate(METHODS.items()):
            self.method.addItem(key)
            self.method.setItemData(k, tip, Qt.ItemDataRole.ToolTipRole)
        self.where = Region(session)
        self.region, self.from_axis = self.where.line, self.where.from_axis
        self.meaning = text_label("What this way of drawing means", wrap=True)
        self.meaning.setEnabled(False)
        self.given = text_label("Frames chosen elsewhere", wrap=True)
        self.draw = push_button("Draw frames instead", "Back to frames drawn by size and method")
        for text in (self.meaning, self.given):
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self._lay_out()
        for number in (self.n_train, self.n_valid, self.n_test, self.seed):
            number.changed.connect(self._edited)
        self.method.currentIndexChanged.connect(lambda _i: self._method_chosen())
        self.where.changed.connect(self._edited)
        self.draw.clicked.connect(lambda: self.give(None))
        self._show()

    def _count(self, value: int, tip: str, *, low: int = 0, zero: str = "") -> NumberBox:
        box = NumberBox("int", low=low, high=10_000_000, zero=zero)
        box.set_value(value)
        box.setToolTip(tip)
        return box

    def _lay_out(self) -> None:
        self.rows = QFormLayout(self)
        self.rows.setContentsMargins(8, 4, 8, 6)
        self.rows.setVerticalSpacing(3)
        self.rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.rows.addRow(self.given)
        self.rows.addRow(self.draw)
        for title, box in self._numbers()[:3]:
            box.setAccessibleName(title)
            self.rows.addRow(title, box)
        self.rows.addRow("Drawn", self.method)
        self.rows.addRow(self.meaning)
        self.rows.addRow("Region", self.where)
        self.seed.setAccessibleName("Seed")
        self.rows.addRow("Seed", self.seed)

    def _numbers(self) -> tuple[tuple[str, NumberBox], ...]:
        return (("Training", self.n_train), ("Validation", self.n_valid), ("Test", self.n_test),
                ("Seed", self.seed))  # fmt: skip

    def _method_chosen(self) -> None:
        if self.method.currentText() == REGION:
            self.where.offer()
        self._edited()

    def _edited(self) -> None:
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        """Only the rows that mean something now."""
        given, region = self.split is not None, self.method.currentText() == REGION
        drawn = (self.n_train, self.n_valid, self.n_test, self.method, self.meaning, self.seed)
        rows: dict[QWidget, bool] = {self.given: given, self.draw: given}
        rows |= dict.fromkeys(drawn, not given)
        rows[self.where] = region and not given
        for widget, on in rows.items():
            self.rows.setRowVisible(widget, on)
        self.meaning.setText(METHODS.get(self.method.currentText(), ""))
        if self.split is not None:
            s = self.split
            self.given.setText(
                f"Frames chosen by {s.method}: {len(s.train)} for training, {len(s.valid)} for "
                f"validation, {len(s.test)} for the test."
            )

    # -- for the form -------------------------------------------------------------------------
    def give(self, split: Split | None) -> None:
        """Take these very frames; None = draw them by size and method again."""
        self.split = split
        self._edited()

    def fill(self, *, sizes: tuple[int, int, int], seed: int, method: str, region: str) -> None:
        """Show sizes (training, validation, test), seed, method and region of a spec."""
        for box, value in zip(
            (self.n_train, self.n_valid, self.n_test, self.seed), (*sizes, seed), strict=True
        ):
            box.set_value(value)
        if method in METHODS:
            self.method.setCurrentText(method)
        self.region.setText(region)

    def train_size(self) -> int:
        """Training frames. Raises ValueError while the number is wrong."""
        return len(self.split.train) if self.split is not None else int(self.n_train.value())

    def region_text(self) -> str:
        """The region, "" where the method takes none."""
        chosen = self.split is None and self.method.currentText() == REGION
        return self.where.text() if chosen else ""

    def problems(self, dataset: Dataset | None) -> list[str]:
        """What is wrong with the numbers, one line each."""
        if self.split is not None:
            parts = (self.split.train, self.split.valid, self.split.test)
            last = max((int(p.max()) for p in parts if len(p)), default=-1)
            if dataset is not None and last >= len(dataset):
                return [f"The frames chosen go up to {last + 1}; this data set has {len(dataset)}"]
            return [] if len(self.split.train) else ["No training frames were chosen"]
        rows = [f"{title}: {b.problem()}" for title, b in self._numbers() if b.problem()]
        if self.method.currentText() == REGION:
            rows += self.where.problems(dataset)
        return rows

    def too_many(self, dataset: Dataset, *, energies_suffice: bool, method: str) -> str:
        """Why the data set has too few frames for these numbers; "" when it has enough."""
        usable, what = int(dataset.has_forces.sum()), "forces"
        if not usable and energies_suffice:
            usable, what = int(dataset.has_energy.sum()), "an energy"
        if not usable:
            return f"No frame has forces: nothing to train on for {method}"
        if self.split is not None:
            return ""
        n = int(self.n_train.value())
        asked = n + int(self.n_valid.value()) + int(self.n_test.value())
        if n >= usable or asked > usable:
            return f"{asked} frames asked, but only {usable} have {what}"
        return ""
