"""Do something slow in a thread and come back with what it gave."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, QTimer, Signal

POLL_MS = 10  # how often it is looked whether the thread has ended


class _Hop(QObject):
    """Carries the answer from the working thread to the window's.

    It is nobody's child: its owner may be closed at any moment, and Qt must not destroy an object
    while another thread emits a signal of it. It also holds all that the thread works with until
    the thread has ended: a widget whose last reference a thread drops is destroyed in that thread.
    """

    came = Signal(str, object)  # "done", "failed" or "" (nothing to say), and the answer

    def __init__(
        self, owner: QObject, work: Callable[[], Any], calls: dict[str, Callable[[Any], None]]
    ) -> None:
        super().__init__()
        self._held = (owner, work, calls)
        self._thread: threading.Thread | None = None
        # the lambda keeps this object alive; a bound method would not
        self.came.connect(lambda kind, value: self._arrived(kind, value))

    def start(self, name: str) -> None:
        """Begin the work, in a thread of this name."""
        self._thread = threading.Thread(target=self._body, name=name, daemon=True)
        self._thread.start()

    def _body(self) -> None:
        kind, value = "", None
        try:
            kind, value = "done", self._held[1]()
        except (OSError, ValueError, KeyError) as error:
            kind, value = "failed", str(error)
        finally:
            self.came.emit(kind, value)

    # -- in the window's thread ---------------------------------------------------------------
    def _arrived(self, kind: str, value: Any) -> None:
        # in a turn of its own: else what asked for it, this and the paint make one long turn
        QTimer.singleShot(0, self, lambda: self._deliver(kind, value))

    def _deliver(self, kind: str, value: Any) -> None:
        owner, _work, calls = self._held
        self._let_go()
        if kind and shiboken6.isValid(owner):
            calls[kind](value)

    def _let_go(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            QTimer.singleShot(POLL_MS, self, self._let_go)
        else:
            self._thread = None
            self.deleteLater()


def in_background(
    owner: QObject,
    work: Callable[[], Any],
    *,
    done: Callable[[Any], None],
    failed: Callable[[str], None],
    name: str = "background",
) -> None:
    """Call `work` in a thread of this name, then `done(result)` in the window's thread.

    `failed(sentence)` is called instead for the errors that files can give. Nothing is called once
    `owner` is gone. To be called in the window's thread.
    """
    _Hop(owner, work, {"done": done, "failed": failed}).start(name)
