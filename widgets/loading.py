"""Read a record of the project without holding up the window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject

from widgets.background import in_background

READING = "read item "  # how the names of the reading threads begin


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
    in_background(
        owner,
        lambda: project.load(item),
        done=done,
        failed=lambda why: failed(f"“{item.name}” could not be read: {why}"),
        name=READING + item.id,
    )


def reading() -> bool:
    """Whether some record is being read right now."""
    return any(t.name.startswith(READING) for t in threading.enumerate())
