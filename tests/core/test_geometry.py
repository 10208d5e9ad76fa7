"""Measured angles against ASE, signs, and rigid rotation about a bond."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from core.bonding import moving_atoms
from core.geometry import measure, rotate_dihedral, wrap
from tests.molecules import ETHANOL, HYDROXYL, METHYL, ethanol_frames
from tests.tolerances import HELD_DIHEDRAL


def test_wrap_is_half_open():
    assert wrap(np.pi) == np.pi
    assert wrap(-np.pi) == np.pi
    assert wrap(3 * np.pi) == pytest.approx(np.pi)
    x = np.linspace(-20, 20, 1001)
    w = wrap(x)
    assert ((w > -np.pi) & (w <= np.pi)).all()
    assert np.allclose(np.cos(w), np.cos(x))
    assert np.allclose(np.sin(w), np.sin(x))


def test_measures_are_those_of_ase():
    frames = np.random.default_rng(0).normal(size=(50, 6, 3))
    atoms = [Atoms("H6", r) for r in frames]
    d = [a.get_distance(4, 1) for a in atoms]
    assert np.allclose(measure(frames, (4, 1)), d)
    angle = [a.get_angle(0, 5, 2) for a in atoms]
    assert np.allclose(np.degrees(measure(frames, (0, 5, 2))), angle)
    torsion = [a.get_dihedral(3, 0, 1, 2) for a in atoms]  # ASE: 0..360
    away = wrap(measure(frames, (3, 0, 1, 2)) - np.radians(torsion))
    assert np.abs(away).max() < 1e-10


def test_sign_is_the_chemists():
    """IUPAC: looking along the central bond, far bond clockwise of the near one is positive."""
    near, a, b = [0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, -1.0]  # looking down -z
    far = [1.0, 0.0, -1.0]  # seen from +z, x is to the right of y: clockwise
    assert measure(np.array([near, a, b, far]), range(4)) == pytest.approx(np.pi / 2)


def test_exact_at_the_ends():
    line = np.array([[0.0, 0, 0], [1.0, 0, 0], [2.0, 1e-9, 0]])
    assert np.pi - measure(line, (0, 1, 2)) == pytest.approx(1e-9, rel=1e-5)
    flat = np.array([[0.0, 1, 0], [0, 0, 0], [1, 0, 0], [1.0, -1, 0]])
    assert measure(flat, range(4)) == np.pi
    flat[3, 1] = 1.0
    assert measure(flat, range(4)) == 0.0


def test_coinciding_atoms_have_no_angle():
    r = np.zeros((4, 3))
    assert np.isnan(measure(r, (0, 1, 2)))
    assert np.isnan(measure(r, (0, 1, 2, 3)))
    with pytest.raises(ValueError, match="5 atoms"):
        measure(np.zeros((5, 3)), range(5))


def test_any_number_of_leading_axes():
    r = np.random.default_rng(1).normal(size=(2, 3, 5, 4, 3))
    assert measure(r, range(4)).shape == (2, 3, 5)
    assert measure(r[0, 0, 0], (0, 1)).shape == ()


@pytest.mark.parametrize("atoms", [HYDROXYL, METHYL])
def test_rotation_sets_the_dihedral_and_nothing_else(atoms):
    frames = ethanol_frames(200)
    moving = moving_atoms(ETHANOL, atoms)
    target = np.random.default_rng(2).uniform(-np.pi, np.pi, len(frames))
    before = frames.copy()
    turned = rotate_dihedral(frames, atoms, target, moving)
    assert np.array_equal(frames, before)
    assert np.abs(wrap(measure(turned, atoms) - target)).max() < HELD_DIHEDRAL
    assert np.array_equal(turned[:, ~moving], frames[:, ~moving])
    for a, b in ETHANOL.bonds:
        assert np.allclose(measure(turned, (a, b)), measure(frames, (a, b)))
    here, there = (np.flatnonzero(moving)[:, None], np.flatnonzero(moving)[None])
    kept = np.linalg.norm(turned[:, here] - turned[:, there], axis=-1)
    assert np.allclose(kept, np.linalg.norm(frames[:, here] - frames[:, there], axis=-1))


def test_one_geometry_to_many_targets():
    target = np.linspace(-3, 3, 7)
    r = rotate_dihedral(ETHANOL.positions, HYDROXYL, target, moving_atoms(ETHANOL, HYDROXYL))
    assert r.shape == (7, 9, 3)
    assert np.allclose(measure(r, HYDROXYL), target)


def test_rotation_refuses_nonsense():
    moving = moving_atoms(ETHANOL, HYDROXYL)
    with pytest.raises(ValueError, match="must move"):
        rotate_dihedral(ETHANOL.positions, HYDROXYL, np.zeros(1), ~moving)
    with pytest.raises(ValueError, match="2 geometries and 3 target"):
        rotate_dihedral(ethanol_frames(2), HYDROXYL, np.zeros(3), moving)
    with pytest.raises(ValueError, match="coincide"):
        rotate_dihedral(np.zeros((1, 9, 3)), HYDROXYL, np.zeros(1), moving)
