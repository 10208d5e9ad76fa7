"""Formal charges averaged over resonance forms.

Gilson, Gilson, Potter, J. Chem. Inf. Comput. Sci. 43, 1982 (2003): an electron pair moves from a
donor to an acceptor along a path of alternating bonds; only forms of the lowest energy count. The
energies here are our own order (a charge on N- costs more than on O- or S-), not the paper's table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rdkit.Chem import Mol

#: (atomic number, charge, sorted orders) of a donor -> what it becomes, and energies of both
DONORS = {
    (8, -1, (1,)): (8, 0, (2,)),
    (16, -1, (1,)): (16, 0, (2,)),
    (7, -1, (1, 1)): (7, 0, (1, 2)),
    (7, -1, (2,)): (7, 0, (3,)),
    (7, 0, (1, 1, 1)): (7, 1, (1, 1, 2)),
}
ACCEPTORS = {v: k for k, v in DONORS.items()}
ENERGY = {(8, -1): 0.0, (16, -1): 0.0, (7, -1): 5.0, (7, 1): 0.0}
MAX_FORMS = 2000

Form = tuple[tuple[int, ...], tuple[int, ...]]  # charges, bond orders


def average_charges(mol: Mol) -> np.ndarray:
    """(N,) formal charge e of each atom, averaged over resonance forms with different charges.

    mol: kekulised, hydrogens explicit.
    """
    walker = _Walker(mol)
    if not any(walker.start[0]):
        return np.zeros(mol.GetNumAtoms())
    seen = {walker.start[0]}
    queue = [walker.start]
    for form in queue:
        if len(seen) >= MAX_FORMS:
            break
        for new in walker.neighbours(form):
            if new[0] not in seen:
                seen.add(new[0])
                queue.append(new)
    energy = {q: walker.energy(q) for q in seen}
    lowest = min(energy.values())
    return np.mean([q for q in sorted(seen) if energy[q] == lowest], axis=0)


class _Walker:
    def __init__(self, mol: Mol) -> None:
        self.z = [a.GetAtomicNum() for a in mol.GetAtoms()]
        self.bonds: list[list[tuple[int, int]]] = [[] for _ in self.z]
        orders: list[int] = []
        for bond in mol.GetBonds():
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            self.bonds[i].append((j, len(orders)))
            self.bonds[j].append((i, len(orders)))
            orders.append(round(bond.GetBondTypeAsDouble()))
        charges = tuple(a.GetFormalCharge() for a in mol.GetAtoms())
        self.start: Form = (charges, tuple(orders))

    def energy(self, charges: tuple[int, ...]) -> float:
        return sum(ENERGY.get((z, q), 0.0) for z, q in zip(self.z, charges, strict=True))

    def _key(self, form: Form, i: int) -> tuple[int, int, tuple[int, ...]]:
        return self.z[i], form[0][i], tuple(sorted(form[1][b] for _, b in self.bonds[i]))

    def neighbours(self, form: Form) -> Iterator[Form]:
        """Forms one transfer away."""
        for i in range(len(self.z)):
            new = DONORS.get(self._key(form, i))
            if new:
                yield from self._paths(form, [i], [], new[1])

    def _paths(self, form: Form, path: list[int], used: list[int], charge: int) -> Iterator[Form]:
        order = 1 + len(used) % 2  # single, double, single …
        for j, b in self.bonds[path[-1]]:
            if j in path or form[1][b] - order not in ((0, 1) if order == 2 else (0,)):
                continue
            end = ACCEPTORS.get(self._key(form, j)) if order == 2 else None
            if end:
                charges, orders = list(form[0]), list(form[1])
                charges[path[0]], charges[j] = charge, end[1]
                for k, bond in enumerate([*used, b]):
                    orders[bond] += 1 if k % 2 == 0 else -1
                yield tuple(charges), tuple(orders)
            if self.z[j] in (6, 7, 15, 16) and form[0][j] >= 0:
                yield from self._paths(form, [*path, j], [*used, b], charge)
