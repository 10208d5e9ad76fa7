"""Results too large for a frame: left in a file by the worker, fetched from there by the client."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from core import storage
from core.engine.codec import FrameTooLarge
from core.engine.errors import EngineError
from core.wire import TAG


def leave(spec: Any, result: Any, problem: FrameTooLarge) -> dict[str, Any]:
    """Payload of a `done` event that says in which file `result` is.

    That is the record the analysis saved in `spec.out`, or a file beside it that is there only
    until it has been fetched. Raises EngineError where the job has no folder.
    """
    out = getattr(spec, "out", "")
    if not out:
        raise EngineError(f"{problem}: name a folder for the result (out)") from problem
    path = Path(out, storage.RECORD).resolve()
    passing = not path.is_file() or storage.peek(path)[TAG] != type(result).__name__
    if passing:  # an import saves data sets there, its result tells about them
        path = path.with_name(f".result.npz.tmp-{os.getpid()}")
        storage.save(path, result)
    return {"record": str(path), "passing": passing}


def fetch(payload: dict[str, Any]) -> Any:
    """The result that `leave` left. Raises EngineError where it cannot be read."""
    path = str(payload.get("record", ""))
    try:
        return storage.load(path)
    except ValueError as error:
        raise EngineError(f"a result that cannot be read: {error}") from error
    finally:
        if payload.get("passing") is True and storage.is_leftover(os.path.basename(path)):
            with contextlib.suppress(OSError):
                os.unlink(path)
