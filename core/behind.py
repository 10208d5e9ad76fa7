"""Write behind: a thread that makes changes durable in order, so that nobody waits for the disk."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

Told = Callable[[str], None]  # called with a problem in words


class Behind:
    """Does pieces of work one after the other, in a thread that lives while there are any.

    The thread keeps the process alive until all is done: a program that ends loses nothing.
    told: called in that thread with the problem of a piece that failed.
    """

    def __init__(self, told: Told) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: deque[tuple[Path, Callable[[], object]]] = deque()
        self._doing: Path | None = None
        self._runs = False
        self._problems: dict[Path, str] = {}

    def ask(self, place: Path, work: Callable[[], object]) -> None:
        """Have `work`, which changes what is in the folder `place`, done after all asked before."""
        with self._lock:
            self._waiting.append((place, work))
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="write behind").start()

    def when_done(self, place: Path, call: Told) -> None:
        """Call `call` in the thread once all asked so far for `place` is on the disk.

        It is given what went wrong there, "" when nothing did.
        """
        self.ask(place, lambda: call(self._problems.pop(place, "")))

    def settle(self, place: Path | None = None) -> None:
        """Wait for what is asked so far for `place`, or for all; at once where there is nothing."""
        with self._lock:
            self._changed.wait_for(
                lambda: not self._runs if place is None else not self._concerns(place)
            )

    def _concerns(self, place: Path) -> bool:
        return self._doing == place or any(p == place for p, _ in self._waiting)

    def _run(self) -> None:
        while True:
            with self._lock:
                self._doing = None
                if not self._waiting:
                    self._runs = False
                    self._changed.notify_all()
                    return
                self._changed.notify_all()
                place, work = self._waiting.popleft()
                self._doing = place
            try:
                work()
            except Exception as error:  # whatever it is: the others still have to be done
                problem = f"{place} could not be written: {error}"
                self._problems[place] = problem
                with contextlib.suppress(Exception):
                    self._told(problem)
