"""Read a stranger's file into a Dataset, and say what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.dataset import Dataset
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context


@wire
@dataclass(frozen=True)
class ImportSpec:
    """Read `path` (a file, or a SMILES string with format "smiles").

    units "" = guess from magnitude, and ask (Report.unsure) when that is not certain; else one of
    "eV", "kcal/mol", "kJ/mol", "Hartree". out: where the Dataset is saved (empty = not saved).
    """

    path: str
    format: str = ""
    units: str = ""
    length_units: str = ""
    name: str = ""
    out: str = ""


@wire
@dataclass(frozen=True)
class Report:
    """What an import found. problems are errors a person must act on; notes are for information.

    unsure: what could not be decided without the person ("" = nothing); unit_choices then lists
    what to ask. force_sign: "ok", "reversed" or "unknown" (too few near frames to tell).
    """

    format: str
    frames: int
    formula: str
    n_energies: int
    n_forces: int
    units: str
    unit_reason: str
    unsure: str = ""
    unit_choices: tuple[str, ...] = ()
    force_sign: str = "unknown"
    force_sign_detail: str = ""
    duplicates: tuple[int, ...] = ()  # frames from 1 that repeat an earlier one
    outliers: tuple[int, ...] = ()  # frames from 1 far outside in energy or force
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@wire
@dataclass(frozen=True, eq=False)
class Imported:
    """One or more data sets (one per composition and atom order) with a report each."""

    datasets: tuple[Dataset, ...]
    reports: tuple[Report, ...]
    paths: tuple[str, ...]  # where each was saved, "" when not


def run(spec: ImportSpec, context: Context) -> Imported:
    """See ImportSpec."""
    raise NotImplementedError


SPEC = ImportSpec
