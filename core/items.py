"""The items of a project as they lie on disk: what an item is, and reading its folder."""

from __future__ import annotations

import dataclasses
import os
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


Version = tuple[int, int, int]  # inode, time in ns, size: of a file that is only ever replaced


def version_of(path: str) -> Version | None:
    """Which version of a file is there; None: none."""
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


class ItemReader:
    """Reads items from their folders; what is damaged becomes an item that says so.

    An item whose files are as they were is not read again: panels ask for all of them all the time.
    adopt: give items that a job wrote beside its own a card (an open, writable project).
    """

    def __init__(self, *, adopt: bool) -> None:
        self._adopt = adopt
        self._seen: dict[str, tuple[Version | None, Version | None, Item]] = {}
        self._names: dict[str, str] = {}  # of items whose card is being written, by folder

    def read_all(self, parent: Path, kind: str) -> list[Item]:
        """All items in a folder; none where it cannot be read."""
        try:
            with os.scandir(parent) as found:
                names = [e.name for e in found if e.is_dir()]
        except OSError:
            return []
        known = self._seen
        good = (n for n in names if f"{parent}{os.sep}{n}" in known or is_id(n))
        return [self.read(parent, name, kind) for name in good]

    def call(self, folder: Path, name: str) -> None:
        """An item has this name from now on, whatever its card still says."""
        self._names[str(folder)] = name

    def forget(self, folder: Path, name: str) -> None:
        """The card says `name` now (unless the item got another one meanwhile)."""
        if self._names.get(str(folder)) == name:
            self._names.pop(str(folder), None)

    def read(self, parent: Path, id: str, kind: str) -> Item:
        """The item in the folder `id`. Never raises for what is in there."""
        place = f"{parent}{os.sep}{id}"
        try:
            card_now = version_of(f"{place}{os.sep}{CARD}")
            record_now = version_of(f"{place}{os.sep}{storage.RECORD}")
        except OSError as error:
            return Item(id, kind, id, 0.0, parent / id, str(error))
        seen = self._seen.get(place)
        if seen is None or card_now is None or seen[:2] != (card_now, record_now):
            item = self._read(parent / id, kind, has_card=card_now is not None)
            seen = self._seen[place] = (card_now, record_now, item)
        name = self._names.get(place)
        return seen[2] if name is None else dataclasses.replace(seen[2], name=name)

    def _read(self, folder: Path, kind: str, *, has_card: bool) -> Item:
        try:
            if not has_card:
                return self._without_card(folder, kind)
            name, created = _read_card(folder / CARD)
            return Item(folder.name, kind, name, created, folder, _problem(folder / storage.RECORD))
        except (OSError, ValueError, OverflowError) as error:
            return Item(folder.name, kind, folder.name, 0.0, folder, str(error))

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


def _problem(record: Path) -> str:
    """Why a record cannot be read as far as its head tells; "" also where there is none."""
    if not record.is_file():
        return ""
    try:
        storage.peek(record)
    except StorageError as error:
        return str(error)
    return ""


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
