"""A project on disk: a folder of items, every change durable at once.

<root>/project.json says what it is; <root>/<kind>/<id>/ holds one item: item.json (name, created,
kind), record.npz (the saved record, once there is one), job.npz (the spec of the job that makes
it) and whatever its job writes besides. Removed items lie in <root>/trash until restored.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import storage
from core.lock import FolderLock, LockedError
from core.storage import StorageError

FORMAT = "pescape-project"
VERSION = 1
KINDS = ("molecules", "datasets", "fits", "surfaces", "runs", "errors")
TRASH = "trash"
FILE = storage.PROJECT_FILE
MAX_NAME = 200
_NEW = ".new-"


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
        return self.folder / "record.npz"

    @property
    def finished(self) -> bool:
        """True once its record is there."""
        return self.record.is_file()


class Project:
    """An open project. Use `create` or `open`; `close` lets others open it."""

    def __init__(self, root: Path, head: dict[str, Any], lock: FolderLock | None) -> None:
        self.root = root
        self._head = head
        self._lock = lock
        self._seen: dict[Path, tuple[tuple[int, int], str]] = {}

    # -- open and close -------------------------------------------------------------------------
    @classmethod
    def create(cls, path: str | Path, name: str = "") -> Project:
        """Make a new project in an empty or not yet existing folder.

        Raises ProjectError when there is something else in the folder, or it cannot be written.
        """
        root = Path(os.path.abspath(path))
        name = _checked_name(name or root.name)
        try:
            root.mkdir(parents=True, exist_ok=True)
            if any(not storage.is_leftover(entry.name) for entry in root.iterdir()):
                raise ProjectError(f"{root} is not empty: choose a new folder for the project")
            for kind in (*KINDS, TRASH):
                (root / kind).mkdir()
            head = {"format": FORMAT, "version": VERSION, "name": name, "settings": {}}
            storage.write_json(root / FILE, {**head, "created": time.time()})
            storage.sync_folder(root.parent)
        except (OSError, StorageError) as error:
            raise ProjectError(f"the project could not be made in {root}: {error}") from error
        return cls.open(root)

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False) -> Project:
        """Open the project in the folder `path` (its project.json is accepted too).

        Raises ProjectError when it is no project, is damaged or was written by a newer PEScape;
        ProjectLocked when another process has it open for writing.
        """
        root = Path(os.path.abspath(path))
        if root.name == FILE:
            root = root.parent
        head = _read_head(root)
        if read_only:
            return cls(root, head, None)
        try:
            lock = FolderLock.take(root)
        except LockedError as error:
            raise ProjectLocked(f"the project {root} is open already: {error}") from error
        except OSError as error:
            reason = error.strerror or error
            raise ProjectError(f"the project {root} cannot be written to: {reason}") from error
        project = cls(root, head, lock)
        if lock.mine:
            project._tidy()
        return project

    def close(self) -> None:
        """Let others open it. Nothing needs saving: every change is on disk already."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def read_only(self) -> bool:
        """True when nothing can be changed (opened so, or closed)."""
        return self._lock is None

    # -- name and settings ----------------------------------------------------------------------
    @property
    def name(self) -> str:
        """What a person calls it."""
        return str(self._head["name"])

    def set_name(self, name: str) -> None:
        """Rename the project (its folder stays)."""
        self._write_head(name=_checked_name(name))

    @property
    def settings(self) -> dict[str, Any]:
        """A copy of the settings; change them with `set`."""
        return json.loads(json.dumps(self._head["settings"]))

    def set(self, key: str, value: Any) -> None:
        """Keep a setting (anything JSON can hold). None removes it."""
        settings = dict(_read_head(self.root)["settings"])
        if value is None:
            settings.pop(key, None)
        else:
            try:
                settings[key] = json.loads(json.dumps(value))
            except (TypeError, ValueError) as error:
                raise ProjectError(f"the setting {key!r} cannot be stored: {error}") from error
        self._write_head(settings=settings)

    def _write_head(self, **changes: Any) -> None:
        self._writable()
        head = {**_read_head(self.root), **changes}
        _checked(storage.write_json, self.root / FILE, head)
        self._head = head

    # -- items ----------------------------------------------------------------------------------
    def items(self, kind: str = "") -> tuple[Item, ...]:
        """All items of a kind (or of all kinds), oldest first, damaged ones included."""
        kinds = (_checked_kind(kind),) if kind else KINDS
        found = []
        for each in kinds:
            for folder in _folders(self.root / each):
                found.append(self._read_item(folder, each))
        return tuple(sorted(found, key=lambda item: (item.created, item.id)))

    def item(self, id: str) -> Item:
        """One item. Raises ProjectError when there is none of that id."""
        if _is_id(id):
            for kind in KINDS:
                folder = self.root / kind / id
                if folder.is_dir():
                    return self._read_item(folder, kind)
        raise ProjectError(f"there is no item {id!r} in the project {self.name}")

    def add(self, kind: str, name: str, record: Any) -> Item:
        """Store a record as a new item."""
        return self._make(kind, name, record)

    def reserve(self, kind: str, name: str) -> Item:
        """An item whose record a job will write: give the job `str(item.folder)` as `out`."""
        return self._make(kind, name, None)

    def load(self, item: Item | str) -> Any:
        """The record of an item. Raises ProjectError: not finished, or damaged."""
        item = self.item(item) if isinstance(item, str) else item
        if not item.finished:
            raise ProjectError(f"{item.name} has no result yet")
        _know_records()
        try:
            return storage.load(item.record)
        except StorageError as error:
            raise ProjectError(f"{item.name} cannot be read: {error}") from error

    def save(self, item: Item | str, record: Any) -> None:
        """Write or replace the record of an item."""
        self._writable()
        item = self.item(item) if isinstance(item, str) else item
        _checked(storage.save, item.record, record)

    def rename(self, id: str, name: str) -> Item:
        """Give an item another name."""
        self._writable()
        item = self.item(id)
        name = _checked_name(name)
        card = _card(item.kind, name, item.created)
        _checked(storage.write_json, item.folder / "item.json", card)
        return self.item(id)

    def remove(self, id: str) -> None:
        """Move an item to the trash; `restore` brings it back."""
        self._writable()
        item = self.item(id)
        self._move(item.folder, self.root / TRASH / item.kind / id)

    def restore(self, id: str) -> Item:
        """Bring a removed item back. Raises ProjectError when it is not in the trash."""
        self._writable()
        for kind in KINDS:
            folder = self.root / TRASH / kind / id
            if _is_id(id) and folder.is_dir():
                self._move(folder, self.root / kind / id)
                return self.item(id)
        raise ProjectError(f"there is no item {id!r} in the trash")

    def trash(self) -> tuple[Item, ...]:
        """The removed items."""
        return tuple(
            self._read_item(folder, kind)
            for kind in KINDS
            for folder in _folders(self.root / TRASH / kind)
        )

    def empty_trash(self) -> None:
        """Delete the removed items for good."""
        self._writable()
        for item in self.trash():
            shutil.rmtree(item.folder, ignore_errors=True)

    # -- jobs -----------------------------------------------------------------------------------
    def note_job(self, id: str, spec: Any) -> None:
        """Remember the spec of the job that makes an item, so that it can be run again."""
        self._writable()
        _checked(storage.save, self.item(id).folder / "job.npz", spec)

    def job(self, id: str) -> Any:
        """The spec that made (or is to make) an item, its paths as they are here; None = unknown."""
        path = self.item(id).folder / "job.npz"
        _know_records()
        return _checked(storage.load, path) if path.is_file() else None

    def unfinished(self) -> list[tuple[Item, Any]]:
        """Items whose job did not come to its end, with the spec to start it again.

        The spec is None where it is damaged or was never noted.
        """
        rows = []
        for item in self.items():
            if item.finished:
                continue
            try:
                spec = self.job(item.id)
            except ProjectError:
                spec = None
            rows.append((item, spec))
        return rows

    # -- inside ---------------------------------------------------------------------------------
    def _writable(self) -> None:
        if self._lock is None:
            raise ProjectError(f"the project {self.root} is open for reading only")

    def _make(self, kind: str, name: str, record: Any) -> Item:
        """Build the folder aside and rename it into place: all of the item appears, or nothing."""
        self._writable()
        kind, name = _checked_kind(kind), _checked_name(name)
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].strip("-") or kind
        id = f"{stem}-{secrets.token_hex(4)}"
        parent = self.root / kind
        aside, folder = parent / (_NEW + id), parent / id
        try:
            parent.mkdir(exist_ok=True)
            aside.mkdir()
            created = time.time()
            storage.write_json(aside / "item.json", _card(kind, name, created))
            if record is not None:
                storage.save(aside / "record.npz", record)
            os.rename(aside, folder)
            storage.sync_folder(parent)
        except (OSError, StorageError) as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise ProjectError(f"{name} could not be added to the project: {error}") from error
        return Item(id, kind, name, created, folder)

    def _move(self, source: Path, target: Path) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(source, target)
            storage.sync_folder(target.parent)
            storage.sync_folder(source.parent)
        except OSError as error:
            raise ProjectError(f"{source} could not be moved: {error.strerror}") from error

    def _read_item(self, folder: Path, kind: str) -> Item:
        path = folder / "item.json"
        if not path.exists():
            return self._adopt(folder, kind)
        try:
            card = storage.read_json(path)
            if not isinstance(card, dict) or not isinstance(card.get("name"), str):
                raise StorageError(f"{path} is damaged: it has no name")
            created = card.get("created")
            if isinstance(created, bool) or not isinstance(created, int | float):
                raise StorageError(f"{path} is damaged: it has no date")
            problem = self._record_problem(folder / "record.npz")
            return Item(folder.name, kind, card["name"], float(created), folder, problem)
        except StorageError as error:
            return _damaged(folder, kind, str(error))

    def _record_problem(self, path: Path) -> str:
        """Why a record cannot be read as far as its head tells; looked at once per version."""
        try:
            stat = path.stat()
        except OSError:
            return ""
        version = (stat.st_mtime_ns, stat.st_size)
        if self._seen.get(path, ((0, 0), ""))[0] != version:
            try:
                storage.peek(path)
                self._seen[path] = (version, "")
            except StorageError as error:
                self._seen[path] = (version, str(error))
        return self._seen[path][1]

    def _adopt(self, folder: Path, kind: str) -> Item:
        """An item a job wrote beside its own (a second data set of one file) has no card yet."""
        record = folder / "record.npz"
        if not record.is_file():
            return _damaged(folder, kind, f"{folder} has no item.json")
        try:
            tree = storage.peek(record)
            name = next((tree[k] for k in ("name", "label") if tree.get(k)), folder.name)
            name = _checked_name(str(name)[:MAX_NAME])
            created = record.stat().st_mtime
            if not self.read_only:
                storage.write_json(folder / "item.json", _card(kind, name, created))
            return Item(folder.name, kind, name, created, folder)
        except (OSError, ValueError) as error:
            return _damaged(folder, kind, str(error))

    def _tidy(self) -> None:
        """Delete what an interrupted write left behind; called only while holding the lock."""
        for kind in KINDS:
            parent = self.root / kind
            with contextlib.suppress(OSError):
                parent.mkdir(exist_ok=True)  # a copy tool may have dropped empty folders
            for entry in _entries(parent):
                if entry.name.startswith(_NEW):
                    shutil.rmtree(entry, ignore_errors=True)
                elif entry.is_dir():
                    _clean(entry)
        _clean(self.root)


