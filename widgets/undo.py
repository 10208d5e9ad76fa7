"""What can be undone: commands and the stack they are on.

Not Qt's QUndoStack: PySide6 (6.11) hands a command made in Python back to Python when Python's
garbage collector comes by, deletes it and leaves the stack with a pointer to nothing. The names
are those of Qt's classes.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction


class Command:
    """One change that a person can take back. `redo` is called when it is pushed, too."""

    def __init__(self, text: str) -> None:
        self._text, self._obsolete = text, False

    def text(self) -> str:
        """What it did, as it stands in the menu behind "Undo"."""
        return self._text

    def isObsolete(self) -> bool:
        """Whether there is nothing to do or undo any more."""
        return self._obsolete

    def setObsolete(self, obsolete: bool) -> None:
        """Said by the command itself, in `redo` or `undo`: the stack then forgets it."""
        self._obsolete = obsolete

    def redo(self) -> None:
        """Make the change."""
        raise NotImplementedError

    def undo(self) -> None:
        """Take the change back."""
        raise NotImplementedError


class UndoStack(QObject):
    """The commands of a session, oldest first, and how many of them are done."""

    indexChanged = Signal(int)  # how many are done now

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._commands: list[Command] = []
        self._index = 0

    # -- what is there ------------------------------------------------------------------------
    def count(self) -> int:
        """How many commands there are, done or undone."""
        return len(self._commands)

    def index(self) -> int:
        """How many of them are done."""
        return self._index

    def canUndo(self) -> bool:
        """Whether there is something to take back."""
        return self._index > 0

    def canRedo(self) -> bool:
        """Whether something was taken back that can be done again."""
        return self._index < len(self._commands)

    def undoText(self) -> str:
        """Text of the command that `undo` takes back, "" for none."""
        return self._commands[self._index - 1].text() if self.canUndo() else ""

    def redoText(self) -> str:
        """Text of the command that `redo` does, "" for none."""
        return self._commands[self._index].text() if self.canRedo() else ""

    # -- changes ------------------------------------------------------------------------------
    def push(self, command: Command) -> None:
        """Do a command and keep it; what was undone before is forgotten.

        What the command raises comes through, and it is not kept then.
        """
        command.redo()
        del self._commands[self._index :]
        if not command.isObsolete():
            self._commands.append(command)
        self._put(len(self._commands))

    def undo(self) -> None:
        """Take the last command back. One that fails counts as undone: the others can still be."""
        if self.canUndo():
            self._run(self._index - 1, "undo", self._index - 1)

    def redo(self) -> None:
        """Do again what was taken back last."""
        if self.canRedo():
            self._run(self._index, "redo", self._index + 1)

    def setIndex(self, index: int) -> None:
        """Undo or redo until so many are done (or all, or none)."""
        while self._index > max(index, 0):
            self.undo()
        while self._index < min(index, len(self._commands)):
            self.redo()

    def clear(self) -> None:
        """Forget all commands; nothing is undone."""
        self._commands.clear()
        self._put(0)

    def _run(self, place: int, what: str, then: int) -> None:
        command = self._commands[place]
        try:
            getattr(command, what)()
        finally:
            if command.isObsolete() and command in self._commands:
                self._commands.remove(command)
                then = place
            self._put(min(then, len(self._commands)))

    def _put(self, index: int) -> None:
        self._index = index
        self.indexChanged.emit(index)

    # -- for menus ----------------------------------------------------------------------------
    def createUndoAction(self, parent: QObject, prefix: str) -> QAction:
        """An action that undoes; its text tells what."""
        return _StackAction(self, prefix, parent, forward=False)

    def createRedoAction(self, parent: QObject, prefix: str) -> QAction:
        """An action that does again what was undone; its text tells what."""
        return _StackAction(self, prefix, parent, forward=True)


class _StackAction(QAction):
    """Undo or redo, as it stands in the menu."""

    def __init__(self, stack: UndoStack, prefix: str, parent: QObject, *, forward: bool) -> None:
        super().__init__(prefix, parent)
        self._stack, self._prefix, self._forward = stack, prefix, forward
        self.triggered.connect(stack.redo if forward else stack.undo)
        stack.indexChanged.connect(self._show)
        self._show()

    def _show(self) -> None:
        stack = self._stack
        text = stack.redoText() if self._forward else stack.undoText()
        self.setText(f"{self._prefix} {text}".strip())
        self.setEnabled(stack.canRedo() if self._forward else stack.canUndo())
