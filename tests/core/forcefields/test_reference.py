"""The data set as a force field: finds its frames again, and says when it cannot."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from core import storage
from core.bonding import moving_atoms
from core.dataset import Dataset
from core.fieldref import FieldRef
from core.forcefields.base import ForceFieldError
from core.forcefields.load import make
from core.forcefields.reference import Reference
from core.geometry import measure, rotate_dihedral, wrap
from core.molecule import Molecule
from tests.molecules import ETHANOL, HYDROXYL, METHYL, ethanol_frames, labelled
from tests.tolerances import INVARIANCE_FORCE


@pytest.fixture(scope="module")
def data() -> Dataset:
    return labelled(ethanol_frames(30), key="mmff94")


def test_labels_come_back(data):
    p = Reference.from_dataset(data).predict(data.positions)
    assert np.array_equal(p.energy, data.energies)
    assert np.abs(p.forces - data.forces).max() < INVARIANCE_FORCE


def test_mirror_images_are_the_same(data):
    turn = -Rotation.random(len(data), random_state=0).as_matrix()
    p = Reference.from_dataset(data).predict(data.positions @ turn)
    assert np.array_equal(p.energy, data.energies)
    assert np.abs(p.forces - data.forces @ turn).max() < INVARIANCE_FORCE


def test_a_strange_geometry_is_named(data):
    field = Reference.from_dataset(data)
    asked = data.positions[:3].copy()
    asked[1, 0] += 0.01
    with pytest.raises(ForceFieldError, match="geometry 2: it is not in the data set: label it"):
        field.predict(asked)
    wide = Reference.from_dataset(data, Reference.Hyper(tolerance=0.05))
    assert wide.predict(asked).energy[1] == data.energies[1]


def test_energies_without_forces(data):
    bare = dataclasses.replace(data, forces=None)
    with pytest.raises(ForceFieldError, match="no forces"):
        Reference.from_dataset(bare).predict(data.positions[:1])


def test_needs_labels_and_a_data_set(data, tmp_path):
    with pytest.raises(ForceFieldError, match="label it first"):
        Reference.from_dataset(dataclasses.replace(data, energies=None, forces=None))
    with pytest.raises(ForceFieldError, match="needs a data set"):
        make(FieldRef("reference"), ETHANOL)
    with pytest.raises(ForceFieldError, match=r"missing\.npz"):
        make(FieldRef("reference", dataset=str(tmp_path / "missing.npz")), ETHANOL)
    path = tmp_path / "data.npz"
    storage.save(path, data)
    other = Molecule("reordered", ETHANOL.numbers[::-1], ETHANOL.positions[::-1])
    with pytest.raises(ForceFieldError, match="atom order: atom 1"):
        make(FieldRef("reference", dataset=str(path)), other)


# -- on a grid --------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def grid() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """angles (36,2) rad, dihedrals (2,4), step (2,) of a 6 x 6 grid around the circle."""
    values = np.linspace(-np.pi, np.pi, 6, endpoint=False)
    angles = np.stack(np.meshgrid(values, values, indexing="ij"), -1).reshape(-1, 2)
    return angles, np.array([HYDROXYL, METHYL]), np.full(2, np.pi / 3)


def on_grid(angles: np.ndarray) -> np.ndarray:
    """(G,9,3) Å: ethanol turned to each grid point."""
    r = ETHANOL.positions
    for column, atoms in enumerate((HYDROXYL, METHYL)):
        r = rotate_dihedral(r, atoms, angles[:, column], moving_atoms(ETHANOL, atoms))
    return r


def test_a_scan_comes_back_in_grid_order(grid):
    angles, dihedrals, step = grid
    r = on_grid(angles)
    data = labelled(r, key="mmff94")
    order = np.random.default_rng(0).permutation(len(r))
    mixed = dataclasses.replace(
        data, positions=r[order], energies=data.energies[order], forces=data.forces[order]
    )
    energy, positions = Reference.from_dataset(mixed).at_grid(angles, dihedrals, step)
    assert np.array_equal(energy, data.energies)
    assert np.array_equal(positions, r)


def test_cells_are_periodic_and_hold_their_lowest_frame(grid):
    angles, dihedrals, step = grid
    rng = np.random.default_rng(1)
    sampled = rng.uniform(-np.pi, np.pi, (150, 2))
    data = labelled(on_grid(sampled), key="mmff94")
    energy, positions = Reference.from_dataset(data).at_grid(angles, dihedrals, step)
    away = np.abs(wrap(sampled[None] - angles[:, None])).max(-1)
    for g in range(len(angles)):
        cell = away[g] <= step[0] / 2
        if not cell.any():
            assert np.isnan(energy[g])
            assert np.isnan(positions[g]).all()
            continue
        on = away[g] <= np.radians(0.5)
        assert energy[g] == data.energies[on if on.any() else cell].min()
        found = [float(measure(positions[g], list(q))) for q in dihedrals]
        assert np.abs(wrap(np.array(found) - angles[g])).max() <= step[0] / 2 + 1e-9


def test_a_frame_on_the_point_beats_a_lower_one_beside_it():
    angles = np.array([[0.0]])
    dihedrals, step = np.array([HYDROXYL]), np.array([0.6])
    r = rotate_dihedral(
        ETHANOL.positions, HYDROXYL, np.array([0.0, 0.29]), moving_atoms(ETHANOL, HYDROXYL)
    )
    data = labelled(r, key="mmff94")
    assert data.energies[1] < data.energies[0]  # eclipsed is a maximum
    energy, _ = Reference.from_dataset(data).at_grid(angles, dihedrals, step)
    assert energy[0] == data.energies[0]


def test_frames_without_energy_are_left_out(grid):
    angles, dihedrals, step = grid
    data = labelled(on_grid(angles), key="mmff94")
    energies = data.energies.copy()
    energies[::2] = np.nan
    part = dataclasses.replace(data, energies=energies)
    energy, _ = Reference.from_dataset(part).at_grid(angles, dihedrals, step * 0.5)
    assert np.array_equal(np.isnan(energy), np.isnan(energies))
