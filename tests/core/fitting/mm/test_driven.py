"""The bond that a scan turns, found from its geometries."""

from __future__ import annotations

import numpy as np
import pytest

from core.bonding import moving_atoms
from core.fitting.mm.driven import driven_bond
from core.forcefields.gaff import GAFF
from core.geometry import rotate_dihedral
from tests.benchmarks.bench_torsions import scans
from tests.molecules import ETHANOL, HYDROXYL, METHYL, ethanol_frames

TOPOLOGY = GAFF(ETHANOL).topology


@pytest.mark.parametrize(("dihedral", "bond"), [(HYDROXYL, (1, 2)), (METHYL, (0, 1))])
@pytest.mark.parametrize("width", [180.0, 60.0])
def test_rigid_scans_in_any_order(dihedral, bond, width):
    angles = np.radians(np.arange(-width, width, 15.0))
    np.random.default_rng(1).shuffle(angles)
    x = np.repeat(ETHANOL.positions[None], len(angles), 0)
    x = rotate_dihedral(x, dihedral, angles, moving_atoms(ETHANOL, dihedral))
    assert driven_bond(TOPOLOGY, np.asarray(x)) == bond


def test_frames_that_turn_nothing():
    assert driven_bond(TOPOLOGY, ethanol_frames(20, shake=0.02)) is None


def test_whole_turns_of_real_molecules(shared):
    """Against the dihedral that the files name."""
    looked = 0
    for scan in list(scans(shared, "roche"))[::3]:
        if len(scan.positions) < 24:
            continue
        looked += 1
        found = driven_bond(GAFF(scan.molecule).topology, scan.positions)
        assert found == tuple(sorted(scan.dihedral[1:3])), scan.name
    assert looked > 10
