"""What is said of a job that waits: its place in the line, wherever the news come first."""

from __future__ import annotations

import pytest

from core.analyses.fit import FitSpec
from core.engine.events import Event
from widgets.panels.jobs import JobsPanel
from widgets.panels.training import TrainingPanel
from widgets.queue import CancelJob
from widgets.session import Job, Session


@pytest.fixture
def panel(qtbot, lab):
    made = TrainingPanel(lab.session)
    qtbot.addWidget(made)
    made.resize(900, 640)
    made.show()
    qtbot.waitUntil(lambda: made.form.dataset is not None)
    return made


def train(panel, lab, name: str) -> tuple[str, str]:
    spec = FitSpec("sgdml", str(lab.data.record), n_train=10, n_valid=5)
    item = panel.start(spec, name)
    return item, panel.live[item].job


def states(panel) -> dict[str, str]:
    return {row[0]: row[1] for row in panel.fits.shown()}


def test_the_place_stays_when_the_engine_says_queued_afterwards(qtbot):
    session = Session()
    panel = JobsPanel(session)
    qtbot.addWidget(panel)
    session.waiting = lambda: ("a", "b", "c")
    for job in session.waiting():
        session.jobs[job] = Job(job, job, FitSpec("sgdml", "x"))
        session.job_added.emit(job, job)
    session.queue_changed.emit()
    for job in session.waiting():
        session.job_event.emit(job, Event(job, 0, 0.0, "queued", float("nan"), {}))
    words = [panel.rows[job].words.text() for job in session.waiting()]
    assert words == ["waits, next", "waits, 2nd in line", "waits, 3rd in line"]


def test_the_next_in_line_is_not_said_to_train(panel, lab):
    _, first = train(panel, lab, "one")
    assert panel.states.message.title.text() == "Training …"  # nothing is before it
    lab.say(first, "started")
    train(panel, lab, "two")
    assert panel.states.message.title.text() == "“two” waits"
    assert "waits, next" in panel.states.message.hint.text()


def test_a_cancelled_training_that_is_brought_back_waits_again(panel, lab):
    _, first = train(panel, lab, "one")
    lab.say(first, "started")
    item, second = train(panel, lab, "two")
    command = CancelJob(lab.session, second)
    lab.session.cancel = lambda job: lab.say(job, "cancelled", message="cancelled")
    command.redo()
    assert item not in panel.live
    command.undo()
    lab.say(command.job, "queued")
    lab.line.append(command.job)
    lab.session.queue_changed.emit()
    assert panel.live[item].job == command.job
    assert states(panel)["two"] == "waits, next"
