"""Extended and plain xyz, one frame or many. Strict: every frame must be what it announces."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.elements import NUMBER_OF
from core.molecule import MAX_ATOMS, MAX_ELEMENT
from core.readers import keys
from core.readers.columns import Columns, layout
from core.readers.comment import entries, json_value, number, numbers, plain
from core.readers.errors import ReaderError, shown
from core.readers.limits import MAX_LINE, open_file
from core.readers.raw import Block, Collector, Frame, Options, Raw, Stated

KEY = "xyz"
LABEL = "extended XYZ"
SUFFIXES = (".xyz", ".extxyz", ".exyz")
COUNT = re.compile(rb"\s*(\d{1,18})\s*$")
CONVENTION = Stated("eV", "Å", why="extended xyz is eV and Å by convention")
ISOLATED = ("isolated_atom", "isolatedatom", "isolated")
NOT_TAGS = ("pbc", "lattice", "virial", "stress", "charge", "total_charge", "multiplicity", "spin")


def sniff(path: Path, head: bytes) -> bool:
    """Does the file begin with a count of atoms, whatever its name?"""
    return bool(COUNT.match(head.split(b"\n", 1)[0]))


def read(path: Path, options: Options) -> Raw:
    """Read all frames. Raises ReaderError with frame and line."""
    return _Reader(path, options).read()


class _Reader:
    def __init__(self, path: Path, options: Options) -> None:
        self.path = path
        self.options = options
        self.collector = Collector(str(path))
        self.isolated: dict[str, float] = {}
        self.notes: dict[str, None] = {}
        self.problems: dict[str, None] = {}
        self.said: Stated | None = None
        self.extended = False
        self._columns: dict[tuple[str, frozenset[str]], Columns] = {}
        self._elements: dict[bytes, int] = {}
        self._energy_keys: dict[str, None] = {}

    def read(self) -> Raw:
        atoms_only: list[Frame] = []
        for index, line, comment, rows in self._frames():
            frame = self._frame(index, line, comment, rows)
            if len(frame.numbers) == 1 and frame.energy is not None:
                self._isolated_atom(frame)
                atoms_only.append(frame)
                # keeps the numbering of frames that of the file
                self.collector.count += 1
            else:
                self.collector.add(frame)
        blocks = self.collector.blocks()
        if not blocks:
            self.collector.count = 0
            for frame in atoms_only:
                self.collector.add(frame)
            blocks = self.collector.blocks()
            self.notes["only isolated atoms: energies for a fit, no geometries"] = None
        if len(self._energy_keys) > 1:
            listed = ", ".join(repr(k) for k in self._energy_keys)
            self.problems[f"the energy has different names in different frames: {listed}"] = None
        return Raw(
            format=LABEL if self.extended else "XYZ",
            blocks=_order_notes(blocks),
            stated=self.said or (CONVENTION if self.extended else Stated()),
            isolated=self.isolated,
            notes=tuple(self.notes),
            problems=tuple(self.problems),
        )

    # -- lines --------------------------------------------------------------------------------
    def _frames(self) -> Iterator[tuple[int, int, str, list[list[bytes]]]]:
        """(frame from 1, line of its count from 1, comment, rows)."""
        with open_file(self.path) as file:
            size = max(1, file.seek(0, 2))
            file.seek(0)
            line = index = 0
            while raw := file.readline(MAX_LINE + 1):
                line += 1
                if not raw.strip():
                    continue
                index += 1
                count = self._count(raw, index, line)
                comment = file.readline(MAX_LINE + 1)
                lines = [file.readline(MAX_LINE + 1) for _ in range(count)]
                self._complete([comment, *lines], count, index, line)
                try:
                    text = comment.decode("utf-8").strip()
                except UnicodeDecodeError:
                    raise self._error("the comment is not UTF-8 text", index, line + 1) from None
                if "\0" in text:
                    raise self._error("holds a NUL byte", index, line + 1)
                yield index, line, text, [row.split() for row in lines]
                line += count + 1
                if index % 200 == 0:
                    self.options.tick(file.tell() / size)

    def _count(self, raw: bytes, index: int, line: int) -> int:
        match = COUNT.match(raw)
        if not match:
            text = shown(raw[:200].decode("utf-8", "replace").strip())
            cause = f"expected a number of atoms, found {text!r}"
            if index > 1:
                cause += " (does the frame before it have more atoms than it announces?)"
            raise self._error(cause, index, line)
        count = int(match[1])
        if not 0 < count <= MAX_ATOMS:
            raise self._error(
                f"announces {count} atoms; between 1 and {MAX_ATOMS} are possible", index, line
            )
        return count

    def _complete(self, lines: list[bytes], count: int, index: int, line: int) -> None:
        for k, text in enumerate(lines):
            if len(text) > MAX_LINE:
                raise self._error(f"a line longer than {MAX_LINE} bytes", index, line + 1 + k)
            if not text:
                raise self._error(
                    f"the file ends here, but the frame announces {count} atoms "
                    f"and {max(k - 1, 0)} are there: it is cut short",
                    index,
                    line + k,
                )

    def _error(self, cause: str, index: int, line: int) -> ReaderError:
        return ReaderError(self.path, cause, frame=index, line=line)

    # -- one frame ----------------------------------------------------------------------------
    def _frame(self, index: int, line: int, comment: str, rows: list[list[bytes]]) -> Frame:
        try:
            info = entries(comment) if "=" in comment else {}
        except ValueError as error:
            raise self._error(str(error), index, line + 1) from None
        properties = next((v for k, v in info.items() if k.lower() == "properties"), "")
        key = (properties, frozenset(info))
        columns = self._columns.get(key)
        if columns is None:
            try:
                columns = layout(properties, info, self.options)
            except ValueError as error:
                raise self._error(str(error), index, line + 1) from None
            if not properties and rows[0][4:]:
                self.notes[
                    f"columns 5 to {len(rows[0])} have no name (no Properties=) and are not read"
                ] = None
            self._columns[key] = columns
            self.notes.update(dict.fromkeys(columns.remarks))
            said = keys.stated(info, where="the file") or _certificate(info)
            self.said = self.said or said
        self.extended |= bool(properties)
        self._check_widths(rows, columns, bool(properties), index, line)
        positions = self._floats(rows, columns.position, "coordinate", index, line)
        forces = None
        if columns.forces is not None:
            forces = self._floats(rows, columns.forces, "force", index, line)
            forces = -forces if columns.gradient else forces
        species = b" ".join(row[columns.species] for row in rows).split()
        frame = Frame(
            numbers=np.array([self._element(s, index, line, k) for k, s in
                              enumerate(species)], dtype=np.int64),
            positions=positions,
            forces=forces,
        )  # fmt: skip
        self._info(frame, info, comment, columns, index, line + 1)
        return frame

    def _check_widths(
        self, rows: list[list[bytes]], columns: Columns, exact: bool, index: int, line: int
    ) -> None:
        for k, row in enumerate(rows):
            if len(row) < columns.width or (exact and len(row) != columns.width):
                raise self._error(
                    f"atom {k + 1} has {len(row)} columns, expected {columns.width}",
                    index,
                    line + 2 + k,
                )

    def _floats(
        self, rows: list[list[bytes]], start: int, what: str, index: int, line: int
    ) -> np.ndarray:
        """(N,3) from three columns. Raises ReaderError naming the line."""
        try:
            flat = [float(t) for row in rows for t in row[start : start + 3]]
        except ValueError:
            flat = [self._float(t) for row in rows for t in row[start : start + 3]]
        values = np.array(flat).reshape(len(rows), 3)
        # Python reads 1_000 as a number; no program writes that.
        odd = any(b"_" in t for row in rows for t in row[start : start + 3])
        if odd or not np.isfinite(values).all():
            bad = np.argwhere(~np.isfinite(values))
            k, c = (
                (int(bad[0][0]), int(bad[0][1]))
                if len(bad)
                else next(
                    (k, c) for k, row in enumerate(rows) for c in range(3) if b"_" in row[start + c]
                )
            )
            text = shown(rows[k][start + c].decode("utf-8", "replace"))
            raise self._error(
                f"atom {k + 1} has a {what} that is not a number: {text!r}", index, line + 2 + k
            )
        return values

    @staticmethod
    def _float(token: bytes) -> float:
        try:
            return float(token.replace(b"D", b"E").replace(b"d", b"e"))
        except ValueError:
            return float("nan")

    def _element(self, token: bytes, index: int, line: int, k: int) -> int:
        number_of = self._elements.get(token)
        if number_of is None:
            number_of = _element(token)
            if not 1 <= number_of <= MAX_ELEMENT:
                text = shown(token.decode("utf-8", "replace"))
                raise self._error(f"atom {k + 1} is no element: {text!r}", index, line + 2 + k)
            self._elements[token] = number_of
        return number_of

    def _info(
        self, frame: Frame, info: dict[str, str], comment: str, columns: Columns, index: int,
        line: int,
    ) -> None:  # fmt: skip
        if not info:
            said = plain(comment)
            frame.energy = said.energy
            self.said = self.said or said.stated
            return
        for key, text in info.items():
            low = key.lower()
            if key == columns.energy:
                frame.energy = number(text)
                self._energy_keys[key] = None
                if frame.energy is None:
                    raise self._error(
                        f"{key} is not a number: {shown(text)!r}. Leave the entry out where a "
                        "frame has no energy",
                        index,
                        line,
                    )
            elif low in keys.NAME_KEYS:
                frame.names[low] = text
            elif low in keys.LEVEL_KEYS:
                frame.level = frame.level or text
            elif low in ("charge", "total_charge"):
                frame.charge = self._whole(key, text) or 0
            elif low in ("multiplicity", "spin_multiplicity"):
                frame.multiplicity = self._whole(key, text)
            elif low == "pbc" and any(t in "tT1" for t in text.split() if t):
                self.notes["the box is periodic; PEScape takes the atoms as a free molecule"] = None
            elif low not in NOT_TAGS and low != "properties":
                self._tag(frame, key, text)
        if self.options.energy_key and frame.energy is None:
            missing = f"some frames have no {self.options.energy_key!r}"
            self.notes[missing] = None

    def _tag(self, frame: Frame, key: str, text: str) -> None:
        value = number(text)
        if value is not None:
            frame.tags[key] = value
            return
        values = numbers(text)
        for k, v in enumerate(values):
            frame.tags[f"{key}_{k + 1}"] = v
        if key == "config_type" and text.lower() not in ISOLATED:
            frame.notes += (f"config_type {shown(text)}",)
        elif not values and key == "dihedrals":
            frame.notes += (f"{key}={shown(text)}",)

    def _whole(self, key: str, text: str) -> int | None:
        """The entry as a whole number below 100, else None and a problem for the report."""
        value = number(text)
        if value is not None and value == int(value) and abs(value) < 100:
            return int(value)
        self.problems[f"{key} is {shown(text)!r}, no whole number: it is not read"] = None
        return None

    def _isolated_atom(self, frame: Frame) -> None:
        from core.elements import SYMBOLS

        symbol = SYMBOLS[int(frame.numbers[0])]
        energy = float(frame.energy or 0.0)
        if abs(self.isolated.get(symbol, energy) - energy) > 1e-6 * max(1.0, abs(energy)):
            self.problems[f"two isolated {symbol} atoms with different energies"] = None
        self.isolated[symbol] = energy


def _element(token: bytes) -> int:
    """Atomic number of "C", "cl", "C12" or "6"; 0 when it is none of these."""
    match = re.fullmatch(rb"([A-Za-z]{1,2})\d{0,6}|(\d{1,3})", token)
    if not match:
        return 0
    if match[2]:
        return int(match[2])
    return NUMBER_OF.get(match[1].decode("ascii").capitalize(), 0)


def _certificate(info: dict[str, str]) -> Stated | None:
    for key, text in info.items():
        value: Any = json_value(text) if key.lower() == "certificate" else None
        if isinstance(value, dict) and isinstance(value.get("units"), dict):
            pairs = {str(k): str(v) for k, v in value["units"].items()}
            return keys.stated(pairs, where="the file's certificate")
    return None


def _order_notes(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Say so where one composition stands in the file in two atom orders."""
    seen: dict[tuple[bytes, int, str], bytes] = {}
    told = []
    for block in blocks:
        key = (np.sort(block.numbers).tobytes(), block.charge, block.label)
        order = seen.setdefault(key, block.numbers.tobytes())
        note: tuple[str, ...] = ()
        if order != block.numbers.tobytes():
            note = ("the same atoms stand in another order in earlier frames: kept apart",)
        told.append(dataclasses.replace(block, notes=block.notes + note) if note else block)
    return tuple(told)
