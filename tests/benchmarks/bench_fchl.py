"""FCHL19 on rMD17: errors against the published ones, seconds, memory, milliseconds a geometry.

    python -m tests.benchmarks fchl                 quick: 200 frames of ethanol
    python -m tests.benchmarks.bench_fchl --full    ethanol 500 and 1000, malonaldehyde 1000
    python -m tests.benchmarks.bench_fchl --full --aspirin    and 1000 frames of aspirin (long)

Published: rMD17, 1000 training frames (Christensen, von Lilienfeld, Mach. Learn.: Sci. Technol. 1,
045018 (2020); as in Kovács et al., J. Chem. Theory Comput. 17, 7696 (2021), table 2). Measured
peer: the operator model of qmllib 1.2.0 with 500 frames on two cores, fit 69 s, 42-48 ms a
geometry, on the first 100 test frames.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.analyses.importing import ImportSpec
from core.analyses.importing import run as read
from core.dataset import Dataset, Split
from core.engine.context import Context
from core.forcefields.fchl19 import FCHL19Field
from core.forcefields.load import hyper_from
from tests.benchmarks.fields import ROOT

#: molecule -> published MAE with 1000 frames: meV, meV/Å
PUBLISHED = {"ethanol": (0.9, 6.2), "malonaldehyde": (1.5, 10.3), "aspirin": (6.2, 20.9)}
#: (molecule, frames) -> energy and force MAE on 100 test frames, fit s, ms a geometry
MEASURED = {("ethanol", 500): (2.4, 15.0, 69.0, 45.0)}
QUICK = (("ethanol", 200),)
FULL = (("ethanol", 500), ("ethanol", 1000), ("malonaldehyde", 1000))
LONG = (("aspirin", 200), ("aspirin", 1000))
NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Row:
    """MAE in meV and meV/Å, seconds of the fit, GB, milliseconds a geometry in bulk and singly."""

    energy: float
    force: float
    fit: float
    memory: float
    bulk: float
    single: float
    notes: dict[str, str]


def frames(shared: Path, molecule: str, part: str) -> Dataset:
    """One file of rMD17."""
    path = shared / "data" / "rmd17" / f"rmd17_{molecule}_{part}_01.npz"
    return read(ImportSpec(str(path), units="kcal/mol"), Context()).datasets[0]


def row(shared: Path, molecule: str, n_train: int) -> Row:
    """Fit to the first n_train training frames, choose on 50 others, test on the test file."""
    train, test = (frames(shared, molecule, part) for part in ("train", "test"))
    count, valid = len(train), 50
    assert train.energies is not None
    assert train.forces is not None
    assert test.energies is not None
    assert test.forces is not None
    # the last test frames choose: with 1000 training frames no others are left
    data = Dataset(
        molecule,
        train.molecule,
        np.concatenate([train.positions, test.positions[-valid:]]),
        np.concatenate([train.energies, test.energies[-valid:]]),
        np.concatenate([train.forces, test.forces[-valid:]]),
    )
    split = Split(np.arange(n_train), np.arange(count, count + valid), NONE)
    start = time.perf_counter()
    field = FCHL19Field.fit(data, split, hyper_from(FCHL19Field, {}), Context())
    seconds = time.perf_counter() - start
    tested = slice(0, 100 if (molecule, n_train) in MEASURED else len(test) - valid)
    field.predict(test.positions[:20])
    start = time.perf_counter()
    p = field.predict(test.positions[tested])
    bulk = 1e3 * (time.perf_counter() - start) / len(p.energy)
    start = time.perf_counter()
    for geometry in test.positions[:20]:
        field.predict(geometry[None])
    single = 1e3 * (time.perf_counter() - start) / 20
    return Row(
        1e3 * float(np.abs(p.energy - test.energies[tested]).mean()),
        1e3 * float(np.abs(p.forces - test.forces[tested]).mean()),
        seconds,
        Context.peak_rss() / 1e9,
        bulk,
        single,
        field.notes,
    )


def main(words: list[str] | None = None) -> None:
    """Print the table."""
    shared = Path(os.environ.get("PESCAPE_SHARED", ROOT.parent / "shared"))
    if not (shared / "data" / "rmd17").is_dir():
        print("needs the developers' reference data (set PESCAPE_SHARED)")
        return
    words = words or []
    wanted = (*QUICK, *(FULL if "--full" in words else ()), *(LONG if "--aspirin" in words else ()))
    print("MAE in meV / meV/Å; ratios to the published (1000 frames) or the measured peer")
    for molecule, n_train in wanted:
        found = row(shared, molecule, n_train)
        print(
            f"{molecule} {n_train}: {found.energy:.2f} / {found.force:.2f}, fit {found.fit:.1f} s, "
            f"peak {found.memory:.1f} GB, {found.bulk:.2f} ms bulk, {found.single:.2f} ms single"
        )
        if n_train == 1000:
            e, f = PUBLISHED[molecule]
            print(f"    published {e} / {f}: ratio {found.energy / e:.2f} / {found.force / f:.2f}")
        if (molecule, n_train) in MEASURED:
            e, f, fit, ms = MEASURED[molecule, n_train]
            print(
                f"    qmllib {e} / {f}, fit {fit:.0f} s, {ms:.0f} ms: ratio "
                f"{found.energy / e:.2f} / {found.force / f:.2f}, "
                f"{found.fit / fit:.2f}, {found.bulk / ms:.3f}"
            )
        print(f"    {', '.join(f'{k}: {v}' for k, v in found.notes.items())}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
