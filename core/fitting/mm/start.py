"""A saved GAFF model, edited or fitted, as the start of a fit: its terms and its flags."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

from core.analyses.parameters import FLAGS, Flag, flags_from_text
from core.forcefields.errors import ForceFieldError
from core.mm.pack import from_arrays
from core.mm.topology import Topology
from core.molecule import Molecule


def is_saved(path: str) -> bool:
    """Whether a file is a saved model, rather than AMBER's text."""
    return bool(path) and zipfile.is_zipfile(path)


def saved_terms(path: str, molecule: Molecule) -> tuple[Molecule, Topology]:
    """The molecule with the model's bonds, and its terms.

    Raises ForceFieldError where the model is of another kind, or of other atoms.
    """
    from core.forcefields.load import check_atoms, read_model

    model = read_model(path)
    name = Path(path).name
    if model.key != "gaff":
        raise ForceFieldError(f"{name} is a model of {model.key}; a fit of GAFF starts from GAFF's")
    check_atoms(model.molecule, molecule, what=name)
    if molecule.charge != model.molecule.charge:
        raise ForceFieldError(
            f"{name} is for a charge of {model.molecule.charge:+d}, the data's molecule has "
            f"{molecule.charge:+d}"
        )
    try:
        topology = from_arrays(model.state)
    except ValueError as error:
        raise ForceFieldError(f"the terms of {name} are damaged: {error}") from error
    return dataclasses.replace(model.molecule, positions=molecule.positions), topology


def saved_flags(path: str) -> tuple[Flag, ...]:
    """Flags of a saved model; none where `path` is no model or was saved without."""
    from core.forcefields.load import read_model

    if not is_saved(path):
        return ()
    try:
        return flags_from_text(read_model(path).extra.get(FLAGS, ""))
    except ValueError as error:
        raise ForceFieldError(f"{Path(path).name}: {error}") from error
