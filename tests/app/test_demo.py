"""`pescape demo`: the whole round, small, as its own process."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.project import Project

ROOT = Path(__file__).resolve().parents[2]


def demo(out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "demo", "--out", str(out), *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_the_demo_does_the_whole_round(tmp_path: Path, example: Path) -> None:
    out, figures = tmp_path / "demo", tmp_path / "demo.json"
    done = demo(out, "--train", "100", "--time", "0.2", "--json", str(figures))
    assert done.returncode == 0, done.stderr
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "://" not in page.split("</style>")[1]  # self-contained; base64 may well hold "http"
    with (out / "surfaces.csv").open() as file:
        assert len(list(csv.reader(file))) == 1 + 24 * 24
    found = json.loads(figures.read_text())
    labels = {row["label"] for row in found["scorecard"]["rows"]}
    assert labels == {"sGDML 100", "MMFF94", "UFF", "GFN2-xTB"}
    sgdml, mmff = found["errors"]["sGDML 100"], found["errors"]["MMFF94"]
    assert sgdml["force_mae_eV_per_A"] < 0.2 * mmff["force_mae_eV_per_A"]
    assert found["dynamics"]["stable_ps"] == pytest.approx(0.2)
    for name, layer in found["surface"]["fields"].items():
        assert all(layer["converged"]), name
    with Project.open(out / "project") as project:
        assert [len(project.items(k)) for k in ("datasets", "fits", "surfaces", "runs")] == [
            2,
            1,
            1,
            1,
        ]
        assert not project.unfinished()


def test_the_demo_never_removes_another_project(tmp_path: Path, example: Path) -> None:
    with Project.create(tmp_path / "project", "years of work") as project:
        project.set("precious", True)
    done = demo(tmp_path)
    assert done.returncode == 2
    assert "another project" in done.stderr
    with Project.open(tmp_path / "project") as project:
        assert project.settings["precious"] is True
