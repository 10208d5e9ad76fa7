"""GAP: error, fit time, memory and speed against the number of sparse points and of channels.

    python -m tests.benchmarks gap                    quick: 200 frames of ethanol
    python -m tests.benchmarks.bench_gap --full       1000 frames of the three molecules, too

The published figures beside the full runs: Kovács et al., J. Chem. Theory Comput. 17, 7696 (2021),
table 2. gap_fit (quippy 0.10.3) on 1000 frames of ethanol with 1050 sparse points and two cores
took 310 s, and 27 ms a geometry.
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
from core.forcefields.gap import GAP
from core.forcefields.load import hyper_from
from tests.benchmarks.accuracy_peers import MEASURED, MOLECULES, PUBLISHED
from tests.benchmarks.bench_accuracy import shared
from tests.benchmarks.fields import ROOT, rmd17

NONE = np.zeros(0, dtype=int)
QUICK = ({}, {"sparse": 600}, {"sparse": 1200}, {"channels": 6}, {"cutoffs": "3, 5"})


def measure(data: Path, molecule: str, n: int, values: dict[str, Any]) -> dict[str, float]:
    """Fit on n frames, test on the thousand of the other file."""
    train, test = (rmd17(data, molecule, part) for part in ("train", "test"))
    start = time.perf_counter()
    model = GAP.fit(train, Split(np.arange(n), NONE, NONE), hyper_from(GAP, values), Context())
    fit = time.perf_counter() - start
    peak = Context.peak_rss()
    return {"fit": fit, "GiB": peak / 2**30, **speed_and_errors(model, test)}


def speed_and_errors(model: GAP, test: Dataset) -> dict[str, float]:
    """MAE in meV and meV/Å, ms a geometry in bulk, singly, and of its error bar."""
    x = torch.tensor(test.positions)
    model.compute(x[:100])
    start = time.perf_counter()
    energy, forces = model.compute(x)
    bulk = (time.perf_counter() - start) / len(x)
    start = time.perf_counter()
    for i in range(30):
        model.compute(x[i : i + 1])
    single = (time.perf_counter() - start) / 30
    start = time.perf_counter()
    model.sigma(test.positions[:300])
    sigma = (time.perf_counter() - start) / 300
    assert test.energies is not None
    assert test.forces is not None
    return {
        "E": 1e3 * float(np.abs(energy.numpy() - test.energies).mean()),
        "F": 1e3 * float(np.abs(forces.numpy() - test.forces).mean()),
        "bulk": 1e3 * bulk,
        "single": 1e3 * single,
        "sigma": 1e3 * sigma,
    }


def alone(molecule: str, n: int, values: dict[str, Any]) -> dict[str, float]:
    """`measure` in a process of its own, so that its memory is its own."""
    words = [sys.executable, "-m", "tests.benchmarks.bench_gap", "--one", molecule, str(n)]
    done = subprocess.run(
        [*words, json.dumps(values)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


HEAD = (
    f"{'molecule':14s} {'frames':>6s} {'settings':18s} {'E meV':>6s} {'F meV/Å':>8s} {'fit s':>6s} "
    f"{'GiB':>5s} {'bulk ms':>8s} {'single':>7s} {'σ ms':>6s}"
)


def line(molecule: str, n: int, values: dict[str, Any], r: dict[str, float]) -> str:
    """One row; ratios to the published errors and the measured peer where there are any."""
    words = " ".join(f"{k}={v}" for k, v in values.items()) or "as given"
    text = (
        f"{molecule:14s} {n:6d} {words:18s} {r['E']:6.2f} {r['F']:8.2f} {r['fit']:6.1f} "
        f"{r['GiB']:5.2f} {r['bulk']:8.2f} {r['single']:7.2f} {r['sigma']:6.2f}"
    )
    if n == 1000 and ("gap", molecule) in PUBLISHED:
        e, f = PUBLISHED["gap", molecule]
        text += f"   errors over published {r['E'] / e:.2f}, {r['F'] / f:.2f}"
    peer = MEASURED.get(("gap", molecule, n))
    if peer:
        text += (
            f"; {peer.name}: fit x {peer.fit / r['fit']:.0f}, bulk x {peer.bulk / r['bulk']:.0f}"
        )
    return text


def main(words: list[str] | None = None) -> None:
    """Print the table."""
    words = words or []
    data = shared()
    if data is None:
        print("the reference data are not here: nothing to measure")
        return
    if words[:1] == ["--one"]:
        print(json.dumps(measure(data, words[1], int(words[2]), json.loads(words[3]))))
        return
    cases: list[tuple[str, int, dict[str, Any]]] = [("ethanol", 200, v) for v in QUICK]
    if "--full" in words:
        cases += [(m, 1000, {}) for m in MOLECULES]
    print(HEAD)
    for case in cases:
        print(line(*case, alone(*case)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
