"""Print the force-field type of every atom, in file order."""

from __future__ import annotations

import argparse
from typing import Any

from app.console import Console, UserError

NAME = "types"
HELP = "atom types of a molecule"
ORDER = 60
FIELDS = ("gaff", "gaff2")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `types`."""
    parser.add_argument(
        "molecule", help="a file with one molecule (SDF, MOL, mol2, XYZ …) or SMILES"
    )
    parser.add_argument("--field", default="gaff", help="gaff (GAFF 1.81, default) or gaff2")
    parser.add_argument(
        "--charge", type=int, help="charge of the molecule, where the file has none"
    )


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Assign types and print them."""
    from core.mm.typing import TypingError, atom_types

    if options.field not in FIELDS:
        raise UserError(f"there are atom types for {' and '.join(FIELDS)}, not for {options.field}")
    molecule = read(options, console)
    try:
        found = atom_types(molecule, flavour=options.field)
    except TypingError as error:
        raise UserError(str(error), status=1) from None
    rows = [[str(i), s, t] for i, (s, t) in enumerate(zip(molecule.symbols, found, strict=True), 1)]
    console.table(["atom", "element", "type"], rows)
    return {"field": options.field, "symbols": list(molecule.symbols), "types": list(found)}


def read(options: argparse.Namespace, console: Console) -> Any:
    """The molecule of the options, with bonds; --charge replaces the charge of the file."""
    import dataclasses

    molecule = console.molecule(options.molecule)
    if options.charge is None or options.charge == molecule.charge:
        return molecule
    from core.bonding import with_orders

    odd = (int(molecule.numbers.sum()) - options.charge) % 2
    changed = dataclasses.replace(molecule, charge=options.charge, multiplicity=1 + odd)
    known, note = with_orders(changed)
    if note:
        raise UserError(
            f"--charge {options.charge:+d} does not fit the bonds of {options.molecule}; with "
            f"{molecule.charge:+d} it was read: correct one of them, or give the molecule as MOL "
            "or SDF",
            status=1,
        )
    return known
