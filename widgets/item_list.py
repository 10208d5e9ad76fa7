"""A list of the project's items of one kind: rename and delete with undo; jobs that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QInputDialog, QWidget

from core.engine.events import FINAL
from widgets.commands import RemoveItem, RenameItem
from widgets.session import Session
from widgets.tables import Table


@dataclass
class Live:
    """A job that runs, or that ended without a result."""

    job: str
    name: str
    state: str = "waiting"  # waiting, running, stopping, failed, cancelled
    fraction: float = 0.0
    message: str = ""
    seconds_left: float = float("nan")
    memory: float = float("nan")  # bytes of the worker
    curves: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    details: str = ""

    @property
    def busy(self) -> bool:
        """Whether it can still be stopped."""
        return self.state in ("waiting", "running", "stopping")

    def take(self, event: Any) -> None:
        """Keep what an event of the job says."""
        if event.kind == "started":
            self.state = "running"
        elif event.kind == "progress":
            self.fraction = event.fraction
            self.seconds_left = float(event.payload.get("seconds_left", float("nan")))
            self.memory = float(event.payload.get("memory", float("nan")))
            if self.state != "stopping":
                self.state = "running"
                self.message = str(event.payload.get("message", ""))
        elif event.kind == "curve":
            self.curves.append(event.payload)
        elif event.kind == "frame":
            self.frames.append(event.payload)
        elif event.kind in FINAL:
            self.state = event.kind
            self.problem = str(event.payload.get("message", ""))
            self.details = str(event.payload.get("details", ""))


class ItemList(Table):
    """Items of one kind. F2 renames, Del deletes; both can be undone.

    noun: what one is called; job: what its making is called.
    """

    def __init__(
        self,
        title: str,
        session: Session,
        live: Mapping[str, Live],
        *,
        kind: str,
        noun: str,
        job: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(title, parent)
        self.session, self.live = session, live
        self.kind, self.job = kind, job
        for text, slot, key in (
            (f"Rename {noun}…", self.ask_rename, QKeySequence(Qt.Key.Key_F2)),
            (f"Delete {noun}", self.delete, QKeySequence(QKeySequence.StandardKey.Delete)),
        ):
            action = QAction(text, self)
            action.setShortcut(key)
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.triggered.connect(lambda _=False, slot=slot: slot())
            self.view.addAction(action)
            self.extra.append(action)

    def items(self) -> tuple[Any, ...]:
        """The project's items of the kind, oldest first."""
        return () if self.session.project is None else self.session.project.items(self.kind)

    def chosen(self) -> Any:
        """The selected item, or None."""
        return next((i for i in self.items() if i.id == self.selected()), None)

    def rename(self, name: str) -> None:
        """Rename the selected item (undoable)."""
        item = self.chosen()
        if item is None or self._refused():
            return
        if name.strip() and name.strip() != item.name:
            self.session.undo.push(RenameItem(self.session, item, name.strip()))

    def ask_rename(self) -> None:
        """Ask for the new name."""
        item = self.chosen()
        if item is not None and not self._refused():
            name, good = QInputDialog.getText(self, "Rename", "New name", text=item.name)
            if good:
                self.rename(name)

    def delete(self) -> None:
        """Delete the selected item (undoable); one that runs must be cancelled first."""
        item = self.chosen()
        if item is None or self._refused():
            return
        live = self.live.get(item.id)
        if live is not None and live.busy:
            self.session.message.emit(f"Cancel this {self.job} before deleting it.", "warning")
        else:
            self.session.undo.push(RemoveItem(self.session, item))

    def _refused(self) -> bool:
        if self.session.read_only:
            self.session.message.emit(
                "Nothing can be changed: this project is open for reading only.", "warning"
            )
        return self.session.read_only
