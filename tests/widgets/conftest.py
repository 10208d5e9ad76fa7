"""Fixtures that the tests of several panels share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from core.dataset import Dataset
from core.molecule import Molecule
from tests.molecules import HYDROXYL, METHYL
from tests.widgets.lab import Lab
from tests.widgets.refit_lab import Working


@pytest.fixture
def lab(qtbot, tmp_path) -> Iterator[Lab]:
    """A project with 40 frames of ethanol, and an engine that waits for the test."""
    made = Lab(tmp_path)
    yield made
    made.project.close()


@pytest.fixture
def working(qtbot, tmp_path) -> Iterator[Working]:
    """The same for the parameter editor: small questions are computed, both axes are chosen."""
    made = Working(tmp_path)
    made.session.axes = (HYDROXYL, METHYL)
    yield made
    made.project.close()


@pytest.fixture
def water() -> Dataset:
    """Three frames of water with energies and no forces."""
    positions = np.array([[[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]] * 3)
    molecule = Molecule("water", np.array([8, 1, 1]), positions[0])
    return Dataset("water", molecule, positions, energies=np.arange(3.0))
