"""Duplicates, outliers, sign of the forces."""

from __future__ import annotations

import numpy as np
import pytest

from core.readers import quality


def turned(r, rng):
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    return r @ q + rng.normal(size=3)


def test_duplicates_are_found_wherever_they_lie_and_mirror_images_are_none():
    rng = np.random.default_rng(1)
    r = rng.normal(size=(500, 9, 3)) * 2
    r[100] = turned(r[7], rng)
    r[300] = r[100]
    r[400] = r[8] * [1, 1, -1]
    r[450] = r[9] + 1e-3 * rng.normal(size=(9, 3))
    assert quality.duplicates(r).tolist() == [100, 300]


@pytest.mark.parametrize("frames", [1, 2, 30])
def test_all_the_same_geometry(frames):
    r = np.broadcast_to(np.random.default_rng(0).normal(size=(5, 3)), (frames, 5, 3))
    assert quality.duplicates(r).tolist() == list(range(1, frames))


def test_outliers_in_energy_and_in_force():
    rng = np.random.default_rng(2)
    e = rng.normal(size=200)
    f = rng.normal(size=(200, 4, 3))
    e[11] += 30
    f[50, 2] *= 40
    e[70] = np.nan
    assert quality.outliers(e, f).tolist() == [11, 50]
    assert quality.outliers(None, None).tolist() == []


def test_duplicates_and_outliers_count_from_one(tmp_path, importer, ethanol):
    r, e = ethanol.positions.copy(), ethanol.energies.copy()
    r[9], e[9] = r[2], e[2]
    e[20] += 1.0
    np.savez(tmp_path / "a.npz", z=ethanol.numbers, R=r, E=e, F=ethanol.forces)
    report = importer(tmp_path / "a.npz", units="Hartree").reports[0]
    assert report.duplicates == (10,)
    assert 21 in report.outliers


def test_useless_labels_are_problems(tmp_path, importer, ethanol):
    path = tmp_path / "a.npz"
    np.savez(
        path, z=ethanol.numbers, R=ethanol.positions, E=np.full(40, -1.0), F=0 * ethanol.forces
    )
    problems = " ".join(importer(path, units="eV").reports[0].problems)
    assert "same number" in problems
    assert "forces are zero" in problems


def test_atoms_on_top_of_each_other_are_a_problem(tmp_path, importer, ethanol):
    r = ethanol.positions.copy()
    r[4, 8] = r[4, 7]
    np.savez(tmp_path / "a.npz", z=ethanol.numbers, R=r)
    assert any(
        "frame 5" in p and "H8" in p for p in importer(tmp_path / "a.npz").reports[0].problems
    )
