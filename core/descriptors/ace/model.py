"""Energy and forces of a fitted linear ACE: one pass forward, one back, no gradient per function.

With the coefficients in the symmetric matrices W_L, for all centres of an element at once,

    X = [1, A, A A],   P = S X,   E = sum_L P_L^T W_L P_L,   dE/dP_L = 2 W_L P_L,
    dE/dX = S^T dE/dP,   dE/dA by the product rule,   dE/dr by the chain rule through phi

so that energy and slope share the sparse product with W (the adjoint of Lysogorskiy et al., npj
Comput. Mater. 7, 97 (2021), with coupled pairs as nodes). All arrays have the geometries last.
"""

from __future__ import annotations

import numpy as np
import torch

from core.descriptors.ace.density import Density
from core.descriptors.ace.tables import CentreTables


class _Centre:
    """One element's tables with its coefficients."""

    def __init__(self, tables: CentreTables, coefficients: np.ndarray) -> None:
        self.tables = tables
        self.forms = tables.forms(coefficients)
        basis = tables.basis
        used = np.flatnonzero(coefficients)
        width = 2 * basis.channel_l[basis.left[used]] + 1
        m = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width)

        def tensor(x: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(x, device=tables.device)

        self.left = tensor(np.repeat(basis.start[basis.left[used]], width) + m)
        self.right = tensor(np.repeat(basis.start[basis.right[used]], width) + m)
        factor = np.repeat((coefficients * basis.factor)[used], width)
        self.factor = tensor(factor).to(tables.dtype)[:, None]
        order = np.argsort(basis.s_row, kind="stable")
        self.s_row, self.s_col = tensor(basis.s_row[order]), tensor(basis.s_col[order])
        self.s_value = tensor(basis.s_value[order]).to(tables.dtype)[:, None]

    def energy(self, slots: torch.Tensor) -> torch.Tensor:
        """Sums per slot (S,F,B) -> energy (B,), differentiable any number of times."""
        t = self.tables
        a = t.a(slots)
        x = torch.cat([a.new_ones(1, a.shape[1]), a, a[t.first] * a[t.second]])
        p = a.new_zeros(t.basis.rows_p, a.shape[1])
        p = p.index_add(0, self.s_row, x[self.s_col] * self.s_value)
        each = (p[self.left] * p[self.right] * self.factor).sum(0)
        return each.reshape(t.count, -1).sum(0)

    def adjoint(self, slots: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Energy (B,); adds dE/d slots (S,F,B) to `gradient`."""
        t = self.tables
        ra, b = t.basis.rows_a, slots.shape[2]
        a = t.a(slots)
        one, two = t.factors(a)
        p = t.s @ t.x(a, one, two)
        g = torch.empty_like(p)
        for (l, start, stop), form in zip(t.blocks, self.forms, strict=True):  # noqa: E741
            wide = (len(form), (2 * l + 1) * p.shape[1])
            g[start:stop] = (form @ p[start:stop].reshape(wide)).reshape(stop - start, -1)
        energy = torch.linalg.vecdot(p, g, dim=0).reshape(t.count, b).sum(0)
        gx = t.s_t @ g
        pairs = gx[1 + ra :]
        ga = gx[1 : 1 + ra]
        ga += t.to_first @ two.mul_(pairs)
        ga += t.to_second @ one.mul_(pairs)
        ga.mul_(2.0)
        # every (slot, feature) belongs to one row and centre: plain assignment
        gradient.reshape(-1, b)[t.source] = ga.reshape(-1, b)
        return energy


class Evaluator:
    """A linear ACE in one molecule: coefficients (K,) in the order of `ace_design.Design`."""

    def __init__(
        self,
        density: Density,
        centres: list[CentreTables],
        pair: Density | None,
        coefficients: np.ndarray,
    ) -> None:
        self.density, self.pair = density, pair
        self.centres: list[_Centre] = []
        at = 0
        for tables in centres:
            stop = at + len(tables.basis)
            if tables.count:
                self.centres.append(_Centre(tables, coefficients[at:stop]))
            at = stop
        if pair is not None:
            rest = torch.as_tensor(coefficients[at:].reshape(-1, len(pair)))
            #: (n,P,1): each pair's coefficients
            self.repulsion = rest.to(density.device, density.dtype)[pair.types].T[..., None]

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        """positions (B,N,3) Å -> E (B,) eV as a torch graph."""
        density = self.density
        unit, r = density.pairs(positions)
        types = density.types[:, None].expand_as(r)
        radial = density.radial.values(r, types).transpose(0, 1)
        from core.descriptors.harmonics import harmonics_first

        angular = harmonics_first(unit, density.l_max).transpose(0, 1)
        slots = density.gather(radial[:, density.n_row] * angular[:, density.lm_row])
        total = sum((c.energy(slots) for c in self.centres), positions.new_zeros(len(positions)))
        if self.pair is not None:
            total = total + (self.pair.radial.values(r, types) * self.repulsion).sum((0, 1))
        return total

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """positions (B,N,3) Å -> E (B,) eV and forces (B,N,3) eV/Å, analytic."""
        density = self.density
        phi = density.features(positions)
        slots = density.gather(density.values(phi))
        gradient = torch.zeros_like(slots)
        energy = positions.new_zeros(len(positions))
        for centre in self.centres:
            energy += centre.adjoint(slots, gradient)
        pull = density.pull_back(density.spread(gradient), phi)
        if self.pair is not None:
            types = self.pair.types[:, None].expand_as(phi.r)
            value, slope = self.pair.radial.values_and_slopes(phi.r, types)
            energy += (value * self.repulsion).sum((0, 1))
            pull += (slope * self.repulsion).sum(0) * phi.unit
        return energy, density.to_atoms(pull).neg_()
