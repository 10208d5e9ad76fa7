"""The thread hop: order, batching, cleaning up, and a start that never blocks."""

import os
import threading
import time

import pytest

from app.bridge import Bridge, noted_fraction
from core.analyses.importing import ImportSpec
from core.project import Project
from widgets.queue import CancelJob
from widgets.session import Session


@pytest.fixture
def session(qtbot, tmp_path):
    session = Session()
    session.project = Project.create(tmp_path / "p", "p")
    yield session
    session.project.close()


@pytest.fixture
def wired(qtbot, session, make_engine):
    engine = make_engine()
    bridge = Bridge(session, lambda: engine, session)
    bridge.start()
    qtbot.waitUntil(lambda: bool(session.catalog), timeout=5000)
    yield bridge, engine
    bridge.shutdown()


def kinds_of(session):
    seen = []
    session.job_event.connect(lambda job, event: seen.append((job, event.kind)))
    return seen


def test_events_arrive_in_the_windows_thread_in_order(qtbot, session, wired):
    _bridge, engine = wired
    threads, seen = set(), kinds_of(session)
    session.job_event.connect(lambda *_: threads.add(threading.current_thread()))
    job = session.submit(ImportSpec("a"), title="t")
    name = next(iter(engine.handles))
    engine.say(name, "started")
    for i in range(200):
        engine.say(name, "curve", x=i)
    engine.say(name, "done", result=1)
    qtbot.waitUntil(lambda: bool(seen) and seen[-1][1] == "done", timeout=5000)
    assert [k for _, k in seen] == ["queued", "started", *["curve"] * 200, "done"]
    assert {j for j, _ in seen} == {job}
    assert threads == {threading.main_thread()}


def test_only_the_last_of_many_progress_events_is_shown(qtbot, session, wired):
    _bridge, engine = wired
    fractions = []
    session.job_event.connect(lambda _j, e: fractions.append(e.fraction))
    session.submit(ImportSpec("a"))
    name = next(iter(engine.handles))
    for i in range(101):
        engine.say(name, "progress", fraction=i / 100, message="", seconds_left=1.0)
    qtbot.waitUntil(lambda: 1.0 in fractions, timeout=5000)
    assert len(fractions) < 20


def test_a_flood_leaves_the_window_its_turn(qtbot, session, wired):
    _bridge, engine = wired
    session.job_event.connect(lambda *_: time.sleep(0.002))
    from app.stall import StallMonitor

    session.submit(ImportSpec("a"))
    name = next(iter(engine.handles))
    for i in range(300):
        engine.say(name, "curve", x=i)
    monitor = StallMonitor()
    monitor.start()
    seen = kinds_of(session)
    qtbot.waitUntil(lambda: len(seen) >= 250, timeout=10000)
    assert monitor.stop() < 0.15  # 300 events at 2 ms would be 0.6 s at one go


def test_jobs_before_the_engine_is_up_wait(qtbot, session, make_engine):
    engine = make_engine(delay=0.2)
    bridge = Bridge(session, lambda: engine, session)
    begin = time.perf_counter()
    bridge.start()
    job = session.submit(ImportSpec("early"))
    assert time.perf_counter() - begin < 0.1
    assert bridge.running == (job,)
    qtbot.waitUntil(lambda: len(engine.specs) == 1, timeout=5000)
    bridge.shutdown()


def test_engine_that_cannot_start_fails_the_jobs_with_a_sentence(qtbot, session, make_engine):
    engine = make_engine(broken="no room for a process")
    bridge = Bridge(session, lambda: engine, session)
    failed, messages = [], []
    session.job_event.connect(lambda _j, e: failed.append(e))
    session.message.connect(lambda text, level: messages.append((level, text)))
    bridge.start()
    session.submit(ImportSpec("x"))
    qtbot.waitUntil(lambda: bool(failed), timeout=5000)
    assert failed[0].kind == "failed"
    assert "no room" in failed[0].payload["message"]
    assert messages[0][0] == "error"
    session.submit(ImportSpec("y"))  # afterwards too
    qtbot.waitUntil(lambda: len(failed) == 2, timeout=5000)


