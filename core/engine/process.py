"""One worker process as the client sees it: started, written to, read from, killed."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import core
from core.engine import codec
from core.engine.errors import EngineError
from core.engine.messages import FromWorker, Hello

#: glibc returns large arrays to the system at once and then asks for them again, page by page: half
#: of the time of an ACE prediction. A worker keeps up to 256 MB for its next arrays instead.
MALLOC = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the largest that glibc accepts
}
LOG_LINES = 100
LOG_LINE = 2000  # characters kept of one line


def command(*, modules: tuple[str, ...], max_frame: int, threads: int) -> list[str]:
    """How a worker is started. -P: a folder named `core` where the user works must not be ours."""
    line = [sys.executable, "-P", "-m", "core.engine.worker"]
    if getattr(sys, "frozen", False):
        line = [sys.executable, "--worker"]
    line += ["--max-frame", str(max_frame), "--threads", str(threads)]
    return [*line, "--modules", ",".join(modules)] if modules else line


class WorkerProcess:
    """Starts at once. on_message and on_end are called in the reading thread.

    on_end(problem) comes exactly once, last; problem says what was ill-formed, or "".
    """

    def __init__(
        self,
        line: list[str],
        *,
        on_message: Callable[[WorkerProcess, Any], None],
        on_end: Callable[[WorkerProcess, str], None],
        max_frame: int = codec.MAX_FRAME,
        quick: bool = False,
    ) -> None:
        self.quick = quick  # only for jobs that take no time
        self._on_message = on_message
        self._on_end = on_end
        self._max_frame = max_frame
        self._log: collections.deque[str] = collections.deque(maxlen=LOG_LINES)
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # the engine's notes about this worker, changed only under the engine's lock
        self.job: Any = None
        self.hello: Hello | None = None
        self.doomed = False  # no more jobs for it
        self.told_to_die = False  # killed for a cancel that it did not answer
        self._start(line)

    def _start(self, line: list[str]) -> None:
        home = str(Path(core.__file__).resolve().parent.parent)
        paths = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        env = {**MALLOC, **os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        options: dict[str, Any] = {"env": env}
        life = ours = -1
        if os.name == "posix":
            life, ours = os.pipe()
            line = [*line, "--life", str(life)]
            # a session of its own: Ctrl-C does not reach it, and its children die with it
            options |= {"pass_fds": (life,), "start_new_session": True}
        self._life = ours
        try:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                line, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, **options
            )
        except OSError as error:
            self._close_life()
            raise EngineError(f"a worker could not be started: {error}") from error
        finally:
            if life >= 0:
                os.close(life)
        self.pid = self._process.pid
        start = functools.partial(threading.Thread, daemon=True)
        self._drain = start(target=self._drain_log, name=f"worker-{self.pid}-log")
        self._writer = start(target=self._write, name=f"worker-{self.pid}-write")
        self._reader = start(target=self._read, name=f"worker-{self.pid}-read")
        for thread in (self._drain, self._writer, self._reader):
            thread.start()

    # -- from any thread ------------------------------------------------------------------------
    def send(self, frame: bytes) -> None:
        """Send a frame; never waits."""
        self._outbox.put(frame)

    def kill(self) -> None:
        """End it and everything it started, now."""
        with contextlib.suppress(OSError):
            if os.name == "posix" and self._process.returncode is None:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def join(self, timeout: float) -> bool:
        """Wait for its end; True when it has ended and `on_end` has been called."""
        if threading.current_thread() is self._reader:
            return False
        self._reader.join(timeout)
        return not self._reader.is_alive()

    def log(self) -> str:
        """The last lines it wrote to stderr (and what libraries printed)."""
        return "\n".join(self._log)

    def how_it_ended(self) -> str:
        """Sentence about the exit status, after the end."""
        code = self._process.returncode
        if code is None:
            return "the worker process does not answer"
        if code >= 0:
            return f"the worker process ended by itself with exit status {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = ""
        if name == "SIGKILL":
            hint = "; the system does that when memory runs out (use less data or smaller batches)"
        return f"the worker process was ended by {name}{hint}"

    # -- threads --------------------------------------------------------------------------------
    def _read(self) -> None:
        problem = ""
        try:
            read = functools.partial(os.read, self._process.stdout.fileno())  # type: ignore[union-attr]
            while (body := codec.read_frame(read, max_frame=self._max_frame)) is not None:
                self._on_message(self, codec.decode(body, FromWorker))
        except (codec.Truncated, OSError):
            pass  # the exit status tells more
        except EngineError as error:
            problem = str(error)
        except Exception as error:  # a mistake of ours must not leave the job waiting forever
            with contextlib.suppress(Exception):
                traceback.print_exc()
            problem = f"something the client stumbled over: {type(error).__name__}: {error}"
        self.kill()
        self._process.wait()
        self._outbox.put(None)
        self._writer.join()
        self._drain.join(1.0)  # a child of the worker may still hold stderr
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        self._close_life()
        self._on_end(self, problem)

    def _write(self) -> None:
        fd = self._process.stdin.fileno()  # type: ignore[union-attr]
        while (frame := self._outbox.get()) is not None:
            view = memoryview(frame)
            try:
                while view:
                    view = view[os.write(fd, view) :]
            except OSError:
                return  # it is gone; the reading thread sees that too

    def _drain_log(self) -> None:
        with self._process.stderr as stream:  # type: ignore[union-attr]
            rest = b""
            while piece := stream.read(65536):
                *lines, rest = (rest + piece).split(b"\n")
                rest = rest[-LOG_LINE:]
                self._log.extend(x.decode("utf-8", "replace")[:LOG_LINE] for x in lines)
            if rest:
                self._log.append(rest.decode("utf-8", "replace"))

    def _close_life(self) -> None:
        if self._life >= 0:
            os.close(self._life)
            self._life = -1
