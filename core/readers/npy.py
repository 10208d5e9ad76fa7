"""Arrays from a stranger's .npz: sizes before bytes, no pickle, no evaluated header."""

from __future__ import annotations

import re
import sys
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.readers.errors import ReaderError, shown
from core.readers.limits import MAX_MEMBERS, MAX_RATIO, MAX_UNPACKED, open_file

MAX_HEADER = 4096
SMALL = 16 << 20  # bytes below which the ratio does not matter
_HEADER = re.compile(
    r"\{'descr': '(?P<descr>[<>|=]?[a-zA-Z]\d{0,9})', 'fortran_order': (?P<order>True|False), "
    r"'shape': \((?P<shape>[0-9, L]{0,200})\),? ?\}\s*"
)


class Npz:
    """An open .npz. Use as a context manager; `array(key)` reads one entry.

    Raises ReaderError for a broken archive, one that unpacks to more than MAX_UNPACKED bytes or
    by more than MAX_RATIO, and for entries that are pickles.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO = open_file(path)
        try:
            self._zip = zipfile.ZipFile(self._file)
            self._members = self._check()
        except ReaderError:
            self._file.close()
            raise
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
            self._file.close()
            raise ReaderError(path, f"is not a whole npz (zip) file: {shown(error)}") from None

    def __enter__(self) -> Npz:
        return self

    def __exit__(self, *exc: object) -> None:
        self._zip.close()
        self._file.close()

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the entries."""
        return tuple(self._members)

    def _check(self) -> dict[str, zipfile.ZipInfo]:
        members = self._zip.infolist()
        if len(members) > MAX_MEMBERS:
            raise ReaderError(self.path, f"holds {len(members)} entries; at most {MAX_MEMBERS}")
        total = 0
        found: dict[str, zipfile.ZipInfo] = {}
        for info in members:
            total += info.file_size
            if info.file_size > SMALL and info.file_size > MAX_RATIO * max(1, info.compress_size):
                raise ReaderError(
                    self.path,
                    f"entry {shown(info.filename)!r} would unpack {info.compress_size} bytes to "
                    f"{info.file_size}: refused as a zip bomb",
                )
            name = info.filename.removesuffix(".npy")
            if name in found:
                raise ReaderError(self.path, f"holds the entry {shown(name)!r} twice")
            found[name] = info
        if total > MAX_UNPACKED:
            raise ReaderError(
                self.path,
                f"would unpack to {total / 2**30:.1f} GiB; at most {MAX_UNPACKED / 2**30:.0f} GiB",
            )
        return found

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of an entry, without reading it."""
        with self._zip_open(key) as stream:
            return self._header(stream, key)[2]

    def array(self, key: str) -> np.ndarray:
        """The entry as an array (numbers or text). Raises ReaderError naming the entry."""
        info = self._members[key]
        with self._zip_open(key) as stream:
            dtype, fortran, shape, used = self._header(stream, key)
            count = 1
            for n in shape:
                count *= n
            size = count * dtype.itemsize
            if size != info.file_size - used:
                raise self._bad(
                    key, f"announces {size} bytes of numbers and has {info.file_size - used}"
                )
            try:
                data = stream.read(size + 1)
            except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
                raise self._bad(key, f"is damaged ({shown(error)})") from None
        if len(data) != size:
            raise self._bad(key, "is cut short")
        if dtype.kind == "U":
            points = np.frombuffer(data, dtype=np.dtype("u4").newbyteorder(dtype.byteorder))
            if points.max(initial=0) > sys.maxunicode:
                raise self._bad(key, "holds text that is none")
        flat = np.frombuffer(data, dtype=dtype)
        array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
        return array.astype(dtype.newbyteorder("="), copy=False)

    def text(self, key: str) -> str | None:
        """A text entry (numpy string or bytes, one value), or None."""
        try:
            array = self.array(key)
        except ReaderError:
            return None
        if array.size != 1 or array.dtype.kind not in "SU":
            return None
        try:
            value = array.reshape(-1)[0]
            return value.decode("utf-8") if isinstance(value, bytes) else str(value)
        except (UnicodeDecodeError, ValueError):
            return None

    def _bad(self, key: str, cause: str) -> ReaderError:
        return ReaderError(self.path, f"entry {shown(key)!r} {cause}")

    def _zip_open(self, key: str):
        try:
            return self._zip.open(self._members[key])
        except (
            zipfile.BadZipFile,
            RuntimeError,  # encrypted; NotImplementedError: compression not known
            OSError,
            EOFError,
            ValueError,
        ) as error:
            raise self._bad(key, f"cannot be unpacked ({shown(error)})") from None

    def _header(self, stream, key: str) -> tuple[np.dtype, bool, tuple[int, ...], int]:
        """(dtype, Fortran order, shape, bytes before the data)."""
        try:
            magic = stream.read(8)
            if len(magic) != 8 or magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
                raise self._bad(key, "is not a numpy array")
            wide = 2 if magic[6] == 1 else 4
            length = int.from_bytes(stream.read(wide), "little")
            if length > MAX_HEADER:
                raise self._bad(key, f"has a header of {length} bytes; at most {MAX_HEADER}")
            header = stream.read(length)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
            if isinstance(error, ReaderError):
                raise
            raise self._bad(key, f"is damaged ({shown(error)})") from None
        text = header.decode("latin-1")
        if "'descr': '|O'" in text or "'descr': 'O'" in text:
            raise self._bad(
                key,
                "is an object array, a Python pickle that could run code: refused. Save it again "
                "as a plain array of numbers or text",
            )
        match = _HEADER.fullmatch(text)
        if not match:
            raise self._bad(key, f"has a header that is not understood: {shown(text)!r}")
        try:
            dtype = np.dtype(match["descr"])
        except TypeError:
            raise self._bad(key, f"has the unknown type {match['descr']!r}") from None
        if dtype.kind not in "fiubSU" or dtype.itemsize == 0:
            raise self._bad(key, f"is of type {dtype}, not numbers or text")
        parts = [p.strip().rstrip("L") for p in match["shape"].split(",") if p.strip()]
        if len(parts) > 8 or not all(p.isdigit() and len(p) < 16 for p in parts):
            raise self._bad(key, f"has the shape ({shown(match['shape'])})")
        return dtype, match["order"] == "True", tuple(map(int, parts)), 8 + wide + length
