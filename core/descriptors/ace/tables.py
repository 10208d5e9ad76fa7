"""The tables of a `CentreBasis` as tensors, for all centres of one element in one molecule."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from core.descriptors.ace.basis import CentreBasis
from core.descriptors.ace.density import Density


def csr(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, tuple[int, int]]:
    """(crow, col, value, shape) of a matrix given by its elements; repeated ones are added."""
    import scipy.sparse

    made = scipy.sparse.csr_matrix((values, (rows, columns)), shape=shape)
    return (
        torch.from_numpy(made.indptr.astype(np.int32)),
        torch.from_numpy(made.indices.astype(np.int32)),
        torch.from_numpy(made.data.astype(np.float64)),
        shape,
    )


def sparse(
    parts: tuple[torch.Tensor, torch.Tensor, torch.Tensor, tuple[int, int]],
    device: torch.device,
    dtype: torch.dtype,
) -> torch.Tensor:
    """The torch matrix of `csr`; torch calls the format a beta in a warning that helps nobody."""
    crow, col, value, shape = parts
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            crow.to(device), col.to(device), value.to(device, dtype), shape, check_invariants=False
        )


class CentreTables:
    """One element's basis in one molecule: where its A come from, products, S and its transpose."""

    def __init__(self, basis: CentreBasis, density: Density, z: int) -> None:
        device, dtype = density.device, density.dtype
        self.basis, self.device, self.dtype = basis, device, dtype
        centres = density.sites.centres(z)
        self.count = len(centres)
        rows = []
        for z_n, n, l in basis.features:  # noqa: E741
            row = density.row_of[int(n), int(l)]
            rows.append(z_n * len(density) + row + np.arange(2 * l + 1))
        flat = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        site = centres * density.sites.n_elements * len(density)
        #: row of A and centre -> row of the (slots x features) array
        self.source = torch.as_tensor((flat[:, None] + site).ravel(), device=device)
        self.first = torch.as_tensor(basis.first, device=device)
        self.second = torch.as_tensor(basis.second, device=device)
        shape = (basis.rows_p, 1 + basis.rows_a + len(basis.first))
        s = (basis.s_row, basis.s_col, basis.s_value)
        self.s = sparse(csr(*s, shape), device, dtype)
        self.s_t = sparse(csr(s[1], s[0], s[2], shape[::-1]), device, dtype)
        #: sums over the products that a row of A is the first, or the second, factor of
        self.to_first, self.to_second = (
            self._sums(factor, basis.rows_a) for factor in (basis.first, basis.second)
        )
        #: (L, first channel row, last channel row) of each L's block of P
        ls, counts = np.unique(basis.channel_l, return_counts=True)
        self.blocks: list[tuple[int, int, int]] = []
        at = 0
        for l, count in zip(ls, counts, strict=True):  # noqa: E741
            self.blocks.append((int(l), at, at + int(count) * (2 * int(l) + 1)))
            at = self.blocks[-1][2]

    def _sums(self, rows: np.ndarray, count: int) -> torch.Tensor:
        """The matrix that adds entry k to row rows[k] of `count`."""
        entries = csr(rows, np.arange(len(rows)), np.ones(len(rows)), (count, len(rows)))
        return sparse(entries, self.device, self.dtype)

    def a(self, slots: torch.Tensor) -> torch.Tensor:
        """Sums per slot (S,F,B) -> A of this element's centres (rows, centres * B)."""
        flat = slots.reshape(-1, slots.shape[-1])
        return flat.index_select(0, self.source).reshape(self.basis.rows_a, -1)

    def factors(self, a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A of the first and of the second factor of every product, each (products, C)."""
        return a.index_select(0, self.first), a.index_select(0, self.second)

    def x(self, a: torch.Tensor, one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
        """[1, A, A A] (columns of S, C); one, two: the products' `factors`."""
        rows = self.basis.rows_a
        out = a.new_empty(1 + rows + len(self.first), a.shape[1])
        out[0] = 1.0
        out[1 : 1 + rows] = a
        torch.mul(one, two, out=out[1 + rows :])
        return out

    def forms(self, coefficients: np.ndarray) -> list[torch.Tensor]:
        """The symmetric W_L of E = sum_L P_L^T W_L P_L, channels x channels, for `coefficients`."""
        basis = self.basis
        found = []
        first_channel = 0
        for l, _, _ in self.blocks:  # noqa: E741
            count = int((basis.channel_l == l).sum())
            pick = basis.channel_l[basis.left] == l
            left, right = basis.left[pick] - first_channel, basis.right[pick] - first_channel
            half = 0.5 * coefficients[pick] * basis.factor[pick]
            parts = csr(
                np.concatenate([left, right]),
                np.concatenate([right, left]),
                np.concatenate([half, half]),
                (count, count),
            )
            found.append(sparse(parts, self.device, self.dtype))
            first_channel += count
        return found
