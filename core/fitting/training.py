"""The one way to train any force field: what no method can learn from is said before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.bonding import BondingError, with_bonds
from core.elements import COVALENT_RADII, SYMBOLS
from core.engine.context import Context
from core.engine.system import free_memory
from core.fitting.portion import naming
from core.forcefields.errors import ForceFieldError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.dataset import Dataset, Split
    from core.fitting.portion import Portion
    from core.forcefields.base import ForceField
    from core.molecule import Molecule

SAME_PLACE = 1e-3  #: Å, closer atoms lie on each other
BROKEN = 1.5  #: times the sum of the covalent radii: a bond between heavy atoms is gone
LOST = 2.2  #: … and a hydrogen has left its atom; a transfer between two others gets to 1.8
MADE = 1.15  #: … heavy atoms closer than this are bonded


def train(
    cls: type[ForceField], dataset: Dataset, split: Split, hyper: Any, context: Context
) -> ForceField:
    """`cls.fit` after `check` and `check_room`.

    Raises ForceFieldError naming frame, atom or setting; Cancelled.
    """
    check(cls, dataset, split)
    check_room(cls, [(dataset.molecule, len(split.train))], hyper, context)
    return cls.fit(dataset, split, hyper, context)


def train_together(
    cls: type[ForceField], portions: Sequence[Portion], hyper: Any, context: Context
) -> ForceField:
    """The same for several molecules; errors name the data set. Raises ForceFieldError; Cancelled.

    The result is bound to the molecule of the first portion.
    """
    if len(portions) == 1:
        return train(cls, portions[0].dataset, portions[0].split, hyper, context)
    check_combines(cls)
    for p in portions:
        with naming(p, portions):
            check(cls, p.dataset, p.split)
    check_room(cls, [p.size for p in portions], hyper, context)
    return cls.fit_many(portions, hyper, context)


def check_combines(cls: type[ForceField]) -> None:
    """Raises ForceFieldError where a field is always fitted to one molecule."""
    if not cls.INFO.combines:
        from core.forcefields import discover

        able = " and ".join(c.INFO.label for c in discover().values() if c.INFO.combines)
        raise ForceFieldError(
            f"{cls.INFO.label} is fitted to one molecule at a time; {able} learn from several "
            "together"
        )


def check(cls: type[ForceField], dataset: Dataset, split: Split) -> None:
    """Raises ForceFieldError: no frames, atoms on each other, other bonds."""
    label = cls.INFO.label
    if len(split.train) == 0:
        raise ForceFieldError(f"{label}: there are no training frames")
    frames = np.concatenate([split.train, split.valid])
    if frames.max() >= len(dataset):
        raise ForceFieldError(
            f"{label}: frame {frames.max() + 1} of a data set with {len(dataset)} frames"
        )
    check_apart(label, dataset, frames)
    if cls.BONDS != "any":
        may = cls.BONDS == "may break"
        check_bonds(label, dataset.molecule, dataset.positions, frames, may_break=may)


def check_apart(label: str, dataset: Dataset, frames: np.ndarray) -> None:
    """Raises ForceFieldError naming the first frame in which two atoms lie on each other."""
    from core.descriptors.pair_distances import pair_distances

    if len(dataset.molecule.numbers) < 2:
        return
    a, b = np.triu_indices(len(dataset.molecule.numbers), 1)
    distances = pair_distances(dataset.positions[frames])
    shortest = distances.min(1)
    if shortest.min() < SAME_PLACE:
        k = int(np.flatnonzero(shortest < SAME_PLACE)[np.argmin(frames[shortest < SAME_PLACE])])
        pair = int(distances[k].argmin())
        raise ForceFieldError(
            f"{label}: in frame {frames[k] + 1} atoms {a[pair] + 1} and {b[pair] + 1} lie on each "
            "other; leave that frame out"
        )


def check_repeats(label: str, dataset: Dataset, train: np.ndarray, why: str) -> None:
    """Raises ForceFieldError where a training frame repeats another; why: what that would do."""
    from core.descriptors.pair_distances import repeated_frames

    again, first = repeated_frames(dataset.positions[train])
    if len(again):
        raise ForceFieldError(
            f"{label}: training frame {train[again[0]] + 1} is the same geometry as frame "
            f"{train[first[0]] + 1} ({len(again)} such repeats), which {why}; leave the repeats out"
        )


def check_bonds(
    label: str,
    molecule: Molecule,
    positions: np.ndarray,
    frames: np.ndarray,
    *,
    may_break: bool = False,
) -> None:
    """Raises ForceFieldError for a frame (positions (M,N,3) Å) that is another molecule.

    Terms of a fixed topology would be fitted to a bond that is not there. Heavy atoms tell most;
    a hydrogen may be on its way to another atom, but not gone. may_break: long bonds are wanted.
    """
    n = len(molecule.numbers)
    if n < 2:
        return
    if not len(molecule.bonds):
        try:
            molecule = with_bonds(molecule)
        except BondingError:
            return  # the field will say what it needs
    a, b = np.triu_indices(n, 1)
    radii = COVALENT_RADII[molecule.numbers]
    ratio = np.linalg.norm(positions[frames][:, a] - positions[frames][:, b], axis=-1) / (
        radii[a] + radii[b]
    )  # (F,P)
    heavy = (molecule.numbers[a] > 1) & (molecule.numbers[b] > 1)
    known = {tuple(sorted(bond)) for bond in molecule.bonds.tolist()}
    bonded = np.array([pair in known for pair in zip(a.tolist(), b.tolist(), strict=True)])
    made = heavy & ~bonded & (ratio < MADE)
    gone = bonded & (ratio > np.where(heavy, BROKEN, LOST)) & (not may_break)
    wrong = np.argwhere(made | gone)
    if not len(wrong):
        return
    k, pair = wrong[np.argmin(frames[wrong[:, 0]])]
    names = [f"{i + 1} ({SYMBOLS[int(molecule.numbers[i])]})" for i in (a[pair], b[pair])]
    away = ratio[k, pair] * (radii[a] + radii[b])[pair]
    what = "bonded" if gone[k, pair] else "not bonded"
    raise ForceFieldError(
        f"{label}: in frame {frames[k] + 1} atoms {names[0]} and {names[1]}, {what} in this "
        f"molecule, are {away:.2f} Å apart: another molecule or order of atoms, which a field with "
        "fixed bonds cannot learn; leave that frame out"
    )


def check_room(
    cls: type[ForceField], sizes: Sequence[tuple[Molecule, int]], hyper: Any, context: Context
) -> None:
    """Raises ForceFieldError where the fit would take more memory than is free.

    sizes: molecules and their numbers of training frames. What an earlier job left goes first.
    """
    context.kept.only(cls.INFO.key)
    if not context.device.startswith("cpu"):
        return
    needed = cls.estimate_many(sizes, hyper)[1]
    if needed > free_memory():
        context.kept.drop()
    free = free_memory()
    if needed > free:
        raise ForceFieldError(
            f"{cls.INFO.label} with {sum(n for _, n in sizes)} training frames needs about "
            f"{needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free; take fewer frames "
            "or a smaller model, or close other programs"
        )
