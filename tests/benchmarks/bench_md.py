"""Dynamics: steps per second of 1 and 32 replicas, against ASE's Langevin with the same field;
GAFF also by OpenMM's Reference platform (`engine="openmm"`), 1 replica.

    python -m tests.benchmarks md

Both sides run in one thread: more threads help neither with so few atoms, and make the times
depend on what else the machine does.
"""

from __future__ import annotations

import importlib.util
import time

import torch

from core.analyses.dynamics import DynamicsSpec
from core.engine.context import Context
from core.fieldref import FieldRef
from core.forcefields.base import ForceField
from core.forcefields.load import make
from core.motion.trajectory import Run
from tests.benchmarks.fields import alone, fields, molecule_of

DT, T, FRICTION = 0.5, 300.0, 0.01  # fs, K, 1/fs


def ours(
    field: ForceField,
    replicas: int,
    seconds: float = 3.0,
    *,
    engine: str = "pescape",
    stride: int = 10,
) -> float:
    """Steps per second of all replicas together (watch, kept frames and events included)."""
    from core.motion.openmm_run import OpenMMRun

    kind, steps = {"pescape": Run, "openmm": OpenMMRun}[engine], 200 * stride // 10
    while True:
        spec = DynamicsSpec(
            field.molecule,
            FieldRef(field.INFO.key),
            dt=DT,
            time=steps * DT,
            temperature=T,
            friction=FRICTION,
            replicas=replicas,
            stride=stride,
            engine=engine,
        )
        start = time.perf_counter()
        speed = kind(spec, field, Context()).go().steps_per_second
        spent = time.perf_counter() - start
        if spent > 0.4 * seconds:
            return speed
        steps *= 4


def with_ase(field: ForceField, seconds: float = 3.0) -> float:
    """Steps per second of ASE's Langevin, one replica."""
    from ase import units
    from ase.md.langevin import Langevin

    from core.references.ase_bridge import to_ase

    atoms = to_ase(field.molecule, field)
    settings = {"temperature_K": T, "friction": FRICTION / units.fs, "fixcm": False}
    run = Langevin(atoms, DT * units.fs, **settings)
    run.run(20)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        run.run(50)
        done += 50
    return done / (time.perf_counter() - start)


def field_ms(field: ForceField, replicas: int) -> float:
    """Milliseconds of one call for `replicas` geometries: what no integrator can save."""
    x = torch.tensor(field.molecule.positions, dtype=field.dtype).expand(replicas, -1, -1).clone()
    field.compute(x)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < 0.5:
        field.compute(x)
        done += 1
    return 1e3 * (time.perf_counter() - start) / done


def measure() -> list[dict[str, float | str]]:
    """One row per force field: steps/s for 1 and 32 replicas and ASE, ratios, overhead per step."""
    rows = []
    for name, field in fields(molecule_of()).items():
        one, many, ase = ours(field, 1), ours(field, 32), with_ase(field)
        rows.append(
            {
                "field": name,
                "steps_per_s_1": one,
                "steps_per_s_32": many,
                "ase_steps_per_s": ase,
                "ratio_1": one / ase,
                "ratio_32": many / ase,
                "overhead_us_1": 1e6 / one - 1e3 * field_ms(field, 1),
                "ase_overhead_us": 1e6 / ase - 1e3 * field_ms(field, 1),
            }
        )
    return rows


def by_openmm(field: ForceField) -> list[tuple[str, float]]:
    """(what, steps/s) of GAFF, 1 replica: PEScape and OpenMM, frames kept often and rarely, and
    OpenMM's own loop with nothing around it."""
    from core.motion.integrators import State
    from core.motion.openmm_run import Contexts

    rows = [("PEScape, a frame every 10 steps", ours(field, 1))]
    for stride in (10, 1000):
        speed = ours(field, 1, engine="openmm", stride=stride)
        rows.append((f"OpenMM Reference, a frame every {stride} steps", speed))
    spec = DynamicsSpec(field.molecule, FieldRef(field.INFO.key), temperature=T, engine="openmm")
    run = Run(spec, field, Context())
    contexts = Contexts(spec, field, run.mass, run.evaluate)
    x = torch.tensor(field.molecule.positions)[None]
    contexts.start(State.at(x, torch.zeros_like(x), run.mass, field.compute), [0], 0)
    bare = contexts.replicas[0].getIntegrator()
    bare.step(1000)
    start = time.perf_counter()
    bare.step(200_000)
    rows.append(("OpenMM Reference, its loop alone", 200_000 / (time.perf_counter() - start)))
    return rows


def main() -> None:
    """Print the table."""
    if alone("tests.benchmarks.bench_md"):
        return
    print("Langevin dynamics of ethanol, steps per second of all replicas together")
    print(
        f"{'field':<12}{'1 replica':>11}{'32':>11}{'ASE':>9}{'ratio 1':>9}{'ratio 32':>10}", end=""
    )
    print(f"{'overhead µs':>13}{'ASE µs':>9}")
    for r in measure():
        print(
            f"{r['field']:<12}{r['steps_per_s_1']:>11.0f}{r['steps_per_s_32']:>11.0f}"
            f"{r['ase_steps_per_s']:>9.0f}{r['ratio_1']:>9.1f}{r['ratio_32']:>10.0f}"
            f"{r['overhead_us_1']:>13.0f}{r['ase_overhead_us']:>9.0f}"
        )
    if importlib.util.find_spec("openmm") is None:
        print("\nGAFF by OpenMM: not measured, OpenMM is not installed")
        return
    print("\nGAFF of ethanol, 1 replica, Langevin")
    rows = by_openmm(make(FieldRef("gaff"), molecule_of()))
    for what, speed in rows:
        print(f"{what:<42}{speed:>10.0f} steps/s {1e6 / speed:>8.1f} µs/step", end="")
        print(f"{speed / rows[0][1]:>7.1f} x")


if __name__ == "__main__":
    main()
