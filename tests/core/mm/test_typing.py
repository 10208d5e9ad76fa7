"""GAFF types against antechamber's (AmberTools 26), and where there must be none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from core.mm.mol2 import read_mol2
from core.mm.tables import table
from core.mm.typing import RULES, TypingError, atom_types
from core.molecule import Molecule
from tests.core.mm.chemistry import differences, from_rdkit, molecule

#: SMILES, types of GAFF, types of GAFF2 where they differ, as antechamber assigns them.
TEXT = """
CC(=O)N(C)C
c3 c o n c3 c3 hc hc hc h1 h1 h1 h1 h1 h1

CC#N
c3 c1 n1 hc hc hc

C=CC#C
c2 ce cg c1 ha ha ha ha

CSC
c3 ss c3 h1 h1 h1 h1 h1 h1

CSSC
c3 ss ss c3 h1 h1 h1 h1 h1 h1

CS(=O)C
c3 s4 o c3 h1 h1 h1 h1 h1 h1

CS(=O)(=O)N
c3 s6 o o n3 h1 h1 h1 hn hn
c3 s6 o o n8 h1 h1 h1 hn hn

C=CS(=O)(=O)C
c2 ce sy o o c3 ha ha h4 h1 h1 h1

C1CO1
cx cx op h1 h1 h1 h1

C1CN1
cx cx np h1 h1 h1 h1 hn
cx cx n5 h1 h1 h1 h1 hn

O=C1CCN1
o c cy cy nj hc hc h1 h1 hn
o c cy cy ns hc hc h1 h1 hn

C1=CCC1
cv cv cy cy ha ha hc hc hc hc

C1CCCCC1
c3 c3 c3 c3 c3 c3 hc hc hc hc hc hc hc hc hc hc hc hc
c6 c6 c6 c6 c6 c6 hc hc hc hc hc hc hc hc hc hc hc hc

C1CCCN1
c3 c3 c3 c3 n3 h1 h1 hc hc hc hc h1 h1 hn
c5 c5 c5 c5 n7 h1 h1 hc hc hc hc h1 h1 hn

c1ccc(cc1)-c1ccccc1
ca ca ca cp ca ca cp ca ca ca ca ca ha ha ha ha ha ha ha ha ha ha

c1ccc2[nH]ccc2c1
ca ca ca ca na cc cd ca ca ha ha ha hn h4 ha ha

c1cscn1
cc cd ss cd nc h4 h4 h5

c1cncnc1
ca ca nb ca nb ca ha h4 h5 h4

O=c1cccc[nH]1
o c cc cd cd cc n ha ha ha h4 hn
o c cc cd cd cc ns ha ha ha h4 hn

O=C1C=CC(=O)C=C1
o c cc cd c o cc cd ha ha ha ha

Nc1ccccc1
nh ca ca ca ca ca ca hn hn ha ha ha ha ha
nv ca ca ca ca ca ca hn hn ha ha ha ha ha

CNC
c3 n3 c3 h1 h1 h1 hn h1 h1 h1
c3 n7 c3 h1 h1 h1 hn h1 h1 h1

C/C=N/C
c3 c2 n2 c3 hc hc hc h4 h1 h1 h1

C=CC=N
c2 ce ce n2 ha ha ha h4 hn

NC(=N)N
nh c2 n2 nh hn hn hn hn hn
nv c2 n2 nv hn hn hn hn hn

CC(=O)Nc1ccccc1
c3 c o n ca ca ca ca ca ca hc hc hc hn ha ha ha ha ha
c3 c o ns ca ca ca ca ca ca hc hc hc hn ha ha ha ha ha

NC(=S)N
n c s n hn hn hn hn
nt cs s nt hn hn hn hn

C[N+](=O)[O-]
c3 no o o h1 h1 h1

C[NH3+]
c3 n4 hx hx hx hn hn hn
c3 nz hx hx hx hn hn hn

C[NH+](C)C
c3 n4 c3 c3 hx hx hx hn hx hx hx hx hx hx
c3 nx c3 c3 hx hx hx hn hx hx hx hx hx hx

CC(=O)[O-]
c3 c o o hc hc hc

c1cc[nH+]cc1
ca ca ca na ca ca ha ha h4 hn h4 ha

COP(=O)(OC)OC
c3 os p5 o os c3 os c3 h1 h1 h1 h1 h1 h1 h1 h1 h1

C=CP(=O)(C)C
c2 ce py o c3 c3 ha ha ha hc hc hc hc hc hc

CP(C)C
c3 p3 c3 c3 hc hc hc hc hc hc hc hc hc

CN=[N+]=[N-]
c3 n2 n1 n1 h1 h1 h1

C/N=N/C
c3 n2 n2 c3 h1 h1 h1 h1 h1 h1

C=Cc1ccco1
c2 ce cc cd cd cc os ha ha ha ha ha h4

