"""A session on a real project with an engine that does what the test says."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from PySide6.QtWidgets import QWidget

from core.analyses.errors import Errors
from core.analyses.fit import Fit, FitSpec
from core.dataset import Dataset, Split
from core.engine.context import Context
from core.engine.events import Event
from core.forcefields.info import Info, Parameter
from core.project import Project
from tests.molecules import ETHANOL, ethanol_frames
from widgets.panels.training import TrainingPanel
from widgets.session import Job, Session

Shown = TypeVar("Shown", bound=QWidget)

SGDML = Info(
    "sgdml", "sGDML", "ML", doi="10.1063/5.0023005", about="A kernel model.", trainable=True,
    parameters=(
        Parameter("sigma", "float", 0.0, "Length scale σ", "", "0 = choose", 0.0, 1e4),
        Parameter("perms", "bool", True, "Use permutations", "", "Equivalent atoms are swapped"),
    ),
)  # fmt: skip
GAP = Info("gap", "GAP", "ML", trainable=True)
MMFF = Info("mmff94", "MMFF94", "MM")
UFF = Info("uff", "UFF", "MM")


class Lab:
    """`session` with `project`; submitted jobs wait in `specs` until the test says how they end."""

    def __init__(self, folder) -> None:
        self.project = Project.create(folder / "project", "lab")
        self.session = Session()
        self.session.project = self.project
        self.session.catalog = (SGDML, GAP, MMFF, UFF)
        self.specs: dict[str, Any] = {}
        self.asked: list[tuple[str, str]] = []
        self.line: list[str] = []  # jobs that were not said to have started
        self._ids = (f"job-{k}" for k in itertools.count(1))
        self.session.submit = self.submit
        self.session.waiting = lambda: tuple(self.line)
        self.session.cancel = lambda job: self.asked.append(("cancel", job))
        self.session.stop = lambda job: self.asked.append(("stop", job))
        self.data = self.add_data("ethanol", 40)

    def add_data(self, name: str, n: int, *, forces: bool = True):
        r = ethanol_frames(n)
        rng = np.random.default_rng(0)
        f = rng.normal(size=r.shape) if forces else None
        data = Dataset(name, ETHANOL, r, np.arange(n) * 0.01 - 4000, f, level="PBE/def2-SVP")
        return self.project.add("datasets", name, data)

    def submit(self, spec, *, title="", device="cpu") -> str:
        job = next(self._ids)
        self.specs[job] = spec
        out = getattr(spec, "out", "")
        item = next((i for i in self.project.items() if out and str(i.folder) == out), None)
        if item is not None:
            self.project.note_job(item.id, spec)
        self.session.jobs[job] = Job(
            job, title, spec, item.id if item else "", item.kind if item else ""
        )
        if out:
            self.line.append(job)
        return job

    def jobs(self, kind: type) -> list[str]:
        return [j for j, spec in self.specs.items() if isinstance(spec, kind)]

    def say(self, job: str, kind: str, fraction: float = float("nan"), **payload) -> None:
        if job in self.line:
            self.line.remove(job)
            self.session.queue_changed.emit()
        self.session.job_event.emit(job, Event(job, 0, 0.0, kind, fraction, payload))

    def answer(self, kind: type, run: Callable) -> Any:
        """The last job of this kind does what the worker would do with `run`; its result."""
        job = self.jobs(kind)[-1]
        result = run(self.specs[job], Context())
        self.say(job, "done", result=result)
        return result

    def finish_fit(self, job: str, force_mae: float = 0.04) -> Fit:
        """The fit's record appears, then `done`."""
        spec = self.specs[job]
        item = next(i for i in self.project.items("fits") if str(i.folder) == spec.out)
        fit = make_fit(item, spec, force_mae)
        self.project.save(item, fit)
        self.say(job, "done", 1.0, result=fit)
        return fit

    def add_fit(self, name: str, force_mae: float = 0.04, n_train: int = 10):
        item = self.project.reserve("fits", name)
        spec = FitSpec("sgdml", str(self.data.record), n_train=n_train, label=name)
        self.project.save(item, make_fit(item, spec, force_mae))
        self.project.note_job(item.id, spec)
        return item


def show(qtbot, widget: Shown, *size: int) -> Shown:
    """The widget, on the screen in this size (width and height in pixels)."""
    qtbot.addWidget(widget)
    if size:
        widget.resize(*size)
    widget.show()
    return widget


def training_panel(qtbot, lab: Lab) -> TrainingPanel:
    """On the screen, with its data set read: 20 frames to train on and 5 to validate."""
    made = show(qtbot, TrainingPanel(lab.session), 900, 640)
    qtbot.waitUntil(lambda: made.form.dataset is not None)
    made.form.n_train.set_value(20)
    made.form.n_valid.set_value(5)
    return made


def look_at(qtbot, panel: TrainingPanel, lab: Lab, item) -> None:
    """Select a fit that has just come, until the panel shows it."""
    lab.session.items_changed.emit("fits")
    lab.session.item_selected.emit(item.id)
    qtbot.waitUntil(lambda: panel.result.fit is not None)


def make_errors(label: str, force_mae: float, n: int = 20) -> Errors:
    rng = np.random.default_rng(1)
    e = rng.normal(size=n)
    f = rng.normal(size=9 * n)
    return Errors(
        label, n, n, 0.02, 0.03, force_mae, 1.5 * force_mae, 0.1, e, e + 0.02, f, f + force_mae,
        np.full(n, force_mae), 0.2, 1.5,
    )  # fmt: skip


def make_fit(item, spec: FitSpec, force_mae: float) -> Fit:
    model = item.folder / "model.npz"
    model.write_bytes(b"")
    n = spec.n_train
    split = Split(np.arange(n), np.arange(n, n + 5), np.arange(n + 5, n + 25))
    curves = {"validation": np.array([[1.0, 2, 3], [9.0, 4, 2]])}
    return Fit(
        spec.label, spec.key, str(model), split, make_errors(spec.label, force_mae),
        dict(spec.hyper), curves, {"permutations": "6"}, 3.25, 4e8, "cpu", {"torch": "2.13"},
    )  # fmt: skip
