"""Bonds from geometries, hot ones too, and which dihedrals make sense."""

from __future__ import annotations

import subprocess
import sys

import ase.io
import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from core.bonding import (
    BondingError,
    connectivity,
    dihedrals,
    moving_atoms,
    perceive,
    to_rdkit,
    why_not_dihedral,
    with_bonds,
)
from core.molecule import Molecule
from tests.molecules import ETHANOL, HYDROXYL, METHYL, ethanol_frames, without_bonds


def from_smiles(smiles: str, *, bonds: bool = False) -> Molecule:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
    numbers = [a.GetAtomicNum() for a in mol.GetAtoms()]
    extra = {}
    if bonds:
        extra["bonds"] = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]
        extra["orders"] = [b.GetBondTypeAsDouble() for b in mol.GetBonds()]
    xyz = mol.GetConformer().GetPositions()
    return Molecule(smiles, numbers, xyz, charge=Chem.GetFormalCharge(mol), **extra)


def smiles_of(mol) -> str:
    """Canonical, without hydrogens and stereo."""
    return Chem.MolToSmiles(Chem.RemoveHs(mol), isomericSmiles=False)


SMILES = [
    "CCO", "O=CC=CO", "CC(=O)Oc1ccccc1C(=O)O", "c1ccc(N=Nc2ccccc2)cc1", "c1cc[nH]c1", "c1ccncc1",
    "C[N+](=O)[O-]", "CC(=O)[O-]", "C[NH3+]", "C[N+]#[C-]", "CN=[N+]=[N-]", "CS(C)(=O)=O",
    "COP(=O)(O)O", "C[SiH3]", "BrBr", "CC#CC", "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "C1CC1", "O.O",
    "NCC(=O)O", "[NH3+]CC(=O)[O-]", "Oc1ccc2ccccc2c1",
]  # fmt: skip


@pytest.mark.parametrize("smiles", SMILES)
@pytest.mark.parametrize("bonds", [False, True])
def test_molecule_comes_back_from_its_geometry(smiles, bonds):
    if smiles == "O.O":  # embedded waters overlap: move them apart
        one = from_smiles("O")
        r = np.concatenate([one.positions, one.positions + np.array([0, 0, 3.0])])
        molecule = Molecule("dimer", np.tile(one.numbers, 2), r)
    else:
        molecule = from_smiles(smiles, bonds=bonds)
    assert smiles_of(to_rdkit(molecule)) == Chem.CanonSmiles(smiles)
    assert Chem.GetFormalCharge(to_rdkit(molecule)) == molecule.charge


def test_atom_order_and_geometry_are_kept():
    mol = to_rdkit(ETHANOL)
    assert [a.GetAtomicNum() for a in mol.GetAtoms()] == list(ETHANOL.numbers)
    assert np.allclose(mol.GetConformer().GetPositions(), ETHANOL.positions)


def test_hot_frames_have_the_bonds_of_cold_ones():
    want = connectivity(ETHANOL.numbers, ETHANOL.positions)
    assert np.array_equal(want, ETHANOL.bonds)
    for r in ethanol_frames(200, shake=0.05):  # bonds stretched by up to a quarter
        assert np.array_equal(connectivity(ETHANOL.numbers, r), want)


@pytest.mark.parametrize("name", ["ethanol", "malonaldehyde", "aspirin"])
def test_every_frame_of_500_k_dynamics(shared, name):
    data = np.load(shared / "data" / "rmd17" / f"rmd17_{name}_train_01.npz")
    numbers, frames = data["nuclear_charges"], data["coords"][::5]
    want = connectivity(numbers, frames[0])
    assert all(np.array_equal(connectivity(numbers, r), want) for r in frames)


def test_dimers_and_drives_of_others(shared):
    frames = ase.io.read(shared / "data" / "torsions" / "roche_gen2.extxyz", "::40")
    for atoms in frames:
        charge = int(atoms.info.get("charge", 0))
        molecule, note = perceive(Molecule("x", atoms.numbers, atoms.positions, charge=charge))
        assert note == ""
        to_rdkit(molecule)


