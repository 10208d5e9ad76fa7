import dataclasses

import numpy as np
import pytest

from core.dataset import Dataset
from core.fitting.clusters import clusters
from core.fitting.splits import METHODS, SplitError, draw
from core.geometry import measure
from tests.molecules import ETHANOL, ethanol_frames

M = 200


@pytest.fixture(scope="module")
def data() -> Dataset:
    rng = np.random.default_rng(0)
    forces = rng.normal(size=(M, 9, 3))
    return Dataset("e", ETHANOL, ethanol_frames(M), rng.gamma(2.0, size=M), forces)


@pytest.mark.parametrize("method", METHODS)
def test_parts_never_overlap_and_the_seed_decides(data, method):
    sizes = {"n_train": 50, "n_valid": 20, "n_test": 30, "method": method}
    region = "6-1-2-3:30:-60" if method == "surface-region" else ""
    first, notes = draw(data, seed=3, region=region, **sizes)
    again, _ = draw(data, seed=3, region=region, **sizes)
    other, _ = draw(data, seed=4, region=region, **sizes)
    assert [len(first.train), len(first.valid), len(first.test)] == [50, 20, 30]
    assert (first.method, first.seed, notes) == (method, 3, {})
    np.testing.assert_array_equal(first.train, again.train)
    np.testing.assert_array_equal(first.test, again.test)
    drawn_by_place = method in ("evenly-spaced", "trajectory-block")
    assert drawn_by_place or set(first.train) != set(other.train)


def test_stratified_draws_follow_the_energies(data):
    """One frame of each run of four in energy: the distribution functions stay within 1/50."""
    split, _ = draw(data, n_train=50, n_valid=0)
    ranks = np.sort(np.argsort(np.argsort(data.energies))[split.train])
    assert (np.abs(ranks / M - np.arange(50) / 50) < 1 / 50).all()


def test_every_prefix_of_the_training_frames_is_a_fair_sample(data):
    split, _ = draw(data, n_train=100, n_valid=0)
    ranks = np.argsort(np.argsort(data.energies))[split.train]
    assert abs(np.corrcoef(np.arange(100), ranks)[0, 1]) < 0.3


def test_all_frames_can_be_training_frames(data):
    split, notes = draw(data, n_train=M, n_valid=10)
    assert sorted(split.train) == list(range(M))
    assert "0 of 10" in notes["validation"]
    assert "no frames" in notes["test"]


def test_farthest_points_cover_more_than_random_ones(data):
    far, _ = draw(data, n_train=20, n_valid=0, method="farthest-point")
    any_, _ = draw(data, n_train=20, n_valid=0, method="random")

    def spread(frames):
        r = data.positions[frames].reshape(20, -1)
        away = np.linalg.norm(r[:, None] - r[None], axis=-1)
        return away[np.triu_indices(20, 1)].min()

    assert spread(far.train) > spread(any_.train)


def test_unlabelled_and_repeated_frames_are_left_out_and_named(data):
    positions, energies = data.positions.copy(), data.energies.copy()
    forces = data.forces.copy()
    positions[11] = positions[2]
    forces[5, 0, 0] = np.nan
    energies[7] = np.nan
    holes = dataclasses.replace(data, positions=positions, energies=energies, forces=forces)
    split, notes = draw(holes, n_train=100, n_valid=50)
    used = {*split.train.tolist(), *split.valid.tolist(), *split.test.tolist()}
    assert len(used) == M - 3
    assert used.isdisjoint({5, 7, 11})
    assert "frame 6" in notes["without forces"]
    assert "frame 8" in notes["without energy"]
    assert "frame 12 repeats frame 3" in notes["repeated"]


def test_no_forces_and_too_few_frames_are_refused(data):
    bare = dataclasses.replace(data, forces=None)
    with pytest.raises(SplitError, match="200 energies and 0 forces"):
        draw(bare, n_train=10, n_valid=0)
    with pytest.raises(SplitError, match="201 training frames asked, 200 can be used"):
        draw(data, n_train=201, n_valid=0)
    with pytest.raises(SplitError, match="energy-stratified, random"):
        draw(data, n_train=2, n_valid=0, method="alphabetical")
    with pytest.raises(SplitError, match="at least 1"):
        draw(data, n_train=0, n_valid=0)


def test_energies_are_needed_only_to_sort_by_them(data):
    bare = dataclasses.replace(data, energies=None)
    with pytest.raises(SplitError, match="choose the split 'random'"):
        draw(bare, n_train=10, n_valid=0)
    split, _ = draw(bare, n_train=10, n_valid=0, method="random")
    assert len(split.train) == 10


def test_energies_alone_are_drawn_only_where_they_suffice(data):
    bare = dataclasses.replace(data, forces=None)
    with pytest.raises(SplitError, match="has no forces"):
        draw(bare, n_train=10, n_valid=0)
    split, notes = draw(bare, n_train=10, n_valid=5, energies_suffice=True)
    assert (len(split.train), len(split.valid)) == (10, 5)
    assert "energies alone" in notes["energies only"]
    # frames with forces win where there are some
    _, notes = draw(data, n_train=10, n_valid=0, energies_suffice=True)
    assert "energies only" not in notes


def test_blocks_keep_the_parts_apart_in_time(data):
    split, _ = draw(data, n_train=50, n_valid=20, n_test=30, method="trajectory-block")
    assert split.train.max() < split.valid.min() <= split.valid.max() < split.test.min()
    whole, notes = draw(data, n_train=M, n_valid=10, method="trajectory-block")
    assert (len(whole.train), len(whole.valid), len(whole.test)) == (M, 0, 0)
    assert "no frames" in notes["test"]


def test_every_cluster_gives_as_many_frames(data):
    """Three shapes of 150, 40 and 10 frames: 30 training frames take ten of each."""
    rng = np.random.default_rng(1)
    stretch = np.repeat([1.0, 1.2, 1.4], [150, 40, 10])
    still = ETHANOL.positions + 1e-3 * rng.normal(size=(M, 9, 3))
    shapes = dataclasses.replace(data, positions=still * stretch[:, None, None])
    label = clusters(shapes.positions, 3)
    assert np.bincount(label).tolist() == [150, 40, 10]
    assert all(len(set(label[stretch == s])) == 1 for s in (1.0, 1.2, 1.4))
    split, _ = draw(shapes, n_train=30, n_valid=0, method="cluster")
    assert min(np.bincount(np.searchsorted([1.1, 1.3], stretch[split.train]))) >= 2
    assert (stretch[split.test] == 1.0).mean() > 0.7  # tested where frames are


def test_a_region_is_trained_inside_and_tested_outside(data):
    split, _ = draw(data, n_train=20, n_valid=5, method="surface-region", region="6-1-2-3:30:-60")
    phi = np.degrees(measure(data.positions, (5, 0, 1, 2)))
    inside = (phi >= 30) | (phi <= -60)
    assert inside[np.concatenate([split.train, split.valid])].all()
    assert not inside[split.test].any()


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ("", "needs the region"),
        ("1-2-3:0:90", "cannot be read"),
        ("1-2-3-x:0:90", "cannot be read"),
        ("1-2-3-4:0:nan", "cannot be read"),
        ("1-2-3-40:0:90", "outside 1..9"),
        ("1-2-3-4:0:360", "all 200 frames lie in"),
    ],
)
def test_a_region_that_cannot_be(data, region, says):
    with pytest.raises(SplitError, match=says):
        draw(data, n_train=2, n_valid=0, method="surface-region", region=region)
