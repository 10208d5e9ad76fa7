"""Ethanol with real labels (GFN2-xTB), so that units and signs can be judged without other data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.analyses.importing import Imported, ImportSpec, run
from core.engine.context import Context
from core.units import BOHR, HARTREE


@dataclass(frozen=True)
class Labelled:
    """numbers (N,), positions (M,N,3) Å, energies (M,) Hartree, forces (M,N,3) Hartree/Bohr."""

    numbers: np.ndarray
    positions: np.ndarray
    energies: np.ndarray
    forces: np.ndarray


@pytest.fixture(scope="session")
def ethanol() -> Labelled:
    from core.forcefields.gfn2_xtb import GFN2xTB
    from core.molecule import Molecule
    from core.readers.smiles import from_text

    block = from_text("CCO").blocks[0]
    rng = np.random.default_rng(3)
    # A smooth path of small steps: frames near each other, as in molecular dynamics.
    path = np.cumsum(rng.normal(scale=0.012, size=(40, 9, 3)), axis=0)
    path -= path.mean(0)
    path *= 0.04 / path.std()
    positions = block.positions[0] + path
    p = GFN2xTB(Molecule("ethanol", block.numbers, positions[0])).predict(positions)
    return Labelled(block.numbers, positions, p.energy / HARTREE, p.forces * (BOHR / HARTREE))


def load(path: Path | str, **settings: str) -> Imported:
    """Import without an engine."""
    return run(ImportSpec(str(path), **settings), Context())


@pytest.fixture(scope="session")
def importer():
    return load
