"""The one-particle features of the atomic cluster expansion, for many geometries of one molecule.

    phi_nlm(r) = R_n(|r|) Y_lm(r/|r|),    A_(i,z,nlm) = sum_(j of element z) phi_nlm(r_ij)

(Kovács et al. 2021, eqs 4, 5). Every pair i < j is evaluated once: phi(-r) = (-1)^l phi(r). Arrays
are (pairs, features, geometries), the last contiguous, so that every step is a long vector loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from core.descriptors.ace.radial import Radial
from core.descriptors.harmonics import harmonics_first

TINY = 1e-12  #: Å², keeps the direction of two coinciding atoms finite; R is zero there anyway


@dataclass(frozen=True, eq=False)
class Sites:
    """A molecule seen by the basis: its elements as indices, its pairs, the slots of A.

    element (N,): index into the basis' elements. Slot i Z + z collects neighbours of element z
    around atom i.
    """

    element: np.ndarray
    n_elements: int

    @property
    def pairs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """i < j of every pair."""
        i, j = np.triu_indices(len(self.element), 1)
        return torch.as_tensor(i), torch.as_tensor(j)

    def types(self) -> torch.Tensor:
        """Unordered pair of elements as one number, per pair; see `pair_types`."""
        i, j = (self.element[k.numpy()] for k in self.pairs)
        return torch.as_tensor(pair_types(self.n_elements)[i, j])

    def centres(self, z: int) -> np.ndarray:
        """Atoms of element z."""
        return np.flatnonzero(self.element == z)


def pair_types(n_elements: int) -> np.ndarray:
    """(Z,Z) number of the unordered pair of elements."""
    out = np.zeros((n_elements, n_elements), dtype=np.int64)
    for k, (a, b) in enumerate(zip(*np.triu_indices(n_elements), strict=True)):
        out[a, b] = out[b, a] = k
    return out


@dataclass(eq=False)
class Phi:
    """What `Density.features` found: per pair p and geometry b.

    unit (3,P,B), r (P,B) Å; radial, slope (P,n,B); angular (P,lm,B), turn (3,P,lm,B).
    """

    unit: torch.Tensor
    r: torch.Tensor
    radial: torch.Tensor
    slope: torch.Tensor
    angular: torch.Tensor
    turn: torch.Tensor


class Density:
    """Features phi of the shapes (n, l) and their sums A over the neighbours in one molecule."""

    def __init__(
        self,
        sites: Sites,
        radial: Radial,
        shapes: list[tuple[int, int]],
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.sites, self.radial, self.shapes = sites, radial, shapes
        self.device, self.dtype = device, dtype
        self.l_max = max(shape[1] for shape in shapes)
        # l, then n, then m: the sums over n below are reshapes
        rows = [(*shape, m) for shape in shapes for m in range(2 * shape[1] + 1)]
        self.row_of = {row[:2]: k for k, row in enumerate(rows) if row[2] == 0}
        table = torch.tensor(rows, device=device)
        self.n_row = table[:, 0] - 1
        self.lm_row = table[:, 1] ** 2 + table[:, 2]
        self.parity = (1 - 2 * (table[:, 1] % 2)).to(dtype)[None, :, None]
        i, j = sites.pairs
        self.i, self.j = i.to(device), j.to(device)
        self.types = sites.types().to(device)
        element = torch.as_tensor(sites.element, device=device)
        self.slot_i = self.i * sites.n_elements + element[self.j]
        self.slot_j = self.j * sites.n_elements + element[self.i]
        self.slots = len(sites.element) * sites.n_elements

    def __len__(self) -> int:
        return len(self.n_row)

    def pairs(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """positions (B,N,3) -> unit (3,P,B) from i to j and distance (P,B) Å."""
        first = positions.permute(2, 1, 0)
        vector = first.index_select(1, self.j) - first.index_select(1, self.i)
        square = vector.square().sum(0) + TINY
        r = square.sqrt()
        return vector / r, r

    def features(self, positions: torch.Tensor) -> Phi:
        """Radial and angular parts with their slopes."""
        unit, r = self.pairs(positions)
        types = self.types[:, None].expand_as(r)
        radial, slope = self.radial.values_and_slopes(r, types)
        angular, turn = harmonics_first(unit, self.l_max, with_slope=True)
        return Phi(
            unit,
            r,
            radial.transpose(0, 1).contiguous(),
            slope.transpose(0, 1).contiguous(),
            angular.transpose(0, 1).contiguous(),
            turn.transpose(1, 2).contiguous(),
        )

    def values(self, phi: Phi) -> torch.Tensor:
        """phi (P,F,B)."""
        return phi.radial.index_select(1, self.n_row) * phi.angular.index_select(1, self.lm_row)

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """(P,F,B) per pair, or slopes of it (each centre's own sign) -> sums per slot (S,F,B)."""
        out = values.new_zeros(self.slots, *values.shape[1:])
        out = out.index_add(0, self.slot_i, values)
        return out.index_add(0, self.slot_j, values * self.parity)

    def spread(self, slope: torch.Tensor) -> torch.Tensor:
        """The transpose of `gather`: dE/dA (S,F,B) -> dE/dphi (P,F,B)."""
        there = slope.index_select(0, self.slot_j).mul_(self.parity)
        return there.add_(slope.index_select(0, self.slot_i))

    def by_distance(self, phi: Phi) -> torch.Tensor:
        """dphi/dr_j of each pair's vector from i to j (P,F,3,B)."""
        along = (phi.slope[:, self.n_row] * phi.angular[:, self.lm_row])[:, :, None]
        turn = phi.turn.permute(1, 2, 0, 3)  # (P,lm,3,B)
        unit = phi.unit.permute(1, 0, 2)[:, None]  # (P,1,3,B)
        turn = turn - (turn * unit).sum(2, keepdim=True) * unit
        turn = turn / phi.r[:, None, None]
        return along * unit + phi.radial[:, self.n_row, None] * turn[:, self.lm_row]

    def pull_back(self, gradient: torch.Tensor, phi: Phi) -> torch.Tensor:
        """dE/dphi (P,F,B) -> dE/d(r_j - r_i) per pair (3,P,B), eV/Å."""
        along = phi.angular.index_select(1, self.lm_row).mul_(gradient)
        along.mul_(phi.slope.index_select(1, self.n_row))
        weighted = gradient.mul_(phi.radial.index_select(1, self.n_row))
        by_lm = torch.empty_like(phi.angular)
        at = 0
        for l in range(self.l_max + 1):  # noqa: E741
            count = sum(k == l for _, k in self.shapes)
            width = 2 * l + 1
            part = weighted[:, at : at + count * width]
            part = part.reshape(len(part), count, width, -1)
            torch.sum(part, 1, out=by_lm[:, l * l : l * l + width])
            at += count * width
        turn = (phi.turn * by_lm).sum(2)  # (3,P,B)
        turn = turn - (turn * phi.unit).sum(0) * phi.unit
        return phi.unit * along.sum(1) + turn / phi.r

    def to_atoms(self, gradient: torch.Tensor) -> torch.Tensor:
        """dE/d(r_j - r_i) (3,P,B) -> dE/dr (B,N,3)."""
        n, b = len(self.sites.element), gradient.shape[2]
        out = gradient.new_zeros(3, n, b)
        out.index_add_(1, self.j, gradient)
        out.index_add_(1, self.i, gradient, alpha=-1)
        return out.permute(2, 1, 0).contiguous()
