"""Read a stranger's file into a Dataset, and say what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.dataset import Dataset
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context
    from core.readers.build import Found
    from core.readers.raw import Raw
    from core.readers.units import Units


@wire
@dataclass(frozen=True)
class ImportSpec:
    """Read `path` (a file, or a SMILES string with format "smiles").

    units "" = guess from magnitude, and ask (Report.unsure) when that is not certain; else one of
    "eV", "kcal/mol", "kJ/mol", "Hartree". length_units: "" or "Å", "Bohr", "nm". out: the folder
    where the Dataset is saved (empty = not saved); more than one: out, out-2, …
    energy_key, force_key: the labels to take where a file holds several levels. force_sign: what
    to do with forces that look like gradients: "" = ask, "keep" or "flip".
    """

    path: str
    format: str = ""
    units: str = ""
    length_units: str = ""
    name: str = ""
    out: str = ""
    energy_key: str = ""
    force_key: str = ""
    force_sign: str = ""


@wire
@dataclass(frozen=True)
class Report:
    """What an import found. problems are errors a person must act on; notes are for information.

    unsure: what could not be decided without the person ("" = nothing; only then is it saved).
    unit_choices then lists what to ask: energy units for ImportSpec.units, length units for
    ImportSpec.length_units where `unsure` begins with "lengths", nothing where it is about the
    sign of the forces (ImportSpec.force_sign). force_sign: "ok", "reversed" or "unknown" (too few
    near frames to tell).
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
    """Read, check and save. See ImportSpec.

    Raises ReaderError (a ValueError) naming file, frame and line when the file cannot be read, and
    StorageError when the result cannot be saved.
    """
    import hashlib
    from pathlib import Path

    from core import readers
    from core.readers.build import build
    from core.readers.limits import sha256
    from core.readers.units import decide
    from core.storage import make_folder, save_result

    if spec.force_sign not in ("", "keep", "flip"):
        raise readers.ReaderError(
            spec.path, f"force_sign is {spec.force_sign!r}; it is keep, flip or empty"
        )
    options = readers.Options(
        energy_key=spec.energy_key,
        force_key=spec.force_key,
        tick=lambda fraction: context.progress(0.5 * fraction, "reading"),
    )
    context.progress(0.0, "reading")
    raw = readers.read(spec.path, format=spec.format, options=options)
    from_text = spec.format == "smiles" and not readers.is_smiles_file(spec.path)
    context.progress(0.5, "checking units and forces")
    units = decide(raw, energy=spec.units, length=spec.length_units)
    found = build(
        raw,
        units,
        name=spec.name or (spec.path if from_text else Path(spec.path).stem),
        source=spec.path if from_text else Path(spec.path).name,
        sha256=(hashlib.sha256(spec.path.encode()).hexdigest() if from_text else sha256(spec.path)),
        flip=spec.force_sign == "flip",
        tick=lambda fraction: context.progress(0.5 + 0.4 * fraction, "checking"),
    )
    reports = tuple(_report(raw, units, one, spec) for one in found)
    paths = [""] * len(found)
    if spec.out and not any(r.unsure for r in reports):
        out = Path(spec.out)
        for k, one in enumerate(found):
            folder = out if k == 0 else out.with_name(f"{out.name}-{k + 1}")
            make_folder(str(folder))
            save_result(str(folder), one.dataset)
            paths[k] = str(folder)
            context.progress(0.9 + 0.1 * (k + 1) / len(found), "saving")
    context.progress(1.0)
    return Imported(tuple(f.dataset for f in found), reports, tuple(paths))


def _report(raw: Raw, units: Units, found: Found, spec: ImportSpec) -> Report:
    unsure = units.unsure
    if not (unsure or raw.stated.trusted or spec.force_sign) and found.sign == "reversed":
        unsure = "the sign of the forces: they look like gradients. Turn them round or keep them"
    notes = found.notes
    if spec.force_sign == "flip":
        notes = ("the signs of all forces were turned round, as asked", *notes)
    return Report(
        format=raw.format,
        frames=len(found.dataset),
        formula=found.dataset.molecule.formula,
        n_energies=found.n_energies,
        n_forces=found.n_forces,
        units=units.text,
        unit_reason=units.reason,
        unsure=unsure,
        unit_choices=units.choices if units.unsure else (),
        force_sign=found.sign,
        force_sign_detail=found.sign_detail,
        duplicates=found.duplicates,
        outliers=found.outliers,
        problems=found.problems,
        notes=notes,
    )


SPEC = ImportSpec
