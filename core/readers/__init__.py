"""One file per format: KEY, LABEL, SUFFIXES, sniff(path, head), read(path, options) -> Raw.

`read` finds the format; it takes nothing on trust: sizes are checked before memory is set aside,
nothing is unpickled or evaluated, and whatever is wrong comes out as a ReaderError.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import numpy as np

from core.readers.errors import ReaderError, shown
from core.readers.limits import open_file
from core.readers.raw import Block, Options, Raw

__all__ = [
    "Options",
    "Raw",
    "ReaderError",
    "detect",
    "formats",
    "is_smiles_file",
    "read",
    "suffixes",
]

HEAD = 100_000  # bytes a format may look at
MAX_COORDINATE = 1e6  # file units; nobody's molecule is a tenth of a millimetre wide
MAX_LABEL = 1e12  # file units
ZIPS = ("record", "npz")  # asked in this order: our own records are zips too


@functools.cache
def formats() -> dict[str, ModuleType]:
    """KEY -> module of every format reader in this package."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        if hasattr(loaded, "KEY"):
            found[loaded.KEY] = loaded
    return found


def suffixes() -> tuple[str, ...]:
    """File suffixes that are known, for a file dialog."""
    return tuple(sorted({s for f in formats().values() for s in f.SUFFIXES}))


def detect(path: str | Path) -> str:
    """KEY of the format of a file: by its first bytes, then by its suffix.

    Raises ReaderError when it is of no known format or cannot be opened.
    """
    path = Path(path)
    with open_file(path) as file:
        head = file.read(HEAD)
    known = formats()
    refused = known["ase"].REFUSED.get(path.suffix.lower())
    by_suffix = [key for key, f in known.items() if path.suffix.lower() in f.SUFFIXES]
    if head.startswith(b"PK"):
        key = next((k for k in ZIPS if known[k].sniff(path, head)), "")
        if key:
            return key
    for key in by_suffix:
        if key not in ("ase", *ZIPS):
            return key
    for key in sorted(known, key=lambda k: k == "ase"):  # ASE's own guess comes last
        if key not in ZIPS and known[key].sniff(path, head):
            return key
    if by_suffix:
        return by_suffix[0]
    raise ReaderError(
        path,
        f"is of no known format: {refused}"
        if refused
        else "is of no known format. PEScape reads extxyz and xyz, npz (MD17, sGDML), SDF, MOL and "
        "mol2, AMBER's prmtop with inpcrd, SMILES, and outputs that ASE reads",
    )


def read(path: str | Path, *, format: str = "", options: Options | None = None) -> Raw:
    """Read a file (or, with format "smiles", a SMILES) into blocks in the file's own units.

    format: a KEY, "ase:NAME" for one of ASE's, or "" to find out. Raises ReaderError.
    """
    options = options or Options()
    known = formats()
    if format == "smiles" and not is_smiles_file(path):
        return known["smiles"].from_text(str(path), options)
    key, _, name = (format or detect(path)).partition(":")
    key = {"extxyz": "xyz", "mol": "sdf"}.get(key, key)
    if key not in known:
        raise ReaderError(path, f"{shown(format)!r} is none of {', '.join(known)}")
    try:
        if name:
            raw = known["ase"].read(Path(path), options, name=name)
        else:
            raw = known[key].read(Path(path), options)
    except MemoryError:
        raise ReaderError(path, "does not fit into memory") from None
    if not raw.blocks:
        raise ReaderError(path, "holds no frames")
    for block in raw.blocks:
        _sane(path, block)
    return raw


def is_smiles_file(path: str | Path) -> bool:
    """A .smi file rather than a SMILES? (A SMILES may be a path that cannot be asked for.)"""
    try:
        return Path(path).suffix in (".smi", ".smiles") and Path(path).exists()
    except (OSError, ValueError):
        return False


def _sane(path: str | Path, block: Block) -> None:
    """Numbers so large that they can only be damage would overflow every sum that follows."""
    for what, values, most in (
        ("coordinate", block.positions, MAX_COORDINATE),
        ("energy", block.energies, MAX_LABEL),
        ("force", block.forces, MAX_LABEL),
    ):
        if values is None or not len(values):
            continue
        flat = np.abs(values.reshape(len(values), -1)).max(1)
        if (flat > most).any():  # False for NaN, a missing label
            bad = int(np.flatnonzero(flat > most)[0])
            raise ReaderError(
                path, f"has a {what} of {flat[bad]:.3g}", frame=int(block.frames[bad])
            )
