"""Our own JSON: everything a field holds, for scripts in any language; `read_json` reads it back.

{"format": "pescape-mm", "version": 1, "units": …, "name", "charge", "symbols", "positions",
"bonds": [[i, j, order]], "types", "charges", "rmin_half", "epsilon", "coulomb", "pairs",
"pairs14": [[i, j, scee, scnb]], "bond" | "angle" | "torsion" | "improper": [{"atoms", the
parameters by name, "types", "source", "penalty"}], "depth", "source", "notes"}. Atoms count from
1; kcal/mol, Å, degrees, e; no constant has a factor one half. Energies: see `core.mm.topology`;
"depth" is null, or has the D of every bond, which then is D (1 - exp(-sqrt(k/D) (r - r0)))².

Version 2 has "networks" too (`core.mm.export.json_networks`), which stand for all bonded terms; the
rows of these only tell where training started. What needs no networks is written as version 1.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.elements import NUMBER_OF
from core.mm.export import json_networks
from core.mm.export.subject import Bonded, Part, Subject, Target
from core.mm.topology import TERMS, Term, Topology
from core.molecule import Molecule
from core.readers.errors import ReaderError, shown
from core.readers.limits import read_text
from core.units import KCAL_MOL

FORMAT, PLAIN, NEURAL = "pescape-mm", 1, 2  # versions without and with networks
UNITS = "kcal/mol, angstrom, degree, e; atoms from 1; no factors one half"
MAX_BYTES = 256 << 20
#: Size of the unit of a parameter; the others are Å or plain numbers.
SIZE = {"k": KCAL_MOL, "theta0": math.pi / 180.0, "phase": math.pi / 180.0}


def parts(subject: Subject, suffix: str) -> tuple[Part, ...]:
    """One file."""
    return (Part(suffix, _text(subject), "JSON of PEScape"),)


def _text(subject: Subject) -> str:
    # weights on lines of their own would make a file of some thousand lines
    return json.dumps(as_dict(subject), indent=1 if subject.bonded is None else None) + "\n"


def as_dict(subject: Subject) -> dict[str, Any]:
    """The record as plain values."""
    molecule, top = subject.molecule, subject.topology
    orders = molecule.orders if len(molecule.orders) else np.ones(len(molecule.bonds))
    scales = zip(top.pairs14.tolist(), top.scee14.tolist(), top.scnb14.tolist(), strict=True)
    return {
        "format": FORMAT,
        "version": PLAIN if subject.bonded is None else NEURAL,
        "written_by": "PEScape",
        "units": UNITS,
        "name": molecule.name,
        "charge": molecule.charge,
        "multiplicity": molecule.multiplicity,
        "symbols": list(molecule.symbols),
        "positions": molecule.positions.tolist(),
        "bonds": [
            [a + 1, b + 1, float(o)]
            for (a, b), o in zip(molecule.bonds.tolist(), orders, strict=True)
        ],
        "types": list(top.types),
        "charges": top.charges.tolist(),
        "rmin_half": top.rmin_half.tolist(),
        "epsilon": (top.epsilon / KCAL_MOL).tolist(),
        "coulomb": top.coulomb / KCAL_MOL,
        "pairs": (top.pairs + 1).tolist(),
        "pairs14": [[i + 1, j + 1, e, b] for (i, j), e, b in scales],
        **{kind: _rows(term) for kind, term in top.terms().items()},
        "depth": None if subject.depth is None else (subject.depth / KCAL_MOL).tolist(),
        "source": top.source,
        "notes": list(top.notes),
        **({} if subject.bonded is None else {"networks": json_networks.as_dict(subject.bonded)}),
    }


def _rows(term: Term) -> list[dict[str, Any]]:
    rows = []
    for i, atoms in enumerate(term.atoms.tolist()):
        row: dict[str, Any] = {"atoms": [a + 1 for a in atoms]}
        row |= {n: float(c[i]) / SIZE.get(n, 1.0) for n, c in term.parameters.items()}
        row |= {"types": term.types[i]} if term.types else {}
        row |= {"source": term.source[i]} if term.source else {}
        row |= {"penalty": float(term.penalty[i])} if len(term.penalty) else {}
        rows.append(row)
    return rows


@dataclass(frozen=True, eq=False)
class Record:
    """What such a file holds; depth (T,) eV of Morse bonds, None where they are harmonic; bonded:
    the networks that stand for the bonded terms, None where there are none."""

    molecule: Molecule
    topology: Topology
    depth: np.ndarray | None
    bonded: Bonded | None = None


def read_json(path: str | Path) -> Record:
    """Molecule and terms from such a file. Raises ReaderError naming the file and the cause."""
    try:
        found = json.loads(read_text(path, most=MAX_BYTES))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ReaderError(path, f"is no JSON: {shown(error)}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ReaderError(path, f"is not of the format {FORMAT}")
    if found.get("version") not in (PLAIN, NEURAL):
        raise ReaderError(
            path, f"has the version {shown(found.get('version'))}, known are {PLAIN} and {NEURAL}"
        )
    if found.get("units") != UNITS:
        raise ReaderError(path, f"has the units {shown(found.get('units'))!r}, expected {UNITS!r}")
    try:
        molecule, topology = _molecule(found), _topology(found)
        depth = None if found["depth"] is None else _depth(found["depth"], len(topology.bond))
        bonded = None
        if found["version"] == NEURAL:
            bonded = json_networks.read(found["networks"], len(molecule.numbers))
    except KeyError as error:
        raise ReaderError(path, f"has no {shown(error.args[0])}") from None
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError) as error:
        raise ReaderError(path, f"is damaged: {shown(error)}") from None
    if len(topology.types) != len(molecule.numbers):
        raise ReaderError(
            path, f"has {len(topology.types)} types for {len(molecule.numbers)} atoms"
        )
    return Record(molecule, topology, depth, bonded)


def _table(rows: list, width: int) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


def _depth(values: list, count: int) -> np.ndarray:
    depth = np.array(values, dtype=np.float64) * KCAL_MOL
    if depth.shape != (count,) or not (np.isfinite(depth) & (depth > 0)).all():
        raise ValueError(f"depth must be {count} positive numbers, or null")
    return depth


def _molecule(found: dict[str, Any]) -> Molecule:
    bonds = _table(found["bonds"], 3)
    return Molecule(
        name=str(found["name"]),
        numbers=np.array([NUMBER_OF[s] for s in found["symbols"]]),
        positions=_table(found["positions"], 3),
        charge=int(found["charge"]),
        multiplicity=int(found["multiplicity"]),
        bonds=bonds[:, :2] - 1,
        orders=bonds[:, 2],
    )


def _topology(found: dict[str, Any]) -> Topology:
    near = _table(found["pairs14"], 4)
    return Topology(
        types=tuple(str(t) for t in found["types"]),
        charges=np.array(found["charges"], dtype=np.float64),
        rmin_half=np.array(found["rmin_half"], dtype=np.float64),
        epsilon=np.array(found["epsilon"], dtype=np.float64) * KCAL_MOL,
        **{kind: _term(kind, found[kind]) for kind in TERMS},
        pairs=_table(found["pairs"], 2) - 1,
        pairs14=near[:, :2] - 1,
        scee14=near[:, 2],
        scnb14=near[:, 3],
        coulomb=float(found["coulomb"]) * KCAL_MOL,
        source=str(found["source"]),
        notes=tuple(str(n) for n in found["notes"]),
    )


def _term(kind: str, rows: list[dict[str, Any]]) -> Term:
    width, names = TERMS[kind]
    columns = {n: np.array([float(r[n]) for r in rows]) * SIZE.get(n, 1.0) for n in names}
    whole: dict[str, list] = {
        name: [r[name] for r in rows if name in r] for name in ("types", "source", "penalty")
    }
    return Term(
        kind,
        _table([r["atoms"] for r in rows], width) - 1,
        columns,
        tuple(str(t) for t in whole["types"]),
        tuple(str(s) for s in whole["source"]),
        np.array(whole["penalty"], dtype=np.float64),
    )


TARGET = Target("json", "JSON of PEScape", (".json",), parts)
