"""The surroundings of all atoms of a molecule, shared by its SOAPs."""

from __future__ import annotations

import numpy as np
import torch

from core.descriptors.harmonics import real_harmonics


def neighbour_order(numbers: np.ndarray) -> tuple[np.ndarray, dict[int, int]]:
    """(N,N-1) the other atoms of each atom, by element; and element -> how many atoms."""
    by_element = np.argsort(numbers, kind="stable")
    order = np.array([by_element[by_element != i] for i in range(len(numbers))], dtype=np.int64)
    elements, counts = np.unique(numbers, return_counts=True)
    return order, dict(zip(elements.tolist(), counts.tolist(), strict=True))


class Around:
    """What all Soaps of a molecule share: vectors to neighbours, distances, harmonics.

    vectors (B,N,N-1,3) Å in the order (N,N-1) of neighbours, r (B,N,N-1) Å, y (B,N,N-1,LM).
    """

    def __init__(
        self, positions: torch.Tensor, order: torch.Tensor, l_max: int, *, slopes: bool
    ) -> None:
        self.order, self.n_atoms = order, positions.shape[1]
        self.vectors = positions[:, order] - positions[:, :, None]
        self.r = self.vectors.square().sum(-1).sqrt()
        self._slope: torch.Tensor | None = None
        if slopes:
            self.y, self._slope = real_harmonics(self.vectors, l_max, with_gradient=True)
        else:
            self.y = real_harmonics(self.vectors, l_max)

    def slope(self, atoms: torch.Tensor) -> torch.Tensor:
        """dY/d(vectors) (B,n,N-1,LM,3) 1/Å around some atoms; needs slopes=True."""
        assert self._slope is not None
        return self._slope[:, atoms]

    def scatter(self, by_vector: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
        """dE/dr (B,N,3,...) from dE/d(vectors) (B,n,N-1,3,...) of some atoms."""
        out = by_vector.new_zeros(len(by_vector), self.n_atoms, *by_vector.shape[3:])
        out.index_add_(1, self.order[atoms].flatten(), by_vector.flatten(1, 2))
        return out.index_add_(1, atoms, by_vector.sum(2), alpha=-1.0)
