"""Python's search for cyclic garbage, in the window's thread and no other.

Python looks for garbage in whatever thread happens to make objects. Where that is a reading thread
or the engine's, PySide6 (6.11) destroys the widgets and timers that it finds there, and Qt does
not survive that. So the automatic search is off, and a timer of the window's thread asks for it.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

EVERY_MS = 250


class Collector(QObject):
    """Looks for garbage as often as Python would, as long as its parent lives."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        gc.disable()
        self._timer = QTimer(self, interval=EVERY_MS)
        self._timer.timeout.connect(collect_due)
        self._timer.start()


def collect_due() -> int:
    """Look through the oldest generation that is due by Python's own thresholds.

    Returns how many objects nobody could reach. To be called in the window's thread.
    """
    due = (
        generation
        for generation in (2, 1, 0)
        if gc.get_count()[generation] > gc.get_threshold()[generation] > 0
    )
    generation = next(due, -1)
    return gc.collect(generation) if generation >= 0 else 0