def test_failed_job_leaves_the_project_untouched(qtbot, session, wired):
    _bridge, engine = wired
    item = session.project.reserve("datasets", "d")
    changed = []
    session.items_changed.connect(changed.append)
    session.submit(ImportSpec("a", out=str(item.folder)))
    assert [i.id for i, _ in session.project.unfinished()] == [item.id]
    engine.say("engine-1", "failed", message="broken", details="")
    qtbot.waitUntil(lambda: changed.count("datasets") >= 2, timeout=5000)
    assert session.project.items("datasets") == ()


@pytest.mark.parametrize(("kind", "left"), [("runs", "checkpoint"), ("studies", "partial")])
def test_failed_job_that_left_something_can_go_on(qtbot, session, wired, kind, left):
    _bridge, engine = wired
    item = session.project.reserve(kind, "r")
    job = session.submit(ImportSpec("a", out=str(item.folder)))
    assert session.jobs[job].kind == kind
    (item.folder / f"{left}.npz").write_bytes(b"x")
    engine.say("engine-1", "progress", fraction=0.4, message="", seconds_left=1.0)
    engine.say("engine-1", "failed", message="killed", details="")
    seen = kinds_of(session)
    qtbot.waitUntil(lambda: any(k == "failed" for _, k in seen), timeout=5000)
    assert [i.id for i, _ in session.project.unfinished()] == [item.id]
    assert noted_fraction(item.folder) == pytest.approx(0.4)


def test_result_is_told_to_the_panels(qtbot, session, wired, small):
    _bridge, engine = wired
    item = session.project.reserve("datasets", "d")
    order = []
    session.job_event.connect(lambda _j, e: order.append(e.kind))
    session.items_changed.connect(order.append)
    session.submit(ImportSpec("a", out=str(item.folder)))
    session.project.save(item, small)
    engine.say("engine-1", "done", result=small)
    qtbot.waitUntil(lambda: "done" in order[:-1], timeout=5000)
    assert order[-2:] == ["done", "datasets"]
    assert session.project.items("datasets")[0].finished


def test_shutdown_keeps_what_is_running(qtbot, session, wired):
    bridge, engine = wired
    item = session.project.reserve("runs", "r")
    session.submit(ImportSpec("a", out=str(item.folder)))
    begin = time.perf_counter()
    bridge.shutdown()
    assert time.perf_counter() - begin < 2.0
    assert engine.closed
    assert [i.id for i, _ in session.project.unfinished()] == [item.id]


def test_cancel_reaches_waiting_and_running_jobs(qtbot, session, wired):
    bridge, engine = wired
    seen = kinds_of(session)
    job = session.submit(ImportSpec("a"))
    session.stop(job)
    assert engine.handles["engine-1"].asked == ["stop"]
    session.cancel(job)
    qtbot.waitUntil(lambda: (job, "cancelled") in seen, timeout=5000)
    assert bridge.running == ()
    session.cancel(job)  # twice is no harm


@pytest.fixture
def held_disk(session, monkeypatch):
    """A project that writes behind, on a disk that syncs nothing until it is told to."""
    go = threading.Event()
    real = os.fsync

    def fsync(handle):
        assert threading.current_thread() is not threading.main_thread()
        assert go.wait(5)
        real(handle)

    yield go, lambda: monkeypatch.setattr(os, "fsync", fsync)
    go.set()


def test_a_job_starts_once_its_item_is_durable_and_nobody_waits(qtbot, session, wired, held_disk):
    bridge, engine = wired
    go, hold = held_disk
    session.project_changed.emit()  # from here on the disk is waited for in a thread
    hold()
    item = session.project.reserve("fits", "a")
    job = session.submit(ImportSpec("a", out=str(item.folder)))
    other = session.submit(ImportSpec("nothing to write"))
    qtbot.wait(60)
    assert [s.path for s in engine.specs.values()] == ["nothing to write"]
    assert set(bridge.running) == {job, other}
    assert session.jobs[job].item == item.id
    go.set()
    qtbot.waitUntil(lambda: len(engine.specs) == 2, timeout=5000)
    assert session.project.job(item.id).path == "a"


