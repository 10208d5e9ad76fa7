"""The process that computes: `python -m core.engine.worker`, frames on stdin and stdout.

The main thread runs one job at a time; a second thread reads, so that cancel arrives while the
first computes, and ends the process the moment the parent's end of the pipe is gone.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import queue
import re
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from core.engine import codec, large
from core.engine.context import Cancelled, Context
from core.engine.errors import EngineError
from core.engine.events import FINAL, Event
from core.engine.kept import LIMIT, Kept
from core.engine.messages import (
    AskCatalog,
    CancelJob,
    Catalog,
    Hello,
    Refused,
    RunJob,
    StopJob,
    ToWorker,
)

MAX_SENTENCE = 2000  # characters of an error's message
MAX_DETAILS = 20_000  # characters of its traceback, from the end


class Worker:
    """The far end of the pipes."""

    def __init__(self, source: int, sink: int, *, modules: tuple[str, ...], max_frame: int) -> None:
        self._source = source
        self._sink = sink
        self._modules = modules
        self._max_frame = max_frame
        self._tasks: queue.SimpleQueue[RunJob | AskCatalog] = queue.SimpleQueue()
        self._writing = threading.Lock()
        self._lock = threading.Lock()
        self._context: Context | None = None
        self._kept = Kept(LIMIT)
        self._early: dict[str, str] = {}  # cancel or stop that overtook the start of its job

    def run(self) -> None:
        """Serve until the parent is gone."""
        from core import analyses

        self._runs = dict(analyses.discover())
        for name in self._modules:
            module = importlib.import_module(name)
            self._runs[module.SPEC] = module.run
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        from core.engine import system

        self._devices = system.devices()
        self._send(Hello(os.getpid(), system.versions(), self._devices))
        while True:
            task = self._tasks.get()
            if isinstance(task, AskCatalog):
                self._send(_catalog())
            else:
                self._job(task)

    # -- in -------------------------------------------------------------------------------------
    def _listen(self) -> None:
        try:
            read = functools.partial(os.read, self._source)
            while (body := codec.read_frame(read, max_frame=self._max_frame)) is not None:
                message = codec.decode(body, ToWorker)
                if isinstance(message, CancelJob | StopJob):
                    self._interrupt(message)
                else:
                    self._tasks.put(message)
        except EngineError as error:
            self._send(Refused(str(error)))
            _end(3)
        except OSError:
            pass
        _end(0)

    def _interrupt(self, message: CancelJob | StopJob) -> None:
        word = "cancel" if isinstance(message, CancelJob) else "stop"
        with self._lock:
            if self._context is not None and self._context.job == message.job:
                _apply(self._context, word)
            elif self._early.get(message.job) != "cancel":
                self._early[message.job] = word

    # -- out ------------------------------------------------------------------------------------
    def _send(self, message: Any) -> None:
        frame = memoryview(codec.encode(message, max_frame=self._max_frame))
        try:
            with self._writing:
                while frame:
                    frame = frame[os.write(self._sink, frame) :]
        except OSError:
            _end(0)  # the parent is gone

    # -- jobs -----------------------------------------------------------------------------------
    def _job(self, task: RunJob) -> None:
        from core.engine import system

        seq = 0
        over = False
        numbering = threading.Lock()  # an analysis may report from threads of its own

        def emit(kind: str, fraction: float, payload: dict[str, Any]) -> None:
            nonlocal seq, over
            with numbering:
                if over:  # a thread that the analysis left behind; the next job is not its business
                    return
                self._send(Event(task.job, seq, time.time(), kind, fraction, payload))
                seq += 1
                over = kind in FINAL

        system.reset_peak_rss()
        self._kept.trim()
        context = Context(emit, device=task.device, job=task.job, kept=self._kept)
        with self._lock:
            self._context = context
            word = self._early.pop(task.job, "")
            self._early.clear()
        _apply(context, word)
        emit("started", 0.0, {})
        try:
            self._check_device(task.device)
            result = self._runs[type(task.spec)](task.spec, context)
            context.flush()
            self._done(emit, task.spec, result)
        except Cancelled:
            emit("cancelled", float("nan"), {"message": "cancelled"})
        except BaseException as error:
            # BaseException: a job that calls sys.exit has failed too, the worker goes on
            payload = {"message": _sentence(error), "details": _traceback()}
            emit("failed", float("nan"), payload)
        finally:
            with self._lock:
                self._context = None

    def _check_device(self, device: str) -> None:
        if device not in self._devices:
            there = ", ".join(self._devices)
            raise ValueError(f"there is no device {device!r} on this machine; there is: {there}")

    def _done(self, emit: Any, spec: Any, result: Any) -> None:
        try:
            emit("done", 1.0, {"result": result})
        except codec.FrameTooLarge as problem:
            emit("done", 1.0, large.leave(spec, result, problem))


def _apply(context: Context, word: str) -> None:
    if word == "cancel":
        context.request_cancel()
    elif word == "stop":
        context.request_stop()


def _catalog() -> Catalog:
    try:
        from core import forcefields

        return Catalog(forcefields.catalog())
    except Exception as error:
        traceback.print_exc()
        return Catalog((), f"the force fields cannot be listed: {type(error).__name__}: {error}")


def _sentence(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # a stranger's class; its name has to do
        text = ""
    text = re.sub(r"\s+", " ", text[: 2 * MAX_SENTENCE]).strip()
    text = text if len(text) <= MAX_SENTENCE else text[:MAX_SENTENCE] + "…"
    if isinstance(error, ValueError | EngineError) and text:
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"there is not enough memory: {text}" if text else "there is not enough memory"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _traceback() -> str:
    text = traceback.format_exc()
    return text if len(text) <= MAX_DETAILS else "…" + text[-MAX_DETAILS:]


def _end(code: int) -> None:
    """Leave at once, from any thread, whatever the main thread computes; children too."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid() and code == 0:
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(code)


