"""Ethanol with real labels (GFN2-xTB), so that units and signs can be judged without other data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.analyses.importing import Imported, ImportSpec, run
from core.engine.context import Context


@dataclass(frozen=True)
class Labelled:
    """numbers (N,), positions (M,N,3) Å, energies (M,) Hartree, forces (M,N,3) Hartree/Bohr."""

    numbers: np.ndarray
    positions: np.ndarray
    energies: np.ndarray
    forces: np.ndarray


@pytest.fixture(scope="session")
def ethanol() -> Labelled:
    # Threads that wait for each other cost more than they bring in so small a molecule.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from tblite.interface import Calculator

    from core.readers.smiles import from_text
    from core.units import BOHR

    block = from_text("CCO").blocks[0]
    rng = np.random.default_rng(3)
    # A smooth path of small steps: frames near each other, as in molecular dynamics.
    path = np.cumsum(rng.normal(scale=0.012, size=(40, 9, 3)), axis=0)
    path -= path.mean(0)
    path *= 0.04 / path.std()
    positions = block.positions[0] + path
    energies, forces = [], []
    calculator = Calculator("GFN2-xTB", block.numbers, positions[0] / BOHR)
    calculator.set("verbosity", 0)
    for r in positions:
        calculator.update(r / BOHR)
        result = calculator.singlepoint()
        energies.append(float(result.get("energy")))
        forces.append(-np.array(result.get("gradient")))
    return Labelled(block.numbers, positions, np.array(energies), np.array(forces))


def load(path: Path | str, **settings: str) -> Imported:
    """Import without an engine."""
    return run(ImportSpec(str(path), **settings), Context())


@pytest.fixture(scope="session")
def importer():
    return load
