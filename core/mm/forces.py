"""Energies and analytic forces of a topology: the fast path beside `core.mm.energy`.

Vectors between atoms are gathered once, (3, V, B) with the geometries last so that every operation
runs along contiguous memory; each term gives dE/dvector, and the incidence matrix of the vectors
brings these to the atoms. Torsions on the same four atoms are one Fourier series
sum_n A_n cos(n phi) + B_n sin(n phi), whose cosines come from powers of exp(i phi): no angle is
computed, and nothing is singular at 0 and 180 degrees. Derivatives of phi: Blondel & Karplus,
J. Comput. Chem. 17, 1132 (1996).
"""

from __future__ import annotations

import torch

from core.mm.energy import TINY, Tensors, pair_charges, pair_lj

CHUNK = 60_000  #: vectors x geometries worked on at once, so that they stay in the cache
GPU_CHUNK = 20_000_000
SMALL = 10_000  #: numbers up to which fewer operations count for more than faster ones
DENSE = 3_000_000  #: elements of an incidence matrix that is still multiplied as it is


class Forces:
    """Callable: x (B,N,3) Å -> energy (B,) eV and forces (B,N,3) eV/Å, on the tensors' device."""

    def __init__(self, t: Tensors, n_atoms: int) -> None:
        """t: values (T,), not one per geometry; read now, so make a new one after a change."""
        t = Tensors(t.index, {k: v.detach() for k, v in t.values.items()}, t.coulomb)
        angle, bond = t.index["angle"], t.index["bond"]
        quartet, self.cosines, self.sines, self.constant = _series(t)
        pairs = torch.cat([t.index["pairs"], t.index["pairs14"]])
        i, j, k, m = quartet.unbind(1)
        a, b, c = angle.unbind(1)
        # head and tail of b2 (again), b3, v | b1, b2, u | bonds | pairs: the cross products are
        # those of the second block with the first
        blocks = [(k, j), (m, k), (c, b), (j, i), (k, j), (a, b)]
        blocks += [(bond[:, 1], bond[:, 0]), (pairs[:, 1], pairs[:, 0])]
        self.heads = torch.cat([head for head, _ in blocks])
        self.tails = torch.cat([tail for _, tail in blocks])
        self.nq, self.na, self.nb = len(quartet), len(angle), len(bond)
        v = t.values
        count = len(self.heads) - self.nq
        self.n_atoms = n_atoms
        self.incidence: torch.Tensor | None = None
        if n_atoms * count <= DENSE:
            place = torch.arange(count, device=v["charges"].device)
            self.incidence = v["charges"].new_zeros(n_atoms, count)
            self.incidence[self.heads[self.nq :], place] = -1.0
            self.incidence[self.tails[self.nq :], place] = 1.0
        self.bond_k, self.bond_r0 = v["bond.k"][:, None], v["bond.r0"][:, None]
        self.angle_k, self.angle_0 = v["angle.k"][:, None], v["angle.theta0"][:, None]
        depth, rmin = pair_lj(t, pairs)
        charge = pair_charges(t, pairs)
        near = len(t.index["pairs"])
        depth[near:] /= v["scnb14"]
        charge[near:] /= v["scee14"]
        self.lj12, self.lj6 = (depth * rmin**12)[:, None], (2.0 * depth * rmin**6)[:, None]
        self.charge = charge[:, None]

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        limit = GPU_CHUNK if x.is_cuda else CHUNK
        step = max(1, limit // max(1, len(self.heads)))
        with torch.no_grad():
            if len(x) <= step:
                return self._chunk(x)
            parts = [self._chunk(part) for part in x.split(step)]
        return torch.cat([e for e, _ in parts]), torch.cat([f for _, f in parts])

    def _chunk(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        r = x.permute(2, 1, 0).contiguous()  # (3,N,B)
        vec = r.index_select(1, self.heads).sub_(r.index_select(1, self.tails))
        grad = torch.empty_like(vec[:, self.nq :])  # dE/dvector, without the second b2
        nq, na, nb = self.nq, self.na, self.nb
        side = 2 * nq + na
        left, right = vec[:, side : 2 * side], vec[:, :side]
        normal = _cross(left, right)  # b1 x b2, b2 x b3, u x v
        e = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        if nq:
            e += self._torsions(left, right, normal, grad)
        if na:
            u, v, w = left[:, 2 * nq :], right[:, 2 * nq :], normal[:, 2 * nq :]
            e += self._angles(u, v, w, grad)
        rest, out = vec[:, 2 * side :], grad[:, 2 * side - nq :]
        e += self._bonds(rest[:, :nb], out[:, :nb])
        e += self._pairs(rest[:, nb:], out[:, nb:])
        return e, self._to_atoms(grad).permute(2, 1, 0).contiguous()

    def _to_atoms(self, grad: torch.Tensor) -> torch.Tensor:
        """dE/dvector (3,V,B) -> forces (3,N,B): a vector is head minus tail."""
        if self.incidence is not None:
            return torch.matmul(self.incidence, grad)
        out = grad.new_zeros(3, self.n_atoms, grad.shape[2])
        out.index_add_(1, self.heads[self.nq :], grad, alpha=-1)
        return out.index_add_(1, self.tails[self.nq :], grad)

    def _bonds(self, d: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        length = _dot(d, d).add_(TINY).sqrt_()
        away = length - self.bond_r0
        slope = self.bond_k * away
        torch.mul(d, (2.0 * slope).div_(length), out=out)
        return slope.mul_(away).sum(0)

    def _pairs(self, d: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        inverse2 = _dot(d, d).add_(TINY).reciprocal_()
        charge = inverse2.sqrt().mul_(self.charge)
        s6 = (inverse2 * inverse2).mul_(inverse2)
        twelve = (self.lj12 * s6).mul_(s6)
        six = s6.mul_(self.lj6)
        energy = (twelve - six).add_(charge).sum(0)
        slope = twelve.mul_(-12.0).add_(six, alpha=6.0).sub_(charge).mul_(inverse2)
        torch.mul(d, slope, out=out)
        return energy

    def _angles(
        self, u: torch.Tensor, v: torch.Tensor, w: torch.Tensor, grad: torch.Tensor
    ) -> torch.Tensor:
        sine = _dot(w, w).add_(TINY).sqrt_()  # |u||v| sin(theta)
        away = torch.atan2(sine, _dot(u, v)).sub_(self.angle_0)
        slope = self.angle_k * away
        w = w * (2.0 * slope).div_(sine)
        nq, side = self.nq, 2 * self.nq + self.na
        grad[:, side + nq : side + nq + self.na] = _cross(u, w).div_(_dot(u, u).add_(TINY))
        grad[:, nq : nq + self.na] = _cross(w, v).div_(_dot(v, v).add_(TINY))
        return slope.mul_(away).sum(0)

    def _torsions(
        self, left: torch.Tensor, right: torch.Tensor, normal: torch.Tensor, grad: torch.Tensor
    ) -> torch.Tensor:
        nq, side = self.nq, 2 * self.nq + self.na
        b1, b2, b3 = left[:, :nq], left[:, nq : 2 * nq], right[:, nq : 2 * nq]
        n1, n2 = normal[:, :nq], normal[:, nq : 2 * nq]
        n11, n22, b22 = _dot(n1, n1), _dot(n2, n2), _dot(b2, b2).add_(TINY)
        length = b22.sqrt()
        # over a linear angle there is no dihedral: no force, and the energy of phi = 0
        none = (n11 < TINY) | (n22 < TINY)
        scale = (n11 * n22).masked_fill_(none, 1.0).rsqrt_()
        c = _dot(n1, n2).mul_(scale).masked_fill_(none, 1.0)
        s = _dot(b1, n2).mul_(length).mul_(scale).masked_fill_(none, 0.0)
        energy, slope = self._fourier(c, s)
        slope = slope.mul_(length).masked_fill_(none, 0.0)
        g1 = n1 * (slope / n11.masked_fill_(none, 1.0))
        g3 = n2 * (slope / n22.masked_fill_(none, 1.0))
        across = (g1 * (_dot(b1, b2) / b22)).add_(g3 * (_dot(b3, b2) / b22)).neg_()
        grad[:, :nq] = g3
        start = side - nq
        grad[:, start : start + nq] = g1
        grad[:, start + nq : start + 2 * nq] = across
        return energy

    def _fourier(self, c: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """cos(phi), sin(phi) (Q,B) -> energy (B,) and dE/dphi (Q,B)."""
        energy, slope = torch.zeros_like(c), torch.zeros_like(c)
        cn, sn = c, s
        for n, (a, b) in enumerate(zip(self.cosines, self.sines, strict=True), start=1):
            if n > 1:
                cn, sn = (cn * c).sub_(sn * s), (sn * c).add_(cn * s)
            energy.addcmul_(a, cn).addcmul_(b, sn)
            slope.addcmul_(b, cn, value=n).addcmul_(a, sn, value=-n)
        return energy.sum(0).add_(self.constant), slope


def _series(t: Tensors) -> tuple[torch.Tensor, list, list, torch.Tensor]:
    """Torsions and impropers by their four atoms: (Q,4), A_n and B_n (Q,1) for n = 1.., constant.

    k (1 + cos(n phi - phase)) = k + k cos(phase) cos(n phi) + k sin(phase) sin(n phi).
    """
    atoms = torch.cat([t.index["torsion"], t.index["improper"]])
    k, n, phase = (
        torch.cat([t.values[f"torsion.{p}"], t.values[f"improper.{p}"]])
        for p in ("k", "n", "phase")
    )
    turned = atoms.flip(1)  # phi(i,j,k,l) = phi(l,k,j,i)
    atoms = torch.where((atoms[:, 1] < atoms[:, 2])[:, None], atoms, turned)
    quartet, place = torch.unique(atoms, dim=0, return_inverse=True)
    order = n.round().long()
    most = int(order.max()) if len(order) else 0
    table = torch.zeros(2, most + 1, len(quartet), dtype=k.dtype, device=k.device)
    table[0].index_put_((order, place), k * torch.cos(phase), accumulate=True)
    table[1].index_put_((order, place), k * torch.sin(phase), accumulate=True)
    constant = k.sum() + table[0, 0].sum()
    cosines, sines = ([row[:, None] for row in half[1:]] for half in table)
    return quartet, cosines, sines, constant


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(3,V,B) . (3,V,B) -> (V,B)."""
    if a.numel() < SMALL:
        return (a * b).sum(0)
    return (a[0] * b[0]).addcmul_(a[1], b[1]).addcmul_(a[2], b[2])


def _cross(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(3,V,B) x (3,V,B) -> (3,V,B)."""
    if a.numel() < SMALL:
        return torch.linalg.cross(a, b, dim=0)
    out = torch.empty(a.shape, dtype=a.dtype, device=a.device)
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        torch.mul(a[i], b[j], out=out[k])
        out[k].addcmul_(a[j], b[i], value=-1.0)
    return out
