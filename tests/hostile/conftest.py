"""Small good files of every format, to be broken."""

from __future__ import annotations

import pytest

from tests.hostile.seeds import (
    extxyz,
    gaussian_input,
    mol2,
    mol_block,
    npz,
    pdb,
    record,
    sgdml,
    trajectory,
)


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, bytes]]:
    """name -> (suffix, good bytes)."""
    folder = tmp_path_factory.mktemp("seeds")
    return {
        "extxyz": (".extxyz", extxyz()),
        "xyz": (".xyz", extxyz(plain=True)),
        "npz": (".npz", npz()),
        "sgdml": (".npz", sgdml()),
        "mol": (".mol", mol_block()),
        "mol3000": (".mol", mol_block(v3000=True)),
        "mol2": (".mol2", mol2()),
        "sdf": (".sdf", (mol_block() + b"$$$$\n") * 2),
        "smiles": (".smi", b"CC(C)Cc1ccc(cc1)C(C)C(=O)[O-]\n"),
        "pdb": (".pdb", pdb()),
        "gaussian": (".gjf", gaussian_input()),
        "traj": (".traj", trajectory(folder)),
        "record": (".npz", record(folder)),
    }
