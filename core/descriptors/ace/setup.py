"""Everything that fixes an ACE basis, as plain numbers, and the tables made from it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from core.descriptors.ace.basis import CentreBasis, Truncation, build
from core.descriptors.ace.density import Density, Sites, pair_types
from core.descriptors.ace.design import Design, pair_count
from core.descriptors.ace.model import Evaluator
from core.descriptors.ace.radial import Radial
from core.descriptors.ace.tables import CentreTables


@dataclass(frozen=True, eq=False)
class Setup:
    """elements (Z,) atomic numbers, ascending; degrees D_1 … D_nu; w_y; cutoff Å; r0, r_in (T,) Å
    per unordered pair of elements; n_pair repulsive functions per pair of elements; most (Z,Z):
    the most neighbours of the second element that an atom of the first can have (-1: any number);
    pair_cutoff Å of the repulsive pair functions; less: degrees less around atoms of each element
    (Z,), more: degrees that a neighbour of each element costs more (Z,), () = none.
    """

    elements: np.ndarray
    degrees: tuple[float, ...]
    w_y: float
    cutoff: float
    r0: np.ndarray
    r_in: np.ndarray
    n_pair: int
    most: np.ndarray
    pair_cutoff: float
    less: tuple[float, ...] = ()
    more: tuple[float, ...] = ()

    def truncation(self, z: int) -> Truncation:
        """Of the basis around element z."""
        most = tuple(int(k) for k in self.most[z])
        less = self.less[z] if self.less else 0.0
        degrees = tuple(max(float(nu), d - less) for nu, d in enumerate(self.degrees, 1))
        return Truncation(degrees, self.w_y, most if min(most) >= 0 else None, self.more)

    def bases(self) -> list[CentreBasis]:
        """One basis per element."""
        z = len(self.elements)
        return [_build(z, self.truncation(k)) for k in range(z)]

    def columns(self) -> int:
        """Number of functions in all."""
        z = len(self.elements)
        return sum(map(len, self.bases())) + pair_count(z) * self.n_pair

    def system(
        self, numbers: np.ndarray, *, device: torch.device | str = "cpu", dtype: torch.dtype
    ) -> System:
        """The tables for one molecule. Raises ValueError for an element without a basis."""
        unknown = sorted(set(numbers.tolist()) - set(self.elements.tolist()))
        if unknown:
            raise ValueError(f"the basis has no element with atomic number {unknown[0]}")
        element = np.searchsorted(self.elements, numbers)
        sites = Sites(element, len(self.elements))
        like = {"device": torch.device(device), "dtype": dtype}
        shapes = sorted(
            {(int(n), int(k)) for b in self.bases() for _, n, k in b.features},
            key=lambda shape: shape[::-1],
        )
        radial = Radial(max(n for n, _ in shapes), self.r0, self.r_in, self.cutoff)
        density = Density(sites, radial, shapes, **like)  # type: ignore[arg-type]
        pair = None
        if self.n_pair:
            low = Radial(self.n_pair, self.r0, self.r_in, self.pair_cutoff, repulsive=True)
            ones = [(n, 0) for n in range(1, self.n_pair + 1)]
            pair = Density(sites, low, ones, **like)  # type: ignore[arg-type]
        tables = [CentreTables(b, density, z) for z, b in enumerate(self.bases())]
        return System(density, tables, pair)

    def roughness(self, power: float) -> np.ndarray:
        """Gamma (K,) = sum_t n_t^p + (w_Y l_t)^p of every function (Kovács et al. 2021, eq. 21)."""
        parts = []
        for basis in self.bases():
            there = basis.members >= 0
            rows = basis.features[np.maximum(basis.members, 0)]  # (K,4,3)
            n, l = rows[..., 1].astype(float), rows[..., 2].astype(float)  # noqa: E741
            parts.append(((n**power + (self.w_y * l) ** power) * there).sum(1))
        n = np.arange(1.0, self.n_pair + 1) ** power
        return np.concatenate([*parts, np.tile(n, pair_count(len(self.elements)))])


@dataclass(frozen=True, eq=False)
class System:
    """A basis in one molecule."""

    density: Density
    centres: list[CentreTables]
    pair: Density | None

    def design(self) -> Design:
        """Rows of the linear equations."""
        return Design(self.density, self.centres, self.pair)

    def evaluator(self, coefficients: np.ndarray) -> Evaluator:
        """Energy and forces with coefficients (K,)."""
        return Evaluator(self.density, self.centres, self.pair, coefficients)


@functools.lru_cache(maxsize=64)
def _build(n_elements: int, truncation: Truncation) -> CentreBasis:
    return build(n_elements, truncation)


def neighbours(numbers: np.ndarray, elements: np.ndarray) -> np.ndarray:
    """(Z,Z): how many atoms of the second element an atom of the first has beside itself."""
    counts = np.array([(numbers == e).sum() for e in elements])
    return np.maximum(counts[None] - np.eye(len(elements), dtype=int), 0)


def shortest(
    positions: np.ndarray, numbers: np.ndarray, elements: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Least distance of each pair of elements (T,) Å, inf where there is none, and its frame."""
    element = np.searchsorted(elements, numbers)
    i, j = np.triu_indices(len(numbers), 1)
    types = pair_types(len(elements))[element[i], element[j]]
    least = np.full(pair_count(len(elements)), np.inf)
    frame = np.zeros(len(least), dtype=np.int64)
    for start in range(0, len(positions), 1000):
        block = positions[start : start + 1000]
        r = np.linalg.norm(block[:, i] - block[:, j], axis=-1)
        for t in np.unique(types):
            part = r[:, types == t].min(1)
            if part.min() < least[t]:
                least[t], frame[t] = part.min(), start + part.argmin()
    return least, frame
