"""`pescape types` and `pescape params`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from core.mm.tables import read_frcmod

ROOT = Path(__file__).resolve().parents[2]


def pescape(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def amide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(N)=O"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    path = tmp_path_factory.mktemp("amide") / "amide.sdf"
    path.write_text(Chem.MolToMolBlock(mol) + "$$$$\n")
    return path


def test_types_in_file_order(amide: Path, tmp_path: Path) -> None:
    out = tmp_path / "types.json"
    shown = pescape("types", str(amide), "--field", "gaff2", "--json", str(out)).stdout
    types = json.loads(out.read_text())["types"]
    assert types == ["c3", "c", "nt", "o", "hc", "hc", "hc", "hn", "hn"]
    assert "nt" in shown


def test_params_as_json_and_frcmod(amide: Path, tmp_path: Path) -> None:
    out, mod = tmp_path / "p.json", tmp_path / "p.frcmod"
    shown = pescape("params", str(amide), "--field", "gaff2", "--out", str(out)).stdout
    figures = json.loads(out.read_text())
    assert sum(figures["charges"]) == pytest.approx(0.0, abs=1e-12)
    bond = next(b for b in figures["bond"] if b["types"] in ("c-o", "o-c"))
    assert bond["k"] == pytest.approx(590.60)
    assert bond["r0"] == pytest.approx(1.2190)
    assert bond["atoms"] == [2, 4]
    assert any(t["penalty"] > 0 for t in figures["improper"])
    assert "penalty" in shown
    pescape("params", str(amide), "--field", "gaff2", "--out", str(mod))
    assert read_frcmod(mod).bond("c", "o").equilibrium == pytest.approx(1.2190)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["types", "CB(O)O"], 1, "B2 (B)"),
        (["types", "[CH3]"], 1, "radicals"),
        (["types", "CCO", "--field", "opls"], 2, "opls"),
        (["params", "CCO", "--out", "a.doc"], 2, ".frcmod"),
        (["params", "CCO", "--charges", "none"], 2, "--charges"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], status: int, words: str) -> None:
    done = pescape(*arguments, status=status)
    lines = [x for x in done.stderr.replace("\r", "\n").splitlines() if x.startswith("pescape")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in done.stderr
