"""From a reference or a file to a working force field, and back to a file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core import storage
from core.bonding import connectivity, label
from core.fieldref import NAMED_CODE, FieldRef
from core.forcefields import absent, discover
from core.forcefields.base import ForceField
from core.forcefields.errors import ForceFieldError
from core.forcefields.hyper import hyper_from
from core.molecule import Molecule
from core.wire import wire

LEARNT = "molecules"  #: of a Model's extra: formulas it was fitted to, "; " between them
FORMAT = 1  #: version of the Model record; raised when old programs could not read it rightly


@wire
@dataclass(frozen=True, eq=False)
class Model:
    """A force field as a file: INFO.key, molecule, hyper-parameters, arrays of its state.

    dtype: what it computes in. extra: free text lines (what it was trained on, by which version).
    """

    key: str
    molecule: Molecule
    hyper: dict[str, bool | int | float | str]
    state: dict[str, np.ndarray]
    dtype: str = "float64"
    extra: dict[str, str] = field(default_factory=dict)
    version: int = FORMAT


def field_class(key: str) -> type[ForceField]:
    """The class of a force field. Raises ForceFieldError listing the known keys."""
    try:
        return discover()[key]
    except KeyError:
        if key in absent():
            raise ForceFieldError(absent()[key]) from None
        known = ", ".join(sorted(discover()))
        raise ForceFieldError(f"there is no force field {key!r}; there are: {known}") from None


def make(ref: FieldRef, molecule: Molecule | None, *, device: str = "cpu") -> ForceField:
    """A working force field for `molecule` (which may be None where ref.model tells it).

    Raises ForceFieldError: unknown key, bad hyper-parameter, model missing or of other atoms.
    """
    if ref.model:
        model = read_model(ref.model)
        if model.key in NAMED_CODE:  # a file from a stranger must not choose what code runs
            raise ForceFieldError(
                f"{ref.model} asks to run {model.hyper.get('path', 'a calculator')}; a file must "
                f"not choose that. Name the force field {model.key} and its settings yourself"
            )
        loaded = _from_model(ref.model, model, device=device)
        if ref.key and ref.key != loaded.INFO.key:
            raise ForceFieldError(f"{ref.model} is a model of {loaded.INFO.key}, not of {ref.key}")
        return loaded if molecule is None else bound(loaded, molecule, what=str(ref.model))
    cls = field_class(ref.key)
    if molecule is None:
        raise ForceFieldError(f"{cls.INFO.label} needs a molecule")
    missing = sorted({int(z) for z in molecule.numbers} - set(cls.INFO.elements))
    if cls.INFO.elements and missing:
        from core.elements import SYMBOLS

        atom = int(np.flatnonzero(molecule.numbers == missing[0])[0]) + 1
        raise ForceFieldError(
            f"{cls.INFO.label} does not cover {SYMBOLS[missing[0]]} (atom {atom}): choose a force "
            "field that does"
        )
    return cls.open(ref, molecule, device=device)


def bound(field: ForceField, molecule: Molecule, *, what: str) -> ForceField:
    """The field for `molecule`: itself, or bound to it where the field transfers.

    what: its file or name, for errors. Raises ForceFieldError as `check_atoms` and `bound_to` do.
    """
    try:
        check_atoms(field.molecule, molecule, what=what)
    except ForceFieldError:
        if not field.transfers:
            raise
    else:
        return field
    try:
        made = field.bound_to(molecule)
    except ForceFieldError as error:
        raise ForceFieldError(f"{what}: {error}") from None
    made.learnt = field.learnt
    return made


def check_atoms(have: Molecule, want: Molecule, *, what: str) -> None:
    """Raise ForceFieldError unless both have the same elements in the same order.

    Nor may the heavy atoms be bonded otherwise: C C O is C-C-O for one file and O-C-C for the next.
    (A bond that is only missing is one that broke, and hydrogens may move over.)
    """
    if np.array_equal(have.numbers, want.numbers):
        there, here = _skeleton(have), _skeleton(want)
        if there - here and here - there:
            bonds = (min(there - here), min(here - there))
            first, second = ("-".join(label(have, i) for i in bond) for bond in bonds)
            raise ForceFieldError(
                f"{what} has the same elements, but other atoms are bonded: {first} there, "
                f"{second} here. Reorder the atoms of the geometry"
            )
        return
    if have.formula != want.formula:
        raise ForceFieldError(f"{what} is for {have.formula}, not for {want.formula}")
    bad = int(np.flatnonzero(have.numbers != want.numbers)[0])
    raise ForceFieldError(
        f"{what} has another atom order: atom {bad + 1} is {have.symbols[bad]} there and "
        f"{want.symbols[bad]} here. Reorder the atoms of the geometry"
    )


def _skeleton(molecule: Molecule) -> set[tuple[int, int]]:
    """Bonds between heavy atoms, as pairs i < j."""
    bonds = molecule.bonds
    if not len(bonds):
        bonds = connectivity(molecule.numbers, molecule.positions)
    heavy = (molecule.numbers[bonds] > 1).all(1)
    return {(min(a, b), max(a, b)) for a, b in bonds[heavy].tolist()}


def save_model(path: str | Path, field: ForceField, *, extra: dict[str, str] | None = None) -> None:
    """Write a force field to one file, atomically."""
    model = Model(
        key=field.INFO.key,
        molecule=field.molecule,
        hyper=dataclasses.asdict(field.hyper),
        state=field.state(),
        dtype=str(field.dtype).removeprefix("torch."),
        extra=dict(extra or {}),
    )
    storage.save(Path(path), model)


def read_model(path: str | Path) -> Model:
    """The record of a saved force field. Raises ForceFieldError naming the file and the cause.

    A trained model of the sgdml package is read too (`core.fitting.sgdml.npz`).
    """
    from core.analyses.model_import import is_package_model

    if is_package_model(path):
        from core.fitting.sgdml.npz import read_package_record

        return read_package_record(path)
    try:
        model = storage.load(Path(path), Model)
    except storage.StorageError as error:
        raise ForceFieldError(f"{path} is not a readable model: {error}") from error
    if model.version != FORMAT:
        raise ForceFieldError(
            f"{path} is a model of format {model.version}; this program reads {FORMAT}. "
            "Update the program, or train again"
        )
    if model.dtype not in ("float64", "float32"):
        raise ForceFieldError(f"{path}: a model cannot compute in {model.dtype!r}")
    return model


def load_model(path: str | Path, *, device: str = "cpu") -> ForceField:
    """A force field from `save_model`'s file. Raises ForceFieldError naming the file."""
    return _from_model(path, read_model(path), device=device)


def _from_model(path: str | Path, model: Model, *, device: str) -> ForceField:
    try:
        cls = field_class(model.key)
        values = hyper_from(cls, model.hyper)
        made = cls.from_state(model.molecule, values, model.state, device=device, dtype=model.dtype)
        if LEARNT in model.extra:
            made.learnt = tuple(model.extra[LEARNT].split("; "))
        return made
    except (ForceFieldError, KeyError, IndexError) as error:
        raise ForceFieldError(f"{path}: {error}") from error
