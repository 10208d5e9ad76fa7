"""What an iterative fit has reached, kept so that a kill costs only the work since.

    kept = Checkpoint(context, "cg", about=mark)
    state = kept.load()          # None, or the arrays of the last save with the same mark
    ...
    kept.save({"alpha": alpha, "iteration": np.array([i])})
    kept.done()                  # the result is there: the checkpoint goes

`about` tells which question the state belongs to: settings, frames, a hash of the data. A state of
another question, or a damaged one, is not taken.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.wire import pack, wire

if TYPE_CHECKING:
    from core.engine.context import Context

EVERY = 2.0  #: s between two saves: that much work a kill may cost


@wire
@dataclass(frozen=True, eq=False)
class SavedState:
    """arrays of an iterative fit, and the question they belong to."""

    about: str
    arrays: dict[str, np.ndarray]


def mark(words: str, *arrays: np.ndarray) -> str:
    """Names a question by its settings in words and by the numbers it is about: for `about`."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"{words} {digest.hexdigest()}"


def fingerprint(*parts: Any) -> str:
    """sha256 of wire records and plain values, all of them in it: for `about`."""
    digest = hashlib.sha256()

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            digest.update(np.ascontiguousarray(value).tobytes())
            return [str(value.dtype), *value.shape]
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        return value

    tree = plain([pack(part) for part in parts])
    digest.update(json.dumps(tree, sort_keys=True).encode())
    return digest.hexdigest()


class Checkpoint:
    """The file `checkpoint-NAME.npz` in the folder of the job; does nothing where there is none.

    folder: another one than the job's. note: after `load`, why a state that is there was not taken.
    """

    def __init__(self, context: Context | None, name: str, *, about: str, folder: str = "") -> None:
        folder = folder or getattr(context, "folder", "")
        self.path = Path(folder) / f"checkpoint-{name}.npz" if folder else None
        self.about = about
        self.note = ""
        self._saved = time.monotonic()

    def load(self) -> dict[str, np.ndarray] | None:
        """The arrays of the last save, or None. Shapes are the caller's to check."""
        from core import storage

        if self.path is None or not self.path.is_file():
            return None
        try:
            found = storage.load(self.path, SavedState)
        except (OSError, storage.StorageError) as error:
            # a damaged state is no reason to fail: the fit starts afresh
            self.note = f"starting anew: {error}"
            return None
        if found.about != self.about:
            self.note = "starting anew: what was kept is of a job with other settings or data"
            return None
        return dict(found.arrays)

    def save(self, arrays: dict[str, np.ndarray], *, now: bool = False) -> None:
        """Keep `arrays` (atomically), at most every EVERY seconds unless `now`."""
        from core import storage

        if self.path is None or (not now and time.monotonic() - self._saved < EVERY):
            return
        storage.save(self.path, SavedState(self.about, arrays))
        self._saved = time.monotonic()

    def done(self) -> None:
        """The state is not needed any more."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
