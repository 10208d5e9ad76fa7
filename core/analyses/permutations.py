"""Which permutations of like atoms a data set shows or a model obeys, as cycles of atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.molecule import Molecule
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context

MOST_FRAMES = 1000  #: of a data set; the matching takes 200 of them


Cycles = tuple[tuple[int, ...], ...]


def cycles(permutation: np.ndarray) -> Cycles:
    """The cycles of a permutation (N,) that are longer than one, atoms from 0: (4,7),(5,6)."""
    seen: set[int] = set()
    found = []
    for start in range(len(permutation)):
        cycle, atom = [], start
        while atom not in seen:
            seen.add(atom)
            cycle.append(atom)
            atom = int(permutation[atom])
        if len(cycle) > 1:
            found.append(tuple(cycle))
    return tuple(found)


def cycles_text(rows: Cycles) -> str:
    """ "(5 8)(6 7)", atoms from 1."""
    return "".join("(" + " ".join(str(a + 1) for a in c) + ")" for c in rows)


@wire
@dataclass(frozen=True, eq=False)
class PermutationsSpec:
    """Either `dataset`, path of a saved Dataset (`frames` from 0, None = all), or `model`.

    skip: those switched off, as the sGDML setting `skip_permutations` has them.
    """

    dataset: str = ""
    model: str = ""
    frames: np.ndarray | None = None
    skip: str = ""
    out: str = ""


@wire
@dataclass(frozen=True, eq=False)
class Permutations:
    """perms (S,N): row s sends a geometry r to r[s], identity first; cycles of each, atoms from 0.

    names: the same for people, atoms from 1, "none" for the identity: what `skip` takes. active
    (S,) bool: left when those in `skip` are switched off (their products may go with them). orbits
    (N,) int: atoms with the same number are exchanged by some active permutation; for colours.
    """

    molecule: Molecule
    perms: np.ndarray
    cycles: tuple[Cycles, ...]
    names: tuple[str, ...]
    active: np.ndarray
    orbits: np.ndarray


def run(spec: PermutationsSpec, context: Context) -> Permutations:
    """See PermutationsSpec. Raises SymmetryError, StorageError or ForceFieldError."""
    from core import storage
    from core.dataset import Dataset
    from core.fitting.sgdml.symmetry_choice import orbits, parse_skipped, text, without
    from core.fitting.symmetry import find_permutations
    from core.forcefields.load import load_model

    if bool(spec.dataset) == bool(spec.model):
        raise ValueError("name either a data set or a model to see its permutations")
    storage.make_folder(spec.out)
    if spec.model:
        field = load_model(spec.model)
        molecule, perms = field.molecule, np.asarray(field.permutations)
    else:
        dataset = storage.load(spec.dataset, Dataset)
        frames = np.arange(len(dataset)) if spec.frames is None else spec.frames
        if len(frames) == 0 or frames.min() < 0 or frames.max() >= len(dataset):
            raise ValueError(f"{dataset.name} has the frames 1 to {len(dataset)}, not those named")
        if len(frames) > MOST_FRAMES:
            frames = frames[np.linspace(0, len(frames) - 1, MOST_FRAMES).round().astype(int)]
        molecule = dataset.molecule
        perms = find_permutations(molecule.numbers, dataset.positions[frames], context)
    kept = without(perms, parse_skipped(spec.skip, perms))
    have = {tuple(p) for p in kept.tolist()}
    result = Permutations(
        molecule=molecule,
        perms=perms,
        cycles=tuple(cycles(p) for p in perms),
        names=tuple(text(p) for p in perms),
        active=np.array([tuple(p) in have for p in perms.tolist()]),
        orbits=orbits(kept),
    )
    storage.save_result(spec.out, result)
    return result


SPEC = PermutationsSpec
