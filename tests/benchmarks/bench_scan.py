"""Relaxed scan: milliseconds per grid point, against ASE's FixInternals + BFGS with the same field.

    python -m tests.benchmarks scan

Both sides run in one thread: more threads help neither with so few atoms, and make the times
depend on what else the machine does.
"""

from __future__ import annotations

import time

import numpy as np

from core.bonding import dihedrals
from core.forcefields.base import ForceField
from core.motion.scan import RelaxedScan, make_grid, rotated
from tests.benchmarks.fields import alone, fields, molecule_of

FMAX = 0.01  # eV/Å


def ours(field: ForceField, n: int = 24) -> dict[str, float]:
    """An n x n relaxed scan, all points at once: ms and force evaluations per point."""
    m = field.molecule
    values = np.linspace(-np.pi, np.pi, n, endpoint=False)
    grid = make_grid(dihedrals(m)[:2], [values, values])
    start = time.perf_counter()
    scan = RelaxedScan(field, m, grid, fmax=FMAX, max_steps=200).run()
    spent = time.perf_counter() - start
    size = len(grid.targets)
    return {
        "points": size,
        "ms_per_point": 1e3 * spent / size,
        "evaluations_per_point": scan.evaluations / size,
        "failed": int((~scan.converged).sum()),
    }


def with_ase(field: ForceField, n: int = 4) -> dict[str, float]:
    """The same from the same rigid starts, point by point, on an n x n subset of such a grid."""
    from ase.constraints import FixInternals
    from ase.optimize import BFGS

    from core.references.ase_bridge import to_ase

    m = field.molecule
    pair = dihedrals(m)[:2]
    values = np.linspace(-np.pi, np.pi, n, endpoint=False) + 0.1
    grid = make_grid(pair, [values, values])
    free = to_ase(m, field)
    BFGS(free, logfile=None).run(fmax=FMAX, steps=500)
    FixInternals(dihedrals_deg=[])  # so that its imports are not counted
    starts = rotated(m, grid, free.get_positions(), np.arange(len(grid.targets)))
    count, failed, start = 0, 0, time.perf_counter()
    for x, target in zip(starts, np.degrees(grid.targets) % 360, strict=True):
        atoms = to_ase(m, field)
        atoms.set_positions(x)
        held = [[float(t), [int(a) for a in d]] for t, d in zip(target, pair, strict=True)]
        atoms.set_constraint(FixInternals(dihedrals_deg=held, epsilon=1e-7))
        try:
            failed += not BFGS(atoms, logfile=None).run(fmax=FMAX, steps=300)
        except ValueError:  # FixInternals did not find back to the held angles
            failed += 1
        count += atoms.calc.count
    spent, size = time.perf_counter() - start, len(starts)
    return {
        "points": size,
        "ms_per_point": 1e3 * spent / size,
        "evaluations_per_point": count / size,
        "failed": failed,
    }


def measure() -> list[dict[str, float | str]]:
    """One row per force field: {field, ms_per_point, ase_ms_per_point, ratio, …}."""
    rows = []
    for name, field in fields(molecule_of()).items():
        ours(field, 4)  # the first call of a field also loads what it needs
        a, b = ours(field), with_ase(field)
        rows.append(
            {
                "field": name,
                **a,
                **{f"ase_{k}": v for k, v in b.items()},
                "ratio": b["ms_per_point"] / a["ms_per_point"],
            }
        )
    return rows


def main() -> None:
    """Print the table."""
    if alone("tests.benchmarks.bench_scan"):
        return
    print("Relaxed scan of ethanol, two dihedrals held, fmax 0.01 eV/Å")
    print(f"{'field':<12}{'ms/point':>10}{'eval.':>8}{'failed':>8}", end="")
    print(f"{'ASE ms':>10}{'eval.':>8}{'failed':>8}{'ratio':>8}")
    for r in measure():
        print(
            f"{r['field']:<12}{r['ms_per_point']:>10.2f}{r['evaluations_per_point']:>8.1f}"
            f"{r['failed']:>8}{r['ase_ms_per_point']:>10.1f}{r['ase_evaluations_per_point']:>8.1f}"
            f"{r['ase_failed']:>8}{r['ratio']:>8.0f}"
        )


if __name__ == "__main__":
    main()