def _know_records() -> None:
    """Let storage know every class a project may hold, whoever opens it."""
    from core import analyses

    importlib.import_module("core.dataset")
    analyses.discover()


def _clean(folder: Path) -> None:
    for entry in _entries(folder):
        if storage.is_leftover(entry.name) and not entry.is_dir():
            with contextlib.suppress(OSError):
                entry.unlink()


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    return [e for e in _entries(folder) if _is_id(e.name) and e.is_dir()]


def _is_id(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}", text))


def _card(kind: str, name: str, created: float) -> dict[str, Any]:
    return {"kind": kind, "name": name, "created": created}


def _damaged(folder: Path, kind: str, problem: str) -> Item:
    return Item(folder.name, kind, folder.name, 0.0, folder, problem)


def _checked_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ProjectError(f"unknown kind {kind!r}: it is one of {', '.join(KINDS)}")
    return kind


def _checked_name(name: str) -> str:
    name = " ".join(str(name).split())
    if not name:
        raise ProjectError("a name is needed")
    if len(name) > MAX_NAME:
        raise ProjectError(f"the name is longer than {MAX_NAME} characters")
    return name


def _checked(function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except StorageError as error:
        raise ProjectError(str(error)) from error


def _read_head(root: Path) -> dict[str, Any]:
    """project.json, checked. Raises ProjectError."""
    path = root / FILE
    if not path.is_file():
        raise ProjectError(f"{root} is not a PEScape project: it has no {FILE}")
    head = _checked(storage.read_json, path)
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
