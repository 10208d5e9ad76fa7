"""Start the window, and measure how long that took."""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.window import Window


def seconds_alive() -> float:
    """Seconds since this process was started (s), its interpreter's own start included."""
    import psutil

    return time.time() - psutil.Process().create_time()


def run_window(
    path: str | None = None,
    *,
    startup_time: bool = False,
    started: float | None = None,
    settings_path: Path | None = None,
    folder: Path | None = None,
) -> int:
    """Open the window on a project folder, a file to import, or (None) the example.

    startup_time: print the seconds from process start until the window could be used, then close.
    started: time.perf_counter() of the program's first line, for that list.
    settings_path, folder: where preferences and projects go (default: the person's own places).
    Returns the exit status.
    """
    gc.disable()  # a fifth of the start-up went into looking for garbage among fresh modules
    from PySide6.QtWidgets import QApplication

    from app.garbage import Collector

    marks: dict[str, float] = {}
    if started is not None:
        marks["python"] = seconds_alive() - (time.perf_counter() - started)
    marks["Qt loaded"] = seconds_alive()
    made = QApplication.instance()
    app = made if isinstance(made, QApplication) else QApplication(sys.argv[:1])
    app.setApplicationName("PEScape")
    app.setApplicationDisplayName("PEScape")
    app.setDesktopFileName("pescape")
    window = make_window(settings_path=settings_path, folder=folder)
    marks["window made"] = seconds_alive()
    sys.excepthook = Excepthook(window)
    window.show()
    app.processEvents()  # the first paint
    marks["first paint"] = seconds_alive()

    def usable() -> None:
        app.processEvents()
        marks["usable"] = seconds_alive()
        gc.freeze()  # what the start has made stays: never look through it again
        Collector(window)
        # only now: a process that loads torch would compete with the first paint
        window.bridge.start()
        if startup_time:
            print(startup_line(marks), flush=True)
            window.close()
            app.quit()

    window.begin(path, then=usable)
    status = app.exec()
    sys.excepthook = sys.__excepthook__
    return status


def startup_line(marks: dict[str, float]) -> str:
    """Seconds from process start, by what was reached (the last: usable), as one line."""
    *before, (_name, total) = marks.items()
    steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in before)
    return f"window usable after {total:.2f} s ({steps})"


def make_window(
    *,
    settings_path: Path | None = None,
    folder: Path | None = None,
    engine: Any = None,
    example: Path | None = None,
) -> Window:
    """The window, not shown yet. A QApplication must exist."""
    from app.settings import Settings, data_folder, default_path
    from app.window import Window

    settings = Settings.load(settings_path or default_path())
    return Window(settings, engine or _engine, folder or data_folder(), example=example)


def _engine() -> Any:
    from core.engine.client import Engine

    return Engine(quick=True)  # an edit that somebody watches must not wait behind a training


class Excepthook:
    """An error in a slot becomes a notice with its details, and still goes to stderr."""

    def __init__(self, window: Window) -> None:
        self.window = window

    def __call__(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        sys.__excepthook__(kind, error, trace)
        if issubclass(kind, KeyboardInterrupt):
            os._exit(130)
        details = "".join(traceback.format_exception(kind, error, trace))
        known = isinstance(error, ValueError | OSError)  # ours carry a sentence
        text = str(error) if known else f"Something went wrong inside PEScape: {error}"
        self.window.notices.add(text, "error", details=details)
