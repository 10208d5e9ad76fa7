"""ASE trajectories (.traj), read without ASE: its own reader falls back to a Python pickle.

The file is ASE's ULM container: "- of Ulm", a tag of 16 bytes, three integers (version, number of
items, where the table of offsets is); an item is a length and that much JSON, in which arrays are
{"ndarray": [shape, type, offset]}. See the module ase.io.ulm.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core.molecule import MAX_ATOMS, MAX_ELEMENT
from core.readers.errors import ReaderError
from core.readers.limits import MAX_FRAMES, open_file
from core.readers.raw import Collector, Frame, Options, Raw, Stated, check_finite

KEY = "traj"
LABEL = "ASE trajectory"
SUFFIXES = (".traj",)
MAGIC = b"- of Ulm"
TAG = b"ASE-Trajectory"
MAX_JSON = 4 << 20
UNITS = Stated("eV", "Å", ("eV", "Å"), why="ASE trajectories are eV and Å", binding=True)
TYPES = {"float64": "<f8", "float32": "<f4", "int64": "<i8", "int32": "<i4", "bool": "|b1"}


def sniff(path: Path, head: bytes) -> bool:
    """Does the file begin as ASE's container does?"""
    return head.startswith(MAGIC)


def read(path: Path, options: Options) -> Raw:
    """Read all frames. Raises ReaderError with the frame."""
    with open_file(path) as file:
        size = file.seek(0, 2)
        if _bytes(path, file, 0, 8) != MAGIC:
            raise ReaderError(
                path,
                "is not an ASE trajectory of today's kind. Older ones are Python pickles, which "
                "could run code: convert it with `ase convert old.traj new.extxyz`",
            )
        if not _bytes(path, file, 8, 16).startswith(TAG):
            raise ReaderError(path, "is an ASE file, but not a trajectory")
        _, count, table = _integers(path, file, 24, 3)
        if not 0 < count <= MAX_FRAMES or 8 * count > size:
            raise ReaderError(path, f"announces {count} frames: it is damaged")
        collector = Collector(str(path))
        first: dict[str, Any] = {}
        periodic = False
        for index, offset in enumerate(_integers(path, file, table, count), start=1):
            item = _item(path, file, offset, size, index)
            first = first or item
            header = item if "numbers." in item or "numbers" in item else first
            frame = _frame(path, file, item, header, size, index)
            periodic |= bool(np.any(header.get("pbc", False))) if "pbc" in header else False
            collector.add(frame)
            if index % 200 == 0:
                options.tick(index / count)
    notes = ("the box is periodic; PEScape takes the atoms as a free molecule",) * periodic
    return Raw(format=LABEL, blocks=collector.blocks(), stated=UNITS, notes=notes)


def _bytes(path: Path, file: BinaryIO, offset: int, count: int) -> bytes:
    if offset < 0 or count < 0:
        raise ReaderError(path, "is damaged: an offset is negative")
    try:
        file.seek(offset)
        data = file.read(count)
    except (OSError, OverflowError, ValueError):
        raise ReaderError(path, f"is damaged: it has no byte {offset}") from None
    if len(data) != count:
        raise ReaderError(path, "is cut short")
    return data


def _integers(path: Path, file: BinaryIO, offset: int, count: int) -> list[int]:
    return [int(i) for i in np.frombuffer(_bytes(path, file, offset, 8 * count), dtype="<i8")]


def _item(path: Path, file: BinaryIO, offset: int, size: int, index: int) -> dict[str, Any]:
    length = _integers(path, file, offset, 1)[0]
    if not 0 < length <= min(MAX_JSON, size):
        raise ReaderError(path, f"announces {length} bytes of text: it is damaged", frame=index)
    try:
        tree = json.loads(_bytes(path, file, offset + 8, length))
    except (ValueError, RecursionError):
        raise ReaderError(path, "its text is damaged", frame=index) from None
    if not isinstance(tree, dict):
        raise ReaderError(path, "its text is damaged", frame=index)
    return tree


def _array(
    path: Path, file: BinaryIO, tree: dict[str, Any], name: str, size: int, index: int
) -> np.ndarray | None:
    """An array that stands in the text, or beside it ("name." with a reference); None if absent."""
    value = tree.get(name, tree.get(f"{name}."))
    if isinstance(value, dict) and "ndarray" in value:
        try:
            shape, kind, offset = value["ndarray"]
            shape = tuple(int(n) for n in shape)
            dtype = np.dtype(TYPES[kind])
            count = math.prod(shape)
            if min(shape, default=0) < 0 or count * dtype.itemsize > size or len(shape) > 4:
                raise ValueError
            data = _bytes(path, file, int(offset), count * dtype.itemsize)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            if isinstance(error, ReaderError):
                raise
            raise ReaderError(path, f"{name} is damaged", frame=index) from None
        return np.frombuffer(data, dtype=dtype).reshape(shape)
    if value is None:
        return None
    try:
        array = np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise ReaderError(path, f"{name} is damaged", frame=index) from None
    return array


def _frame(path: Path, file: BinaryIO, item: dict, header: dict, size: int, index: int) -> Frame:
    numbers = _array(path, file, header, "numbers", size, index)
    positions = _array(path, file, item, "positions", size, index)
    if numbers is None or positions is None:
        raise ReaderError(path, "has no atoms or no positions", frame=index)
    n = numbers.size
    if numbers.shape != (n,) or positions.shape != (n, 3) or not 0 < n <= MAX_ATOMS:
        raise ReaderError(
            path, f"has {numbers.shape} atoms and {positions.shape} positions", frame=index
        )
    if not ((numbers >= 1) & (numbers <= MAX_ELEMENT)).all():
        raise ReaderError(path, "an atom is no element", frame=index)
    results = item.get("calculator.", item.get("calculator", {}))
    results = results if isinstance(results, dict) else {}
    energy = _array(path, file, results, "energy", size, index)
    forces = _array(path, file, results, "forces", size, index)
    if energy is not None and (energy.size != 1 or not np.isfinite(energy).all()):
        raise ReaderError(path, "the energy is not a number", frame=index)
    if forces is not None and forces.shape != (n, 3):
        raise ReaderError(path, f"has forces of shape {forces.shape}", frame=index)
    check_finite(path, "coordinate", positions, index)
    check_finite(path, "force", forces, index)
    return Frame(
        numbers=numbers.astype(np.int64),
        positions=positions.astype(np.float64),
        energy=None if energy is None else float(energy.reshape(-1)[0]),
        forces=None if forces is None else forces.astype(np.float64),
    )
