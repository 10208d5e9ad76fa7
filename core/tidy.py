"""What interrupted writes leave in a project, and taking it out."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from core import storage
from core.items import CARD, KINDS, entries

NEW = ".new-"  # how folders of items begin that are still being made


def tidy(root: Path) -> None:
    """Delete what an interrupted write left behind; only while holding the project's lock."""
    for kind in KINDS:
        parent = root / kind
        with contextlib.suppress(OSError):
            parent.mkdir(exist_ok=True)  # a copy tool may have dropped empty folders
        for entry in entries(parent):
            if entry.name.startswith(NEW):
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.is_dir():
                _clean(entry)
                if _hollow(entry):
                    shutil.rmtree(entry, ignore_errors=True)
    _clean(root)


def _clean(folder: Path) -> None:
    for entry in entries(folder):
        if storage.is_leftover(entry.name) and not entry.is_dir():
            with contextlib.suppress(OSError):
                entry.unlink()


def _hollow(folder: Path) -> bool:
    """What a power cut may leave of an item that was not durable yet: empty files, nothing else."""
    found = entries(folder)
    try:
        return bool(found) and all(
            e.name in (CARD, "job.npz") and e.is_file() and e.stat().st_size == 0 for e in found
        )
    except OSError:
        return False
