"""Redundant internal coordinates of many geometries at once: values and Wilson's B matrix.

Bonds, bends, torsions, out-of-plane dihedrals and linear bends, as in Peng, Ayala, Schlegel,
Frisch, J. Comput. Chem. 17, 49 (1996); dihedral derivatives after Blondel and Karplus,
J. Comput. Chem. 17, 1132 (1996).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch

LINEAR = np.deg2rad(165.0)  # a bend wider than this has no usable derivative


def dihedral(x: torch.Tensor, atoms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Dihedrals and their derivatives.

    x (P,N,3) Å, atoms (K,4) -> values (P,K) rad in (-pi, pi], derivatives (P,K,4,3) rad/Å.
    """
    i, j, k, m = (x[:, atoms[:, c]] for c in range(4))
    f, g, h = i - j, j - k, m - k
    a, b = torch.cross(f, g, dim=-1), torch.cross(h, g, dim=-1)
    length = g.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    a2 = a.square().sum(-1, keepdim=True).clamp_min(1e-12)
    b2 = b.square().sum(-1, keepdim=True).clamp_min(1e-12)
    value = torch.atan2((torch.cross(b, a, dim=-1) * g).sum(-1) / length[..., 0], (a * b).sum(-1))
    u, v = a / a2, b / b2
    fg = (f * g).sum(-1, keepdim=True) / length
    hg = (h * g).sum(-1, keepdim=True) / length
    di, dm = -length * u, length * v
    shift = fg * u - hg * v
    return value, torch.stack((di, shift - di, -shift - dm, dm), dim=-2)


