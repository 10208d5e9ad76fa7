"""The geometry as a PDB file with all bonds (CONECT): topology and start for OpenMM."""

from __future__ import annotations

from core.mm.export.subject import RESIDUE, ExportError, Subject

FIT = 999.9995  # Å: coordinates have eight columns


def pdb(subject: Subject) -> str:
    """Coordinates keep three decimals. Raises ExportError where they do not fit the columns."""
    x = subject.molecule.positions
    if abs(x).max() >= FIT:
        raise ExportError("the molecule lies farther than 999 Å from the origin; centre it first")
    lines = [f"REMARK   {subject.title}"]
    for i, (name, symbol) in enumerate(zip(subject.names, subject.molecule.symbols, strict=True)):
        # one-letter elements begin in the second column of the name
        shown = name if len(name) == 4 or len(symbol) == 2 else f" {name}"
        place = "".join(f"{v:8.3f}" for v in x[i])
        lines.append(
            f"HETATM{i + 1:5d} {shown:<4s} {RESIDUE:>3s} A   1    {place}"
            f"  1.00  0.00          {symbol.upper():>2s}"
        )
    near: dict[int, list[int]] = {}
    for a, b in subject.molecule.bonds.tolist():
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    for a, others in sorted(near.items()):
        for k in range(0, len(others), 4):
            ends = "".join(f"{b + 1:5d}" for b in sorted(others)[k : k + 4])
            lines.append(f"CONECT{a + 1:5d}{ends}")
    return "\n".join([*lines, "END", ""])
