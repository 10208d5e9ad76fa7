"""One record, one file: save and load `@wire` dataclasses as .npz, atomically and without pickle.

The file is a zip of `tree.json` (the packed record, arrays replaced by references) and one .npy
member per array, so plain numpy opens it too. Paths inside a record that point into the record's
own folder or its project are stored relative to those, so that a copy works where it lands.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import secrets
import struct
import threading
import tokenize
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from core.wire import DTYPES, TAG, WireError, pack, unpack

FORMAT = "pescape-record"
VERSION = 1
TREE = "tree.json"
ARRAY = "ndarray"  # value of TAG where an array stood; no wire class may have this name
MAX_MEMBERS = 20_000
MAX_TREE_BYTES = 64 * 2**20
MAX_BYTES = 16 * 2**30  # of all arrays of one record together
MAX_HEADER = 4096
PROJECT_FILE = "project.json"
RECORD = "record.npz"  # the result of a job, in the folder given to the job
#: numpy reads headers with ast.literal_eval, which fails (SystemError: AST constructor recursion
#: depth mismatch) when two threads are in it at once (CPython 3.11).
_HEADER = threading.Lock()
_ANCHOR = re.compile(r"\$+(HERE|PROJECT)/")


class StorageError(ValueError):
    """A file cannot be written or is not what it says it is; the message names it."""


# -- atomic files -------------------------------------------------------------------------------
def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable (no-op where folders cannot be opened, as on Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file and its name durable; nothing where it was moved away meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        with open(path, "r+b") as stream:  # Windows syncs only what may be written to
            os.fsync(stream.fileno())
        sync_folder(path.parent)


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """A file to write to that becomes `path` in one step when the block ends without an error.

    durable: it also outlives a power cut from then on; else `sync_file` is left to the caller.
    """
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as stream:
            yield stream
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def is_leftover(name: str) -> bool:
    """True for names that `replacing` gives to files which were never finished."""
    return name.startswith(".") and ".tmp-" in name


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write JSON atomically, see `replacing`. Raises StorageError where the disk refuses."""
    try:
        with replacing(path, durable=durable) as stream:
            stream.write(json.dumps(value, indent=1).encode("ascii") + b"\n")
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror or error}") from error


def read_json(path: Path, *, max_bytes: int = MAX_TREE_BYTES) -> Any:
    """Read JSON. Raises StorageError naming the file when it is missing, too large or damaged."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise StorageError(f"{path} could not be read: {error.strerror or error}") from error
    if len(data) > max_bytes:
        raise StorageError(f"{path} is larger than {max_bytes} bytes, it is not a PEScape file")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{path} is damaged: {error}") from error


# -- paths that travel --------------------------------------------------------------------------
def project_root(path: Path) -> Path | None:
    """The project that <root>/<kind>/<item>/<file> belongs to, or None outside of projects."""
    for parent in list(path.parents)[1:4]:  # [3]: a removed item lies one folder deeper
        if (parent / PROJECT_FILE).is_file():
            return parent
    return None


def _anchors(path: Path, *, real: bool = False) -> dict[str, str]:
    """Folder -> name it gets in a record, the narrowest first; real: links resolved as well."""
    anchors = {}
    for name, folder in (("HERE", path.parent), ("PROJECT", project_root(path))):
        if folder is not None:
            anchors[str(folder)] = name
            if real:
                anchors.setdefault(os.path.realpath(folder), name)
    return anchors


def _shorten(text: str, anchors: dict[str, str]) -> str:
    if _ANCHOR.match(text):
        return "$" + text  # a person's own text that only looks like one of ours
    for folder, name in anchors.items():
        if text.startswith(folder) and text[len(folder) :][:1] in ("/", os.sep):
            return f"${name}/" + text[len(folder) + 1 :].replace(os.sep, "/")
    return text


def _lengthen(text: str, anchors: dict[str, str], path: Path) -> str:
    match = _ANCHOR.match(text)
    if match is None:
        return text
    if text.startswith("$$"):
        return text[1:]
    rest = text[match.end() :]
    if ".." in rest.split("/"):
        raise StorageError(f"{path} points outside its folder: {text!r}")
    folder = next((f for f, name in anchors.items() if name == match.group(1)), None)
    # outside of its project a record cannot know where the rest is: the text stays as it is
    return text if folder is None else str(Path(folder, *rest.split("/")))


def _walk(tree: Any, leaf: Callable[[Any], Any]) -> Any:
    if isinstance(tree, dict):
        return {k: v if k == TAG else _walk(v, leaf) for k, v in tree.items()}
    if isinstance(tree, list):
        return [_walk(v, leaf) for v in tree]
    return leaf(tree)


# -- records ------------------------------------------------------------------------------------
def save(path: str | Path, record: Any, *, durable: bool = True) -> None:
    """Write `record` to `path`: the old file or the new one is there, never half of one.

    durable: see `replacing`.

    Absolute paths in text fields that point into the file's folder or its project are stored
    relative to it. Raises StorageError (disk full, no such folder, a value that cannot be stored).
    """
    path = Path(os.path.abspath(path))
    anchors = _anchors(path, real=True)
    arrays: list[np.ndarray] = []

    def leaf(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            if value.dtype.name not in DTYPES:
                raise StorageError(f"{path}: arrays of {value.dtype.name} cannot be stored")
            arrays.append(value)
            return {TAG: ARRAY, "at": len(arrays) - 1}
        return _shorten(value, anchors) if isinstance(value, str) else value

    try:
        tree = _walk(pack(record), leaf)
    except WireError as error:
        raise StorageError(f"{path}: {error}") from error
    head = json.dumps({"format": FORMAT, "version": VERSION, "record": tree}).encode("ascii")
    if len(head) > MAX_TREE_BYTES or len(arrays) >= MAX_MEMBERS:
        raise StorageError(f"{path}: the record has too many separate values to be stored")
    try:
        with (
            replacing(path, durable=durable) as stream,
            zipfile.ZipFile(stream, "w") as archive,
        ):
            archive.writestr(TREE, head)
            for index, array in enumerate(arrays):
                info = zipfile.ZipInfo(f"a{index}.npy")
                with archive.open(info, "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror or error}") from error


def make_folder(out: str) -> None:
    """Make the folder a job shall write to: before the work, so that a bad one costs none.

    "" = nothing is to be written. Raises StorageError where it cannot be made.
    """
    try:
        if out:
            Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out} could not be made: {error.strerror or error}") from error


def save_result(out: str, record: Any) -> None:
    """Save a job's result in its folder; "" = nowhere. Raises StorageError, see `save`."""
    if out:
        save(Path(out) / RECORD, record)


