"""Print the comparison table of a project: every force field, its errors, speed and stability."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from app.console import Console, UserError

NAME = "compare"
HELP = "the comparison table of a project: pescape compare PROJECT"
ORDER = 60


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `compare`."""
    parser.add_argument("project", type=Path, help="a project folder")


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Read the project and print."""
    from core.analyses.compare import scorecard

    from core.project import Project, ProjectError

    try:
        project = Project.open(options.project)
        rows = scorecard(project)
    except ProjectError as error:
        raise UserError(str(error)) from None
    return say_scorecard(console, rows)


def say_scorecard(console: Console, rows: Any) -> dict[str, Any]:
    """Print the rows; returns them with units in the keys."""
    raise NotImplementedError
