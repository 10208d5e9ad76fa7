"""What a person can undo: rename, remove and add items of the project."""

from __future__ import annotations

from typing import Any

from widgets.session import Session
from widgets.undo import Command


class RenameItem(Command):
    """Give an item another name."""

    def __init__(self, session: Session, item: Any, name: str) -> None:
        super().__init__(f"Rename {item.name}")
        self.session, self.item, self.kind = session, item.id, item.kind
        self.old, self.new = item.name, name

    def redo(self) -> None:
        self._set(self.new)

    def undo(self) -> None:
        self._set(self.old)

    def _set(self, name: str) -> None:
        self.session.project.rename(self.item, name)
        self.session.items_changed.emit(self.kind)


class RemoveItem(Command):
    """Move an item to the project's bin."""

    def __init__(self, session: Session, item: Any) -> None:
        super().__init__(f"Delete {item.name}")
        self.session, self.item, self.kind = session, item.id, item.kind

    def redo(self) -> None:
        self.session.project.remove(self.item)
        self.session.items_changed.emit(self.kind)

    def undo(self) -> None:
        self.session.project.restore(self.item)
        self.session.items_changed.emit(self.kind)


class AddItems(Command):
    """Items that are in the project already; undo takes them out again."""

    def __init__(self, session: Session, items: list[Any], text: str = "") -> None:
        super().__init__(text or f"Add {items[0].name}")
        self.session = session
        self.ids = [i.id for i in items]
        self.kinds = sorted({i.kind for i in items})
        self.first = True

    def redo(self) -> None:
        if self.first:
            self.first = False
            return
        self._each(self.session.project.restore)

    def undo(self) -> None:
        self._each(self.session.project.remove)

    def _each(self, change: Any) -> None:
        for item in self.ids:
            change(item)
        for kind in self.kinds:
            self.session.items_changed.emit(kind)


class AddItem(AddItems):
    """One item that is in the project already; undo takes it out again."""

    def __init__(self, session: Session, item: Any, text: str = "") -> None:
        super().__init__(session, [item], text)
