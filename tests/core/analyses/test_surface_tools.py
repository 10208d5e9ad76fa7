"""Zeros, differences, minima and periodic grids of surfaces."""

from __future__ import annotations

import numpy as np
import pytest

from core.analyses import surface_tools as tools
from core.analyses.surface import Axis

A, B = (0, 1, 2, 8), (3, 0, 1, 2)


def circle(n: int = 24, atoms=A) -> Axis:
    return Axis(atoms, -np.pi, np.pi - 2 * np.pi / n, n)


def ethanol_like(axes) -> np.ndarray:
    """eV: threefold in both dihedrals, anti below gauche."""
    phi, psi = tools.grid_angles(axes).T
    return 0.05 * (1 + np.cos(3 * phi)) + 0.07 * (1 + np.cos(3 * psi)) + 0.003 * (1 + np.cos(phi))


def test_a_period_is_recognised_and_an_open_range_is_not():
    assert tools.full_period(circle())
    assert not tools.full_period(Axis(A, -np.pi, np.pi, 25))
    assert not tools.full_period(Axis(A, 0.0, 2.0, 5))


def test_zero_is_the_lowest_finite_point_of_each_layer():
    energy = np.array([[3.0, np.nan, 1.0], [np.nan, np.nan, np.nan]])
    out = tools.zeroed(energy)
    np.testing.assert_array_equal(out[0], [2.0, np.nan, 0.0])
    assert np.isnan(out[1]).all()


def test_difference_takes_out_exactly_one_constant():
    axes = (circle(), circle(atoms=B))
    reference = ethanol_like(axes)
    wobble = 0.01 * np.sin(tools.grid_angles(axes)[:, 0])
    d = tools.difference(reference + wobble - 154.0, reference)
    np.testing.assert_allclose(d, wobble, atol=1e-12)  # the mean of a sine over a period is zero
    assert tools.rmse(reference + wobble - 154.0, reference) == pytest.approx(0.01 / np.sqrt(2))
    assert np.isnan(tools.rmse(np.full(4, np.nan), np.zeros(4)))


def test_difference_by_mean_has_the_smallest_rms_and_skips_missing_points():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=50), rng.normal(size=50)
    a[3], b[7] = np.nan, np.nan
    mean, low = tools.difference(a, b), tools.difference(a, b, align="minimum")
    assert np.flatnonzero(np.isnan(mean)).tolist() == [3, 7]
    assert np.nansum(mean**2) <= np.nansum(low**2)
    assert np.nanmean(mean) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="align"):
        tools.difference(a, b, align="median")


def test_a_clash_does_not_shift_the_map_when_only_low_points_are_averaged():
    reference = np.array([0.0, 0.1, 0.2, 50.0])
    energy = reference + np.array([0.0, 0.0, 0.0, 20.0])
    np.testing.assert_allclose(tools.difference(energy, reference, below=1.0)[:3], 0.0)
    assert tools.rmse(energy, reference, below=1.0) == pytest.approx(0.0)
    assert tools.rmse(energy, reference) > 5


def test_all_nine_minima_of_a_threefold_map_are_found_lowest_first():
    axes = (circle(), circle(atoms=B))
    energy = ethanol_like(axes)
    found = tools.minima(energy, axes)
    angles = np.rad2deg(tools.grid_angles(axes)[found])
    assert len(found) == 9
    assert np.unique(np.round(angles[:, 0])).tolist() == [-180, -60, 60]
    np.testing.assert_allclose(np.abs(angles[:3, 0]), 180)  # the anti row, across the edge, first
    assert (np.diff(energy[found]) >= 0).all()


def test_minima_of_profiles_plateaus_and_holes():
    axis = (circle(8),)
    assert tools.minima(np.array([0, 1, 2, 3, 3, 2, 1, 1.0]), axis).tolist() == [0]
    assert tools.minima(np.array([0, 0, 2, 3, 3, 2, 1, 1.0]), axis).tolist() == [0]
    assert tools.minima(np.array([np.nan, 1, 2, 3, 3, 2, 3, 4.0]), axis).tolist() == [1, 5]
    assert tools.minima(np.ones(8), axis).size == 0
    open_axis = (Axis(A, 0.0, 1.0, 5),)
    assert tools.minima(np.array([0, 1, 0.5, 1, 0.0]), open_axis).tolist() == [2]


