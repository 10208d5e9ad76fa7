"""A project on disk: a folder of items, every change durable at once (or soon: `write_behind`).

<root>/project.json says what it is; <root>/<kind>/<id>/ holds one item: item.json (name, created,
kind), record.npz (the saved record, once there is one), job.npz (the spec of the job that makes
it) and whatever its job writes besides. Removed items lie in <root>/trash until restored.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core import storage
from core.behind import Behind
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
    Version,
    card,
    checked,
    checked_kind,
    checked_name,
    is_id,
    read_head,
    version_of,
)
from core.lock import FolderLock, LockedError
from core.storage import StorageError
from core.tidy import NEW, tidy

__all__ = ["FILE", "KINDS", "Item", "Project", "ProjectError", "ProjectLocked"]

TRASH = "trash"


class Project:
    """An open project. Use `create` or `open`; `close` lets others open it."""

    def __init__(self, root: Path, head: dict[str, Any], lock: FolderLock | None) -> None:
        self.root = root
        self._head = head
        self._lock = lock
        self._reader = ItemReader(adopt=lock is not None)
        self._behind: Behind | None = None
        self._jobs: dict[Path, tuple[Version, Any]] = {}

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
            tidy(root)
        return project

    def write_behind(self, told: Callable[[str], None]) -> None:
        """From now on let a thread wait for the disk; who changes something goes on at once.

        All changes are seen at once (a setting or a new name by this object, the rest by
        everybody) and outlive a killed program, but for names and settings of the last moment.
        They outlive a power cut once `when_safe` says so. told: called in that thread with what
        could not be written.
        """
        self._writable()
        self._behind = Behind(told)

    def when_safe(self, id: str, call: Callable[[str], None]) -> None:
        """Call `call("")` once what was changed in an item is durable, or with what went wrong.

        Called in the writing thread, or at once where there is none.
        """
        if self._behind is None:
            call("")
        else:
            self._behind.when_done(self.item(id).folder, call)

    def do(self, id: str, work: Callable[[], object]) -> None:
        """Let `work` change files in an item's folder: in the writing thread where there is one."""
        if self._behind is None:
            work()
        else:
            self._behind.ask(self.item(id).folder, work)

    def settle(self) -> None:
        """Wait until all that was changed is on the disk."""
        if self._behind is not None:
            self._behind.settle()

    def close(self) -> None:
        """Let others open it. Nothing needs saving; waits for what is being written."""
        self.settle()
        self._behind = None
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
        settings = dict(self._newest_head()["settings"])
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
        head = {**self._newest_head(), **changes}
        if self._behind is None:
            checked(storage.write_json, self.root / FILE, head)
        else:
            self._behind.ask(self.root, lambda: storage.write_json(self.root / FILE, head))
        self._head = head

    def _newest_head(self) -> dict[str, Any]:
        return self._head if self._behind is not None else read_head(self.root)

    # -- items ----------------------------------------------------------------------------------
    def items(self, kind: str = "") -> tuple[Item, ...]:
        """All items of a kind (or of all kinds), oldest first, damaged ones included."""
        kinds = (checked_kind(kind),) if kind else KINDS
        found: list[Item] = []
        for each in kinds:
            found += self._reader.read_all(self.root / each, each)
        return tuple(sorted(found, key=lambda item: (item.created, item.id)))

    def item(self, id: str) -> Item:
        """One item. Raises ProjectError when there is none of that id."""
        if is_id(id):
            for kind in KINDS:
                if os.path.isdir(f"{self.root}{os.sep}{kind}{os.sep}{id}"):
                    return self._reader.read(self.root / kind, id, kind)
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
        path, about = item.folder / CARD, card(item.kind, name, item.created)
        if self._behind is None:
            checked(storage.write_json, path, about)
            return self.item(id)
        # the old card must not go before the new one is durable: until then it is known here
        self._reader.call(item.folder, name)

        def write() -> None:
            try:
                storage.write_json(path, about)
            finally:
                self._reader.forget(item.folder, name)

        self._behind.ask(item.folder, write)
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
        read = self._reader.read_all
        found = [i for kind in KINDS for i in read(self.root / TRASH / kind, kind)]
        return tuple(sorted(found, key=lambda item: item.folder))

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
        path, behind = self.item(id).folder / "job.npz", self._behind
        if behind is None:
            checked(storage.save, path, spec)
        elif path.exists():  # what is there must not go before the new one is durable
            behind.ask(path.parent, lambda: storage.save(path, spec))
        else:
            checked(lambda: storage.save(path, spec, durable=False))
            behind.ask(path.parent, lambda: storage.sync_file(path))

    def job(self, id: str) -> Any:
        """The spec that made (or is to make) an item, with paths as they are here, or None."""
        path = self.item(id).folder / "job.npz"
        now = version_of(str(path))
        if now is None:
            return None
        # read once per version: lists ask for the specs of all fits again and again
        if self._jobs.get(path, (None, None))[0] != now:
            _know_records()
            self._jobs[path] = (now, checked(storage.load, path))
        return self._jobs[path][1]

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
        aside, folder = parent / (NEW + id), parent / id
        now = self._behind is None
        try:
            parent.mkdir(exist_ok=True)
            aside.mkdir()
            created = time.time()
            storage.write_json(aside / CARD, card(kind, name, created), durable=now)
            if record is not None:
                storage.save(aside / storage.RECORD, record, durable=now)
            os.rename(aside, folder)
            self._sync(parent, files=() if now else tuple(folder.iterdir()), of=folder)
        except (OSError, StorageError) as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise ProjectError(f"{name} could not be added to the project: {error}") from error
        return Item(id, kind, name, created, folder)

    def _move(self, source: Path, target: Path) -> None:
        if self._behind is not None:
            self._behind.settle(source)  # hardly ever anything: a new name of a moment ago
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(source, target)
            self._sync(target.parent, source.parent, of=target)
        except OSError as error:
            raise ProjectError(f"{source} could not be moved: {error.strerror}") from error

    def _sync(self, *folders: Path, of: Path, files: tuple[Path, ...] = ()) -> None:
        """Make files and the names in folders durable, now or behind; `of`: the item meant."""

        def work() -> None:
            for file in files:
                storage.sync_file(file)
            for each in folders:
                storage.sync_folder(each)

        work() if self._behind is None else self._behind.ask(of, work)


def _know_records() -> None:
    """Let storage know every class a project may hold, whoever opens it."""
    from core import analyses

    importlib.import_module("core.dataset")
    analyses.discover()
