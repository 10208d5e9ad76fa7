"""Parameter tables: Amber's force-field files (gaff.dat) and additions to them (frcmod).

Format: https://ambermd.org/FileFormats.php#parm.dat. kcal/mol, Å and degrees there; eV, Å and
radians here. Every constant multiplies its term without a factor one half.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path

from core.readers.errors import ReaderError, shown
from core.readers.limits import read_text
from core.units import KCAL_MOL

FILES = {"gaff": "gaff-1.81.dat", "gaff2": "gaff-2.2.20.dat"}
VERSIONS = {"gaff": "GAFF 1.81", "gaff2": "GAFF 2.2.20"}
MAX_BYTES = 8 << 20
MAX_PERIODICITY = 12
SCEE, SCNB = 1.2, 2.0  #: Amber's 1-4 scales where a torsion names none
WILD = "X"
SECTIONS = ("MASS", "BOND", "ANGL", "DIHE", "IMPR", "NONB")
SCALE = re.compile(r"(SCEE|SCNB)\s*=\s*([0-9.]+)", re.IGNORECASE)

Types = tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """A harmonic term: k (eV/Å² or eV/rad²) and its equilibrium (Å or rad)."""

    k: float
    equilibrium: float
    source: str = ""


@dataclass(frozen=True)
class Wave:
    """One Fourier term: k eV (already divided by the number of paths), n, phase rad, 1-4 scales."""

    k: float
    n: float
    phase: float
    scee: float = SCEE
    scnb: float = SCNB
    source: str = ""


@dataclass(frozen=True)
class Table:
    """Parameters by atom types. Keys are tuples of types; "X" stands for any.

    masses amu; bonds, angles: Pair; torsions, impropers: Waves (the central atom of an improper
    is the third); vdw: type -> (Rmin/2 Å, epsilon eV).
    """

    name: str
    masses: dict[str, float] = field(default_factory=dict)
    bonds: dict[Types, Pair] = field(default_factory=dict)
    angles: dict[Types, Pair] = field(default_factory=dict)
    torsions: dict[Types, tuple[Wave, ...]] = field(default_factory=dict)
    impropers: dict[Types, Wave] = field(default_factory=dict)
    vdw: dict[str, tuple[float, float]] = field(default_factory=dict)

    def bond(self, a: str, b: str) -> Pair | None:
        """The bond a-b, in either direction."""
        return self.bonds.get((a, b)) or self.bonds.get((b, a))

    def angle(self, a: str, b: str, c: str) -> Pair | None:
        """The angle a-b-c, in either direction."""
        return self.angles.get((a, b, c)) or self.angles.get((c, b, a))

    def torsion(self, a: str, b: str, c: str, d: str) -> tuple[Types, tuple[Wave, ...]] | None:
        """Key and terms of a-b-c-d, in either direction; an exact entry wins over X-b-c-X."""
        for key in ((a, b, c, d), (WILD, b, c, WILD)):
            for way in (key, key[::-1]):
                if way in self.torsions:
                    return way, self.torsions[way]
        return None

    def merged(self, extra: Table) -> Table:
        """This table with the entries of another in place of its own."""

        def over(mine: dict, new: dict, *, both: bool = True) -> dict:
            out = dict(mine)
            for key, value in new.items():
                if both:
                    out.pop(key[::-1], None)
                out[key] = value
            return out

        return Table(
            f"{self.name} + {extra.name}",
            {**self.masses, **extra.masses},
            over(self.bonds, extra.bonds),
            over(self.angles, extra.angles),
            over(self.torsions, extra.torsions),
            over(self.impropers, extra.impropers, both=False),
            {**self.vdw, **extra.vdw},
        )


@lru_cache(maxsize=2)
def table(flavour: str) -> Table:
    """The table of "gaff" (1.81) or "gaff2" (2.2.20) that comes with the program.

    Raises ValueError for another flavour.
    """
    if flavour not in FILES:
        raise ValueError(f"there are tables for {' and '.join(FILES)}, not for {flavour!r}")
    text = resources.files("resources").joinpath("parameters", FILES[flavour]).read_text("utf-8")
    return _Reader(FILES[flavour], VERSIONS[flavour]).force_field(text)


def read_frcmod(path: str | Path) -> Table:
    """The parameters of an frcmod file. Raises ReaderError naming file, line and cause."""
    text = read_text(path, most=MAX_BYTES)
    return _Reader(path, shown(Path(path).name)).additions(text)


class _Reader:
    def __init__(self, path: str | Path, name: str) -> None:
        self.path = path
        self.table = Table(name)
        self.open: Types | None = None  # a torsion that announced more terms
        self.waves: dict[Types, list[Wave]] = {}
        self.fresh: set[Types] = set()

    # -- the two layouts -----------------------------------------------------------------------
    def force_field(self, text: str) -> Table:
        """title; masses; (a list of types) bonds; angles; torsions; impropers; …; MOD4 RE."""
        lines = iter(enumerate(text.splitlines(), start=1))
        next(lines, None)
        self._block(lines, "MASS")
        next(lines, None)  # hydrophilic types
        for section in ("BOND", "ANGL", "DIHE", "IMPR"):
            self._block(lines, section)
        for _, line in lines:
            if line.startswith("MOD4"):
                break
        else:
            raise ReaderError(self.path, "has no Lennard-Jones section (MOD4): it is cut short")
        self._block(lines, "NONB")
        return self._done()

    def additions(self, text: str) -> Table:
        """title; then sections by name, each ended by an empty line."""
        lines = iter(enumerate(text.splitlines(), start=1))
        next(lines, None)
        known = False
        for k, line in lines:
            word = line.strip().upper()
            if not word:
                continue
            section = next((s for s in SECTIONS if word.startswith(s)), "")
            if not section or line[:1].isspace():
                raise ReaderError(
                    self.path, f"has {shown(line.strip()[:40])!r} where a section should begin",
                    line=k,
                )  # fmt: skip
            known = True
            self._block(lines, section)
        if not known:
            raise ReaderError(self.path, "has none of the sections of an frcmod file")
        return self._done()

    def _block(self, lines: Iterator[tuple[int, str]], section: str) -> None:
        for k, line in lines:
            if not line.strip() or line.startswith("END"):
                return
            try:
                {"MASS": self._mass, "BOND": self._bond, "ANGL": self._angle,
                 "DIHE": self._torsion, "IMPR": self._improper,
                 "NONB": self._vdw}[section](line)  # fmt: skip
            except (ValueError, IndexError) as error:
                detail = str(error) if str(error).startswith("!") else ""
                raise ReaderError(
                    self.path,
                    detail[1:] or f"{section}: {shown(line.strip()[:60])!r} cannot be read",
                    line=k,
                ) from None  # fmt: skip

    def _done(self) -> Table:
        self.table.torsions.update({key: tuple(v) for key, v in self.waves.items()})
        return self.table

    # -- lines ---------------------------------------------------------------------------------
    def _mass(self, line: str) -> None:
        name, mass = line.split()[:2]
        self.table.masses[name] = _number(mass, low=0.0)

    def _bond(self, line: str) -> None:
        key, (k, r0), rest = _split(line, 2, 2)
        _check(0.3 < r0 < 5.0, f"the bond {'-'.join(key)} is {r0} Å long")
        _put(self.table.bonds, key, Pair(k * KCAL_MOL, r0, self._source(rest)))

    def _angle(self, line: str) -> None:
        key, (k, theta), rest = _split(line, 3, 2)
        _check(0.0 <= theta <= 180.0, f"the angle {'-'.join(key)} is {theta}°")
        _put(self.table.angles, key, Pair(k * KCAL_MOL, math.radians(theta), self._source(rest)))

    def _torsion(self, line: str) -> None:
        key, (paths, k, phase, n), rest = _split(line, 4, 4)
        _check(paths >= 1, f"the torsion {'-'.join(key)} is divided by {paths:g}")
        wave = self._wave(k / paths, abs(n), phase, rest, key)
        if self.open != key:  # a new entry takes the place of an older one
            self.waves.pop(key[::-1], None)
            self.waves[key] = []
        mine = self.waves[key]
        mine[:] = [w for w in mine if w.n != wave.n]
        mine.append(wave)
        self.open = key if n < 0 else None

    def _improper(self, line: str) -> None:
        key, values, rest = _split(line, 4, 3)
        k, phase, n = values
        self.table.impropers[key] = self._wave(k, abs(n), phase, rest, key)

    def _vdw(self, line: str) -> None:
        name, rmin, epsilon = line.split()[:3]
        self.table.vdw[name] = (_number(rmin, low=0.0), _number(epsilon, low=0.0) * KCAL_MOL)

    def _wave(self, k: float, n: float, phase: float, rest: str, key: Types) -> Wave:
        _check(
            n == round(n) and 0 < n <= MAX_PERIODICITY,
            f"the torsion {'-'.join(key)} has the periodicity {n:g}",
        )
        scales = {name.upper(): _number(v, low=1e-6) for name, v in SCALE.findall(rest)}
        return Wave(
            k * KCAL_MOL, n, math.radians(phase), scales.get("SCEE", SCEE),
            scales.get("SCNB", SCNB), self._source(SCALE.sub("", rest)),
        )  # fmt: skip

    def _source(self, rest: str) -> str:
        words = shown(" ".join(rest.split())[:80])
        return f"{self.table.name}: {words}" if words else self.table.name


def _split(line: str, atoms: int, values: int) -> tuple[Types, list[float], str]:
    """Types (two columns each, a dash between), numbers, and what follows."""
    width = 3 * atoms - 1
    key = tuple(line[3 * i : 3 * i + 2].strip() for i in range(atoms))
    dashes = all(line[3 * i + 2] == "-" for i in range(atoms - 1))
    if not all(key) or not dashes:
        raise ValueError("types")
    words = line[width:].split(maxsplit=values)
    return key, [_number(w) for w in words[:values]], words[values] if len(words) > values else ""


def _number(text: str, *, low: float = -math.inf) -> float:
    value = float(text)
    if not math.isfinite(value) or value < low:
        raise ValueError(text)
    return value


def _check(good: bool, words: str) -> None:
    if not good:
        raise ValueError("!" + words)


def _put(known: dict[Types, Pair], key: Types, value: Pair) -> None:
    known.pop(key[::-1], None)
    known[key] = value
