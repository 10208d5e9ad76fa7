"""How long the window's thread was ever busy at one go: what a person feels as a freeze."""

from __future__ import annotations

import time

from PySide6.QtCore import QEventLoop, QObject, Qt, QTimer


def live(milliseconds: int) -> None:
    """Let the window live for a while, for scripts that drive it.

    Not QTest.qWait: that one keeps Python's lock, so the engine's threads starve meanwhile.
    """
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


class StallMonitor(QObject):
    """A heartbeat on the window's thread.

    `longest` s: the longest time by which a beat came late. `stalls`: (when, seconds) of every beat
    later than `limit` s, oldest first.
    """

    def __init__(
        self, *, interval_ms: int = 5, limit: float = 0.1, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.interval = interval_ms / 1000
        self.limit = limit
        self.longest = 0.0
        self.beats = 0
        self.stalls: list[tuple[float, float]] = []
        self._last = 0.0
        self._timer = QTimer(self, timerType=Qt.TimerType.PreciseTimer, interval=interval_ms)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        """Begin to measure, from zero."""
        self.longest, self.beats, self._last = 0.0, 0, time.perf_counter()
        self.stalls.clear()
        self._timer.start()

    def stop(self) -> float:
        """Stop; returns the longest stall in seconds, the one in progress included."""
        self._beat()
        self._timer.stop()
        return self.longest

    def _beat(self) -> None:
        now = time.perf_counter()
        late = now - self._last - self.interval
        self._last = now
        self.beats += 1
        self.longest = max(self.longest, late)
        if late > self.limit:
            self.stalls.append((now, late))