def test_a_job_cancelled_while_its_item_is_written_never_starts(qtbot, session, wired, held_disk):
    bridge, engine = wired
    go, hold = held_disk
    session.project_changed.emit()
    hold()
    item = session.project.reserve("fits", "a")
    seen = kinds_of(session)
    job = session.submit(ImportSpec("a", out=str(item.folder)))
    session.cancel(job)
    go.set()
    qtbot.waitUntil(lambda: (job, "cancelled") in seen, timeout=5000)
    session.project.settle()
    qtbot.wait(50)
    assert engine.specs == {}
    assert bridge.running == ()
    assert session.project.items("fits") == ()


def test_what_cannot_be_written_fails_the_job_with_a_sentence(qtbot, session, wired, monkeypatch):
    _bridge, engine = wired
    session.project_changed.emit()
    item = session.project.reserve("fits", "a")
    session.project.settle()
    failed, messages = [], []
    session.job_event.connect(lambda _j, e: failed.append(e) if e.kind == "failed" else None)
    session.message.connect(lambda text, level: messages.append((level, text)))

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    session.submit(ImportSpec("a", out=str(item.folder)))
    qtbot.waitUntil(lambda: bool(failed), timeout=5000)
    assert "No space left" in failed[0].payload["message"]
    assert messages[0][0] == "error"
    assert engine.specs == {}


def test_waiting_jobs_are_moved_in_the_engine(qtbot, session, wired):
    _bridge, engine = wired
    told = []
    session.queue_changed.connect(lambda: told.append(session.waiting()))
    a, b, c = (session.submit(ImportSpec(x)) for x in "abc")
    engine.say("engine-1", "started")
    qtbot.waitUntil(lambda: told[-1:] == [(b, c)], timeout=5000)
    assert session.move(c, 0) == 1
    assert engine.line == ["engine-3", "engine-2"]
    qtbot.waitUntil(lambda: told[-1:] == [(c, b)], timeout=5000)
    assert session.move(a, 0) == -1
    assert session.move("job of nobody", 0) == -1


def test_jobs_are_moved_before_there_is_an_engine(qtbot, session, make_engine):
    engine = make_engine(delay=0.2)
    bridge = Bridge(session, lambda: engine, session)
    a, b, c = (session.submit(ImportSpec(x)) for x in "abc")
    assert session.waiting() == (a, b, c)
    assert session.move(c, 0) == 2
    assert session.move(a, 9) == 1
    assert session.waiting() == (c, b, a)
    bridge.start()
    qtbot.waitUntil(lambda: len(engine.specs) == 3, timeout=5000)
    assert [s.path for s in engine.specs.values()] == ["c", "b", "a"]
    bridge.shutdown()


def test_cancelling_a_job_that_waits_can_be_undone(qtbot, session, wired):
    bridge, engine = wired
    session.project_changed.emit()
    items = [session.project.reserve("fits", name) for name in "ab"]
    jobs = [session.submit(ImportSpec(i.name, out=str(i.folder)), title=i.name) for i in items]
    qtbot.waitUntil(lambda: len(engine.specs) == 2, timeout=5000)
    engine.say("engine-1", "started")
    seen = kinds_of(session)
    session.undo.push(CancelJob(session, jobs[1]))
    qtbot.waitUntil(lambda: (jobs[1], "cancelled") in seen, timeout=5000)
    assert [i.name for i in session.project.items("fits")] == ["a"]
    session.undo.undo()
    assert [i.name for i in session.project.items("fits")] == ["a", "b"]
    qtbot.waitUntil(lambda: len(engine.specs) == 3, timeout=5000)
    assert engine.specs["engine-3"].out == str(items[1].folder)
    session.undo.redo()
    session.undo.undo()  # before the events of the cancelling came: the item stays
    qtbot.waitUntil(lambda: len(engine.specs) == 4, timeout=5000)
    qtbot.wait(100)
    assert [i.name for i in session.project.items("fits")] == ["a", "b"]
    engine.say("engine-4", "started")
    qtbot.waitUntil(lambda: session.waiting() == (), timeout=5000)
    session.undo.redo()  # it runs: not thrown away
    assert len(bridge.running) == 2
