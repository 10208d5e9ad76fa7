import dataclasses

import numpy as np
import pytest

from core.dataset import Dataset
from core.fitting.splits import METHODS, SplitError, draw
from tests.molecules import ETHANOL, ethanol_frames

M = 200


@pytest.fixture(scope="module")
def data() -> Dataset:
    rng = np.random.default_rng(0)
    forces = rng.normal(size=(M, 9, 3))
    return Dataset("e", ETHANOL, ethanol_frames(M), rng.gamma(2.0, size=M), forces)


@pytest.mark.parametrize("method", METHODS)
def test_parts_never_overlap_and_the_seed_decides(data, method):
    first, notes = draw(data, n_train=50, n_valid=20, n_test=30, seed=3, method=method)
    again, _ = draw(data, n_train=50, n_valid=20, n_test=30, seed=3, method=method)
    other, _ = draw(data, n_train=50, n_valid=20, n_test=30, seed=4, method=method)
    assert [len(first.train), len(first.valid), len(first.test)] == [50, 20, 30]
    assert (first.method, first.seed, notes) == (method, 3, {})
    np.testing.assert_array_equal(first.train, again.train)
    np.testing.assert_array_equal(first.test, again.test)
    assert method == "evenly-spaced" or set(first.train) != set(other.train)


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
