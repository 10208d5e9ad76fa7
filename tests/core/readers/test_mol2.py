"""mol2 through the door that File > Open, dropping and the command line share."""

import numpy as np
import pytest

from core.bonding import to_rdkit
from core.readers import ReaderError, detect, read
from tests.core.mm.test_mol2 import FORMALDEHYDE

BENZENE_RING = [(i, (i + 1) % 6) for i in range(6)]


def benzene() -> str:
    """With aromatic bonds and SYBYL types, as docking programs write it."""
    angles = np.arange(6) * np.pi / 3
    atoms = [f"{r * np.cos(a):.4f} {r * np.sin(a):.4f} 0.0 {t}"
             for r, t in ((1.39, "C.ar"), (2.48, "H")) for a in angles]  # fmt: skip
    bonds = [(a, b, "ar") for a, b in BENZENE_RING] + [(i, i + 6, "1") for i in range(6)]
    lines = ["@<TRIPOS>MOLECULE", "benzene", " 12 12 0 0 0", "SMALL", "NO_CHARGES", ""]
    lines += ["@<TRIPOS>ATOM", *(f"{i} X{i} {row}" for i, row in enumerate(atoms, 1))]
    lines += [
        "@<TRIPOS>BOND",
        *(f"{i} {a + 1} {b + 1} {t}" for i, (a, b, t) in enumerate(bonds, 1)),
    ]
    return "\n".join(lines) + "\n"


def test_a_mol2_is_a_molecule(tmp_path, importer):
    path = tmp_path / "x.mol2"
    path.write_text(FORMALDEHYDE)
    found = importer(path)
    molecule = found.datasets[0].molecule
    assert molecule.symbols == ("C", "O", "H", "H")
    assert molecule.bonds.tolist() == [[0, 1], [0, 2], [0, 3]]
    assert molecule.orders.tolist() == [2, 1, 1]
    assert found.reports[0].format == "mol2"
    assert not found.reports[0].unsure
    assert any("GAFF's atom types and charges" in note for note in found.reports[0].notes)


def test_found_by_content_too(tmp_path):
    path = tmp_path / "ligand.txt"
    path.write_text(FORMALDEHYDE)
    assert detect(path) == "mol2"


def test_aromatic_bonds_become_one_kekule_form(tmp_path):
    path = tmp_path / "b.mol2"
    path.write_text(benzene())
    block = read(path).blocks[0]
    ring = sorted(block.orders[(block.bonds < 6).all(1)].tolist())
    assert ring == [1, 1, 1, 2, 2, 2]
    assert any("SYBYL's atom types and no charges" in note for note in block.notes)


def test_a_broken_one_says_where(tmp_path):
    path = tmp_path / "x.mol2"
    path.write_text(FORMALDEHYDE.replace("0.300000", "0.700000"))
    with pytest.raises(ReaderError, match=r"add up to \+0.4000 e.*correct them"):
        read(path)


def test_files_of_antechamber_as_their_structures(shared):
    for path in sorted((shared / "oracles" / "gaff").glob("*_gaff.mol2")):
        block = read(path).blocks[0]
        other = read(path.with_name(path.name.replace("_gaff.mol2", ".mol"))).blocks[0]
        assert np.array_equal(block.numbers, other.numbers)
        ours, theirs = ({tuple(sorted(b)) for b in x.bonds.tolist()} for x in (block, other))
        assert ours == theirs
        assert block.charge == other.charge


def test_it_can_be_typed(tmp_path, importer):
    path = tmp_path / "b.mol2"
    path.write_text(benzene())
    mol = to_rdkit(importer(path).datasets[0].molecule)
    assert all(a.GetIsAromatic() for a in mol.GetAtoms() if a.GetAtomicNum() == 6)
