"""Real spherical harmonics against scipy, the addition theorem and autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre, sph_harm_y

from core.descriptors.harmonics import real_harmonics
from tests.tolerances import HARMONICS

L_MAX = 8


@pytest.fixture
def vectors():
    return torch.tensor(np.random.default_rng(0).normal(size=(40, 3)))


def test_they_are_the_complex_ones_of_scipy_without_condon_shortley(vectors):
    y = real_harmonics(vectors, L_MAX).numpy()
    u = (vectors / vectors.norm(dim=1, keepdim=True)).numpy()
    theta, phi = np.arccos(u[:, 2]), np.arctan2(u[:, 1], u[:, 0])
    for l in range(L_MAX + 1):  # noqa: E741
        for m in range(-l, l + 1):
            c = sph_harm_y(l, abs(m), theta, phi) * (-1) ** abs(m)
            expected = c.real if m == 0 else math.sqrt(2) * (c.real if m > 0 else c.imag)
            assert np.abs(y[:, l * l + l + m] - expected).max() < HARMONICS


def test_orthonormal_on_the_sphere():
    z, w = np.polynomial.legendre.leggauss(L_MAX + 1)
    phi = np.arange(2 * L_MAX + 2) * math.pi / (L_MAX + 1)
    s = np.sqrt(1 - z * z)
    points = np.stack(
        [np.outer(s, np.cos(phi)), np.outer(s, np.sin(phi)), np.outer(z, np.ones_like(phi))], -1
    )
    y = real_harmonics(torch.tensor(points), L_MAX).numpy().reshape(-1, (L_MAX + 1) ** 2)
    weight = np.repeat(w, len(phi)) * math.pi / (L_MAX + 1)
    assert np.abs((y * weight[:, None]).T @ y - np.eye(y.shape[1])).max() < HARMONICS


def test_addition_theorem(vectors):
    y = real_harmonics(vectors, L_MAX)
    u = vectors / vectors.norm(dim=1, keepdim=True)
    cosine = (u @ u.T).numpy()
    for l in range(L_MAX + 1):  # noqa: E741
        part = y[:, l * l : (l + 1) ** 2]
        expected = (2 * l + 1) / (4 * math.pi) * eval_legendre(l, cosine)
        assert np.abs((part @ part.T).numpy() - expected).max() < HARMONICS


def test_gradient_is_the_derived_one_and_finite_at_the_poles(vectors):
    vectors = torch.cat([vectors, torch.tensor([[0.0, 0.0, 2.0], [0.0, 0.0, -0.5]])])
    _, gradient = real_harmonics(vectors, L_MAX, with_gradient=True)
    derived = torch.autograd.functional.jacobian(lambda v: real_harmonics(v, L_MAX).sum(0), vectors)
    assert (derived.permute(1, 0, 2) - gradient).abs().max() < HARMONICS
    assert (gradient * vectors[:, None]).sum(-1).abs().max() < HARMONICS


def test_bad_arguments():
    with pytest.raises(ValueError, match="l_max"):
        real_harmonics(torch.ones(1, 3), -1)
    with pytest.raises(ValueError, match="shape"):
        real_harmonics(torch.ones(1, 2), 2)
