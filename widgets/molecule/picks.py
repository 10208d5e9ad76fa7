"""The strip under the molecule: which atoms are picked, their value, and what to do with it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.bonding import BondingError, dihedrals, neighbours, why_not_dihedral
from core.molecule import Molecule
from widgets.molecule.measure import KINDS, atoms_name, value_text
from widgets.naming import named, text_label, tool_button
from widgets.session import Session
from widgets.undo import Command

INVITATION = "Click atoms to measure, or a bond to make it an axis."


class SetAxis(Command):
    """Make a dihedral axis 1 or 2 of the surface."""

    def __init__(self, session: Session, which: int, atoms: tuple[int, ...] | None) -> None:
        super().__init__(f"Set axis {which + 1}")
        self.session, self.which = session, which
        self.new, self.old = atoms, session.axes[which]

    def redo(self) -> None:
        self.session.set_axis(self.which, self.new)

    def undo(self) -> None:
        self.session.set_axis(self.which, self.old)


def dihedral_of_bond(molecule: Molecule, i: int, j: int) -> tuple[tuple[int, ...], str]:
    """The best dihedral about a bond, and why it cannot be turned ("" when it can).

    Where no dihedral exists at all the atoms are just the bond's two.
    """
    try:
        for atoms in dihedrals(molecule):
            if {atoms[1], atoms[2]} == {i, j}:
                return atoms, ""
    except BondingError as error:
        return (i, j), str(error)
    near = neighbours(molecule)
    ends = [[n for n in near[a] if n != b] for a, b in ((i, j), (j, i))]
    for atom, end in zip((i, j), ends, strict=True):
        if not end:
            name = atoms_name(molecule.symbols, (atom,))
            return (i, j), f"{name} has no other neighbour, so no dihedral turns about this bond"
    first, last = (min(e, key=lambda n: (-molecule.numbers[n], n)) for e in ends)
    if first == last:
        return (i, j), "this bond is in a ring of three and cannot be turned"
    atoms = (first, i, j, last)
    reason = why_not_dihedral(molecule, atoms)
    return atoms, reason or "this is a double bond: it can be scanned, but does not turn freely"


def parse_atoms(text: str, count: int) -> tuple[int, ...]:
    """Atoms from 0 out of "1 2 3 9" or "1-2-3-9"; raises ValueError that says what is wrong."""
    words = [w for w in re.split(r"[\s,;–—-]+", text.strip()) if w]
    atoms = []
    for word in words:
        digits = word.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        if not digits.isdigit():
            raise ValueError(f"“{word}” is not an atom number")
        if not 1 <= int(digits) <= count:
            raise ValueError(f"there is no atom {digits}: the molecule has {count}")
        atoms.append(int(digits) - 1)
    if len(atoms) > 4:
        raise ValueError("at most 4 atoms: 2 for a distance, 3 for an angle, 4 for a dihedral")
    if len(set(atoms)) != len(atoms):
        raise ValueError("an atom stands there twice")
    return tuple(atoms)


class PickStrip(QWidget):
    """Shows and edits the picked atoms; offers the axes, pinning and clearing."""

    atoms_entered = Signal(object)  # tuple from 0
    axis_requested = Signal(int)
    pin_requested = Signal()
    clear_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._count = 0
        self.edit = named(QLineEdit(placeholderText="atoms: 1 2 3 9"), "Picked atoms")
        self.edit.setToolTip("Type 2, 3 or 4 atom numbers and press Enter to measure them")
        self.edit.setFixedWidth(self.edit.fontMetrics().horizontalAdvance("10 12 13 19 000") + 12)
        self.value = text_label("Measured value")
        self.axis = tuple(self._button(f"Axis {k}", f"Use this dihedral as axis {k} of the surface "
                                       f"(Alt+{k})", f"Alt+{k}") for k in (1, 2))  # fmt: skip
        for k, button in enumerate(self.axis):
            button.clicked.connect(lambda _=False, k=k: self.axis_requested.emit(k))
        self.pin = self._button("Pin", "Keep this measurement on show and start another (M)")
        self.clear = self._button("Clear", "Forget the picked atoms (Esc)")
        self.pin.clicked.connect(self.pin_requested)
        self.clear.clicked.connect(self.clear_requested)
        self.edit.returnPressed.connect(self._entered)
        self.message = text_label("About the picked atoms", INVITATION, wrap=True)
        # two lines are kept free, so that the picture does not jump while atoms are picked
        self.message.setFixedHeight(2 * self.message.fontMetrics().lineSpacing() + 2)
        self.message.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self.edit)
        first.addWidget(self.value, 1)
        first.addWidget(self.pin)
        first.addWidget(self.clear)
        second.addWidget(self.message, 1)
        second.addWidget(self.axis[0])
        second.addWidget(self.axis[1])
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 2, 6, 0)
        box.setSpacing(1)
        box.addLayout(first)
        box.addLayout(second)
        self.show_picks(None, np.zeros((0, 3)), ())

    def _button(self, text: str, tip: str, key: str = "") -> QToolButton:
        button = tool_button(text, tip, name=tip.split(" (")[0])
        if key:
            button.setShortcut(key)
        policy = button.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        button.setSizePolicy(policy)
        return button

    def show_picks(
        self, molecule: Molecule | None, positions: np.ndarray, atoms: Sequence[int]
    ) -> None:
        """Show the picked atoms and their value in this frame, positions (N,3) Å."""
        self._count = 0 if molecule is None else len(molecule.numbers)
        self.edit.setEnabled(molecule is not None)
        if not self.edit.hasFocus() or not self.edit.isModified():
            self.edit.setText(" ".join(str(a + 1) for a in atoms))
        if molecule is not None and len(atoms) > 1:
            what = value_text(positions, atoms)
            self.value.setText(f"<b>{what}</b>")
            self.value.setToolTip(f"{KINDS[len(atoms)]} {atoms_name(molecule.symbols, atoms)}")
        else:
            self.value.setText("")
            self.value.setToolTip("")
        for button in self.axis:
            button.setVisible(len(atoms) == 4)
        self.pin.setVisible(len(atoms) > 1)
        self.clear.setVisible(len(atoms) > 0)

    def say(self, text: str = INVITATION, *, problem: bool = False) -> None:
        """One line under the strip; problems in the warning colour."""
        self.message.setText(text)
        role = "BrightText" if problem else "WindowText"
        self.message.setForegroundRole(getattr(self.palette().ColorRole, role))

    def _entered(self) -> None:
        try:
            atoms = parse_atoms(self.edit.text(), self._count)
        except ValueError as error:
            self.say(str(error), problem=True)
            return
        self.edit.setModified(False)
        self.atoms_entered.emit(atoms)
