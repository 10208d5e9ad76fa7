"""The permutations of like atoms that a fit obeys, each shown as coloured atoms and switchable."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QSizePolicy, QVBoxLayout, QWidget

from core.analyses.fit import Fit
from core.analyses.permutations import Cycles, cycles, cycles_text
from core.storage import peek
from widgets.background import in_background
from widgets.fit.data import FitData
from widgets.naming import named, text_label
from widgets.palette import STYLES
from widgets.session import Session

ROW = Qt.ItemDataRole.UserRole
MOST = 500  # permutations listed
#: where a model keeps them: sGDML itself, or as the correction of a composite
NAMES = ("permutations", "correction.permutations")


def skipped_cycles(words: str) -> list[Cycles]:
    """The permutations that a text such as "(7 8), (5 6)(7 8)" names, atoms from 0."""
    found = []
    for part in re.findall(r"(?:\(\s*\d+(?:[\s,]+\d+)+\s*\)\s*)+", words):
        rows = [
            tuple(int(a) - 1 for a in re.split(r"[\s,]+", c.strip()))
            for c in re.findall(r"\(([^()]*)\)", part)
        ]
        found.append(tuple(rows))
    return found


def read_permutations(model: str) -> tuple[np.ndarray, np.ndarray]:
    """permutations (S,N) of a model file and the atoms (N,) they act on; none give (0,0).

    Nothing else is read. Raises StorageError or OSError where the file cannot be read.
    """
    state = peek(model).get("state", {})
    name = next((n for n in NAMES if n in state), "")
    if not name:
        return np.zeros((0, 0), dtype=np.int64), np.zeros(0, dtype=np.int64)
    with np.load(model, allow_pickle=False) as arrays:
        rows = np.asarray(arrays[f"a{state[name]['at']}"])
        atoms = np.arange(rows.shape[1])
        if name != NAMES[0] and "atoms" in state:
            atoms = np.asarray(arrays[f"a{state['atoms']['at']}"])
    return rows, atoms


class FitSymmetry(QWidget):
    """Lists permutations; the selected one colours its atoms, a tick off is for the next fit."""

    found = Signal(bool)  # whether the fit on show has permutations at all
    skip_changed = Signal(str)  # what the next training shall leave out, as skip_permutations

    def __init__(self, session: Session, data: FitData, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.data = session, data
        self._fit: Fit | None = None
        self._quiet = False
        self.head = text_label("Permutations of this fit", wrap=True)
        self.list = named(
            QListWidget(), "Permutations",
            "Select one to see its atoms coloured, cycle by cycle, in the molecule view",
        )  # fmt: skip
        self.list.setUniformItemSizes(True)
        self.cycles = text_label("Cycles of the selected permutation", wrap=True)
        self.cycles.setTextFormat(Qt.TextFormat.RichText)
        self.say = text_label("What the ticks do", wrap=True)
        for text in (self.head, self.cycles, self.say):
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 4, 6, 4)
        box.setSpacing(3)
        box.addWidget(self.head)
        box.addWidget(self.list, 1)
        box.addWidget(self.cycles)
        box.addWidget(self.say)
        self.list.currentItemChanged.connect(lambda *_a: self._selected())
        self.list.itemChanged.connect(lambda _i: self._ticked())
        session.theme_changed.connect(lambda _d: self._selected())

    def show_fit(self, fit: Fit | None) -> None:
        """Read and list the permutations of a fit; `found` tells whether there are any."""
        self._fit = fit
        self._put([], [])
        if fit is None or not fit.model:
            self.found.emit(False)
            return
        in_background(self, lambda: read_permutations(fit.model),
                      done=lambda got: self._read(fit, got),
                      failed=lambda _why: self._read(fit, None))  # fmt: skip

    def _read(self, fit: Fit, got: Any) -> None:
        if fit is not self._fit:
            return
        if got is None or not len(got[0]):
            self.found.emit(False)
            return
        rows, atoms = got
        kept = [tuple(tuple(int(atoms[a]) for a in c) for c in cycles(p)) for p in rows[:MOST]]
        words = str(fit.hyper.get("skip_permutations", ""))
        if not words:
            words = str(fit.hyper.get("correction_settings", "")).partition("skip_permutations=")[2]
        known = {frozenset(k) for k in kept}
        off = [c for c in skipped_cycles(words.partition(";")[0]) if frozenset(c) not in known]
        self._put([k for k in kept if k], off)
        self.head.setText(
            (
                f"The energy stays the same under {len(rows)} permutations of like atoms, one of "
                "which moves none."
                if len(rows) > 1
                else "No permutation of like atoms was found, or none is used."
            )
            + (f" {MOST} are listed." if len(rows) > MOST else "")
        )
        self.found.emit(True)

    def _put(self, on: list[Cycles], off: list[Cycles]) -> None:
        self._quiet = True
        self.list.clear()
        for rows, ticked in [(r, True) for r in on] + [(r, False) for r in off]:
            item = QListWidgetItem(cycles_text(rows))
            item.setData(ROW, rows)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
            if not ticked:
                item.setToolTip("Was switched off for this fit")
            self.list.addItem(item)
        self._quiet = False
        self.cycles.clear()
        self.say.setText(
            "Untick what is no symmetry of the molecule: the next training leaves it out."
            if on or off else ""
        )  # fmt: skip

    # -- colours ------------------------------------------------------------------------------
    def _color(self, k: int) -> str:
        return STYLES[1 + k % (len(STYLES) - 1)][self.session.dark]

    def _selected(self) -> None:
        item = self.list.currentItem()
        if self._quiet or item is None or not self.isVisible():
            self.uncolour()
            return
        rows: Cycles = tuple(tuple(c) for c in item.data(ROW))
        spans = [
            f'<span style="color:{self._color(k)}">●</span> '
            + " → ".join(str(a + 1) for a in (*c, c[0]))
            for k, c in enumerate(rows)
        ]
        self.cycles.setText(" &nbsp; ".join(spans))
        colours = {a: self._color(k) for k, c in enumerate(rows) for a in c}
        self.data.show_molecule(self.cycles.setText, lambda: self._colour(colours))

    def _colour(self, colours: dict[int, str]) -> None:
        if self.isVisible():
            self.session.atoms_coloured.emit(colours)

    def uncolour(self) -> None:
        """Take the colours off the molecule view again."""
        self.cycles.clear()
        self.session.atoms_coloured.emit({})

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._selected()

    def hideEvent(self, event) -> None:
        self.uncolour()
        super().hideEvent(event)

    # -- ticks --------------------------------------------------------------------------------
    def skipped(self) -> str:
        """The permutations without a tick, as the setting skip_permutations takes them."""
        items = [self.list.item(k) for k in range(self.list.count())]
        off = [i.text() for i in items if i.checkState() == Qt.CheckState.Unchecked]
        return ", ".join(off)

    def _ticked(self) -> None:
        if self._quiet:
            return
        words = self.skipped()
        self.skip_changed.emit(words)

    def told(self, *, taken: bool) -> None:
        """What became of the ticks: whether the form could take them over."""
        words = self.skipped()
        n = words.count("),") + 1 if words else 0
        if not taken:
            self.say.setText("The force field chosen on the left has no permutations to leave out.")
        elif n:
            self.say.setText(
                f"{n} switched off in the form on the left. Press Train; others that would bring "
                "them back go too."
            )
        else:
            self.say.setText("All are used in the next training.")
