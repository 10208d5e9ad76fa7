"""Which column of an extended-xyz row holds what."""

from __future__ import annotations

from dataclasses import dataclass

from core.readers import keys
from core.readers.comment import number
from core.readers.errors import shown
from core.readers.raw import Options

POSITION = ("pos", "positions", "position", "coords", "coordinates", "r")
SPECIES = ("species", "symbols", "symbol", "element", "elements")
NUMBERS = ("z", "numbers", "atomic_numbers", "atomic_number")
MAX_COLUMNS = 256


@dataclass(frozen=True)
class Columns:
    """Where in a row what stands; forces None when absent."""

    width: int
    species: int
    position: int
    forces: int | None
    gradient: bool
    energy: str
    remarks: tuple[str, ...]


def layout(properties: str, info: dict[str, str], options: Options) -> Columns:
    """Columns of a Properties= entry ("" = plain xyz). Raises ValueError with the reason."""
    names: dict[str, tuple[str, int, int]] = {}
    start = 0
    parts = (properties or "species:S:1:pos:R:3").split(":")
    if len(parts) % 3 or len(parts) > 3 * MAX_COLUMNS:
        raise ValueError("Properties= is not name:type:columns triples")
    for name, kind, width in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if kind not in "SRIL" or not width.isascii() or not width.isdigit():
            raise ValueError(
                f"Properties= has {shown(name)}:{shown(kind)}:{shown(width)}; expected a type "
                "S, R, I or L and a number of columns",
            )
        wide = int(width[:4])
        names[name] = (kind, start, wide)
        start += wide
    if start > MAX_COLUMNS:
        raise ValueError(f"Properties= announces {start} columns")
    lower = {k.lower(): k for k in reversed(names)}
    position = next((names[lower[p]] for p in POSITION if p in lower), None)
    if position is None or position[0] != "R" or position[2] != 3:
        raise ValueError("Properties= has no pos:R:3")
    species = next((names[lower[s]] for s in SPECIES if s in lower), None)
    number_column = next((names[lower[s]] for s in NUMBERS if s in lower), None)
    column = species or number_column
    if column is None or column[2] != 1:
        raise ValueError("Properties= has no species:S:1")
    energy, remark = options.energy_key, ""
    if not energy:
        numeric = [k for k, v in info.items() if number(v) is not None or is_bad(v)]
        energy, remark = keys.energy_key(numeric)
    vectors = [k for k, (kind, _, wide) in names.items() if kind == "R" and wide == 3]
    force, gradient, said = options.force_key, False, ""
    if not force:
        free = [v for v in vectors if v.lower() not in POSITION]
        force, gradient, said = keys.force_key(free, energy)
    elif force not in vectors:
        raise ValueError(f"there is no column {shown(force)!r} of 3 numbers")
    else:
        gradient = "grad" in force.lower()
    return Columns(
        width=start,
        species=column[1],
        position=position[1],
        forces=names[force][1] if force else None,
        gradient=gradient,
        energy=energy,
        remarks=tuple(r for r in (remark, said) if r),
    )


def is_bad(text: str) -> bool:
    """Does the text say that a number is missing?"""
    return text.lower().lstrip("+-") in ("nan", "inf", "infinity", "none", "null")
