"""AMBER: prmtop with start coordinates, and mol2 + frcmod for tleap.

prmtop: https://ambermd.org/prmtop.pdf. Units there: kcal/mol, Å, rad, charges times 18.2223, whose
square is AMBER's Coulomb constant; charges of a field with another constant are scaled to keep its
energies. (OpenMM and ParmEd read the same charges and use their own constant.)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from core.mm.constants import AMBER_COULOMB
from core.mm.export.amber_prmtop import prmtop
from core.mm.export.mol2 import mol2
from core.mm.export.subject import ExportError, Part, Subject, Target
from core.mm.frcmod import FrcmodError, frcmod

SAME = 1e-9  # relative, of Coulomb constants: 332.05221729 is itself rounded
FIT = 9999.0  # Å: coordinates have twelve columns


def parts(subject: Subject, suffix: str) -> tuple[Part, ...]:
    """What the suffix names; a prmtop brings coordinates, mol2 and frcmod along."""
    if subject.bonded is not None:
        raise ExportError(
            "AMBER has no networks as bonded terms; export them to openmm or json, or refit as gaff"
        )
    if subject.depth is not None:
        raise ExportError(
            "AMBER has no Morse bonds; export them to openmm or json, or refit as gaff"
        )
    subject, note = _with_ambers_constant(subject)
    if suffix == ".frcmod":
        return (Part(suffix, _frcmod(subject), "parameters by atom type", note),)
    if suffix == ".mol2":
        return (Part(suffix, mol2(subject), "atom types and charges", note),)
    return (
        Part(suffix, prmtop(subject), "AMBER topology", note),
        Part(".inpcrd", inpcrd(subject), "coordinates"),
        _or_note(".mol2", mol2, subject, "atom types and charges"),
        _or_note(".frcmod", _frcmod, subject, "parameters by atom type"),
    )


def _or_note(suffix: str, write: Callable[[Subject], str], subject: Subject, what: str) -> Part:
    """What goes beside the prmtop: where it cannot express the field, a note says so."""
    try:
        return Part(suffix, write(subject), what)
    except ExportError as error:
        return Part(suffix, "", what, f"no {suffix[1:]} file: {error}. The prmtop has it all")


def inpcrd(subject: Subject) -> str:
    """AMBER's coordinate file (Å, seven decimals)."""
    x = subject.molecule.positions
    if abs(x).max() >= FIT:
        raise ExportError("the molecule lies farther than 9999 Å from the origin; centre it first")
    words = [f"{v:12.7f}" if abs(v) < 999 else f"{v:12.6f}" for v in x.reshape(-1)]
    lines = ["".join(words[i : i + 6]) for i in range(0, len(words), 6)]
    return "\n".join([subject.title[:80], f"{len(x):5d}", *lines, ""])


def _frcmod(subject: Subject) -> str:
    improper = subject.topology.improper
    masses = dict(zip(subject.topology.types, map(float, subject.masses), strict=True))
    rows = {tuple(a) for a in improper.atoms.tolist()}
    if len(rows) < len(improper):
        raise ExportError("an improper with several terms has no place in an frcmod file")
    try:
        return frcmod(subject.topology, masses, title=subject.title)
    except FrcmodError as error:
        raise ExportError(str(error)) from None


def _with_ambers_constant(subject: Subject) -> tuple[Subject, str]:
    top = subject.topology
    if abs(top.coulomb / AMBER_COULOMB - 1) < SAME:
        return subject, ""
    factor = math.sqrt(top.coulomb / AMBER_COULOMB)
    scaled = dataclasses.replace(top, charges=top.charges * factor, coulomb=AMBER_COULOMB)
    note = (
        f"charges are multiplied by {factor:.8f}, since AMBER's Coulomb constant is not the one "
        "of this force field"
    )
    return dataclasses.replace(subject, topology=scaled), note


TARGET = Target("amber", "AMBER", (".prmtop", ".parm7", ".frcmod", ".mol2"), parts)
