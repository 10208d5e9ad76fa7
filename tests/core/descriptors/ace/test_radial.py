"""Radial functions: orthonormality (Kovács 2021, eq. 15), cutoffs, slopes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.descriptors.ace.radial import Radial
from tests.tolerances import ANALYTIC_EQUALS_AUTOGRAD, ORTHONORMAL

R0, R_IN, R_OUT = np.array([1.2, 2.0]), np.array([0.6, 0.9]), 5.0


@pytest.mark.parametrize("repulsive", [False, True])
def test_orthonormal_in_x_with_the_weight_of_the_paper(repulsive):
    radial = Radial(8, R0, R_IN, R_OUT, repulsive)
    t, w = np.polynomial.legendre.leggauss(200)
    for k in range(2):
        far, near = (1 / (1 + r / R0[k]) ** 2 for r in (R_OUT, R_IN[k]))
        x = far + (near - far) * (t + 1) / 2
        r = R0[k] * (x**-0.5 - 1)
        f = radial.values(torch.tensor(r), torch.full((len(r),), k)).numpy()
        gram = (f * (w * x**2 * (near - far) / 2)) @ f.T
        assert np.abs(gram - np.eye(8)).max() < ORTHONORMAL


def test_smooth_zero_at_both_cutoffs_and_only_outside_for_the_repulsive():
    radial, low = Radial(4, R0, R_IN, R_OUT), Radial(3, R0, R_IN, R_OUT, repulsive=True)
    r = torch.tensor([0.3, 0.6, 5.0, 6.0])
    types = torch.zeros(4, dtype=torch.long)
    value, slope = radial.values_and_slopes(r, types)
    assert value.abs().max() < ORTHONORMAL * 100
    assert slope.abs().max() < ORTHONORMAL * 1000
    value, _ = low.values_and_slopes(r, types)
    assert (value[:, 2:].abs() < ORTHONORMAL * 100).all()
    assert (value[0, :2] > 1).all()
    assert value[0, 0] > value[0, 1]


def test_slopes_are_the_derived_ones():
    for repulsive in (False, True):
        radial = Radial(6, R0, R_IN, R_OUT, repulsive)
        r = torch.linspace(0.7, 4.9, 30, dtype=torch.float64).requires_grad_()
        types = torch.arange(30) % 2
        _, slope = radial.values_and_slopes(r.detach(), types)
        for n in range(6):
            (derived,) = torch.autograd.grad(radial.values(r, types)[n].sum(), r)
            assert (derived - slope[n]).abs().max() < 1e3 * ANALYTIC_EQUALS_AUTOGRAD


def test_cutoffs_must_be_in_order():
    with pytest.raises(ValueError, match="r_in"):
        Radial(3, R0, np.array([1.0, 5.0]), 5.0)