def _die_with(life: int) -> None:
    """Ask the kernel to kill this process group when the other end of pipe `life` is closed.

    The listening thread does the same, but it needs the interpreter: a library that computes
    without ever letting go of it would outlive the window. Linux only.
    """
    import select

    try:
        import fcntl

        fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(life, fcntl.F_GETFL)
        fcntl.fcntl(life, fcntl.F_SETFL, flags | os.O_ASYNC)
    except (ImportError, AttributeError, OSError):
        return
    if select.select([life], [], [], 0)[0]:  # closed before we asked
        _end(0)


def _restore_path() -> None:
    """Undo what the client put first into PYTHONPATH: it is not for the programs we start."""
    first, *rest = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if first == str(Path(__file__).resolve().parents[2]):
        os.environ["PYTHONPATH"] = os.pathsep.join(rest)
        if not rest:
            del os.environ["PYTHONPATH"]


def main(arguments: list[str] | None = None) -> None:
    """Set the pipes aside, so that nothing that prints can break a frame, and serve."""
    parser = argparse.ArgumentParser(prog="python -m core.engine.worker")
    parser.add_argument("--modules", default="", help="more analyses, for tests")
    parser.add_argument("--max-frame", type=int, default=codec.MAX_FRAME)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--life", type=int, default=-1)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the parent's business
    if options.life >= 0:
        _die_with(options.life)
    source, sink = os.dup(0), os.dup(1)
    if os.name == "nt":
        import msvcrt

        msvcrt.setmode(source, os.O_BINARY)  # type: ignore[attr-defined]
        msvcrt.setmode(sink, os.O_BINARY)  # type: ignore[attr-defined]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    _restore_path()
    # Threads that wait by spinning take the cores from those that compute: with other work on the
    # machine torch operations of a millisecond were seen to take 4 to 30 times as long, and more.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if options.threads > 0:
        os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
        os.environ.setdefault("MKL_NUM_THREADS", str(options.threads))
    modules = tuple(filter(None, options.modules.split(",")))
    Worker(source, sink, modules=modules, max_frame=options.max_frame).run()


if __name__ == "__main__":
    main()
