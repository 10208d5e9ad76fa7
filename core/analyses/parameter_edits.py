"""Rows of a Topology: reading them one by one, and edits of it as new Topologies.

Pure bookkeeping on arrays, for the parameter editor and for scripts. A row is named by its kind and
its number from 0; kinds are those of `core.mm.topology.TERMS`, and "lj" and "charge" with one row
per atom.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from core.mm.topology import MAX_PERIODICITY, TERMS, Term, Topology

Key = tuple[str, int]  #: kind and row from 0
ATOMIC = {"lj": ("epsilon", "rmin_half"), "charge": ("charges",)}
KINDS = (*TERMS, *ATOMIC)
BY_HAND = "by hand"
DEGREE = math.pi / 180
ANY = (-math.inf, math.inf)
NONE_NEGATIVE = (0.0, math.inf)
#: What a parameter can be at all, in the units of the topology.
LIMITS: dict[tuple[str, str], tuple[float, float]] = {
    ("bond", "k"): NONE_NEGATIVE,
    ("bond", "r0"): (0.3, 5.0),
    ("angle", "k"): NONE_NEGATIVE,
    ("angle", "theta0"): (0.0, math.pi),
    ("lj", "epsilon"): NONE_NEGATIVE,
    ("lj", "rmin_half"): (0.0, 10.0),
    ("charge", "charges"): (-10.0, 10.0),
    **{(kind, "k"): ANY for kind in ("torsion", "improper")},
    **{(kind, "n"): (0, MAX_PERIODICITY) for kind in ("torsion", "improper")},
    **{(kind, "phase"): (-2 * math.pi, 2 * math.pi) for kind in ("torsion", "improper")},
}


def names(kind: str) -> tuple[str, ...]:
    """Parameters of a kind."""
    return ATOMIC[kind] if kind in ATOMIC else TERMS[kind][1]


def count(topology: Topology, kind: str) -> int:
    """Rows of a kind."""
    return len(topology.types) if kind in ATOMIC else len(getattr(topology, kind))


def value(topology: Topology, key: Key, name: str) -> float:
    """One parameter, in the units of the topology."""
    kind, row = key
    if kind in ATOMIC:
        return float(getattr(topology, name)[row])
    return float(getattr(topology, kind).parameters[name][row])


def atoms(topology: Topology, key: Key) -> tuple[int, ...]:
    """The atoms of a row, from 0."""
    kind, row = key
    return (row,) if kind in ATOMIC else tuple(int(a) for a in getattr(topology, kind).atoms[row])


def types(topology: Topology, key: Key) -> str:
    """The row's atom types, the same text for both directions."""
    kind, row = key
    if kind in ATOMIC:
        return topology.types[row]
    term: Term = getattr(topology, kind)
    if not term.types:
        return "-".join(topology.types[a] for a in term.atoms[row])
    text = term.types[row]
    back = "-".join(reversed(text.split("-")))
    return text if kind == "improper" else min(text, back)


def group(topology: Topology, key: Key) -> tuple[str, ...]:
    """Rows with the same answer are tied: the same types, and of a torsion the same n."""
    kind, row = key
    if kind == "charge":  # charges belong to the atom, not to its type
        return (kind, str(row))
    if kind in ("torsion", "improper"):
        return kind, types(topology, key), f"{value(topology, key, 'n'):.0f}"
    return kind, types(topology, key)


def groups(topology: Topology, kind: str) -> dict[tuple[str, ...], list[Key]]:
    """Group -> its rows, in the order of the topology."""
    found: dict[tuple[str, ...], list[Key]] = {}
    for row in range(count(topology, kind)):
        found.setdefault(group(topology, (kind, row)), []).append((kind, row))
    return found


def source(topology: Topology, key: Key) -> str:
    """Where the values come from."""
    kind, row = key
    term = None if kind in ATOMIC else getattr(topology, kind)
    if term is None:
        return topology.source
    return term.source[row] if term.source else topology.source


def penalty(topology: Topology, key: Key) -> float:
    """0 = the table has this very entry."""
    kind, row = key
    term = None if kind in ATOMIC else getattr(topology, kind)
    return float(term.penalty[row]) if term is not None and len(term.penalty) else 0.0


