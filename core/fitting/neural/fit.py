"""Train GAFF-NN: networks for the bonded terms, and (if asked) charges and Lennard-Jones values.

The energy is linear in the functions of the terms and in products of the non-bonded parameters.
Each function is expanded once in a basis that is exact at a few sites (Chebyshev polynomials over
the range of the data; a Fourier series for dihedrals), and the pairs in one column for each pair
of classes, so that the loss over all frames

    L(u) = w mean_frames (E_u - E_ref)² + mean_components (F_u - F_ref)² = u.H u - 2 b.u + const

needs the frames only once, for H and b. Training then runs on u(weights): networks at their sites.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.mm import energy as mm
from core.mm.neural import KINDS, Functions, cosines

if TYPE_CHECKING:
    from core.mm.topology import Topology

SITES = 18  #: of one function: polynomials up to the 11th order, harmonics up to the 11th
MARGIN = 0.55  #: half a function's range, in ranges of its training data: a little beyond them
REFERENCE = 3.0  #: Å, makes the columns of r^-12 and r^-6 of order one
CHUNK = 4_000_000  #: elements of one block of the design matrix


@dataclass(frozen=True, eq=False)
class Block:
    """The columns of one kind of term: its functions first..first+C, `width` columns each."""

    kind: str
    atoms: torch.Tensor  # (T,k)
    local: torch.Tensor  # (T,) function within the kind
    low: torch.Tensor  # (C,)
    high: torch.Tensor  # (C,)
    sites: torch.Tensor  # (C,S) where the functions are read
    project: torch.Tensor  # (width,S) values at the sites -> coefficients, constant left out
    odd: bool

    @property
    def periodic(self) -> bool:
        """Whether the coordinate is a dihedral."""
        return self.kind in ("torsion", "improper")

    @property
    def orders(self) -> torch.Tensor:
        """(C*width,) degree or harmonic of each column, functions one after the other."""
        n = torch.arange(1, SITES, dtype=self.project.dtype, device=self.project.device)
        return n.repeat(len(self.low) * (2 if self.odd and self.periodic else 1))

    def basis(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """q (B,T) of the terms -> values and slopes (B,T,width)."""
        if self.periodic:
            return _fourier(q, self.odd)
        low, high = self.low[self.local], self.high[self.local]
        z = (2.0 * q - low - high) / (high - low)
        value, slope = _chebyshev(z)
        return value, slope * (2.0 / (high - low))[:, None]


def _chebyshev(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """T_n(z) and T_n'(z) = n U_{n-1}(z) for n = 1..SITES-1, along a new last axis."""
    t, u = [torch.ones_like(z), z], [torch.ones_like(z), 2.0 * z]
    for _ in range(2, SITES):
        t.append(2.0 * z * t[-1] - t[-2])
        u.append(2.0 * z * u[-1] - u[-2])
    n = range(1, SITES)
    return torch.stack([t[k] for k in n], -1), torch.stack([k * u[k - 1] for k in n], -1)


def _fourier(q: torch.Tensor, odd: bool) -> tuple[torch.Tensor, torch.Tensor]:
    n = torch.arange(1, SITES, dtype=q.dtype, device=q.device)
    c, s = torch.cos(q[..., None] * n), torch.sin(q[..., None] * n)
    if not odd:
        return c, -n * s
    return torch.cat([c, s], -1), torch.cat([-n * s, n * c], -1)


def blocks(f: Functions, x: torch.Tensor, *, odd: bool) -> list[Block]:
    """One block for each kind that has terms; ranges are those of x (M,N,3) Å."""
    out = []
    for number, kind in enumerate(KINDS):
        if not len(f.atoms[kind]):
            continue
        here = np.flatnonzero(f.kinds == number)
        atoms = torch.tensor(f.atoms[kind], device=x.device)
        local = torch.tensor(f.which[kind] - here[0], device=x.device)
        j = torch.arange(SITES, dtype=x.dtype, device=x.device) + 0.5
        if kind in ("torsion", "improper"):
            turn = torch.pi * j / SITES
            if odd:
                whole = torch.arange(2 * SITES, dtype=x.dtype, device=x.device)
                turn = torch.pi * (whole + 0.5) / SITES
            low = torch.full((len(here),), -4.0, dtype=x.dtype, device=x.device)
            high, sites = -low, turn.expand(len(here), -1)
            rows = _fourier(turn, odd)[0]
        else:
            q = coordinate(kind, x, atoms)
            low = torch.stack([q[:, local == c].min() for c in range(len(here))])
            high = torch.stack([q[:, local == c].max() for c in range(len(here))])
            # a range of one point (a single frame) is no range
            middle, half = 0.5 * (low + high), (MARGIN * (high - low)).clamp(min=0.01)
            low, high = middle - half, middle + half
            z = torch.cos(torch.pi * j / SITES)
            sites = middle[:, None] + half[:, None] * z
            rows = _chebyshev(z)[0]
        full = torch.cat([torch.ones_like(rows[:, :1]), rows], 1)
        project = torch.linalg.pinv(full)[1:]
        out.append(Block(kind, atoms, local, low, high, sites, project, odd))
    return out


