"""The molecule and force fields the benchmarks of motion use."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from core import storage
from core.bonding import with_bonds
from core.dataset import Dataset
from core.engine.context import Context
from core.fieldref import FieldRef
from core.forcefields import discover
from core.forcefields.base import ForceField
from core.forcefields.load import load_model, make
from core.molecule import Molecule

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "resources" / "examples" / "ethanol"


def alone(module: str) -> bool:
    """Run `module` in a process of its own with one thread; False when this is that process."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    if threads.items() <= os.environ.items():
        return False
    subprocess.run([sys.executable, "-m", module], env=os.environ | threads, cwd=ROOT, check=True)
    return True


def molecule_of() -> Molecule:
    """Ethanol at its MMFF94 minimum, atoms as in the example."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    AllChem.EmbedMolecule(mol, randomSeed=7)
    AllChem.MMFFOptimizeMolecule(mol, maxIters=2000)
    numbers = [a.GetAtomicNum() for a in mol.GetAtoms()]
    return with_bonds(Molecule("ethanol", numbers, mol.GetConformer().GetPositions()))


def fields(molecule: Molecule) -> dict[str, ForceField]:
    """MMFF94, and sGDML with 200 training frames where the example data is there."""
    found = {"MMFF94": make(FieldRef("mmff94"), molecule)}
    file = EXAMPLE / "ethanol.extxyz"
    if "sgdml" in discover() and file.exists():
        found["sGDML 200"] = _sgdml(file, molecule)
    return found


def _sgdml(file: Path, molecule: Molecule) -> ForceField:
    from ase.io import read

    from core.analyses.fit import FitSpec, run

    frames = read(file, ":")
    data = Dataset(
        "ethanol",
        molecule,
        np.array([f.get_positions() for f in frames]),
        np.array([f.get_potential_energy() for f in frames]),
        np.array([f.get_forces() for f in frames]),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        storage.save(path, data)
        spec = FitSpec("sgdml", str(path), n_train=200, n_valid=100, n_test=100, out=folder)
        return load_model(run(spec, Context()).model)
