"""MOL and SDF files through RDKit: bonds and charge are the file's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.molecule import MAX_ATOMS
from core.readers.errors import ReaderError, shown
from core.readers.limits import read_text
from core.readers.raw import Collector, Frame, Options, Raw, Stated, check_finite

if TYPE_CHECKING:
    from rdkit.Chem import Mol

KEY = "sdf"
LABEL = "MOL / SDF"
SUFFIXES = (".sdf", ".mol", ".sd")
MAX_BYTES = 64 << 20
MAX_RECORDS = 10_000
UNITS = Stated("", "Å", why="MOL files are in Å", binding=True)


def sniff(path: Path, head: bytes) -> bool:
    """Does the fourth line carry the version mark?"""
    lines = head.split(b"\n", 4)
    return len(lines) > 3 and bool(re.search(rb"V[23]000\s*$", lines[3]))


def read(path: Path, options: Options) -> Raw:
    """Read all records. Raises ReaderError with the record (as frame) and the cause."""
    text = read_text(path, most=MAX_BYTES).replace("\r\n", "\n")
    records = re.split(r"^\$\$\$\$[^\n]*\n?", text, flags=re.MULTILINE)
    while records and not records[-1].strip():
        records.pop()
    if not records:
        raise ReaderError(path, "holds no molecule")
    if len(records) > MAX_RECORDS:
        raise ReaderError(path, f"holds {len(records)} molecules; at most {MAX_RECORDS}")
    collector = Collector(str(path))
    for index, record in enumerate(records, start=1):
        collector.add(_record(path, record, index))
        options.tick(index / len(records))
    return Raw(format="SDF" if len(records) > 1 else "MOL", blocks=collector.blocks(), stated=UNITS)


def _record(path: Path, record: str, index: int) -> Frame:
    from rdkit import Chem, rdBase

    _announced(path, record, index)
    try:
        with rdBase.BlockLogs():
            mol = Chem.MolFromMolBlock(record, sanitize=False, removeHs=False, strictParsing=True)
            if mol is None:
                raise ValueError(_why(record))
            mol.UpdatePropertyCache(strict=False)
            Chem.SanitizeMol(mol)
    except (ValueError, RuntimeError) as error:
        cause = shown(str(error).strip().splitlines()[0] if str(error).strip() else "not readable")
        raise ReaderError(path, f"RDKit cannot read it: {cause}", frame=index) from None
    name = record.split("\n", 1)[0].strip()
    return frame(mol, path=path, index=index, name=name)


def _announced(path: Path, record: str, index: int) -> None:
    """Check the announced counts before RDKit sets memory aside for them."""
    lines = record.split("\n", 12)
    if len(lines) < 4:
        raise ReaderError(path, "ends before its counts line (the fourth)", frame=index)
    counts = lines[3]
    if "V3000" in counts:
        match = re.search(r"COUNTS\s+(\d+)\s+(\d+)", record)
        if not match:
            raise ReaderError(path, "is V3000 without a COUNTS line", frame=index)
        found = [match[1], match[2]]
    else:
        found = [counts[:3].strip(), counts[3:6].strip()]
    if not all(f.isascii() and f.isdigit() for f in found):
        raise ReaderError(
            path, f"has the counts line {shown(counts)!r}: no numbers of atoms and bonds",
            frame=index, line=4,
        )  # fmt: skip
    atoms, bonds = (int(f[:12]) for f in found)
    if not 0 < atoms <= MAX_ATOMS or bonds > 10 * MAX_ATOMS:
        raise ReaderError(
            path, f"announces {atoms} atoms and {bonds} bonds; 1 to {MAX_ATOMS} atoms are possible",
            frame=index, line=4,
        )  # fmt: skip
    if record.count("\n") < atoms:
        raise ReaderError(
            path, f"announces {atoms} atoms and has fewer lines: it is cut short", frame=index
        )


def _why(record: str) -> str:
    """RDKit tells its log, not its caller, why a block is bad; name the usual reason."""
    if "M  END" not in record:
        return "there is no 'M  END' line: it is cut short"
    return "an atom or bond line is not as the format says"


def frame(
    mol: Mol, *, path: Path | str, index: int, name: str, notes: tuple[str, ...] = ()
) -> Frame:
    """Sanitised RDKit molecule -> Frame with explicit hydrogens, 3-D positions and bonds.

    Raises ReaderError for atoms that are no elements and positions that are not numbers.
    """
    from rdkit import Chem

    said = list(notes)
    if mol.GetNumAtoms() == 0:
        raise ReaderError(path, "has no atoms", frame=index)
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 0:
            raise ReaderError(
                path,
                f"atom {atom.GetIdx() + 1} is a placeholder (R group, * or query), no element",
                frame=index,
            )
    flat = mol.GetNumConformers() == 0 or not mol.GetConformer().Is3D()
    if not flat:
        flat = bool(np.ptp(mol.GetConformer().GetPositions(), axis=0).min() == 0.0) and (
            mol.GetNumAtoms() > 4 and _has_implicit(mol)
        )
    if _has_implicit(mol):
        before = mol.GetNumAtoms()
        mol = Chem.AddHs(mol, addCoords=not flat)
        if mol.GetNumAtoms() > MAX_ATOMS:
            raise ReaderError(path, f"has {mol.GetNumAtoms()} atoms with hydrogens", frame=index)
        said.append(f"{mol.GetNumAtoms() - before} hydrogens that the file leaves out were added")
    if flat and mol.GetNumAtoms() > 1:
        embed(mol, path=path, index=index, said=said)
        said.append("the file has no 3-D geometry: one was made with ETKDG and MMFF94/UFF")
    if any(a.GetIsotope() for a in mol.GetAtoms()):
        said.append("isotopes are ignored")
    positions = (
        np.zeros((1, 3)) if mol.GetNumConformers() == 0 else mol.GetConformer().GetPositions()
    )
    check_finite(path, "coordinate", positions, index)
    bonds, orders = _bonds(mol)
    radicals = sum(a.GetNumRadicalElectrons() for a in mol.GetAtoms())
    return Frame(
        numbers=np.array([a.GetAtomicNum() for a in mol.GetAtoms()], dtype=np.int64),
        positions=np.array(positions, dtype=np.float64),
        names={"name": name} if name else {},
        charge=Chem.GetFormalCharge(mol),
        multiplicity=radicals + 1,
        bonds=bonds,
        orders=orders,
        notes=tuple(said),
    )


def _has_implicit(mol: Mol) -> bool:
    return any(a.GetTotalNumHs(includeNeighbors=False) for a in mol.GetAtoms())


def _bonds(mol: Mol) -> tuple[np.ndarray, np.ndarray]:
    """(B,2) pairs i < j and Kekulé orders (B,)."""
    from rdkit import Chem

    kekule = Chem.Mol(mol)
    Chem.Kekulize(kekule, clearAromaticFlags=True)
    rows = sorted(
        (*sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx())), b.GetBondTypeAsDouble())
        for b in kekule.GetBonds()
    )
    bonds = np.array([r[:2] for r in rows], dtype=np.int64).reshape(-1, 2)
    return bonds, np.array([r[2] for r in rows], dtype=np.float64)


def embed(mol: Any, *, path: Path | str, index: int | None, said: list[str]) -> None:
    """Give `mol` (hydrogens explicit) one 3-D conformer: ETKDGv3 with a fixed seed, then MMFF94.

    Where MMFF94 has no parameters UFF cleans up, and where that has none nothing does; `said` gets
    a line. Raises ReaderError when no geometry is found.
    """
    from rdkit import rdBase
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    settings: Any = rdDistGeom.ETKDGv3()
    settings.randomSeed = 61453
    settings.maxIterations = 50
    if hasattr(settings, "timeout"):
        settings.timeout = 20  # seconds
    try:
        with rdBase.BlockLogs():
            found = rdDistGeom.EmbedMolecule(mol, settings)
            if found != 0:
                settings.useRandomCoords = True
                found = rdDistGeom.EmbedMolecule(mol, settings)
            if found != 0:
                raise ReaderError(path, "no 3-D geometry could be made of it", frame=index)
            if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
                left = rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=2000)
            elif rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
                left = rdForceFieldHelpers.UFFOptimizeMolecule(mol, maxIters=2000)
                said.append("MMFF94 has no parameters for it: the geometry is UFF's")
            else:
                left = 0
                said.append("neither MMFF94 nor UFF has parameters for it: geometry not cleaned up")
    except (ValueError, RuntimeError) as error:
        if isinstance(error, ReaderError):
            raise
        raise ReaderError(path, f"no 3-D geometry: {shown(error)}", frame=index) from None
    if left:
        said.append("the clean-up of the geometry stopped before it was converged")
