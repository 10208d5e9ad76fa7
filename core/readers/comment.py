"""The second line of an xyz frame: extended-xyz entries, or a program's own wording."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from core.readers.errors import shown
from core.readers.raw import Stated

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?"
NUMBER = re.compile(_NUMBER)
# Possessive (++, *+), matched word by word and an error where a quote stays open: no backtracking
# and no second look at any character, so a hostile line costs linear time.
ENTRY = re.compile(
    r"""(?P<key>[^\s=,"']++)\s*+=\s*+(?:"(?P<q>(?:[^"\\]|\\.)*+)"|'(?P<s>[^']*+)'"""
    r"""|\{(?P<b>[^}]*+)\}|\[(?P<l>[^\]]*+)\]|(?P<open>["'{\[])|(?P<v>[^\s"']++))"""
)
WORD = re.compile(r"[\s,]++|[^\s,]++")
LIST_LIMIT = 16


@dataclass(frozen=True)
class Plain:
    """What a plain xyz comment says."""

    energy: float | None = None
    stated: Stated | None = None


def entries(comment: str) -> dict[str, str]:
    """key=value pairs of an extended-xyz comment, quotes and brackets removed.

    Raises ValueError for an entry given twice with different values and for a quote left open.
    """
    found: dict[str, str] = {}
    position = 0
    while position < len(comment):
        match = ENTRY.match(comment, position)
        if match is None:
            word = WORD.match(comment, position)
            position = word.end() if word else len(comment)
            continue
        position = match.end()
        key = match["key"]
        if match["open"]:
            raise ValueError(f"{shown(key)} opens with {match['open']} and is never closed")
        value = next(match[g] for g in "qsblv" if match[g] is not None)
        if match["q"] is not None and "\\" in value:
            value = re.sub(r"\\(.)", r"\1", value)
        if found.get(key, value) != value:
            raise ValueError(f"{shown(key)} is given twice, with different values")
        found[key] = value
    return found


def json_value(text: str) -> Any:
    """What ASE wrote as _JSON, or None when it is not that or is broken."""
    if not text.startswith("_JSON "):
        return None
    try:
        return json.loads(text[6:])
    except (ValueError, RecursionError):
        return None


def number(text: str) -> float | None:
    """The value of a text that is one number, else None (not for nan and inf)."""
    if not NUMBER.fullmatch(text):
        return None
    value = float(text.replace("d", "e").replace("D", "e"))
    return value if abs(value) < float("inf") else None


def numbers(text: str) -> list[float]:
    """The values of a short list of numbers ("1 2 3", "[1, 2, 3]"), else []."""
    if text.startswith("_JSON "):
        text = text[6:]
    parts = text.strip().strip("[]").replace(",", " ").split()
    if not 1 < len(parts) <= LIST_LIMIT:
        return []
    values = [number(p) for p in parts]
    return [v for v in values if v is not None] if None not in values else []


def plain(comment: str) -> Plain:
    """Energies as xtb, CREST, ORCA and MD17's xyz write them.

    xtb: "energy: -11.39 gnorm: …" (Hartree). ORCA: "Coordinates from ORCA-job x E -154.9"
    (Hartree). A lone number is an energy without a unit.
    """
    text = comment.strip()
    match = re.search(rf"\benergy:?\s*({_NUMBER})\s+gnorm", text)
    if match:
        said = Stated("Hartree", "Å", why="xtb writes Hartree", binding=True)
        return Plain(number(match[1]), said)
    match = re.search(rf"ORCA-job .*\bE\s+({_NUMBER})$", text[-400:])
    if match:
        said = Stated("Hartree", "Å", why="ORCA writes Hartree", binding=True)
        return Plain(number(match[1]), said)
    # A whole number is a title ("1", "frame 12"), not an energy.
    value = number(text) if "." in text else None
    return Plain(value, None)
