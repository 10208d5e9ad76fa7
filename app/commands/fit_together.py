"""`pescape fit --together` and `--isolated`: several molecules, and energies of free atoms."""

from __future__ import annotations

import argparse
import math
from typing import Any

from app.console import Console, UserError
from core.analyses.errors import Errors
from core.analyses.fit import Fit, FitShare
from core.analyses.isolated_atoms import IsolatedAtoms, IsolatedSpec
from core.dataset import Dataset


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of combined fits."""
    group = parser.add_argument_group("several molecules (ace and gap)")
    group.add_argument(
        "--together",
        action="append",
        default=[],
        metavar="DATA2",
        help="learn these frames of another molecule too, --train and --valid of them (again for "
        "more)",
    )
    group.add_argument(
        "--isolated",
        metavar="FILE",
        help="energies of isolated atoms, one atom in each frame, computed like the data: the "
        "model then dissociates rightly and may be used for other molecules too",
    )


def read(options: argparse.Namespace, console: Console) -> tuple[list[Dataset], list[str]]:
    """All data sets and the paths of their records, with the isolated atoms in them."""
    sources = [options.data, *options.together]
    names = ["data", *(f"data-{k}" for k in range(2, len(sources) + 1))]
    hint = "; ace and gap learn several, each from a file of its own: DATA --together DATA2"
    found = [console.dataset(s, name=n, several=hint) for s, n in zip(sources, names, strict=True)]
    if options.isolated:
        for data, path in found:
            _isolate(options, console, data, path)
    return [data for data, _ in found], [path for _, path in found]


def _isolate(options: argparse.Namespace, console: Console, data: Dataset, path: str) -> None:
    """Write the energies of free atoms into a data set's record."""
    units = console.reading.get("units", "")
    spec = IsolatedSpec(dataset=path, path=options.isolated, units=units)
    atoms: IsolatedAtoms = console.run(spec, "reading isolated atoms")
    if atoms.unsure:
        raise UserError(
            f"{options.isolated}: {atoms.unsure} Say --units, one of: "
            f"{', '.join(atoms.unit_choices)}."
        )
    if atoms.missing:
        raise UserError(
            f"{options.isolated} has no {' and no '.join(atoms.missing)} atom, which "
            f"{data.molecule.formula} of {data.name} has"
        )
    bound = f"; bound by {atoms.bound:.2f} eV per atom" if math.isfinite(atoms.bound) else ""
    console.say(f"{data.name}: isolated {', '.join(atoms.energies)} ({atoms.units}){bound}")


def shares(options: argparse.Namespace, paths: list[str]) -> tuple[FitShare, ...]:
    """What the fit takes of the other data sets."""
    return tuple(FitShare(path, options.train, options.valid) for path in paths[1:])


def molecules(fit: Fit, first: Dataset) -> list[tuple[str, str, int, Errors]]:
    """Name, formula, training frames and errors on its test frames of every molecule."""
    own = (first.name, first.molecule.formula, len(fit.split.train), fit.errors)
    return [own, *((o.name, o.formula, len(o.split.train), o.errors) for o in fit.others)]


def figures(rows: list[tuple[str, str, int, Errors]]) -> list[dict[str, Any]]:
    """The JSON of all molecules."""
    from app.commands.fit import error_figures

    return [
        {"name": name, "formula": formula, "n_train": n, **error_figures(errors)}
        for name, formula, n, errors in rows
    ]
