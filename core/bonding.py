"""Bonds from a geometry, and which dihedrals make sense.

Everything but the bond orders is numpy, so a view may ask without waiting for a chemistry library.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from core.elements import COVALENT_RADII, SYMBOLS
from core.geometry import measure
from core.molecule import Molecule

if TYPE_CHECKING:
    from rdkit.Chem import Mol

#: Two atoms closer than this times the sum of their covalent radii are bonded. Wide enough for
#: the stretched bonds of hot frames (1.39 Å for C-H), narrower than 1-3 distances.
BOND_FACTOR = 1.3
#: Elements that never have more neighbours; the relatively longest contacts are dropped.
MAX_NEIGHBOURS = {1: 1, 6: 4}
#: An angle within this of 180° (rad) makes a dihedral over it ill-defined.
LINEAR = np.radians(5.0)
#: Bond-order assignments tried before giving up; reached only by wrong charges or geometries.
MAX_ORDER_TRIALS = 20_000


class BondingError(ValueError):
    """Bonds, bond orders or a dihedral are not what was asked for; the message says why."""


def label(molecule: Molecule, atom: int) -> str:
    """What a chemist calls an atom: element and number from 1, for example O3."""
    return f"{SYMBOLS[molecule.numbers[atom]]}{atom + 1}"


def chain_label(molecule: Molecule, atoms: Sequence[int]) -> str:
    """Several atoms in one name, for example C1–C2–O3–H9."""
    return "–".join(label(molecule, atom) for atom in atoms)


def connectivity(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Bonds (B,2), i < j, from covalent radii (Cordero 2008) x BOND_FACTOR.

    numbers (N,); positions (N,3) Å.
    """
    radii = COVALENT_RADII[numbers]
    i, j = np.triu_indices(len(numbers), 1)
    stretch = np.linalg.norm(positions[i] - positions[j], axis=1) / (radii[i] + radii[j])
    close = stretch < BOND_FACTOR
    order = np.argsort(stretch[close], kind="stable")
    free = np.array([MAX_NEIGHBOURS.get(int(z), len(numbers)) for z in numbers])
    kept = []
    for a, b in zip(i[close][order], j[close][order], strict=True):
        if free[a] > 0 and free[b] > 0:
            kept.append((a, b))
            free[[a, b]] -= 1
    return np.array(sorted(kept), dtype=np.int64).reshape(-1, 2)


def perceive(molecule: Molecule) -> tuple[Molecule, str]:
    """Bonds and orders from geometry and charge, whatever the molecule has now.

    Returns the molecule and a note: "" when all went well, else why the bond orders could not be
    determined; the bonds are then those of the covalent radii and all orders are 0.
    """
    bonds = connectivity(molecule.numbers, molecule.positions)
    return with_orders(dataclasses.replace(molecule, bonds=bonds, orders=np.zeros(len(bonds))))


def with_orders(molecule: Molecule) -> tuple[Molecule, str]:
    """Bond orders for the molecule's bonds: one Kekulé form (1, 2, 3); note as in `perceive`.

    All single where that satisfies every valence, else by RDKit's rdDetermineBonds (the method of
    xyz2mol: Kim & Kim, Bull. Korean Chem. Soc. 36, 1769 (2015)) from connectivity and charge.
    """
    single = dataclasses.replace(molecule, orders=np.ones(len(molecule.bonds)))
    if molecule.charge == 0 and _saturated(single):
        return single, ""
    from rdkit import rdBase
    from rdkit.Chem import BondType, Kekulize, rdDetermineBonds

    mol = _skeleton(molecule, [BondType.SINGLE] * len(molecule.bonds))
    with rdBase.BlockLogs():  # the reason is passed on instead
        try:
            mol.UpdatePropertyCache(strict=False)
            rdDetermineBonds.DetermineBondOrders(
                mol,
                charge=molecule.charge,
                allowChargedFragments=molecule.multiplicity == 1,
                embedChiral=False,
                maxIterations=MAX_ORDER_TRIALS,
            )
            Kekulize(mol, clearAromaticFlags=True)
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            note = (
                f"bond orders of {molecule.name or molecule.formula} could not be determined at "
                f"charge {molecule.charge:+d} ({reason}); only which atoms are bonded is known"
            )
            return dataclasses.replace(molecule, orders=np.zeros(len(molecule.bonds))), note
    pairs = [mol.GetBondBetweenAtoms(int(a), int(b)) for a, b in molecule.bonds]
    orders = np.array([b.GetBondTypeAsDouble() for b in pairs], dtype=np.float64)
    return dataclasses.replace(molecule, orders=orders), ""


