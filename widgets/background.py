"""Do something slow in a thread and come back with what it gave."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal


class _Hop(QObject):
    """Carries the answer from the working thread to the window's."""

    gave = Signal(object)
    failed = Signal(str)


def in_background(
    owner: QObject,
    work: Callable[[], Any],
    *,
    done: Callable[[Any], None],
    failed: Callable[[str], None],
) -> None:
    """Call `work` in a thread, then `done(result)` in the window's thread.

    `failed(sentence)` is called instead for the errors that files can give. Nothing is called once
    `owner` is gone.
    """
    hop = _Hop(owner)

    def end(call: Callable[[Any], None], value: Any) -> None:
        hop.deleteLater()
        call(value)

    hop.gave.connect(lambda value: end(done, value))
    hop.failed.connect(lambda text: end(failed, text))

    def body() -> None:
        try:
            value, signal = work(), "gave"
        except (OSError, ValueError, KeyError) as error:
            value, signal = str(error), "failed"
        try:
            getattr(hop, signal).emit(value)
        except RuntimeError:
            return  # the owner was closed meanwhile

    threading.Thread(target=body, name="background", daemon=True).start()
