"""Data: bring in a stranger's file and see what was found in it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.analyses.importing import Imported, ImportSpec, Report
from core.analyses.model_import import ModelImportSpec, is_package_model
from widgets.commands import AddItems
from widgets.data.atoms import AtomsSection
from widgets.empty import States
from widgets.frames import geometries_of
from widgets.report_text import report_html
from widgets.session import Session

FILTER = (
    "Geometries (*.extxyz *.xyz *.npz *.sdf *.mol *.mol2 *.prmtop *.parm7 *.inpcrd *.rst7 "
    "*.db *.traj *.cif *.pdb *.gjf *.log *.out);;"
    "All files (*)"
)


@dataclass(frozen=True)
class Asked:
    """One import a person asked for: the job's item waits for its answer."""

    path: str
    format: str
    name: str
    item: Any


class DataPanel(QWidget):
    """Import button, drop target, SMILES line, and the report of the last import."""

    TITLE = "Data"
    ORDER = 5
    AREA = "left"
    HELP = (
        "Bring in data: drop a file anywhere on the window, press Import, or type a SMILES string. "
        "extxyz, xyz, npz (MD17, sGDML), SDF, MOL, mol2, AMBER's prmtop with the inpcrd or rst7 "
        "beside it, and whatever ASE reads. The report says what was "
        "found; when the units are not certain you are asked. A file that cannot be read leaves "
        "the project as it was. Energies of isolated atoms can be added to a data set below: "
        "linear ACE takes them as its one-body energies."
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.folder = ""  # where the file dialog opens
        self.queue: deque[tuple[str, str]] = deque()  # (path, format) waiting
        self.job = ""
        self.answers: dict[str, str] = {}  # what the person said about the file being read
        self.about = "units"  # the ImportSpec field that the question is about
        self.asked: Asked | None = None
        self._doubt = ""  # what the reader could not tell
        self.shown: Any = None  # Dataset of the last import
        self.shown_id = ""
        self.setAcceptDrops(True)
        self.button = QPushButton("Import …")
        self.button.setToolTip("Bring in a file of geometries (Ctrl+I)")
        self.button.clicked.connect(self.choose)
        self.smiles = QLineEdit(placeholderText="or SMILES: CCO")
        self.smiles.setAccessibleName("SMILES of a molecule to add")
        self.smiles.setClearButtonEnabled(True)
        self.smiles.returnPressed.connect(self._smiles)
        top = QHBoxLayout()
        top.addWidget(self.button)
        top.addWidget(self.smiles, 1)
        self.report = QLabel()
        self.report.setWordWrap(True)
        self.report.setTextFormat(Qt.TextFormat.RichText)
        self.report.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.report.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.question = QWidget()
        ask = QVBoxLayout(self.question)
        ask.setContentsMargins(0, 0, 0, 0)
        self.unsure = QLabel(wordWrap=True)
        for label in (self.report, self.unsure):  # long words must not widen the panel
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.units = QComboBox()
        self.units.setAccessibleName("Answer to the question about this file")
        self.go_on = QPushButton("Continue")
        self.go_on.clicked.connect(self._answer)
        self.discard = QPushButton("Discard")
        self.discard.clicked.connect(self._discard)
        row = QHBoxLayout()
        row.addWidget(self.go_on)
        row.addWidget(self.discard)
        ask.addWidget(self.unsure)
        ask.addWidget(self.units)
        ask.addLayout(row)
        self.question.hide()
        self.show_button = QPushButton("Show in the molecule view")
        self.show_button.clicked.connect(self.show_frames)
        inner = QWidget()
        box = QVBoxLayout(inner)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.question)  # above the report: the report may be long
        box.addWidget(self.report)
        box.addWidget(self.show_button, 0, Qt.AlignmentFlag.AlignLeft)
        box.addStretch(1)
        scroll = QScrollArea(widgetResizable=True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(inner)
        self.states = States(scroll)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(6, 6, 6, 6)
        outer.addLayout(top)
        outer.addWidget(self.states, 1)
        self.atoms = AtomsSection(session)
        outer.addWidget(self.atoms)
        self.atoms.opened.connect(lambda on: self.states.setVisible(not on))
        session.import_requested.connect(self.import_any)
        session.job_event.connect(self._job)
        session.project_changed.connect(self.clear)
        self.clear()

    def clear(self) -> None:
        """Back to the invitation."""
        self.queue.clear()
        self.job, self.asked, self.shown, self.shown_id = "", None, None, ""
        closed = self.session.read_only
        for widget in (self.button, self.smiles):
            widget.setEnabled(not closed)
        if closed:
            self.states.empty("For reading only", "Nothing can be imported: see the line on top.")
            return
        self.states.empty("Drop a file here", "extxyz, xyz, npz, SDF, MOL, mol2, or what ASE reads")

    # -- asking -------------------------------------------------------------------------------
    def choose(self) -> None:
        """Let a person pick files."""
        paths, _kind = QFileDialog.getOpenFileNames(self, "Import data", self.folder, FILTER)
        for path in paths:
            self.folder = str(Path(path).parent)
            self.import_file(path)

    def _smiles(self) -> None:
        text = self.smiles.text().strip()
        if text:
            self.smiles.clear()
            self.import_smiles(text)

    def import_any(self, text: str) -> None:
        """A path when there is such a file, else a SMILES string."""
        if Path(text).exists() or any(c in text for c in "\\.") or text.startswith("/"):
            self.import_file(text)
        else:
            self.import_smiles(text)

    def import_file(self, path: str) -> None:
        """Import a file as soon as the one before is through."""
        if is_package_model(path):
            if self._may_import():
                self._open_model(str(Path(path).resolve()))
            return
        self._put(str(Path(path).resolve()), "")

    def import_smiles(self, smiles: str) -> None:
        """Import one molecule from SMILES."""
        self._put(smiles, "smiles")

    def _open_model(self, path: str) -> None:
        """A trained model of the sgdml package becomes a fit of the project."""
        name = Path(path).stem
        item = self.session.project.reserve("fits", name)
        spec = ModelImportSpec(path=path, label=name, out=str(item.folder))
        self.session.submit(spec, title=f"open {name}")
        self.session.items_changed.emit("fits")

    def _may_import(self) -> bool:
        """Whether there is a project that takes something in; says so when not."""
        if self.session.project is None:
            self.session.message.emit(
                "Open or make a project first (File > New project).", "warning"
            )
            return False
        if self.session.read_only:
            self.session.message.emit(
                "Nothing can be imported: this project is open for reading only.", "warning"
            )
            return False
        return True

    def _put(self, path: str, format: str) -> None:
        if not self._may_import():
            return
        self.queue.append((path, format))
        self._next()
        self._say_doubt()

    def _next(self) -> None:
        if self.job or self.asked is not None or not self.queue:
            return
        path, format = self.queue.popleft()
        name = self._free_name(path if format == "smiles" else Path(path).stem)
        item = self.session.project.reserve("datasets", name)
        self.asked = Asked(path, format, name, item)
        self.answers = {}
        self._submit()

    def _free_name(self, name: str) -> str:
        taken = {item.name for item in self.session.project.items("datasets")}
        number = 2
        free = name
        while free in taken:
            free, number = f"{name} ({number})", number + 1
        return free

    def _submit(self) -> None:
        asked = self.asked
        assert asked is not None
        self.question.hide()
        self.atoms.unfold(on=False)  # the report needs the room
        self.states.loading(f"Reading {asked.name} …")
        spec = ImportSpec(
            path=asked.path,
            format=asked.format,
            name=asked.name,
            out=str(asked.item.folder),
            **self.answers,
        )
        self.job = self.session.submit(spec, title=f"import {asked.name}")

    # -- answers ------------------------------------------------------------------------------
    def _job(self, job: str, event: Any) -> None:
        if job != self.job or not self.job:
            return
        if event.kind == "progress" and event.payload.get("message"):
            self.states.loading(
                f"Reading {self.asked.name if self.asked else ''} …", event.payload["message"]
            )
        elif event.kind == "done":
            self.job = ""
            self._done(event.payload["result"])
        elif event.kind in ("failed", "cancelled"):
            self.job = ""
            name = self.asked.name if self.asked else ""
            self.asked = None
            if event.kind == "failed":
                self.states.failed(
                    f"{name} was not imported",
                    event.payload.get("message", ""),
                    details=event.payload.get("details", ""),
                )
            else:
                self.states.empty("Import cancelled", "The project is as it was.")
            self._next()

    def _done(self, result: Imported) -> None:
        asked = self.asked
        assert asked is not None
        unsure = next((r for r in result.reports if r.unsure), None)
        names = [asked.name] if len(result.reports) == 1 else [d.name for d in result.datasets]
        self.report.setText(
            "".join(report_html(r, name=n) for r, n in zip(result.reports, names, strict=True))
        )
        self.states.ready()
        if unsure is not None:
            self._doubt = unsure.unsure
            self._say_doubt()
            self.units.clear()
            self._ask(unsure)
            self.question.show()
            self.show_button.hide()
            return
        self.asked = None
        self._add(asked, result)
        self._next()

    def _say_doubt(self) -> None:
        """The question, and how many files wait for its answer."""
        wait = len(self.queue)
        more = f"<br><i>{wait} more file{'s' * (wait > 1)} waiting</i>" if wait else ""
        self.unsure.setText(f"<b>Please say:</b> {escape(self._doubt)}{more}")

    def _answer(self) -> None:
        if self.asked is not None and not self.job:
            self.answers[self.about] = self.units.currentData()
            self._submit()

    def _ask(self, report: Report) -> None:
        """Fill the combo with what can be answered."""
        if not report.unit_choices:
            self.about = "force_sign"
            self.units.addItem("turn all forces round", "flip")
            self.units.addItem("keep them as they are", "keep")
            return
        self.about = "length_units" if report.unsure.startswith("lengths") else "units"
        for choice in report.unit_choices:
            self.units.addItem(choice, choice)
        self.units.setCurrentIndex(max(0, self.units.findData(report.units)))

    def _discard(self) -> None:
        asked, self.asked = self.asked, None
        self.question.hide()
        if asked is not None:
            self.session.project.remove(asked.item.id)
            self.session.items_changed.emit("datasets")
        self.clear_report()
        self._next()

    def clear_report(self) -> None:
        """Forget the last report."""
        self.states.empty("Drop a file here", "The project is as it was.")

    def _add(self, asked: Asked, result: Imported) -> None:
        project, undo = self.session.project, self.session.undo
        first = asked.item
        homes = {Path(p) if Path(p).is_dir() else Path(p).parent for p in result.paths if p}
        items = [first]  # the job wrote the others beside it
        items += [i for i in project.items("datasets") if i.folder in homes and i.id != first.id]
        undo.push(AddItems(self.session, items, f"Import {first.name}"))
        self.shown, self.shown_id = result.datasets[0], first.id
        self.show_button.show()
        self.session.items_changed.emit("datasets")
        self.session.item_selected.emit(first.id)
        self.show_frames()
        if not result.datasets[0].has_energy.any() and len(result.datasets[0]) > 1:
            self.session.message.emit(
                f"{first.name} has no energies: it can be looked at, not trained on.", "warning"
            )

    def show_frames(self) -> None:
        """Put the frames of the last import into the molecule view."""
        if self.shown is not None:
            geometries = geometries_of(self.shown, source=self.shown_id)
            if geometries is not None:
                self.session.show(geometries)

    # -- dropping -----------------------------------------------------------------------------
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(u.isLocalFile() for u in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        for url in event.mimeData().urls():
            if url.isLocalFile():
                self.import_file(url.toLocalFile())
        event.acceptProposedAction()


PANEL = DataPanel