def with_bonds(molecule: Molecule) -> Molecule:
    """The molecule with bonds and orders; unchanged where it has them.

    Where bond orders cannot be determined they are 0 (see `perceive` for the reason); `to_rdkit`
    then refuses, with that reason.
    """
    return molecule if len(molecule.bonds) else perceive(molecule)[0]


def _skeleton(molecule: Molecule, kinds: Sequence) -> Mol:
    """Unsanitised RDKit molecule: all atoms explicit, one conformer (Å), given bond types."""
    from rdkit import Chem
    from rdkit.Geometry import Point3D

    mol = Chem.RWMol()
    for z in molecule.numbers:
        atom = Chem.Atom(int(z))
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for (a, b), kind in zip(molecule.bonds, kinds, strict=True):
        mol.AddBond(int(a), int(b), kind)
    conformer = Chem.Conformer(len(molecule.numbers))
    for i, xyz in enumerate(molecule.positions):
        conformer.SetAtomPosition(i, Point3D(*map(float, xyz)))
    mol.AddConformer(conformer, assignId=True)
    return mol


def to_rdkit(molecule: Molecule) -> Mol:
    """Sanitised RDKit molecule, hydrogens explicit, atom order and one conformer (Å) as here.

    Formal charges follow from the Kekulé orders. Raises BondingError when orders are unknown, or
    make another total charge than the molecule has.
    """
    from rdkit import Chem, rdBase

    name = molecule.name or molecule.formula
    known, note = molecule, ""
    if not len(molecule.bonds):
        known, note = perceive(molecule)
    elif not np.isin(molecule.orders, (1, 2, 3)).all():
        known, note = with_orders(molecule)
    if note:
        raise BondingError(f"{note}. Give the molecule as MOL or SDF, or correct its charge")
    kinds = [Chem.BondType.values[round(o)] for o in known.orders]
    mol = _skeleton(known, kinds)
    for atom, charge in zip(mol.GetAtoms(), _formal_charges(known), strict=True):
        atom.SetFormalCharge(int(charge))
    try:
        with rdBase.BlockLogs():
            Chem.SanitizeMol(mol)
    except ValueError as error:
        raise BondingError(f"{name}: {error}") from error
    Chem.AssignStereochemistryFrom3D(mol)
    return mol.GetMol()


#: Usual sums of bond orders of a neutral atom.
_VALENCES = {1: (1,), 5: (3,), 6: (4,), 7: (3,), 8: (2,), 9: (1,), 14: (4,), 15: (3, 5)}
_VALENCES |= {16: (2, 4, 6), 17: (1, 3, 5, 7), 34: (2, 4, 6), 35: (1, 3, 5, 7), 53: (1, 3, 5, 7)}


def _valences(molecule: Molecule) -> np.ndarray:
    """(N,) sums of bond orders."""
    valence = np.zeros(len(molecule.numbers))
    np.add.at(valence, molecule.bonds.ravel(), np.repeat(molecule.orders, 2))
    return valence.round().astype(int)


def _saturated(molecule: Molecule) -> bool:
    """Whether every atom with a usual valence has one."""
    pairs = zip(molecule.numbers, _valences(molecule), strict=True)
    return all(v in _VALENCES.get(int(z), (v,)) for z, v in pairs)


def _formal_charges(molecule: Molecule) -> np.ndarray:
    """(N,) formal charges e from Kekulé orders; they add up to the molecule's charge."""
    charges = np.zeros(len(molecule.numbers), dtype=int)
    open_shell = []  # cation, anion or radical: only the total charge can tell
    for i, (z, v) in enumerate(zip(molecule.numbers, _valences(molecule), strict=True)):
        usual = _VALENCES.get(int(z))
        if usual is None or v in usual:
            continue
        if z == 5:
            charges[i] = -1
        elif z in (7, 8, 15, 16, 34) and not (molecule.multiplicity > 1 and v < usual[0]):
            charges[i] = v - min((abs(u - v), u) for u in usual)[1]
        else:
            open_shell.append(i)
    for i in open_shell:
        left = molecule.charge - charges.sum()
        charges[i] = np.sign(left)
    if charges.sum() == molecule.charge:
        return charges
    unknown = [i for i, z in enumerate(molecule.numbers) if int(z) not in _VALENCES]
    if unknown:  # metals and noble gases carry what is left
        charges[unknown[0]] = molecule.charge - charges.sum()
        return charges
    raise BondingError(
        f"the bond orders of {molecule.name or molecule.formula} make a total charge of "
        f"{charges.sum():+d}, but its charge is {molecule.charge:+d}: correct one of them"
    )


