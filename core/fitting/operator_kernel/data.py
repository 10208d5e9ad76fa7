"""Training frames as environments: described, differentiated, and reduced to what varies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from core.dataset import Dataset
from core.descriptors.fchl19.representation import FCHL19, Settings
from core.descriptors.inverse_distances import internal_basis
from core.fitting.cores import Spread
from core.fitting.operator_kernel.kernel import Environments

BLOCK = 4_000_000  #: numbers in the slopes on all triples of the frames of one block
SAMPLE = 100  #: frames whose derivatives choose the directions that are kept
TOLERANCE = 3e-7  #: share of the derivatives' variance that may be left out
#: The same where a fit iterates: products cost a fifth less, and forces err 0.5 % more (100 frames
#: of ethanol; 1e-5 costs a third less and 1.5 %).
COARSE = 3e-6


class TrainingFrames:
    """M frames: environments per element, directions (M,3N,R), labels (M,R+1).

    Labels are the energy from its mean, eV, and the energy's gradient along the directions, eV/Å.
    means and bases: what projects a raw descriptor q of each element to (q - mean) @ basis.
    """

    def __init__(
        self,
        dataset: Dataset,
        frames: np.ndarray,
        settings: Settings,
        device: str,
        report: Callable[[float], None],
        spread: Spread = map,
        tolerance: float = TOLERANCE,
    ) -> None:
        """frames: indices (M,) of frames with forces; tolerance: as TOLERANCE."""
        assert dataset.forces is not None
        positions = torch.tensor(dataset.positions[frames], device=device)
        gradient = -torch.tensor(dataset.forces[frames], device=device).reshape(len(frames), -1, 1)
        self.directions = internal_basis(positions)
        has = dataset.has_energy[frames]
        energy = np.zeros(len(frames))
        self.mean = 0.0
        if has.any():
            assert dataset.energies is not None
            self.mean = float(dataset.energies[frames[has]].mean())
            energy[has] = dataset.energies[frames[has]] - self.mean
        self.known = torch.tensor(has, device=device)  # frames whose energy is a label
        along = torch.bmm(self.directions.transpose(1, 2), gradient)[..., 0]
        first = torch.tensor(energy, device=device)[:, None]
        self.labels = torch.cat([first, along], 1)
        descriptor = FCHL19(
            dataset.molecule.numbers, settings, dtype=positions.dtype, device=positions.device
        )
        self._choose(descriptor, positions, spread, tolerance)
        self.environments = self._describe(descriptor, positions, report, spread)

    def _jacobian(
        self, descriptor: FCHL19, positions: torch.Tensor, frames: torch.Tensor
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        return descriptor.jacobian(positions[frames], self.directions[frames])

    def _choose(
        self, descriptor: FCHL19, positions: torch.Tensor, spread: Spread, tolerance: float
    ) -> None:
        """Means, and the principal directions of dq/dx over some frames."""
        count = min(len(positions), SAMPLE)
        sample = torch.linspace(0, len(positions) - 1, count, device=positions.device).long()

        def one(part: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
            q, g = self._jacobian(descriptor, positions, part)
            flat = [x.transpose(2, 3).reshape(-1, x.shape[2]) for x in g]
            return [(x.sum((0, 1)), y.T @ y) for x, y in zip(q, flat, strict=True)]

        sums = list(spread(one, sample.split(self._step(descriptor))))
        self.means, self.bases = [], []
        for e, atoms in enumerate(descriptor.atoms):
            self.means.append(torch.stack([s[e][0] for s in sums]).sum(0) / (count * len(atoms)))
            values, vectors = torch.linalg.eigh(torch.stack([s[e][1] for s in sums]).sum(0))
            left = values.clamp(min=0.0).cumsum(0)  # ascending: what leaving out so many loses
            keep = int((left > tolerance * left[-1]).sum())
            basis = vectors[:, len(values) - max(1, keep) :]
            # the sign of an eigenvector is anyone's choice: make it ours
            largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
            self.bases.append((basis * largest.sign()).contiguous())

    def _describe(
        self,
        descriptor: FCHL19,
        positions: torch.Tensor,
        report: Callable[[float], None],
        spread: Spread,
    ) -> list[Environments]:
        m, r = self.directions.shape[0], self.directions.shape[2]
        out = [
            Environments(
                positions.new_empty(m, len(a), b.shape[1]),
                positions.new_empty(m, r, len(a), b.shape[1]),
            )
            for a, b in zip(descriptor.atoms, self.bases, strict=True)
        ]
        frames = torch.arange(m, device=positions.device)

        def one(part: torch.Tensor) -> int:
            q, g = self._jacobian(descriptor, positions, part)
            where = slice(int(part[0]), int(part[-1]) + 1)
            for e, basis in enumerate(self.bases):
                out[e].q[where] = (q[e] - self.means[e]) @ basis
                out[e].g[where] = g[e].permute(0, 3, 1, 2) @ basis
            return where.stop

        for done in spread(one, frames.split(self._step(descriptor))):
            report(done / m)
        return out

    def _step(self, descriptor: FCHL19) -> int:
        triples = max(1, len(descriptor.layout.three)) * self.directions.shape[2]
        return max(1, BLOCK // (4 * triples))
