"""The FCHL19 descriptor of atomic environments.

Christensen, Bratholm, Faber, von Lilienfeld, J. Chem. Phys. 152, 044107 (2020). For atom i with
f(r) = (1 + cos(pi r / r_c)) / 2 inside the cutoff, elements X <= Y of the neighbours:

    two-body, R_k = k r_c / n:   sum_j f(r) r^-1.8 / (R_k s sqrt(2 pi)) exp(-(ln R_k - m)² / 2 s²)
        with s² = ln(1 + eta_2 / r²), m = ln r - s²/2   (log-normal in R_k)
    three-body, R_l = l r_c / n: sum_jk f(r_ij) f(r_ik) w sqrt(eta_3 / pi) exp(-eta_3 (r' - R_l)²)
        (1 + 3 cos_i cos_j cos_k) / (r_ij r_ik r_jk)^0.57 * 2 exp(-zeta²/2) {cos, sin}(angle_i)
        with r' = (r_ij + r_ik) / 2

Everything is a function of the distances alone: invariant to translation and rotation by
construction. Derivatives are analytic, forward (`jacobian`: along directions, for training) and
backward (`pull_back`: of a scalar, for forces).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.descriptors.fchl19.layout import Group, layout

FLAT = 1e-10  #: least sin² of an angle: its slope has no direction where three atoms are in line


@dataclass(frozen=True)
class Settings:
    """Numbers of radial functions, cutoffs in Å; the rest as optimised in the paper.

    eta2, eta3: widths (Å², 1/Å²) of the radial functions; zeta: of the angular ones; decay2,
    decay3: powers of the distances; weight: of the triples against the pairs.
    """

    n_two: int = 24
    n_three: int = 20
    cutoff: float = 8.0
    cutoff_three: float = 8.0
    eta2: float = 0.32
    eta3: float = 2.7
    zeta: float = math.pi
    decay2: float = 1.8
    decay3: float = 0.57
    weight: float = 13.4


@dataclass
class Triples:
    """Values on the triples: radial (B,T,L), angular part (B,T,2), and what slopes need."""

    mean: torch.Tensor
    radial: torch.Tensor
    angular: torch.Tensor
    slope: torch.Tensor | None  #: d angular / d (r_ij, r_ik, r_jk): (B,T,2,3)


@dataclass
class Values:
    """Descriptors per element (B,n_e,D) and what `pull_back` needs."""

    q: list[torch.Tensor]
    unit: torch.Tensor  #: (B,P,3)
    two_slope: torch.Tensor
    triples: Triples


class FCHL19:
    """The descriptor of one molecule; `elements` fixes the order of the lists it returns."""

    def __init__(
        self, numbers: np.ndarray, settings: Settings, *, dtype: torch.dtype, device: torch.device
    ) -> None:
        """numbers (N,) atomic numbers."""
        self.settings = s = settings
        self.layout = table = layout(np.asarray(numbers), s.n_two, s.n_three)
        self.width, self.elements, self.atoms = table.width, table.elements, table.atoms
        like: dict[str, Any] = {"dtype": dtype, "device": device}

        def index(array: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(array.copy(), device=device)

        self.a, self.b = index(table.pairs[:, 0]), index(table.pairs[:, 1])
        self.two = index(table.two)
        self.three = [index(table.three[:, m]) for m in range(3)]
        self.centre_two = torch.arange(1, s.n_two + 1, **like) * (s.cutoff / s.n_two)
        self.centre_three = torch.arange(1, s.n_three + 1, **like) * (s.cutoff_three / s.n_three)
        self.inverse = index(np.argsort(np.concatenate(table.atoms)))
        rows = torch.arange(len(self.a), device=device)
        self.incidence = torch.zeros(len(self.a), len(numbers), **like)
        self.incidence[rows, self.a], self.incidence[rows, self.b] = 1.0, -1.0

    # -- values ---------------------------------------------------------------------------------
    def describe(self, positions: torch.Tensor) -> list[torch.Tensor]:
        """positions (B,N,3) Å -> for each element (B,n_e,D). Differentiable by autograd."""
        r, _ = self._distances(positions)
        phi, _ = self._two(r[:, self.two], slope=False)
        triples = self._three(r, slope=False)
        return self._gather(phi, triples.radial, triples.angular)

    def in_order(self, parts: list[torch.Tensor]) -> torch.Tensor:
        """Lists per element (B,n_e,...) -> (B,N,...) in the molecule's order of atoms."""
        return torch.cat(parts, 1)[:, self.inverse]

    def values(self, positions: torch.Tensor) -> Values:
        """As `describe`, with all that `pull_back` needs."""
        r, unit = self._distances(positions)
        phi, dphi = self._two(r[:, self.two], slope=True)
        triples = self._three(r, slope=True)
        q = self._gather(phi, triples.radial, triples.angular)
        return Values(q, unit, dphi, triples)

    # -- derivatives ----------------------------------------------------------------------------
    def pull_back(self, values: Values, weights: list[torch.Tensor]) -> torch.Tensor:
        """dE/dr (B,N,3) from dE/dq per element (B,n_e,D), chain rule through the distances."""
        t, s = values.triples, self.settings
        assert t.slope is not None
        batch, length = len(values.unit), s.n_three
        slope = values.unit.new_zeros(batch, values.unit.shape[1])
        two, flat, moved = [], [], []
        for e, w in enumerate(weights):
            for g in self.layout.two_groups[e]:
                part = values.two_slope[:, g.start : g.stop].view(batch, g.centres, g.each, -1)
                two.append((part @ w[:, :, g.column : g.column + s.n_two, None]).view(batch, -1))
            for g in self.layout.three_groups[e]:
                block = w[:, :, g.column : g.column + 2 * length]
                block = block.reshape(batch, g.centres, length, 2)
                block = torch.cat([block, block * self.centre_three[:, None]], 3)
                part = t.radial[:, g.start : g.stop].view(batch, g.centres, g.each, length)
                sums = (part @ block).view(batch, -1, 4)
                flat.append(sums[..., :2])
                moved.append(sums[..., 2:])
        if two:
            slope.index_add_(1, self.two, torch.cat(two, 1))
        if flat:
            y, z = torch.cat(flat, 1), torch.cat(moved, 1)
            # d exp(-eta (r' - R)²) / dr_ij = -eta (r' - R) exp(...), for both distances in r'
            mean = (t.angular * (y * t.mean[..., None] - z)).sum(2) * -s.eta3
            part = (t.slope * y[..., None]).sum(2)
            for m in range(3):
                slope.index_add_(1, self.three[m], part[..., m] + mean if m < 2 else part[..., m])
        return torch.matmul(self.incidence.T, slope[..., None] * values.unit)

    def jacobian(
        self, positions: torch.Tensor, directions: torch.Tensor
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Descriptors and their derivatives along directions (B,3N,R) in the space of positions.

        Returns lists per element: (B,n_e,D) and (B,n_e,D,R).
        """
        found = self.values(positions)
        batch, n, _ = positions.shape
        t, s, many = found.triples, self.settings, directions.shape[2]
        assert t.slope is not None
        steps = directions.view(batch, n, 3, many)
        steps = steps[:, self.a] - steps[:, self.b]
        dr = (found.unit[:, :, None] @ steps)[:, :, 0]  # (B,P,R)
        dr3 = torch.stack([dr[:, m] for m in self.three], 2)  # (B,T,3,R)
        dang = t.slope @ dr3  # (B,T,2,R)
        drad = t.radial * (t.mean[..., None] - self.centre_three) * (-2.0 * s.eta3)
        dmean = 0.5 * (dr3[:, :, 0] + dr3[:, :, 1])
        shifted = t.angular[..., None] * dmean[:, :, None]  # (B,T,2,R)
        out = []
        for e, q in enumerate(found.q):
            g_e = q.new_zeros(*q.shape, many)
            for g in self.layout.two_groups[e]:
                rows = self.two[g.start : g.stop]
                phi = found.two_slope[:, g.start : g.stop].view(batch, g.centres, g.each, -1)
                move = dr[:, rows].view(batch, g.centres, g.each, many)
                g_e[:, :, g.column : g.column + s.n_two] = phi.transpose(2, 3) @ move
            for g in self.layout.three_groups[e]:

                def cut(x: torch.Tensor, g: Group = g) -> torch.Tensor:
                    return x[:, g.start : g.stop].reshape(batch, g.centres, g.each, -1)

                part = cut(t.radial).transpose(2, 3) @ cut(dang)
                part += cut(drad).transpose(2, 3) @ cut(shifted)
                columns = slice(g.column, g.column + 2 * s.n_three)
                g_e[:, :, columns] = part.view(batch, g.centres, 2 * s.n_three, many)
            out.append(g_e)
        return found.q, out

    # -- the functions themselves ---------------------------------------------------------------
    def _distances(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        between = positions[:, self.a] - positions[:, self.b]
        r = between.square().sum(-1).sqrt()
        return r, between / r[..., None]

    @staticmethod
    def _cut(r: torch.Tensor, cutoff: float) -> tuple[torch.Tensor, torch.Tensor]:
        """f(r) and df/dr."""
        x = r.clamp(max=cutoff) * (math.pi / cutoff)
        return 0.5 * (1.0 + torch.cos(x)), torch.sin(x) * (-0.5 * math.pi / cutoff)

    def _two(self, r: torch.Tensor, *, slope: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Pair functions (B,T2,K) of r (B,T2), and their slopes."""
        s = self.settings
        r = r[..., None]
        v = torch.log1p(s.eta2 / r.square())
        d = torch.log(self.centre_two) - torch.log(r) + 0.5 * v
        f, df = self._cut(r, s.cutoff)
        base = torch.exp(d.square() / (-2.0 * v)) / (self.centre_two * (2.0 * math.pi) ** 0.5)
        base = base * (r ** (-s.decay2) / v.sqrt())
        if not slope:
            return base * f, base
        dv = -2.0 * s.eta2 / (r * (r.square() + s.eta2))
        rate = d * (1.0 / r - 0.5 * dv) / v + (d / v).square() * (0.5 * dv)
        rate = rate - (s.decay2 / r + 0.5 * dv / v)
        return base * f, base * (f * rate + df)

    def _three(self, distances: torch.Tensor, *, slope: bool) -> Triples:
        s = self.settings
        r1, r2, r3 = (distances[:, m] for m in self.three)
        mean = 0.5 * (r1 + r2)
        radial = torch.exp((mean[..., None] - self.centre_three).square() * -s.eta3)
        i1, i2, i3 = 1.0 / r1, 1.0 / r2, 1.0 / r3
        x1, x2, x3 = r1.square(), r2.square(), r3.square()
        ci = 0.5 * (x1 + x2 - x3) * i1 * i2
        cj = 0.5 * (x1 + x3 - x2) * i1 * i3
        ck = 0.5 * (x2 + x3 - x1) * i2 * i3
        si = (1.0 - ci.square()).clamp(min=FLAT).sqrt()
        f1, df1 = self._cut(r1, s.cutoff_three)
        f2, df2 = self._cut(r2, s.cutoff_three)
        # constant factors of the radial, the angular and the Axilrod-Teller part
        scale = 2.0 * math.exp(-0.5 * s.zeta**2) * s.weight * (s.eta3 / math.pi) ** 0.5
        g = (i1 * i2 * i3) ** s.decay3 * scale
        p = 1.0 + 3.0 * ci * cj * ck
        ksi = f1 * f2 * g * p
        angular = torch.stack([ci, si], -1) * ksi[..., None]
        if not slope:
            return Triples(mean, radial, angular, None)
        # slopes of the three cosines along r_ij, r_ik, r_jk
        di = (i2 - ci * i1, i1 - ci * i2, -r3 * i1 * i2)
        dj = (i3 - cj * i1, -r2 * i1 * i3, i1 - cj * i3)
        dk = (-r1 * i2 * i3, i3 - ck * i2, i2 - ck * i3)
        ff, fg = f1 * f2 * g, g * p
        decay = -s.decay3 * ksi
        edge = (df1 * f2 * fg, f1 * df2 * fg, None)
        cot = ci / si
        rows = []
        for m, inverse in enumerate((i1, i2, i3)):
            dp = 3.0 * (di[m] * cj * ck + ci * dj[m] * ck + ci * cj * dk[m])
            dksi = ff * dp + decay * inverse
            last = edge[m]
            if last is not None:
                dksi = dksi + last
            turn = ksi * di[m]
            rows.append(torch.stack([dksi * ci + turn, dksi * si - turn * cot], -1))
        return Triples(mean, radial, angular, torch.stack(rows, -1))

    def _gather(
        self, phi: torch.Tensor, radial: torch.Tensor, angular: torch.Tensor
    ) -> list[torch.Tensor]:
        """Sum pairs and triples into descriptors per element."""
        s, batch = self.settings, len(phi)
        out = []
        for e, atoms in enumerate(self.layout.atoms):
            count = len(atoms)
            columns: dict[int, torch.Tensor] = {}
            for g in self.layout.two_groups[e]:
                part = phi[:, g.start : g.stop].view(batch, count, g.each, s.n_two)
                columns[g.column] = part.sum(2)
            for g in self.layout.three_groups[e]:
                left = radial[:, g.start : g.stop].view(batch, count, g.each, s.n_three)
                right = angular[:, g.start : g.stop].view(batch, count, g.each, 2)
                columns[g.column] = (left.transpose(2, 3) @ right).view(batch, count, -1)
            parts, at = [], 0
            for column in sorted(columns):
                if column > at:
                    parts.append(phi.new_zeros(batch, count, column - at))
                parts.append(columns[column])
                at = column + columns[column].shape[2]
            if at < self.width:
                parts.append(phi.new_zeros(batch, count, self.width - at))
            out.append(torch.cat(parts, 2))
        return out
