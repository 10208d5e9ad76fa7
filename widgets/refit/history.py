"""All refits of one molecule: a click goes back to any of them, and to the start."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from core import storage
from core.analyses.refit import Refit
from widgets.background import in_background
from widgets.palette import color_of
from widgets.parameter.document import Document, same_terms
from widgets.parameter.plots import AFTER, keep_styles
from widgets.refit.result import pair_text
from widgets.session import Session
from widgets.tables import Column, Row, Shown, Table

START = "start"  #: key of the terms as they were read
FILE = "refit.npz"


class RefitHistory(Table):
    """Newest first, the start last; the line of the terms on show is selected and marked."""

    wanted = Signal(str)  # item id, or START
    failed = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Refits of this molecule", parent, filter_box=False)
        keep_styles()
        self.session = session
        self.document: Document | None = None
        self.names: dict[str, str] = {}  # item -> its name now
        self._read: dict[str, tuple[float, Refit | str]] = {}  # item -> (mtime, refit or problem)
        self._reading = False
        self.view.setToolTip("Click (or Enter) puts these terms in place; Ctrl+Z undoes")
        self.view.clicked.connect(lambda index: self._want(self._key(index)))
        self.row_activated.connect(self._want)

    def _want(self, key: str) -> None:
        if key and self._known(key) is not None:
            self.wanted.emit(key)
        elif key and key != START:
            problem = self._read.get(key, (0.0, "it is not read yet"))[1]
            self.failed.emit(f"“{self.names.get(key, key)}” cannot be loaded: {problem}")

    def _known(self, key: str) -> Refit | Document | None:
        if key == START:
            return self.document
        found = self._read.get(key, (0.0, ""))[1]
        return found if isinstance(found, Refit) else None

    def refit(self, key: str) -> Refit | None:
        """The refit of an item, None for the start or one that is not read."""
        found = self._known(key)
        return found if isinstance(found, Refit) else None

    def add(self, item: str, refit: Refit) -> None:
        """One that has just come from the worker: its file need not be read."""
        path = self._paths().get(item)
        if path is not None and path.exists():
            self._read[item] = (path.stat().st_mtime, refit)
        self.fill()

    def present(self) -> str:
        """What the terms on show are called."""
        if self.document is None:
            return ""
        label, topology = self.document.parameters.label, self.document.topology
        for id in reversed(self.names):
            refit = self.refit(id)
            if refit is not None and same_terms(refit.topology, topology):
                return self.names[id]
        return label if same_terms(self.document.original, topology) else f"{label}, edited"

    # -- filling ------------------------------------------------------------------------------
    def show_document(self, document: Document | None) -> None:
        """The molecule whose refits are listed; after an edit only the mark may be elsewhere."""
        same = document is self.document
        self.document = document
        if same and document is not None:
            self._show()
        else:
            self.fill()

    def _paths(self) -> dict[str, Path]:
        """Item -> its refit.npz, oldest first."""
        project = self.session.project
        items: tuple[Any, ...] = project.items("fits") if project is not None else ()
        self.names = {i.id: i.name for i in items}
        return {i.id: i.folder / FILE for i in items if (i.folder / FILE).exists()}

    def fill(self) -> None:
        """List what is known, and read what is not."""
        paths = self._paths()
        self._read = {id: known for id, known in self._read.items() if id in paths}
        unread = {
            id: (path, path.stat().st_mtime)
            for id, path in paths.items()
            if self._read.get(id, (-1.0,))[0] != path.stat().st_mtime
        }
        self._show()
        if unread and not self._reading and self.document is not None:
            self._reading = True
            work = functools.partial(_read_all, unread)
            in_background(self, work, done=self._have_read, failed=self.failed.emit)

    def _have_read(self, found: dict[str, tuple[float, Refit | str]]) -> None:
        self._reading = False
        self._read |= found
        self.fill()

    def _of_molecule(self, refit: Refit) -> bool:
        assert self.document is not None
        return np.array_equal(refit.molecule.numbers, self.document.molecule.numbers)

    def _show(self) -> None:
        unit, document = self.session.unit, self.document
        held = "RMSE on held-out frames, before → after"
        columns = (
            Column("Terms"),
            Column("Energy", unit.label, unit.digits, f"{held}; sorted by the latter"),
            Column("Forces", f"{unit.label}/Å", unit.digits, f"{held}; sorted by the latter"),
            Column("Profile", unit.label, unit.digits, "RMSE of the first profile, before → after"),
            Column("From", tip="What the refit began with"),
        )
        if document is None:
            self.set_table(columns, [])
            return
        lines: list[Row] = []
        shown = ""
        colour = color_of(AFTER, dark=self.session.dark)
        for id in reversed(self.names):
            refit = self.refit(id)
            if refit is None or not self._of_molecule(refit):
                continue
            here = same_terms(refit.topology, document.topology)
            shown = id if here and not shown else shown
            pairs = [refit.held_out.get(name, ()) for name in ("energy", "force")]
            first = refit.profiles[0] if refit.profiles else None
            pairs.append((first.rmse_before, first.rmse_after) if first is not None else ())
            values = [
                Shown(unit.from_ev(p[1]), pair_text(p[0], p[1], unit)) if len(p) == 2 else None
                for p in pairs
            ]
            lines.append(Row(id, (self.names[id], *values, refit.parent), colour if here else ""))
        here = not shown and same_terms(document.original, document.topology)
        label = f"start: {document.parameters.label}"
        lines.append(Row(START, (label, None, None, None, ""), colour if here else ""))
        self.set_table(columns, lines)
        self.select(shown or (START if here else ""))


def _read_all(paths: dict[str, tuple[Path, float]]) -> dict[str, tuple[float, Refit | str]]:
    """Item -> (mtime, its Refit, or why it cannot be read)."""
    found: dict[str, tuple[float, Refit | str]] = {}
    for id, (path, stamp) in paths.items():
        try:
            found[id] = (stamp, storage.load(path, Refit))
        except (OSError, ValueError) as error:
            found[id] = (stamp, str(error))
    return found
