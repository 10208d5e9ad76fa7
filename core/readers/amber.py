"""AMBER: a prmtop with the coordinates that lie beside it (inpcrd, rst7), as one molecule.

Formats: https://ambermd.org/prmtop.pdf, https://ambermd.org/FileFormats.php#restart.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from core.molecule import Molecule
from core.readers.errors import ReaderError, shown
from core.readers.limits import open_file, read_text
from core.readers.raw import Collector, Frame, Options, Raw, Stated

KEY = "amber"
LABEL = "AMBER prmtop with inpcrd or rst7"
TOPOLOGIES = (".prmtop", ".parm7")
COORDINATES = (".inpcrd", ".rst7", ".restrt", ".crd", ".rst")
SUFFIXES = (*TOPOLOGIES, ".inpcrd", ".rst7", ".restrt")
UNITS = Stated("", "Å", why="AMBER's files are in Å", binding=True)
WIDTH, PER_LINE = 12, 6  # of a coordinate; coordinates in a line
NUMBER = re.compile(r"\s*[-+]?(\d+\.\d*|\.\d+)$")
MAX_BYTES = 32 << 20
MAX_COORDINATE = 1e6  # Å
WHOLE = 0.02  # e, by which charges may miss a whole number


def sniff(path: Path, head: bytes) -> bool:
    """Does it begin as a prmtop?"""
    return head.lstrip().startswith((b"%VERSION", b"%FLAG TITLE"))


def read(path: Path, options: Options) -> Raw:
    """Read atoms, bonds and charge from the prmtop, positions from the other file.

    Either may be named; the other has the same name with another ending. Raises ReaderError.
    """
    if path.suffix.lower() in COORDINATES:
        topology, coordinates = _beside(path, TOPOLOGIES, "elements"), path
    else:
        topology, coordinates = path, _beside(path, COORDINATES, "coordinates")
    molecule, notes = molecule_of(topology, coordinates)
    frame = Frame(
        numbers=molecule.numbers,
        positions=molecule.positions,
        charge=molecule.charge,
        multiplicity=None,
        bonds=molecule.bonds if len(molecule.bonds) else None,
        orders=molecule.orders if len(molecule.bonds) else None,
        notes=(
            f"atoms and bonds from {topology.name}, positions from {coordinates.name}",
            "for the file's own force field choose GAFF with this prmtop as its parameter file",
            *notes,
        ),
    )
    collector = Collector(str(path))
    collector.add(frame)
    return Raw(format="AMBER", blocks=collector.blocks(), stated=UNITS)


def molecule_of(topology: Path, coordinates: Path | None) -> tuple[Molecule, tuple[str, ...]]:
    """The molecule of a prmtop, with bonds, and remarks; without coordinates all are 0.

    Its charge is the sum of its charges. Bond orders, which a prmtop does not have, follow from
    bonds and charge. Raises ReaderError.
    """
    from core.bonding import with_orders
    from core.mm.prmtop import read_prmtop
    from core.readers.build import MAX_BOND_ATOMS

    atoms, terms = read_prmtop(topology)
    total = float(terms.charges.sum())
    if abs(total - round(total)) > WHOLE:
        raise ReaderError(
            topology, f"the charges add up to {total:+.4f} e, which is no whole number"
        )
    n = len(atoms.numbers)
    positions = np.zeros((n, 3)) if coordinates is None else read_restart(coordinates, n)
    bonds = np.unique(np.sort(atoms.bonds, axis=1), axis=0).reshape(-1, 2)
    molecule = Molecule(
        topology.stem, atoms.numbers, positions, round(total), 1, bonds, np.zeros(len(bonds))
    )
    if not len(bonds):
        return molecule, ()
    if n > MAX_BOND_ATOMS:
        return molecule, (f"bond orders are not looked for in {n} atoms",)
    known, note = with_orders(molecule)
    return known, (note,) if note else ()


def read_restart(path: Path, atoms: int) -> np.ndarray:
    """Positions (N,3) Å of an inpcrd or restart file in text. Raises ReaderError.

    Velocities and a box, which may follow, are left out.
    """
    with open_file(path, most=MAX_BYTES) as file:
        if file.read(4).startswith((b"CDF", b"\x89HDF")):
            raise ReaderError(
                path,
                "is a NetCDF file; write it as text (cpptraj: trajout FILE.rst7 restart)",
            )
    lines = read_text(path, most=MAX_BYTES).splitlines()
    counts = lines[1].split() if len(lines) > 1 else []
    if not counts or not re.fullmatch(r"\d{1,9}", counts[0]):
        raise ReaderError(
            path, "has no number of atoms in its second line: it is no inpcrd", line=2
        )
    if int(counts[0]) != atoms:
        raise ReaderError(path, f"is for {counts[0]} atoms, the prmtop for {atoms}", line=2)
    values: list[float] = []
    for k, line in enumerate(lines[2:], start=3):
        text = line.rstrip()
        for start in range(0, min(len(text), WIDTH * PER_LINE), WIDTH):
            field = text[start : start + WIDTH]
            if not NUMBER.match(field):
                raise ReaderError(path, f"{shown(field.strip())!r} is no coordinate", line=k)
            values.append(float(field))
        if len(values) >= 3 * atoms:
            break
    if len(values) < 3 * atoms:
        raise ReaderError(path, f"ends after {len(values) // 3} of {atoms} atoms")
    found = np.array(values[: 3 * atoms]).reshape(-1, 3)
    if np.abs(found).max() > MAX_COORDINATE:
        raise ReaderError(path, "has a coordinate that can only be damage")
    return found


def coordinates_beside(topology: Path) -> Path | None:
    """The coordinate file with the same name, if there is one."""
    return next((p for p in _candidates(topology, COORDINATES) if p.is_file()), None)


def _beside(path: Path, suffixes: tuple[str, ...], what: str) -> Path:
    found = next((p for p in _candidates(path, suffixes) if p.is_file()), None)
    if found is None:
        names = " or ".join(path.stem + s for s in suffixes[:2])
        raise ReaderError(
            path,
            f"has no {what}: put {names} beside it, or open another file of the "
            "molecule and choose GAFF with the prmtop as its parameter file",
        )
    return found


def _candidates(path: Path, suffixes: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(path.with_suffix(s) for s in suffixes)
