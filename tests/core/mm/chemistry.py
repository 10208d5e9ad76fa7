"""Molecules for the tests of molecular mechanics, from SMILES and without a geometry."""

from __future__ import annotations

import numpy as np
from rdkit import Chem

from core.mm.typing import FAMILIES, TWINS
from core.molecule import Molecule

FIRST = {b: a for a, b in TWINS.items()}


def molecule(smiles: str) -> Molecule:
    """Bonds and orders of a SMILES string, hydrogens last; positions mean nothing."""
    return from_rdkit(Chem.AddHs(Chem.MolFromSmiles(smiles)), name=smiles)


def from_rdkit(mol: Chem.Mol, *, name: str) -> Molecule:
    mol = Chem.Mol(mol)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    n = mol.GetNumAtoms()
    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
    positions = np.stack([np.arange(n), np.arange(n) % 3, np.arange(n) % 2], axis=1) * 1.4
    return Molecule(
        name,
        [a.GetAtomicNum() for a in mol.GetAtoms()],
        mol.GetConformer().GetPositions() if mol.GetNumConformers() else positions,
        charge=Chem.GetFormalCharge(mol),
        bonds=np.array(bonds).reshape(-1, 2),
        orders=[b.GetBondTypeAsDouble() for b in mol.GetBonds()],
    )


def differences(molecule: Molecule, ours: tuple[str, ...], theirs: tuple[str, ...]) -> list[str]:
    """Where types differ by more than a swap of twins (cc/cd …) within one conjugated system."""
    found = [
        f"atom {i + 1}: {a} for {b}"
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
        if FIRST.get(a, a) != FIRST.get(b, b)
    ]
    for i, j in molecule.bonds.tolist():
        for family in FAMILIES:
            if all(FIRST.get(t[k], t[k]) in family for t in (ours, theirs) for k in (i, j)):
                mine, other = ((t[i] in FIRST) != (t[j] in FIRST) for t in (ours, theirs))
                if mine != other:
                    found.append(
                        f"bond {i + 1}-{j + 1}: {ours[i]}-{ours[j]} {theirs[i]}-{theirs[j]}"
                    )
    return found