def test_wrong_charge_is_said_not_hidden():
    odd = Molecule("benzene", *benzene(), charge=1)
    molecule, note = perceive(odd)
    assert "bond orders of benzene could not be determined at charge +1" in note
    assert len(molecule.bonds) == 12
    assert not molecule.orders.any()
    with pytest.raises(BondingError, match=r"at charge \+1.*correct its charge"):
        to_rdkit(odd)
    with pytest.raises(BondingError, match=r"charge is \+1"):
        to_rdkit(Molecule("x", ETHANOL.numbers, ETHANOL.positions, charge=1, bonds=ETHANOL.bonds,
                          orders=ETHANOL.orders))  # fmt: skip


def benzene() -> tuple[list[int], np.ndarray]:
    a = np.arange(6) * np.pi / 3
    ring = np.stack([np.cos(a), np.sin(a), 0 * a], axis=1)
    return [6] * 6 + [1] * 6, np.concatenate([1.39 * ring, 2.48 * ring])


def test_bonds_that_are_there_stay():
    assert with_bonds(ETHANOL) is ETHANOL
    found = with_bonds(without_bonds(ETHANOL))
    assert np.array_equal(found.bonds, ETHANOL.bonds)
    assert np.array_equal(found.orders, ETHANOL.orders)


# -- dihedrals --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("smiles", "atoms", "why"),
    [
        ("CCO", (0, 1, 2), "takes 4 atoms, not 3"),
        ("CCO", (0, 1, 2, 9), "no atom 10: the molecule has 9"),
        ("CCO", (0, 1, 2, 0), "4 different atoms"),
        ("CCO", (3, 1, 2, 8), "H4 and C2 are not bonded"),
        ("CCO", (0, 3, 4, 5), "C1 is bonded to the three others.*improper"),
        ("CC#CC", (0, 1, 2, 3), "angle C1-C2-C3 is linear"),
        ("C1CCCCC1", (0, 1, 2, 3), "bond C2-C3 is in a ring"),
        ("CCO", (0, 1, 2, 8), ""),
        ("CCO", (8, 2, 1, 0), ""),
        ("CC1CC1", (4, 0, 1, 2), ""),
        ("C=C", (2, 0, 1, 4), ""),  # a double bond can be turned, if at a price
    ],
)
def test_reasons(smiles, atoms, why):
    import re

    molecule = from_smiles(smiles)
    reason = why_not_dihedral(molecule, atoms)
    assert re.search(why, reason) if why else reason == ""
    if why:
        with pytest.raises(BondingError, match=why):
            moving_atoms(molecule, atoms)


def test_moving_atoms_are_the_far_side():
    assert np.flatnonzero(moving_atoms(ETHANOL, HYDROXYL)).tolist() == [8]
    assert np.flatnonzero(moving_atoms(ETHANOL, HYDROXYL[::-1])).tolist() == [0, 3, 4, 5, 6, 7]
    assert np.flatnonzero(moving_atoms(ETHANOL, METHYL)).tolist() == [2, 6, 7, 8]
    assert np.array_equal(
        moving_atoms(without_bonds(ETHANOL), METHYL), moving_atoms(ETHANOL, METHYL)
    )


def test_suggestions():
    assert dihedrals(ETHANOL) == [HYDROXYL, METHYL]
    assert dihedrals(without_bonds(ETHANOL)) == [HYDROXYL, METHYL]
    butane = dihedrals(from_smiles("CCCC"))
    assert butane[0] == (0, 1, 2, 3)
    assert len(butane) == 3
    assert dihedrals(from_smiles("C1CC1")) == []
    assert dihedrals(from_smiles("CC#CC")) == []  # linear
    assert len(dihedrals(from_smiles("C=CC=C"))) == 1  # not about double bonds
    assert dihedrals(from_smiles("c1ccccc1-c1ccccc1"))[0][1:3] == (5, 6)
    for smiles in ("CC(=O)Oc1ccccc1C(=O)O", "NCC(=O)O"):
        molecule = from_smiles(smiles)
        for atoms in dihedrals(molecule):
            assert why_not_dihedral(molecule, atoms) == ""


def test_a_view_may_ask_without_a_chemistry_library():
    code = (
        "import sys; from core.bonding import why_not_dihedral, moving_atoms\n"
        "from core.molecule import Molecule\n"
        "m = Molecule('x', [8, 8, 1, 1], [[0,0,0],[1.4,0,0],[-.3,.9,0],[1.7,0,.9]])\n"
        "assert not why_not_dihedral(m, (2, 0, 1, 3)) and moving_atoms(m, (2, 0, 1, 3)).any()\n"
        "assert not {'rdkit', 'torch', 'scipy', 'ase'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
