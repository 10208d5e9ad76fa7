"""The SOAP power spectrum of atoms of one element in a molecule, with its gradient.

Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013); several elements as in De et al., Phys.
Chem. Chem. Phys. 18, 13754 (2016). With a density per element z around centre i and combined
channels a = (z, n),

    c_alm = sum_j f_c(r_ij) R_al(r_ij) Y_lm(r_ij),        j of element z, the centre itself too
    q_aa'l = pi sqrt(8/(2l + 1)) sum_m c_alm c_a'lm,       q normalised to length 1.

Pairs a > a' repeat a < a'; they are folded away with a factor sqrt(2), which leaves every scalar
product as it was. The channels may be mixed linearly (per l) into fewer, those that carry the most
of the density's variance in the data (Goscinski et al., J. Chem. Phys. 155, 104106 (2021)): the
mixing is folded into the radial functions and costs nothing afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from core.descriptors.soap.around import Around, neighbour_order
from core.descriptors.soap.radial import (
    chebyshev,
    chebyshev_and_slope,
    radial_functions,
    radial_table,
    smooth_cutoff,
    smooth_cutoff_and_slope,
)

SMALL = 1e-12  #: least length of a power spectrum: an atom alone, without its own density


@dataclass(frozen=True)
class SoapShape:
    """Settings of one SOAP; cutoff, atom width, transition width and scale in Å.

    scale: see `core.descriptors.soap.radial.radial_table`. centre_weight: how much of an atom its
    own density holds.
    """

    cutoff: float
    width: float = 0.4
    n_max: int = 8
    l_max: int = 6
    transition: float = 1.0
    scale: float = 0.0
    centre_weight: float = 1.0


class Soap:
    """Power spectra of the atoms of element z in a molecule with atomic numbers (N,)."""

    def __init__(
        self,
        numbers: np.ndarray,
        z: int,
        shape: SoapShape,
        *,
        mixing: np.ndarray | None = None,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> None:
        """mixing (l_max+1, channels, A): new channels from (element, n), elements ascending."""
        self.shape, n = shape, shape.n_max
        self.dtype, self.device = dtype, torch.device(device)
        basis = {"n_max": n, "l_max": shape.l_max}
        table = radial_table(**basis, cutoff=shape.cutoff, width=shape.width, scale=shape.scale)
        centre = radial_functions(np.zeros(1), **basis, cutoff=shape.cutoff, width=shape.width)[0]
        self.terms = len(table)
        order, groups = neighbour_order(numbers)
        self.order = self._indices(order)
        every = np.tile(np.eye(n * len(groups)), (shape.l_max + 1, 1, 1))
        self.mixes = mixes = every if mixing is None else mixing
        self.channels = mixes.shape[2]
        self.at = self._indices(np.flatnonzero(numbers == z))
        own = np.zeros((self.channels, (shape.l_max + 1) ** 2))
        self.groups: list[tuple[slice, torch.Tensor]] = []
        start = 0
        for k, (element, count) in enumerate(groups.items()):
            mix = mixes[:, k * n : (k + 1) * n]
            stop = start + count - (element == z)
            if stop > start:
                mixed = np.einsum("knl,lna->kla", table, mix).reshape(self.terms, -1)
                self.groups.append((slice(start, stop), self._tensor(mixed)))
            if element == z:
                own[:, 0] = np.einsum("n,na->a", centre[:, 0], mix[0]) / math.sqrt(4 * math.pi)
            start = stop
        self.own = self._tensor(own * shape.centre_weight)
        self._fold()

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=self.dtype, device=self.device)

    def _indices(self, array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.int64, device=self.device)

    def _fold(self) -> None:
        """Indices and weights between (A,A) blocks of each l and the folded power spectrum."""
        a = self.channels
        i, j = np.triu_indices(a)
        levels = np.arange(self.shape.l_max + 1)
        self.size = len(i) * len(levels)
        norm = math.pi * np.sqrt(8.0 / (2 * levels + 1))
        back = np.empty((a, a), dtype=np.int64)
        back[i, j] = back[j, i] = np.arange(len(i))
        weight = norm[:, None] * np.where(i == j, 1.0, math.sqrt(2.0))
        slope = norm[:, None] * np.where(np.eye(a, dtype=bool), 2.0, math.sqrt(2.0)).ravel()
        self.pick = self._indices((levels[:, None] * a * a + i * a + j).ravel())
        self.unfold = self._indices((levels[:, None] * len(i) + back.ravel()).ravel())
        self.weight, self.slope = self._tensor(weight.ravel()), self._tensor(slope.ravel())
        self.spans = [slice(k * k, (k + 1) ** 2) for k in levels.tolist()]
        self.level = self._indices(np.repeat(levels, 2 * levels + 1))

    # -- density ----------------------------------------------------------------------------
    def around(self, positions: torch.Tensor, *, slopes: bool = False) -> Around:
        """The surroundings of all atoms, for this and every other Soap of this l_max."""
        return Around(positions, self.order, self.shape.l_max, slopes=slopes)

    def _waves(self, r: torch.Tensor) -> torch.Tensor:
        """f_c(r) T_k(r) (...,K), differentiable."""
        cut = smooth_cutoff(r, self.shape.cutoff, self.shape.transition)
        return chebyshev(r, self.terms, self.shape.cutoff) * cut[..., None]

    def _mixed(self, waves: torch.Tensor) -> torch.Tensor:
        """R (B,n,k,l_max+1,A) from waves (B,n,k,K)."""
        parts = [waves[:, :, part] @ table for part, table in self.groups]
        width = (self.shape.l_max + 1) * self.channels
        flat = torch.cat(parts, 2) if parts else waves.new_zeros(*waves.shape[:3], width)
        return flat.unflatten(-1, (self.shape.l_max + 1, self.channels))

    def density(self, around: Around) -> torch.Tensor:
        """c (B,n,A,(l_max+1)²), differentiable with respect to the positions in `around`."""
        y = around.y[:, self.at]
        radial = self._mixed(self._waves(around.r[:, self.at]))
        parts = [radial[..., k, :].mT @ y[..., span] for k, span in enumerate(self.spans)]
        return torch.cat(parts, -1) + self.own

    def forces_on(self, slope: torch.Tensor, around: Around) -> torch.Tensor:
        """dE/d(vectors) (B,n,k,3) from dE/dc (B,n,A,LM): the way back of `density`."""
        y, r = around.y[:, self.at], around.r[:, self.at]
        waves, steep = self._both(r)
        radial = self._mixed(waves)
        by_radial, by_y = [], []
        for k, span in enumerate(self.spans):
            part = slope[..., span]
            by_radial.append(y[..., span] @ part.mT)
            by_y.append(radial[..., k, :] @ part)
        flat = torch.stack(by_radial, -2).flatten(-2)
        back = [flat[:, :, part] @ table.T for part, table in self.groups]
        along = torch.linalg.vecdot(torch.cat(back, 2), steep) / r
        across = (torch.cat(by_y, -1)[..., None, :] @ around.slope(self.at))[..., 0, :]
        return across + along[..., None] * around.vectors[:, self.at]

    def _both(self, r: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """f_c T_k and its slope in r, (...,K)."""
        shape = self.shape
        cut, fall = smooth_cutoff_and_slope(r, shape.cutoff, shape.transition)
        wave, rise = chebyshev_and_slope(r, self.terms, shape.cutoff)
        steep = wave * fall[..., None] + rise * cut[..., None]
        return wave.mul_(cut[..., None]), steep

    def density_gradient(self, around: Around) -> tuple[torch.Tensor, torch.Tensor]:
        """c as `density`, and its derivative (B,n,k,3,A,(l_max+1)²) by each neighbour's place."""
        y, r = around.y[:, self.at], around.r[:, self.at]
        waves, steep = self._both(r)
        radial, fall = (self._mixed(w)[..., self.level, :].mT for w in (waves, steep))
        unit = around.vectors[:, self.at] / r[..., None]
        along = (fall * y[..., None, :])[:, :, :, None] * unit[..., None, None]
        across = around.slope(self.at).mT[..., None, :]
        gradient = along.addcmul_(radial[:, :, :, None], across)
        return (radial * y[..., None, :]).sum(2) + self.own, gradient

    # -- power spectrum -----------------------------------------------------------------------
    def power(self, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """c (...,A,LM) -> q (...,D) of length 1, and the length it had (...,1)."""
        products = [c[..., span] @ c[..., span].mT for span in self.spans]
        flat = torch.stack(products, -3).flatten(-3)
        q = flat.index_select(-1, self.pick) * self.weight
        length = q.square().sum(-1, keepdim=True).sqrt().clamp(min=SMALL)
        return q / length, length

    def pull_back(
        self, g: torch.Tensor, c: torch.Tensor, q: torch.Tensor, length: torch.Tensor
    ) -> torch.Tensor:
        """dE/dc (...,A,LM) from g = dE/dq (...,D): the way back of `power`."""
        g = (g - (g * q).sum(-1, keepdim=True) * q) / length
        a = self.channels
        v = (g.index_select(-1, self.unfold) * self.slope).unflatten(-1, (-1, a, a))
        return torch.cat([v[..., k, :, :] @ c[..., s] for k, s in enumerate(self.spans)], -1)

    def gradient(self, around: Around) -> tuple[torch.Tensor, torch.Tensor]:
        """q (B,n,D) of length 1 and dq (B,n,k,3,D) by each neighbour's place."""
        c, dc = self.density_gradient(around)
        q, length = self.power(c)
        parts = []
        for span in self.spans:
            half = dc[..., span] @ c[..., span].mT[:, :, None, None]
            parts.append(half + half.mT)
        flat = torch.stack(parts, -3).flatten(-3)
        dq = flat.index_select(-1, self.pick).mul_(self.weight)
        across = (dq * q[:, :, None, None]).sum(-1, keepdim=True)
        return q, (dq - across * q[:, :, None, None]).div_(length[:, :, None, None])


def mixing(density: torch.Tensor, l_max: int, channels: int) -> np.ndarray:
    """(l_max+1, C, channels): the directions of most variance of c (...,C,LM), for each l."""
    found = []
    for l in range(l_max + 1):  # noqa: E741
        part = density[..., l * l : (l + 1) ** 2].movedim(-2, -1).reshape(-1, density.shape[-2])
        _, vectors = torch.linalg.eigh(part.T @ part)
        found.append(vectors[:, -channels:].flip(1))
    mix = torch.stack(found).cpu().numpy()
    # an eigenvector's sign is LAPACK's choice
    largest = np.take_along_axis(mix, np.abs(mix).argmax(1)[:, None], 1)
    return mix * np.sign(largest)
