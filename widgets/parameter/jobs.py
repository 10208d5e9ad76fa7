"""Jobs of the parameter editor: looking terms up, and keeping them as a force field."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import QObject, Signal

from core.analyses.parameter_scan import ParameterScan, ParameterScanSpec
from core.analyses.parameters import Parameters, ParametersSpec
from core.analyses.surface import Axis
from core.analyses.topology_saving import SaveTopologySpec
from core.engine.events import FINAL, Event
from core.molecule import Molecule
from widgets.loading import load_item
from widgets.parameter.bar import MoleculeReader
from widgets.parameter.document import Document
from widgets.session import Session

POINTS = 24  # of each dihedral, over the whole circle
TOTAL = 1e-6  # e


class TermsLoader(QObject):
    """Item of the project -> its terms. Only the last one asked for is ever told."""

    loaded = Signal(object)  # Parameters
    failed = Signal(str, str, str)  # title, sentence, details

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.job = ""
        self._wanted = ""  # item being read
        session.job_event.connect(self._event)

    @property
    def busy(self) -> bool:
        """Whether terms are on their way."""
        return bool(self.job or self._wanted)

    def load(self, item: Any, hyper: dict[str, Any]) -> None:
        """Terms of a molecule or of the lowest frame of a data set by GAFF, or those of a fit."""
        self.forget()
        self._wanted = item.id
        if item.kind == "fits":
            self._ask(None, {}, str(item.folder / "model.npz"))
            return

        def done(molecule: Molecule) -> None:
            if self._wanted == item.id:
                self._ask(molecule, hyper, "")

        def failed(text: str) -> None:
            if self._wanted == item.id:
                self._wanted = ""
                self.failed.emit("The molecule cannot be read", text, "")

        load_item(self, MoleculeReader(self.session.project), item, done=done, failed=failed)

    def forget(self) -> None:
        """Nothing that is on its way is wanted any more."""
        job, self.job, self._wanted = self.job, "", ""
        if job:
            self.session.cancel(job)

    def _ask(self, molecule: Molecule | None, hyper: dict[str, Any], model: str) -> None:
        self._wanted = ""
        try:
            spec = ParametersSpec(molecule, hyper, model)
            self.job = self.session.submit(spec, title="Looking up parameters")
        except (RuntimeError, ValueError) as error:
            self.failed.emit("The terms cannot be looked up", str(error), "")

    def _event(self, job: str, event: Event) -> None:
        if not job or job != self.job or event.kind not in FINAL:
            return
        self.job = ""
        result = event.payload.get("result")
        if isinstance(result, Parameters):
            self.loaded.emit(result)
            return
        text = str(event.payload.get("message", "")) or "The worker gave no terms."
        details = str(event.payload.get("details", ""))
        self.failed.emit("This molecule has no complete set of terms", text, details)


class ScanMaker(QObject):
    """Dihedrals of a molecule -> geometries of their scan, and the reference's points on it."""

    made = Signal(object)  # ParameterScan
    failed = Signal(str, str, str)  # title, sentence, details

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.job = ""
        session.job_event.connect(self._event)

    def make(self, molecule: Molecule, dihedrals: list[tuple[int, ...]], dataset: str) -> None:
        """A rigid scan over the whole circle of one or two dihedrals."""
        self.forget()
        step = 2 * math.pi / POINTS
        axes = [Axis((a, b, c, d), -math.pi, math.pi - step, POINTS) for a, b, c, d in dihedrals]
        spec = ParameterScanSpec(molecule, tuple(axes), dataset)
        try:
            self.job = self.session.submit(spec, title="Scan of the parameter editor")
        except (RuntimeError, ValueError) as error:
            self.failed.emit("The scan could not be started", str(error), "")

    def forget(self) -> None:
        """What is on its way is not wanted any more."""
        job, self.job = self.job, ""
        if job:
            self.session.cancel(job)

    def _event(self, job: str, event: Event) -> None:
        if not job or job != self.job or event.kind not in FINAL:
            return
        self.job = ""
        result = event.payload.get("result")
        if isinstance(result, ParameterScan):
            self.made.emit(result)
        elif event.kind == "failed":
            text = str(event.payload.get("message", ""))
            details = str(event.payload.get("details", ""))
            self.failed.emit("This scan cannot be made", text, details)


class TermsSaver(QObject):
    """Adds the terms of a Document to the project as a fit."""

    said = Signal(str, str)  # sentence, level

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.job, self._name = "", ""
        session.job_event.connect(self._event)

    def problem(self, document: Document, name: str) -> str:
        """Why these terms cannot be kept, "" when they can."""
        if self.session.project is None:
            return "Open a project first."
        if self.session.read_only:
            return "The project is open in another window: nothing can be added to it here."
        if not name:
            return "Give the force field a name first."
        total, charge = float(document.topology.charges.sum()), document.molecule.charge
        if abs(total - charge) > TOTAL:
            return (
                f"The charges add up to {total:+.4f} e, the molecule's charge is {charge:+d}: "
                "change them until the sum fits."
            ).replace("-", "−")
        return ""

    def save(self, document: Document, name: str, dataset: str) -> None:
        """Reserve an item and have it written; dataset: path of the one errors are measured on."""
        problem = self.problem(document, name)
        if problem:
            self.said.emit(problem, "error")
            return
        try:
            item = self.session.project.reserve("fits", name)
            spec = SaveTopologySpec(
                molecule=document.molecule,
                topology=document.topology,
                hyper=document.parameters.hyper,
                flags=tuple(document.flags.values()),
                label=item.name,
                dataset=dataset,
                out=str(item.folder),
            )
            self.job = self.session.submit(spec, title=f"Saving {item.name}")
        except (OSError, ValueError, RuntimeError) as error:
            self.said.emit(f"Not saved: {error}", "error")
            return
        self._name = item.name
        self.said.emit(f"Saving “{item.name}” …", "info")

    def _event(self, job: str, event: Event) -> None:
        if not job or job != self.job or event.kind not in FINAL:
            return
        self.job = ""
        if event.kind == "done":
            text = f"“{self._name}” is saved: tick it in Surface, or choose it in Dynamics."
            self.said.emit(text, "info")
        else:
            why = event.payload.get("message", "") or event.kind
            self.said.emit(f"“{self._name}” was not saved: {why}", "error")
