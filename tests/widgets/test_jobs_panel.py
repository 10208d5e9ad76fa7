"""The jobs strip: states, buttons, log, time left."""

import itertools

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from core.engine.events import Event
from widgets.panels.jobs import KEEP, JobsPanel, devices, time_left
from widgets.queue import MoveJob, place_of, place_text
from widgets.session import Job, Session


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


@pytest.fixture
def queue(panel):
    """Job r runs, a to d wait; the session moves and cancels as the engine would."""
    line = []

    def move(job, place):
        if job not in line:
            return -1
        old = line.index(job)
        line.insert(place, line.pop(old))
        panel.session.queue_changed.emit()
        return old

    def cancel(job):
        line.remove(job)
        say(panel, job, "cancelled", message="cancelled before it was started")
        panel.session.queue_changed.emit()

    panel.session.waiting, panel.session.move = lambda: tuple(line), move
    panel.session.cancel = cancel
    for job in "rabcd":
        line.append(job)
        panel.session.job_added.emit(job, f"job {job}")
    start(panel, line, "r")
    panel.resize(900, 200)
    return line


def start(panel, line, job):
    line.remove(job)
    say(panel, job, "started")
    panel.session.queue_changed.emit()


def shown(panel):
    """The rows from top to bottom, as they lie on the screen."""
    QApplication.processEvents()
    return "".join(sorted(panel.rows, key=lambda job: panel.rows[job].y()))


def test_the_order_on_screen_is_the_order_of_starting(panel, queue):
    assert shown(panel) == "rabcd"
    assert [panel.rows[j].words.text() for j in "rabc"] == [
        "running",
        "waits, next",
        "waits, 2nd in line",
        "waits, 3rd in line",
    ]
    say(panel, "r", "done", result=None)
    start(panel, queue, "a")
    assert shown(panel) == "abcdr"  # what ended comes last
    assert panel.rows["b"].words.text() == "waits, next"


def test_buttons_move_a_job_and_undo_brings_it_back(panel, queue):
    next_, earlier, later = (b for b, _ in panel.rows["c"].moves)
    earlier.click()
    assert shown(panel) == "racbd"
    assert queue == ["a", "c", "b", "d"]
    next_.click()
    assert shown(panel) == "rcabd"
    assert not next_.isEnabled()
    assert not earlier.isEnabled()
    later.click()
    assert shown(panel) == "racbd"
    for expected in ("rcabd", "racbd", "rabcd"):
        panel.session.undo.undo()
        assert shown(panel) == expected
    panel.session.undo.redo()
    assert shown(panel) == "racbd"


def test_buttons_are_there_only_where_they_can_do_something(panel, queue):
    assert not any(b.isVisible() for b, _ in panel.rows["r"].moves)
    assert panel.rows["r"].stop.isVisible()
    assert [b.isEnabled() for b, _ in panel.rows["a"].moves] == [False, False, True]
    assert [b.isEnabled() for b, _ in panel.rows["d"].moves] == [True, True, False]
    assert not panel.rows["a"].stop.isVisible()
    for job in "bcd":
        panel.session.cancel(job)
    assert not any(b.isVisible() for b, _ in panel.rows["a"].moves)  # alone in the line


def test_everything_works_from_the_keyboard(qtbot, panel, queue):
    panel.activateWindow()
    panel.rows["r"].setFocus()
    qtbot.waitUntil(panel.rows["r"].hasFocus)
    for _ in range(3):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Down)
    row = panel.rows["c"]
    assert row.hasFocus()
    qtbot.keyClick(row, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert shown(panel) == "racbd"
    qtbot.keyClick(row, Qt.Key.Key_Home, Qt.KeyboardModifier.AltModifier)
    assert shown(panel) == "rcabd"
    qtbot.keyClick(row, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert shown(panel) == "racbd"
    assert row.hasFocus()  # it is still the one that is moved
    qtbot.keyClick(row, Qt.Key.Key_Delete)
    assert queue == ["a", "b", "d"]
    assert row.words.text() == "cancelled before it was started"


def test_the_last_possible_move_leaves_the_focus_with_the_job(qtbot, panel, queue):
    panel.activateWindow()
    (_, _), (earlier, _), (_, _) = panel.rows["b"].moves
    earlier.setFocus()
    qtbot.waitUntil(earlier.hasFocus)
    qtbot.keyClick(earlier, Qt.Key.Key_Space)
    assert shown(panel) == "rbacd"
    assert panel.rows["b"].hasFocus()


def test_undo_after_others_have_started(panel, queue):
    panel.move_to("d", 1)
    assert queue == ["d", "a", "b", "c"]
    start(panel, queue, "d")  # too late to take back
    told = []
    panel.session.message.connect(lambda text, _level: told.append(text))
    panel.session.undo.undo()
    assert told == ["This job does not wait any more."]
    panel.move_to("c", 1)
    assert queue == ["c", "a", "b"]
    queue.remove("a")  # it was cancelled: c goes back behind b
    panel.session.undo.undo()
    assert queue == ["b", "c"]


def test_a_job_that_started_meanwhile_is_not_moved(panel, queue):
    command = MoveJob(panel.session, "a", 3)
    start(panel, queue, "a")
    panel.session.undo.push(command)
    assert panel.session.undo.count() == 0
    assert queue == ["b", "c", "d"]


def test_places_in_words(panel, queue):
    assert [place_of(panel.session, j) for j in "rad"] == [0, 1, 4]
    assert [place_text(k) for k in (0, 1, 2, 3, 4, 11, 22)] == [
        "",
        "waits, next",
        "waits, 2nd in line",
        "waits, 3rd in line",
        "waits, 4th in line",
        "waits, 11th in line",
        "waits, 22nd in line",
    ]


def test_the_log_tells_what_came_before_it_was_opened(panel):
    panel.session.job_added.emit("a", "scan")
    row = panel.rows["a"]
    say(panel, "a", "log", message="one")
    assert row.log is None
    row.fold.click()
    say(panel, "a", "log", message="two")
    assert row.log.toPlainText() == "one\ntwo"


def test_small_questions_are_in_the_line_but_nobody_sees_them(panel, queue):
    session = panel.session
    session.jobs["s"] = Job("s", "a preview", object())  # a spec without `out`
    session.job_added.emit("s", "a preview")
    assert "s" not in panel.rows
    queue.insert(1, "s")
    session.queue_changed.emit()
    assert panel.rows["b"].words.text() == "waits, 2nd in line"
    panel.move_to("d", 2)
    assert queue == ["a", "s", "d", "b", "c"]
    panel.move_to("a", 4)
    assert queue == ["s", "d", "b", "c", "a"]
    session.undo.undo()
    assert queue == ["s", "a", "d", "b", "c"]
    assert shown(panel) == "radbc"


def test_the_job_that_keys_go_to_is_marked(qtbot, panel, queue):
    panel.activateWindow()
    row = panel.rows["b"]
    before = row.grab().toImage()
    row.setFocus()
    qtbot.waitUntil(row.hasFocus)
    assert row.grab().toImage() != before
