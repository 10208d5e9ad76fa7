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
from core.forcefields.base import ForceField
from core.forcefields.load import load_model, make
from core.molecule import Molecule
from core.units import KCAL_MOL

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
    """Ethanol at the lowest point of the example's surface, atoms as in the example."""
    from ase.io import read

    best = min(read(EXAMPLE / "surface.extxyz", ":"), key=lambda f: f.get_potential_energy())
    return with_bonds(Molecule("ethanol", best.get_atomic_numbers(), best.get_positions()))


def rmd17(data: Path, molecule: str, part: str) -> Dataset:
    """One file of rMD17; data: the folder of the reference data, part: train or test."""
    path = data / "data" / "rmd17" / f"rmd17_{molecule}_{part}_01.npz"
    with np.load(path, allow_pickle=False) as file:
        x, energies, forces = (file[k] for k in ("coords", "energies", "forces"))
        found = Molecule(molecule, file["nuclear_charges"], x[0])
        return Dataset(molecule, found, x, energies * KCAL_MOL, forces * KCAL_MOL)


def fields(molecule: Molecule) -> dict[str, ForceField]:
    """MMFF94, and sGDML with 200 training frames of the example."""
    return {
        "MMFF94": make(FieldRef("mmff94"), molecule),
        "sGDML 200": _sgdml(EXAMPLE / "ethanol.extxyz", molecule),
    }


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
