"""Energies along scans as rows of a refit: each profile with a zero of its own, which is free.

With the columns Phi of the basis functions (`core.fitting.mm.design`) at the M points, weights w_i
of mean 1 and the weighted mean taken out of both sides,

    sum_i w_i (Phi_i c - y_i - e0)²  at its minimum in e0  =  c.G c - 2 b.c + y.y

so that a profile is one more set of normal equations. Its geometries stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.fitting.mm.design import MEASURES, Block, Normal
from core.fitting.mm.options import RefitError
from core.units import KB

FEWEST = 4  #: points with an energy below which there is no profile


@dataclass(frozen=True, eq=False)
class Profiled:
    """The points of a profile that are used.

    points (M,) their numbers from 0; positions (M,N,3) Å; energies (M,) eV; weights (M,), of mean
    1; weight: of the profile against others; total: how many points there are.
    """

    name: str
    points: np.ndarray
    positions: torch.Tensor
    energies: torch.Tensor
    weights: torch.Tensor
    weight: float = 1.0
    total: int = 0

    @property
    def note(self) -> str:
        """What is to be said of missing points, or ""."""
        if len(self.points) == self.total:
            return ""
        gone = np.setdiff1d(np.arange(self.total), self.points) + 1
        few = ", ".join(map(str, gone[:8])) + (" …" if len(gone) > 8 else "")
        return (
            f"{self.name}: {len(self.points)} of {self.total} points have an energy and are used "
            f"(without: {few})"
        )


def profiled(
    name: str,
    atoms: int,
    positions: np.ndarray,
    energies: np.ndarray,
    *,
    weight: float = 1.0,
    temperature: float = 0.0,
) -> Profiled:
    """The points with an energy of a profile: positions (M,N,3) Å, energies (M,) eV, NaN = none.

    temperature K: points are weighted by exp(-(E - min E) / kT), 0 = all alike. Raises RefitError
    naming the profile where shapes do not fit, too few points are left, or the weight is negative.
    """
    positions, energies = np.asarray(positions, dtype=float), np.asarray(energies, dtype=float)
    if positions.shape != (len(energies), atoms, 3):
        raise RefitError(
            f"{name}: {len(energies)} energies and geometries of shape {positions.shape} are no "
            f"profile of a molecule of {atoms} atoms"
        )
    if not (np.isfinite(weight) and weight >= 0):
        raise RefitError(f"{name}: a weight of {weight}; it must be 0 or more")
    points = np.flatnonzero(np.isfinite(energies))
    if len(points) < FEWEST:
        raise RefitError(
            f"{name}: {len(points)} of {len(energies)} points have an energy; a profile needs "
            f"{FEWEST}"
        )
    if not np.isfinite(positions[points]).all():
        bad = points[~np.isfinite(positions[points]).all((1, 2))][0]
        raise RefitError(f"{name}: point {bad + 1} has a coordinate that is not a number")
    e = energies[points]
    w = np.ones(len(e))
    if temperature > 0:
        w = np.exp(-(e - e.min()) / (KB * temperature))
        w *= len(w) / w.sum()
    return Profiled(
        name, points, torch.tensor(positions[points]), torch.tensor(e), torch.tensor(w),
        float(weight), len(energies),
    )  # fmt: skip


def energy_columns(blocks: Sequence[Block], x: torch.Tensor) -> torch.Tensor:
    """x (M,N,3) -> energies (M,C) of every basis function."""
    out = []
    for block in blocks:
        value, _ = block.functions(MEASURES[block.atoms.shape[1]](x, block.atoms))
        if block.scale is not None:
            value = value * block.scale[:, None]
        out.append(value.sum(1))
    return torch.cat(out, 1)


def centred(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """values (M,…) less their weighted mean."""
    share = weights / weights.sum()
    return values - torch.tensordot(share, values, dims=1)


def profile_normal(columns: torch.Tensor, y: torch.Tensor, weights: torch.Tensor) -> Normal:
    """Normal equations of a profile's columns (M,C) and what they are to explain, y (M,) eV."""
    a, b = centred(columns, weights), centred(y, weights)
    w = weights[:, None]
    return Normal(a.T @ (w * a), a.T @ (weights * b), float(b @ (weights * b)), len(b))


def left_out(
    columns: torch.Tensor, rest: torch.Tensor, weights: torch.Tensor, inverse: torch.Tensor
) -> tuple[float, float]:
    """RMSE eV of every point predicted by a fit to all other data, and degrees of freedom used.

    columns (M,P): slopes of the energies in the free parameters; rest (M,) eV: fitted - reference;
    inverse (P,P) of the half Hessian in units of this profile's rows. The diagonal of the hat
    matrix gives it exactly where the fit is linear: r_i / (1 - h_ii), the free zero included.
    """
    a = weights.sqrt()[:, None] * centred(columns, weights)
    own = ((a @ inverse) * a).sum(1)
    hat = weights / weights.sum() + own
    r = centred(rest, weights) / (1.0 - hat).clamp(min=1e-12)
    return float(r.square().mean().sqrt()), float(own.sum())
