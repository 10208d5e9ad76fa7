"""What the tests of the Studies panel share."""

from __future__ import annotations

from PySide6.QtCore import Qt

from core.analyses.learning import LearningPoint
from core.units import ENERGY_UNITS
from tests.widgets.lab import show
from widgets.panels.studies import StudiesPanel

LEFT = Qt.MouseButton.LeftButton
KCAL = ENERGY_UNITS["kcal/mol"]


def make_panel(qtbot, lab) -> StudiesPanel:
    """On the screen, with its data set read."""
    made = show(qtbot, StudiesPanel(lab.session), 900, 640)
    qtbot.waitUntil(lambda: all(f.data.dataset is not None for f in made.forms))
    return made


def choose(panel, kind: int) -> None:
    panel.what.setCurrentIndex(kind)
    panel.what.activated.emit(kind)


def press(qtbot, panel, lab, kind: type) -> str:
    qtbot.mouseClick(panel._form().start, LEFT)
    return lab.jobs(kind)[-1]


def showing(panel) -> bool:
    return panel.states.stack.currentWidget() is panel.pictures


def finish(lab, job: str, result) -> None:
    spec = lab.specs[job]
    item = next(i for i in lab.project.items("studies") if str(i.folder) == spec.out)
    lab.project.save(item, result)
    lab.say(job, "done", 1.0, result=result)


def point(label="sGDML", n=10, repeat=0, force=0.1, problem="") -> LearningPoint:
    if problem:
        nan = float("nan")
        return LearningPoint(label, n, repeat, nan, nan, nan, nan, nan, problem)
    return LearningPoint(label, n, repeat, 0.01, 0.02, force, 2 * force, 1.5, "")
