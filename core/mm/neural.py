"""Bonded terms as small neural networks of one internal coordinate each (GAFF-NN).

Sauceda et al., J. Chem. Phys. 153, 124109 (2020), section IV E. A term's coordinate q is the bond
length, the cosine of the angle (smooth at 180 degrees, where the angle itself is not) or the
dihedral; a feed-forward network with tanh layers maps its standardised features to an energy:

    E = f(q') + f'(q') (q - q') + k (q - q')²,    q' = q held within the range of the training data

so that inside this range a term is its network, and outside it goes on as a parabola with GAFF's
force constant: energy and forces are continuous and a trajectory cannot fall off the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.mm import energy as mm
from core.mm.topology import TERMS, Topology

KINDS = tuple(TERMS)
HARMONICS = 3  #: features cos(n phi) of a dihedral, n = 1..3 (and sin(n phi) where asked for)
LINEAR = 2.97  #: rad (170 degrees): no dihedral is taken over an angle that is at rest beyond this


@dataclass(frozen=True, eq=False)
class Functions:
    """Which term follows which function.

    atoms: kind -> (T,2..4) from 0; which: kind -> (T,) function from 0, counted through all kinds;
    kinds (C,) index into KINDS of each function; names (C,) as "c3-c3-oh".
    """

    atoms: dict[str, np.ndarray]
    which: dict[str, np.ndarray]
    kinds: np.ndarray
    names: tuple[str, ...] = ()


def functions(topology: Topology, permutations: np.ndarray, *, share: str) -> Functions:
    """One function for each type of term (share "type") or set of symmetric terms ("symmetry").

    permutations (P,N) are symmetries of the topology. Terms on the same atoms become one.
    """
    atoms: dict[str, np.ndarray] = {}
    which: dict[str, np.ndarray] = {}
    kinds: list[int] = []
    names: list[str] = []
    for number, kind in enumerate(KINDS):
        rows = _canonical(getattr(topology, kind).atoms)
        rows = np.unique(rows, axis=0) if len(rows) else rows
        if kind == "torsion":
            rows = rows[~_over_linear(rows, topology)]
        keys: list[tuple] = []
        for row in rows:
            types = tuple(topology.types[i] for i in row)
            key: tuple = min(types, types[::-1])
            if share == "symmetry":
                key = (key, min(map(tuple, _canonical(permutations[:, row]).tolist())))
            keys.append(key)
        first = len(kinds)
        order = {key: first + i for i, key in enumerate(dict.fromkeys(keys))}
        atoms[kind] = rows
        which[kind] = np.array([order[key] for key in keys], dtype=np.int64)
        kinds += [number] * len(order)
        names += ["-".join(key[0] if share == "symmetry" else key) for key in order]
    return Functions(atoms, which, np.array(kinds, dtype=np.int64), tuple(names))


def _canonical(rows: np.ndarray) -> np.ndarray:
    turned = rows[:, 0] > rows[:, -1]  # every coordinate reads the same from its other end
    return np.where(turned[:, None], rows[:, ::-1], rows)


def _over_linear(rows: np.ndarray, topology: Topology) -> np.ndarray:
    flat = topology.angle.atoms[topology.angle.parameters["theta0"] > LINEAR]
    flats = set(map(tuple, _canonical(flat).tolist())) if len(flat) else set()
    ends = [set(map(tuple, (_canonical(r[None])).tolist())) for r in rows[:, :3]]
    more = [set(map(tuple, (_canonical(r[None])).tolist())) for r in rows[:, 1:]]
    return np.array([bool((a | b) & flats) for a, b in zip(ends, more, strict=True)], dtype=bool)


def coordinates(index: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """x (B,N,3) Å -> q (B,T): Å, cosine, rad, rad, the terms in the order of KINDS."""
    parts = [mm.distances(x, index["bond"]), cosines(x, index["angle"])]
    parts += [mm.dihedrals(x, index[kind]) for kind in ("torsion", "improper")]
    return torch.cat(parts, 1)


def cosines(x: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """x (B,N,3) Å, atoms (T,3) -> cos(theta) (B,T)."""
    u, v = x[:, atoms[:, 0]] - x[:, atoms[:, 1]], x[:, atoms[:, 2]] - x[:, atoms[:, 1]]
    square = u.square().sum(-1) * v.square().sum(-1)
    return (u * v).sum(-1) / (square + mm.TINY).sqrt()


@dataclass(frozen=True, eq=False)
class Networks:
    """C networks of one shape, as tensors.

    low, high (C,) range of q; kappa (C,) eV/q², of the parabola outside; mean, spread (C,F) of the
    features; weights: per layer ((C,in,out), (C,out)), the last with out = 1; periodic (C,) bool.
    """

    low: torch.Tensor
    high: torch.Tensor
    kappa: torch.Tensor
    mean: torch.Tensor
    spread: torch.Tensor
    periodic: torch.Tensor
    weights: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    def take(self, which: torch.Tensor) -> Networks:
        """One network for each entry of `which` (T,): weights repeated."""
        plain: dict[str, Any] = {n: getattr(self, n)[which] for n in ARRAYS}
        weights = tuple((w[which], b[which]) for w, b in self.weights)
        return Networks(**plain, weights=weights)

    def __call__(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """q (C,B) -> energy f (C,B) eV and df/dq (C,B)."""
        held = torch.maximum(torch.minimum(q, self.high[:, None]), self.low[:, None])
        value, slope = self.inside(held)
        away = q - held
        stiff = 2.0 * self.kappa[:, None] * away
        return value + (slope + 0.5 * stiff) * away, slope + stiff

    def inside(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The networks themselves, with their derivative carried along (forward mode)."""
        z, dz = features(q, self.periodic, self.mean.shape[1])
        h = (z - self.mean[:, None]) / self.spread[:, None]
        dh = dz / self.spread[:, None]
        last = len(self.weights) - 1
        for i, (w, b) in enumerate(self.weights):
            h, dh = torch.baddbmm(b[:, None], h, w), torch.bmm(dh, w)
            if i < last:
                h = torch.tanh(h)
                dh = (1.0 - h * h) * dh
        return h[..., 0], dh[..., 0]


ARRAYS = ("low", "high", "kappa", "mean", "spread", "periodic")


def features(
    q: torch.Tensor, periodic: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """q (C,B) -> features (C,B,count) and their derivatives by q.

    A dihedral has cos(n phi), n = 1..3, then, where count is 6, sin(n phi); others have q, 0, 0 …
    """
    n = torch.arange(1, HARMONICS + 1, dtype=q.dtype, device=q.device)
    turn = q[..., None] * n
    c, s = torch.cos(turn), torch.sin(turn)
    z, dz = (c, -n * s) if count == HARMONICS else (torch.cat([c, s], -1), torch.cat(
        [-n * s, n * c], -1))  # fmt: skip
    one = torch.zeros(count, dtype=q.dtype, device=q.device)
    one[0] = 1.0
    wave = periodic[:, None, None]
    return torch.where(wave, z, q[..., None] * one), torch.where(wave, dz, one.expand_as(dz))
