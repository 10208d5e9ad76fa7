"""The changes of a refit in words and numbers, and which rows of the table they speak of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from core.analyses.refit import ParameterChange
from core.units import EnergyUnit
from widgets.parameter import rows
from widgets.parameter.rows import Key, Quantity
from widgets.tables import Column, Row, Shown

if TYPE_CHECKING:
    from core.mm.topology import Topology

_TERM = re.compile(r"(bond|angle|torsion|improper|lj) (\S+)(?: \(\d+\))?(?: n=(\d+))?")
_ATOM = re.compile(r"atom (\d+)\b")
_CLASS = re.compile(r"#\d+")  # which of the atoms of a type, where ties are by symmetry
ATOMIC = {"charges": "charge", "epsilon": "lj", "rmin_half": "lj"}
SAME_CHARGE = 1e-6  # e: tied charges are equal but for rounding
FAR = 3.0  # prior widths: from here on a change is marked
COLUMNS = (
    Column("Parameter"),
    Column("Change", "× prior", 1, f"in widths of its prior; ▲: {FAR:g} or more, look at it"),
    Column("Before", digits=4, tip="in the unit beside"),
    Column("After", digits=4, tip="in the unit beside"),
    Column("Unit"),
)


def quantity(name: str) -> Quantity | None:
    """How a fitted quantity ("torsion.k") is shown; None for one the table does not have."""
    kind, _, parameter = name.rpartition(".")
    return rows.QUANTITIES.get((kind or ATOMIC.get(parameter, ""), parameter))


def change_rows(changes: tuple[ParameterChange, ...], unit: EnergyUnit) -> list[Row]:
    """One line per parameter; key: its place in `changes`. Sorted by size, not by sign."""
    found = []
    for place, change in enumerate(changes):
        q = quantity(change.quantity)
        name = q.unit_text(unit) if q else ""
        ends = [
            Shown(q.shown(v, unit), q.text(v, unit)) if q else v
            for v in (change.before, change.after)
        ]
        text = f"{round(change.widths, 1) + 0.0:+.1f}".replace("-", "−")  # no "−0.0"
        widths = Shown(abs(change.widths), f"▲ {text}" if abs(change.widths) >= FAR else text)
        label = change.label
        if q is not None and " n=" not in label and not label.endswith(q.symbol):
            label += f" {q.symbol}"
        tip = f"{label}: click to select its terms"
        found.append(Row(str(place), (label, widths, *ends, name), tip=tip))
    return found


def keys_of(change: ParameterChange, topology: Topology) -> list[Key]:
    """Rows of the topology that a fitted parameter belongs to; empty where none can be told."""
    atom = _ATOM.match(change.label)
    if atom is not None:
        row, charges, types = int(atom[1]) - 1, topology.charges, topology.types
        if not 0 <= row < len(types):
            return []
        # the label names the first of the tied atoms; the others have its type and its charge
        tied = [t == types[row] for t in types] & (np.abs(charges - charges[row]) < SAME_CHARGE)
        return [("charge", int(k)) for k in np.flatnonzero(tied)]
    term = _TERM.match(change.label)
    if term is None:
        return []
    kind, names, n = term[1], _CLASS.sub("", term[2]), term[3]
    either = {names, "-".join(reversed(names.split("-")))}
    every = [(kind, row) for row in range(rows.count(topology, kind))]
    found = [key for key in every if rows.types(topology, key) in either]
    exact = [k for k in found if n and rows.value(topology, k, "n") == float(n)]
    return exact or found
