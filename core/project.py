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
from pathlib import Path
from typing import Any

from core import storage
from core.items import (
    CARD,
    FILE,
    FORMAT,
    KINDS,
    VERSION,
    Item,
    ItemReader,
    ProjectError,
    ProjectLocked,
    card,
    checked,
    checked_kind,
    checked_name,
    entries,
    folders,
    is_id,
    read_head,
)
from core.lock import FolderLock, LockedError
from core.storage import StorageError

__all__ = ["FILE", "KINDS", "Item", "Project", "ProjectError", "ProjectLocked"]

TRASH = "trash"
_NEW = ".new-"


class Project:
    """An open project. Use `create` or `open`; `close` lets others open it."""

    def __init__(self, root: Path, head: dict[str, Any], lock: FolderLock | None) -> None:
        self.root = root
        self._head = head
        self._lock = lock
        self._reader = ItemReader(adopt=lock is not None)

    # -- open and close -------------------------------------------------------------------------
    @classmethod
    def create(cls, path: str | Path, name: str = "") -> Project:
        """Make a new project in an empty or not yet existing folder.

        Raises ProjectError when there is something else in the folder, or it cannot be written.
        """
        root = Path(os.path.abspath(path))
        name = checked_name(name or root.name)
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
        head = read_head(root)
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
            self._reader = ItemReader(adopt=False)

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
        self._write_head(name=checked_name(name))

    @property
    def settings(self) -> dict[str, Any]:
        """A copy of the settings; change them with `set`."""
        return json.loads(json.dumps(self._head["settings"]))

    def set(self, key: str, value: Any) -> None:
        """Keep a setting (anything JSON can hold). None removes it."""
        settings = dict(read_head(self.root)["settings"])
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
        head = {**read_head(self.root), **changes}
        checked(storage.write_json, self.root / FILE, head)
        self._head = head

    # -- items ----------------------------------------------------------------------------------
    def items(self, kind: str = "") -> tuple[Item, ...]:
        """All items of a kind (or of all kinds), oldest first, damaged ones included."""
        kinds = (checked_kind(kind),) if kind else KINDS
        found = []
        for each in kinds:
            for folder in folders(self.root / each):
                found.append(self._reader.read(folder, each))
        return tuple(sorted(found, key=lambda item: (item.created, item.id)))

    def item(self, id: str) -> Item:
        """One item. Raises ProjectError when there is none of that id."""
        if is_id(id):
            for kind in KINDS:
                folder = self.root / kind / id
                if folder.is_dir():
                    return self._reader.read(folder, kind)
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
        checked(storage.save, item.record, record)

    def rename(self, id: str, name: str) -> Item:
        """Give an item another name."""
        self._writable()
        item = self.item(id)
        name = checked_name(name)
        checked(storage.write_json, item.folder / CARD, card(item.kind, name, item.created))
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
            if is_id(id) and folder.is_dir():
                self._move(folder, self.root / kind / id)
                return self.item(id)
        raise ProjectError(f"there is no item {id!r} in the trash")

    def trash(self) -> tuple[Item, ...]:
        """The removed items."""
        return tuple(
            self._reader.read(folder, kind)
            for kind in KINDS
            for folder in folders(self.root / TRASH / kind)
        )

    def empty_trash(self) -> None:
        """Delete the removed items for good. Raises ProjectError where one cannot be deleted."""
        self._writable()
        for item in self.trash():
            try:
                shutil.rmtree(item.folder)
            except OSError as error:
                reason = error.strerror or error
                raise ProjectError(f"{item.folder} could not be deleted: {reason}") from error

    # -- jobs -----------------------------------------------------------------------------------
    def note_job(self, id: str, spec: Any) -> None:
        """Remember the spec of the job that makes an item, so that it can be run again."""
        self._writable()
        checked(storage.save, self.item(id).folder / "job.npz", spec)

    def job(self, id: str) -> Any:
        """The spec that made (or is to make) an item, with paths as they are here, or None."""
        path = self.item(id).folder / "job.npz"
        _know_records()
        return checked(storage.load, path) if path.is_file() else None

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
        kind, name = checked_kind(kind), checked_name(name)
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].strip("-") or kind
        id = f"{stem}-{secrets.token_hex(4)}"
        parent = self.root / kind
        aside, folder = parent / (_NEW + id), parent / id
        try:
            parent.mkdir(exist_ok=True)
            aside.mkdir()
            created = time.time()
            storage.write_json(aside / CARD, card(kind, name, created))
            if record is not None:
                storage.save(aside / storage.RECORD, record)
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

    def _tidy(self) -> None:
        """Delete what an interrupted write left behind; called only while holding the lock."""
        for kind in KINDS:
            parent = self.root / kind
            with contextlib.suppress(OSError):
                parent.mkdir(exist_ok=True)  # a copy tool may have dropped empty folders
            for entry in entries(parent):
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
    for entry in entries(folder):
        if storage.is_leftover(entry.name) and not entry.is_dir():
            with contextlib.suppress(OSError):
                entry.unlink()
