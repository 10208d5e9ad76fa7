"""What a reader accepts at most, and how it opens a stranger's file."""

from __future__ import annotations

import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path

from core.readers.errors import ReaderError

MAX_FILE = 2 << 30  # bytes of an xyz or npz file
MAX_SMALL_FILE = 256 << 20  # bytes of a file that is read as a whole (SDF, ASE's formats)
MAX_LINE = 1 << 20  # bytes
MAX_FRAMES = 2_000_000
MAX_GROUPS = 1_000  # molecules (compositions and atom orders) in one file
MAX_UNPACKED = 2 << 30  # bytes of an npz once unpacked
MAX_RATIO = 200  # unpacked : packed; measured data stays below 20
MAX_MEMBERS = 1_000


def open_file(path: str | Path, *, most: int = MAX_FILE) -> BufferedReader:
    """Open a regular, non-empty file of at most `most` bytes for reading; never waits.

    Raises ReaderError for anything else (missing, folder, device, pipe, no permission, too large).
    """
    text = str(path)
    if "\0" in text:
        raise ReaderError(text, "the path holds a NUL character")
    try:
        # O_NONBLOCK: opening a named pipe must not wait for a writer.
        handle = os.open(text, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise ReaderError(text, "there is no such file") from None
    except PermissionError:
        raise ReaderError(text, "no permission to read it") from None
    except OSError as error:
        raise ReaderError(text, f"cannot be opened ({error.strerror or error})") from None
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise ReaderError(text, "is a folder, not a file")
        if not stat.S_ISREG(status.st_mode):
            raise ReaderError(text, "is not a regular file (a device, pipe or socket)")
        if status.st_size == 0:
            raise ReaderError(text, "is empty")
        if status.st_size > most:
            raise ReaderError(
                text,
                f"has {status.st_size / 2**20:.0f} MiB; at most {most / 2**20:.0f} MiB are read. "
                "Split it, or keep fewer frames",
            )
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_text(path: str | Path, *, most: int = MAX_SMALL_FILE) -> str:
    """The whole file as text. Raises ReaderError when it is not UTF-8 text."""
    with open_file(path, most=most) as file:
        data = file.read(most + 1)
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise ReaderError(path, "holds a NUL byte: this is not a text file", line=line)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ReaderError(path, "is not UTF-8 text", line=line) from None


def sha256(path: str | Path) -> str:
    """Hash of the file's bytes."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
