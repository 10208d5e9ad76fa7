"""What a study that was killed had on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar


class Marked(Protocol):
    """A record that tells which job it is of."""

    @property
    def mark(self) -> str: ...


M = TypeVar("M", bound=Marked)


def resumed(partial: Path | None, kind: type[M], wanted: str) -> M | None:
    """The record in the file `partial`, None where there is none, half a one, or another job's."""
    from core import storage

    if partial is None or not partial.is_file():
        return None
    try:
        found = storage.load(partial, kind)
    except storage.StorageError:
        return None  # half a file is no result: what it stood for is made again
    return found if found.mark == wanted else None
