import os
from pathlib import Path

import pytest

from core.fieldref import FieldRef
from core.forcefields.load import load_model, make, save_model
from core.mm.export import ExportError, discover, export
from tests.molecules import ETHANOL


@pytest.fixture(scope="module")
def gaff():
    return make(FieldRef("gaff"), ETHANOL)


def test_targets_are_found():
    assert sorted(discover()) == ["amber", "json", "openmm"]
    assert all(t.label and all(s.startswith(".") for s in t.suffixes) for t in discover().values())


def test_files_beside_each_other(gaff, tmp_path):
    found = export(gaff, "openmm", tmp_path / "a" / "e.xml")
    assert [f.name for f in found.files] == ["e.xml", "e.ff.xml", "e.pdb"]
    found = export(gaff, "amber", tmp_path / "e.parm7")
    assert [f.name for f in found.files] == ["e.parm7", "e.inpcrd", "e.mol2", "e.frcmod"]
    found = export(gaff, "amber", tmp_path / "f.frcmod")
    assert [f.name for f in found.files] == ["f.frcmod"]
    export(gaff, "json", tmp_path / "e.json")
    export(gaff, "amber", tmp_path / "e.parm7")  # our own files are replaced
    assert not list(tmp_path.glob(".*"))


def test_a_saved_model_writes_the_same(gaff, tmp_path):
    save_model(tmp_path / "m.npz", gaff)
    again = load_model(tmp_path / "m.npz")
    for to, name in (("openmm", "e.xml"), ("amber", "e.prmtop"), ("json", "e.json")):
        one = export(gaff, to, tmp_path / "one" / name)
        two = export(again, to, tmp_path / "two" / name)
        for a, b in zip(one.files, two.files, strict=True):
            assert a.read_bytes() == b.read_bytes()


def test_refusals_leave_everything_as_it_was(gaff, tmp_path):
    def refused(to: str, name: str, **more) -> str:
        with pytest.raises(ExportError) as caught:
            export(gaff, to, tmp_path / name, **more)
        return str(caught.value)

    assert "there are: amber, json, openmm" in refused("gromacs", "e.top")
    assert "must end in .xml" in refused("openmm", "e.txt")
    theirs = tmp_path / "e.mol2"
    theirs.write_text("@<TRIPOS>MOLECULE of somebody else\n")
    assert "not written by PEScape" in refused("amber", "e.prmtop")
    assert [p.name for p in tmp_path.iterdir()] == ["e.mol2"]
    assert "is what is exported" in refused("amber", "e.mol2", sources=(theirs,))
    assert theirs.read_text().startswith("@<TRIPOS>MOLECULE of")


def test_other_force_fields_are_refused(tmp_path):
    field = make(FieldRef("mmff94"), ETHANOL)
    with pytest.raises(ExportError, match="MMFF94 cannot be exported; possible are: gaff"):
        export(field, "openmm", tmp_path / "e.xml")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(gaff, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ExportError, match="cannot write"):
        export(gaff, "json", tmp_path / "e.json")
    tmp_path.chmod(0o700)


def test_a_file_where_a_folder_should_be(gaff, tmp_path: Path):
    (tmp_path / "a").write_text("")
    with pytest.raises(ExportError, match="cannot write"):
        export(gaff, "json", tmp_path / "a" / "e.json")
