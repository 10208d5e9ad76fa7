"""The command line as a person (or a script) meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app import cli, doctor
from app.commands.scan import parse_axis
from app.console import Console, UserError, parse_settings

ROOT = Path(__file__).resolve().parents[2]
ETHANOL = "CCO"


def pescape(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the program as its own process, without a screen."""
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


def test_every_subcommand_explains_itself() -> None:
    text = pescape("--help").stdout
    for name in cli.discover():
        assert name in text
        assert "usage" in pescape(name, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "nowhere.xyz", "--field", "sgdml", "--out", "m"], "nowhere.xyz"),
        (["predict", "nothing", "nowhere.xyz"], "nothing"),
        (["predict", "sgdml", "nowhere.xyz"], "trained first"),
        (["predict", "gaff-morse", "nowhere.xyz"], "trained first"),
        (["predict", "gaff", "nowhere.xyz"], "nowhere.xyz"),
        (["compare", "nowhere"], "nowhere"),
        (["scan", ETHANOL, "--field", "uff", "--axis", "1-2", "--out", "a.csv"], "--axis"),
        (["scan", ETHANOL, "--field", "uff", "--axis", "1-2-3-9:0:9:3", "--out", "a.doc"], ".csv"),
        (["md", ETHANOL, "--field", "uff", "--frame", "7", "--out", "a.csv"], "frame 7"),
        (["fit", ETHANOL, "--field", "sgdml", "--out", "app"], "app: it is a folder"),
        (["fit", ETHANOL, "--field", "sgdml", "--out", "README.md/m.npz"], "is no folder"),
        (["md", ETHANOL, "--field", "uff", "--out", "a.csv", "--json", "app"], "it is a folder"),
        (
            ["fit", ETHANOL, "--field", "sgdml", "--out", "m", "--region", "1-2-3-9:0:9"],
            "--split surface-region",
        ),
    ],
)
def test_bad_input_is_one_clear_line_and_a_status(arguments: list[str], words: str) -> None:
    done = pescape(*arguments, status=1 if words == "nowhere.xyz" else 2)
    lines = [line for line in done.stderr.splitlines() if line.startswith("pescape")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in done.stderr


def test_scan_writes_what_it_says(tmp_path: Path) -> None:
    out, figures = tmp_path / "scan.csv", tmp_path / "scan.json"
    pescape(
        *["scan", ETHANOL, "--field", "uff", "--field", "mmff94", "--relax"],
        *["--axis", "1-2-3-9:-180:120:6", "--out", str(out), "--json", str(figures)],
    )
    found = json.loads(figures.read_text())
    assert found["axes"] == ["1-2-3-9"]
    assert len(found["fields"]) == 2
    for field in found["fields"].values():
        assert all(field["converged"])
        assert field["max_angle_error_deg"] < 1e-4
        assert min(field["relative_kcal_per_mol"]) == 0
    rows = out.read_text().splitlines()
    assert len(rows) == 7
    assert rows[0].startswith("1-2-3-9_requested_deg,")


def test_md_writes_frames_and_figures(tmp_path: Path) -> None:
    out, figures = tmp_path / "run.extxyz", tmp_path / "run.json"
    pescape(
        *["md", ETHANOL, "--field", "mmff94", "--time", "0.05", "--replicas", "2"],
        *["--stride", "20", "--out", str(out), "--json", str(figures)],
    )
    found = json.loads(figures.read_text())
    assert found["stable_ps"] == pytest.approx(0.05)
    assert found["stopped_replicas"] == 0
    assert out.read_text().count("replica=2") == found["frames"]


def test_md_by_openmm(tmp_path: Path) -> None:
    out, figures = tmp_path / "run.npz", tmp_path / "run.json"
    given = ["md", ETHANOL, "--engine", "openmm", "--time", "1", "--stride", "100"]
    words = pescape(*given, "--field", "mmff94", "--out", str(out), status=1).stderr
    pytest.importorskip("openmm", reason="OpenMM is not installed (pip install openmm)")
    assert "OpenMM cannot run MMFF94" in words
    assert not out.exists()
    pescape(*given, "--field", "gaff", "--out", str(out), "--json", str(figures))
    found = json.loads(figures.read_text())
    assert found["engine"] == "openmm"
    assert found["stable_ps"] == pytest.approx(1.0)
    assert found["frames"] == 21
    assert 100 < found["temperature_mean_K"] < 600


def test_options_can_come_from_a_file(tmp_path: Path) -> None:
    spec = tmp_path / "scan.toml"
    spec.write_text(
        'geometry = "CCO"\nfield = ["uff"]\naxis = ["1-2-3-9:0:120:3"]\n'
        f'out = "{tmp_path}/s.json"\n'
    )
    pescape("scan", "--spec", str(spec))
    assert len(json.loads((tmp_path / "s.json").read_text())["requested_deg"]) == 3
    spec.write_text("field = [")
    assert "scan.toml" in pescape("scan", "--spec", str(spec), status=2).stderr


def test_axis_and_settings_are_read_as_people_write_them() -> None:
    axis = parse_axis("1-2-3-9:-180:165:24")
    assert axis.atoms == (0, 1, 2, 8)
    assert np.degrees(axis.values()[[0, -1]]) == pytest.approx([-180, 165])
    assert parse_settings(["sigma=20", "lam=1e-10", "on=true", "name=x"]) == {
        "sigma": 20,
        "lam": 1e-10,
        "on": True,
        "name": "x",
    }
    for bad in ("1-2-3:0:1:2", "1-2-3-4:0:1", "a-b-c-d:0:1:2", "1-2-3-4:0:nan:2"):
        with pytest.raises(UserError):
            parse_axis(bad)
    with pytest.raises(UserError):
        parse_settings(["sigma"])


def test_window_without_a_screen_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert doctor.screen() == ("" if sys.platform == "linux" else "native")
    monkeypatch.setenv("DISPLAY", ":4242")
    if sys.platform == "linux" and doctor._loads("libX11.so.6"):
        assert doctor.screen() == ""


def test_a_missing_library_is_named_with_its_package() -> None:
    line = doctor.sentence({"libEGL.so.1": "libegl1", "libxcb-cursor.so.0": "libxcb-cursor0"})
    assert "libEGL.so.1" in line
    assert "apt install libegl1 libxcb-cursor0" in line


def test_doctor_runs_on_a_bare_python() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "app" / "doctor.py"), "--missing-packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_gaff_is_used_as_it_is_and_fitted(tmp_path: Path, example: Path) -> None:
    """One field, both before and after a fit; the fit is the better one."""
    data = str(example / "ethanol.extxyz")
    model = tmp_path / "model.npz"
    said = pescape("fit", data, "--field", "gaff", "--train", "60", "--valid", "20",
                   "--out", str(model)).stdout  # fmt: skip
    assert "changed most, in widths of the prior" in said
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    pescape("predict", "gaff", data, "--json", str(before))
    pescape("predict", str(model), data, "--json", str(after))
    errors = [json.loads(p.read_text())["force_rmse_eV_per_A"] for p in (before, after)]
    assert errors[1] < 0.6 * errors[0]


def test_frames_are_drawn_as_asked(tmp_path: Path, example: Path) -> None:
    """Trained on one side of a dihedral the model is worse on the other than from everywhere."""
    data, figures = str(example / "ethanol.extxyz"), {}
    for name, more in (
        ("surface-region", ["--region", "2-1-3-9:0:180"]),
        ("random", []),
    ):
        out = tmp_path / f"{name}.json"
        pescape("fit", data, "--field", "sgdml", "--train", "40", "--valid", "10", "--set",
                "sigma=20", "--set", "symmetries=false", "--split", name, *more,
                "--out", str(tmp_path / "model.npz"), "--json", str(out))  # fmt: skip
        figures[name] = json.loads(out.read_text())["force_mae_eV_per_A"]
    assert figures["surface-region"] > figures["random"]


def test_a_field_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that it is unknown: the person is told what to install."""
    with Console() as console:
        monkeypatch.setattr(type(console.engine), "catalog", lambda *_: ())
        monkeypatch.setattr("app.console.absent", lambda: {"ghemical": "pip install it"})
        with pytest.raises(UserError, match="pip install it"):
            console.field("ghemical")
        with pytest.raises(UserError, match="neither a model file"):
            console.field("ghemial")
