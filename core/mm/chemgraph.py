"""What a typer asks about a molecule: neighbours, Kekulé orders, rings and their aromaticity.

Ring classes as antechamber names them (described in its ATOMTYPE_GFF.DEF): AR1 pure aromatic (six
sp2 atoms, none with a double bond out of the ring system), AR2 planar with ring double bonds and
a lone-pair atom, AR3 planar with double bonds leaving the ring, AR4 mixed, AR5 all sp3.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from core.bonding import to_rdkit
from core.molecule import Molecule

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MAX_RING = 9  # larger rings are treated as chains
LONE_PAIR = {8, 16, 34}
HALOGENS = {9, 17, 35, 53}


class Graph:
    """A molecule as the typer sees it. Atoms count from 0.

    z: atomic numbers; near: neighbours; order: {(i, j): 1, 2 or 3} in one Kekulé form, both
    directions; charge: formal charges e. Raises BondingError where bond orders are unknown.
    """

    def __init__(self, molecule: Molecule) -> None:
        from rdkit import Chem

        self.mol: Mol = to_rdkit(molecule)
        Chem.Kekulize(self.mol, clearAromaticFlags=True)
        atoms = list(self.mol.GetAtoms())
        self.z = [a.GetAtomicNum() for a in atoms]
        self.charge = [a.GetFormalCharge() for a in atoms]
        self.radicals = [a.GetNumRadicalElectrons() for a in atoms]
        self.near: list[list[int]] = [[] for _ in atoms]
        self.order: dict[tuple[int, int], int] = {}
        for bond in self.mol.GetBonds():
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            self.near[i].append(j)
            self.near[j].append(i)
            self.order[i, j] = self.order[j, i] = round(bond.GetBondTypeAsDouble())
        found = [tuple(r) for r in Chem.GetSymmSSSR(self.mol)]
        self.rings = [r for r in found if len(r) <= MAX_RING]
        self.sizes: list[list[int]] = [[] for _ in atoms]
        for ring in self.rings:
            for i in ring:
                self.sizes[i].append(len(ring))

    def degree(self, i: int) -> int:
        """Number of bonded atoms."""
        return len(self.near[i])

    def hydrogens(self, i: int) -> int:
        """Number of bonded hydrogens."""
        return sum(self.z[j] == 1 for j in self.near[i])

    def orders(self, i: int) -> list[int]:
        """Kekulé orders of the bonds of an atom."""
        return [self.order[i, j] for j in self.near[i]]

    def is_(self, i: int, elements: int | set[int], degree: int | None = None) -> bool:
        """Whether atom i is of these elements and, where given, has that many neighbours."""
        known = {elements} if isinstance(elements, int) else elements
        return self.z[i] in known and (degree is None or self.degree(i) == degree)

    def aromatic(self, i: int, *kinds: int) -> bool:
        """Whether atom i is in a ring of one of the classes 1 to 5."""
        return any(k in self.classes[i] for k in kinds)

    def plain(self, i: int, j: int) -> bool:
        """Whether a bond is outside pure aromatic rings (only those lose their own orders)."""
        return (min(i, j), max(i, j)) not in self.aromatic_bonds

    def multiple(self, i: int) -> bool:
        """Whether atom i has a double bond, of any kind."""
        return 2 in self.orders(i)

    @cached_property
    def classes(self) -> list[set[int]]:
        """Ring classes (1 to 5) of every atom."""
        classes: list[set[int]] = [set() for _ in self.z]
        for ring, kind in zip(self.rings, self.kinds, strict=True):
            for i in ring:
                classes[i].add(kind)
        return classes

    @cached_property
    def kinds(self) -> list[int]:
        """Class (1 to 5) of every ring."""
        return [self._kind(ring) for ring in self.rings]

    @cached_property
    def aromatic_bonds(self) -> set[tuple[int, int]]:
        """Bonds of pure aromatic rings, i < j."""
        found = set()
        for ring, kind in zip(self.rings, self.kinds, strict=True):
            if kind == 1:
                for i, j in zip(ring, (*ring[1:], ring[0]), strict=True):
                    found.add((min(i, j), max(i, j)))
        return found

    def _kind(self, ring: tuple[int, ...]) -> int:
        weights = [self._planar(i, len(ring)) for i in ring]
        if all(w == 0 for w in weights):
            return 5
        if any(w == 0 for w in weights):
            return 4
        if len(ring) == 6 and all(w == 3 for w in weights):
            return 1
        if any(w == 1 for w in weights):
            return 3
        return 2

    def _planar(self, i: int, size: int) -> int:
        """0 sp3, 1 double bond out of all rings, 2 lone pair in the ring, 3 one p electron."""
        z, n = self.z[i], self.degree(i)
        if z == 6 and n == 3:
            return 1 if self.leaves(i) else 3
        if z in (7, 15) and n == 2:
            return 3
        if z in (7, 15) and n == 3:
            return 3 if 2 in self.orders(i) else 2
        if z in LONE_PAIR and n == 2:
            return 2 if size > 3 else 0
        return 0

    def leaves(self, i: int) -> bool:
        """Whether a double bond leads from ring atom i out of every ring."""
        return any(
            self.order[i, j] == 2 and not any(i in r and j in r for r in self.rings)
            for j in self.near[i]
        )