def _distance(x: torch.Tensor, atoms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    d = x[:, atoms[:, 0]] - x[:, atoms[:, 1]]
    r = d.norm(dim=-1).clamp_min(1e-9)
    u = d / r[..., None]
    return r, torch.stack((u, -u), dim=-2)


def bend(x: torch.Tensor, atoms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """x (P,N,3) Å, atoms (K,3) -> angles (P,K) rad and their derivatives (P,K,3,3) rad/Å."""
    j = x[:, atoms[:, 1]]
    a, b = x[:, atoms[:, 0]] - j, x[:, atoms[:, 2]] - j
    ra, rb = (v.norm(dim=-1, keepdim=True).clamp_min(1e-9) for v in (a, b))
    u, v = a / ra, b / rb
    cos = (u * v).sum(-1, keepdim=True).clamp(-1.0, 1.0)
    sin = (1.0 - cos.square()).sqrt().clamp_min(1e-4)
    da, db = (cos * u - v) / (ra * sin), (cos * v - u) / (rb * sin)
    return torch.acos(cos[..., 0]), torch.stack((da, -da - db, db), dim=-2)


def _linear(
    x: torch.Tensor, atoms: torch.Tensor, across: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """q = w.(e_ji + e_jk): one of two components of a nearly straight angle; w (P,K,3) fixed."""
    j = x[:, atoms[:, 1]]
    a, b = x[:, atoms[:, 0]] - j, x[:, atoms[:, 2]] - j
    ra, rb = (v.norm(dim=-1, keepdim=True).clamp_min(1e-9) for v in (a, b))
    u, v = a / ra, b / rb
    ua, vb = (across * u).sum(-1, keepdim=True), (across * v).sum(-1, keepdim=True)
    da, db = (across - ua * u) / ra, (across - vb * v) / rb
    return (ua + vb)[..., 0], torch.stack((da, -da - db, db), dim=-2)


def bonded_pairs(numbers: np.ndarray, positions: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """(B,2) bonds that join every atom to every other.

    Without `bonds`, those of the covalent radii. Fragments are joined by their nearest pair, so
    that the coordinates built from them span all motions.
    """
    from core.bonding import connectivity

    r = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    known = bonds if len(bonds) else connectivity(numbers, positions)
    pairs = {(min(a, b), max(a, b)) for a, b in np.asarray(known).tolist()}
    group = np.arange(len(numbers))
    for a, b in pairs:
        group[group == group[b]] = group[a]
    while len(np.unique(group)) > 1:
        apart = np.where(group[:, None] == group[None], np.inf, r)
        a, b = (int(v) for v in np.unravel_index(np.argmin(apart), apart.shape))
        pairs.add((min(a, b), max(a, b)))
        group[group == group[b]] = group[a]
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class Internals:
    """Which coordinates: bonds (a,2), bends (b,3), straight (c,3), torsions (t,4) atom indices.

    `straight` lists every nearly straight angle once; it gives two coordinates. `third` (c,) is an
    atom off its line (or -1) that orients them. The first `n_held` torsions are the held ones.
    Coordinates are multiplied by `scale` (Q,) sqrt(eV)/Å or sqrt(eV)/rad (see hessians.py), so that
    the model Hessian is the unit matrix.
    """

    n_atoms: int
    bonds: torch.Tensor
    bends: torch.Tensor
    straight: torch.Tensor
    third: torch.Tensor
    torsions: torch.Tensor
    n_held: int
    scale: torch.Tensor

    def __len__(self) -> int:
        return len(self.bonds) + len(self.bends) + 2 * len(self.straight) + len(self.torsions)

    @property
    def angular(self) -> slice:
        """Where the torsions stand in the list."""
        return slice(len(self) - len(self.torsions), len(self))

    def frame(self, x: torch.Tensor) -> torch.Tensor:
        """x (P,N,3) -> (P,2c,3): two directions across each straight angle, from the body."""
        axis = x[:, self.straight[:, 2]] - x[:, self.straight[:, 0]]
        axis = axis / axis.norm(dim=-1, keepdim=True).clamp_min(1e-9)
        off = x[:, self.third] - x[:, self.straight[:, 1]]
        # without an atom off the line any direction across will do
        least = torch.eye(3, dtype=x.dtype, device=x.device)[axis.abs().argmin(-1)]
        first = torch.cross(axis, torch.where((self.third >= 0)[:, None], off, least), dim=-1)
        first = first / first.norm(dim=-1, keepdim=True).clamp_min(1e-9)
        return torch.cat((first, torch.cross(axis, first, dim=-1)), dim=1)

    def values(self, x: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
        """x (P,N,3), frame (P,2c,3) -> scaled coordinates (P,Q)."""
        return self._parts(x, frame)[0]

    def both(self, x: torch.Tensor, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `values`, and the scaled B matrix (P,Q,3N)."""
        q, parts = self._parts(x, frame)
        b = x.new_zeros((len(x), len(self), self.n_atoms, 3))
        at = 0
        for atoms, grad in parts:
            rows = torch.arange(at, at + len(atoms), device=x.device)[:, None]
            b[:, rows, atoms] = grad
            at += len(atoms)
        return q, b.flatten(2) * self.scale[:, None]

    def _parts(self, x, frame):
        twice = torch.cat((self.straight, self.straight))
        found = (
            (self.bonds, *_distance(x, self.bonds)),
            (self.bends, *bend(x, self.bends)),
            (twice, *_linear(x, twice, frame)),
            (self.torsions, *dihedral(x, self.torsions)),
        )
        q = torch.cat([v for _, v, _ in found], dim=1) * self.scale
        return q, [(atoms, grad) for atoms, _, grad in found]

    def difference(self, q: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """q - other (…,Q), torsions by the short way round."""
        d = q - other
        turn = 2 * np.pi * self.scale[self.angular]
        d[..., self.angular] -= turn * torch.round(d[..., self.angular] / turn)
        return d


def build(
    numbers: np.ndarray,
    positions: np.ndarray,
    bonds: np.ndarray,
    held: np.ndarray,
    *,
    device: torch.device | str = "cpu",
) -> Internals:
    """Coordinates for a molecule; `held` (A,4) dihedrals come first among the torsions."""
    from core.geometry import measure
    from core.motion.hessians import lindh_scale

    pairs = bonded_pairs(numbers, positions, bonds)
    near: list[list[int]] = [[] for _ in numbers]
    for a, b in pairs.tolist():
        near[a].append(b)
        near[b].append(a)
    bends, straight, third = [], [], []
    for j, around in enumerate(near):
        for i, k in combinations(around, 2):
            if measure(positions, (i, j, k)) < LINEAR:
                bends.append((i, j, k))
            else:
                straight.append((i, j, k))
                third.append(_off_line(positions, i, j, k))
    bent = {(i, j, k) for i, j, k in bends} | {(k, j, i) for i, j, k in bends}
    torsions = [tuple(int(v) for v in row) for row in held]
    known = set(torsions) | {t[::-1] for t in torsions}
    for j, k in pairs.tolist():
        for i in near[j]:
            for m in near[k]:
                t = (i, j, k, m)
                if len(set(t)) == 4 and {t[:3], t[1:]} <= bent and t not in known:
                    torsions.append(t)
    for c, around in enumerate(near):  # out of plane: bends alone do not see it
        if len(around) == 3 and measure(positions, tuple(around)) < LINEAR:
            torsions.append((c, *around))

    def table(rows: list, width: int) -> torch.Tensor:
        return torch.tensor(rows, dtype=torch.long, device=device).reshape(-1, width)

    scale = lindh_scale(numbers, positions, pairs, bends, straight, torsions)
    return Internals(
        n_atoms=len(numbers),
        bonds=table(pairs.tolist(), 2),
        bends=table(bends, 3),
        straight=table(straight, 3),
        third=table(third, 1)[:, 0],
        torsions=table(torsions, 4),
        n_held=len(held),
        scale=torch.tensor(scale, dtype=torch.float64, device=device),
    )


def _off_line(positions: np.ndarray, i: int, j: int, k: int) -> int:
    """The atom nearest to j that is clearly off the line i-j-k, or -1."""
    axis = positions[k] - positions[i]
    axis = axis / np.linalg.norm(axis)
    off = np.linalg.norm(np.cross(positions - positions[j], axis), axis=1)
    distance = np.where(off > 0.3, np.linalg.norm(positions - positions[j], axis=1), np.inf)
    best = int(np.argmin(distance))
    return best if np.isfinite(distance[best]) else -1
