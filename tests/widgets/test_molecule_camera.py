"""The camera: what is projected, picked and superposed is the same geometry."""

from __future__ import annotations

import numpy as np
import pytest

from core.geometry import measure
from tests.molecules import ETHANOL, HYDROXYL, METHYL
from tests.tolerances import SUPERPOSED
from widgets.molecule.camera import Camera, pick_atom, pick_bond, superpose
from widgets.molecule.picks import dihedral_of_bond, parse_atoms
from widgets.molecule.scene import atom_radii


# -- geometry of the camera -------------------------------------------------------------------
def test_rays_go_through_what_is_projected_there():
    camera = Camera()
    camera.fit(ETHANOL.positions, atom_radii(ETHANOL.numbers))
    camera.rotate(0.7, -0.4)
    camera.pan(13, -8, 400, 300)
    camera.magnify(1.7)
    screen, depth, _ = camera.project(ETHANOL.positions, 400, 300)
    for (x, y), d, r in zip(screen, depth, ETHANOL.positions, strict=True):
        origin, direction = camera.ray(x, y, 400, 300)
        along = (r - origin) @ direction
        assert np.linalg.norm(r - origin - along * direction) < 1e-9
        assert along * (direction @ -camera.rotation[2]) == pytest.approx(d)


@pytest.mark.parametrize("size", [(400, 300), (200, 500), (90, 90)])
def test_the_whole_molecule_fits_in_any_window(size):
    camera, radii = Camera(), atom_radii(ETHANOL.numbers)
    camera.fit(ETHANOL.positions, radii)
    screen, _, scale = camera.project(ETHANOL.positions, *size)
    r = (radii * scale)[:, None]
    assert (screen - r >= -1).all()
    assert (screen + r <= np.array(size) + 1).all()
    spread = (screen + r).max(0) - (screen - r).min(0)
    assert (spread / np.array(size)).max() > 0.6, "and it is not lost in it"


def test_turning_many_times_keeps_a_rotation():
    camera = Camera()
    for _ in range(3000):
        camera.rotate(0.031, 0.017)
        camera.roll(0.01)
    assert np.abs(camera.rotation @ camera.rotation.T - np.eye(3)).max() < 1e-12
    assert np.linalg.det(camera.rotation) == pytest.approx(1.0)


def test_the_nearest_of_two_atoms_in_line_is_picked():
    positions = np.array([[0.0, 0, 0], [0, 0, 3.0]])
    atom, distance = pick_atom(
        np.array([0, 0, 10.0]), np.array([0, 0, -1.0]), positions, np.ones(2)
    )
    assert (atom, distance) == (1, pytest.approx(6.0))
    assert pick_atom(np.array([5.0, 0, 10]), np.array([0, 0, -1.0]), positions, np.ones(2))[0] == -1


def test_a_bond_is_picked_within_its_radius_only():
    positions = np.array([[-1.0, 0, 0], [1.0, 0, 0]])
    bonds = np.array([[0, 1]])
    down = np.array([0, 0, -1.0])
    assert pick_bond(np.array([0.3, 0.1, 5]), down, positions, bonds, 0.15)[0] == 0
    assert pick_bond(np.array([0.3, 0.2, 5]), down, positions, bonds, 0.15)[0] == -1
    assert pick_bond(np.array([1.3, 0.0, 5]), down, positions, bonds, 0.15)[0] == -1


def test_superposing_changes_no_internal_coordinate_and_finds_the_way_back():
    rng = np.random.default_rng(3)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    moved = ETHANOL.positions @ q.T + [3.0, -2.0, 7.0]
    back = superpose(moved, ETHANOL.positions, np.ones(9))
    assert np.abs(back - ETHANOL.positions).max() < SUPERPOSED
    mirrored = superpose(ETHANOL.positions * [1, 1, -1], ETHANOL.positions, np.ones(9))
    a, b = (measure(x, METHYL) for x in (mirrored, ETHANOL.positions * [1, 1, -1]))
    assert a == pytest.approx(b), "a mirror image is not folded back by a reflection"


def test_atoms_are_parsed_as_chemists_write_them():
    assert parse_atoms("1 2 3 9", 9) == (0, 1, 2, 8)
    assert parse_atoms("C1-C2, O3–H9", 9) == (0, 1, 2, 8)
    for text in ("1 2 12", "1 x", "1 1", "1 2 3 4 5", "0 1"):
        with pytest.raises(ValueError, match=r"atom|stands|there"):
            parse_atoms(text, 9)


def test_best_dihedral_of_a_bond_or_the_reason_why_there_is_none():
    assert dihedral_of_bond(ETHANOL, 1, 2) == (HYDROXYL, "")
    assert dihedral_of_bond(ETHANOL, 1, 0)[1] == ""
    atoms, reason = dihedral_of_bond(ETHANOL, 2, 8)
    assert atoms == (2, 8)
    assert "no other neighbour" in reason
