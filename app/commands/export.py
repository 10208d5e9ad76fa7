"""Write a molecular-mechanics force field for OpenMM or AMBER, or as JSON."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from app.commands.types import read
from app.console import Console, UserError, parse_settings

NAME = "export"
HELP = "a force field for another program: pescape export MODEL --to openmm --out FILE.xml"
ORDER = 62


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `export`."""
    parser.add_argument(
        "model",
        metavar="MODEL|MOLECULE",
        help="a saved model, or a file with one molecule or SMILES; of an AMBER prmtop (with its "
        "inpcrd or rst7 beside it) the parameters too",
    )
    parser.add_argument(
        "--to",
        required=True,
        help="openmm (System, ForceField, PDB; GAFF-NN's networks as expressions, without pickled "
        "Python), amber (prmtop, inpcrd, mol2, frcmod), json, or sgdml (a trained sGDML model)",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="FILE",
        help="openmm: FILE.xml; amber: FILE.prmtop, .parm7, .frcmod or .mol2; json: FILE.json",
    )
    parser.add_argument("--field", help="for a molecule: gaff (GAFF 1.81, default) or gaff2")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="for a molecule: settings of the force field, e.g. charges=nagl",
    )
    parser.add_argument(
        "--charges",
        help="for a molecule: given (types and charges of a mol2 file), gasteiger (default), nagl, "
        "antechamber",
    )
    parser.add_argument(
        "--charge", type=int, help="charge of the molecule, where the file has none"
    )


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Open the field, write the files, tell the energy that the other program must find."""
    from core.forcefields.errors import ForceFieldError
    from core.mm.export import ExportError, export, target_of

    if options.to == "sgdml":
        return _sgdml(options, console)
    try:
        target_of(options.to, options.out)  # before any work is done
        field = _field(options, console)
        written = export(field, options.to, options.out, sources=_sources(options))
    except ExportError as error:
        raise UserError(str(error)) from None
    except ForceFieldError as error:
        raise UserError(str(error), status=1) from None
    for file, what in zip(written.files, written.what, strict=True):
        console.say(f"{file}: {what}")
    for note in written.notes:
        console.say(f"  {note}")
    energies = _energies(field)
    console.say("Energy of this geometry, to compare with:")
    console.table(["term", "kcal/mol"], [[k, f"{v:.6f}"] for k, v in energies.items()])
    return {
        "field": field.INFO.key,
        "to": options.to,
        "files": [str(f) for f in written.files],
        "notes": list(written.notes),
        "energy_kcal_per_mol": energies,
    }


def _sgdml(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """A model file for the sgdml package."""
    from core.fitting.sgdml.npz import write_package_model
    from core.forcefields.errors import ForceFieldError
    from core.forcefields.load import load_model, read_model

    if options.out.suffix != ".npz":
        raise UserError(f"--out {options.out}: the name must end in .npz")
    if not Path(options.model).is_file():
        raise UserError(f"there is no model {options.model}")
    try:
        field = load_model(options.model)
        extra = read_model(options.model).extra
        names = {"dataset": extra.get("dataset") or "unknown", "theory": extra.get("level") or ""}
        write_package_model(options.out, field, **names)
    except ForceFieldError as error:
        raise UserError(str(error), status=1) from None
    console.say(f"{options.out}: for sgdml's GDMLPredict and calculator, in kcal/mol and Å")
    return {"field": field.INFO.key, "to": "sgdml", "files": [str(options.out)]}


def _field(options: argparse.Namespace, console: Console) -> Any:
    from core.fieldref import FieldRef
    from core.forcefields.load import load_model, make

    source = Path(options.model)
    if source.suffix.lower() == ".npz" or not _might_be_molecule(source):
        if options.field or options.set or options.charges or options.charge is not None:
            raise UserError(
                "--field, --set, --charges and --charge are for molecules; a model has its own"
            )
        if not source.is_file():
            raise UserError(f"there is no model {source}")
        return load_model(source, device=options.device)
    hyper = parse_settings(options.set)
    name = options.field or "gaff"
    if name not in ("gaff", "gaff2"):
        raise UserError(f"{name} cannot be exported for a molecule; possible are: gaff, gaff2")
    if name == "gaff2" and hyper.setdefault("flavour", "gaff2") != "gaff2":
        raise UserError(f"--field gaff2 contradicts --set flavour={hyper['flavour']}")
    if options.charges:
        hyper["charges"] = options.charges
    suffix = source.suffix.lower()
    if suffix == ".mol2" and hyper.get("charges") == "given":
        hyper.setdefault("mol2", str(source))
    elif suffix in (".prmtop", ".parm7"):
        hyper.setdefault("parameters", str(source))
    molecule = read(argparse.Namespace(**vars(options), molecule=options.model), console)
    return make(FieldRef("gaff", hyper=hyper), molecule, device=options.device)


def _might_be_molecule(source: Path) -> bool:
    """A saved model is a zip file, whatever its name is."""
    try:
        with open(source, "rb") as stream:
            return stream.read(4) != b"PK\x03\x04"
    except OSError:
        return True  # a SMILES, or a name that the reader will complain about


def _sources(options: argparse.Namespace) -> tuple[Path, ...]:
    files = [options.model, *(str(v) for v in parse_settings(options.set).values())]
    return tuple(Path(f) for f in files if len(f) < 4096 and "\0" not in f and Path(f).is_file())


def _energies(field: Any) -> dict[str, float]:
    """Each kind of term and the total at the molecule's geometry, kcal/mol."""
    import torch

    from core.units import KCAL_MOL

    x = torch.as_tensor(field.molecule.positions[None].copy(), dtype=field.dtype)
    x = x.to(field.device)
    rows = {kind: float(e[0]) / KCAL_MOL for kind, e in field.terms(x).items()}
    constant = getattr(field, "offset", 0.0) / KCAL_MOL  # of a trained field, no term of its
    rows |= {"constant": constant} if constant else {}
    return {**rows, "total": float(field.energy(x)[0]) / KCAL_MOL}
