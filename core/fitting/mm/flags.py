"""What the flags of the parameter editor say to a refit, row by row."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.fitting.mm.options import RefitError
from core.mm.topology import TERMS, Topology

if TYPE_CHECKING:
    from core.analyses.parameters import Flag

ATOMIC = {"lj": ("epsilon", "rmin_half"), "charge": ("charges",)}
ANY = (-math.inf, math.inf)
ROUNDING = 1e-9  #: relative, by which a start may lie outside its bounds
ANGLES = ("theta0", "phase")
Bounds = tuple[float, float]


class Rules:
    """Flags by kind ("bond" …, "lj", "charge") and row from 0; rows without one are free and tied.

    Raises RefitError where a flag names a row or parameter that is not there, or where its bounds
    exclude the start.
    """

    def __init__(self, topology: Topology, flags: Sequence[Flag] = ()) -> None:
        self.topology = topology
        self.flags = {(f.kind, f.row): f for f in flags}
        for flag in flags:
            self._check(flag)

    def frozen(self, kind: str, row: int) -> bool:
        """Whether the row stays as it is."""
        flag = self.flags.get((kind, row))
        return flag is not None and flag.frozen

    def tied(self, kind: str, row: int) -> bool:
        """Whether the row moves with those of its type."""
        flag = self.flags.get((kind, row))
        return flag is None or flag.tied

    def bounds(self, kind: str, row: int, name: str) -> Bounds:
        """Lowest and highest value a person allows, in the units of the topology."""
        flag = self.flags.get((kind, row))
        if flag is None:
            return ANY
        return flag.low.get(name, ANY[0]), flag.high.get(name, ANY[1])

    def within(self, kind: str, rows: Iterable[int], name: str) -> Bounds:
        """The bounds of rows that share a parameter: each of theirs holds."""
        ends = [self.bounds(kind, row, name) for row in rows]
        return max(low for low, _ in ends), min(high for _, high in ends)

    def split(self, kind: str, rows: Iterable[int]) -> list[list[int]]:
        """Rows that are alike -> groups that share their parameters, in order."""
        found: dict[tuple, list[int]] = {}
        for row in rows:
            own = -1 if self.tied(kind, row) else row
            found.setdefault((self.frozen(kind, row), own), []).append(row)
        return list(found.values())

    def words(self, kind: str, rows: Sequence[int]) -> str:
        """ " (1-2)": the atoms of an untied row from 1, to tell its parameter from others."""
        if self.tied(kind, rows[0]) or kind in ATOMIC:
            return ""
        return f" ({'-'.join(str(a + 1) for a in self._atoms(kind, rows[0]))})"

    def _atoms(self, kind: str, row: int) -> list[int]:
        if kind in ATOMIC:
            return [row]
        return [int(a) for a in getattr(self.topology, kind).atoms[row]]

    def _value(self, kind: str, row: int, name: str) -> float:
        if kind in ATOMIC:
            return float(getattr(self.topology, name)[row])
        return float(getattr(self.topology, kind).parameters[name][row])

    def _check(self, flag: Flag) -> None:
        kind, row = flag.kind, flag.row
        if kind not in TERMS and kind not in ATOMIC:
            raise RefitError(f"a flag is about {kind!r}; there are {', '.join((*TERMS, *ATOMIC))}")
        names = ATOMIC[kind] if kind in ATOMIC else TERMS[kind][1]
        atomic = kind in ATOMIC
        count = len(self.topology.types) if atomic else len(getattr(self.topology, kind))
        if not 0 <= row < count:
            raise RefitError(
                f"a flag is about {kind} {row + 1}, but there are {count}: the flags belong to "
                "other terms"
            )
        for name in (*flag.low, *flag.high):
            if name not in names:
                raise RefitError(f"a {kind} has no {name!r} to bound; it has {', '.join(names)}")
            self._check_bounds(flag, name)

    def _check_bounds(self, flag: Flag, name: str) -> None:
        low, high = self.bounds(flag.kind, flag.row, name)
        value = self._value(flag.kind, flag.row, name)
        slack = ROUNDING * max(1.0, abs(value))
        if flag.frozen or low - slack <= value <= high + slack:
            return
        atoms = "-".join(str(a + 1) for a in self._atoms(flag.kind, flag.row))
        turn = 180.0 / math.pi if name in ANGLES else 1.0
        from core.fitting.mm.options import UNITS

        unit = "°" if name in ANGLES else UNITS.get(f"{flag.kind}.{name}", UNITS.get(name, ""))
        raise RefitError(
            f"the {flag.kind} of atoms {atoms} starts with {name} = {value * turn:g} {unit}, "
            f"outside its bounds {low * turn:g} to {high * turn:g}: move the value or the bounds"
        )


def carried(flags: Sequence[Flag], before: Topology, after: Topology) -> tuple[Flag, ...]:
    """The flags for the rows of `after`, a refit of `before`: by atoms, and of a torsion by n.

    Flags of rows that are gone are left out.
    """
    places: dict[tuple, int] = {}
    for kind in TERMS:
        for row in range(len(getattr(after, kind))):
            places.setdefault(_name(after, kind, row), row)
    out = []
    for flag in flags:
        if flag.kind in ATOMIC:
            out.append(flag)
        elif (name := _name(before, flag.kind, flag.row)) in places:
            out.append(dataclasses.replace(flag, row=places[name]))
    return tuple(out)


def _name(topology: Topology, kind: str, row: int) -> tuple:
    term = getattr(topology, kind)
    atoms = tuple(term.atoms[row].tolist())
    if kind != "improper":
        atoms = min(atoms, atoms[::-1])
    n = int(np.round(term.parameters["n"][row])) if "n" in term.parameters else 0
    return kind, atoms, n
