import numpy as np
import pytest

from core.bonding import to_rdkit
from core.mm.mol2 import read_mol2
from core.readers.errors import ReaderError
from tests.hostile.mutate import mutate

FORMALDEHYDE = """# made by hand
@<TRIPOS>MOLECULE
methanal
    4     3     1     0     0
SMALL
bcc

@<TRIPOS>ATOM
      1 C1    0.0000  0.0000  0.0000 c     1 MOL   0.300000
      2 O1    1.2000  0.0000  0.0000 o     1 MOL  -0.450000
      3 H1   -0.6000  0.9400  0.0000 h4    1 MOL   0.075000
      4 H2   -0.6000 -0.9400  0.0000 h4    1 MOL   0.075000
@<TRIPOS>BOND
     1     1     2 2
     2     4     1 1
     3     1     3 1
@<TRIPOS>SUBSTRUCTURE
     1 MOL         1 TEMP              0 ****  ****    0 ROOT
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.mol2"


def test_what_a_file_says(path):
    path.write_text(FORMALDEHYDE)
    molecule, types, charges = read_mol2(path)
    assert molecule.name == "methanal"
    assert molecule.numbers.tolist() == [6, 8, 1, 1]
    assert molecule.charge == 0
    assert molecule.bonds.tolist() == [[0, 1], [0, 2], [0, 3]]
    assert molecule.orders.tolist() == [2.0, 1.0, 1.0]
    assert molecule.positions[2].tolist() == [-0.6, 0.94, 0.0]
    assert types == ("c", "o", "h4", "h4")
    assert charges.tolist() == [0.3, -0.45, 0.075, 0.075]


def test_sybyl_types_and_no_charges(path):
    text = FORMALDEHYDE.replace(" c  ", " C.2").replace(" o  ", " O.2").replace(" h4 ", " H  ")
    path.write_text(text.replace("bcc", "NO_CHARGES"))
    molecule, types, charges = read_mol2(path)
    assert molecule.numbers.tolist() == [6, 8, 1, 1]
    assert types == ("C.2", "O.2", "H", "H")
    assert charges is None


def test_an_ion(path):
    text = FORMALDEHYDE.replace("    4     3 ", "    3     2 ").replace(
        "     3     1     3 1\n", ""
    )
    text = text.replace("      4 H2   -0.6000 -0.9400  0.0000 h4    1 MOL   0.075000\n", "")
    text = text.replace("     2     4     1 1", "     2     3     1 1").replace("-0.450", "-1.375")
    path.write_text(text)
    assert read_mol2(path)[0].charge == -1


@pytest.mark.parametrize(
    ("kind", "number"), [("cl", 17), ("br", 35), ("Cl", 17), ("i", 53), ("f", 9), ("F", 9)]
)
def test_elements_of_types(path, kind, number):
    path.write_text(FORMALDEHYDE.replace(" h4 ", f" {kind:3s}"))
    assert read_mol2(path)[0].numbers.tolist() == [6, 8, number, number]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("@<TRIPOS>ATOM", "@<TRIPOS>ATOMS", "no @<TRIPOS>ATOM"),
        ("    4     3 ", "    5     3 ", "announces 5 rows in ATOM and has 4"),
        ("    4     3 ", "999999999 3 ", "1 to 10000 atoms are possible"),
        ("    4     3 ", "    x     3 ", "line 4.*has the counts"),
        (" c  ", " CT ", "line 9.*'CT' is neither"),
        (" c  ", " Du ", "line 9.*neither"),
        ("1.2000", "nan", "line 10.*'nan' is no number"),
        ("1.2000", "1e30", "line 10.*damage"),
        ("      3 H1", "      4 H1", "ATOM 3 is numbered 4"),
        ("     2     4     1 1", "     2     9     1 1", "line 15: a bond between atoms 1 and 9"),
        ("     2     4     1 1", "     2     2     1 1", "bonds atoms 1 and 2 twice"),
        ("     2     4     1 1", "     2     4     1 xx", "bond type 'xx'"),
        ("     2     4     1 1", "     2     4     1", "has 3 columns"),
        ("0.300000", "0.700000", r"add up to \+0.4000 e"),
        ("0.300000", "1.300000", "odd number of electrons"),
        ("# made by hand", FORMALDEHYDE, "more than one molecule"),
        ("methanal", "meth\0anal", "NUL"),
    ],
)
def test_refusals(path, old, new, message):
    path.write_text(FORMALDEHYDE.replace(old, new, 1))
    with pytest.raises(ReaderError, match=message):
        read_mol2(path)


def test_broken_files_end_in_a_sentence_or_a_molecule(path):
    rng = np.random.default_rng(6)
    said = []
    for _ in range(300):
        path.write_bytes(mutate(FORMALDEHYDE.encode(), rng))
        try:
            molecule, types, _ = read_mol2(path)
            assert len(types) == len(molecule.numbers)
        except ReaderError as error:
            said.append(str(error))
    assert len(said) > 100
    assert all(text.isprintable() and len(text) < 600 for text in said)


def test_files_of_antechamber(shared):
    files = sorted((shared / "oracles").glob("*/*.mol2"))
    assert len(files) == 34
    for file in files:
        molecule, types, charges = read_mol2(file)
        assert molecule.charge == 0
        assert len(types) == len(charges) == len(molecule.numbers)
        assert to_rdkit(molecule).GetNumAtoms() == len(types)
