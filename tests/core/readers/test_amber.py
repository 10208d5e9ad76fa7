"""prmtop with inpcrd or rst7."""

import shutil

import numpy as np
import pytest

from core.fieldref import FieldRef
from core.forcefields.gaff import GAFF
from core.forcefields.load import make
from core.mm.export import export
from core.readers import ReaderError, read
from core.readers.amber import read_restart
from tests.hostile.mutate import mutate
from tests.molecules import ETHANOL
from tests.tolerances import MM_EXPORT

TITLE = "made by hand\n"


def restart(positions: np.ndarray, *, more: str = "") -> str:
    words = [f"{v:12.7f}" for v in np.ravel(positions)]
    lines = ["".join(words[i : i + 6]) for i in range(0, len(words), 6)]
    return TITLE + f"{len(positions):5d}  0.1000000E+02\n" + "\n".join(lines) + "\n" + more


@pytest.fixture
def written(tmp_path):
    """Ethanol's GAFF as AMBER files."""
    field = make(FieldRef("gaff"), ETHANOL)
    export(field, "amber", tmp_path / "e.prmtop")
    return tmp_path / "e.prmtop", field


@pytest.mark.parametrize("opened", ["e.prmtop", "e.inpcrd"])
def test_either_file_opens_the_molecule(written, opened, importer):
    path, _ = written
    found = importer(path.with_name(opened))
    molecule = found.datasets[0].molecule
    assert molecule.symbols == ETHANOL.symbols
    assert np.abs(molecule.positions - ETHANOL.positions).max() < 1e-7
    assert molecule.bonds.tolist() == ETHANOL.bonds.tolist()
    assert molecule.orders.tolist() == [1.0] * 8
    assert (molecule.charge, molecule.multiplicity) == (0, 1)
    assert found.reports[0].format == "AMBER"
    assert any("prmtop as its parameter file" in note for note in found.reports[0].notes)


def test_its_force_field_comes_with_it(written, importer):
    path, field = written
    molecule = importer(path).datasets[0].molecule
    again = make(FieldRef("gaff", hyper={"parameters": str(path)}), molecule)
    assert isinstance(again, GAFF)
    x = ETHANOL.positions[None]
    away = again.predict(x).energy - field.predict(x).energy
    assert np.abs(away).max() < MM_EXPORT * 0.0434  # kcal/mol in eV


def test_orders_follow_from_bonds_and_charge(shared, tmp_path, importer):
    folder = shared / "oracles" / "gaff"
    shutil.copy(folder / "aspirin_gaff.prmtop", tmp_path / "a.parm7")
    x = read(folder / "aspirin_min.xyz").blocks[0].positions[0]
    (tmp_path / "a.rst7").write_text(restart(x, more="  50.0  50.0  50.0\n"))
    molecule = importer(tmp_path / "a.parm7").datasets[0].molecule
    assert sorted(molecule.orders.tolist()).count(2.0) == 5
    assert np.abs(molecule.positions - x).max() < 1e-6


def test_without_coordinates_it_says_what_to_put_where(written):
    path, _ = written
    path.with_suffix(".inpcrd").unlink()
    with pytest.raises(ReaderError, match=r"no coordinates: put e.inpcrd or e.rst7 beside it"):
        read(path)
    alone = path.with_name("f.rst7")
    alone.write_text(restart(ETHANOL.positions))
    with pytest.raises(ReaderError, match=r"no elements: put f.prmtop or f.parm7 beside it"):
        read(alone)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"x\n", "no number of atoms in its second line"),
        (restart(ETHANOL.positions[:8]).encode(), "is for 8 atoms, the prmtop for 9"),
        (restart(ETHANOL.positions).encode()[:120], "ends after|is no coordinate"),
        (restart(ETHANOL.positions).replace("0.3040000", "0.30*0000").encode(), "line 3.*no coord"),
        (restart(np.full((9, 3), 1e6)).encode(), "is no coordinate|damage"),
        (b"CDF\x02" + bytes(60), "NetCDF file; write it as text"),
    ],
)
def test_broken_coordinates(tmp_path, text, words):
    path = tmp_path / "x.rst7"
    path.write_bytes(text)
    with pytest.raises(ReaderError, match=words):
        read_restart(path, 9)


def test_broken_files_end_in_a_sentence_or_positions(tmp_path):
    rng = np.random.default_rng(5)
    path, said = tmp_path / "x.rst7", []
    for _ in range(300):
        path.write_bytes(mutate(restart(ETHANOL.positions).encode(), rng))
        try:
            assert np.isfinite(read_restart(path, 9)).all()
        except ReaderError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all(text.isprintable() and len(text) < 600 for text in said)


def test_columns_may_touch(tmp_path):
    """Twelve characters each, so that -123.4567890-234.5678901 are two numbers."""
    path = tmp_path / "x.rst7"
    path.write_text(restart(np.array([[-123.456789, -234.5678901, 1.0]])))
    assert read_restart(path, 1).tolist() == [[-123.456789, -234.5678901, 1.0]]
