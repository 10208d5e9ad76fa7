"""Atom permutations that leave the energy of a topology unchanged."""

from __future__ import annotations

import numpy as np

from core.mm.topology import Term, Topology

MAX_CANDIDATES = 200  #: permutations of the bonded graph that are looked at
SAME = 1e-10  #: two parameters are one


def symmetries(numbers: np.ndarray, topology: Topology) -> np.ndarray:
    """(P,N) permutations p with E(r[p]) = E(r), the first none at all; not always the whole group.

    numbers (N,). The automorphisms of the bonded graph are not enough: the atom order of an
    improper, or an edited term, may break them, so each must map every term on an equal one.
    """
    identity = np.arange(len(numbers))
    before = _rows(topology, identity)
    good = [p for p in _automorphisms(numbers, topology) if _same(before, _rows(topology, p))]
    others = sorted({tuple(p) for p in good} - {tuple(identity.tolist())})
    return np.array([identity, *others], dtype=np.int64)


def _automorphisms(numbers: np.ndarray, topology: Topology) -> list[tuple[int, ...]]:
    """Permutations that keep elements, types, charges, Lennard-Jones values and bonds."""
    from rdkit import Chem

    own = np.column_stack([topology.charges, topology.rmin_half, topology.epsilon])
    keys = [(int(z), t, *np.round(v, 9)) for z, t, v in
            zip(numbers, topology.types, own, strict=True)]  # fmt: skip
    classes = {key: k for k, key in enumerate(dict.fromkeys(keys), start=1)}
    mol = Chem.RWMol()
    for z, key in zip(numbers, keys, strict=True):
        atom = Chem.Atom(int(z))
        atom.SetIsotope(classes[key])  # atoms of different classes do not match
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for a, b in topology.bond.atoms:
        mol.AddBond(int(a), int(b), Chem.BondType.SINGLE)
    plain = mol.GetMol()
    return list(plain.GetSubstructMatches(plain, uniquify=False, maxMatches=MAX_CANDIDATES))


def _rows(topology: Topology, p: np.ndarray | tuple[int, ...]) -> list[np.ndarray]:
    """Every term as rows of atoms (renamed by p) and parameters, in an order of their own."""
    p = np.asarray(p)
    tables = [_table(term, p) for term in topology.terms().values()]
    atoms = np.arange(len(p))[:, None]
    values = np.column_stack([topology.charges, topology.rmin_half, topology.epsilon])
    tables.append(_sorted(p[atoms], values))
    tables.append(_sorted(np.sort(p[topology.pairs], 1), np.zeros((len(topology.pairs), 0))))
    scales = np.column_stack([topology.scee14, topology.scnb14])
    tables.append(_sorted(np.sort(p[topology.pairs14], 1), scales))
    return tables


def _table(term: Term, p: np.ndarray) -> np.ndarray:
    atoms = p[term.atoms]
    turned = atoms[:, 0] > atoms[:, -1]  # every term reads the same from its other end
    atoms = np.where(turned[:, None], atoms[:, ::-1], atoms)
    return _sorted(atoms, np.column_stack(list(term.parameters.values())))


def _sorted(atoms: np.ndarray, values: np.ndarray) -> np.ndarray:
    keys = np.column_stack([atoms, np.round(values, 9)])
    order = np.lexsort(keys.T[::-1])
    return np.column_stack([atoms, values])[order]


def _same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.allclose(x, y, rtol=SAME, atol=SAME) for x, y in zip(a, b, strict=True))
