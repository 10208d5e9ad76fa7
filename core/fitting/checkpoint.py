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
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.wire import wire

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


class Checkpoint:
    """The file `checkpoint-NAME.npz` in the folder of the job; does nothing where there is none."""

    def __init__(self, context: Context, name: str, *, about: str) -> None:
        folder = getattr(context, "folder", "")
        self.path = Path(folder) / f"checkpoint-{name}.npz" if folder else None
        self.about = about
        self._saved = time.monotonic()

    def load(self) -> dict[str, np.ndarray] | None:
        """The arrays of the last save, or None. Shapes are the caller's to check."""
        from core import storage

        if self.path is None or not self.path.is_file():
            return None
        try:
            found = storage.load(self.path, SavedState)
        except (OSError, storage.StorageError):
            return None  # a damaged state is no reason to fail: the fit starts afresh
        return dict(found.arrays) if found.about == self.about else None

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
