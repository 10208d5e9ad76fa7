"""Assign force-field parameters to a molecule: types, charges, every term and where it is from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from app.cli_output import write_text
from app.commands.types import FIELDS, read
from app.console import Console, UserError

NAME = "params"
HELP = "force-field parameters of a molecule"
ORDER = 61
METHODS = ("gasteiger", "nagl", "antechamber", "file")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `params`."""
    parser.add_argument(
        "molecule", help="a file with one molecule (SDF, MOL, mol2, XYZ …) or SMILES"
    )
    parser.add_argument("--field", default="gaff", help="gaff (GAFF 1.81, default) or gaff2")
    parser.add_argument(
        "--charge", type=int, help="charge of the molecule, where the file has none"
    )
    parser.add_argument(
        "--charges",
        default="gasteiger",
        help="gasteiger (default), nagl, antechamber, or file: those of a mol2 file",
    )
    parser.add_argument("--frcmod", help="an frcmod file whose entries win over the table's")
    parser.add_argument("--out", type=Path, metavar="FILE", help="FILE.json or FILE.frcmod")


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Assign, tell what was missing, write."""
    from core.mm.assign import AssignError, assign
    from core.mm.charges import ChargeError, charges
    from core.mm.frcmod import FrcmodError, frcmod
    from core.mm.tables import read_frcmod, table
    from core.mm.typing import TypingError, atom_types
    from core.readers.errors import ReaderError

    if options.field not in FIELDS:
        raise UserError(f"there are parameters for {' and '.join(FIELDS)}, not for {options.field}")
    if options.out and options.out.suffix not in (".json", ".frcmod"):
        raise UserError(f"{options.out}: the file must end in .json or .frcmod")
    if options.charges not in METHODS:
        raise UserError(f"--charges is one of {', '.join(METHODS)}, not {options.charges}")
    molecule = read(options, console)
    base = table(options.field)
    try:
        extra = read_frcmod(options.frcmod) if options.frcmod else None
        types = atom_types(molecule, flavour=options.field)
        given = _own_charges(options.molecule) if options.charges == "file" else None
        values = charges(molecule, "given" if given is not None else options.charges, given=given)
        topology = assign(molecule, types, values, base, extra=extra)
        masses = base.masses | (extra.masses if extra else {})
        text = frcmod(topology, masses, title=f"{molecule.name or molecule.formula}: {base.name}")
    except ReaderError as error:
        raise UserError(str(error)) from None
    except (TypingError, ChargeError, AssignError, FrcmodError) as error:
        raise UserError(str(error), status=1) from None
    figures = _figures(molecule, topology, options.charges)
    console.table(
        ["term", "number", "by analogy", "worst penalty"],
        [
            [kind, str(len(t)), str(int((t.penalty > 0).sum())), f"{max(t.penalty, default=0):.1f}"]
            for kind in ("bond", "angle", "torsion", "improper")
            for t in [getattr(topology, kind)]
        ],
    )
    for note in topology.notes:
        console.say(f"  {note}")
    if options.out and options.out.suffix == ".frcmod":
        write_text(options.out, text)
    elif options.out:
        import json

        from app.cli_output import plain

        write_text(options.out, json.dumps(plain(figures), indent=1) + "\n")
    return figures


def _own_charges(source: str) -> np.ndarray:
    from core.mm.mol2 import read_mol2

    found = read_mol2(source)[2] if source.lower().endswith(".mol2") else None
    if found is None:
        raise UserError(f"{source} has no charges; choose one of: {', '.join(METHODS[:3])}")
    return found


def _figures(molecule: Any, topology: Any, method: str) -> dict[str, Any]:
    """The topology as plain values: kcal/mol, Å, degrees, e; atoms from 1."""
    from core.units import KCAL_MOL

    figures: dict[str, Any] = {
        "source": topology.source,
        "units": "kcal/mol, angstrom, degree, e; atoms from 1; no factors one half",
        "charge_method": method,
        "symbols": list(molecule.symbols),
        "types": list(topology.types),
        "charges": topology.charges,
        "rmin_half": topology.rmin_half,
        "epsilon": topology.epsilon / KCAL_MOL,
        "pairs14": topology.pairs14 + 1,
        "scee14": topology.scee14,
        "scnb14": topology.scnb14,
        "notes": list(topology.notes),
    }
    for kind in ("bond", "angle", "torsion", "improper"):
        term = getattr(topology, kind)
        names = {"k": 1 / KCAL_MOL, "theta0": np.degrees(1), "phase": np.degrees(1)}
        columns = {n: v * names.get(n, 1.0) for n, v in term.parameters.items()}
        figures[kind] = [
            {
                "atoms": (term.atoms[i] + 1).tolist(),
                "types": term.types[i],
                **{n: float(c[i]) for n, c in columns.items()},
                "source": term.source[i],
                "penalty": float(term.penalty[i]),
            }
            for i in range(len(term))
        ]
    return figures
