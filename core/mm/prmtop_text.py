"""The text of Amber's prmtop: sections of fixed-width fields, read strictly.

Format: https://ambermd.org/prmtop.pdf.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.readers.errors import ReaderError, shown
from core.readers.limits import read_text

MAX_BYTES = 32 << 20
FORMAT = re.compile(r"\(?\s*\d*\s*([aIEF])\s*(\d{1,3})(?:\.\d+)?\s*\)?\s*$", re.IGNORECASE)
INTEGER = re.compile(r"\s*[-+]?\d{1,9}$")
FLOAT = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([EeDd][-+]?\d{1,3})?$")


@dataclass
class Section:
    """kind A, I, E or F and width of its fields; line: of its %FORMAT, the data follow."""

    line: int
    kind: str
    width: int
    lines: list[str]


class Sections:
    """All sections of a file. Raises ReaderError with the line where the text is not as it says."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.sections = self._split(read_text(path, most=MAX_BYTES))

    def _split(self, text: str) -> dict[str, Section]:
        sections: dict[str, Section] = {}
        now: Section | None = None
        lines = text.splitlines()
        if not lines or not lines[0].startswith(("%VERSION", "%FLAG")):
            raise ReaderError(self.path, "is no prmtop: it does not begin with %VERSION", line=1)
        for k, line in enumerate(lines, start=1):
            if line.startswith("%FLAG"):
                name = line[5:].strip()
                if name in sections or not name:
                    raise ReaderError(self.path, f"has {shown(name)!r} twice", line=k)
                now = sections[name] = Section(k, "", 0, [])
            elif line.startswith("%FORMAT") and now is not None:
                match = FORMAT.match(line[7:].strip())
                if not match or not int(match[2]):
                    raise ReaderError(self.path, f"has the format {shown(line)!r}", line=k)
                now.kind, now.width, now.line = match[1].upper(), int(match[2]), k
            elif line.startswith("%"):
                continue  # %VERSION, %COMMENT
            elif now is not None:
                if not now.width:
                    raise ReaderError(self.path, "has data before their %FORMAT", line=k)
                now.lines.append(line)
            elif line.strip():
                raise ReaderError(self.path, "has data before the first %FLAG", line=k)
        return sections

    def error(self, cause: str, section: str) -> ReaderError:
        """The error for a section."""
        line = self.sections[section].line if section in self.sections else None
        return ReaderError(self.path, f"{section}: {cause}", line=line)

    def _fields(self, name: str, kind: str, count: int | None) -> list[tuple[str, int]]:
        """The fixed-width fields of a section, with their lines."""
        section = self.sections.get(name)
        if section is None:
            raise ReaderError(self.path, f"has no section {name}: it is no prmtop or cut short")
        if section.kind not in kind:
            raise self.error(f"has the format {section.kind}, expected {kind[0]}", name)
        w, found = section.width, []
        for k, line in enumerate(section.lines, start=1):
            line = line if kind == "A" else line.rstrip()
            for start in range(0, len(line), w):
                found.append((line[start : start + w], section.line + k))
        if kind == "A" and count is not None:  # trailing blanks may be atoms, or nothing
            while len(found) > count and not found[-1][0].strip():
                found.pop()
        if count is not None and len(found) != count:
            raise self.error(f"has {len(found)} values, expected {count}", name)
        return found

    def texts(self, name: str, count: int) -> list[str]:
        """count texts, blanks stripped."""
        return [text.strip() for text, _ in self._fields(name, "A", count)]

    def ints(self, name: str, count: int | None = None) -> np.ndarray:
        """Whole numbers (count,), any number of them for None."""
        found = self._fields(name, "I", count)
        for text, line in found:
            if not INTEGER.match(text):
                raise ReaderError(
                    self.path, f"{name}: {shown(text.strip())!r} is no whole number", line=line
                )
        return np.array([int(text) for text, _ in found], dtype=np.int64)

    def floats(self, name: str, count: int) -> np.ndarray:
        """Finite numbers (count,)."""
        found = self._fields(name, "EF", count)
        for text, line in found:
            if not FLOAT.match(text):
                raise ReaderError(
                    self.path, f"{name}: {shown(text.strip())!r} is no number", line=line
                )
        values = np.array([float(t.lower().replace("d", "e")) for t, _ in found], dtype=np.float64)
        if not np.isfinite(values).all() or (np.abs(values) > 1e12).any():
            raise self.error("has a number that can only be damage", name)
        return values
