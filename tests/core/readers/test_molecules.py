"""SMILES, MOL and SDF."""

from __future__ import annotations

import numpy as np
import pytest

from core.readers import ReaderError, read


def molecule(importer, smiles):
    return importer(smiles, format="smiles").datasets[0].molecule


def test_smiles_is_always_the_same_geometry(importer):
    a, b = molecule(importer, "CCO"), molecule(importer, "CCO")
    assert a.formula == "C2H6O"
    assert np.array_equal(a.positions, b.positions)
    assert len(a.bonds) == 8
    length = np.linalg.norm(a.positions[0] - a.positions[1])
    assert 1.48 < length < 1.56


@pytest.mark.parametrize(
    ("smiles", "formula", "charge", "multiplicity", "orders"),
    [
        ("CC(=O)[O-]", "C2H3O2", -1, 1, {1.0, 2.0}),
        ("C[NH3+]", "CH6N", 1, 1, {1.0}),
        ("[CH3]", "CH3", 0, 2, {1.0}),
        ("c1ccccc1", "C6H6", 0, 1, {1.0, 2.0}),
        ("N#N", "N2", 0, 1, {3.0}),
        ("[H]", "H", 0, 2, set()),
    ],
)
def test_smiles_charge_spin_bonds(importer, smiles, formula, charge, multiplicity, orders):
    m = molecule(importer, smiles)
    assert (m.formula, m.charge, m.multiplicity) == (formula, charge, multiplicity)
    assert set(m.orders.tolist()) == orders


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("[Na+].[Cl-]", "2 separate parts"), ("C(", "bracket is open"), ("xyz", "is not a SMILES"),
        ("*CC", "placeholder"), ("C" * 201, "heavy atoms"), ("C" * 3000, "3000 characters"),
        ("", "empty"), ("C C", "characters"), ("C(C)(C)(C)(C)C", "not a possible molecule"),
    ],
)  # fmt: skip
def test_smiles_refused(smiles, message):
    with pytest.raises(ReaderError, match=message):
        read(smiles, format="smiles")


def mol_block(smiles: str, *, hydrogens: bool = True, flat: bool = False, seed: int = 1) -> str:
    from rdkit import Chem
    from rdkit.Chem import rdDepictor, rdDistGeom

    mol = Chem.MolFromSmiles(smiles)
    mol = Chem.AddHs(mol) if hydrogens else mol
    if flat:
        rdDepictor.Compute2DCoords(mol)
    else:
        rdDistGeom.EmbedMolecule(mol, randomSeed=seed)
    return Chem.MolToMolBlock(mol)


def test_mol_keeps_bonds_charge_and_geometry(tmp_path, importer):
    path = tmp_path / "a.mol"
    text = mol_block("CC(=O)[O-]")
    path.write_text(text)
    m = importer(path).datasets[0].molecule
    assert (m.formula, m.charge) == ("C2H3O2", -1)
    assert m.orders.tolist().count(2.0) == 1
    x = float(text.splitlines()[4][:10])
    assert m.positions[0, 0] == x


def test_flat_mol_gets_hydrogens_and_a_geometry(tmp_path, importer):
    path = tmp_path / "a.mol"
    path.write_text(mol_block("CCO", hydrogens=False, flat=True))
    found = importer(path)
    m = found.datasets[0].molecule
    assert m.formula == "C2H6O"
    assert np.ptp(m.positions, axis=0).min() > 0.5
    assert any("hydrogens" in n for n in found.reports[0].notes)
    assert any("3-D" in n for n in found.reports[0].notes)


def test_sdf_of_conformers_is_one_data_set(tmp_path, importer):
    path = tmp_path / "a.sdf"
    path.write_text("".join(mol_block("CCCO", seed=k) + "$$$$\n" for k in (1, 2, 3)))
    found = importer(path)
    assert len(found.datasets) == 1
    assert len(found.datasets[0]) == 3
    assert len(found.datasets[0].molecule.bonds) == 11


def test_broken_mol_says_why(tmp_path):
    path = tmp_path / "a.mol"
    text = mol_block("CCO")
    path.write_text(text[: len(text) // 2])
    with pytest.raises(ReaderError, match=r"a\.mol"):
        read(path)
    path.write_text("\n\n\n999999  0  0  0  0  0  0  0  0  0999 V2000\n")
    with pytest.raises(ReaderError, match=r"announces|fewer lines"):
        read(path)
    path.write_text("\n\n\n  0  0  0     0  0            999 V3000\nM  V30 COUNTS 9999999999 0 0\n")
    with pytest.raises(ReaderError, match="9999999999 atoms"):
        read(path)
