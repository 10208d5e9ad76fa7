"""The pair term against its formula and autograd."""

import numpy as np
import pytest
import torch

from core.descriptors.two_body import PairTerm, pair_kinds
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import ANALYTIC_EQUALS_AUTOGRAD


@pytest.fixture
def term() -> PairTerm:
    pairs = torch.as_tensor(pair_kinds(ETHANOL.numbers)[(1, 6)])
    points = torch.linspace(1.0, 3.5, 7, dtype=torch.float64)
    made = PairTerm(pairs, points, theta=0.5, cutoff=4.0, transition=1.0, delta=2.0)
    made.weights = torch.linspace(-1.0, 2.0, 7, dtype=torch.float64)
    return made


def test_kinds_hold_every_pair_once():
    kinds = pair_kinds(ETHANOL.numbers)
    assert {k: len(v) for k, v in kinds.items()} == {
        (1, 1): 15,
        (1, 6): 12,
        (1, 8): 6,
        (6, 6): 1,
        (6, 8): 2,
    }
    assert len(np.unique(np.concatenate(list(kinds.values())), axis=0)) == 36


def test_energy_of_one_pair_by_hand():
    points = torch.tensor([1.2], dtype=torch.float64)
    one = PairTerm(torch.tensor([[0, 1]]), points, theta=0.5, cutoff=4.0, transition=1.0, delta=2.0)
    one.weights = torch.tensor([0.3], dtype=torch.float64)
    x = torch.zeros(1, 2, 3, dtype=torch.float64)
    x[0, 1, 0] = 1.5
    expected = 0.3 * 4.0 * np.exp(-(0.3**2) / (2 * 0.25))
    assert float(one.energy(x)) == pytest.approx(expected, rel=1e-14)


def test_slopes_agree_with_autograd(term):
    frames = torch.tensor(ethanol_frames(4))
    x = frames.clone().requires_grad_(True)
    (expected,) = torch.autograd.grad(term.energy(x).sum(), x)
    energy, gradient = term.energy_and_gradient(frames)
    assert (gradient - expected).abs().max() < ANALYTIC_EQUALS_AUTOGRAD
    k, rows = term.rows(frames)
    assert (k @ term.weights - energy).abs().max() < ANALYTIC_EQUALS_AUTOGRAD
    flat = (rows @ term.weights).reshape(frames.shape)
    assert (flat - expected).abs().max() < ANALYTIC_EQUALS_AUTOGRAD
    assert torch.allclose(term.energy_rows(frames)[0], k, rtol=1e-13)
