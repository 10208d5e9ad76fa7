"""Work in threads comes back to the window's, and leaves nothing of Qt to the thread."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
import shiboken6
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QWidget

from widgets.background import in_background

HERE = threading.main_thread()


def empty(qtbot) -> None:
    """Let what is to be deleted go."""
    qtbot.wait(30)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def hops() -> int:
    return sum(type(o).__name__ == "_Hop" for o in gc.get_objects())


def test_the_answer_comes_in_the_windows_thread(qtbot):
    owner, got = QObject(), []
    in_background(
        owner,
        lambda: threading.current_thread(),
        done=lambda thread: got.append((thread, threading.current_thread())),
        failed=got.append,
        name="a name",
    )
    gc.collect()  # nobody but Qt holds the way back
    qtbot.waitUntil(lambda: bool(got))
    thread, here = got[0]
    assert thread.name == "a name"
    assert here is HERE


def test_an_error_of_a_file_is_told(qtbot):
    def work():
        raise OSError("the disk is gone")

    owner, got = QObject(), []
    in_background(owner, work, done=lambda _v: got.append("done"), failed=got.append)
    qtbot.waitUntil(lambda: bool(got))
    assert got == ["the disk is gone"]


def test_nothing_is_called_once_the_owner_is_gone(qtbot):
    """Closed while the thread works and while it emits: many times, the moment differs."""
    got, before = [], hops()
    for k in range(200):
        owner, go = QWidget(), threading.Event()
        in_background(owner, go.wait, done=got.append, failed=got.append)
        if k % 2:
            go.set()
        shiboken6.delete(owner)
        go.set()
    qtbot.waitUntil(lambda: threading.active_count() == 1 or not _working())
    empty(qtbot)
    assert not got
    gc.collect()
    assert hops() <= before


def _working() -> bool:
    return any(t.name == "background" for t in threading.enumerate())


@pytest.mark.parametrize("answered", [True, False])
def test_a_widget_is_not_destroyed_in_the_thread(qtbot, answered):
    """The thread holds the last reference to the widget that asked."""

    class Asks(QWidget):
        def ask(self, go, got):
            def work():
                go.wait()
                return self.objectName()

            in_background(self, work, done=got.append, failed=got.append)

    widget, go, got, gone = Asks(), threading.Event(), [], []
    spy = QAction()
    spy.triggered.connect(
        lambda: gone.append(threading.get_ident() == HERE.ident), Qt.ConnectionType.DirectConnection
    )
    widget.destroyed.connect(spy.trigger, Qt.ConnectionType.DirectConnection)
    widget.ask(go, got)
    ref = weakref.ref(widget)
    del widget
    go.set()
    if not answered:  # the thread ends before the window's has a turn
        for thread in threading.enumerate():
            if thread.name == "background":
                thread.join()
        assert not gone
    qtbot.waitUntil(lambda: bool(gone))
    assert gone == [True]
    assert got == [""]
    assert ref() is None
