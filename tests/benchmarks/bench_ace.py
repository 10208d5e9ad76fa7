"""Linear ACE: errors beside the published ones, basis size, fit time, memory, speed.

    python -m tests.benchmarks ace                    quick: ethanol, 200 frames, basis sizes
    python -m tests.benchmarks.bench_ace --full       1000 frames of three molecules, and 3BPA
    python -m tests.benchmarks.bench_ace --one aspirin 1000 '{"functions": 8000}'

Published: Kovács et al., J. Chem. Theory Comput. 17, 7696 (2021), tables 2 (MAE) and 6 (RMSE).
Lambda is chosen on a tenth of the training frames; the test frames are seen once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.engine.context import Context
from core.fitting.cores import cores
from core.forcefields.ace import ACE
from core.forcefields.load import hyper_from
from core.molecule import Molecule
from tests.benchmarks.accuracy_peers import BLOCKS, MOLECULES, PUBLISHED, PUBLISHED_3BPA
from tests.benchmarks.bench_accuracy import shared
from tests.benchmarks.fields import ROOT, rmd17

NONE = np.zeros(0, dtype=int)
QUICK: tuple[dict[str, Any], ...] = ({}, {"functions": 3000}, {"functions": 1500}, {"order": 3})


def threebpa(data: Path) -> tuple[Dataset, list[Dataset]]:
    """The 500 training frames at 300 K and the three blocks of others, with isolated atoms."""
    from ase.io import read

    folder = data / "data" / "3bpa"
    names = ("train_300K.xyz", "train_mixedT.xyz", "iso_atoms.xyz")
    train, mixed, atoms = (read(folder / n, ":") for n in names)
    alone = {a.get_chemical_symbols()[0]: float(a.get_potential_energy()) for a in atoms}

    def made(frames: list[Any]) -> Dataset:
        first = Molecule("3bpa", frames[0].numbers, frames[0].positions)
        return Dataset(
            "3bpa",
            first,
            np.array([f.positions for f in frames]),
            np.array([f.get_potential_energy() for f in frames]),
            np.array([f.get_forces() for f in frames]),
            isolated_atoms=alone,
        )

    seen = {f.positions.round(6).tobytes() for f in train}
    blocks = [
        [f for f in mixed[part] if f.positions.round(6).tobytes() not in seen]
        for part in (slice(0, 167), slice(167, 333), slice(333, 500))
    ]
    return made(train), [made(b) for b in blocks]


def measure(data: Path, molecule: str, n: int, values: dict[str, Any]) -> dict[str, Any]:
    """Fit on n frames; errors on every test set: MAE and RMSE, meV and meV/Å."""
    if molecule == "3bpa":
        train, tests = threebpa(data)
    else:
        train, tests = rmd17(data, molecule, "train"), [rmd17(data, molecule, "test")]
    start = time.perf_counter()
    model = ACE.fit(train, Split(np.arange(n), NONE, NONE), hyper_from(ACE, values), Context())
    fit = time.perf_counter() - start
    found: dict[str, Any] = {"fit": fit, "GiB": Context.peak_rss() / 2**30, "notes": model.notes}
    found["errors"] = [_errors(model, test) for test in tests]
    x = torch.tensor(tests[0].positions[:200])
    with cores(1):
        model.compute(x[:50])
        start = time.perf_counter()
        model.compute(x)
        found["bulk"] = 1e3 * (time.perf_counter() - start) / len(x)
        start = time.perf_counter()
        for i in range(20):
            model.compute(x[i : i + 1])
        found["single"] = 1e3 * (time.perf_counter() - start) / 20
    found["atoms"] = x.shape[1]
    return found


def _errors(model: ACE, test: Dataset) -> tuple[float, float, float, float]:
    assert test.energies is not None
    assert test.forces is not None
    p = model.predict(test.positions)
    e, f = 1e3 * (p.energy - test.energies), 1e3 * (p.forces - test.forces)
    mae = float(np.abs(e).mean()), float(np.abs(f).mean())
    return *mae, float((e**2).mean() ** 0.5), float((f**2).mean() ** 0.5)


def alone(molecule: str, n: int, values: dict[str, Any]) -> dict[str, Any]:
    """`measure` in a process of its own, so that its memory is its own."""
    words = [sys.executable, "-m", "tests.benchmarks.bench_ace", "--one", molecule, str(n)]
    done = subprocess.run(
        [*words, json.dumps(values), "--json"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


HEAD = (
    f"{'molecule':14s} {'frames':>6s} {'settings':16s} {'functions':>9s} {'degrees':10s} "
    f"{'E meV':>7s} {'F meV/Å':>8s} {'fit s':>6s} {'GiB':>5s} {'bulk ms':>8s} {'ms/atom':>8s} "
    f"{'single':>7s}"
)


def lines(molecule: str, n: int, values: dict[str, Any], r: dict[str, Any]) -> str:
    """Rows of one fit; ratios to the published errors where there are any."""
    words = " ".join(f"{k}={v}" for k, v in values.items()) or "as given"
    rows = []
    for k, error in enumerate(r["errors"]):
        name, shown, paper = molecule, error[:2], PUBLISHED.get(("ace", molecule))
        if molecule == "3bpa":
            name, shown, paper = f"3bpa {BLOCKS[k]}", error[2:], PUBLISHED_3BPA["ace"][k]
        text = (
            f"{name:14s} {n:6d} {words:16s} {r['notes']['basis functions']:>9s} "
            f"{r['notes']['degrees']:10s} {shown[0]:7.2f} {shown[1]:8.2f} {r['fit']:6.1f} "
            f"{r['GiB']:5.2f} {r['bulk']:8.2f} {r['bulk'] / r['atoms']:8.3f} {r['single']:7.2f}"
        )
        if paper and n in (500, 1000):
            text += f"   published {paper[0]:g} / {paper[1]:g}, ratio "
            text += f"{shown[0] / paper[0]:.2f} / {shown[1] / paper[1]:.2f}"
        rows.append(text)
    return "\n".join(rows)


def main(words: list[str] | None = None) -> None:
    """Print the table."""
    words = words or []
    data = shared()
    if data is None:
        print("the reference data are not here: nothing to measure")
        return
    if words[:1] == ["--one"]:
        case = (words[1], int(words[2]), json.loads(words[3]) if len(words) > 3 else {})
        found = measure(data, *case)
        print(json.dumps(found) if "--json" in words else f"{HEAD}\n{lines(*case, found)}")
        return
    cases: list[tuple[str, int, dict[str, Any]]] = [("ethanol", 200, v) for v in QUICK]
    if "--full" in words:
        cases += [(m, 1000, {}) for m in MOLECULES] + [("3bpa", 500, {})]
    print(HEAD)
    for case in cases:
        print(lines(*case, alone(*case)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
