"""Work that nobody waits for: one piece per turn of the event loop, so that no turn takes long."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import shiboken6
from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

W = TypeVar("W", bound=QWidget)


class Later(QObject):
    """Pieces of work that wait for their turn. The same piece asked for twice is done once."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: dict[tuple[int, Hashable], tuple[QObject, Callable[[], object]]] = {}
        # one timer for all of them: Qt lets every timer that is due fire in the same turn
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._turn)

    def ask(self, owner: QObject, key: Hashable, call: Callable[[], object]) -> None:
        """Call `call` in a turn of its own; not at all when `owner` is gone by then."""
        self._waiting[id(owner), key] = (owner, call)
        if not self._timer.isActive():
            self._timer.start()

    def now(self, owner: QObject) -> None:
        """Do at once what `owner` has waiting."""
        mine = [k for k in self._waiting if k[0] == id(owner)]
        for key in mine:
            self._do(key)

    def waits(self, owner: QObject, key: Hashable) -> bool:
        """Whether this piece is still to be done."""
        return (id(owner), key) in self._waiting

    def _turn(self) -> None:
        if self._waiting:
            try:
                self._do(next(iter(self._waiting)))
            finally:
                if self._waiting:
                    self._timer.start()

    def _do(self, key: tuple[int, Hashable]) -> None:
        owner, call = self._waiting.pop(key, (self, lambda: None))
        if shiboken6.isValid(owner):
            call()


def seen(widget: QWidget) -> bool:
    """Whether any of it is on the screen. Qt calls docks behind other tabs visible, too."""
    return widget.isVisible() and not widget.visibleRegion().isEmpty()


class Room(QWidget, Generic[W]):
    """A place for a widget that is made when it is first seen or asked for: plots take 10 ms."""

    def __init__(self, make: Callable[[], W], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make = make
        self.made: W | None = None
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)

    def get(self) -> W:
        """The widget."""
        if self.made is None:
            self.made = self._make()
            self._box.addWidget(self.made)
            self.made.show()  # Qt shows what comes into a visible widget only a turn later
        return self.made

    def showEvent(self, event: QShowEvent) -> None:
        self.get()
        super().showEvent(event)


class Refill(QObject):
    """Tells a panel which kinds of items changed: at once where it is seen, else a bit later.

    A panel behind another tab would only hold up the one that the person looks at. What it has
    missed it is told before it is shown, and before an item is selected that it may not know.
    """

    def __init__(self, panel: QWidget, session: Any, fill: Callable[[str], object]) -> None:
        super().__init__(panel)
        self.panel, self.session, self.fill = panel, session, fill
        session.items_changed.connect(self._changed)
        session.item_selected.connect(self._selected)
        panel.installEventFilter(self)

    def _changed(self, kind: str) -> None:
        if seen(self.panel) or not self.panel.window().isVisible():
            self.fill(kind)
        else:
            self.session.later.ask(self, kind, lambda: self.fill(kind))

    def _selected(self, item_id: str) -> None:
        project = self.session.project
        try:
            item = project.item(item_id) if project is not None and item_id else None
        except (KeyError, ValueError):
            return
        # what is still being made cannot be chosen anywhere: no hurry
        if item is not None and self.session.later.waits(self, item.kind) and item.finished:
            self.session.later.now(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show and watched is self.panel:
            self.session.later.now(self)
        return super().eventFilter(watched, event)
