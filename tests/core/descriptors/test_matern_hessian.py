import numpy as np
import torch

from core.descriptors.inverse_distances import (
    describe,
    incidence,
    internal_basis,
    jacobian,
    permute_pairs,
)
from core.descriptors.matern_hessian import MaternHessian
from core.fitting.symmetry import close_group
from tests.molecules import ethanol_frames

METHYL = close_group(np.array([[0, 1, 2, 4, 5, 3, 6, 7, 8]]))
SIGMA = 1.3  # small, so that the kernel is far from its polynomial limit


def test_blocks_are_the_mixed_second_derivative_of_the_kernel():
    positions = torch.tensor(ethanol_frames(3))
    inc = incidence(9, dtype=positions.dtype, device=positions.device)
    images = torch.as_tensor(permute_pairs(METHYL))
    d, slope = describe(positions, inc)
    basis = internal_basis(positions)
    kernel = MaternHessian(d, jacobian(slope, inc) @ basis, images, SIGMA)
    out = torch.empty(2 * 21, 2 * 21, dtype=d.dtype)
    kernel.fill(out, slice(1, 3), slice(0, 2))  # a block off the diagonal among them

    def k(x, y):
        a, b = describe(x.view(1, 9, 3), inc)[0], describe(y.view(1, 9, 3), inc)[0][0]
        # d(r[p]) of each permuted copy: the sum over the group
        r = 5**0.5 * (a - b[images]).square().sum(1).clamp(min=1e-24).sqrt() / SIGMA
        return ((1 + r + r**2 / 3) * torch.exp(-r)).sum()

    for i in (1, 2):
        for j in (0, 1):
            if i == j:
                continue  # autograd cannot take the root's derivative at zero distance
            x, y = positions[i].reshape(27), positions[j].reshape(27)
            mixed = torch.autograd.functional.hessian(k, (x, y))[0][1]
            expected = basis[i].T @ mixed @ basis[j]
            block = out[(i - 1) * 21 : i * 21, j * 21 : (j + 1) * 21]
            torch.testing.assert_close(block, expected, rtol=0, atol=1e-12)


def test_the_matrix_is_symmetric_and_positive():
    positions = torch.tensor(ethanol_frames(6))
    inc = incidence(9, dtype=positions.dtype, device=positions.device)
    d, slope = describe(positions, inc)
    g = jacobian(slope, inc) @ internal_basis(positions)
    kernel = MaternHessian(d, g, torch.as_tensor(permute_pairs(METHYL)), SIGMA)
    out = torch.empty(126, 126, dtype=d.dtype)
    kernel.fill(out, slice(0, 6), slice(0, 6))
    torch.testing.assert_close(out, out.T, rtol=0, atol=1e-14)
    assert torch.linalg.eigvalsh(out).min() > -1e-13


def test_rows_of_energies_are_the_kernel_and_its_first_derivatives():
    positions = torch.tensor(ethanol_frames(2))
    inc = incidence(9, dtype=positions.dtype, device=positions.device)
    images = torch.as_tensor(permute_pairs(METHYL))
    d, slope = describe(positions, inc)
    basis, weight = internal_basis(positions), 1.7
    kernel = MaternHessian(d, jacobian(slope, inc) @ basis, images, SIGMA, weight)
    out = torch.empty(44, 44, dtype=d.dtype)
    kernel.fill(out, slice(0, 2), slice(0, 2))

    def k(x, y):
        a, b = describe(x.view(1, 9, 3), inc)[0], describe(y.view(1, 9, 3), inc)[0][0]
        r = 5**0.5 * (a - b[images]).square().sum(1).sqrt() / SIGMA
        return ((1 + r + r**2 / 3) * torch.exp(-r)).sum()

    x, y = (p.reshape(27) for p in positions)
    dx, dy = torch.autograd.functional.jacobian(k, (x, y))
    block = out[:22, 22:]
    close = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(block[21, 21], weight**2 * k(x, y), **close)
    torch.testing.assert_close(block[:21, 21], weight * basis[0].T @ dx, **close)
    torch.testing.assert_close(block[21, :21], weight * basis[1].T @ dy, **close)
    torch.testing.assert_close(out, out.T, rtol=0, atol=1e-13)
