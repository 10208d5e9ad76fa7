"""What happens when processes die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from core.engine.client import Engine
from core.engine.errors import EngineError, JobFailed

LONG = 30.0
ROOT = Path(__file__).resolve().parents[3]


def test_killed_worker_fails_its_job_and_the_next_one_runs(
    engine: Engine, jobs: ModuleType
) -> None:
    handle, pid = _started(engine, jobs, "stubborn")
    following = engine.submit(jobs.JobSpec("echo"))
    start = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(JobFailed, match=r"SIGKILL.*memory"):
        handle.result(LONG)
    assert time.monotonic() - start < 1.0
    assert handle.status == "failed"
    assert following.result(LONG).text == "echo"


def test_crash_names_the_signal_and_keeps_the_last_words(engine: Engine, jobs: ModuleType) -> None:
    with pytest.raises(JobFailed, match="SIGSEGV") as error:
        engine.submit(jobs.JobSpec("crashes")).result(LONG)
    assert "last words" in error.value.details
    assert engine.submit(jobs.JobSpec("echo")).result(LONG).text == "echo"


def test_worker_killed_between_jobs_costs_no_job(engine: Engine, jobs: ModuleType) -> None:
    engine.submit(jobs.JobSpec("echo")).result(LONG)
    for pid in [w.pid for w in engine._workers]:
        os.kill(pid, signal.SIGKILL)
    assert engine.submit(jobs.JobSpec("echo")).result(LONG).text == "echo"


def test_cancelling_a_job_ends_the_programs_it_started(engine: Engine, jobs: ModuleType) -> None:
    handle = engine.submit(jobs.JobSpec("has_child"))
    child = next(int(e.payload["message"]) for e in handle.events() if e.kind == "log")
    handle.cancel()
    assert handle.wait(LONG)
    _gone_within(2.0, [child])


PARENT = """
import sys, time
sys.path[:0] = [{root!r}, {here!r}]
from core.engine.client import Engine
import engine_jobs
engine = Engine(workers=3, modules=("engine_jobs",)).start()
kinds = ("busy_torch", "never_lets_go", "has_child")
handles = [engine.submit(engine_jobs.JobSpec(what)) for what in kinds]
for what, handle in zip(kinds, handles):
    for event in handle.events():
        if event.kind == "log":
            print(handle.worker.pid, flush=True)
            if what == "has_child":
                print(event.payload["message"], flush=True)
            break
print("ready", flush=True)
time.sleep(60)
"""


def test_workers_and_their_children_end_with_a_killed_parent(jobs: ModuleType) -> None:
    """In a long torch operation, in C code that keeps the interpreter, with a child."""
    script = PARENT.format(root=str(ROOT), here=str(Path(jobs.__file__).parent))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout is not None
        lines = []
        for line in p.stdout:
            if line.strip() == "ready":
                break
            lines.append(int(line))
        assert len(lines) == 4
        assert all(map(_alive, lines))
        p.kill()
        _gone_within(2.0, lines)


def test_close_ends_the_workers(jobs: ModuleType) -> None:
    engine = Engine(modules=("engine_jobs",)).start()
    _, pid = _started(engine, jobs, "stubborn")
    start = time.monotonic()
    engine.close()
    assert time.monotonic() - start < 1.0
    assert not _alive(pid)


def test_the_catalogue_comes_from_the_next_worker_when_the_first_is_killed() -> None:
    with Engine() as engine:
        os.kill(engine._workers[0].pid, signal.SIGKILL)
        assert isinstance(engine.catalog(LONG), tuple)


def test_no_catalogue_from_workers_that_cannot_start() -> None:
    engine = Engine()
    engine._line = [sys.executable, "-c", "import sys; sys.exit('no such library: libfoo')"]
    with engine, pytest.raises(EngineError, match=r"(?s)exit status 1.*libfoo"):
        engine.catalog(LONG)


def test_a_worker_that_cannot_start_says_why(jobs: ModuleType) -> None:
    engine = Engine(modules=("engine_jobs",))
    engine._line = [sys.executable, "-c", "import sys; sys.exit('no such library: libfoo')"]
    with engine:
        with pytest.raises(JobFailed, match="exit status 1 before it was ready") as error:
            engine.submit(jobs.JobSpec("echo")).result(LONG)
        assert "libfoo" in error.value.details


def _started(engine: Engine, jobs: ModuleType, what: str):
    handle = engine.submit(jobs.JobSpec(what))
    for event in handle.events():
        if event.kind == "log":
            return handle, handle.worker.pid
    raise AssertionError("it ended early")


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _gone_within(seconds: float, pids: list[int]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(map(_alive, pids)):
            return
        time.sleep(0.01)
    left = [pid for pid in pids if _alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    raise AssertionError(f"processes {left} of {pids} outlived their parent by {seconds} s")
