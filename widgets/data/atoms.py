"""Energies of free atoms of a data set: shown, read from a file, taken out again by undo."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from core.analyses.isolated_atoms import IsolatedAtoms, IsolatedSpec
from core.engine.events import FINAL
from core.storage import peek
from core.units import EnergyUnit
from widgets.forms import Choice
from widgets.later import Refill
from widgets.naming import named, push_button, text_label, tool_button
from widgets.session import Session
from widgets.undo import Command

FILTER = "Single atoms (*.extxyz *.xyz *.exyz *.db *.traj);;All files (*)"
TIP = (
    "A file with one atom in each frame and its energy, at the level of theory of the data set. "
    "Linear ACE takes them as its one-body energies"
)


def energies_html(energies: dict[str, float], unit: EnergyUnit) -> str:
    """A small table of energies in eV, in the unit of the screen; "" of none."""
    cell = "<td align='right' style='padding-left:12px; white-space:nowrap'>"
    rows = "".join(
        f"<tr><td>{escape(symbol)}</td>{cell}{unit.from_ev(energy):.{unit.digits}f}</td></tr>"
        for symbol, energy in energies.items()
    ).replace(">-", ">−")
    return f"<table><tr><td>Atom</td>{cell}{unit.label}</td></tr>{rows}</table>" if rows else ""


class SetAtoms(Command):
    """Energies of free atoms that are in a data set already; undo puts back what was there."""

    def __init__(self, section: AtomsSection, item: Any, result: IsolatedAtoms) -> None:
        super().__init__(f"Add isolated-atom energies to {item.name}")
        self.section, self.item = section, item.id
        self.before, self.after = result.before, result.energies
        self.first = True

    def redo(self) -> None:
        if self.first:
            self.first = False
            return
        self.section.write(self.item, self.after)

    def undo(self) -> None:
        self.section.write(self.item, self.before)


class AtomsSection(QWidget):
    """Which data set, what it has, and the button, folded away; the engine reads and writes."""

    changed = Signal(str)  # item id of the data set that has other energies now
    opened = Signal(bool)  # unfolded: it wants the room of the panel

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.folder = ""  # where the file dialog opens
        self._jobs: dict[str, tuple[str, IsolatedSpec]] = {}  # job -> (item, spec)
        self._asked: tuple[str, IsolatedSpec] | None = None  # waits for the unit
        self.data = named(Choice(), "Data set of the isolated atoms", "Which data set gets them")
        self.data.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.data.setMinimumContentsLength(6)
        self.data.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.fold = tool_button("Isolated-atom energies", TIP, check=True)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button = push_button("Add from a file …", TIP, name="Add isolated-atom energies")
        self.shown = text_label("Isolated-atom energies of this data set", wrap=True)
        self.shown.setTextFormat(Qt.TextFormat.RichText)
        self.shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.say = text_label("What came of the file of isolated atoms", wrap=True)
        self.say.setTextFormat(Qt.TextFormat.PlainText)
        self.unit = named(Choice(), "Unit of the isolated-atom energies")
        self.go_on = push_button("Continue", "Read the file with this unit")
        self.leave = push_button("Discard", "Leave the data set as it is")
        for text in (self.shown, self.say):
            text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.question = QWidget()
        line = QHBoxLayout(self.question)
        line.setContentsMargins(0, 0, 0, 0)
        for part in (self.unit, self.go_on, self.leave):
            line.addWidget(part)
        self.body = QWidget()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.fold, 0, Qt.AlignmentFlag.AlignLeft)
        outer.addWidget(self.body)
        outer.addStretch(1)
        box = QVBoxLayout(self.body)
        box.setContentsMargins(0, 2, 0, 0)
        box.setSpacing(3)
        for widget in (self.data, self.shown, self.button, self.say, self.question):
            box.addWidget(widget)
        self.fold.toggled.connect(lambda on: self.unfold(on=on))
        self.unfold(on=False)
        self.data.currentIndexChanged.connect(lambda _i: self._chosen())
        self.button.clicked.connect(self.choose)
        self.go_on.clicked.connect(self._answer)
        self.leave.clicked.connect(lambda: self._tell(""))
        session.job_event.connect(self._event)
        session.item_selected.connect(self.select)
        session.unit_changed.connect(lambda _u: self._show())
        session.project_changed.connect(self.fill)
        Refill(self, session, lambda kind: self.fill() if kind == "datasets" else None)
        self.fill()

    def unfold(self, *, on: bool) -> None:
        """Show or hide what the data set has and how to add to it."""
        self.body.setVisible(on)
        self.fold.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        self.fold.setChecked(on)
        self.opened.emit(on)

    # -- which data set -----------------------------------------------------------------------
    def fill(self) -> None:
        """Read the project again; nothing to add to: the section is shut."""
        project, kept = self.session.project, self.data.currentData()
        items = () if project is None else project.items("datasets")
        items = tuple(i for i in items if i.record.exists())
        self.data.blockSignals(True)
        self.data.clear()
        for item in items:
            self.data.addItem(item.name, item.id)
        self.data.setCurrentIndex(max(0, self.data.findData(kept)) if items else -1)
        self.data.blockSignals(False)
        if self.data.currentData() != kept:
            self._tell("")
        self.fold.setEnabled(bool(items) and not self.session.read_only)
        if not self.fold.isEnabled():
            self.unfold(on=False)
        self._show()

    def select(self, item_id: str) -> None:
        """Follow the selection of the window."""
        at = self.data.findData(item_id)
        if at >= 0:
            self.data.setCurrentIndex(at)

    def _chosen(self) -> None:
        self._tell("")
        self._show()

    def _item(self) -> Any:
        item_id = self.data.currentData()
        return None if item_id is None else self.session.project.item(item_id)

    def _show(self) -> None:
        item = self._item()
        energies: dict[str, float] = {}
        if item is not None:
            try:
                energies = peek(item.record).get("isolated_atoms", {})
            except (OSError, ValueError):
                energies = {}
        text = energies_html(energies, self.session.unit)
        self.shown.setText(text or "It has no energies of isolated atoms.")

    def _tell(self, text: str, *, question: bool = False) -> None:
        self.say.setText(text)
        self.say.setVisible(bool(text))
        self.question.setVisible(question)
        if not question:
            self._asked = None

    # -- reading ------------------------------------------------------------------------------
    def choose(self) -> None:
        """Let a person pick the file."""
        path, _kind = QFileDialog.getOpenFileName(
            self, "Energies of isolated atoms", self.folder, FILTER
        )
        if path:
            self.folder = str(Path(path).parent)
            self.add_file(path)

    def add_file(self, path: str, units: str = "") -> None:
        """Read a file of single atoms into the data set shown."""
        item = self._item()
        if item is not None:
            self._tell(f"Reading {Path(path).name} …")
            spec = IsolatedSpec(str(item.record), path=str(Path(path).resolve()), units=units)
            self._submit(item.id, spec, f"isolated atoms of {item.name}")

    def write(self, item_id: str, energies: dict[str, float]) -> None:
        """Put other energies (eV) in: undo and redo."""
        item = self.session.project.item(item_id)
        spec = IsolatedSpec(str(item.record), energies=dict(energies))
        self._submit(item_id, spec, f"isolated atoms of {item.name}")

    def _submit(self, item_id: str, spec: IsolatedSpec, title: str) -> None:
        self.button.setEnabled(False)
        try:
            self._jobs[self.session.submit(spec, title=title)] = (item_id, spec)
        except (ValueError, RuntimeError) as error:
            self.button.setEnabled(True)
            self._tell(str(error))

    def _answer(self) -> None:
        if self._asked is not None:
            self.select(self._asked[0])
            self.add_file(self._asked[1].path, str(self.unit.currentData()))

    def _event(self, job: str, event: Any) -> None:
        if job not in self._jobs or event.kind not in FINAL:
            return
        item_id, spec = self._jobs.pop(job)
        self.button.setEnabled(not self._jobs)
        result = event.payload.get("result")
        if event.kind != "done" or not isinstance(result, IsolatedAtoms):
            self._tell(str(event.payload.get("message", "")))
        elif result.unsure:
            self._ask(item_id, spec, result)
        else:
            self._done(item_id, spec, result)

    def _ask(self, item_id: str, spec: IsolatedSpec, result: IsolatedAtoms) -> None:
        self.unit.clear()
        for choice in result.unit_choices:
            self.unit.addItem(choice, choice)
        self._tell(f"Please say {result.unsure}", question=True)
        self._asked = (item_id, spec)

    def _done(self, item_id: str, spec: IsolatedSpec, result: IsolatedAtoms) -> None:
        self._show()
        words = ""
        if result.missing:
            words = f"Still without an energy: {', '.join(result.missing)}."
        if spec.path:
            item = self.session.project.item(item_id)
            self.session.undo.push(SetAtoms(self, item, result))
            if result.bound == result.bound:
                unit = self.session.unit
                words = (
                    f"Read in {result.units}. The molecule is bound by "
                    f"{unit.from_ev(result.bound):.{unit.digits}f} {unit.label} per atom."
                )
        self._tell(words)
        self.session.items_changed.emit("datasets")
        self.changed.emit(item_id)
