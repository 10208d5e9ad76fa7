"""The inverse-distance descriptor d_p = 1/|r_a - r_b| over all atom pairs p = (a < b).

Chmiela et al., Sci. Adv. 3, e1603015 (2017); the descriptor of Sauceda 2020. Invariant to
translation and rotation, smooth wherever no two atoms meet. D = N(N-1)/2 entries, unit 1/Å.
"""

from __future__ import annotations

import functools

import numpy as np
import torch


@functools.cache
def pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The atom pairs of n atoms: two read-only (D,) index arrays a < b, in descriptor order."""
    a, b = np.triu_indices(n, 1)
    a.setflags(write=False)
    b.setflags(write=False)
    return a, b


def incidence(n: int, *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """(D,N) matrix with +1 at a and -1 at b of each pair: incidence @ positions = r_a - r_b."""
    a, b = pairs(n)
    matrix = torch.zeros(len(a), n, dtype=dtype, device=device)
    rows = torch.arange(len(a), device=device)
    matrix[rows, torch.as_tensor(a.copy(), device=device)] = 1.0
    matrix[rows, torch.as_tensor(b.copy(), device=device)] = -1.0
    return matrix


def describe(positions: torch.Tensor, inc: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Descriptor and its slope.

    positions (B,N,3) Å; inc (D,N) from `incidence`. Returns d (B,D) 1/Å and slope (B,D,3) 1/Å²
    with slope = dd/dr_a = -(r_a - r_b)/|r_a - r_b|³ (and dd/dr_b = -slope). Differentiable.
    """
    between = torch.matmul(inc, positions)
    d = between.square().sum(-1).rsqrt()
    return d, between * -(d * d * d)[..., None]


def pull_back(gradient: torch.Tensor, slope: torch.Tensor, inc: torch.Tensor) -> torch.Tensor:
    """J^T g: dE/dd (B,D) and slope (B,D,3) from `describe` -> dE/dr (B,N,3)."""
    return torch.matmul(inc.T, gradient[..., None] * slope)


def jacobian(slope: torch.Tensor, inc: torch.Tensor) -> torch.Tensor:
    """J = dd/dr, dense: slope (B,D,3), inc (D,N) -> (B,D,3N)."""
    dense = inc[None, :, :, None] * slope[:, :, None, :]
    return dense.reshape(len(slope), inc.shape[0], 3 * inc.shape[1])


def permute_pairs(permutations: np.ndarray) -> np.ndarray:
    """How atom permutations act on the descriptor.

    permutations (S,N): row s sends a geometry r to r[s]. Returns (S,D) indices with
    d(r[s]) = d(r)[row].
    """
    n = permutations.shape[1]
    a, b = pairs(n)
    where = np.zeros((n, n), dtype=np.int64)
    where[a, b] = where[b, a] = np.arange(len(a))
    return where[permutations[:, a], permutations[:, b]]


def internal_basis(positions: torch.Tensor) -> torch.Tensor:
    """Orthonormal directions that move the atoms relative to each other.

    positions (M,N,3) Å -> (M,3N,R): the complement of the rigid translations and rotations of
    each geometry, R = 3N-6 (3N-5 as soon as one geometry is linear). J has no component outside.
    """
    m, n, _ = positions.shape
    centred = positions - positions.mean(1, keepdim=True)
    rigid = positions.new_zeros(m, n, 3, 6)
    for axis in range(3):
        rigid[:, :, axis, axis] = 1.0 / n**0.5
        unit = positions.new_zeros(3)
        unit[axis] = 1.0
        rigid[:, :, :, 3 + axis] = torch.linalg.cross(unit.expand_as(centred), centred)
    u, s, _ = torch.linalg.svd(rigid.reshape(m, 3 * n, 6), full_matrices=True)
    rank = int((s > 1e-6).sum(1).min())
    return u[:, :, rank:].contiguous()
