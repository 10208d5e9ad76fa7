"""The sparse Gaussian process against the full one."""

import numpy as np
import pytest
import torch

from core.fitting.linear_rows import StreamingQR
from core.fitting.sparse_gp.gp import SparseGPError, factor, noisier, solve, variance
from tests.tolerances import SPARSE_EQUALS_FULL

NOISE = 0.05


def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """A Gaussian on a line, length scale 1."""
    return torch.exp(-0.5 * (a[:, None] - b) ** 2)


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.linspace(-4.0, 4.0, 17, dtype=torch.float64)
    return x, torch.sin(2.0 * x)


def sparse(x, y, points, sigma=NOISE):
    lower, _ = factor(kernel(points, points))
    triangle = StreamingQR(len(points), patience=3 * len(points))
    triangle.add(kernel(x, points), y)
    alpha, upper = solve([(triangle.r, sigma)], lower)
    return alpha, upper, lower


def test_all_points_sparse_is_the_full_process(data):
    x, y = data
    alpha, upper, lower = sparse(x, y, x)
    t = torch.linspace(-5.0, 5.0, 31, dtype=torch.float64)
    full = torch.linalg.inv(kernel(x, x) + NOISE**2 * torch.eye(len(x), dtype=x.dtype))
    k = kernel(t, x)
    assert (k @ alpha - k @ full @ y).abs().max() < SPARSE_EQUALS_FULL
    own = torch.ones(len(t), dtype=x.dtype)
    expected = own - ((k @ full) * k).sum(1)
    assert (variance(own, k, lower, upper) - expected).abs().max() < SPARSE_EQUALS_FULL


def test_variance_is_noise_at_data_and_the_prior_far_away(data):
    x, y = data
    _, upper, lower = sparse(x, y, x)
    at = torch.tensor([0.0, 30.0], dtype=x.dtype)
    found = variance(torch.ones(2, dtype=x.dtype), kernel(at, x), lower, upper)
    assert 0 < float(found[0]) < NOISE**2
    assert float(found[1]) == pytest.approx(1.0)


def test_blocks_are_the_whole(data):
    x, y = data
    points = x[::3]
    rows = torch.cat([kernel(x + d, points) for d in np.linspace(0, 1, 30).tolist()])
    right = y.repeat(30)
    whole = StreamingQR(len(points), patience=3 * len(points))
    whole.add(rows, right)
    parts = StreamingQR(len(points), patience=3 * len(points))
    for a, b in zip(rows.split(7), right.split(7), strict=True):
        parts.add(a, b)
    r, s = whole.r, parts.r
    assert parts.rows == len(rows)
    assert len(parts.r) <= len(points) + 1
    assert torch.allclose(r.T @ r, s.T @ s, rtol=1e-12, atol=1e-12)


def test_each_kind_has_its_noise(data):
    """Ten times the noise counts as a hundredth of the observations."""
    x, y = data
    points = x[::2]
    lower, _ = factor(kernel(points, points))

    def folded(times: int) -> torch.Tensor:
        t = StreamingQR(len(points), patience=3 * len(points))
        for _ in range(times):
            t.add(kernel(x, points), y)
        return t.r

    one, _ = solve([(folded(100), 10.0 * NOISE)], lower)
    two, _ = solve([(folded(1), NOISE)], lower)
    assert (one - two).abs().max() < 1e-6 * two.abs().max()


def test_noisier_is_the_fit_with_more_noise(data):
    x, y = data
    points = x[::2]
    _, upper, lower = sparse(x, y, points)
    for s in (1.0, 4.0, 30.0):
        _, expected, _ = sparse(x, y, points, sigma=s * NOISE)
        found = noisier(upper, lower, s)
        away = found.T @ found - expected.T @ expected
        assert away.abs().max() < SPARSE_EQUALS_FULL * (expected.T @ expected).abs().max()


def test_no_data_is_the_prior(data):
    x, _ = data
    lower, _ = factor(kernel(x, x))
    empty = StreamingQR(len(x), patience=3 * len(x))
    alpha, _ = solve([(empty.r, NOISE)], lower)
    assert not alpha.any()


def test_singular_kernel_gets_a_jitter_and_a_hopeless_one_a_sentence(data):
    x, _ = data
    twice = torch.cat([x, x])
    lower, jitter = factor(kernel(twice, twice))
    assert 0 < jitter < 1e-3
    assert torch.isfinite(lower).all()
    with pytest.raises(SparseGPError, match="singular"):
        factor(-kernel(x, x))
