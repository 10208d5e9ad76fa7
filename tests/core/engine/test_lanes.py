"""The lane for quick jobs: they do not wait behind a training, and it lives and dies as others."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from core.analyses.estimate import EstimateSpec
from core.analyses.fit import FitSpec
from core.analyses.parameter_preview import PreviewSpec
from core.analyses.parameter_scan import ParameterScanSpec
from core.analyses.parameters import ParametersSpec
from core.analyses.refit import RefitSpec
from core.engine.client import Engine
from core.engine.errors import JobCancelled, JobFailed
from core.engine.lanes import Start, busy, choose, line, move
from tests.molecules import ETHANOL, ethanol_frames

LONG = 30.0  # s, a wait that only a broken engine reaches


@pytest.fixture
def fast(jobs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Engine(quick=True, grace=0.5, modules=("engine_jobs", "quick_jobs")) as engine:
        yield engine


def quick(engine: Engine, what: str = "who") -> Any:
    import quick_jobs

    return engine.submit(quick_jobs.QuickSpec(what))


def running(engine: Engine, spec: Any) -> Any:
    """A job that has said it is here."""
    handle = engine.submit(spec)
    next(e for e in handle.events() if e.kind == "log")
    return handle


def test_what_the_window_asks_while_somebody_watches_is_quick_and_a_training_is_not() -> None:
    every = (ParametersSpec, PreviewSpec, ParameterScanSpec, EstimateSpec)
    assert all(spec.QUICK for spec in every)
    assert not any(hasattr(spec, "QUICK") for spec in (FitSpec, RefitSpec))


def test_a_preview_answers_while_a_long_job_runs(fast: Engine, jobs: ModuleType) -> None:
    terms = fast.submit(ParametersSpec(ETHANOL)).result(LONG)
    assert len(fast._workers) == 1, "nothing waits: no second process yet"
    training = running(fast, jobs.JobSpec("patient"))
    behind = fast.submit(jobs.JobSpec("echo"))
    spec = PreviewSpec(terms.topology, ethanol_frames(24))
    fast.submit(spec).result(LONG)  # loads its libraries
    start = time.perf_counter()
    preview = fast.submit(spec).result(LONG)
    assert time.perf_counter() - start < 1.0
    assert np.isfinite(preview.energy).all()
    assert (training.status, behind.status) == ("running", "queued")
    training.stop()
    assert behind.result(LONG).text == "echo"


def test_the_quick_worker_is_one_small_process_and_others_never_go_there(
    fast: Engine, jobs: ModuleType
) -> None:
    training = running(fast, jobs.JobSpec("patient"))
    first = quick(fast).result(LONG)
    assert first.threads == "1"
    assert first.pid != training.worker.pid
    assert quick(fast).result(LONG) == first
    training.stop()
    training.result(LONG)
    assert fast.submit(jobs.JobSpec("memory")).result(LONG).array[1] == training.worker.pid
    assert quick(fast).result(LONG) == first, "it is warm, so it is used on"


def test_cancel_and_kill_are_as_in_the_other_lane(fast: Engine, jobs: ModuleType) -> None:
    import quick_jobs

    training = running(fast, jobs.JobSpec("patient"))
    hangs = running(fast, quick_jobs.QuickSpec("hangs"))
    waiting = quick(fast)
    hangs.cancel()
    with pytest.raises(JobCancelled, match="had to be killed"):
        hangs.result(LONG)
    assert waiting.result(LONG).pid != hangs.worker.pid
    again = running(fast, quick_jobs.QuickSpec("hangs"))
    os.kill(again.worker.pid, signal.SIGKILL)
    with pytest.raises(JobFailed, match="SIGKILL"):
        again.result(LONG)
    assert training.status == "running"


def test_both_processes_end_with_the_engine(fast: Engine, jobs: ModuleType) -> None:
    running(fast, jobs.JobSpec("stubborn"))
    quick(fast).result(LONG)
    pids = [w.pid for w in fast._workers]
    assert len(pids) == 2
    fast.close()
    assert not any(psutil.pid_exists(p) for p in pids)


def test_the_command_line_has_one_process_whatever_is_asked(jobs: ModuleType) -> None:
    with Engine(modules=("engine_jobs", "quick_jobs")) as engine:
        training = running(engine, jobs.JobSpec("patient"))
        asked = quick(engine)
        assert asked.status == "queued"
        assert len(engine._workers) == 1
        training.stop()
        assert asked.result(LONG).pid == training.worker.pid


def test_a_quick_worker_that_cannot_start_says_why_and_is_not_tried_for_ever(
    fast: Engine, jobs: ModuleType
) -> None:
    import sys

    fast._quick_line = [sys.executable, "-c", "import sys; sys.exit('no such library: libfoo')"]
    training = running(fast, jobs.JobSpec("patient"))
    asked = quick(fast)
    with pytest.raises(JobFailed, match="before it was ready") as error:
        asked.result(LONG)
    assert "libfoo" in error.value.details
    assert len(fast._workers) == 1
    assert training.status == "running"


def test_an_earlier_long_job_keeps_its_place() -> None:
    def job(*, quick: bool) -> Any:
        return SimpleNamespace(quick=quick)

    def worker(job: Any, *, quick: bool = False) -> Any:
        return SimpleNamespace(quick=quick, job=job, doomed=False)

    long, short = job(quick=False), job(quick=True)
    idle = worker(None)
    assert choose(short, [short], [idle], 1) is idle
    assert choose(short, [long, short], [idle], 1) is Start.QUICK
    assert choose(short, [short], [worker(long)], 1) is Start.QUICK
    assert choose(short, [short], [worker(job(quick=True))], 1) is None
    assert choose(long, [long], [worker(None, quick=True)], 1) is Start.ORDINARY
    assert choose(long, [long], [worker(short), worker(None, quick=True)], 1) is None
    assert choose(short, [short], [], 1) is Start.ORDINARY
    assert not busy([worker(short), worker(short, quick=True), idle])
    assert busy([worker(long)])
    assert not busy([worker(long), worker(None, quick=True)])


def test_moving_leaves_quick_jobs_where_they_are() -> None:
    a, b, c, q = (SimpleNamespace(name=name, quick=name == "q") for name in "abcq")
    queue = deque([a, q, b, c])
    assert move(queue, c, 0) == 2
    assert list(queue) == [c, q, a, b]
    assert move(queue, c, 1) == 0
    assert line(queue) == [a, c, b]
    assert move(queue, q, 0) == -1
    assert list(queue) == [a, q, c, b]