def load(path: str | Path, kind: Any = Any) -> Any:
    """The record in `path`, checked to be a `kind`.

    Raises StorageError naming the file: missing, not ours, newer, damaged, too large, another kind.
    """
    path = Path(os.path.abspath(path))
    anchors = _anchors(path)
    with _opened(path) as archive:
        tree = _tree(archive, path)
        cache: dict[int, np.ndarray] = {}

        def put_back(node: Any, depth: int = 0) -> Any:
            if depth > 64:
                raise StorageError(f"{path} is damaged: nested too deeply")
            if isinstance(node, dict):
                if node.get(TAG) == ARRAY:
                    at = node.get("at")
                    if type(at) is not int or at < 0:
                        raise StorageError(f"{path} is damaged: no such array")
                    if at not in cache:
                        cache[at] = _array(archive, f"a{at}.npy", path)
                    return cache[at]
                return {k: v if k == TAG else put_back(v, depth + 1) for k, v in node.items()}
            if isinstance(node, list):
                return [put_back(v, depth + 1) for v in node]
            return _lengthen(node, anchors, path) if isinstance(node, str) else node

        tree = put_back(tree)
    try:
        return unpack(tree, kind)
    except WireError as error:
        raise StorageError(f"{path} does not hold what was expected: {error}") from error


def peek(path: str | Path) -> dict[str, Any]:
    """The record's plain tree without its arrays: its class under "!", its name, and so on."""
    path = Path(os.path.abspath(path))
    with _opened(path) as archive:
        tree = _tree(archive, path)
    if not isinstance(tree, dict):
        raise StorageError(f"{path} is damaged: it holds no record")
    return tree


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip after its directory was checked: nothing is read before that."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = os.stat(path).st_size
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise StorageError(f"{path} has {len(members)} members, that is too many")
            for member in members:
                if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                    raise StorageError(f"{path}: {member.filename} is compressed or encrypted")
                # stored members cannot be larger than the file: a cheap, complete bomb check
                if member.file_size != member.compress_size or member.file_size > size:
                    raise StorageError(f"{path} is damaged: {member.filename} has a wrong size")
            if sum(m.file_size for m in members) > min(size, MAX_BYTES):
                raise StorageError(f"{path} is damaged or larger than {MAX_BYTES // 2**30} GB")
            yield archive
    except StorageError:
        raise
    except FileNotFoundError as error:
        raise StorageError(f"{path} does not exist") from error
    except OSError as error:
        raise StorageError(f"{path} could not be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
        raise StorageError(f"{path} is damaged or not a PEScape file: {error}") from error
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        # zipfile raises these on hostile directories (offsets, names, extra fields)
        raise StorageError(f"{path} is damaged: {error}") from error


def _tree(archive: zipfile.ZipFile, path: Path) -> Any:
    try:
        info = archive.getinfo(TREE)
    except KeyError:
        raise StorageError(f"{path} is not a PEScape file: it has no {TREE}") from None
    if info.file_size > MAX_TREE_BYTES:
        raise StorageError(f"{path} is damaged: its {TREE} is too large")
    try:
        head = json.loads(archive.read(info))
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{path} is damaged: {error}") from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise StorageError(f"{path} is not a PEScape record")
    version = head.get("version")
    if type(version) is not int or version > VERSION:
        raise StorageError(
            f"{path} was written by a newer PEScape (record version {version}, this one reads "
            f"up to {VERSION}): update PEScape to open it"
        )
    return head.get("record")


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> np.ndarray:
    try:
        data = archive.read(name)
    except KeyError:
        raise StorageError(f"{path} is damaged: {name} is missing") from None
    stream = io.BytesIO(data)
    try:
        major = np.lib.format.read_magic(stream)
        if major != (1, 0):
            raise ValueError(f"npy version {major}")
        with _HEADER:
            header = np.lib.format.read_array_header_1_0(stream, max_header_size=MAX_HEADER)
        shape, fortran, dtype = header
    except (
        ValueError,
        EOFError,
        SyntaxError,
        tokenize.TokenError,  # from numpy's second try at a broken header
        RecursionError,
        MemoryError,
    ) as error:
        raise StorageError(f"{path} is damaged: {name}: {error}") from error
    if dtype.hasobject or dtype.name not in DTYPES or len(shape) > 32:
        raise StorageError(f"{path}: {name} holds {dtype}, which is not accepted")
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise StorageError(f"{path} is damaged: {name} is not as long as its shape says")
    flat = np.frombuffer(data, dtype=dtype, offset=stream.tell())
    array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    return np.array(array, dtype=dtype.newbyteorder("="))
