"""What is exported, and what a target is."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.mm.topology import Term, Topology
from core.molecule import Molecule

if TYPE_CHECKING:
    from core.forcefields.base import ForceField
    from core.mm.neural import Networks

RESIDUE = "MOL"
NAME_WIDTH = 4  # of an atom name, in AMBER's files as in PDB
#: Force fields whose energy is the sum of their topology's terms; with Morse bonds; with networks.
FIELDS, MORSE, NEURAL = ("gaff", "gaff-openmm"), ("gaff-morse",), ("gaff-nn",)
POSSIBLE = (*FIELDS, *MORSE, *NEURAL)
ASE = "(Every saved model is an ASE calculator: core.references.ase_bridge.load_calculator)"


class ExportError(ValueError):
    """Something that cannot be written for a target; the message says what and what helps."""


@dataclass(frozen=True)
class Part:
    """One file. text "" = not written; note says why, or what the person should know."""

    suffix: str
    text: str
    what: str
    note: str = ""


@dataclass(frozen=True)
class Target:
    """A program to write for. parts(subject, suffix) -> files, the first one is `out` itself."""

    key: str
    label: str
    suffixes: tuple[str, ...]
    parts: Callable[[Subject, str], tuple[Part, ...]]


@dataclass(frozen=True)
class Written:
    """Files, what each of them is, and remarks."""

    files: tuple[Path, ...]
    what: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Bonded:
    """Bonded terms that are networks (`core.mm.neural`): atoms and function of every term of each
    kind, the networks (tensors), and the energy constant (eV) that training found."""

    atoms: dict[str, np.ndarray]
    which: dict[str, np.ndarray]
    networks: Networks
    offset: float


@dataclass(frozen=True, eq=False)
class Subject:
    """A molecule with bonds, its terms, atom names (N,) that are unique, masses (N,) amu.

    depth (T,) eV: the bonds are Morse curves D (1 - exp(-a (r - r0)))², a = sqrt(k / D), with k
    and r0 as in the terms; None: they are harmonic. bonded: what stands for all bonded terms of
    the topology, which then only tell where training started; None: the terms themselves.
    """

    molecule: Molecule
    topology: Topology
    names: tuple[str, ...]
    masses: np.ndarray
    title: str
    depth: np.ndarray | None = None
    bonded: Bonded | None = None

    def steepness(self) -> np.ndarray:
        """a (T,) 1/Å of the Morse bonds."""
        assert self.depth is not None
        return np.sqrt(self.topology.bond.parameters["k"] / self.depth)

    def atom(self, index: int) -> str:
        """An atom as a message calls it."""
        return f"{self.names[index]} (atom {index + 1})"


def subject_of(field: ForceField) -> Subject:
    """Raises ExportError for force fields that are no sum of molecular-mechanics terms."""
    topology, key = getattr(field, "topology", None), field.INFO.key
    if key == "composite":
        raise ExportError(
            f"{field.INFO.label} cannot be exported: its correction is no sum of terms that "
            "another program has. Export a model of its base alone, which may be one of: "
            f"{', '.join(POSSIBLE)}. {ASE}"
        )
    if key not in POSSIBLE or not isinstance(topology, Topology):
        raise ExportError(
            f"{field.INFO.label} cannot be exported; possible are: {', '.join(POSSIBLE)}. {ASE}"
        )
    depth = getattr(field, "depth", None) if key in MORSE else None
    found = make_subject(field.molecule, topology, depth=depth)
    if key not in NEURAL:
        return found
    parts: Any = field
    bonded = Bonded(parts.functions.atoms, parts.functions.which, parts.networks, parts.offset)
    return dataclasses.replace(found, bonded=bonded)


def make_subject(
    molecule: Molecule, topology: Topology, *, depth: np.ndarray | None = None
) -> Subject:
    """Raises ExportError where molecule and terms do not belong together."""
    from core.bonding import with_bonds
    from core.elements import MASSES

    n = len(molecule.numbers)
    if len(topology.types) != n:
        raise ExportError(f"there are terms for {len(topology.types)} atoms and {n} atoms")
    _complete(topology)
    try:
        molecule = with_bonds(molecule)
    except ValueError as error:
        raise ExportError(f"the bonds are not known: {error}") from None
    title = f"PEScape: {molecule.name[:30] or molecule.formula}, {topology.source[:40]}"
    return Subject(
        molecule=molecule,
        topology=dataclasses.replace(topology, improper=_centred(topology, molecule)),
        names=atom_names(molecule),
        masses=np.asarray(MASSES, dtype=np.float64)[molecule.numbers],
        title=" ".join("".join(c if " " <= c < "\x7f" else " " for c in title).split()).rstrip(","),
        depth=None if depth is None else np.array(depth, dtype=np.float64),
    )


def _complete(topology: Topology) -> None:
    empty = [i + 1 for i, t in enumerate(topology.types) if not t.strip()]
    if empty:
        raise ExportError(f"atom {empty[0]} has no atom type; give it one, then export")
    for kind, term in topology.terms().items():
        if "n" not in term.parameters:
            continue
        flat = (term.parameters["n"] == 0) & (term.parameters["k"] != 0)
        if flat.any():
            i = int(np.flatnonzero(flat)[0])
            raise ExportError(
                f"{kind} {i + 1} (atoms {'-'.join(str(a + 1) for a in term.atoms[i])}) has the "
                "periodicity 0: a constant, which neither AMBER nor OpenMM has. Remove it"
            )


def _centred(topology: Topology, molecule: Molecule) -> Term:
    """Impropers with their centre third. LEaP turns some round, which leaves the angle the same:
    its files cannot have atom 1 in the third or fourth place."""
    term = topology.improper
    near: list[set[int]] = [set() for _ in topology.types]
    for a, b in molecule.bonds.tolist():
        near[a].add(b)
        near[b].add(a)
    atoms = term.atoms.copy()
    for row in atoms:
        i, j, k, m = row.tolist()
        if not {i, j, m} <= near[k] and {i, k, m} <= near[j]:
            row[:] = m, k, j, i
    types = tuple("-".join(topology.types[a] for a in row) for row in atoms)
    return dataclasses.replace(term, atoms=atoms, types=types if term.types else ())


def atom_names(molecule: Molecule) -> tuple[str, ...]:
    """C1, C2, O1, H1 …: unique and at most four characters (counted in base 36 where needed)."""
    total = {s: molecule.symbols.count(s) for s in set(molecule.symbols)}
    seen: dict[str, int] = {}
    names = []
    for symbol in molecule.symbols:
        seen[symbol] = seen.get(symbol, 0) + 1
        width = NAME_WIDTH - len(symbol)
        if total[symbol] < 10**width:
            names.append(f"{symbol}{seen[symbol]}")
        elif total[symbol] < 36**width:
            names.append(symbol + _base36(seen[symbol], width))
        else:
            raise ExportError(f"{total[symbol]} atoms of {symbol} are too many to be named")
    return tuple(names)


def _base36(value: int, width: int) -> str:
    digits = string.digits + string.ascii_uppercase
    text = ""
    for _ in range(width):
        value, rest = divmod(value, 36)
        text = digits[rest] + text
    return text
