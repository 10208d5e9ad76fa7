"""Core repulsion against the published formula, its switch and autograd."""

import numpy as np
import pytest
import torch

from core.descriptors.core_repulsion import CoreRepulsion
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import ANALYTIC_EQUALS_AUTOGRAD


def two(z: int, other: int, r: float, reach: float) -> float:
    """eV of two atoms r Å apart."""
    pairs = torch.tensor([[0, 1]])
    term = CoreRepulsion(np.array([z, other]), pairs, torch.tensor([reach], dtype=torch.float64))
    x = torch.zeros(1, 2, 3, dtype=torch.float64)
    x[0, 1, 1] = r
    return float(term.energy(x))


def test_two_carbons_by_hand():
    """a = 0.8854 x 0.529177/(2 x 6^0.23) = 0.15514 Å; at 0.5 Å x = 3.2228, phi = 0.115665."""
    assert two(6, 6, 0.5, 2.0) == pytest.approx(36 * 14.3996454 / 0.5 * 0.115665, rel=1e-5)


def test_bare_charges_at_the_nucleus_and_nothing_beyond_the_reach():
    assert two(1, 6, 1e-4, 1.0) == pytest.approx(6 * 14.3996454 / 1e-4, rel=5e-3)
    assert two(1, 6, 1.0, 1.0) == 0.0
    assert two(1, 6, 0.9, 1.0) > 0.0


def test_slopes_agree_with_autograd():
    i, j = np.triu_indices(9, 1)
    pairs = torch.as_tensor(np.stack([i, j], 1))
    term = CoreRepulsion(ETHANOL.numbers, pairs, torch.full((36,), 1.6, dtype=torch.float64))
    frames = torch.tensor(ethanol_frames(4))
    x = frames.clone().requires_grad_(True)
    energy = term.energy(x)
    (expected,) = torch.autograd.grad(energy.sum(), x)
    found, gradient = term.energy_and_gradient(frames)
    assert (found - energy).abs().max() < ANALYTIC_EQUALS_AUTOGRAD
    assert (gradient - expected).abs().max() < ANALYTIC_EQUALS_AUTOGRAD
    assert expected.abs().max() > 1.0
