"""Evaluate a model or a force field on frames: errors where labels are, speed, and uncertainty
where the field knows its own (GAP)."""

from __future__ import annotations

import argparse
from typing import Any

from app.commands.fit import error_figures, say_errors
from app.console import Console
from core.analyses.errors import ErrorsSpec

NAME = "predict"
HELP = "errors, speed and uncertainty on frames: pescape predict MODEL|FIELD DATA"
ORDER = 30


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `predict`."""
    parser.add_argument(
        "model",
        metavar="MODEL|FIELD",
        help="a model file (of the sgdml package too) or a force field",
    )
    parser.add_argument("data", help="frames of the same molecule")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter"
    )


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Predict and compare."""
    field = console.field(options.model, settings=options.set)
    _, path = console.dataset(options.data)
    errors = console.run(ErrorsSpec(field=field, dataset=path), "predicting")
    say_errors(console, errors)
    return {"label": errors.label, **error_figures(errors)}
