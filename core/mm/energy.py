"""Energies of a topology's terms in torch: batched, per term or per row, differentiable.

Sauceda et al., J. Chem. Phys. 153, 124109 (2020), eqs 4-13, in Amber's convention (see
`core.mm.topology`). Everything here is a plain graph, differentiable any number of times in the
coordinates and in every parameter but the periodicities; `core.mm.forces` is the fast path.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from core.mm.topology import TERMS, Topology

#: What the energy is a sum of.
KINDS = (*TERMS, "lj", "lj14", "coulomb", "coulomb14")
#: Added under square roots: no change at all beside 1, yet the derivative at 0 exists.
TINY = 1e-20


@dataclass(frozen=True, eq=False)
class Tensors:
    """A topology on a device.

    index: term -> (T,k) atoms from 0, also "pairs" and "pairs14". values: "bond.k" … (T,), or
    (B,T) for one value per geometry; "charges", "rmin_half", "epsilon" (N,), "scee14", "scnb14"
    (Q,). Units as in Topology.
    """

    index: dict[str, torch.Tensor]
    values: dict[str, torch.Tensor]
    coulomb: float

    def with_values(self, values: Mapping[str, torch.Tensor]) -> Tensors:
        """The same terms with other values (which may require gradients, for a fit)."""
        unknown = sorted(set(values) - set(self.values))
        if unknown:
            raise KeyError(f"no parameter {unknown[0]!r}; there are {', '.join(self.values)}")
        return dataclasses.replace(self, values={**self.values, **values})


def tensors(
    topology: Topology, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64
) -> Tensors:
    """Topology -> tensors."""

    def floats(array) -> torch.Tensor:
        return torch.tensor(array, dtype=dtype, device=device)

    index = {kind: term.atoms for kind, term in topology.terms().items()}
    index |= {"pairs": topology.pairs, "pairs14": topology.pairs14}
    values = {
        f"{kind}.{name}": floats(column)
        for kind, term in topology.terms().items()
        for name, column in term.parameters.items()
    }
    for name in ("charges", "rmin_half", "epsilon", "scee14", "scnb14"):
        values[name] = floats(getattr(topology, name))
    atoms = {k: torch.tensor(a, dtype=torch.int64, device=device) for k, a in index.items()}
    return Tensors(atoms, values, topology.coulomb)


def distances(x: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """x (B,N,3) Å, atoms (T,2) -> r (B,T) Å."""
    d = x[:, atoms[:, 1]] - x[:, atoms[:, 0]]
    return (d.square().sum(-1) + TINY).sqrt()


def angles(x: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """x (B,N,3) Å, atoms (T,3) -> theta (B,T) rad in [0, pi]; differentiable at pi too."""
    u, v = x[:, atoms[:, 0]] - x[:, atoms[:, 1]], x[:, atoms[:, 2]] - x[:, atoms[:, 1]]
    sine = (torch.linalg.cross(u, v).square().sum(-1) + TINY).sqrt()
    return torch.atan2(sine, (u * v).sum(-1))


def dihedrals(x: torch.Tensor, atoms: torch.Tensor) -> torch.Tensor:
    """x (B,N,3) Å, atoms (T,4) -> phi (B,T) rad in (-pi, pi], IUPAC sign.

    atan2 form (Blondel & Karplus, J. Comput. Chem. 17, 1132 (1996)): no singularity at 0 and pi.
    Over a linear angle, where phi does not exist, it is 0 with no gradient.
    """
    p = [x[:, atoms[:, a]] for a in range(4)]
    b1, b2, b3 = p[1] - p[0], p[2] - p[1], p[3] - p[2]
    n1, n2 = torch.linalg.cross(b1, b2), torch.linalg.cross(b2, b3)
    length = (b2.square().sum(-1) + TINY).sqrt()
    sine, cosine = length * (b1 * n2).sum(-1), (n1 * n2).sum(-1)
    none = (n1.square().sum(-1) < TINY) | (n2.square().sum(-1) < TINY)
    return torch.atan2(sine.masked_fill(none, 0.0), cosine.masked_fill(none, 1.0))


def rows(t: Tensors, kind: str, x: torch.Tensor) -> torch.Tensor:
    """Energy (B,T) eV of every row of one of KINDS at x (B,N,3) Å.

    Rows of the bonded kinds are those of the Term; lj and coulomb have the rows of Topology.pairs,
    lj14 and coulomb14 those of pairs14. Raises KeyError for a kind that does not exist.
    """
    if kind not in KINDS:
        raise KeyError(f"no term {kind!r}; there are {', '.join(KINDS)}")
    v = t.values
    if kind == "bond":
        return v["bond.k"] * (distances(x, t.index[kind]) - v["bond.r0"]).square()
    if kind == "angle":
        return v["angle.k"] * (angles(x, t.index[kind]) - v["angle.theta0"]).square()
    if kind in ("torsion", "improper"):
        phi = dihedrals(x, t.index[kind])
        return v[f"{kind}.k"] * (1.0 + torch.cos(v[f"{kind}.n"] * phi - v[f"{kind}.phase"]))
    pairs = t.index["pairs14" if kind.endswith("14") else "pairs"]
    r = distances(x, pairs)
    if kind.startswith("coulomb"):
        energy = pair_charges(t, pairs) / r
        return energy / v["scee14"] if kind == "coulomb14" else energy
    depth, rmin = pair_lj(t, pairs)
    s6 = (rmin / r) ** 6
    energy = depth * (s6 * s6 - 2.0 * s6)
    return energy / v["scnb14"] if kind == "lj14" else energy


def pair_charges(t: Tensors, pairs: torch.Tensor) -> torch.Tensor:
    """coulomb q_i q_j (P,) eV Å."""
    q = t.values["charges"]
    return t.coulomb * q[..., pairs[:, 0]] * q[..., pairs[:, 1]]


def pair_lj(t: Tensors, pairs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Lorentz-Berthelot: depth sqrt(eps_i eps_j) (P,) eV and Rmin_i/2 + Rmin_j/2 (P,) Å."""
    e, r = t.values["epsilon"], t.values["rmin_half"]
    i, j = pairs[:, 0], pairs[:, 1]
    product = e[..., i] * e[..., j]
    some = product > 0  # sqrt has no slope at 0, where many a hydrogen stands
    depth = torch.where(some, torch.where(some, product, 1.0).sqrt(), 0.0)
    return depth, r[..., i] + r[..., j]


def terms(t: Tensors, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """x (B,N,3) Å -> kind -> energy (B,) eV, in the order of KINDS; their sum is the energy."""
    return {kind: rows(t, kind, x).sum(-1) for kind in KINDS}


def energy(t: Tensors, x: torch.Tensor) -> torch.Tensor:
    """x (B,N,3) Å -> energy (B,) eV."""
    return torch.stack(list(terms(t, x).values())).sum(0)
