"""A stand-in for the engine, and a window on it."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from core.dataset import Dataset
from core.engine.events import Event
from core.forcefields.info import Info
from core.molecule import Molecule


class FakeHandle:
    def __init__(self, engine, job):
        self.id, self.engine, self.asked = job, engine, []

    def cancel(self):
        self.asked.append("cancel")
        self.engine.say(self.id, "cancelled", message="cancelled")

    def stop(self):
        self.asked.append("stop")


class FakeEngine:
    """Does nothing until a test says so; events come from another thread, as the real ones do."""

    def __init__(self, *, broken: str = "", delay: float = 0.0):
        self.broken, self.delay = broken, delay
        self.handles, self.specs, self.callbacks = {}, {}, []
        self.closed = False
        self.devices = {"cpu": "a processor"}
        self.numbers = itertools.count(1)
        self.seq: dict[str, int] = {}
        self.line: list[str] = []  # jobs that were not said to have started

    def start(self):
        time.sleep(self.delay)
        if self.broken:
            raise RuntimeError(self.broken)

    def subscribe(self, callback):
        self.callbacks.append(callback)

    def catalog(self, timeout=None):
        return (
            Info("sgdml", "sGDML", "ML", trainable=True, batched=True),
            Info("mmff94", "MMFF94", "MM"),
            Info("gaff", "GAFF", "MM", trainable=True, ready=True),
        )

    def submit(self, spec, *, device=None, title=""):
        job = f"engine-{next(self.numbers)}"
        self.specs[job] = spec
        self.handles[job] = FakeHandle(self, job)
        self.say(job, "queued")
        return self.handles[job]

    def waiting(self):
        return tuple(self.line)

    def move(self, job, place):
        if job not in self.line:
            return -1
        old = self.line.index(job)
        self.line.insert(place, self.line.pop(old))
        return old

    def say(self, job, kind, fraction=float("nan"), **payload):
        seq = self.seq.get(job, 0)
        self.seq[job] = seq + 1
        self.line = [j for j in self.line if j != job] + ([job] if kind == "queued" else [])
        event = Event(job, seq, time.time(), kind, fraction, payload)
        thread = threading.Thread(target=lambda: [c(event) for c in self.callbacks])
        thread.start()
        thread.join()

    def close(self):
        self.closed = True


@pytest.fixture
def make_engine():
    """FakeEngine, to be made with options."""
    return FakeEngine


@pytest.fixture
def small():
    """A data set of four bent waters with energies."""
    shape = np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    frames = shape + 0.01 * np.random.default_rng(1).normal(size=(4, 3, 3))
    molecule = Molecule("water", np.array([8, 1, 1]), frames[0])
    return Dataset("water", molecule, frames, energies=np.array([0.0, 0.1, 0.2, 0.3]))


@pytest.fixture
def make_window(qtbot, tmp_path, monkeypatch):
    """Makes windows with the light panels and a FakeEngine; all of them are closed at the end."""
    from app.settings import Settings
    from app.window import Window
    from widgets.panels.data import DataPanel
    from widgets.panels.jobs import JobsPanel
    from widgets.panels.tree import TreePanel

    made = []

    def make(*, panels=(TreePanel, DataPanel, JobsPanel), engine=None, path=None, begin=True):
        engine = engine or FakeEngine()
        settings = Settings.load(tmp_path / "config" / "settings.json")
        window = Window(
            settings,
            lambda: engine,
            tmp_path / "projects",
            panels=list(panels),
            example=tmp_path / "no example",
        )
        window.engine_for_tests = engine
        qtbot.addWidget(window)
        made.append(window)
        window.show()
        if begin:
            window.begin(path)
            window.bridge.start()
            qtbot.waitUntil(lambda: bool(window.session.catalog), timeout=5000)
        return window

    yield make
    for window in made:
        window.close()
