"""Print versions, device, OpenGL renderer and missing system libraries."""

from __future__ import annotations

import argparse
from typing import Any

from app import doctor
from app.console import Console, UserError

NAME = "doctor"
HELP = "what this machine has and what it lacks"
ORDER = 90


def arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Print the report; status 1 where a library is missing."""
    lines = doctor.report()
    console.say("\n".join(lines))
    missing = doctor.missing_libraries()
    if missing:
        raise UserError(doctor.sentence(missing), status=1)
    return {"report": lines}