CC(F)(F)F
c3 c3 f f f hc hc hc

Clc1ccccc1
cl ca ca ca ca ca ca ha ha ha ha ha

OO
oh oh ho ho

O
oh ho ho
"""
EXPECTED = [(*block.split("\n"), "")[:3] for block in TEXT.strip().split("\n\n")]


@pytest.mark.parametrize("index", range(24))
def test_the_24_molecules_of_the_oracle(index: int, shared: Path) -> None:
    stem = shared / "oracles" / "typing" / f"m{index}"
    mol = from_rdkit(Chem.MolFromMolFile(f"{stem}.sdf", removeHs=False), name=stem.name)
    expected = read_mol2(f"{stem}.mol2")[1]
    assert not differences(mol, atom_types(mol), expected)


@pytest.mark.parametrize("flavour", ["gaff", "gaff2"])
@pytest.mark.parametrize("name", ["ethanol", "malonaldehyde", "aspirin", "azobenzene", "3bpa"])
def test_the_parametrised_molecules(name: str, flavour: str, shared: Path) -> None:
    mol, expected, _ = read_mol2(shared / "oracles" / "gaff" / f"{name}_{flavour}.mol2")
    assert not differences(mol, atom_types(mol, flavour=flavour), expected)
    bare = dataclasses.replace(mol, bonds=np.zeros((0, 2)), orders=np.zeros(0))
    assert not differences(mol, atom_types(bare, flavour=flavour), expected)  # from the geometry


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: row[0])
def test_environments_as_antechamber_sees_them(row: tuple[str, str, str]) -> None:
    smiles, gaff, gaff2 = row
    mol = molecule(smiles)
    assert not differences(mol, atom_types(mol), tuple(gaff.split()))
    assert not differences(mol, atom_types(mol, flavour="gaff2"), tuple((gaff2 or gaff).split()))


@pytest.mark.parametrize("smiles", ["Cn1c(=O)c2c(ncn2C)n(C)c1=O", "C=CC=Cc1ccco1", "C=CC#CC=N"])
def test_the_order_of_atoms_does_not_matter(smiles: str) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    order = np.random.default_rng(4).permutation(mol.GetNumAtoms()).tolist()
    shuffled = from_rdkit(Chem.RenumberAtoms(mol, order), name="shuffled")
    straight = atom_types(molecule(smiles))
    assert not differences(shuffled, atom_types(shuffled), tuple(straight[i] for i in order))


@pytest.mark.parametrize("flavour", ["gaff", "gaff2"])
def test_twins_differ_over_double_bonds_and_agree_over_single_ones(flavour: str) -> None:
    mol = molecule("C=CC=CC=CC=CC=C")
    types = atom_types(mol, flavour=flavour)
    inner = {i for i, t in enumerate(types) if t in ("ce", "cf")}
    assert len(inner) == 8
    for (i, j), order in zip(mol.bonds.tolist(), mol.orders, strict=True):
        if i in inner and j in inner:
            assert (types[i] != types[j]) == (order == 2)


@pytest.mark.parametrize("flavour", ["gaff", "gaff2"])
def test_every_type_has_parameters(flavour: str) -> None:
    known = table(flavour)
    for smiles, *_ in EXPECTED:
        assert set(atom_types(molecule(smiles), flavour=flavour)) <= set(known.vdw)


@pytest.mark.parametrize(
    ("smiles", "words"),
    [
        ("CB(O)O", "B2 (B)"),
        ("C[Si](C)(C)C", "Si2 (Si)"),
        ("[Fe]", "Fe1 (Fe)"),
        ("[Na+].[Cl-]", "Na1 (Na)"),
        ("C[Se]C", "Se2 (Se)"),
    ],
)
def test_an_element_without_a_type_is_named(smiles: str, words: str) -> None:
    with pytest.raises(TypingError) as error:
        atom_types(molecule(smiles))
    assert words in str(error.value)


def test_radicals_are_refused() -> None:
    methyl = dataclasses.replace(molecule("[CH3]"), multiplicity=2)
    with pytest.raises(TypingError, match="radical"):
        atom_types(methyl)
    with pytest.raises(TypingError):
        atom_types(dataclasses.replace(methyl, multiplicity=1))


def test_a_bare_proton_has_no_type() -> None:
    proton = _proton()
    with pytest.raises(TypingError, match="H1"):
        atom_types(proton)


def _proton() -> Molecule:
    return Molecule("H+", [1], np.zeros((1, 3)), charge=1)


def test_an_unknown_flavour_is_refused() -> None:
    with pytest.raises(TypingError, match="gaff3"):
        atom_types(molecule("C"), flavour="gaff3")


def test_the_rules_cover_the_elements_that_the_message_lists() -> None:
    assert sorted(RULES) == [1, 6, 7, 8, 9, 15, 16, 17, 35, 53]
