"""Choose what a GAP is made of: channels and sparse points, from the frames of all molecules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from core.descriptors.soap.power_spectrum import Soap, SoapShape, mixing
from core.descriptors.two_body import pair_kinds
from core.fitting.part import Part
from core.fitting.portion import Portion
from core.fitting.sparse_gp.points import cur, farthest_points
from core.fitting.sparse_gp.terms import Parts, cutoffs_of, soap_in, soap_shapes, transition

MIXING_FRAMES = 200  #: frames whose densities choose the channels
POOL = 20_000  #: surroundings of one element among which sparse points are chosen
PAIR_POINTS = 25  #: distances per pair of elements, at most
SPACING = 0.1  #: Å between them, at least: closer ones say the same
MARGIN = 0.05  #: Å beyond the distances that occur
BLOCK = 1.5e6  #: numbers in one block of densities
REACH = 0.9  #: of the least distance in training: where the core repulsion begins


class Share:
    """The training frames of one molecule as tensors.

    x (F,N,3) Å; energies (F,) eV and forces (F,N,3) eV/Å or None; known (F,): which have an
    energy; mean: of those; offset: what atoms have by themselves, taken from the energies.
    """

    def __init__(self, portion: Portion, device: str) -> None:
        data, train = portion.dataset, portion.split.train
        self.numbers, self.device = portion.numbers, device
        self.x = self.tensor(data.positions[train])
        has_energy = data.has_energy[train]
        self.known = torch.as_tensor(has_energy, device=self.x.device)
        self.energies = self.forces = None
        self.mean = self.offset = 0.0
        if data.energies is not None:
            self.energies = self.tensor(data.energies[train])
            if has_energy.any():
                self.mean = float(data.energies[train][has_energy].mean())
        if data.forces is not None and bool(data.has_forces[train].all()):
            self.forces = self.tensor(data.forces[train])

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """float64 on the device of the fit."""
        return torch.tensor(array, dtype=torch.float64, device=self.device)

    def count(self, z: int) -> int:
        """Surroundings of atoms of element z in all frames."""
        return len(self.x) * int((self.numbers == z).sum())


def choose_parts(
    shares: Sequence[Share], elements: np.ndarray, hyper: Any, part: Part
) -> tuple[Parts, dict[str, str]]:
    """The parts of a GAP for all molecules, and what to tell about them."""
    mixes: list[np.ndarray] = []
    points: list[torch.Tensor] = []
    shapes = soap_shapes(hyper) if hyper.sparse else ()
    steps, size = len(shapes) * len(elements), 0
    for shape in shapes:
        for z in elements.tolist():
            k = len(points)
            one = _Surroundings([s for s in shares if s.count(z)], elements, z, shape, hyper)
            wanted = _share_of(shares, z, hyper.sparse) / len(shapes)
            stretch = Part(part, k / steps, (k + 1) / steps)
            points.append(one.points(max(1, round(wanted)), stretch))
            mixes.append(one.mixing)
            size = one.soaps[0].size
    kinds = sorted({kind for s in shares for kind in pair_kinds(s.numbers)})
    distances = [_distances(shares, kind, hyper) for kind in kinds] if hyper.pairs else []
    parts = Parts(elements, kinds, mixes, points, distances, _reach(shares, kinds, hyper))
    per_soap = f"{sum(map(len, points))} surroundings"
    per_pair = f"{sum(map(len, distances))} distances"
    notes = {"sparse points": f"{per_soap} and {per_pair}"}
    if points:
        notes["SOAP"] = f"{size} numbers for each atom"
    part.log(f"{per_soap} ({hyper.choice}), {per_pair}")
    return parts, notes


def _share_of(shares: Sequence[Share], z: int, sparse: int) -> float:
    """Sparse points of an element: as many as it has of all atoms in all frames."""
    atoms = sum(len(s.x) * len(s.numbers) for s in shares)
    return sparse * sum(s.count(z) for s in shares) / atoms


class _Surroundings:
    """Those of element z in the molecules that have it, by one SOAP."""

    def __init__(
        self,
        shares: Sequence[Share],
        elements: np.ndarray,
        z: int,
        shape: SoapShape,
        hyper: Any,
    ) -> None:
        self.shares, self.elements, self.z = shares, elements, z
        self.shape, self.hyper = shape, hyper
        channels = shape.n_max * len(elements)
        self.mixing = np.tile(np.eye(channels), (shape.l_max + 1, 1, 1))
        self.soaps = self._soaps()
        if 0 < hyper.channels < channels:
            self.mixing = self._mixed()
            self.soaps = self._soaps()

    def _soaps(self) -> list[Soap]:
        return [
            soap_in(s.numbers, self.elements, self.z, self.shape, self.mixing, device=s.device)
            for s in self.shares
        ]

    def _mixed(self) -> np.ndarray:
        """The channels of most variance."""
        step = max(1, -(-sum(len(s.x) for s in self.shares) // MIXING_FRAMES))
        found = [
            soap.density(soap.around(x)).flatten(0, 1)
            for share, soap in zip(self.shares, self.soaps, strict=True)
            for x in share.x[::step].split(20)
        ]
        return mixing(torch.cat(found), self.shape.l_max, self.hyper.channels)

    def points(self, count: int, part: Part) -> torch.Tensor:
        """(S,D) sparse points."""
        step = max(1, -(-sum(s.count(self.z) for s in self.shares) // POOL))
        features = []
        for share, soap in zip(self.shares, self.soaps, strict=True):
            n, frames = len(soap.at), share.x[::step]
            work = n * len(share.numbers) * soap.channels * 49
            size = max(1, int(BLOCK / max(1, work)))
            for i in range(0, len(frames), size):
                part.progress(0.3 * i / len(frames), "describing the surroundings of atoms")
                around = soap.around(frames[i : i + size])
                features.append(soap.power(soap.density(around))[0].flatten(0, 1))
        pool = torch.cat(features)

        def report(f: float) -> None:
            part.progress(0.3 + 0.7 * f, "choosing sparse points")

        choose = cur if self.hyper.choice == "CUR" else farthest_points
        chosen = choose(pool, count, report=report)
        return pool[torch.as_tensor(chosen, device=pool.device)]


def _apart(shares: Sequence[Share], kind: tuple[int, int]) -> list[torch.Tensor]:
    """Squared distances (F,P) Å² of a kind of pair in every molecule that has it."""
    found = []
    for share in shares:
        pairs = pair_kinds(share.numbers).get(kind)
        if pairs is not None:
            found.append((share.x[:, pairs[:, 0]] - share.x[:, pairs[:, 1]]).square().sum(-1))
    return found


def _reach(shares: Sequence[Share], kinds: Sequence[tuple[int, int]], hyper: Any) -> torch.Tensor:
    """(K,) Å, a tenth below the least distance of each kind of pair; empty without a core.

    At the least distance itself other frames, which go a little below it, would feel it.
    """
    if not hyper.core:
        return shares[0].x.new_zeros(0)
    least = [torch.stack([d.min() for d in _apart(shares, kind)]).min() for kind in kinds]
    return REACH * torch.stack([d.sqrt() for d in least])


def _distances(shares: Sequence[Share], kind: tuple[int, int], hyper: Any) -> torch.Tensor:
    """Sparse distances (S,) Å of a kind of pairs, within reach of the cutoff."""
    reach = max(cutoffs_of(hyper.cutoffs))
    r = torch.cat([d.flatten() for d in _apart(shares, kind)]).sqrt()
    # where the cutoff function is zero a sparse point would be an empty equation
    top = reach - 0.1 * transition(reach)
    low = min(max(0.1, float(r.min()) - MARGIN), top - 2 * MARGIN)
    high = max(min(float(r.max()) + MARGIN, top), low + 2 * MARGIN)
    count = min(PAIR_POINTS, math.ceil((high - low) / SPACING) + 1)
    return torch.linspace(low, high, count, dtype=r.dtype, device=r.device)
