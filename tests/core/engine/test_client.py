"""The local engine: results, events, cancel, stop, refusals."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from core import storage
from core.engine.backend import Backend, JobHandle
from core.engine.client import Engine
from core.engine.context import PROGRESS_INTERVAL
from core.engine.errors import EngineError, JobCancelled, JobFailed
from core.engine.events import Event

LONG = 30.0  # s, a wait that only a broken engine reaches
ROOT = Path(__file__).resolve().parents[3]


def test_result_comes_back_as_it_was_sent(engine: Engine, jobs: ModuleType) -> None:
    data = np.random.default_rng(0).normal(size=(7, 5, 3))
    result = engine.submit(jobs.JobSpec("echo", data=data)).result(LONG)
    assert isinstance(result, jobs.JobResult)
    np.testing.assert_array_equal(result.array, data)


def test_events_come_in_order_and_without_gaps(engine: Engine, jobs: ModuleType) -> None:
    told: list[Event] = []
    unsubscribe = engine.subscribe(told.append)
    handle = engine.submit(jobs.JobSpec("many_events", size=5000))
    events = list(handle.events())
    unsubscribe()
    assert [e.seq for e in events] == list(range(5003))
    assert [e.kind for e in events[:2]] == ["queued", "started"]
    assert events[-1].kind == "done"
    curve = [e.payload for e in events if e.kind == "curve"]
    assert [p["x"][0] for p in curve] == list(range(5000))
    assert [p["y"][0] for p in curve] == [i * i for i in range(5000)]
    assert [(e.job, e.seq) for e in told] == [(handle.id, e.seq) for e in events]
    assert all(a.time <= b.time + 1e-3 for a, b in itertools.pairwise(events[1:]))


def test_progress_is_thinned_but_first_and_last_are_told(engine: Engine, jobs: ModuleType) -> None:
    size = 20_000
    start = time.monotonic()
    events = list(engine.submit(jobs.JobSpec("much_progress", size=size)).events())
    spent = time.monotonic() - start
    told = [e for e in events if e.kind == "progress"]
    assert told[0].fraction == 0.0
    assert told[-1].fraction == (size - 1) / size
    assert len(told) <= 3 + spent / PROGRESS_INTERVAL
    assert all(a.fraction < b.fraction for a, b in itertools.pairwise(told))


def test_jobs_run_first_come_first_served(engine: Engine, jobs: ModuleType) -> None:
    started: list[str] = []
    unsubscribe = engine.subscribe(lambda e: started.append(e.job) if e.kind == "started" else None)
    handles = [engine.submit(jobs.JobSpec("echo")) for _ in range(8)]
    for handle in handles:
        handle.result(LONG)
    unsubscribe()
    assert started == [h.id for h in handles]


def test_cancel_is_cooperative(engine: Engine, jobs: ModuleType) -> None:
    worker = _worker_of(engine, jobs)
    handle = _running(engine, jobs, "patient")
    handle.cancel()
    with pytest.raises(JobCancelled, match="cancelled"):
        handle.result(LONG)
    assert handle.status == "cancelled"
    handle.cancel()  # a finished job is left alone
    assert _worker_of(engine, jobs) == worker, "the worker need not have been killed"


def test_stop_keeps_what_is_there(engine: Engine, jobs: ModuleType) -> None:
    handle = _running(engine, jobs, "patient")
    handle.stop()
    assert handle.result(LONG).text == "stopped early"


def test_a_job_that_does_not_answer_is_killed(engine: Engine, jobs: ModuleType) -> None:
    handle = _running(engine, jobs, "stubborn")
    waiting = engine.submit(jobs.JobSpec("echo"))
    start = time.monotonic()
    handle.cancel()
    with pytest.raises(JobCancelled, match="had to be killed"):
        handle.result(LONG)
    assert 0.4 < time.monotonic() - start < 3.0
    assert waiting.result(LONG).text == "echo"


def test_queued_jobs_can_be_cancelled_and_stopped(engine: Engine, jobs: ModuleType) -> None:
    first = _running(engine, jobs, "patient")
    second, third = (engine.submit(jobs.JobSpec("echo")) for _ in range(2))
    second.cancel()
    third.stop()
    for handle in (second, third):
        with pytest.raises(JobCancelled, match="before it was started"):
            handle.result(1.0)
        assert [e.kind for e in handle.events()] == ["queued", "cancelled"]
    first.stop()
    first.result(LONG)


def test_waiting_jobs_change_places(engine: Engine, jobs: ModuleType) -> None:
    started: list[str] = []
    unsubscribe = engine.subscribe(lambda e: started.append(e.job) if e.kind == "started" else None)
    first = _running(engine, jobs, "patient")
    a, b, c, d = (engine.submit(jobs.JobSpec("echo")) for _ in range(4))
    assert engine.waiting() == (a.id, b.id, c.id, d.id)
    assert engine.move(d.id, 0) == 3
    assert engine.move(a.id, 99) == 1
    assert engine.waiting() == (d.id, b.id, c.id, a.id)
    assert engine.move(first.id, 1) == -1, "it runs"
    assert engine.move("job-of-nobody", 0) == -1
    b.cancel()
    assert engine.waiting() == (d.id, c.id, a.id)
    first.stop()
    for handle in (a, c, d):
        handle.result(LONG)
    unsubscribe()
    assert started == [first.id, d.id, c.id, a.id]
    assert engine.waiting() == ()
    assert engine.move(a.id, 0) == -1, "it is over"


def test_cancel_from_inside_a_subscriber(engine: Engine, jobs: ModuleType) -> None:
    def cancel(event: Event) -> None:
        if event.kind == "queued":
            engine.cancel(event.job)

    unsubscribe = engine.subscribe(cancel)
    handle = engine.submit(jobs.JobSpec("stubborn"))
    unsubscribe()
    with pytest.raises(JobCancelled):
        handle.result(1.0)
    assert [e.kind for e in handle.events()] == ["queued", "cancelled"]


def test_a_subscriber_that_raises_does_no_harm(
    engine: Engine, jobs: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    def raises(event: Event) -> None:
        raise RuntimeError("my own mistake")

    unsubscribe = engine.subscribe(raises)
    assert engine.submit(jobs.JobSpec("echo")).result(LONG).text == "echo"
    unsubscribe()
    assert "my own mistake" in capfd.readouterr().err


def test_submitting_from_many_threads(engine: Engine, jobs: ModuleType) -> None:
    handles = []

    def submit(seed: int) -> None:
        data = np.array([float(seed)])
        handles.append((seed, engine.submit(jobs.JobSpec("echo", data=data))))

    threads = [threading.Thread(target=submit, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(handle.result(LONG).array[0] for _, handle in handles) == list(range(20))
    assert all(handle.result().array[0] == seed for seed, handle in handles)


def test_user_errors_are_sentences_and_bugs_have_a_traceback(
    engine: Engine, jobs: ModuleType
) -> None:
    with pytest.raises(JobFailed) as error:
        engine.submit(jobs.JobSpec("wrong")).result(LONG)
    assert str(error.value) == "frame 3 has no forces: give another file"
    assert "engine_jobs.py" in error.value.details
    with pytest.raises(JobFailed, match="KeyError: 'oops'"):
        engine.submit(jobs.JobSpec("bug")).result(LONG)
    with pytest.raises(JobFailed, match="SystemExit"):
        engine.submit(jobs.JobSpec("leaves")).result(LONG)
    with pytest.raises(JobFailed, match="a object cannot travel"):
        engine.submit(jobs.JobSpec("cannot_travel")).result(LONG)
    with pytest.raises(JobFailed, match="a set cannot travel"):
        engine.submit(jobs.JobSpec("bad_event")).result(LONG)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "cuda", ""])
def test_a_device_that_is_not_there_is_refused(
    engine: Engine, jobs: ModuleType, device: str
) -> None:
    with pytest.raises(JobFailed, match=f"no device '{device}'.*there is: cpu"):
        engine.submit(jobs.JobSpec("echo"), device=device).result(LONG)


def test_the_device_of_spec_and_call_must_agree(engine: Engine, jobs: ModuleType) -> None:
    spec = jobs.JobSpec("echo", device="cuda:7")
    with pytest.raises(EngineError, match="which one"):
        engine.submit(spec, device="cpu")
    with pytest.raises(JobFailed, match="no device 'cuda:7'"):
        engine.submit(spec).result(LONG)
    assert engine.submit(jobs.JobSpec("echo"), device="cuda:7").spec.device == "cuda:7"
    assert engine.submit(jobs.JobSpec("echo")).device == "cpu"


def test_what_libraries_print_cannot_break_the_stream(engine: Engine, jobs: ModuleType) -> None:
    assert engine.submit(jobs.JobSpec("prints")).result(LONG).text == ""  # stdin is empty
    assert engine.submit(jobs.JobSpec("echo")).result(LONG).text == "echo"


def test_peak_memory_is_of_the_job(engine: Engine, jobs: ModuleType) -> None:
    size = 200 * 2**20
    with_block = engine.submit(jobs.JobSpec("memory", size=size)).result(LONG).array[0]
    without = engine.submit(jobs.JobSpec("memory", size=0)).result(LONG).array[0]
    assert with_block - without == pytest.approx(size, rel=0.25)


def test_the_engine_is_a_backend(engine: Engine, jobs: ModuleType) -> None:
    handle = engine.submit(jobs.JobSpec("echo"))
    assert isinstance(engine, Backend)
    assert isinstance(handle, JobHandle)
    handle.result(LONG)


def test_only_specs_can_be_submitted(engine: Engine) -> None:
    with pytest.raises(EngineError, match="not the spec of any analysis"):
        engine.submit(object())


def test_hello_and_catalog(engine: Engine) -> None:
    assert engine.ready(LONG)
    assert "cpu" in engine.devices
    assert {"python", "torch", "numpy"} <= set(engine.versions)
    assert len({info.key for info in engine.catalog(LONG)}) == len(engine.catalog(LONG))


def test_result_waits_only_as_long_as_told(engine: Engine, jobs: ModuleType) -> None:
    handle = _running(engine, jobs, "patient")
    with pytest.raises(TimeoutError):
        handle.result(0.05)
    handle.stop()
    handle.result(LONG)


def test_a_result_too_large_for_a_frame_comes_from_its_file(
    jobs: ModuleType, tmp_path: Path
) -> None:
    with Engine(modules=("engine_jobs",), max_frame=100_000) as engine:
        spec = jobs.JobSpec("large", size=100_000, out=str(tmp_path))
        np.testing.assert_array_equal(engine.submit(spec).result(LONG).array, np.arange(100_000.0))
        with pytest.raises(JobFailed, match="limit of one message"):
            engine.submit(jobs.JobSpec("large", size=100_000)).result(LONG)
        with pytest.raises(EngineError, match="limit of one message"):
            engine.submit(jobs.JobSpec("echo", data=np.zeros(100_000)))


def test_a_large_result_does_not_come_as_the_other_record_in_its_folder(
    jobs: ModuleType, tmp_path: Path
) -> None:
    with Engine(modules=("engine_jobs",), max_frame=100_000) as engine:
        spec = jobs.JobSpec("other_record", size=100_000, out=str(tmp_path))
        np.testing.assert_array_equal(engine.submit(spec).result(LONG).array, np.arange(100_000.0))
    assert [p.name for p in tmp_path.iterdir()] == ["record.npz"]


@pytest.mark.parametrize(
    ("what", "size", "message"),
    [
        ("no_memory", 0, "not enough memory"),
        ("interrupted", 0, "KeyboardInterrupt"),
        ("odd", 0, "Odd"),
        ("long_message", 100_000, "far too much"),
        ("deep", 0, "RecursionError"),
    ],
)
def test_whatever_a_job_raises_fails_only_that_job(
    engine: Engine, jobs: ModuleType, what: str, size: int, message: str
) -> None:
    before = engine.submit(jobs.JobSpec("memory")).result(LONG).array[1]
    with pytest.raises(JobFailed, match=message) as caught:
        engine.submit(jobs.JobSpec(what, size=size)).result(LONG)
    assert len(str(caught.value)) < 3000
    assert "Traceback" in caught.value.details or caught.value.details.startswith("…")
    assert len(caught.value.details) < 30_000
    assert engine.submit(jobs.JobSpec("memory")).result(LONG).array[1] == before  # same process


def test_a_thread_left_behind_does_not_disturb_the_next_job(
    engine: Engine, jobs: ModuleType
) -> None:
    engine.submit(jobs.JobSpec("late_thread")).result(LONG)
    job = engine.submit(jobs.JobSpec("many_events", size=100))
    job.result(LONG)
    assert "log" not in {event.kind for event in job.events()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of the size of files are POSIX")
def test_a_full_disk_fails_the_job_and_keeps_the_old_record(
    engine: Engine, jobs: ModuleType, tmp_path: Path
) -> None:
    old = jobs.JobResult("old")
    storage.save_result(str(tmp_path), old)
    with pytest.raises(JobFailed, match=r"record\.npz could not be written: File too large"):
        engine.submit(jobs.JobSpec("fills_the_disk", size=1_000_000, out=str(tmp_path))).result(
            LONG
        )
    assert storage.load(tmp_path / "record.npz").text == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["record.npz"]


def test_ready_says_no_when_the_time_is_up(jobs: ModuleType) -> None:
    with Engine(modules=("engine_jobs",)) as engine:
        assert not engine.ready(0.0)
        assert engine.ready(LONG)


def test_two_workers_work_at_once_and_close_cancels(jobs: ModuleType) -> None:
    engine = Engine(workers=2, modules=("engine_jobs",)).start()
    first, second = (_running(engine, jobs, "patient") for _ in range(2))
    third = engine.submit(jobs.JobSpec("echo"))
    assert third.status == "queued"
    workers = list(engine._workers)
    engine.close()
    engine.close()
    for handle in (first, second, third):
        with pytest.raises(JobCancelled, match="engine was closed"):
            handle.result(1.0)
    assert all(w._process.returncode is not None for w in workers)
    with pytest.raises(EngineError, match="closed"):
        engine.submit(jobs.JobSpec("echo"))


def test_it_works_from_a_folder_that_has_its_own_core(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text("raise SystemExit('the wrong core')")
    code = (
        f"import sys; sys.path[:] = [p for p in sys.path if p]; sys.path.insert(0, {str(ROOT)!r})\n"
        "from core.engine.client import Engine\n"
        "with Engine() as e: assert e.ready(30); print(sorted(e.devices))\n"
        "bad = {'torch', 'PySide6', 'rdkit', 'ase', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "cpu" in done.stdout


def _running(engine: Engine, jobs: ModuleType, what: str):
    """A job that has said it is here."""
    handle = engine.submit(jobs.JobSpec(what))
    for event in handle.events():
        if event.kind == "log":
            return handle
    raise AssertionError("it ended early")


def _worker_of(engine: Engine, jobs: ModuleType) -> int:
    return int(engine.submit(jobs.JobSpec("memory")).result(LONG).array[1])
