"""The list of all fits of the project: figures, rename, delete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QInputDialog, QWidget

from core.storage import peek
from widgets.commands import RemoveItem, RenameItem
from widgets.palette import color_of
from widgets.session import Session
from widgets.tables import Column, Row, Table


@dataclass
class Live:
    """A fit that runs, or that ended without a result."""

    job: str
    name: str
    state: str = "waiting"  # waiting, running, stopping, failed, cancelled
    fraction: float = 0.0
    message: str = ""
    seconds_left: float = float("nan")
    curves: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    details: str = ""

    @property
    def busy(self) -> bool:
        """Whether it can still be stopped."""
        return self.state in ("waiting", "running", "stopping")


class FitList(Table):
    """All fits, newest first. F2 renames, Del deletes; both can be undone."""

    def __init__(
        self, session: Session, live: Mapping[str, Live], parent: QWidget | None = None
    ) -> None:
        super().__init__("Fits", parent)
        self.session, self.live = session, live
        self._known: dict[str, tuple[float, tuple]] = {}  # item -> (mtime, figures)
        for text, slot, key in (
            ("Rename fit…", self.ask_rename, QKeySequence(Qt.Key.Key_F2)),
            ("Delete fit", self.delete, QKeySequence(QKeySequence.StandardKey.Delete)),
        ):
            action = QAction(text, self)
            action.setShortcut(key)
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.triggered.connect(lambda _=False, slot=slot: slot())
            self.view.addAction(action)
            self.extra.append(action)

    def items(self) -> tuple[Any, ...]:
        """The project's fits, oldest first."""
        return () if self.session.project is None else self.session.project.items("fits")

    def _figures(self, item: Any) -> tuple:
        """(key, n_train, energy MAE, force MAE, seconds) without reading arrays."""
        try:
            stamp = item.record.stat().st_mtime
            if self._known.get(item.id, (0.0, ()))[0] != stamp:
                tree = peek(item.record)
                n = getattr(self.session.project.job(item.id), "n_train", None)
                used = str(tree.get("info", {}).get("training frames", "")).split(" ")[0]
                n = int(used) if used.isdecimal() else n  # fewer when it was stopped early
                e = tree["errors"]
                row = (tree["key"], n, e["energy_mae"], e["force_mae"], tree["fit_seconds"])
                self._known[item.id] = (stamp, row)
            return self._known[item.id][1]
        except (OSError, ValueError, KeyError):
            return ("", None, None, None, None)

    def fill(self, shown: str) -> None:
        """Read the project again; `shown` is the item to select ("" = as it was)."""
        unit = self.session.unit
        labels = {i.key: i.label for i in self.session.catalog}
        columns = (
            Column("Name"),
            Column("Energy MAE", unit.label, unit.digits, "on the fit's own test frames"),
            Column("Force MAE", f"{unit.label}/Å", unit.digits, "on the fit's own test frames"),
            Column("Frames", digits=0, tip="number of training frames"),
            Column("Time", "s", 1),
            Column("Force field"),
            Column("State"),
        )
        rows = []
        for item in reversed(self.items()):
            live = self.live.get(item.id)
            values: tuple[Any, ...]
            if live is not None:
                values = (item.name, None, None, None, None, "", live.state)
            elif not item.record.exists():
                values = (item.name, None, None, None, None, "", "not finished")
            else:
                key, n, energy, force, seconds = self._figures(item)
                energy, force = (x if x is None else unit.from_ev(x) for x in (energy, force))
                state = "done" if key else "damaged"
                values = (item.name, energy, force, n, seconds, labels.get(key, key), state)
            rows.append(Row(item.id, values, color_of(item.name, dark=self.session.dark)))
        self.set_table(columns, rows)
        if shown:
            self.select(shown)

    # -- rename and delete --------------------------------------------------------------------
    def chosen(self) -> Any:
        """The selected item, or None."""
        return next((i for i in self.items() if i.id == self.selected()), None)

    def rename(self, name: str) -> None:
        """Rename the selected fit (undoable)."""
        item = self.chosen()
        if item is not None and name.strip() and name.strip() != item.name:
            self.session.undo.push(RenameItem(self.session, item, name.strip()))

    def ask_rename(self) -> None:
        """Ask for the new name."""
        item = self.chosen()
        if item is not None:
            name, good = QInputDialog.getText(self, "Rename", "New name", text=item.name)
            if good:
                self.rename(name)

    def delete(self) -> None:
        """Delete the selected fit (undoable); one that runs must be cancelled first."""
        item = self.chosen()
        if item is None:
            return
        live = self.live.get(item.id)
        if live is not None and live.busy:
            self.session.message.emit("Cancel this training before deleting it.", "warning")
        else:
            self.session.undo.push(RemoveItem(self.session, item))
