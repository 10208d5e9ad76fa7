"""Covariances of energies and gradients: against automatic derivatives, and as an operator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.descriptors.fchl19.representation import FCHL19, Settings
from core.fitting.operator_kernel.cost import keeps, rank
from core.fitting.operator_kernel.kernel import Environments, OperatorKernel
from core.fitting.operator_kernel.product import OperatorProduct
from core.fitting.operator_kernel.solve import assemble, copy_of, solve
from tests.tolerances import FCHL_COVARIANCE

SIGMA = 0.7
NUMBERS = np.array([8, 1, 1])
WATER = [[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]]


@pytest.fixture(scope="module")
def positions() -> torch.Tensor:
    """(4,3,3) Å."""
    return torch.tensor(WATER + np.random.default_rng(0).normal(0, 0.05, (4, 3, 3)))


@pytest.fixture(scope="module")
def descriptor() -> FCHL19:
    settings = Settings(n_two=4, n_three=3)
    return FCHL19(NUMBERS, settings, dtype=torch.float64, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def kernel(descriptor, positions) -> OperatorKernel:
    eye = torch.eye(9, dtype=torch.float64).expand(4, 9, 9)
    q, g = descriptor.jacobian(positions, eye)
    parts = [Environments(a, b.permute(0, 3, 1, 2).contiguous()) for a, b in zip(q, g, strict=True)]
    return OperatorKernel(parts, SIGMA)


@pytest.fixture(scope="module")
def matrix(kernel) -> torch.Tensor:
    n = kernel.frames * kernel.rows
    out = torch.empty(n, n, dtype=torch.float64)
    kernel.fill(out, slice(0, kernel.frames), slice(0, kernel.frames))
    return out


def covariance(descriptor: FCHL19, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The definition: sum over pairs of atoms of one element of the Gaussian kernel."""
    here, there = descriptor.describe(x[None]), descriptor.describe(y[None])
    total = torch.zeros((), dtype=torch.float64)
    for a, b in zip(here, there, strict=True):
        d2 = (a[0][:, None] - b[0][None]).square().sum(2)
        total = total + torch.exp(-0.5 * d2 / SIGMA**2).sum()
    return total


def test_blocks_are_derivatives_of_the_kernel(descriptor, positions, matrix):
    x, y = positions[1], positions[2]
    block = matrix[10:20, 20:30]
    plain = covariance(descriptor, x, y)
    slope = torch.autograd.functional.jacobian(lambda b: covariance(descriptor, x, b), y)
    both = torch.autograd.functional.hessian(
        lambda a, b: covariance(descriptor, a, b), (x.clone(), y.clone())
    )[0][1]
    assert abs(block[0, 0] - plain) < FCHL_COVARIANCE * plain
    assert (block[0, 1:] - slope.flatten()).abs().max() < FCHL_COVARIANCE * slope.abs().max()
    assert (block[1:, 1:] - both.view(9, 9)).abs().max() < FCHL_COVARIANCE * both.abs().max()


def test_matrix_is_symmetric_and_not_negative(matrix):
    size = matrix.abs().max()
    assert (matrix - matrix.T).abs().max() < FCHL_COVARIANCE * size
    assert torch.linalg.eigvalsh(matrix).min() > -FCHL_COVARIANCE * size


@pytest.mark.parametrize("keep", [False, True])
def test_operator_is_the_matrix(kernel, matrix, keep):
    scale = torch.rand(4, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    s = scale.flatten()
    expected = s[:, None] * matrix * s
    product = OperatorProduct(kernel, scale, keep=keep)
    v = torch.linspace(-1, 1, 40, dtype=torch.float64)
    for _ in range(2):  # the second time with what is kept
        assert (product(v) - expected @ v).abs().max() < FCHL_COVARIANCE
    assert (product.diagonal() - expected.diagonal()).abs().max() < FCHL_COVARIANCE
    which = torch.tensor([0, 3, 10, 11, 39])
    assert (product.columns(which) - expected[:, which]).abs().max() < FCHL_COVARIANCE


def test_iteration_stays_within_its_memory():
    """1000 frames of aspirin: its arrays within what is given, fewer columns where that is less."""
    atoms, frames, rows = [8, 9, 4], 1000, 58
    wanted = []
    for memory in (2e9, 5e9, 10e9):
        columns = rank(frames * rows, memory)
        taken = 8.0 * frames * rows * columns
        if keeps(atoms, frames, columns, rows, memory):
            taken += 8.0 * sum((n * frames) ** 2 for n in atoms)
        assert taken < memory
        wanted.append(columns)
    assert wanted == sorted(set(wanted))
    assert wanted[-1] == 5800


def test_closed_form_solves_the_equations(kernel, matrix):
    labels = torch.linspace(-1, 1, 40, dtype=torch.float64)
    noise = torch.full((40,), 1e-2, dtype=torch.float64)
    panels = assemble(kernel, lambda f: None, map)
    twin = copy_of(panels)
    expected = torch.linalg.solve(matrix + noise.diag(), labels)
    for one in (panels, twin):
        alpha = solve(one, noise, labels, lambda f: None, map)
        assert (alpha - expected).abs().max() < FCHL_COVARIANCE * expected.abs().max()
