"""Force fields out of the program: one file per target program, found by `discover`.

A target is a module with TARGET; the others here are what targets are made of. Nothing here needs
the target program installed: the files are written as text.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

from core.mm.export.subject import ExportError, Part, Subject, Target, Written, subject_of
from core.storage import replacing

if TYPE_CHECKING:
    from core.forcefields.base import ForceField

__all__ = ["ExportError", "Part", "Subject", "Target", "Written", "discover", "export", "target_of"]

MARK = "PEScape"  #: stands near the beginning of every file written here
LOOK = 4096  # bytes of an existing file that are searched for it


@functools.cache
def discover() -> dict[str, Target]:
    """key -> target, for every module of this package that defines TARGET."""
    found: dict[str, Target] = {}
    for module in pkgutil.iter_modules(__path__):
        target = getattr(importlib.import_module(f"{__name__}.{module.name}"), "TARGET", None)
        if target is not None:
            found[target.key] = target
    return found


def target_of(to: str, out: str | Path) -> Target:
    """The target of that key. Raises ExportError: no such target, not a suffix that it writes."""
    targets = discover()
    if to not in targets:
        raise ExportError(f"there is no target {to!r}; there are: {', '.join(sorted(targets))}")
    suffixes = targets[to].suffixes
    if Path(out).suffix.lower() not in suffixes:
        raise ExportError(f"{out}: for {to} the file must end in {' or '.join(suffixes)}")
    return targets[to]


def export(
    field: ForceField, to: str, out: str | Path, *, sources: tuple[Path, ...] = ()
) -> Written:
    """Write a force field for another program: `out` and the files that belong beside it.

    sources: files that must not be overwritten. Every file is written atomically, and none before
    all of them could be made. Raises ExportError: unknown target, suffix that the target does not
    have, field that the target cannot express, a file in the way that is not from here.
    """
    target, path = target_of(to, out), Path(out)
    parts = target.parts(subject_of(field), path.suffix.lower())
    files = [(path if i == 0 else path.with_suffix(p.suffix), p) for i, p in enumerate(parts)]
    kept = {s.resolve() for s in sources}
    for file, part in files:
        if file.resolve() in kept:
            raise ExportError(f"{file} is what is exported; choose another name")
        if part.text and file != path and file.exists() and not _ours(file):
            raise ExportError(
                f"{file} exists and was not written by {MARK}; choose another name than {path.name}"
            )
    for file, part in files:
        if part.text:
            _write(file, part.text)
    written = tuple(file for file, part in files if part.text)
    notes = [part.note for _, part in files if part.note]
    notes += [f"{f} is from before" for f, part in files if not part.text and f.exists()]
    return Written(written, tuple(part.what for _, part in files if part.text), tuple(notes))


def _ours(file: Path) -> bool:
    try:
        with open(file, "rb") as stream:
            return MARK.encode() in stream.read(LOOK)
    except OSError as error:
        raise ExportError(f"cannot look into {file}: {error.strerror or error}") from None


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as stream:
            stream.write(text.encode("utf-8"))
    except OSError as error:
        raise ExportError(f"cannot write {file}: {error.strerror or error}") from None
