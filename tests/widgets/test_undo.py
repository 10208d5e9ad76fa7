"""The stack of what can be undone, and that Python's garbage collector may take it."""

from __future__ import annotations

import gc
import weakref

import pytest
from PySide6.QtWidgets import QMainWindow

from widgets.session import Session
from widgets.undo import Command, UndoStack


class Add(Command):
    """Adds a number to a list."""

    def __init__(self, numbers: list, number: int) -> None:
        super().__init__(f"Add {number}")
        self.numbers, self.number = numbers, number
        self.now_obsolete, self.fails = False, False

    def redo(self):
        self._do(lambda: self.numbers.append(self.number))

    def undo(self):
        self._do(self.numbers.pop)

    def _do(self, change):
        if self.fails:
            raise ValueError("it cannot")
        if self.now_obsolete:
            self.setObsolete(True)
        else:
            change()


@pytest.fixture
def three(qapp):
    stack, numbers = UndoStack(), []
    commands = [Add(numbers, k) for k in (1, 2, 3)]
    for command in commands:
        stack.push(command)
    return stack, numbers, commands


def test_undo_and_redo(three):
    stack, numbers, _ = three
    assert numbers == [1, 2, 3]
    assert (stack.count(), stack.index(), stack.undoText(), stack.redoText()) == (3, 3, "Add 3", "")
    stack.redo()
    stack.undo()
    assert numbers == [1, 2]
    assert (stack.undoText(), stack.redoText()) == ("Add 2", "Add 3")
    stack.setIndex(0)
    assert numbers == []
    assert not stack.canUndo()
    stack.undo()
    stack.setIndex(9)
    assert numbers == [1, 2, 3]
    stack.clear()
    assert numbers == [1, 2, 3]
    assert stack.count() == stack.index() == 0


def test_a_new_command_forgets_what_was_undone(three):
    stack, numbers, _ = three
    stack.setIndex(1)
    stack.push(Add(numbers, 9))
    assert numbers == [1, 9]
    assert stack.count() == 2
    assert not stack.canRedo()


def test_what_says_it_is_obsolete_is_forgotten(three):
    stack, numbers, commands = three
    commands[2].now_obsolete = True
    stack.undo()
    assert (stack.count(), stack.index(), numbers) == (2, 2, [1, 2, 3])
    stack.undo()
    commands[1].now_obsolete = True
    stack.redo()
    assert (stack.count(), stack.index()) == (1, 1)
    never = Add(numbers, 7)
    never.now_obsolete = True
    stack.push(never)
    assert (stack.count(), stack.index()) == (1, 1)


def test_what_fails_is_not_kept_and_does_not_block_the_others(three):
    stack, numbers, commands = three
    bad = Add(numbers, 7)
    bad.fails = True
    with pytest.raises(ValueError, match="it cannot"):
        stack.push(bad)
    assert (stack.count(), stack.index()) == (3, 3)
    commands[2].fails = True
    with pytest.raises(ValueError, match="it cannot"):
        stack.undo()
    assert stack.undoText() == "Add 2"


def test_the_actions_tell_what_they_do(qtbot, three):
    stack, numbers, _ = three
    window = QMainWindow()
    undo, redo = stack.createUndoAction(window, "Undo"), stack.createRedoAction(window, "Redo")
    assert (undo.text(), undo.isEnabled()) == ("Undo Add 3", True)
    assert (redo.text(), redo.isEnabled()) == ("Redo", False)
    undo.trigger()
    assert numbers == [1, 2]
    assert (undo.text(), redo.text()) == ("Undo Add 2", "Redo Add 3")
    redo.trigger()
    assert numbers == [1, 2, 3]
    del undo, redo
    window.deleteLater()
    qtbot.wait(1)
    stack.undo()  # nobody shows it any more
    assert numbers == [1, 2]


def test_the_garbage_collector_may_take_a_session_with_its_commands(qapp):
    """With Qt's own stack this crashed: its commands went before it did."""
    refs = []
    for _ in range(20):
        box: dict = {}
        commands = [Add([box], 1) for _ in range(3)]  # older than the session that they lead to
        box["session"] = session = Session()
        for command in commands:
            session.undo.push(command)
        refs.append(weakref.ref(session))
        del box, session, commands, command
        gc.collect()
    assert not any(ref() for ref in refs)