def test_a_closed_grid_repeats_its_first_row_and_column():
    axes = (circle(6), Axis(B, 0.0, 1.0, 3))
    grid = tools.closed(np.arange(18.0), axes)
    assert grid.shape == (7, 3)
    np.testing.assert_array_equal(grid[0], grid[-1])
    assert tools.extent(axes[0]) == pytest.approx((-np.pi, np.pi))
    assert tools.extent(axes[1]) == (0.0, 1.0)


def test_nearest_goes_around_the_circle_and_reports_what_is_off_an_open_axis():
    axes = (circle(24),)
    degrees = np.array([[179.0], [-179.0], [7.0], [8.0], [172.0], [173.0]])
    assert tools.nearest(np.deg2rad(degrees), axes).tolist() == [0, 0, 12, 13, 23, 0]
    short = (Axis(A, 0.0, np.deg2rad(60), 5),)
    degrees = np.array([[-5.0], [64.0], [70.0], [200.0]])
    assert tools.nearest(np.deg2rad(degrees), short).tolist() == [0, 4, -1, -1]


def test_density_counts_every_point_once():
    axes = (circle(12), circle(12, B))
    angles = np.random.default_rng(1).uniform(-7, 7, (500, 2))
    assert tools.density(angles, axes).sum() == 500


def test_a_path_over_the_edge_is_broken_there_and_nowhere_else():
    axes = (circle(), circle(atoms=B))
    turn = np.deg2rad(np.arange(0, 720, 10.0))
    path = tools.broken(np.stack([turn, np.zeros_like(turn)], 1), axes)
    assert np.isnan(path).any(1).sum() == 2
    whole = path[~np.isnan(path).any(1)]
    assert whole.min() >= -np.pi
    assert whole.max() <= np.pi


def test_a_regular_grid_is_recognised_in_shuffled_measured_angles():
    rng = np.random.default_rng(2)
    axes = (circle(24), circle(24, B))
    angles = rng.permutation(tools.grid_angles(axes)) + rng.normal(0, 1e-4, (576, 2))
    angles = (angles + np.pi) % (2 * np.pi) - np.pi  # -180 also shows up as +180
    found = tools.grid_of(angles, (A, B))
    assert found is not None
    assert tools.grid_shape(found) == (24, 24)
    assert all(tools.full_period(axis) for axis in found)
    assert found[0].start == pytest.approx(-np.pi)
    assert found[1].atoms == B
    assert tools.grid_of(rng.uniform(-np.pi, np.pi, (500, 2)), (A, B)) is None


def test_surface_error_is_free_of_the_zero_of_energy():
    x = np.linspace(0, 2 * np.pi, 50)
    reference = np.cos(3 * x)
    assert tools.rmse(reference + 17.0, reference) == pytest.approx(0.0, abs=1e-14)
    d = np.array([0.1, -0.1, 0.3, -0.3])
    assert tools.rmse(d, np.zeros(4)) == pytest.approx(np.sqrt((d**2).mean()))


def test_no_other_shift_makes_the_surface_error_smaller():
    rng = np.random.default_rng(0)
    e, r = rng.normal(size=(2, 40))
    best = tools.rmse(e, r)
    for shift in np.linspace(-1, 1, 21):
        assert np.sqrt(((e - r + shift) ** 2).mean()) >= best - 1e-12


def test_failed_points_do_not_count_and_grids_must_agree():
    r = np.array([0.0, 1.0, 2.0, 3.0])
    e = np.array([0.5, np.nan, 2.7, 3.4])
    assert tools.rmse(e, r) == pytest.approx(np.std([0.5, 0.7, 0.4]))
    assert np.isnan(tools.rmse(np.full(4, np.nan), r))
    with pytest.raises(ValueError, match="grids"):
        tools.rmse(e[:3], r)
