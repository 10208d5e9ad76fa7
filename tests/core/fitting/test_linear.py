"""Linear least squares: every solver and the evidence against their dense definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from core.fitting.linear import NormalEquations, SingularSystem, choose, gather
from core.fitting.linear_rows import StreamingQR, lsqr
from tests.tolerances import LINEAR_SOLUTION

M, K, LAM = 900, 620, 1e-3  # K is more than one panel of the triangle


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(M, K)) * np.logspace(0, -3, K))
    y = x @ torch.tensor(rng.normal(size=K)) + 0.01 * torch.tensor(rng.normal(size=M))
    prior = torch.tensor(rng.uniform(0.5, 1.5, K))
    blocks = [(x[i : i + 250], y[i : i + 250]) for i in range(0, M, 250)]
    return x, y, prior, blocks


@pytest.fixture(scope="module")
def exact(problem):
    x, y, prior, _ = problem
    return torch.linalg.solve(x.T @ x + torch.diag(LAM / prior**2), x.T @ y)


def test_normal_equations(problem, exact):
    x, y, prior, blocks = problem
    equations = gather(K, blocks)
    found = equations.solve(LAM, prior)
    assert (found.coefficients - exact).abs().max() < LINEAR_SOLUTION
    assert found.residual == pytest.approx(float((x @ exact - y).square().sum()), rel=1e-6)
    assert (equations.times(exact) - x.T @ (x @ exact)).abs().max() < LINEAR_SOLUTION
    assert torch.allclose(equations.diagonal(), x.square().sum(0))
    assert equations.rows == M


def test_streaming_qr_and_lsqr_find_the_same(problem, exact):
    _, _, prior, blocks = problem
    qr = StreamingQR(K)
    for rows, targets in blocks:
        qr.add(rows, targets)
    assert (qr.ridge(LAM, prior).coefficients - exact).abs().max() < LINEAR_SOLUTION
    found = lsqr(blocks, lam=LAM, prior=prior, tolerance=1e-13)
    assert (found.coefficients - exact).abs().max() < 10 * LINEAR_SOLUTION


def test_evidence_is_the_marginal_likelihood(problem):
    x, y, prior, blocks = problem
    covariance = (x * prior**2) @ x.T / LAM + torch.eye(M)
    v = float(y @ torch.linalg.solve(covariance, y)) / M
    log_det = float(torch.logdet(covariance))
    expected = -0.5 * (M * math.log(2 * math.pi * v) + M + log_det)
    qr = StreamingQR(K)
    for rows, targets in blocks:
        qr.add(rows, targets)
    for found in (gather(K, blocks).solve(LAM, prior), qr.ridge(LAM, prior)):
        assert found.log_evidence == pytest.approx(expected, rel=1e-6)


def test_rank_revealing_qr(problem):
    x, y, prior, _ = problem
    copies = torch.cat([x[:, :50], x[:, :30] + x[:, 10:40]], 1)  # 30 dependent columns
    qr = StreamingQR(80)
    qr.add(copies, y)
    found = qr.rrqr(1e-9, prior[:80])
    assert found.rank == 50
    best = torch.linalg.lstsq(x[:, :50], y[:, None]).solution[:, 0]
    assert (copies @ found.coefficients - x[:, :50] @ best).abs().max() < LINEAR_SOLUTION
    assert qr.rrqr(0.9).rank < 50


def test_rank_revealing_qr_with_fewer_rows_than_columns(problem):
    x, y, _, _ = problem
    qr = StreamingQR(K)
    qr.add(x[:100], y[:100])
    found = qr.rrqr(1e-12)
    assert found.rank == 100
    assert found.residual < LINEAR_SOLUTION
    shortest = torch.linalg.pinv(x[:100]) @ y[:100]
    assert float(found.coefficients.norm()) == pytest.approx(float(shortest.norm()), rel=1e-5)


def test_lambda_is_chosen_downhill():
    class Found:
        def __init__(self, lam):
            self.lam = lam

    def solve(lam):
        if lam < 1e-7:
            raise SingularSystem("no")
        return Found(lam)

    def score(found):
        return abs(math.log10(found.lam) + 5.4)

    best, tried = choose(solve, score, start=1e-2)
    assert best.lam == pytest.approx(10**-5.5)
    assert all(a < b for (a, _), (b, _) in itertools.pairwise(tried))
    best, _ = choose(solve, score, start=1e-9)  # starts where the system is singular
    assert best.lam == pytest.approx(10**-5.5)
    with pytest.raises(SingularSystem):
        choose(lambda lam: solve(0.0), score, start=1.0)


def test_evidence_prefers_the_noise_that_is_there(problem):
    _, _, _, blocks = problem
    equations = gather(K, blocks)
    found, _ = choose(equations.solve, lambda s: -s.log_evidence, start=1.0)
    assert 1e-5 < found.lam < 1e-3  # noise 0.01 over coefficients of size 1: 1e-4


def test_bad_equations(problem):
    x, y, _, _ = problem
    twice = torch.cat([x[:, :5], x[:, :5]], 1)
    with pytest.raises(SingularSystem, match="larger lambda"):
        gather(10, [(twice, y)]).solve(0.0)
    with pytest.raises(ValueError, match="positive"):
        gather(10, [(twice, y)]).solve(1.0, torch.zeros(10))
    equations = NormalEquations(5)
    with pytest.raises(ValueError, match="finite"):
        equations.add(x[:2, :5], torch.tensor([1.0, math.nan], dtype=torch.float64))
    with pytest.raises(ValueError, match="finite"):
        StreamingQR(5).add(x[:2, :5] * math.inf, y[:2])
