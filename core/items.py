"""The items of a project as they lie on disk: what an item is, and reading its folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import storage
from core.storage import StorageError

FORMAT = "pescape-project"
VERSION = 1
KINDS = ("molecules", "datasets", "fits", "surfaces", "runs", "errors", "studies")
FILE = storage.PROJECT_FILE
CARD = "item.json"
#: what a run, fit or study leaves in its folder while it is under way: the same job started again
#: goes on from there
UNDER_WAY = ("checkpoint.npz", "checkpoint-*.npz", "partial.npz")
MAX_NAME = 200


class ProjectError(ValueError):
    """A project or one of its items cannot be opened or changed; the message says which and why."""


class ProjectLocked(ProjectError):
    """Somebody else has the project open for writing."""


@dataclass(frozen=True)
class Item:
    """One thing in a project. created: s since the epoch. problem: why it is damaged, or ""."""

    id: str
    kind: str
    name: str
    created: float
    folder: Path
    problem: str = ""

    @property
    def record(self) -> Path:
        """Where its record is, or will be."""
        return self.folder / storage.RECORD

    @property
    def finished(self) -> bool:
        """True once its record is there."""
        return self.record.is_file()

    @property
    def under_way(self) -> bool:
        """True where a job that did not end left something to go on from."""
        return any(any(self.folder.glob(name)) for name in UNDER_WAY)


class ItemReader:
    """Reads items from their folders; what is damaged becomes an item that says so.

    adopt: give items that a job wrote beside its own a card (an open, writable project).
    """

    def __init__(self, *, adopt: bool) -> None:
        self._adopt = adopt
        self._seen: dict[Path, tuple[tuple[int, int], str]] = {}
        self._cards: dict[Path, tuple[tuple[int, int, int], str, float]] = {}

    def read(self, folder: Path, kind: str) -> Item:
        """The item in a folder. Never raises for what is in there."""
        path = folder / CARD
        try:
            try:
                stat = path.stat()
            except FileNotFoundError:
                return self._without_card(folder, kind)
            # a card is replaced, never written over: another one has another inode or time
            version = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            known = self._cards.get(path)
            if known is None or known[0] != version:
                known = self._cards[path] = (version, *_read_card(path))
            problem = self._record_problem(folder / storage.RECORD)
            return Item(folder.name, kind, known[1], known[2], folder, problem)
        except (OSError, ValueError, OverflowError) as error:
            return Item(folder.name, kind, folder.name, 0.0, folder, str(error))

    def _record_problem(self, path: Path) -> str:
        """Why a record cannot be read as far as its head tells; looked at once per version."""
        try:
            stat = path.stat()
        except OSError:
            return ""
        version = (stat.st_mtime_ns, stat.st_size)
        if self._seen.get(path, ((0, 0), ""))[0] != version:
            problem = ""
            try:
                storage.peek(path)
            except StorageError as error:
                problem = str(error)
            self._seen[path] = (version, problem)
        return self._seen[path][1]

    def _without_card(self, folder: Path, kind: str) -> Item:
        """The second data set of one file, say: its job knows records, not cards."""
        record = folder / storage.RECORD
        if not record.is_file():
            raise StorageError(f"{folder} has no {CARD}")
        tree = storage.peek(record)
        name = next((tree[k] for k in ("name", "label") if tree.get(k)), folder.name)
        name = checked_name(str(name)[:MAX_NAME])
        created = record.stat().st_mtime
        if self._adopt:
            storage.write_json(folder / CARD, card(kind, name, created))
        return Item(folder.name, kind, name, created, folder)


def _read_card(path: Path) -> tuple[str, float]:
    """Name and date (s since the epoch) in an item.json. Raises StorageError."""
    about = storage.read_json(path)
    if not isinstance(about, dict) or not isinstance(about.get("name"), str):
        raise StorageError(f"{path} is damaged: it has no name")
    created = about.get("created")
    if isinstance(created, bool) or not isinstance(created, int | float):
        raise StorageError(f"{path} is damaged: it has no date")
    return about["name"], float(created)


def entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def folders(folder: Path) -> list[Path]:
    """The item folders in a folder."""
    return [e for e in entries(folder) if is_id(e.name) and e.is_dir()]


def is_id(text: str) -> bool:
    """True for what can be the id of an item: a plain file name."""
    return bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}", text))


def card(kind: str, name: str, created: float) -> dict[str, Any]:
    """What item.json holds."""
    return {"kind": kind, "name": name, "created": created}


def checked_kind(kind: str) -> str:
    """The kind. Raises ProjectError when there is no such kind."""
    if kind not in KINDS:
        raise ProjectError(f"unknown kind {kind!r}: it is one of {', '.join(KINDS)}")
    return kind


def checked_name(name: str) -> str:
    """The name without odd spaces. Raises ProjectError when it is empty or too long."""
    name = " ".join(str(name).split())
    if not name:
        raise ProjectError("a name is needed")
    if len(name) > MAX_NAME:
        raise ProjectError(f"the name is longer than {MAX_NAME} characters")
    return name


def checked(function: Any, *arguments: Any) -> Any:
    """function(*arguments), its StorageError as a ProjectError."""
    try:
        return function(*arguments)
    except StorageError as error:
        raise ProjectError(str(error)) from error


def read_head(root: Path) -> dict[str, Any]:
    """project.json, checked. Raises ProjectError."""
    path = root / FILE
    if not path.is_file():
        raise ProjectError(f"{root} is not a PEScape project: it has no {FILE}")
    head = checked(storage.read_json, path)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ProjectError(f"{path} is damaged or does not belong to PEScape")
    version = head.get("version")
    if type(version) is not int or version < 1:
        raise ProjectError(f"{path} is damaged: it has no version")
    if version > VERSION:
        raise ProjectError(
            f"the project {root} was written by a newer PEScape (project version {version}, this "
            f"one reads up to {VERSION}): update PEScape to open it"
        )
    if not isinstance(head.get("name"), str) or not isinstance(head.get("settings"), dict):
        raise ProjectError(f"{path} is damaged: its name or settings are missing")
    return head
