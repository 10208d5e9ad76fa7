"""The jobs strip: states, buttons, log, time left."""

import itertools

import pytest

from core.engine.events import Event
from widgets.panels.jobs import KEEP, JobsPanel, devices, time_left
from widgets.session import Session


@pytest.fixture
def panel(qtbot):
    session = Session()
    session.asked = []
    session.stop = lambda job: session.asked.append(("stop", job))
    session.cancel = lambda job: session.asked.append(("cancel", job))
    panel = JobsPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    panel.numbers = itertools.count()
    return panel


def say(panel, job, kind, fraction=float("nan"), **payload):
    panel.session.job_event.emit(job, Event(job, next(panel.numbers), 0.0, kind, fraction, payload))


def test_a_job_from_start_to_end(panel):
    panel.session.job_added.emit("a", "sGDML ethanol")
    row = panel.rows["a"]
    assert (row.title.text(), row.words.text()) == ("sGDML ethanol", "waiting")
    assert not row.stop.isEnabled()
    say(panel, "a", "started")
    say(panel, "a", "progress", 0.62, message="kernel", seconds_left=12.0)
    assert row.bar.value() == 620
    assert row.words.text() == "62 %, 12 s left, kernel"
    row.stop.click()
    assert panel.session.asked == [("stop", "a")]
    row.cancel.click()
    assert panel.session.asked[-1] == ("cancel", "a")
    say(panel, "a", "done", result=None)
    assert row.words.text() == "done"
    assert not row.cancel.isVisible()
    assert row.bar.value() == 1000


def test_failure_shows_the_reason_and_the_details_in_the_log(panel):
    panel.session.job_added.emit("a", "scan")
    say(panel, "a", "log", message="point 3")
    say(panel, "a", "failed", message="atom 7 has no type", details="Traceback …")
    row = panel.rows["a"]
    assert "atom 7 has no type" in row.words.text()
    row.fold.click()
    assert row.log.isVisible()
    assert row.log.toPlainText().splitlines()[0] == "point 3"
    assert "Traceback" in row.log.toPlainText()


def test_stop_all_leaves_finished_ones_alone(panel):
    for job in "abc":
        panel.session.job_added.emit(job, job)
        say(panel, job, "started")
    say(panel, "b", "done", result=None)
    panel.stop_all()
    assert sorted(panel.session.asked) == [("stop", "a"), ("stop", "c")]


def test_the_list_stays_short(panel):
    for i in range(KEEP + 20):
        panel.session.job_added.emit(str(i), str(i))
        say(panel, str(i), "done", result=None)
    assert len(panel.rows) <= KEEP + 1


def test_events_of_unknown_jobs_are_ignored(panel):
    say(panel, "who", "done", result=None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.2, "12 s left"),
        (0.0, "1 s left"),
        (200, "3 min left"),
        (7200, "2.0 h left"),
        (float("nan"), ""),
        (-3.0, ""),
    ],
)
def test_time_left(seconds, text):
    assert time_left(seconds) == text


def test_devices_names_cores_and_gpu():
    assert devices().startswith("CPU ")
    assert devices(["cpu"]).endswith("/ no GPU")
    assert devices(["cpu", "cuda:0", "cuda:1"]).endswith("/ GPU 2")
