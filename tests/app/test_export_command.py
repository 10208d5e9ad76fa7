"""`pescape export` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app import cli
from core.fieldref import FieldRef
from core.forcefields.load import make, save_model
from core.mm.export.json import read_json
from core.units import KCAL_MOL
from tests.molecules import ETHANOL


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A saved GAFF of ethanol."""
    path = tmp_path / "ethanol.npz"
    save_model(path, make(FieldRef("gaff"), ETHANOL))
    return path


def test_a_saved_model(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures, out = model.with_name("f.json"), model.with_name("e.json")
    arguments = ["export", str(model), "--to", "json", "--out", str(out), "--json", str(figures)]
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert f"{out}: JSON of PEScape" in said
    found = json.loads(figures.read_text())
    assert found["files"] == [str(out)]
    energy = found["energy_kcal_per_mol"]
    assert sum(v for k, v in energy.items() if k != "total") == pytest.approx(energy["total"])
    wanted = make(FieldRef("gaff"), ETHANOL).predict(ETHANOL.positions[None]).energy[0]
    assert energy["total"] == pytest.approx(wanted / KCAL_MOL)
    assert np.array_equal(read_json(out).molecule.numbers, ETHANOL.numbers)


def test_a_molecule_and_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "e.prmtop"
    arguments = ["export", "CCO", "--field", "gaff2", "--to", "amber", "--out", str(out)]
    assert cli.main(arguments) == 0
    assert "AMBER topology" in capsys.readouterr().out
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [
        ".frcmod",
        ".inpcrd",
        ".mol2",
        ".prmtop",
    ]
    assert "GAFF 2.2.20" in out.read_text()
    # a mol2 file is not overwritten with what is made from it
    mol2 = out.with_suffix(".mol2")
    before = mol2.read_bytes()
    arguments = ["export", str(mol2), "--to", "amber", "--out", str(out)]
    assert cli.main(arguments) == 2
    assert f"{mol2} is what is exported" in capsys.readouterr().err
    assert mol2.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.npz", "--to", "json", "--out", "a.json"], "no model nowhere.npz"),
        (["CCO", "--to", "gromacs", "--out", "a.top"], "there are: amber, json, openmm"),
        (["CCO", "--to", "openmm", "--out", "a.txt"], "must end in .xml"),
        (["CCO", "--to", "openmm", "--out", "a.xml", "--field", "uff"], "gaff, gaff2"),
        (["{model}", "--to", "json", "--out", "a.json", "--field", "gaff"], "has its own"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(model) if a == "{model}" else a for a in arguments]
    assert cli.main(["export", *given]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("pescape")]
    assert len(lines) == 1
    assert words in lines[0]


def test_models_of_other_kinds_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.npz"
    save_model(path, make(FieldRef("mmff94"), ETHANOL))
    assert cli.main(["export", str(path), "--to", "json", "--out", str(tmp_path / "m.json")]) == 2
    assert "MMFF94 cannot be exported" in capsys.readouterr().err
