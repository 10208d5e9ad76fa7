"""Do the whole round on the ethanol example: train, compare surfaces, run dynamics, report.

Writes report.html, figures, CSV tables and a project that the window opens.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from app import report
from app.cli_output import write_text
from app.commands.compare import say_scorecard
from app.commands.fit import error_figures
from app.commands.md import run_figures, traces_csv
from app.commands.scan import surface_csv, surface_figures
from app.console import Console, UserError
from core import storage
from core.analyses import surface_tools
from core.analyses.compare import scorecard
from core.analyses.dynamics import DynamicsSpec, Trajectory
from core.analyses.errors import Errors, ErrorsSpec
from core.analyses.fit import Fit, FitSpec
from core.analyses.importing import ImportSpec
from core.analyses.surface import Axis, Surface, SurfaceSpec
from core.dataset import Dataset
from core.fieldref import FieldRef
from core.project import Item, Project, ProjectError
from core.units import KCAL_MOL

NAME = "demo"
HELP = "the whole round on the ethanol example, with a report (about a minute, no screen)"
ORDER = 10
EXAMPLE = Path(__file__).resolve().parents[2] / "resources" / "examples" / "ethanol"
TITLE = "ethanol demo"
OTHERS = ("mmff94", "uff", "gfn2-xtb")
#: C-C-O-H and H-C-C-O, 24 points each over one period.
AXES = tuple(
    Axis(atoms=atoms, start=-np.pi, stop=np.pi - np.pi / 12, n=24)
    for atoms in ((1, 0, 2, 8), (5, 1, 0, 2))
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `demo`."""
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new or empty folder"
    )
    parser.add_argument("--train", type=int, default=400, metavar="N", help="training frames")
    parser.add_argument("--time", type=float, default=5.0, metavar="ps", help="of dynamics")


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run every step; the project in DIR/project keeps all of it."""
    started = time.monotonic()
    if not (EXAMPLE / "ethanol.extxyz").exists():
        raise UserError(f"the example is missing: {EXAMPLE / 'ethanol.extxyz'}")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        old = options.out / "project"
        _clear(old)
        project = Project.create(old, TITLE)
    except (OSError, ProjectError) as error:
        raise UserError(f"cannot make a project in {options.out}: {error}") from None

    frames = _import(console, project, "ethanol.extxyz", "ethanol 500 K")
    grid = _import(console, project, "surface.extxyz", "ethanol surface")
    fit_item, fit = _train(console, project, str(frames.record), options)
    fields = [FieldRef(key="reference", dataset=str(grid.record), label="PBE/def2-SVP")]
    fields.append(FieldRef(key=fit.key, model=str(fit_item.folder / "model.npz"), label=fit.label))
    fields += [console.field(key) for key in OTHERS]

    errors = {fit.label: fit.errors}
    for field in fields[2:]:
        errors[field.label] = _errors(console, project, field, str(frames.record), fit)
    surface = _surface(console, project, str(grid.record), fields)
    trajectory = _dynamics(console, project, fields[1], surface, options)
    seconds = time.monotonic() - started
    path = _report(options.out, fit, errors, surface, trajectory, seconds)

    figures = {
        "scorecard": say_scorecard(console, scorecard(project)),
        "errors": {label: error_figures(e) for label, e in errors.items()},
        "surface": surface_figures(surface),
        "dynamics": run_figures(trajectory),
        "seconds": seconds,
        "report": str(path),
    }
    console.say(f"done in {seconds:.0f} s: {path}")
    console.say(f"open it in the window with: pescape {options.out / 'project'}")
    return figures


def _clear(folder: Path) -> None:
    """Remove the project of an earlier demo, and nothing else."""
    if not folder.exists():
        return
    with Project.open(folder) as project:  # raises when a window has it open
        if project.name != TITLE:
            raise ProjectError(f"{folder} is another project; choose another folder")
    shutil.rmtree(folder)


def _make(
    console: Console, project: Project, kind: str, name: str, spec: Any, title: str
) -> tuple[Item, Any]:
    """Run a job whose result is an item of the project, as the window does it."""
    item = project.reserve(kind, name)
    spec = dataclasses.replace(spec, out=str(item.folder))
    project.note_job(item.id, spec)
    return item, console.run(spec, title)


def _import(console: Console, project: Project, file: str, name: str) -> Item:
    spec = ImportSpec(path=str(EXAMPLE / file), name=name)
    return _make(console, project, "datasets", name, spec, f"reading {file}")[0]


def _train(
    console: Console, project: Project, data: str, options: argparse.Namespace
) -> tuple[Item, Fit]:
    label = f"sGDML {options.train}"
    spec = FitSpec(
        key="sgdml",
        dataset=data,
        n_train=options.train,
        n_valid=100,
        label=label,
        device=options.device,
    )
    item, fit = _make(console, project, "fits", label, spec, "training sGDML")
    console.say(
        f"{label}: force MAE {1000 * fit.errors.force_mae:.1f} meV/Å on "
        f"{fit.errors.n_forces} test frames, trained in {fit.fit_seconds:.1f} s"
    )
    return item, fit


def _errors(console: Console, project: Project, field: FieldRef, data: str, fit: Fit) -> Errors:
    spec = ErrorsSpec(field=field, dataset=data, frames=fit.split.test)
    name = f"{field.label} on ethanol"
    return _make(console, project, "errors", name, spec, f"testing {field.label}")[1]


def _surface(console: Console, project: Project, data: str, fields: list[FieldRef]) -> Surface:
    name = "ethanol, reference geometries"
    molecule = storage.load(Path(data), Dataset).molecule
    spec = SurfaceSpec(molecule=molecule, axes=AXES, fields=tuple(fields), name=name)
    return _make(console, project, "surfaces", name, spec, "surfaces")[1]


def _dynamics(
    console: Console,
    project: Project,
    field: FieldRef,
    surface: Surface,
    options: argparse.Namespace,
) -> Trajectory:
    best = int(np.nanargmin(surface.layers[0].energy))
    start = dataclasses.replace(surface.molecule, positions=surface.layers[0].positions[best])
    name = f"{field.label}, 500 K"
    spec = DynamicsSpec(
        molecule=start,
        field=field,
        time=options.time * 1000,
        temperature=500.0,
        replicas=4,
        stride=20,
        device=options.device,
        name=name,
    )
    return _make(console, project, "runs", name, spec, "dynamics")[1]


def _report(out: Path, fit: Fit, errors: dict, surface: Surface, trajectory: Any, seconds: float):
    page = report.Report(out, "PEScape: ethanol, end to end")
    note = json.loads((EXAMPLE / "certificate.json").read_text(encoding="utf-8"))
    frames = " and ".join(f"{n} at {kelvin}" for kelvin, n in note["sampling"]["frames"].items())
    page.text(
        f"Data: frames of Langevin dynamics on GFN2-xTB, {frames}, "
        f"labelled at {note['level']} ({note['programs']['pyscf']} pyscf, {note['date']}). "
        f"sGDML was trained on {len(fit.split.train)} of them in {fit.fit_seconds:.1f} s; errors "
        f"are on {fit.errors.n_forces} frames it never saw. All of this took {seconds:.0f} s."
    )
    page.heading("Errors")
    base = surface.layers[0].energy
    rmse = {
        layer.label: surface_tools.rmse(layer.energy, base) / KCAL_MOL for layer in surface.layers
    }
    page.table(
        "errors",
        [
            "force field",
            "energy MAE (meV)",
            "force MAE (meV/Å)",
            "force RMSE (meV/Å)",
            "surface RMSE (kcal/mol)",
            "ms per geometry, bulk",
        ],
        [
            [
                label,
                f"{1000 * e.energy_mae:.1f}",
                f"{1000 * e.force_mae:.1f}",
                f"{1000 * e.force_rmse:.1f}",
                f"{rmse[label]:.2f}",
                f"{e.predict_bulk_ms:.3f}",
            ]
            for label, e in errors.items()
        ],
    )
    page.figure("parity", report.parity(fit.errors), f"{fit.label} on its test frames")
    page.heading("Surfaces")
    page.figure(
        "surfaces",
        report.maps(surface, reference=0),
        "Every force field on the reference's own geometries (relaxed with GFN2-xTB), each with "
        "its minimum at zero; below, the difference to the reference without its mean.",
    )
    write_text(out / "surfaces.csv", surface_csv(surface))
    page.heading("Dynamics")
    page.text(
        f"{trajectory.label}: {trajectory.stable_ps:.2f} ps stable, "
        f"{trajectory.steps_per_second:.0f} steps per second over "
        f"{trajectory.positions.shape[1]} replicas. " + " ".join(trajectory.reasons)
    )
    page.figure("dynamics", report.dynamics(trajectory, surface, layer=1), "Langevin, 500 K")
    write_text(out / "dynamics.csv", traces_csv(trajectory))
    return page.write()
