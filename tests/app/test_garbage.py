"""Widgets that only a cycle holds are destroyed in the window's thread."""

from __future__ import annotations

import gc
import threading
import weakref

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from app.garbage import Collector


class Own(QWidget):
    """PySide6 destroys its own classes in the main thread, but not those that derive from them."""


def test_widgets_in_cycles_go_in_the_windows_thread(qtbot):
    before, (first, *others) = gc.isenabled(), gc.get_threshold()
    parent, gone = QObject(), []
    main = threading.get_ident()
    gc.set_threshold(50, *others)
    try:
        collector = Collector(parent)
        spy, widget = QAction(), Own()
        spy.triggered.connect(
            lambda: gone.append(threading.get_ident() == main), Qt.ConnectionType.DirectConnection
        )
        widget.destroyed.connect(spy.trigger, Qt.ConnectionType.DirectConnection)
        widget.me = widget
        ref = weakref.ref(widget)
        del widget
        # far more objects than Python takes without looking for garbage
        thread = threading.Thread(target=lambda: [[] for _ in range(5000)])
        thread.start()
        thread.join()
        assert ref() is not None
        qtbot.waitUntil(lambda: ref() is None, timeout=5000)
        assert gone == [True]
        assert collector.parent() is parent
    finally:
        gc.set_threshold(first, *others)
        if before:
            gc.enable()
