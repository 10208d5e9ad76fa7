"""sGDML here against the sgdml package on rMD17: time, memory, errors, speed.

    python -m tests.benchmarks sgdml                 quick: ethanol 200 and 500, aspirin 200
    python -m tests.benchmarks.bench_sgdml --full    also ethanol 1000, aspirin 500 and 1000, and
                                                     angles and dihedrals beside the distances

sigma 20, lambda 1e-10, frames of the training file (drawn energy-stratified below 1000), errors on
the whole test file. Each fit runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SIGMA = 20.0


@dataclass(frozen=True)
class Peer:
    """sgdml 1.0.3 with numpy 1.26 on 2 cores of the same machine, measured 2026-11-20.

    seconds: symmetry search and training; memory GB; mae meV/Å; bulk ms a geometry; NaN: not run.
    """

    seconds: float
    memory: float
    mae: float
    bulk: tuple[float, float]


NAN = float("nan")
PEERS = {
    ("ethanol", 200): Peer(NAN, NAN, 37.5, (NAN, NAN)),
    ("ethanol", 500): Peer(39.5, 3.2, 22.9, (0.44, 0.82)),
    ("ethanol", 1000): Peer(181.0, 3.9, 16.5, (1.2, 1.9)),
    ("aspirin", 200): Peer(23.0, NAN, 67.2, (NAN, NAN)),
    ("aspirin", 500): Peer(327.0, 5.6, 45.3, (1.3, 4.7)),
    ("aspirin", 1000): Peer(NAN, NAN, NAN, (NAN, NAN)),
}
QUICK = (("ethanol", 200, ""), ("ethanol", 500, ""), ("aspirin", 200, ""))
FULL = (
    *QUICK,
    ("ethanol", 500, "iterative"),
    ("ethanol", 1000, ""),
    ("aspirin", 500, ""),
    ("aspirin", 1000, ""),
)
TERMS = (("ethanol", 200), ("malonaldehyde", 200))


def one(molecule: str, frames: int, solver: str, terms: str) -> dict[str, Any]:
    """Fit and measure in this process."""
    import torch

    from core.engine.context import Context
    from core.fitting.sgdml.hyper import SGDMLHyper
    from core.fitting.splits import draw
    from core.fitting.symmetry import find_permutations
    from core.forcefields.sgdml import SGDML

    torch.set_num_threads(min(2, os.cpu_count() or 1))
    train, test = (_load(molecule, part) for part in ("train", "test"))
    split, _ = draw(train, n_train=frames, n_valid=0)
    start = time.perf_counter()
    find_permutations(train.molecule.numbers, train.positions[split.train])
    symmetry = time.perf_counter() - start
    hyper = SGDMLHyper(sigma=SIGMA, solver=solver or "auto", terms=terms)
    start = time.perf_counter()
    model = SGDML.fit(train, split, hyper, Context())
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    model.predict(test.positions[:50])
    start = time.perf_counter()
    p = model.predict(test.positions)
    bulk = (time.perf_counter() - start) / len(test) * 1e3
    start = time.perf_counter()
    for r in test.positions[:50]:
        model.predict(r[None])
    single = (time.perf_counter() - start) / 50 * 1e3
    assert test.forces is not None
    assert test.energies is not None
    return {
        "symmetry": symmetry, "seconds": seconds, "memory": memory / 1e9, "bulk": bulk,
        "single": single, "solver": model.notes["solver"],
        "mae": 1e3 * float(np.abs(p.forces - test.forces).mean()),
        "energy": 1e3 * float(np.abs(p.energy - test.energies).mean()),
    }  # fmt: skip


def _load(molecule: str, part: str) -> Any:
    from core.dataset import Dataset
    from core.molecule import Molecule
    from core.units import KCAL_MOL

    folder = Path(os.environ.get("PESCAPE_SHARED", ROOT.parent / "shared"))
    with np.load(folder / "data" / "rmd17" / f"rmd17_{molecule}_{part}_01.npz") as d:
        atoms = Molecule(molecule, d["nuclear_charges"], d["coords"][0])
        energies, forces = d["energies"] * KCAL_MOL, d["forces"] * KCAL_MOL
        return Dataset(molecule, atoms, d["coords"], energies, forces)


def measured(molecule: str, frames: int, solver: str = "", terms: str = "") -> dict[str, Any]:
    """`one` in a process of its own."""
    words = ["one", molecule, str(frames), solver, terms]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_sgdml", *words],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env={k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _cell(value: float, width: int, digits: int = 1) -> str:
    """A number, or a dash where nobody measured it."""
    return f"{value:{width}.{digits}f}" if value == value else "-".rjust(width)


def _ratio(peer: float, ours: float) -> str:
    return f"{peer / ours:5.1f}x" if peer == peer else "     -"


def main() -> None:
    """Print the table."""
    full = "--full" in sys.argv
    print("fit in s (symmetries included), memory in GB, errors in meV/Å and meV, ms a geometry")
    print(
        f"{'':14}{'fit':>7}{'sgdml':>7}{'':>7}{'GB':>6}{'sgdml':>7}{'F MAE':>8}{'sgdml':>7}"
        f"{'E MAE':>7}{'bulk':>7}{'sgdml':>10}{'single':>8}{'symm.':>7}  solver"
    )
    for molecule, frames, solver in FULL if full else QUICK:
        o, p = measured(molecule, frames, solver), PEERS[molecule, frames]
        print(
            f"{molecule:9}{frames:5d}{o['seconds']:7.1f}{_cell(p.seconds, 7)}"
            f"{_ratio(p.seconds, o['seconds']):>7}{o['memory']:6.1f}{_cell(p.memory, 7)}"
            f"{o['mae']:8.1f}{_cell(p.mae, 7)}{o['energy']:7.1f}{o['bulk']:7.3f}"
            f"{_cell(p.bulk[0], 10, 2)}{o['single']:8.2f}{o['symmetry']:7.2f}  "
            f"{o['solver'].split(' (')[0]}",
            flush=True,
        )
    for molecule, frames in TERMS if full else ():
        plain, more = measured(molecule, frames), measured(molecule, frames, "", "auto")
        print(
            f"{molecule} {frames}, force and energy MAE: distances {plain['mae']:.1f} and "
            f"{plain['energy']:.1f}, with dihedrals {more['mae']:.1f} and {more['energy']:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        name, count, how, names = sys.argv[2:6]
        print(json.dumps(one(name, int(count), how, names)))
    else:
        main()
