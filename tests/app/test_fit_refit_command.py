"""`pescape fit --field gaff` from a torsion scan, and from an edited model."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from app import cli
from app.console import Console, UserError
from core.analyses import discover
from core.analyses.parameters import FLAGS, Flag, flags_from_text, flags_to_text
from core.bonding import moving_atoms
from core.dataset import Dataset
from core.engine.context import Context
from core.forcefields.gaff import GAFF
from core.forcefields.load import load_model, read_model, save_model
from core.geometry import rotate_dihedral
from core.readers.export import write_extxyz
from core.units import KCAL_MOL
from tests.molecules import ETHANOL, HYDROXYL, ethanol_frames, without_bonds


def write(path: Path, x: np.ndarray, energies: np.ndarray, forces=None, **tags) -> Path:
    made = Dataset("ethanol", without_bonds(ETHANOL), x, energies, forces, tags=tags)
    return write_extxyz(made, path)


def stronger():
    top = GAFF(ETHANOL).topology
    p = top.torsion.parameters
    torsion = dataclasses.replace(top.torsion, parameters={**p, "k": 5 * p["k"]})
    return dataclasses.replace(top, torsion=torsion)


@pytest.fixture(scope="module")
def scan() -> np.ndarray:
    angles = np.radians(np.arange(-180.0, 180.0, 15.0))
    moving = moving_atoms(ETHANOL, HYDROXYL)
    x = np.repeat(ETHANOL.positions[None], 24, 0)
    return np.asarray(rotate_dihedral(x, HYDROXYL, angles, moving))


@pytest.fixture
def file(tmp_path: Path, scan: np.ndarray) -> Path:
    return write(tmp_path / "scan.extxyz", scan, GAFF.from_topology(ETHANOL, stronger())
                 .predict(scan).energy - 4200.0)  # fmt: skip


@pytest.fixture
def here(monkeypatch):
    """Jobs run in this process: the engine has tests of its own, and takes seconds to start."""

    def run(self, spec, title):
        def emit(kind, fraction, payload):
            if kind == "log":
                print(payload["message"], file=sys.stderr)

        try:
            return discover()[type(spec)](spec, Context(emit))
        except ValueError as error:
            raise UserError(str(error), status=1) from None

    monkeypatch.setattr(Console, "run", run)


def fit(*arguments: str | Path, status: int = 0) -> None:
    assert cli.main(["fit", *map(str, arguments), "--units", "eV"]) == status


def test_a_scan_is_fitted_about_the_bond_that_it_turns(here, file, tmp_path, capsys):
    out, figures = tmp_path / "m.npz", tmp_path / "m.json"
    fit(file, "--field", "gaff", "--profile", "--out", out, "--json", figures)
    assert "scan: the bond C2-O3 is turned" in capsys.readouterr().out
    found = json.loads(figures.read_text())
    assert found["around"] == [[2, 3]]
    (line,) = found["profiles"]
    assert line["rmse_before_eV"] > 0.3 * KCAL_MOL > 0.1 * KCAL_MOL > line["rmse_after_eV"]
    assert (line["points"], line["points_used"]) == (24, 24)
    assert all(c["unit"] == "eV" and c["quantity"] == "torsion.k" for c in found["changes"])
    before, after = GAFF(ETHANOL).topology.torsion, load_model(out).topology.torsion
    for term in (before, after):
        here = {tuple(a[1:3]) for a in term.atoms.tolist()}
        assert here == {(0, 1), (1, 2)}
    methyl = [k for a, k in zip(after.atoms.tolist(), after.parameters["k"], strict=True)
              if a[1:3] == [0, 1]]  # fmt: skip
    assert methyl == [k for a, k in zip(before.atoms.tolist(), before.parameters["k"],
                                        strict=True) if a[1:3] == [0, 1]]  # fmt: skip


def test_scans_and_frames_together_and_from_an_edited_model(here, file, tmp_path, capsys):
    x = ethanol_frames(60, seed=2)
    p = GAFF.from_topology(ETHANOL, stronger()).predict(x)
    frames = write(tmp_path / "frames.extxyz", x, p.energy, p.forces)
    top = stronger()
    model = tmp_path / "edited.npz"
    flags = (Flag("torsion", 0, frozen=True),)
    save_model(model, GAFF.from_topology(ETHANOL, top), extra={FLAGS: flags_to_text(flags)})
    out, figures = tmp_path / "m.npz", tmp_path / "m.json"
    fit(frames, "--field", "gaff", "--with-profile", file, "--start", model, "--train", "30",
        "--valid", "10", "--out", out, "--json", figures)  # fmt: skip
    found = json.loads(figures.read_text())
    assert found["n_train"] == 30
    assert found["profiles"][0]["rmse_before_eV"] < 1e-6  # the start made the data
    assert found["held_out_rmse"]["force_after_eV_per_A"] < 1e-2
    kept = read_model(out)
    assert kept.extra["parent"] == "GAFF"
    assert flags_from_text(kept.extra[FLAGS])[0].frozen
    # the same start without a profile, through the plain fit
    fit(frames, "--field", "gaff", "--start", model, "--train", "30", "--valid", "10",
        "--out", out)  # fmt: skip
    term = load_model(out).topology.torsion
    assert top.torsion.parameters["k"][0] in term.parameters["k"]
    assert "flags of 1 terms are held, 1 of them frozen" in capsys.readouterr().err


def test_several_scans_in_one_file_are_told_apart(here, tmp_path, scan):
    e = GAFF(ETHANOL).predict(scan).energy
    both = np.concatenate([scan, scan])
    path = write(tmp_path / "two.extxyz", both, np.concatenate([e, e + 1.0]),
                 scan=np.repeat([4.0, 7.0], 24))  # fmt: skip
    figures = tmp_path / "f.json"
    fit(path, "--field", "gaff", "--profile", "--around", "2-3", "--out", tmp_path / "m.npz",
        "--json", figures)  # fmt: skip
    names = [p["name"] for p in json.loads(figures.read_text())["profiles"]]
    assert len(set(names)) == 2
    assert all(name.startswith("two") for name in names)
    print(names)


def test_what_cannot_be_done_is_one_sentence(here, file, tmp_path, capsys):
    out = tmp_path / "m.npz"
    still = write(tmp_path / "still.extxyz", ethanol_frames(8, shake=0.01), np.arange(8.0))
    bare = tmp_path / "bare.extxyz"
    bare.write_text(re.sub(r"energy=\S+ ?", "", file.read_text()))
    turned = dataclasses.replace(
        without_bonds(ETHANOL), numbers=ETHANOL.numbers[[2, 1, 0, 3, 4, 5, 6, 7, 8]]
    )
    x = ETHANOL.positions[None, [2, 1, 0, 3, 4, 5, 6, 7, 8]]
    other = write_extxyz(Dataset("o", turned, x, np.zeros(1)), tmp_path / "other.extxyz")
    for arguments, status, words in (
        ([file, "--field", "sgdml", "--profile"], 2, "are for gaff, not sgdml"),
        ([file, "--field", "gaff", "--profile", "--around", "2:3"], 2, "no bond of two atoms"),
        ([file, "--field", "gaff", "--profile", "--around", "2-30"], 2, "names atom 30"),
        ([file, "--field", "gaff", "--profile", "--around", "1-3"], 1, "C1-O3 is no bond"),
        ([file, "--field", "gaff", "--profile", "--around", "3-9"], 1, "no torsion term turns"),
        ([still, "--field", "gaff", "--profile"], 2, "say which with --around"),
        ([bare, "--field", "gaff", "--profile", "--around", "2-3"], 2, "has no energies"),
        ([file, "--field", "gaff", "--profile", "--start", "no.npz"], 2, "no such file"),
        ([file, "--field", "gaff", "--start", "no.npz"], 2, "no such file"),
        ([file, "--field", "gaff", "--with-profile", other], 2, "another atom order: atom 1 is O"),
    ):
        fit(*arguments, "--out", out, status=status)
        said = [x for x in capsys.readouterr().err.splitlines() if x.startswith("pescape fit:")]
        assert len(said) == 1
        assert words in said[0]
    assert not out.exists()


def test_one_scan_cut_out_of_the_roche_set(shared, tmp_path):
    """Through the engine, as a person runs it."""
    text = (shared / "data" / "torsions" / "roche_gen2.extxyz").read_text().splitlines()
    lines, at = [], 0
    while at < len(text):
        count = int(text[at]) + 2
        if " scan=22 " in text[at + 1]:
            lines += text[at : at + count]
        at += count
    path, figures = tmp_path / "scan.extxyz", tmp_path / "f.json"
    path.write_text("\n".join(lines) + "\n")
    bond = [int(a) + 1 for a in re.search(r"dihedrals=\d+-(\d+)-(\d+)", lines[1]).groups()]
    assert cli.main(["fit", str(path), "--field", "gaff", "--profile", "--out",
                     str(tmp_path / "m.npz"), "--json", str(figures)]) == 0  # fmt: skip
    found = json.loads(figures.read_text())
    assert found["around"] == [sorted(bond)]
    assert found["profiles"][0]["rmse_after_eV"] <= found["profiles"][0]["rmse_before_eV"]
