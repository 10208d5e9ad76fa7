"""`pescape params`, `types` and `export` with files of AMBER's world, and with what cannot be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from app import cli
from core.fieldref import FieldRef
from core.forcefields.load import make
from core.mm.export import export
from core.mm.export.json import read_json
from core.mm.mol2 import read_mol2
from core.readers import read
from core.units import KCAL_MOL
from tests.core.mm.test_mol2 import FORMALDEHYDE
from tests.molecules import ETHANOL
from tests.tolerances import MM_TERM


@pytest.fixture
def mol2(tmp_path: Path) -> Path:
    path = tmp_path / "methanal.mol2"
    path.write_text(FORMALDEHYDE)
    return path


@pytest.fixture
def prmtop(tmp_path: Path) -> Path:
    """Ethanol as AMBER files; the coordinates are elsewhere."""
    path = tmp_path / "e.prmtop"
    export(make(FieldRef("gaff"), ETHANOL), "amber", path)
    path.with_suffix(".inpcrd").rename(tmp_path / "away.inpcrd")
    return path


def figures(*arguments: str, status: int = 0) -> dict:
    out = Path(arguments[-1]) if arguments[-1].endswith(".json") else None
    assert cli.main(list(arguments)) == status
    return json.loads(out.read_text()) if out else {}


def test_charges_of_a_mol2(mol2: Path) -> None:
    """Its own are taken unless another method is named; types only when asked for."""
    out = str(mol2.with_name("p.json"))
    found = figures("params", str(mol2), "--out", out)
    assert found["charges"] == pytest.approx([0.3, -0.45, 0.075, 0.075])
    assert found["charge_method"] == "given"
    other = figures("params", str(mol2), "--charges", "gasteiger", "--out", out)
    assert other["charges"] != found["charges"]
    mol2.write_text(FORMALDEHYDE.replace(" h4 ", " h5 "))
    assert figures("params", str(mol2), "--out", out)["types"] == ["c", "o", "h4", "h4"]
    given = figures("params", str(mol2), "--types", "given", "--out", out)
    assert given["types"] == ["c", "o", "h5", "h5"]


def test_export_with_the_charges_of_a_mol2(mol2: Path) -> None:
    out = str(mol2.with_name("f.json"))
    for text in (FORMALDEHYDE, FORMALDEHYDE.replace(" c  ", " C.2").replace(" o  ", " O.2")):
        mol2.write_text(text if text is FORMALDEHYDE else text.replace(" h4 ", " H  "))
        figures("export", str(mol2), "--charges", "given", "--to", "json", "--out", out)
        topology = read_json(Path(out)).topology
        assert topology.charges == pytest.approx([0.3, -0.45, 0.075, 0.075])
        assert topology.types == ("c", "o", "h4", "h4")


def test_a_prmtop_needs_no_coordinates(prmtop: Path) -> None:
    found = figures("params", str(prmtop), "--out", str(prmtop.with_suffix(".json")))
    assert found["symbols"] == list(ETHANOL.symbols)
    assert found["types"][:3] == ["c3", "c3", "oh"]
    assert sum(found["charges"]) == pytest.approx(0.0, abs=1e-6)
    assert len(found["torsion"]) == len(make(FieldRef("gaff"), ETHANOL).topology.torsion)


def test_a_prmtop_exported_with_its_parameters(prmtop: Path) -> None:
    prmtop.with_name("away.inpcrd").rename(prmtop.with_suffix(".rst7"))
    out = prmtop.with_name("f.json")
    arguments = ["export", str(prmtop), "--to", "json", "--out", str(out)]
    figures(*arguments, "--json", str(prmtop.with_name("figures.json")))
    energy = json.loads(prmtop.with_name("figures.json").read_text())["energy_kcal_per_mol"]
    wanted = make(FieldRef("gaff"), ETHANOL).predict(ETHANOL.positions[None]).energy[0]
    assert energy["total"] == pytest.approx(wanted / KCAL_MOL, abs=MM_TERM)


def test_its_frcmod_may_be_replaced_by_an_export(tmp_path: Path) -> None:
    assert cli.main(["params", "CCO", "--out", str(tmp_path / "e.frcmod")]) == 0
    assert cli.main(["export", "CCO", "--to", "amber", "--out", str(tmp_path / "e.prmtop")]) == 0


@pytest.mark.parametrize("name", ["azobenzene", "malonaldehyde"])
def test_the_frcmod_of_a_prmtop_gives_its_energies(shared: Path, tmp_path: Path, name: str) -> None:
    """With impropers that LEaP had turned round: their centre must stand third in the frcmod."""
    folder, out = shared / "oracles" / "gaff", tmp_path / "x.frcmod"
    stem = str(folder / f"{name}_gaff")
    assert cli.main(["params", f"{stem}.prmtop", "--out", str(out)]) == 0
    block = read(f"{stem}.mol2").blocks[0]
    molecule = read_mol2(f"{stem}.mol2")[0]
    kept = {"mol2": f"{stem}.mol2", "parameters": str(out)}
    ours, theirs = (
        make(FieldRef("gaff", hyper=h), molecule) for h in (kept, {"parameters": f"{stem}.prmtop"})
    )
    x = torch.tensor(block.positions)
    mine, other = ours.terms(x), theirs.terms(x)
    for kind in ("bond", "angle", "torsion", "improper"):
        assert abs(float(mine[kind] - other[kind])) / KCAL_MOL < MM_TERM, kind
    assert not any(t.penalty.any() for t in ours.topology.terms().values())


BROKEN = FORMALDEHYDE.replace("0.300000", "0.700000")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["types", "C[Si](C)(C)C"], 1, r"GAFF has no type for Si2 \(Si\); it covers H, C, N"),
        (["types", "C[CH2]"], 1, r"unpaired electron at C2\): GAFF .* choose another force field"),
        (["params", "C[Se]C"], 1, r"no type for Se2 \(Se\)"),
        (["params", "CO[O]"], 1, "unpaired electron at O3"),
        (
            ["params", "CCO", "--charge", "1"],
            1,
            r"--charge \+1 does not fit the bonds of CCO; with",
        ),
        (["params", "BROKEN"], 2, r"x.mol2: the charges add up to \+0.4000 e.* correct them"),
        (["types", "BROKEN"], 1, r"x.mol2: the charges add up to \+0.4000 e.* correct them"),
        (
            ["params", "CCO", "--charges", "given"],
            2,
            "CCO has no charges; choose one of: gasteiger",
        ),
        (["params", "CCO", "--types", "given"], 2, "no GAFF atom types; leave --types out"),
        (["params", "e.prmtop", "--charges", "nagl"], 2, "a prmtop has its own"),
        (["params", "nowhere.prmtop"], 2, "nowhere.prmtop: there is no such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], status: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "x.mol2"
    path.write_text(BROKEN)
    arguments = [str(path) if a == "BROKEN" else a for a in arguments]
    assert cli.main(arguments) == status
    said = capsys.readouterr().err.replace("\r", "\n")
    lines = [line for line in said.splitlines() if line.startswith("pescape")]
    assert len(lines) == 1
    assert re.search(words, lines[0]), lines[0]


def test_an_anion_from_an_xyz_file(tmp_path: Path) -> None:
    """Read as neutral it is a radical; --charge makes it what it is."""
    path, out = tmp_path / "formate.xyz", tmp_path / "types.json"
    path.write_text("4\n\nC 0 0 0\nO 1.25 0 0\nO -0.6 1.1 0\nH -0.6 -0.95 0\n")
    assert cli.main(["types", str(path), "--charge", "-1", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["types"] == ["c", "o", "o", "h5"]
    assert np.shape(json.loads(out.read_text())["symbols"]) == (4,)
