"""SMILES -> one molecule with a 3-D geometry, always the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.readers.errors import ReaderError, shown
from core.readers.limits import read_text
from core.readers.mol import embed, frame
from core.readers.raw import Collector, Options, Raw, Stated

KEY = "smiles"
LABEL = "SMILES"
SUFFIXES = (".smi", ".smiles")
MAX_LENGTH = 2_000  # characters
MAX_HEAVY = 200  # atoms without hydrogens; embedding takes minutes beyond
UNITS = Stated("", "Å", why="geometry made here", binding=True)


def sniff(path: Path, head: bytes) -> bool:
    """A SMILES cannot be told from other text: by suffix or by name only."""
    return False


def read(path: Path, options: Options) -> Raw:
    """The first entry of a .smi file; more than one molecule is refused."""
    lines = [t for t in read_text(path, most=1 << 20).splitlines() if t.strip()]
    if len(lines) != 1:
        raise ReaderError(path, f"holds {len(lines)} SMILES; PEScape takes one molecule at a time")
    return from_text(lines[0].split()[0], options)


def from_text(smiles: str, options: Options | None = None) -> Raw:
    """Embed a SMILES (ETKDGv3, fixed seed) and clean up with MMFF94.

    Raises ReaderError for text that is no SMILES, for salts and mixtures, placeholders and
    molecules beyond MAX_HEAVY heavy atoms.
    """
    from rdkit import Chem, rdBase

    text = smiles.strip()
    title = f"SMILES {shown(text)!r}".replace("/", "∕")  # ReaderError shows the last path part
    if not text:
        raise ReaderError("SMILES", "is empty")
    if len(text) > MAX_LENGTH:
        raise ReaderError(title, f"has {len(text)} characters; at most {MAX_LENGTH}")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ReaderError(title, "holds characters that no SMILES has")
    params: Any = Chem.SmilesParserParams()
    params.sanitize = False
    params.removeHs = False
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text, params)
    if mol is None:
        raise ReaderError(title, f"is not a SMILES{_place(text)}")
    if mol.GetNumAtoms() == 0:
        raise ReaderError(title, "has no atoms")
    parts = len(Chem.GetMolFrags(mol))
    if parts > 1:
        raise ReaderError(
            title,
            f"has {parts} separate parts (a salt or mixture). A potential-energy surface needs one "
            "molecule: keep the part that is meant, with its charge",
        )
    if mol.GetNumHeavyAtoms() > MAX_HEAVY:
        raise ReaderError(title, f"has {mol.GetNumHeavyAtoms()} heavy atoms; at most {MAX_HEAVY}")
    try:
        with rdBase.BlockLogs():
            Chem.SanitizeMol(mol)
            mol = Chem.AddHs(mol)
    except (ValueError, RuntimeError) as error:
        raise ReaderError(title, f"is not a possible molecule: {shown(error)}") from None
    notes: list[str] = []
    placeholders = [a.GetIdx() + 1 for a in mol.GetAtoms() if a.GetAtomicNum() == 0]
    if placeholders:
        raise ReaderError(title, f"atom {placeholders[0]} is a placeholder (*), no element")
    if mol.GetNumAtoms() > 1:
        embed(mol, path=title, index=None, said=notes)
    centres = Chem.FindMolChiralCenters(mol, includeUnassigned=True, useLegacyImplementation=True)
    undefined = [c for c in centres if c[1] == "?"]
    if undefined:
        listed = ", ".join(str(i + 1) for i, _ in undefined[:6])
        notes.append(f"the SMILES leaves the chirality of atom {listed} open: one was chosen")
    collector = Collector(title)
    collector.add(frame(mol, path=title, index=1, name=text, notes=tuple(notes)))
    return Raw(format=LABEL, blocks=collector.blocks(), stated=UNITS)


def _place(text: str) -> str:
    """A hint where brackets do not match."""
    for left, right, name in (("(", ")", "bracket"), ("[", "]", "square bracket")):
        if text.count(left) != text.count(right):
            return f" (a {name} is open)"
    return ""
