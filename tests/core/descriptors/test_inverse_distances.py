import numpy as np
import torch

from core.descriptors.inverse_distances import (
    describe,
    incidence,
    internal_basis,
    jacobian,
    pairs,
    permute_pairs,
    pull_back,
)
from tests.molecules import ethanol_frames


def tensors(n=4):
    positions = torch.tensor(ethanol_frames(n))
    return positions, incidence(9, dtype=positions.dtype, device=positions.device)


def test_entries_are_inverse_distances_in_pair_order():
    positions, inc = tensors()
    d, _ = describe(positions, inc)
    a, b = pairs(9)
    r = positions.numpy()
    np.testing.assert_allclose(d, 1 / np.linalg.norm(r[:, a] - r[:, b], axis=-1), rtol=1e-14)


def test_jacobian_and_pull_back_equal_autograd():
    positions, inc = tensors(2)
    _, slope = describe(positions, inc)
    dense = jacobian(slope, inc)
    for k in range(2):
        derived = torch.autograd.functional.jacobian(
            lambda r: describe(r[None], inc)[0][0], positions[k]
        )
        torch.testing.assert_close(dense[k].view(36, 9, 3), derived, rtol=0, atol=1e-13)
    g = torch.randn(2, 36, dtype=positions.dtype, generator=torch.Generator().manual_seed(0))
    expected = torch.einsum("bdx,bd->bx", dense, g).view(2, 9, 3)
    torch.testing.assert_close(pull_back(g, slope, inc), expected)


def test_permuted_atoms_permute_the_descriptor():
    positions, inc = tensors()
    order = np.random.default_rng(1).permutation(9)
    index = permute_pairs(order[None])[0]
    d, _ = describe(positions, inc)
    moved, _ = describe(positions[:, order], inc)
    torch.testing.assert_close(moved, d[:, index], rtol=0, atol=0)


def test_internal_basis_spans_all_that_changes_distances():
    positions, inc = tensors()
    basis = internal_basis(positions)
    assert basis.shape == (4, 27, 21)
    eye = torch.eye(21, dtype=basis.dtype).expand(4, 21, 21)
    torch.testing.assert_close(basis.transpose(1, 2) @ basis, eye, rtol=0, atol=1e-12)
    _, slope = describe(positions, inc)
    j = jacobian(slope, inc)
    torch.testing.assert_close(j @ basis @ basis.transpose(1, 2), j, rtol=0, atol=1e-12)


def test_a_linear_molecule_keeps_its_bending():
    line = torch.tensor([[[0.0, 0, -1.16], [0, 0, 0], [0, 0, 1.16]]], dtype=torch.float64)
    bent = line + torch.tensor([[0, 0.2, 0], [0, 0, 0], [0, 0, 0]])
    assert internal_basis(bent).shape[2] == 3
    assert internal_basis(torch.cat([bent, line])).shape[2] == 4
    assert internal_basis(line[:, :2]).shape[2] == 1
