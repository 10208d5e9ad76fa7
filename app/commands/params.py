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
METHODS = ("auto", "given", "gasteiger", "nagl", "antechamber")
TYPES = ("own", "given")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `params`."""
    parser.add_argument(
        "molecule",
        help="a file with one molecule (SDF, MOL, mol2, XYZ …), SMILES, or AMBER's prmtop",
    )
    parser.add_argument("--field", help="gaff (GAFF 1.81, default) or gaff2")
    parser.add_argument(
        "--charge", type=int, help="charge of the molecule, where the file has none"
    )
    parser.add_argument(
        "--charges",
        default="auto",
        help="given: those of the mol2 or prmtop file; gasteiger, nagl, antechamber; auto "
        "(default): given where the file has them, else gasteiger",
    )
    parser.add_argument(
        "--types", default="own", help="own (default), or given: GAFF's, as a mol2 file has them"
    )
    parser.add_argument("--frcmod", help="an frcmod file whose entries win over the table's")
    parser.add_argument("--out", type=Path, metavar="FILE", help="FILE.json or FILE.frcmod")


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Assign, tell what was missing, write."""
    from core.mm.assign import AssignError
    from core.mm.charges import ChargeError
    from core.mm.frcmod import FrcmodError, frcmod
    from core.mm.typing import TypingError
    from core.readers.errors import ReaderError

    _refuse(options)
    try:
        made = _from_prmtop if _is_prmtop(options) else _from_tables
        molecule, topology, masses, method = made(options, console)
        text = ""
        if options.out and options.out.suffix == ".frcmod":
            title = f"PEScape: {molecule.name or molecule.formula}, {topology.source}"  # its mark
            text = frcmod(topology, masses, title=title)
    except ReaderError as error:
        raise UserError(str(error)) from None
    except (TypingError, ChargeError, AssignError, FrcmodError) as error:
        raise UserError(str(error), status=1) from None
    figures = _figures(molecule, topology, method)
    console.table(
        ["term", "number", "by analogy", "worst penalty"],
        [
            [kind, str(len(t)), str(int((t.penalty > 0).sum())), f"{max(t.penalty, default=0):.1f}"]
            for kind in ("bond", "angle", "torsion", "improper")
            for t in [getattr(topology, kind)]
        ],
    )
    total = round(float(np.sum(topology.charges)), 4) + 0.0  # no "-0"
    for note in (*topology.notes, f"charges: {method}, {total:+.4f} e in all"):
        console.say(f"  {note}")
    if text:
        write_text(options.out, text)
    elif options.out:
        import json

        from app.cli_output import plain

        write_text(options.out, json.dumps(plain(figures), indent=1) + "\n")
    return figures


def _refuse(options: argparse.Namespace) -> None:
    """Options that are none."""
    if options.field not in (None, *FIELDS):
        raise UserError(f"there are parameters for {' and '.join(FIELDS)}, not for {options.field}")
    if options.out and options.out.suffix not in (".json", ".frcmod"):
        raise UserError(f"{options.out}: the file must end in .json or .frcmod")
    if options.charges not in METHODS:
        raise UserError(f"--charges is one of {', '.join(METHODS)}, not {options.charges}")
    if options.types not in TYPES:
        raise UserError(f"--types is one of {', '.join(TYPES)}, not {options.types}")


def _is_prmtop(options: argparse.Namespace) -> bool:
    from core.readers.amber import TOPOLOGIES

    return options.molecule.lower().endswith(TOPOLOGIES)


def _from_prmtop(options: argparse.Namespace, console: Console) -> tuple[Any, Any, Any, str]:
    """Everything as the file has it; needs no coordinates."""
    from core.elements import MASSES
    from core.mm.prmtop import read_prmtop
    from core.readers.amber import coordinates_beside, molecule_of

    if options.charges not in ("auto", "given") or any(
        value is not None for value in (options.field, options.frcmod, options.charge)
    ):
        raise UserError(
            "a prmtop has its own parameters and charges: leave --field, --frcmod, --charge and "
            "--charges out"
        )
    path = Path(options.molecule)
    molecule, _ = molecule_of(path, coordinates_beside(path))
    topology = read_prmtop(path)[1]
    masses = {
        kind: float(MASSES[z]) for kind, z in zip(topology.types, molecule.numbers, strict=True)
    }
    return molecule, topology, masses, "given"


def _from_tables(options: argparse.Namespace, console: Console) -> tuple[Any, Any, Any, str]:
    """Molecule, topology, masses by type, and the charge method that was taken."""
    from core.mm.assign import assign
    from core.mm.charges import charges
    from core.mm.tables import read_frcmod, table
    from core.mm.typing import atom_types

    flavour = options.field or FIELDS[0]
    types, given = _of_mol2(options)
    molecule = read(options, console)
    base = table(flavour)
    extra = read_frcmod(options.frcmod) if options.frcmod else None
    if types is None:
        types = atom_types(molecule, flavour=flavour)
    method = options.charges
    if method == "auto":
        method = "gasteiger" if given is None else "given"
    values = charges(molecule, method, given=given)
    topology = assign(molecule, types, values, base, extra=extra)
    return molecule, topology, base.masses | (extra.masses if extra else {}), method


def _of_mol2(options: argparse.Namespace) -> tuple[tuple[str, ...] | None, np.ndarray | None]:
    """Types and charges of a mol2 file, where they are asked for."""
    from core.mm.mol2 import gaff_types, read_mol2

    source, types, given = options.molecule, None, None
    if source.lower().endswith(".mol2"):
        _, types, given = read_mol2(source)
    if options.charges == "given" and given is None:
        raise UserError(f"{source} has no charges; choose one of: {', '.join(METHODS[2:])}")
    if options.types == "own":
        return None, given
    if types is None or not gaff_types(types):
        raise UserError(f"{source} has no GAFF atom types; leave --types out for our own")
    return types, given


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
