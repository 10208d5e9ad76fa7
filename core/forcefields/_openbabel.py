"""The process that runs Open Babel, as seen from here (see `_openbabel_child` for what is said)."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from typing import Any

import numpy as np

from core.forcefields import _openbabel_child
from core.forcefields._openbabel_child import receive, send
from core.forcefields.base import ForceFieldError

START_TIMEOUT = 60.0  # s, to import Open Babel and type a molecule
CALL_TIMEOUT = 120.0  # s, for one message of at most MESSAGE coordinates
MESSAGE = 200_000  # coordinates in one message: a second or two of work


class OpenBabel:
    """One child process with one molecule. Started at the first call and again after it died."""

    def __init__(self, setup: dict[str, Any], positions: np.ndarray, *, label: str) -> None:
        """setup: the message that sets the molecule up; positions (N,3) Å: where its atoms are."""
        self._setup, self._first = setup, np.ascontiguousarray(positions, dtype="<f8")
        self._label = label
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def about(self) -> dict[str, Any]:
        """What the child says about the molecule: unit, types, partial, missing."""
        with self._lock:
            self._close()
            return self._start()

    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """positions (B,N,3) Å -> energy (B,) and forces (B,N,3) in Open Babel's unit and Å."""
        b, n, _ = positions.shape
        energy, forces = np.empty(b), np.empty(positions.shape)
        step = max(1, MESSAGE // (3 * n))
        with self._lock:
            if self._process is None:
                self._start()
            for start in range(0, b, step):
                x = np.ascontiguousarray(positions[start : start + step], dtype="<f8")
                _, data = self._ask({"count": len(x)}, x, CALL_TIMEOUT)
                values = np.frombuffer(data, dtype="<f8")
                if len(values) != len(x) * (1 + 3 * n):
                    self._close()
                    raise self._error("its answer has the wrong length")
                energy[start : start + step] = values[: len(x)]
                forces[start : start + step] = values[len(x) :].reshape(x.shape)
        return energy, forces

    def _start(self) -> dict[str, Any]:
        # -P: a module in the folder of the script must not be taken for one of the library
        self._process = subprocess.Popen(
            [sys.executable, "-P", _openbabel_child.__file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._end = weakref.finalize(self, _stop, self._process)
        return self._ask(self._setup, self._first, START_TIMEOUT)[0]

    def _ask(
        self, message: dict[str, Any], numbers: np.ndarray, timeout: float
    ) -> tuple[dict[str, Any], bytes]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def kill() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, kill)
        timer.daemon = True
        timer.start()
        try:
            send(process.stdin, message, numbers.tobytes())
            answer, data = receive(process.stdout)
        except (OSError, EOFError, ValueError) as error:
            self._close()
            how = f"it did not answer within {timeout:g} s" if late.is_set() else "it ended"
            raise self._error(f"{how} (exit code {process.returncode})") from error
        finally:
            timer.cancel()
        if "error" in answer:
            self._close()
            raise self._error(str(answer["error"]))
        return answer, data

    def _close(self) -> None:
        if self._process is not None:
            self._process = None
            self._end()

    def _error(self, cause: str) -> ForceFieldError:
        return ForceFieldError(f"{self._label} by Open Babel, in a process of its own: {cause}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the child, whatever it is doing."""
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:  # what was still to be flushed has no reader
                continue
    process.wait()
