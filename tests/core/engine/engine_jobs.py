"""An analysis that misbehaves on request. Loaded by workers in tests only (`Engine(modules=…)`)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core import storage
from core.engine.context import Context
from core.wire import wire


@wire
@dataclass(frozen=True, eq=False)
class JobSpec:
    """what: the name of a function below. size and data are for it."""

    what: str
    size: int = 0
    data: np.ndarray = field(default_factory=lambda: np.zeros(0))
    device: str = "cpu"
    out: str = ""


@wire
@dataclass(frozen=True, eq=False)
class JobResult:
    """text and array: whatever was asked for."""

    text: str = ""
    array: np.ndarray = field(default_factory=lambda: np.zeros(0))


def echo(spec: JobSpec, context: Context) -> JobResult:
    return JobResult("echo", spec.data)


def many_events(spec: JobSpec, context: Context) -> JobResult:
    for i in range(spec.size):
        context.curve("loss", i, i * i)
    return JobResult()


def much_progress(spec: JobSpec, context: Context) -> JobResult:
    for i in range(spec.size):
        context.progress(i / spec.size, f"step {i}")
    return JobResult()


def patient(spec: JobSpec, context: Context) -> JobResult:
    context.log("here")
    while not context.stopping:
        context.check()
        time.sleep(0.005)
    return JobResult("stopped early")


def stubborn(spec: JobSpec, context: Context) -> JobResult:
    context.log("here")
    time.sleep(60)
    return JobResult()


def busy_torch(spec: JobSpec, context: Context) -> JobResult:
    import torch

    matrix = torch.rand(5000, 5000, dtype=torch.float64)
    context.log("here")
    torch.linalg.eigh(matrix + matrix.T)
    return JobResult()


def never_lets_go(spec: JobSpec, context: Context) -> JobResult:
    """Computes in C without giving the interpreter lock away, for ages."""
    context.log("here")
    re.match(r"(a+)+$", "a" * 60 + "b")
    return JobResult()


def has_child(spec: JobSpec, context: Context) -> JobResult:
    child = subprocess.Popen(["sleep", "60"])
    context.log(str(child.pid))
    child.wait()
    return JobResult()


def wrong(spec: JobSpec, context: Context) -> JobResult:
    raise ValueError("frame 3 has no forces: give another file")


def bug(spec: JobSpec, context: Context) -> JobResult:
    raise KeyError("oops")


def no_memory(spec: JobSpec, context: Context) -> JobResult:
    raise MemoryError


def interrupted(spec: JobSpec, context: Context) -> JobResult:
    raise KeyboardInterrupt


class Odd(BaseException):
    """Not an Exception, cannot be pickled, and even its text is broken."""

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def __str__(self) -> str:
        raise RuntimeError("no text")


def odd(spec: JobSpec, context: Context) -> JobResult:
    raise Odd


def long_message(spec: JobSpec, context: Context) -> JobResult:
    raise ValueError("far too much " * spec.size)


def deep(spec: JobSpec, context: Context) -> JobResult:
    return deep(spec, context)


def late_thread(spec: JobSpec, context: Context) -> JobResult:
    """Leaves a thread behind that goes on reporting after the end."""

    def report() -> None:
        for _ in range(100):
            context.log("am I too late?")
            time.sleep(0.002)

    threading.Thread(target=report, daemon=True).start()
    return JobResult("done before its thread")


def other_record(spec: JobSpec, context: Context) -> JobResult:
    """As an import does: what it saves in its folder is not its result."""
    storage.save(Path(spec.out) / "record.npz", JobSpec("something else"))
    return JobResult("large", np.arange(spec.size, dtype=np.float64))


def fills_the_disk(spec: JobSpec, context: Context) -> JobResult:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (spec.size // 2, before[1]))
    try:
        storage.save_result(spec.out, JobResult("full", np.zeros(spec.size // 8)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    return JobResult()


def leaves(spec: JobSpec, context: Context) -> JobResult:
    sys.exit(0)


def crashes(spec: JobSpec, context: Context) -> JobResult:
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(10)
    return JobResult()


def prints(spec: JobSpec, context: Context) -> JobResult:
    print("hello from a library")
    os.system("echo hello from a program")
    os.write(1, b"\x00\x00\x00\x05hello")
    return JobResult(sys.stdin.read())


def cannot_travel(spec: JobSpec, context: Context) -> object:
    return object()


def bad_event(spec: JobSpec, context: Context) -> JobResult:
    context.frame(what={1, 2})
    return JobResult()


def large(spec: JobSpec, context: Context) -> JobResult:
    result = JobResult("large", np.arange(spec.size, dtype=np.float64))
    if spec.out:
        storage.save(Path(spec.out) / "record.npz", result)
    return result


def memory(spec: JobSpec, context: Context) -> JobResult:
    block = np.ones(spec.size, dtype=np.uint8)
    peak = context.peak_rss()
    del block
    return JobResult(os.environ.get("PYTHONPATH", ""), np.array([peak, os.getpid()]))


def run(spec: JobSpec, context: Context) -> JobResult:
    return globals()[spec.what](spec, context)


SPEC = JobSpec
