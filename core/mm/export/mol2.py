"""Tripos mol2 with atom types and charges, as tleap and `read_mol2` read it."""

from __future__ import annotations

import numpy as np

from core.mm.export.subject import RESIDUE, ExportError, Subject

ORDERS = {1.0: "1", 1.5: "ar", 2.0: "2", 3.0: "3"}


def mol2(subject: Subject) -> str:
    """The text. Raises ExportError where the order of a bond is not known."""
    molecule, top = subject.molecule, subject.topology
    if len(molecule.orders) and not (molecule.orders > 0).all():
        from core.bonding import with_orders

        molecule, note = with_orders(molecule)
        if note:
            raise ExportError(note)
    lines = [
        f"# {subject.title}",
        "@<TRIPOS>MOLECULE",
        RESIDUE,
        f"{len(molecule.numbers):5d} {len(molecule.bonds):5d}     1     0     0",
        "SMALL",
        "USER_CHARGES",
        "",
        "",
        "@<TRIPOS>ATOM",
    ]
    for i, (x, y, z) in enumerate(molecule.positions.tolist()):
        lines.append(
            f"{i + 1:7d} {subject.names[i]:<4s} {x:14.8f} {y:14.8f} {z:14.8f} "
            f"{top.types[i]:<5s} 1 {RESIDUE} {top.charges[i]:14.10f}"
        )
    lines.append("@<TRIPOS>BOND")
    orders = molecule.orders if len(molecule.orders) else np.ones(len(molecule.bonds))
    for k, ((a, b), order) in enumerate(zip(molecule.bonds.tolist(), orders, strict=True), start=1):
        if float(order) not in ORDERS:
            raise ExportError(
                f"the bond {subject.atom(a)} to {subject.atom(b)} has the order {order:g}; mol2 "
                "knows 1, 1.5, 2 and 3"
            )
        lines.append(f"{k:6d} {a + 1:5d} {b + 1:5d} {ORDERS[float(order)]}")
    last = f"     1 {RESIDUE}         1 TEMP              0 ****  ****    0 ROOT"
    return "\n".join([*lines, "@<TRIPOS>SUBSTRUCTURE", last, ""])
