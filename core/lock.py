"""One writer per folder: a lock file that a dead process cannot keep."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
from pathlib import Path
from typing import Any

NAME = "lock.json"
MAX_BYTES = 4096


class LockedError(Exception):
    """Another living process holds the lock; the message says which."""


class FolderLock:
    """`take` makes <folder>/lock.json; `release` removes it.

    It holds host, process id and start time, and the folder's inode: a lock whose process is gone,
    or that came along with a copied folder, is taken over. Taking it twice in one process is
    allowed; only the first taker (`mine`) removes it.
    """

    def __init__(self, path: Path, token: str, *, mine: bool) -> None:
        self._path = path
        self._token = token
        self.mine = mine

    @classmethod
    def take(cls, folder: Path) -> FolderLock:
        """Raises LockedError; OSError where the folder cannot be written."""
        path = folder / NAME
        me = {**_me(), "folder": folder.stat().st_ino, "token": secrets.token_hex(8)}
        for _ in range(20):
            if _create(path, me):
                return cls(path, me["token"], mine=True)
            other = _read(path)
            if other is None:  # released in between
                continue
            if _same_process(other, me) and other.get("folder") == me["folder"]:
                return cls(path, str(other.get("token")), mine=False)
            if other.get("folder") == me["folder"] and _alive(other, me):
                raise LockedError(
                    f"process {other.get('pid')} on {other.get('host')} has it; close it there, or "
                    f"delete {path} if that process is not PEScape"
                )
            _set_aside(path, other)
        raise LockedError("others take it faster than we can; try again")

    def release(self) -> None:
        """Remove the lock if it is ours still."""
        if not self.mine:
            return
        other = _read(self._path)
        if other is not None and other.get("token") == self._token:
            with contextlib.suppress(OSError):
                self._path.unlink()


def _me() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}


def _started(pid: int) -> float:
    """When a process started (s since the epoch), or 0 where there is none."""
    import psutil

    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except (psutil.Error, OSError, ValueError, OverflowError):
        return 0.0


def _same_process(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return all(a.get(k) == b.get(k) for k in ("host", "pid")) and _near(a.get("started"), b)


def _near(started: Any, other: dict[str, Any]) -> bool:
    # the clock tick that create_time is derived from can differ by a little between readings
    return isinstance(started, int | float) and abs(started - other["started"]) < 2.0


def _alive(other: dict[str, Any], me: dict[str, Any]) -> bool:
    if other.get("host") != me["host"]:
        return "host" in other  # cannot look there: believe it. A damaged lock holds nobody
    pid = other.get("pid")
    if type(pid) is not int or pid <= 0:
        return False
    started = _started(pid)
    return started > 0 and _near(other.get("started"), {"started": started})


def _create(path: Path, content: dict[str, Any]) -> bool:
    """Make the lock with its content in one step, so that nobody ever reads an empty one."""
    aside = path.with_name(f".{path.name}.tmp-{content['token']}")
    try:
        aside.write_text(json.dumps(content))
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            try:
                with open(path, "x") as stream:
                    stream.write(json.dumps(content))
            except FileExistsError:
                return False
        return True
    finally:
        aside.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as stream:
            value = json.loads(stream.read(MAX_BYTES))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _set_aside(path: Path, stale: dict[str, Any]) -> None:
    """Remove a stale lock, but put it back if it turned out to be a fresh one."""
    aside = path.with_name(f".{path.name}.tmp-stale-{secrets.token_hex(4)}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return
    if _read(aside) != stale:
        with contextlib.suppress(OSError):
            os.link(aside, path)
    with contextlib.suppress(OSError):
        aside.unlink()
