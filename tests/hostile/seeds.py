"""Small good files of every format, and parts of bad ones."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np

from core.dataset import Dataset
from core.molecule import Molecule

NUMBERS = np.array([8, 1, 1, 6, 1, 1, 1])
SYMBOLS = "OHHCHHH"


def geometries(frames: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, energies and forces of a water beside a methyl radical, harmonic about them."""
    rng = np.random.default_rng(7)
    start = np.array(
        [
            [0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0], [3.0, 0.0, 0.0],
            [3.0, 1.08, 0.0], [3.0, -0.54, 0.94], [3.0, -0.54, -0.94],
        ]
    )  # fmt: skip
    moved = rng.normal(scale=0.03, size=(frames, 7, 3))
    return start + moved, -3160.0 + 15.0 * (moved**2).sum((1, 2)), -30.0 * moved


def extxyz(*, plain: bool = False) -> bytes:
    text = []
    for r, e, f in zip(*geometries(), strict=True):
        comment = "a title" if plain else (
            "Properties=species:S:1:pos:R:3:forces:R:3 "
            f'energy={e:.8f} phi=60.0 dihedrals="_JSON [1.0, 2.0]" level="a b" pbc="F F F"'
        )  # fmt: skip
        text.append(f"7\n{comment}")
        for s, a, b in zip(SYMBOLS, r, f, strict=True):
            row = a if plain else (*a, *b)
            text.append(f"{s} " + " ".join(f"{x:.6f}" for x in row))
    return ("\n".join(text) + "\n").encode()


def npz(**more: np.ndarray) -> bytes:
    r, e, f = geometries()
    buffer = io.BytesIO()
    np.savez(buffer, z=NUMBERS, R=r, E=e, F=f, **more)
    return buffer.getvalue()


def sgdml() -> bytes:
    return npz(
        type=np.array("d"), r_unit=np.array("Ang"), e_unit=np.array("eV"), name=np.array("x"),
        theory=np.array("HF"),
    )  # fmt: skip


def mol_block(*, v3000: bool = False) -> bytes:
    from rdkit import Chem
    from rdkit.Chem import rdDistGeom

    mol = Chem.AddHs(Chem.MolFromSmiles("CC(=O)[O-]"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    return (Chem.MolToV3KMolBlock(mol) if v3000 else Chem.MolToMolBlock(mol)).encode()


def mol2() -> bytes:
    rows = [
        "@<TRIPOS>MOLECULE", "seed", " 4 3 1 0 0", "SMALL", "bcc", "",
        "@<TRIPOS>ATOM",
        "1 C1  0.0  0.00 0.0 c  1 MOL  0.300000", "2 O1  1.2  0.00 0.0 o  1 MOL -0.450000",
        "3 H1 -0.6  0.94 0.0 h4 1 MOL  0.075000", "4 H2 -0.6 -0.94 0.0 h4 1 MOL  0.075000",
        "@<TRIPOS>BOND", "1 1 2 2", "2 1 3 1", "3 1 4 1", "",
    ]  # fmt: skip
    return "\n".join(rows).encode()


def pdb() -> bytes:
    rows = [
        f"ATOM  {k + 1:5d}  {s:<3s} MOL     1    {x:8.3f}{y:8.3f}{z:8.3f}"
        f"  1.00  0.00          {s:>2s}"
        for k, (s, (x, y, z)) in enumerate(zip(SYMBOLS, geometries()[0][0], strict=True))
    ]
    return "\n".join([*rows, "END", ""]).encode()


def gaussian_input() -> bytes:
    rows = [
        f"{s} {x:.5f} {y:.5f} {z:.5f}"
        for s, (x, y, z) in zip(SYMBOLS, geometries()[0][0], strict=True)
    ]
    return "\n".join(["#p pbe/def2svp force", "", "title", "", "0 2", *rows, "", ""]).encode()


def trajectory(folder: Path) -> bytes:
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io.trajectory import Trajectory

    path = folder / "seed.traj"
    with Trajectory(path, "w") as out:
        for r, e, f in zip(*geometries(), strict=True):
            atoms = Atoms(numbers=NUMBERS, positions=r)
            atoms.calc = SinglePointCalculator(atoms, energy=e, forces=f)
            out.write(atoms)
    return path.read_bytes()


def record(folder: Path) -> bytes:
    from core.storage import save

    r, e, f = geometries()
    path = folder / "seed-record.npz"
    save(path, Dataset("x", Molecule("x", NUMBERS, r[0]), r, e, f, tags={"phi": np.arange(6.0)}))
    return path.read_bytes()


def npy(header: str, data: bytes = b"") -> bytes:
    """A .npy with any header text."""
    text = header.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def archive(members: dict[str, bytes]) -> bytes:
    """A compressed zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return buffer.getvalue()


def ulm(tree: object) -> bytes:
    """An ASE container with one item of this JSON."""
    text = json.dumps(tree).encode()
    head = b"- of UlmASE-Trajectory  " + struct.pack("<3q", 3, 1, 48)
    return head + struct.pack("<q", 56) + struct.pack("<q", len(text)) + text
