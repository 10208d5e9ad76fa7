import dataclasses

import numpy as np
import pytest
import torch

from core.bonding import connectivity
from core.mm.constants import AMBER_COULOMB
from core.mm.energy import energy, tensors
from core.mm.prmtop import _Prmtop, looks_like_prmtop, read_prmtop
from core.mm.topology import Term
from core.readers import read
from core.readers.errors import ReaderError
from core.units import KCAL_MOL
from tests.hostile.mutate import mutate
from tests.tolerances import SAME_ANGLE

MOLECULES = ("ethanol", "malonaldehyde", "aspirin", "azobenzene", "3bpa")
#: How many impropers LEaP wrote backwards in these files.
TURNED = {"ethanol": 0, "malonaldehyde": 1, "aspirin": 0, "azobenzene": 1, "3bpa": 2}


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "oracles" / "gaff"


@pytest.fixture(scope="module")
def good(folder) -> str:
    return (folder / "ethanol_gaff.prmtop").read_text()


@pytest.fixture
def refused(tmp_path):
    """Write a text and return the sentence with which it is refused."""

    def sentence(text: str) -> str:
        path = tmp_path / "bad.prmtop"
        path.write_text(text)
        with pytest.raises(ReaderError) as caught:
            read_prmtop(path)
        return str(caught.value)

    return sentence


def section(text: str, name: str, data: str) -> str:
    """The text with other data in one section."""
    start = text.index(f"%FLAG {name}")
    start = text.index("\n", text.index("%FORMAT", start)) + 1
    end = text.find("%FLAG", start)
    return text[:start] + data + "\n" + (text[end:] if end >= 0 else "")


def test_ethanol(folder):
    atoms, top = read_prmtop(folder / "ethanol_gaff.prmtop")
    assert atoms.title == "MOL"
    assert atoms.names[:4] == ("C1", "C2", "O1", "H1")
    assert atoms.numbers.tolist() == [6, 6, 8, 1, 1, 1, 1, 1, 1]
    assert top.types == ("c3", "c3", "oh", "hc", "hc", "hc", "h1", "h1", "ho")
    assert top.coulomb == AMBER_COULOMB
    assert np.abs(top.charges[[0, 2, 8]] - [-0.1361, -0.5998, 0.3960]).max() < 1e-7
    # gaff.dat: c3 1.9080 0.1094, oh 1.7210 0.2104, ho 0 0
    assert np.abs(top.rmin_half[[0, 2, 8]] - [1.9080, 1.7210, 0.0]).max() < 1e-6
    assert np.abs(top.epsilon[[0, 2, 8]] / KCAL_MOL - [0.1094, 0.2104, 0.0]).max() < 1e-6
    bonds = dict(zip(top.bond.types, zip(*top.bond.parameters.values(), strict=True), strict=True))
    assert bonds["c3-c3"] == pytest.approx((300.9 * KCAL_MOL, 1.5375))
    assert bonds["oh-ho"] == pytest.approx((371.4 * KCAL_MOL, 0.9730))
    assert (len(top.angle), len(top.torsion), len(top.improper)) == (13, 16, 0)
    # 36 pairs of atoms = 8 bonds + 13 angles + 12 1-4 pairs + the rest
    assert (len(top.pairs14), len(top.pairs)) == (12, 3)
    assert set(top.scee14) == {1.2}
    assert set(top.scnb14) == {2.0}
    assert set(top.torsion.source) == {"prmtop"}


@pytest.mark.parametrize("name", MOLECULES)
@pytest.mark.parametrize("flavour", ["gaff", "gaff2"])
def test_bonds_are_those_of_the_geometry(folder, name, flavour):
    atoms, top = read_prmtop(folder / f"{name}_{flavour}.prmtop")
    x = np.loadtxt(folder / f"{name}_min.xyz", skiprows=2, usecols=(1, 2, 3))
    assert sorted(map(tuple, np.sort(atoms.bonds, 1).tolist())) == sorted(
        map(tuple, connectivity(atoms.numbers, x).tolist())
    )
    n = len(atoms.numbers)
    one_three = {tuple(sorted((int(a), int(c)))) for a, _, c in top.angle.atoms}
    bonded = {tuple(sorted(map(int, b))) for b in atoms.bonds}
    listed = len(top.pairs) + len(top.pairs14)
    assert listed + len(bonded | one_three) == n * (n - 1) // 2


