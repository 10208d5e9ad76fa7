"""The one exception of all readers."""

from __future__ import annotations

from pathlib import Path

SHOWN = 80  # characters of a stranger's text that a message repeats


def shown(text: object) -> str:
    """A stranger's text, made short and printable for a message."""
    plain = "".join(c if c.isprintable() else "?" for c in str(text))
    return plain if len(plain) <= SHOWN else plain[:SHOWN] + "…"


class ReaderError(ValueError):
    """A file that cannot be read: which file, where in it (frames and lines count from 1), why."""

    def __init__(
        self,
        path: str | Path,
        cause: str,
        *,
        frame: int | None = None,
        line: int | None = None,
    ) -> None:
        self.path = str(path)
        self.frame = frame
        self.line = line
        self.cause = cause
        name = Path(self.path).name if "\n" not in self.path and "\0" not in self.path else ""
        where = [shown(name or self.path)]
        if frame is not None:
            where.append(f"frame {frame}")
        if line is not None:
            where.append(f"line {line}")
        super().__init__(f"{', '.join(where)}: {cause}")
