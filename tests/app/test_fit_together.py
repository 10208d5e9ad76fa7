"""`pescape fit --together` and `--isolated`, and the model on its molecules afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.readers.export import write_extxyz
from tests.molecules import ETHANOL
from tests.several import ATOM, METHANOL, WATER, frames

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--field", "ace", "--set", "degrees=8", "--train", "25", "--valid", "5"]


def pescape(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    for molecule in (ETHANOL, METHANOL, WATER):
        write_extxyz(frames(molecule), folder / f"{molecule.name}.extxyz")
    (folder / "atoms.extxyz").write_text(
        "".join(
            f"1\nProperties=species:S:1:pos:R:3 energy={ATOM[z]} units=eV\n{symbol} 0 0 0\n"
            for z, symbol in ((1, "H"), (6, "C"), (8, "O"))
        )
    )
    return folder


@pytest.fixture(scope="module")
def fitted(files) -> dict:
    """The figures of a fit to ethanol and methanol."""
    pescape(
        *["fit", str(files / "ethanol.extxyz"), "--together", str(files / "methanol.extxyz")],
        *["--isolated", str(files / "atoms.extxyz"), "--test", str(files / "water.extxyz"), *SMALL],
        *["--out", str(files / "model.npz"), "--json", str(files / "fit.json")],
    )
    return json.loads((files / "fit.json").read_text())


def test_figures_of_every_molecule(fitted):
    rows = fitted["molecules"]
    assert [r["name"] for r in rows] == ["ethanol", "methanol"]
    assert [r["formula"] for r in rows] == ["C2H6O", "CH4O"]
    assert [r["n_train"] for r in rows] == [25, 25]
    assert fitted["n_forces"] == 40  # of water, where it was tested
    assert fitted["force_mae_eV_per_A"] > max(r["force_mae_eV_per_A"] for r in rows)
    assert all(0 < r["force_mae_eV_per_A"] < 0.1 for r in rows)
    assert all(r["n_forces"] == 10 and r["energy_shift_eV"] == 0 for r in rows)
    assert fitted["info"]["one-body energy"] == "isolated atoms"
    assert "methanol (CH4O, 25 frames)" in fitted["info"]["molecules"]


def test_the_model_serves_another_molecule(files, fitted):
    model, water = str(files / "model.npz"), str(files / "water.extxyz")
    done = pescape("predict", model, water, "--json", str(files / "p.json"))
    assert "was fitted to C2H6O and CH4O, never to H2O" in done.stdout
    done = pescape("predict", model, str(files / "methanol.extxyz"))
    assert "never to" not in done.stdout
    found = json.loads((files / "p.json").read_text())
    assert found["energy_shift_eV"] == 0  # its energies are absolute there too
    assert found["force_mae_eV_per_A"] < 0.5


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--isolated", "{}/oxygen.extxyz"], "no C and no H atom"),
        (["--together", "{}/water.extxyz", "--profile"], "neither --together"),
        (["--together", "{}/mixed.extxyz"], "from a file of its own: DATA --together DATA2"),
        (["--train", "200"], "has 40 frames, fewer than the 200 to train on; say with --train"),
    ],
)
def test_bad_input_is_one_clear_line(files, more, words):
    atom = "1\nProperties=species:S:1:pos:R:3 energy={} units=eV\n{} 0 0 0\n"
    (files / "oxygen.extxyz").write_text(atom.format(ATOM[8], "O"))
    two = [(files / f"{m}.extxyz").read_text() for m in ("methanol", "water")]
    (files / "mixed.extxyz").write_text("".join(two))
    arguments = ["fit", str(files / "ethanol.extxyz"), *(m.format(files) for m in more)]
    done = pescape(*arguments[:2], *SMALL, *arguments[2:], "--out", str(files / "m.npz"), status=2)
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("pescape")]
    assert words in line
    assert "Traceback" not in done.stderr


def test_atoms_that_a_field_does_not_use_are_said_to_change_nothing(files):
    done = pescape(
        *["fit", str(files / "ethanol.extxyz"), "--isolated", str(files / "atoms.extxyz")],
        *["--field", "sgdml", "--set", "sigma=10", "--set", "lam=1e-10", "--train", "10"],
        *["--valid", "5", "--out", str(files / "sgdml.npz")],
    )
    assert "sgdml has no energies of single atoms: --isolated changes nothing" in done.stdout
