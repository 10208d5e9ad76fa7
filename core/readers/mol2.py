"""Tripos mol2: one molecule with its bonds; its atom types and charges stay in the file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from core.readers.raw import Collector, Frame, Options, Raw, Stated

KEY = "mol2"
LABEL = "mol2"
SUFFIXES = (".mol2",)
UNITS = Stated("", "Å", why="mol2 files are in Å", binding=True)


def sniff(path: Path, head: bytes) -> bool:
    """Is there a Tripos section?"""
    return b"@<TRIPOS>MOLECULE" in head


def read(path: Path, options: Options) -> Raw:
    """Read the molecule. Raises ReaderError with the line and the cause."""
    from core.bonding import with_orders
    from core.mm.mol2 import gaff_types, read_mol2

    molecule, types, charges = read_mol2(path)
    notes = []
    if not (molecule.orders == molecule.orders.round()).all():  # aromatic: one Kekulé form of it
        molecule, note = with_orders(dataclasses.replace(molecule, name=path.stem))
        notes += [note] if note else []
    kind = "GAFF's" if gaff_types(types) else "SYBYL's"
    also = "no charges" if charges is None else f"charges that add up to {molecule.charge:+d} e"
    notes.append(
        f"the file has {kind} atom types and {also}; GAFF takes them where the file is named as "
        "its mol2 file"
    )
    frame = Frame(
        numbers=molecule.numbers,
        positions=molecule.positions,
        names={"name": molecule.name} if molecule.name else {},
        charge=molecule.charge,
        multiplicity=1,
        bonds=molecule.bonds if len(molecule.bonds) else None,
        orders=molecule.orders if len(molecule.bonds) else None,
        notes=tuple(notes),
    )
    collector = Collector(str(path))
    collector.add(frame)
    return Raw(format="mol2", blocks=collector.blocks(), stated=UNITS)
