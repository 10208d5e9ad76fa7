"""Rows of a linear ACE's equations, from the frames of one molecule."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from core.descriptors.ace.setup import Setup, System
from core.descriptors.inverse_distances import internal_basis
from core.fitting.cores import Spread
from core.fitting.portion import Portion

BLOCK = 2.5e8  #: bytes of rows held before they are added to the equations


class Rows:
    """Energies and the internal components of forces of a portion's frames, weighted.

    offset eV: the one-body energies of all its atoms; energy_weight 1/Å.
    """

    def __init__(
        self, portion: Portion, setup: Setup, offset: float, energy_weight: float, device: str
    ) -> None:
        self.portion, self.dataset = portion, portion.dataset
        self.offset, self.weight, self.device = offset, energy_weight, device
        self.system = setup.system(portion.numbers, device=device, dtype=torch.float64)
        centres = self.system.centres
        there = [t for t in centres if t.count]
        # a basis around an element that only other molecules have gives columns of zeros here
        self.design = System(self.system.density, there, self.system.pair).design()
        self.columns, self.place = self.design.columns, None
        if len(there) < len(centres):
            edges = np.cumsum([0, *(len(t.basis) for t in centres)])
            self.columns += int(edges[-1]) - sum(len(t.basis) for t in there)
            each = zip(centres, edges, edges[1:], strict=False)
            own = [np.arange(a, b) for t, a, b in each if t.count]
            own.append(np.arange(edges[-1], self.columns))
            self.place = torch.as_tensor(np.concatenate(own), device=device)

    def rows(self, frame: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(m,K) and (m,): first the energy where there is one, then 3N-6 forces where there are."""
        data = self.dataset
        x = torch.tensor(data.positions[frame], device=self.device)
        with_energy = bool(data.has_energy[frame]) and self.weight > 0
        with_forces = bool(data.has_forces[frame])
        q = internal_basis(x[None])[0] if with_forces else x.new_zeros(x.numel(), 0)
        rows = self.design.frame(x, q)
        if self.place is not None:
            rows = rows.new_zeros(len(rows), self.columns).index_copy_(1, self.place, rows)
        rows[0] *= self.weight
        rows[1:] *= -1.0
        y = x.new_empty(len(rows))
        if with_energy:
            assert data.energies is not None
            y[0] = (float(data.energies[frame]) - self.offset) * self.weight
        if with_forces:
            assert data.forces is not None
            y[1:] = q.T @ torch.tensor(data.forces[frame], device=self.device).ravel()
        return (rows, y) if with_energy else (rows[1:], y[1:])

    def blocks(
        self, frames: np.ndarray, spread: Spread, tell: Callable[[int], bool]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Blocks of rows of `frames`; tell(frames done) answers whether to go on."""
        n = 3 * len(self.dataset.molecule.numbers) + 1
        at_once = max(1, int(BLOCK / (8.0 * self.columns * n)))
        for start in range(0, len(frames), at_once):
            done = list(spread(self.rows, frames[start : start + at_once].tolist()))
            yield torch.cat([r for r, _ in done]), torch.cat([y for _, y in done])
            if not tell(min(start + at_once, len(frames))):
                return