@pytest.mark.parametrize("name", MOLECULES)
@pytest.mark.parametrize("flavour", ["gaff", "gaff2"])
def test_impropers_have_their_centre_third(folder, name, flavour):
    """Also where LEaP had to turn them round, and no energy changes by that."""
    path = folder / f"{name}_{flavour}.prmtop"
    atoms, top = read_prmtop(path)
    bonded = {tuple(sorted(map(int, b))) for b in atoms.bonds}
    for i, j, k, m in top.improper.atoms.tolist():
        assert all(tuple(sorted((k, other))) in bonded for other in (i, j, m))
    x = torch.tensor(
        np.stack([read(folder / f"{name}_{g}.xyz").blocks[0].positions[0] for g in ("min", "disp")])
    )
    plain = dataclasses.replace(top, improper=as_written(path))
    new, old = (energy(tensors(t, device="cpu", dtype=torch.float64), x) for t in (top, plain))
    assert float((new - old).abs().max()) / KCAL_MOL < SAME_ANGLE
    turned = (plain.improper.atoms != top.improper.atoms).any(1)
    assert turned.sum() == TURNED[name]


def as_written(path) -> Term:
    """The impropers of a file in its own order of atoms."""
    found = _Prmtop(path)._dihedrals([])[1]
    assert len(found.atoms) == 0 or found.atoms.min() >= 0
    return found


def test_a_file_without_scales_or_elements(good, tmp_path):
    """As Amber wrote them before version 11."""
    for name in ("SCEE_SCALE_FACTOR", "SCNB_SCALE_FACTOR", "ATOMIC_NUMBER"):
        start = good.index(f"%FLAG {name}")
        good = good[:start] + good[good.index("%FLAG", start + 1) :]
    path = tmp_path / "old.prmtop"
    path.write_text(good)
    atoms, top = read_prmtop(path)
    assert atoms.numbers.tolist() == [6, 6, 8, 1, 1, 1, 1, 1, 1]
    assert set(top.scee14) == {1.2}
    assert "SCEE_SCALE_FACTOR" in top.notes[0]


def test_what_it_looks_like(folder, tmp_path):
    assert looks_like_prmtop(folder / "ethanol_gaff.prmtop")
    assert not looks_like_prmtop(folder / "ethanol_gaff.frcmod")
    with pytest.raises(ReaderError, match="no such file"):
        looks_like_prmtop(tmp_path / "none")


def test_refusals(good, refused):
    assert "does not begin with %VERSION" in refused("hello\n")
    assert "no section POINTERS" in refused(good.split("\n")[0])
    assert "CHARGE: has 2 values, expected 9" in refused(section(good, "CHARGE", f"{1:16.8E}" * 2))
    assert "'nan' is no number" in refused(good.replace("-2.48005503E+00", f"{'nan':>15}"))
    assert "only be damage" in refused(good.replace("-2.48005503E+00", "-2.48005503E+99"))
    assert "line 16" in refused(good.replace("-2.48005503E+00", f"{'abc':>15}"))
    box = good.replace(
        "       0       0       0       0       0       0       0       0       9",
        "       0       0       0       0       0       0       0       1       9",
    )
    assert "periodic box" in refused(box)
    assert "other terms than GAFF" in refused(good + "%FLAG CMAP_COUNT\n%FORMAT(2I8)\n       1\n")
    assert "twice" in refused(good + "%FLAG CHARGE\n%FORMAT(5E16.8)\n")
    assert "Lorentz-Berthelot" in refused(
        good.replace(good.split("%FLAG LENNARD_JONES_BCOEF")[1].split("\n")[2][16:32], f"{1:16.8E}")
    )
    many = good.replace("       9       5       6", "99999999       5       6")
    assert "between 1 and" in refused(many)
    assert "cut short" in refused(good[: good.index("%FLAG BONDS_INC")])
    far = good.replace(
        "       0       3       1       3       6       3",
        "       0       3       1       3      99       3",
    )
    assert "an atom that is not there" in refused(far)
    far = good.replace(
        "       0       3       1       3       6       3",
        "       0       3       1       3       6      30",
    )
    assert "parameters that are not there" in refused(far)
    assert "is empty" in refused("")


def test_broken_files_end_in_a_sentence_or_a_topology(good, tmp_path):
    rng = np.random.default_rng(5)
    path = tmp_path / "x.prmtop"
    said = []
    for _ in range(150):
        path.write_bytes(mutate(good.encode(), rng))
        try:
            read_prmtop(path)
        except ReaderError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all(text.isprintable() and len(text) < 600 for text in said)
