"""Choice of sparse points."""

import numpy as np
import pytest
import torch

from core.fitting.sparse_gp.points import cur, farthest_points


@pytest.fixture
def clouds() -> torch.Tensor:
    """990 points near the origin and ten far away, in ten dimensions."""
    rng = np.random.default_rng(0)
    near = rng.normal(0.0, 0.01, (990, 10)) + 0.1
    return torch.tensor(np.concatenate([near, 3.0 * np.eye(10)]))


@pytest.mark.parametrize("choose", [farthest_points, cur])
def test_the_rare_are_chosen(clouds, choose):
    chosen = choose(clouds, 30)
    assert len(np.unique(chosen)) == 30
    assert set(range(990, 1000)) <= set(chosen.tolist())
    assert np.array_equal(choose(clouds, 30), chosen)


@pytest.mark.parametrize("choose", [farthest_points, cur])
def test_more_than_there_are(clouds, choose):
    assert sorted(choose(clouds[:5], 9).tolist()) == [0, 1, 2, 3, 4]


def test_repeats_are_not_chosen(clouds):
    twice = torch.cat([clouds[-10:], clouds[-10:]])
    assert len(farthest_points(twice, 20)) == 10


def test_progress_is_reported(clouds):
    told: list[float] = []
    farthest_points(clouds, 200, told.append)
    assert told == sorted(told)
    assert len(told) == 6
    assert 0 < told[0] < told[-1] <= 1