def coordinate(kind: str, x: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """The coordinate q (B,T) that functions of this kind depend on."""
    if kind == "bond":
        return mm.distances(x, atoms)
    return cosines(x, atoms) if kind == "angle" else mm.dihedrals(x, atoms)


def local_slopes(
    kind: str, x: torch.Tensor, atoms: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """q (B,T) and its derivatives (B,T,k,3) by the positions of the term's own atoms."""
    terms, k = atoms.shape
    own = torch.arange(terms * k, device=x.device).reshape(terms, k)
    with torch.enable_grad():
        copies = x.detach()[:, atoms.reshape(-1)].requires_grad_(True)
        q = coordinate(kind, copies, own)
        (d,) = torch.autograd.grad(q.sum(), copies)
    return q.detach(), d.reshape(len(x), terms, k, 3)


class Pairs:
    """Columns of the non-bonded energy by classes of atoms, 1-4 pairs apart from the others."""

    def __init__(self, topology: Topology, charge_class: np.ndarray, lj_class: np.ndarray) -> None:
        pairs = np.concatenate([topology.pairs, topology.pairs14])
        near = np.arange(len(pairs)) >= len(topology.pairs)
        scales = [np.ones(len(pairs)), np.ones(len(pairs))]
        scales[0][near], scales[1][near] = 1 / topology.scee14, 1 / topology.scnb14
        self.atoms = torch.tensor(pairs)
        self.charge_pairs, cq = _pair_classes(charge_class, pairs, near)
        self.lj_pairs, cl = _pair_classes(lj_class, pairs, near)
        self.cq, self.cl = torch.tensor(cq), torch.tensor(cl)
        self.coulomb = torch.tensor(topology.coulomb * scales[0])
        self.lj = torch.tensor(scales[1])

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.charge_pairs) + 2 * len(self.lj_pairs)

    def to(self, device: torch.device) -> Pairs:
        """On another device."""
        for name, value in list(vars(self).items()):
            if isinstance(value, torch.Tensor):
                setattr(self, name, value.to(device))
        return self

    def columns(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x (B,N,3) -> energy (B,width) and force (B,N*3,width) columns."""
        i, j = self.atoms.unbind(1)
        d = x[:, j] - x[:, i]
        r = d.square().sum(-1).sqrt()
        s6 = (REFERENCE / r) ** 6
        parts = [
            (self.coulomb / r, -self.coulomb / r**2, self.cq, len(self.charge_pairs)),
            (self.lj * s6 * s6, -12.0 * self.lj * s6 * s6 / r, self.cl, len(self.lj_pairs)),
            (self.lj * s6, -6.0 * self.lj * s6 / r, self.cl, len(self.lj_pairs)),
        ]
        energy, force = [], []
        n = x.shape[1]
        for value, slope, which, count in parts:
            energy.append(x.new_zeros(len(x), count).index_add_(1, which, value))
            push = slope[..., None] * d / r[..., None]  # dE/dx_j = -dE/dx_i
            f = x.new_zeros(len(x), n * count, 3)
            f.index_add_(1, i * count + which, push)
            f.index_add_(1, j * count + which, push, alpha=-1)
            f = f.reshape(len(x), n, count, 3).transpose(2, 3)
            force.append(f.reshape(len(x), n * 3, count))
        return torch.cat(energy, 1), torch.cat(force, 2)

    def weights(
        self,
        charges: torch.Tensor,
        rmin: torch.Tensor,
        epsilon: torch.Tensor,
        scale: torch.Tensor,
    ) -> torch.Tensor:
        """Values of the classes -> the coefficients (width,) of the columns.

        scale (2,): what the strengths of the 1-4 Coulomb and Lennard-Jones terms are multiplied by.
        """
        a, b, near_q = torch.tensor(self.charge_pairs, device=charges.device).unbind(1)
        i, j, near_l = torch.tensor(self.lj_pairs, device=charges.device).unbind(1)
        product = epsilon[i] * epsilon[j]
        some = product > 0
        depth = torch.where(some, torch.where(some, product, 1.0).sqrt(), 0.0)
        depth = depth * torch.where(near_l > 0, scale[1], 1.0)
        s6 = ((rmin[i] + rmin[j]) / REFERENCE) ** 6
        coulomb = charges[a] * charges[b] * torch.where(near_q > 0, scale[0], 1.0)
        return torch.cat([coulomb, depth * s6 * s6, -2.0 * depth * s6])


def _pair_classes(
    classes: np.ndarray, pairs: np.ndarray, near: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Classes (C,3) of pairs, the third whether they are 1-4 pairs; and which one each is of."""
    both = np.column_stack([np.sort(classes[pairs], axis=1), near]).astype(np.int64)
    if not len(both):
        return np.zeros((0, 3), dtype=np.int64), np.zeros(0, dtype=np.int64)
    found, which = np.unique(both, axis=0, return_inverse=True)
    return found, which.reshape(-1)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """L(u) = u.H u - 2 b.u + c over a set of frames; means for the energy constant."""

    h: torch.Tensor
    b: torch.Tensor
    c: torch.Tensor

    def __call__(self, u: torch.Tensor) -> torch.Tensor:
        return u @ (self.h @ u) - 2.0 * (self.b @ u) + self.c


def quadratic(
    parts: list[Block],
    pairs: Pairs | None,
    data: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    check: Any,
) -> tuple[Quadratic, Quadratic]:
    """(energies only, forces only) losses: each a mean square, eV² and (eV/Å)².

    data: positions (M,N,3), residual energies (M,) with NaN where there is none, forces (M,N,3)
    with NaN likewise. check(done fraction) is called after every block of frames.
    """
    x, energy, forces = data
    width = sum(len(b.low) * b.project.shape[0] for b in parts) + (pairs.width if pairs else 0)
    n = x.shape[1]
    like: dict[str, Any] = {"dtype": x.dtype, "device": x.device}
    he, hf = torch.zeros(width, width, **like), torch.zeros(width, width, **like)
    be, bf = torch.zeros(width, **like), torch.zeros(width, **like)
    ce, cf = torch.zeros((), **like), torch.zeros((), **like)
    total, target, count, components = torch.zeros(width, **like), torch.zeros((), **like), 0, 0
    step = max(1, CHUNK // (width * 3 * n))
    for at in range(0, len(x), step):
        part = slice(at, at + step)
        e, f = design(parts, pairs, x[part])
        known = torch.isfinite(energy[part])
        e, y = e[known], energy[part][known]
        he += e.T @ e
        be += e.T @ y
        ce += y.square().sum()
        total, target, count = total + e.sum(0), target + y.sum(), count + len(y)
        known = torch.isfinite(forces[part]).all(2).all(1)
        f, g = f[known].reshape(-1, width), forces[part][known].reshape(-1)
        hf += f.T @ f
        bf += f.T @ g
        cf += g.square().sum()
        components += len(g)
        check(min(1.0, (at + step) / len(x)))
    k = max(1, count)  # the mean is taken out: it belongs to the energy constant
    he = he / k - torch.outer(total, total) / k**2
    be, ce = be / k - total * target / k**2, ce / k - (target / k) ** 2
    m = max(1, components)
    return Quadratic(he, be, ce), Quadratic(hf / m, bf / m, cf / m)


def design(
    parts: list[Block], pairs: Pairs | None, x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """x (B,N,3) -> energy (B,W) and force (B,3N,W) columns, blocks in order, then pairs."""
    n = x.shape[1]
    energy, force = [], []
    for block in parts:
        q, d = local_slopes(block.kind, x, block.atoms)
        value, slope = block.basis(q)
        width, count = value.shape[-1], len(block.low)
        e = x.new_zeros(len(x), count, width).index_add_(1, block.local, value)
        energy.append(e.reshape(len(x), -1))
        f = x.new_zeros(len(x), n * count, 3, width)
        for k in range(block.atoms.shape[1]):
            place = block.atoms[:, k] * count + block.local
            f.index_add_(1, place, d[:, :, k, :, None] * slope[:, :, None, :], alpha=-1)
        f = f.reshape(len(x), n, count, 3, width).transpose(2, 3)
        force.append(f.reshape(len(x), n * 3, -1))
    if pairs is not None:
        e, f = pairs.columns(x)
        energy.append(e)
        force.append(f)
    return torch.cat(energy, 1), torch.cat(force, 2)