def with_value(topology: Topology, keys: Iterable[Key], name: str, new: float) -> Topology:
    """The topology with one parameter of some rows of one kind set.

    Raises ValueError where the value cannot be (the sentence says what can).
    """
    keys = list(keys)
    kind, rows = keys[0][0], [row for _, row in keys]
    low, high = LIMITS[kind, name]
    if not math.isfinite(new) or not low <= new <= high:
        degrees = name in ("theta0", "phase")
        ends = [x / DEGREE if degrees else x for x in (low, high)]
        unit = "°" if degrees else " Å" if name in ("r0", "rmin_half") else ""
        what = f"between {ends[0]:g} and {ends[1]:g}{unit}"
        if ends[1] == math.inf:
            what = "a number" if ends[0] == -math.inf else f"{ends[0]:g} or more"
        raise ValueError(f"{name} must be {what}".replace("-", "−"))
    if name == "n" and new != round(new):
        raise ValueError("n counts the maxima in a full turn: a whole number")
    if kind in ATOMIC:
        column = getattr(topology, name).copy()
        column[rows] = new
        changes: dict[str, Any] = {name: column}
        return dataclasses.replace(topology, **changes)
    term: Term = getattr(topology, kind)
    column = term.parameters[name].copy()
    column[rows] = new
    sources = list(term.source or [topology.source] * len(term))
    for row in rows:
        if not sources[row].startswith(BY_HAND):
            sources[row] = f"{BY_HAND}; was {sources[row]}" if sources[row] else BY_HAND
    changed = dataclasses.replace(
        term, parameters={**term.parameters, name: column}, source=tuple(sources)
    )
    return _with_term(topology, changed)


def _with_term(topology: Topology, term: Term) -> Topology:
    changes: dict[str, Any] = {term.kind: term}
    return dataclasses.replace(topology, **changes)


def with_rows(topology: Topology, kind: str, keep: np.ndarray) -> Topology:
    """The topology with only the rows `keep` (indices) of a kind, in that order."""
    term: Term = getattr(topology, kind)
    keep = np.asarray(keep, dtype=int)
    changed = Term(
        kind,
        term.atoms[keep],
        {n: c[keep] for n, c in term.parameters.items()},
        tuple(term.types[i] for i in keep) if term.types else (),
        tuple(term.source[i] for i in keep) if term.source else (),
        term.penalty[keep] if len(term.penalty) else term.penalty,
    )
    return _with_term(topology, changed)


def with_torsions(topology: Topology, keys: Iterable[Key], n: int) -> Topology:
    """A further Fourier term of amplitude 0 and periodicity n on the atoms of torsion rows."""
    rows = [row for _, row in keys]
    term = topology.torsion
    more = len(rows)
    columns = {
        "k": np.zeros(more),
        "n": np.full(more, float(n)),
        "phase": np.zeros(more) if n % 2 else np.full(more, math.pi),
    }
    sources = term.source or (topology.source,) * len(term)
    changed = Term(
        "torsion",
        np.concatenate([term.atoms, term.atoms[rows]]),
        {name: np.concatenate([term.parameters[name], columns[name]]) for name in columns},
        (*term.types, *(term.types[i] for i in rows)) if term.types else (),
        (*sources, *(f"{BY_HAND}: added",) * more),
        np.concatenate([term.penalty, np.zeros(more)]) if len(term.penalty) else term.penalty,
    )
    return dataclasses.replace(topology, torsion=changed)


def on_atoms(topology: Topology, picked: tuple[int, ...]) -> list[Key]:
    """Rows on exactly these atoms, read in either direction."""
    kinds = {1: ("charge",), 2: ("bond",), 3: ("angle",), 4: ("torsion", "improper")}
    found = []
    for kind in kinds.get(len(picked), ()):
        for row in range(count(topology, kind)):
            here = atoms(topology, (kind, row))
            same = here in (picked, picked[::-1])
            if same or (kind == "improper" and set(here) == set(picked)):
                found.append((kind, row))
    return found
