"""The head above a result: place in the line, time left, memory, Stop and Cancel."""

import pytest

from widgets.item_list import Live
from widgets.job_bar import JobBar
from widgets.session import Session


@pytest.fixture
def bar(qtbot):
    bar = JobBar("study", Session(), kept="the rows so far")
    qtbot.addWidget(bar)
    bar.show()
    return bar


def seen(bar):
    return [w.isVisible() for w in (bar.bar, bar.status, bar.stop, bar.cancel)]


def test_a_job_that_waits_tells_its_place_and_follows_the_line(bar):
    line = ["a", "b"]
    bar.session.waiting = lambda: tuple(line)
    bar.show_job("curves", Live("b", "curves"))
    assert seen(bar) == [True] * 4
    assert bar.status.text() == "waits, 2nd in line"
    assert (bar.bar.minimum(), bar.bar.maximum()) == (0, 100)  # it does not move
    assert not bar.bar.isTextVisible()
    assert not bar.stop.isEnabled()
    assert bar.cancel.isEnabled()
    line.reverse()
    bar.session.queue_changed.emit()
    assert bar.status.text() == "waits, next"


def test_a_job_that_runs_tells_time_stage_and_memory(bar):
    live = Live("a", "curves", "running", 0.25, "kernel", 12.0, 4e8)
    bar.show_job("curves", live)
    assert bar.status.text() == "12 s left, kernel, 0.4 GB"
    assert bar.bar.value() == 25
    assert bar.stop.isEnabled()
    live.state, live.message = "stopping", "stopping …"
    bar.show_job("curves", live)
    assert bar.status.text() == "stopping …"
    assert not bar.stop.isEnabled()
    assert bar.cancel.isEnabled(), "whoever stops may still change their mind"
    live.state, live.fraction = "running", float("nan")
    bar.show_job("curves", live)
    assert bar.bar.maximum() == 0  # busy, nobody knows how far


def test_nothing_but_the_name_is_left_of_a_job_that_is_over(bar):
    bar.show_job("curves", Live("a", "curves", "running"))
    bar.show_job("curves", Live("a", "curves", "failed"))
    assert seen(bar) == [False] * 4
    assert "curves" in bar.title.text()
    bar.session.queue_changed.emit()
    bar.show_job("", None)
    assert bar.title.text() == ""


def test_what_is_asked_and_what_stop_keeps(qtbot, bar):
    bar.show_job("curves", Live("a", "curves", "running"))
    asked = []
    bar.stop_asked.connect(lambda: asked.append("stop"))
    bar.cancel_asked.connect(lambda: asked.append("cancel"))
    bar.stop.click()
    bar.cancel.click()
    assert asked == ["stop", "cancel"]
    assert "the rows so far" in bar.stop.toolTip()
