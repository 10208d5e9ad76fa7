"""Parameters: every term of a molecular-mechanics force field, edited by hand, and its scan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QTabWidget, QVBoxLayout, QWidget

from core.analyses.parameter_scan import ParameterScan
from core.analyses.parameters import Parameters
from core.analyses.refit import Refit
from core.bonding import why_not_dihedral
from widgets.empty import States
from widgets.later import Refill
from widgets.parameter import rows
from widgets.parameter.bar import MAP, ParameterBar
from widgets.parameter.document import Document
from widgets.parameter.jobs import ScanMaker, TermsLoader, TermsSaver
from widgets.parameter.live import LivePlots
from widgets.parameter.notice import NoticeLine
from widgets.parameter.plots import ParameterPlots
from widgets.parameter.rows import Key
from widgets.parameter.terms import TermsTab
from widgets.refit.tab import RefitTab
from widgets.session import Geometries, Session

if TYPE_CHECKING:
    from core.mm.topology import Topology


class ParametersPanel(QWidget):
    """One question: which term makes the surface look as it does, and what if it were another?"""

    TITLE = "Parameters"
    ORDER = 25
    AREA = "center"
    HELP = (
        "Every term of GAFF on this molecule. Click a line to see its atoms in the molecule view, "
        "or pick atoms there to find their terms. Type a value or drag a slider: the scan follows. "
        "An orange ▲ marks parameters taken by analogy. Bold values differ from what was read; "
        "Ctrl+Z undoes. A click on a header sorts. “Save as force field” adds the edited terms to "
        "the project, for surfaces and dynamics. Refit fits them to quantum data, within the "
        "frozen, tied and bounded of the table; its list of fits goes back to any of them, and to "
        "the start. Δ shows what is left to the reference."
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.document: Document | None = None
        self.documents: list[Document] = []  # all that the undo stack may speak of
        self.keys: list[Key] = []
        self._later = ""  # item selected while nobody looked
        self.maker = ScanMaker(session, self)
        self.terms, self.saver = TermsLoader(session, self), TermsSaver(session, self)
        self.bar = ParameterBar(session)
        self.left, self.refit = TermsTab(), RefitTab(session)
        self.table, self.editor = self.left.table, self.left.editor
        self.name, self.save = self.left.name, self.left.save
        self.save.clicked.connect(self.save_as)
        self.plots = ParameterPlots()
        self.plot_states = States(self.plots)
        self.live = LivePlots(session, self.plots, self.plot_states, self)
        self.follow, self.first = self.live.follow, self.live.first
        self.notice = NoticeLine()
        self._lay_out()
        self._connect()
        self._theme(session.dark)
        self.bar.fill()
        self._invite()

    def _lay_out(self) -> None:
        self.tabs = QTabWidget(documentMode=True)
        self.tabs.addTab(self.left, "&Terms")
        self.tabs.addTab(self.refit, "&Refit")
        self.tabs.setTabToolTip(1, "Fit the terms to quantum data, and go back to earlier fits")
        across = QSplitter(Qt.Orientation.Horizontal)
        across.addWidget(self.tabs)
        across.addWidget(self.plot_states)
        across.setStretchFactor(0, 5)
        across.setStretchFactor(1, 4)
        across.setSizes([496, 294])
        self.states = States(across)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(2)
        outer.addWidget(self.bar)
        outer.addWidget(self.notice)
        outer.addWidget(self.states, 1)

    def _connect(self) -> None:
        s = self.session
        s.project_changed.connect(self._project_changed)
        Refill(self, s, self._items_changed)
        s.item_selected.connect(self._item_selected)
        s.axes_changed.connect(self._axes_changed)
        s.unit_changed.connect(self._unit_changed)
        s.theme_changed.connect(self._theme)
        s.atoms_picked.connect(self._picked)
        self.maker.made.connect(self._show_scan)
        self.maker.failed.connect(self._no_scan)
        self.terms.loaded.connect(self._loaded)
        self.terms.failed.connect(self._not_loaded)
        self.saver.said.connect(self._saving)
        self.bar.source_changed.connect(self.load)
        self.bar.scan_changed.connect(self.scan)
        self.table.chosen.connect(self._chosen)
        self.table.typed.connect(self._typed)
        self.table.refused.connect(lambda text: self._say(text, "error"))
        self.editor.refused.connect(lambda text: self._say(text, "error"))
        self.editor.added.connect(self._added)
        self.refit.said.connect(self._say)
        self.refit.shown.connect(self._show_refit)
        self.refit.chosen.connect(self._added)
        self.plots.point_clicked.connect(self._show_point)

    # -- session ------------------------------------------------------------------------------
    def showEvent(self, event) -> None:
        super().showEvent(event)
        later, self._later = self._later, ""
        if later and self._item_selected(later):
            return
        if self.document is None and not self.terms.busy:
            self.load()

    def _project_changed(self) -> None:
        self._forget()
        self.bar.fill()
        self._invite()
        if self.isVisible():
            self.load()

    def _items_changed(self, kind: str) -> None:
        if kind in ("datasets", "molecules", "fits"):
            other = self.bar.fill()
            if other and self.isVisible() and self.document is None and not self.terms.busy:
                self.load()
            elif self.bar.item() is None and self.document is None:
                self._invite()

    def _item_selected(self, id: str) -> bool:
        """A fit, or another molecule (one just opened, say): its terms. True where they come."""
        if id == self.bar.source.currentData() or self.session.project is None:
            return False
        if not self.isVisible():
            self._later = id
            return False
        if self.bar.reference.findData(id) >= 0 and self.document is not None:
            return False  # data of the same molecule: the terms stay, edits too
        return self.bar.choose(id)

    def _axes_changed(self) -> None:
        if self.document is not None and self.isVisible():
            self._fill_scans()
            self.scan()

    def _unit_changed(self, unit: Any) -> None:
        if self.document is not None:
            self.table._shape = ()
            self.table.show_document(self.document, unit, dark=self.session.dark)
            self.editor.show_rows(self.document, self.keys, unit)
        self.plots.set_unit(unit)

    def _theme(self, dark: bool) -> None:
        self.plots.set_dark(dark)
        if self.document is not None:
            self.table._shape = ()
        self.table.show_document(self.document, self.session.unit, dark=dark)
        self._say(self.notice.text(), str(self.notice.property("level") or "info"))

    # -- reading ------------------------------------------------------------------------------
    def _invite(self) -> None:
        if self.bar.item() is None:
            hint = "Drop a file with a molecule on the window; its GAFF terms are listed here."
            self.states.empty("No molecule yet", hint)

    def _forget(self) -> None:
        for asking in (self.live, self.terms, self.maker, self.refit):
            asking.forget()
        self.document, self.documents, self.keys, self._later = None, [], [], ""
        self.table.show_document(None, self.session.unit, dark=self.session.dark)
        self.editor.show_rows(None, [], None)
        self.plots.clear()
        self._say("")

    def load(self) -> None:
        """Look up the terms of what is chosen."""
        item = self.bar.item()
        if item is None:
            self._invite()
            return
        self._say("")
        self.states.loading("Looking up the terms …", item.name)
        self.terms.load(item, self.bar.hyper())

    def _loaded(self, parameters: Parameters) -> None:
        self._show_document(Document(parameters, self.session.undo, self))

    def _not_loaded(self, title: str, text: str, details: str) -> None:
        self.document = None
        self.bar.clear_scans()
        self.states.failed(title, text, details=details)

    def _show_document(self, document: Document) -> None:
        if document not in self.documents:
            self.documents.append(document)
            document.changed.connect(lambda d=document: self._edited(d))
            document.drafted.connect(lambda topology, d=document: self._drafted(d, topology))
        self.document, self.keys = document, []
        self.plots.clear()
        self.session.atoms_highlighted.emit(())
        self.bar.follow(document.parameters.hyper)
        self.bar.fill_references(document.molecule)
        self.states.ready()
        self.table.show_document(document, self.session.unit, dark=self.session.dark)
        self.editor.show_rows(document, [], self.session.unit)
        self.refit.show_document(document)
        if not self.name.text() or self.name.text().endswith("edited"):
            self.name.setText(f"{document.parameters.label} edited")
        self._warn(document)
        shown = self.session.geometries
        numbers = document.molecule.numbers
        if shown is None or not np.array_equal(shown.molecule.numbers, numbers):
            molecule = document.molecule
            self.session.show(Geometries(molecule, molecule.positions[None], caption=molecule.name))
        self._fill_scans()
        self.scan()

    def _warn(self, document: Document) -> None:
        topology = document.topology
        guessed = sum(int((t.penalty > 0).sum()) for t in topology.terms().values())
        if guessed:
            text = f"▲ {guessed} of the terms taken by analogy: no entry in the table is theirs."
            self._say(text, "warning")
        else:
            self._say("")

    # -- the scan -----------------------------------------------------------------------------
    def _fill_scans(self) -> None:
        if self.document is None:
            return
        molecule = self.document.molecule  # the axes may be those of another one
        axes = [tuple(a) for a in self.session.axes if a is not None]
        fitting = [a for a in axes if not why_not_dihedral(molecule, a)]
        offered = dict.fromkeys([*fitting, *self.document.parameters.dihedrals])
        self.bar.fill_scans(list(offered), molecule)

    def scan(self) -> None:
        """Make the geometries of the chosen scan."""
        document, chosen = self.document, self.bar.scan.currentData()
        if document is None:
            return
        if chosen is None:
            self.plot_states.empty(
                "Nothing turns in this molecule",
                "Pick four atoms in the molecule view and make them an axis to see a profile.",
            )
            return
        atoms = [self.bar.scan.itemData(i) for i in (0, 1)] if chosen == MAP else [chosen]
        self.live.forget()
        if self.plots.scan is None:
            self.plot_states.loading("Turning the dihedral …")
        self.maker.make(document.molecule, atoms, self.bar.dataset())

    def _no_scan(self, title: str, text: str, details: str) -> None:
        self.plots.clear()
        if self.bar.dataset():  # a reference with its atoms in another order, say
            self.bar.reference.setCurrentIndex(0)
            self._say(f"Shown without a reference: {text}", "warning")
            self.scan()
            return
        self.plot_states.failed(title, text, details=details)

    def _show_scan(self, scan: ParameterScan) -> None:
        if self.document is None:
            return
        self.plots.show_scan(scan, self.document.molecule, self.session.unit)
        self.plot_states.ready()
        self.refit.show_scan(scan, self.bar.scan_name())
        self.live.begin(self.document)
        self.live.ask(self.document.topology, self.keys)

    def _show_refit(self, refit: Refit | None) -> None:
        """Before and after in the plot; of another scan than the one shown, that one is made."""
        profile = refit.profiles[0] if refit is not None and refit.profiles else None
        there = self.plots.show_fit(profile)
        if profile is not None and not there and self.bar.choose_scan(profile.name):
            self.scan()

    def _show_point(self, index: int) -> None:
        scan, document = self.plots.scan, self.document
        if scan is None or document is None or index < 0:
            return
        energies = None if self.plots.current is None else self.plots.current.energy
        caption = f"{document.parameters.label}: scan"
        shown = Geometries(document.molecule, scan.positions, energies, caption)
        self.session.show(shown, frame=index)
        self.plots.profile.set_selected(index)

    # -- selecting and editing ----------------------------------------------------------------
    def _chosen(self, keys: list[Key]) -> None:
        self.keys = keys
        if self.document is None:
            return
        self.editor.show_rows(self.document, keys, self.session.unit)
        topology = self.document.topology
        lit = dict.fromkeys(a for k in keys for a in rows.atoms(topology, k))
        self.session.atoms_highlighted.emit(tuple(lit))
        self.refit.follow(keys)
        self.live.ask(topology, self.keys)

    def _picked(self, atoms: tuple[int, ...]) -> None:
        if self.document is None or not atoms or not self.isVisible():
            return
        shown = self.session.geometries
        numbers = self.document.molecule.numbers
        if shown is None or not np.array_equal(shown.molecule.numbers, numbers):
            return
        keys = rows.on_atoms(self.document.topology, tuple(atoms))
        if keys:
            self.table.select(keys)
            self._chosen(keys)

    def _typed(self, keys: list[Key], name: str, value: float) -> None:
        if self.document is None:
            return
        try:
            self.document.set_value(keys, name, value)
        except ValueError as error:
            self._say(str(error), "error")

    def _added(self, keys: list[Key]) -> None:
        self.table.select(keys)
        self._chosen(keys)

    def _edited(self, document: Document) -> None:
        if document is not self.document:  # undone in a molecule that was shown before
            self._show_document(document)
            return
        if self.notice.property("level") == "error":
            self._warn(document)
        self.keys = [k for k in self.keys if k[1] < rows.count(document.topology, k[0])]
        self.table.refresh()
        self.editor.show_rows(document, self.keys, self.session.unit)
        self.refit.show_document(document)
        self.live.ask(document.topology, self.keys)

    def _drafted(self, document: Document, topology: Topology) -> None:
        if document is self.document:
            self.live.ask(topology, self.keys)

    # -- keeping ------------------------------------------------------------------------------
    def save_as(self) -> None:
        """Add the terms to the project as a force field."""
        if self.document is not None:
            self.saver.save(self.document, self.name.text().strip(), self.bar.dataset())

    def _saving(self, text: str, level: str) -> None:
        self.save.setEnabled(not self.saver.job)
        self._say(text, level)

    def _say(self, text: str, level: str = "info") -> None:
        self.notice.say(text, level, dark=self.session.dark)


PANEL = ParametersPanel
