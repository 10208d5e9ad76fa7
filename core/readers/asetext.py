"""Other text formats, through ASE: only those on a list, from memory, watched.

ASE guesses formats from content and some of its readers unpickle, run databases or follow file
names in the file. The list below holds formats that are read from plain text alone.
"""

from __future__ import annotations

import fnmatch
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.molecule import MAX_ATOMS, MAX_ELEMENT
from core.readers.errors import ReaderError, shown
from core.readers.limits import read_text
from core.readers.raw import Collector, Frame, Options, Raw, Stated, check_finite

KEY = "ase"
LABEL = "other formats (ASE)"
MAX_BYTES = 200 << 20
MAX_EMPTY_READS = 10_000


@dataclass(frozen=True)
class TextFormat:
    """ASE's name, what to call it, file names (patterns) and a mark in the first bytes."""

    name: str
    label: str
    globs: tuple[str, ...]
    mark: bytes = b""
    counts: int = 0  # line (from 1) up to which atoms are announced; ASE sets memory aside for them


FORMATS = (
    TextFormat("gaussian-out", "Gaussian output", ("*.log",), b"Entering Gaussian System"),
    TextFormat("orca-output", "ORCA output", (), b"* O   R   C   A *"),
    TextFormat("nwchem-out", "NWChem output", ("*.nwo",), b"Northwest Computational Chemistry"),
    TextFormat("espresso-out", "Quantum ESPRESSO output", ("*.pwo",), b"Program PWSCF"),
    TextFormat("gamess-us-out", "GAMESS output", (), b"GAMESS"),
    TextFormat("turbomole", "Turbomole coord", ("coord",), b"$coord"),
    TextFormat("turbomole-gradient", "Turbomole gradient", ("gradient",), b"$grad"),
    TextFormat("proteindatabank", "PDB", ("*.pdb",)),
    TextFormat("gaussian-in", "Gaussian input", ("*.com", "*.gjf")),
    TextFormat("gen", "DFTB+ gen", ("*.gen",)),
    TextFormat("gromacs", "GROMACS gro", ("*.gro",)),
    TextFormat("vasp-out", "VASP OUTCAR", ("*OUTCAR*",)),
    TextFormat("vasp-xdatcar", "VASP XDATCAR", ("*XDATCAR*",), counts=7),
    TextFormat("vasp", "VASP POSCAR", ("*POSCAR*", "*CONTCAR*", "*.poscar"), counts=7),
    TextFormat("xsf", "XSF", ("*.xsf",)),
    TextFormat("castep-castep", "CASTEP", ("*.castep",)),
    TextFormat("cube", "cube", ("*.cube",)),
)
SUFFIXES = tuple(g[1:] for f in FORMATS for g in f.globs if g.startswith("*."))
REFUSED = {
    ".traj": "an ASE trajectory can hold a Python pickle, which could run code",
    ".pckl": "a pickle can run code",
    ".pkl": "a pickle can run code",
    ".db": "an ASE database is not read",
    ".json": "ASE's JSON is not read",
    ".h5": "HDF5 is not read",
    ".hdf5": "HDF5 is not read",
    ".py": "a Python program is not data",
}


class _Watched(io.StringIO):
    """Text that gives up on a parser that keeps on reading at the end."""

    _empty = 0

    def _seen(self, text: str) -> str:
        if not text:
            self._empty += 1
            if self._empty > MAX_EMPTY_READS:
                raise EOFError("the parser does not come to an end: the file is cut short")
        return text

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        return self._seen(super().readline(size))

    def read(self, size: int | None = -1, /) -> str:
        return self._seen(super().read(size))


def find(path: Path, head: bytes) -> TextFormat | None:
    """The format of the list that the file's first bytes or name tell."""
    for known in FORMATS:
        if known.mark and known.mark in head:
            return known
    for known in FORMATS:
        if any(fnmatch.fnmatchcase(path.name, g) for g in known.globs):
            return known
    return None


def sniff(path: Path, head: bytes) -> bool:
    """Is it one of the formats of the list?"""
    return find(path, head) is not None


def read(path: Path, options: Options, *, name: str = "") -> Raw:
    """Read with ASE. `name` is ASE's name of the format ("" = find out).

    Raises ReaderError for formats not on the list and whatever goes wrong inside ASE.
    """
    text = read_text(path, most=MAX_BYTES)
    known = (
        next((f for f in FORMATS if f.name == name), None)
        if name
        else find(path, text[:100_000].encode())
    )
    if known is None:
        raise ReaderError(
            path, f"the format {shown(name or path.suffix)!r} is not one that is read"
        )
    _announced(path, text, known)
    frames = _ase(path, text, known)
    collector = Collector(str(path))
    periodic = False
    for index, atoms in enumerate(frames, start=1):
        periodic |= bool(np.any(atoms.pbc))
        collector.add(_frame(path, atoms, index))
        options.tick(index / len(frames))
    notes = ("the box is periodic; PEScape takes the atoms as a free molecule",) * periodic
    said = Stated("eV", "Å", ("eV", "Å"), why=f"ASE converts {known.label}", binding=True)
    return Raw(format=known.label, blocks=collector.blocks(), stated=said, notes=notes)


def _announced(path: Path, text: str, known: TextFormat) -> None:
    for number, line in enumerate(text.split("\n", known.counts)[: known.counts], start=1):
        words = line.split()
        if words and all(w.isascii() and w.isdigit() for w in words):
            atoms = sum(int(w[:18]) for w in words)
            if atoms > MAX_ATOMS:
                raise ReaderError(
                    path, f"announces {atoms} atoms; at most {MAX_ATOMS} are possible", line=number
                )


def _ase(path: Path, text: str, known: TextFormat) -> list:
    from ase.io import read as ase_read

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = ase_read(_Watched(text), index=":", format=known.name)
    except Exception as error:
        # ASE's parsers raise whatever their code meets: IndexError, KeyError, StopIteration, …
        cause = shown(error) or type(error).__name__
        raise ReaderError(
            path, f"ASE cannot read it as {known.label} ({type(error).__name__}: {cause})"
        ) from None
    frames = found if isinstance(found, list) else [found]
    if not frames:
        raise ReaderError(path, f"holds no geometry that ASE finds as {known.label}")
    return frames


def _frame(path: Path, atoms, index: int) -> Frame:
    numbers = np.asarray(atoms.numbers, dtype=np.int64)
    positions = np.asarray(atoms.positions, dtype=np.float64)
    if not 0 < len(numbers) <= MAX_ATOMS:
        raise ReaderError(path, f"{len(numbers)} atoms; 1 to {MAX_ATOMS} are possible", frame=index)
    if numbers.min() < 1 or numbers.max() > MAX_ELEMENT:
        bad = int(np.flatnonzero((numbers < 1) | (numbers > MAX_ELEMENT))[0])
        raise ReaderError(path, f"atom {bad + 1} is no element", frame=index)
    results = getattr(atoms.calc, "results", {}) if atoms.calc is not None else {}
    energy, forces = results.get("energy"), results.get("forces")
    if forces is not None:
        forces = np.asarray(forces, dtype=np.float64)
        if forces.shape != positions.shape:
            raise ReaderError(path, f"forces of shape {forces.shape}", frame=index)
    check_finite(path, "coordinate", positions, index)
    check_finite(path, "force", forces, index)
    if energy is not None and not np.isfinite(energy):
        raise ReaderError(path, "the energy is not a number", frame=index)
    return Frame(numbers, positions, None if energy is None else float(energy), forces)
