"""Print the comparison table of a project: every force field, its errors, speed and stability."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from app.console import Console, UserError
from core.analyses.compare import Score, scorecard
from core.project import Project, ProjectError
from core.units import KCAL_MOL

NAME = "compare"
HELP = "the comparison table of a project: pescape compare PROJECT"
ORDER = 60


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `compare`."""
    parser.add_argument("project", type=Path, help="a project folder")


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Read the project and print."""

    try:
        project = Project.open(options.project, read_only=True)
        rows = scorecard(project)
    except ProjectError as error:
        raise UserError(str(error)) from None
    return say_scorecard(console, rows)


def say_scorecard(console: Console, rows: list[Score]) -> dict[str, Any]:
    """Print the rows; returns them with units in the keys."""
    if not rows:
        console.say("the project has no results to compare yet")
        return {"rows": []}
    header = ["force field", "E MAE meV", "F MAE meV/Å", "surface RMSE kcal/mol", "ms bulk"]
    header += ["ms single", "stable ps"]
    console.table(
        header,
        [
            [
                row.label,
                number(1000 * row.energy_mae, 1),
                number(1000 * row.force_mae, 1),
                number(row.surface_rmse / KCAL_MOL, 2),
                number(row.bulk_ms, 3),
                number(row.single_ms, 3),
                (">" if row.never_failed else "") + number(row.stable_ps, 2),
            ]
            for row in rows
        ],
    )
    return {
        "rows": [
            {
                "label": row.label,
                "energy_mae_eV": row.energy_mae,
                "force_mae_eV_per_A": row.force_mae,
                "frames": row.frames,
                "dataset": row.dataset,
                "surface_rmse_eV": row.surface_rmse,
                "surface": row.surface,
                "predict_bulk_ms": row.bulk_ms,
                "predict_single_ms": row.single_ms,
                "stable_ps": row.stable_ps,
                "never_failed": row.never_failed,
            }
            for row in rows
        ]
    }


def number(value: float, digits: int) -> str:
    """A number, or a dash where it is not known."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"