# -- dihedrals --------------------------------------------------------------------------------


def neighbours(molecule: Molecule) -> list[list[int]]:
    """Sorted neighbour lists, from the molecule's bonds or, without any, from its geometry."""
    bonds = molecule.bonds
    if not len(bonds):
        bonds = connectivity(molecule.numbers, molecule.positions)
    lists: list[list[int]] = [[] for _ in molecule.numbers]
    for a, b in bonds:
        lists[a].append(int(b))
        lists[b].append(int(a))
    return [sorted(n) for n in lists]


def _side(near: list[list[int]], start: int, without: int) -> set[int]:
    """Atoms reached from `start` when the bond start-without is cut (contains `without`: ring)."""
    seen, queue = {start}, deque(n for n in near[start] if n != without)
    seen.update(queue)
    while queue:
        for n in near[queue.popleft()]:
            if n not in seen:
                seen.add(n)
                queue.append(n)
    return seen


def why_not_dihedral(molecule: Molecule, atoms: Sequence[int]) -> str:
    """Why these four atoms (from 0) make no sense as a dihedral axis; "" when they do."""
    n = len(molecule.numbers)
    atoms = [int(a) for a in atoms]
    if len(atoms) != 4:
        return f"a dihedral takes 4 atoms, not {len(atoms)}"
    for a in atoms:
        if not 0 <= a < n:
            return f"there is no atom {a + 1}: the molecule has {n}"
    if len(set(atoms)) != 4:
        return "a dihedral takes 4 different atoms"
    name = [label(molecule, a) for a in atoms]
    near = neighbours(molecule)
    for a in atoms:
        if all(b in near[a] for b in atoms if b != a):
            return (
                f"{label(molecule, a)} is bonded to the three others: this is an improper "
                "dihedral, which cannot be turned"
            )
    for a, b in pairwise(range(4)):
        if atoms[b] not in near[atoms[a]]:
            return f"{name[a]} and {name[b]} are not bonded"
    for a in range(2):
        angle = float(measure(molecule.positions, atoms[a : a + 3]))
        if not LINEAR < angle < np.pi - LINEAR:
            return (
                f"the angle {'-'.join(name[a : a + 3])} is linear ({np.degrees(angle):.0f}°), so "
                "the dihedral is not defined"
            )
    if atoms[1] in _side(near, atoms[2], atoms[1]):
        return f"the central bond {name[1]}-{name[2]} is in a ring and cannot be turned"
    return ""


def moving_atoms(molecule: Molecule, atoms: Sequence[int]) -> np.ndarray:
    """(N,) bool: the atoms that turn with the last atom of the dihedral.

    Raises BondingError with the reason when the dihedral makes no sense.
    """
    reason = why_not_dihedral(molecule, atoms)
    if reason:
        raise BondingError(reason)
    moving = np.zeros(len(molecule.numbers), dtype=bool)
    moving[list(_side(neighbours(molecule), int(atoms[2]), int(atoms[1])))] = True
    moving[int(atoms[2])] = False  # on the axis
    return moving


def dihedrals(molecule: Molecule) -> list[tuple[int, int, int, int]]:
    """One dihedral per rotatable bond (single, in no ring, not linear), best suggestion first.

    Heavy-atom chains come before X-H rotors, those before symmetric tops such as methyl; ends are
    the heaviest neighbours, then the lowest index. Ethanol: C-C-O-H, H-C-C-O.
    """
    molecule = with_bonds(molecule)
    near = neighbours(molecule)
    z = molecule.numbers
    found = []
    for (j, k), order in zip(molecule.bonds, molecule.orders, strict=True):
        j, k = sorted((int(j), int(k)))
        ends = [[n for n in near[a] if n != b] for a, b in ((j, k), (k, j))]
        if order >= 1.5 or not all(ends):
            continue
        first, last = (min(e, key=lambda n: (-z[n], n)) for e in ends)
        if why_not_dihedral(molecule, (first, j, k, last)):
            continue
        tops = sum(len(e) > 2 and len({int(z[n]) for n in e}) == 1 for e in ends)
        heavy = int(z[first] > 1) + int(z[last] > 1)
        smaller = min(len(_side(near, k, j)), len(_side(near, j, k)))
        found.append(((tops, -heavy, -smaller), (first, j, k, last)))
    return [atoms for _, atoms in sorted(found)]
