"""Write the parameters of a molecule as an frcmod file that tleap and `read_frcmod` read.

Format: https://ambermd.org/FileFormats.php#frcmod; kcal/mol, Å, degrees there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from core.mm.tables import SCEE, SCNB, Types
from core.mm.topology import Term, Topology
from core.units import KCAL_MOL


class FrcmodError(ValueError):
    """Parameters that an frcmod file cannot hold: it knows atom types, not atoms."""


def frcmod(topology: Topology, masses: dict[str, float], *, title: str = "") -> str:
    """The text of an frcmod file with every parameter of the molecule, by atom type.

    masses: type -> amu. Raises FrcmodError where two terms of the same types have different
    parameters, naming both, or where a type has no mass.
    """
    lines = [" ".join((title or topology.source or "PEScape").split())[:80]]
    for name, block in (
        ("MASS", _masses(topology, masses)),
        ("BOND", _pairs(topology, topology.bond)),
        ("ANGLE", _pairs(topology, topology.angle)),
        ("DIHE", _torsions(topology)),
        ("IMPROPER", _impropers(topology)),
        ("NONBON", _vdw(topology)),
    ):
        lines += [name, *block, ""]
    return "\n".join(lines) + "\n"


def _key(types: Types) -> str:
    return "-".join(t.ljust(2) for t in types)


def _same(old: tuple, new: tuple, types: str, atoms: tuple, kind: str) -> None:
    if not np.allclose(np.array(old, float), np.array(new, float), rtol=1e-9, atol=1e-12):
        raise FrcmodError(
            f"the {kind} {types} at atoms {'-'.join(str(a + 1) for a in atoms)} differs from "
            "another of the same types; an frcmod file keeps one value per type. Tie them by "
            "type, or export as json or prmtop"
        )


def _masses(topology: Topology, masses: dict[str, float]) -> Iterator[str]:
    for t in sorted(set(topology.types)):
        if t not in masses:
            raise FrcmodError(f"the mass of the atom type {t} is not known")
        yield f"{t:2s} {masses[t]:.3f}"


def _grouped(topology: Topology, term: Term) -> dict[Types, tuple[list[tuple], tuple, str]]:
    """Types -> (rows of values, atoms, note); all terms of the same types must agree."""
    columns = list(term.parameters.values())
    by_atoms: dict[tuple[int, ...], list[int]] = {}
    for i, atoms in enumerate(term.atoms.tolist()):
        by_atoms.setdefault(tuple(atoms), []).append(i)
    found: dict[Types, tuple[list[tuple], tuple, str]] = {}
    for atoms, rows in by_atoms.items():
        types = tuple(topology.types[a] for a in atoms)
        if term.kind != "improper":
            types = min(types, types[::-1])
        values = [tuple(float(c[i]) for c in columns) for i in rows]
        if term.kind != "bond" and term.kind != "angle":
            values.sort(key=lambda v: v[1])
        note = term.source[rows[0]] if term.source else ""
        if types not in found:
            found[types] = (values, atoms, note)
            continue
        old = found[types][0]
        if len(old) != len(values):
            _same((len(old),), (len(values),), _key(types), atoms, term.kind)
        for a, b in zip(old, values, strict=True):
            _same(a, b, _key(types), atoms, term.kind)
    return dict(sorted(found.items()))


def _pairs(topology: Topology, term: Term) -> Iterator[str]:
    scale = 1.0 if term.kind == "bond" else math.degrees(1.0)
    for types, (((k, x0),), _, note) in _grouped(topology, term).items():
        yield f"{_key(types)}  {k / KCAL_MOL:.8g}  {x0 * scale:.8g}  {_plain(note)}".rstrip()


def _torsions(topology: Topology) -> Iterator[str]:
    ends = {}
    for p, *scales in zip(topology.pairs14.tolist(), topology.scee14, topology.scnb14, strict=True):
        ends[tuple(sorted(p))] = tuple(map(float, scales))
    for types, (rows, atoms, note) in _grouped(topology, topology.torsion).items():
        scee, scnb = ends.get(tuple(sorted((atoms[0], atoms[3]))), (SCEE, SCNB))
        own = "" if (scee, scnb) == (SCEE, SCNB) else f"  SCEE={scee:.6g} SCNB={scnb:.6g}"
        for i, (k, n, phase) in enumerate(rows):
            sign = 1 if i == len(rows) - 1 else -1  # negative: another term follows
            yield (
                f"{_key(types)}  1  {k / KCAL_MOL:.8g}  {math.degrees(phase):.8g}  {sign * n:.1f}"
                f"{own}  {_plain(note)}"
            ).rstrip()


def _impropers(topology: Topology) -> Iterator[str]:
    for types, (rows, atoms, note) in _grouped(topology, topology.improper).items():
        if len(rows) > 1:
            raise FrcmodError(
                f"the improper {_key(types)} at atoms {'-'.join(str(a + 1) for a in atoms)} has "
                f"{len(rows)} terms; an frcmod file holds one. Export as json or prmtop"
            )
        k, n, phase = rows[0]
        values = f"{k / KCAL_MOL:.8g}  {math.degrees(phase):.8g}  {n:.1f}"
        # tleap skips four columns, where torsions have their number of paths
        yield f"{_key(types)}        {values}  {_plain(note)}".rstrip()


def _vdw(topology: Topology) -> Iterator[str]:
    seen: dict[str, tuple[float, float]] = {}
    for i, (t, r, e) in enumerate(
        zip(topology.types, topology.rmin_half, topology.epsilon, strict=True)
    ):
        new = (float(r), float(e))
        if t in seen:
            _same(seen[t], new, t, (i,), "Lennard-Jones entry")
            continue
        seen[t] = new
    for t, (r, e) in sorted(seen.items()):
        yield f"  {t:2s}  {r:.8g}  {e / KCAL_MOL:.8g}"


def _plain(note: str) -> str:
    """One line of printable ASCII without what tleap would read as a scale."""
    words = "".join(c if " " <= c < "\x7f" and c != "=" else " " for c in note)
    return " ".join(words.split())[:60]
