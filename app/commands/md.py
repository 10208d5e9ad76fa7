"""Run molecular dynamics with a force field and watch for the first unphysical frame."""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from app.cli_output import write_text
from app.console import Console, UserError
from core.analyses.dynamics import ENGINES, DynamicsSpec, Trajectory

NAME = "md"
HELP = "dynamics: pescape md GEOMETRY --field MODEL --temperature 300 --time 5 --out run.extxyz"
ORDER = 50


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `md`."""
    parser.add_argument("geometry", help="a file with one molecule, or a SMILES string")
    parser.add_argument("--frame", type=int, default=1, help="which frame of the file, from 1")
    parser.add_argument(
        "--field",
        required=True,
        metavar="MODEL|FIELD",
        help="a model file, or a force field as KEY[,name=value]",
    )
    parser.add_argument("--ensemble", choices=("langevin", "nve"), default="langevin")
    parser.add_argument("--temperature", type=float, default=300.0, metavar="K")
    parser.add_argument("--friction", type=float, default=0.01, metavar="1/fs")
    parser.add_argument("--dt", type=float, default=0.5, metavar="fs")
    parser.add_argument("--time", type=float, default=1.0, metavar="ps")
    parser.add_argument("--replicas", type=int, default=1, metavar="N")
    parser.add_argument("--stride", type=int, default=10, help="keep a frame every so many steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="openmm: its Reference platform takes the steps (gaff, gaff-morse and gaff-nn; needs "
        "the package openmm); much faster for one replica, most of all with few kept frames",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help=".extxyz (frames), .csv (traces) or .npz (everything)",
    )


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run and write."""
    if options.out.suffix not in (".extxyz", ".csv", ".npz"):
        raise UserError(f"--out {options.out}: the name must end in .extxyz, .csv or .npz")
    console.check_target(options.out)
    molecule = console.molecule(options.geometry, frame=options.frame)
    folder = console.folder("run")
    trajectory: Trajectory = console.run(
        DynamicsSpec(
            molecule=molecule,
            field=console.field(options.field),
            ensemble=options.ensemble,
            dt=options.dt,
            time=options.time * 1000.0,
            temperature=options.temperature,
            friction=options.friction,
            replicas=options.replicas,
            stride=options.stride,
            seed=options.seed,
            device=options.device,
            engine=options.engine,
            out=str(folder),
        ),
        "running dynamics",
    )
    if options.out.suffix == ".npz":
        console.copy(folder / "record.npz", options.out)
    elif options.out.suffix == ".csv":
        write_text(options.out, traces_csv(trajectory))
    else:
        write_text(options.out, frames_extxyz(trajectory))
    figures = run_figures(trajectory, engine=options.engine)
    console.say(
        f"{figures['stable_ps']:.3f} ps stable, mean temperature "
        f"{figures['temperature_mean_K']:.0f} K, {figures['steps_per_second']:.0f} steps/s "
        f"({options.replicas} replicas together{', by OpenMM' * (options.engine == 'openmm')})"
    )
    for reason in trajectory.reasons:
        console.say(f"  {reason}")
    console.say(f"saved {options.out}")
    return figures


def run_figures(trajectory: Trajectory, *, engine: str = ENGINES[0]) -> dict[str, Any]:
    """The JSON of a run. Means are over the second half of the frames."""
    half = len(trajectory.step) // 2
    temperature = np.asarray(trajectory.temperature)[half:]
    total = np.asarray(trajectory.potential) + np.asarray(trajectory.kinetic)
    return {
        "field": trajectory.label,
        "engine": engine,
        "ensemble": trajectory.ensemble,
        "stable_ps": trajectory.stable_ps,
        "steps_per_second": trajectory.steps_per_second,
        "temperature_mean_K": float(np.nanmean(temperature)),
        "temperature_std_K": float(np.nanstd(temperature)),
        "total_energy_first_eV": total[0],
        "total_energy_last_eV": total[-1],
        "frames": len(trajectory.step),
        "stopped_replicas": int((np.asarray(trajectory.ended) >= 0).sum()),
        "reasons": list(trajectory.reasons),
    }


def traces_csv(trajectory: Trajectory) -> str:
    """time, then potential, kinetic, temperature of every replica."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    replicas = range(trajectory.potential.shape[1])
    header = ["step", "time_fs"]
    for r in replicas:
        header += [f"potential_eV_{r + 1}", f"kinetic_eV_{r + 1}", f"temperature_K_{r + 1}"]
    writer.writerow(header)
    for s in range(len(trajectory.step)):
        row = [int(trajectory.step[s]), f"{trajectory.time[s]:.3f}"]
        for r in replicas:
            row += [
                f"{trajectory.potential[s, r]:.8f}",
                f"{trajectory.kinetic[s, r]:.8f}",
                f"{trajectory.temperature[s, r]:.3f}",
            ]
        writer.writerow(row)
    return text.getvalue()


def frames_extxyz(trajectory: Trajectory) -> str:
    """All kept frames as extended XYZ, replica after replica (energy: the force field's, eV)."""
    symbols = trajectory.molecule.symbols
    lines: list[str] = []
    for r in range(trajectory.positions.shape[1]):
        for s in range(len(trajectory.step)):
            if not np.isfinite(trajectory.positions[s, r]).all():
                continue  # the replica was stopped before this frame
            lines.append(str(len(symbols)))
            lines.append(
                f"Properties=species:S:1:pos:R:3 replica={r + 1} step={int(trajectory.step[s])} "
                f"time_fs={trajectory.time[s]:.3f} "
                f"temperature_K={trajectory.temperature[s, r]:.3f} "
                f'model_energy={trajectory.potential[s, r]:.8f} field="{trajectory.label}" '
                'pbc="F F F"'
            )
            lines += [
                f"{symbol} {x:.8f} {y:.8f} {z:.8f}"
                for symbol, (x, y, z) in zip(symbols, trajectory.positions[s, r], strict=True)
            ]
    return "\n".join(lines) + "\n"
