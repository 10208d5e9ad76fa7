"""Whether standard deviations are as large as errors, and rank frames as the errors do."""

import itertools

import numpy as np
import pytest

from core.analyses.uncertainty import GROUPS, LEAST, NORMAL, figures, groups, rank_correlation

FRAMES = 20_000
SAMPLED = 0.02  # of shares and correlations over so many frames


@pytest.fixture(scope="module")
def right() -> tuple[np.ndarray, np.ndarray]:
    """Sigmas over a decade, and errors drawn from them."""
    rng = np.random.default_rng(3)
    sigma = 0.01 * 10 ** rng.uniform(-0.5, 0.5, FRAMES)
    return sigma, sigma * rng.normal(size=FRAMES)


def test_right_sigmas_cover_as_a_normal_distribution_and_rank_as_expected(right):
    sigma, error = right
    f = figures(sigma, error, sigma**2)
    assert (f["within_1"], f["within_2"]) == pytest.approx(NORMAL, abs=SAMPLED)
    assert f["rank"] == pytest.approx(f["expected_rank"], abs=SAMPLED)
    assert 0.4 < f["expected_rank"] < 0.6, "far from 1 though every sigma is right"
    assert f["force_rank"] == pytest.approx(1.0)
    assert f["mean"] == pytest.approx(sigma.mean())


def test_too_small_sigmas_cover_less_and_rank_the_same(right):
    sigma, error = right
    small, f = figures(sigma / 3, error, sigma), figures(sigma, error, sigma)
    assert small["within_1"] == pytest.approx(0.261, abs=SAMPLED)  # erf(1 / (3 sqrt 2))
    assert small["rank"] == f["rank"]


def test_groups_are_equal_and_their_rms_errors_are_their_sigmas(right):
    sigma, error = right
    found = groups(sigma, error)
    assert len(found) == GROUPS
    assert np.ptp([len(g) for g in found]) <= 1
    assert all(sigma[a].max() <= sigma[b].min() for a, b in itertools.pairwise(found))
    ratio = [np.sqrt(np.mean(error[g] ** 2) / np.mean(sigma[g] ** 2)) for g in found]
    np.testing.assert_allclose(ratio, 1.0, atol=0.05)
    assert len(groups(sigma[: 2 * LEAST], error[: 2 * LEAST])) == 2
    assert groups(sigma[:3], error[:3]) == []


def test_what_is_not_known_is_left_out():
    nan = np.full(5, np.nan)
    assert figures(nan, np.ones(5), np.ones(5)) == {}
    assert figures(np.zeros(0), np.ones(5), np.ones(5)) == {}
    assert figures(np.ones(5), nan, nan) == {"mean": 1.0}
    assert set(figures(np.ones(2), np.ones(2), nan[:2])) == {"mean", "within_1", "within_2"}


def test_spearman_is_that_of_scipy():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    a = rng.normal(size=50)
    b = a + rng.normal(size=50)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b)[0])
