"""Read a record of the project without holding up the window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

READING = "read item "  # how the names of the reading threads begin


class _Hop(QObject):
    """Carries the record from the reading thread to the window's."""

    loaded = Signal(object)
    failed = Signal(str)


def load_item(
    owner: QObject,
    project: Any,
    item: Any,
    *,
    done: Callable[[Any], None],
    failed: Callable[[str], None],
) -> None:
    """Load the record of `item` in a thread and call `done(record)` in the window's thread.

    `failed(sentence)` is called instead when it cannot be read. Nothing is called any more once
    `owner` is gone.
    """
    hop = _Hop(owner)

    def finish(call: Callable[[Any], None], value: Any) -> None:
        def take() -> None:
            hop.deleteLater()
            call(value)

        # in a turn of its own: else what asked for it, this and the paint make one long turn
        QTimer.singleShot(0, hop, take)

    hop.loaded.connect(lambda record: finish(done, record))
    hop.failed.connect(lambda text: finish(failed, text))

    def read() -> None:
        try:
            record = project.load(item)
        except (OSError, ValueError, KeyError) as error:
            text = f"“{item.name}” could not be read: {error}"
            _emit(hop, "failed", text)
        else:
            _emit(hop, "loaded", record)

    threading.Thread(target=read, name=READING + item.id, daemon=True).start()


def reading() -> bool:
    """Whether some record is being read right now."""
    return any(t.name.startswith(READING) for t in threading.enumerate())


def _emit(hop: _Hop, signal: str, value: Any) -> None:
    try:
        getattr(hop, signal).emit(value)
    except RuntimeError:
        return  # the panel that asked was closed meanwhile
