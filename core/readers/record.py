"""PEScape's own records: a Dataset or a Molecule saved by core.storage."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from core.dataset import Dataset
from core.molecule import Molecule
from core.readers.errors import ReaderError, shown
from core.readers.limits import open_file
from core.readers.raw import Block, Options, Raw, Stated

KEY = "record"
LABEL = "PEScape record"
SUFFIXES = ()
UNITS = Stated("eV", "Å", ("eV", "Å"), why="PEScape stores eV and Å", binding=True, trusted=True)


def sniff(path: Path, head: bytes) -> bool:
    """A zip with the tree of a record in it."""
    from core.storage import TREE

    if not head.startswith(b"PK"):
        return False
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            return TREE in archive.NameToInfo
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile, EOFError):
        return False


def read(path: Path, options: Options) -> Raw:
    """Raises ReaderError when the record is damaged or of another kind."""
    from core.storage import StorageError, load

    with open_file(path):
        pass  # the limits of open_file hold for our own files too
    try:
        record = load(path)
    except StorageError as error:
        raise ReaderError(path, shown(error)) from None
    if isinstance(record, Molecule):
        record = Dataset(record.name, record, record.positions[None])
    if not isinstance(record, Dataset):
        kind = type(record).__name__
        raise ReaderError(path, f"holds a {kind}, not a data set or molecule")
    molecule = record.molecule
    notes = (f"imported before from {shown(record.source)}",) if record.source else ()
    block = Block(
        numbers=molecule.numbers,
        positions=record.positions,
        energies=record.energies,
        forces=record.forces,
        frames=np.arange(1, len(record) + 1),
        tags=dict(record.tags),
        level=record.level,
        charge=molecule.charge,
        multiplicity=molecule.multiplicity,
        bonds=molecule.bonds if len(molecule.bonds) else None,
        orders=molecule.orders if len(molecule.bonds) else None,
    )
    return Raw(
        format=LABEL,
        blocks=(block,),
        stated=UNITS,
        isolated=dict(record.isolated_atoms),
        notes=notes,
    )
