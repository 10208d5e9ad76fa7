"""One molecule's share of a combined fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from core.dataset import Dataset, Split
from core.elements import SYMBOLS
from core.forcefields.errors import ForceFieldError
from core.molecule import Molecule


@dataclass(frozen=True)
class Portion:
    """Frames of one molecule that a fit learns from together with those of others."""

    dataset: Dataset
    split: Split

    @property
    def formula(self) -> str:
        """Of the molecule."""
        return self.dataset.molecule.formula

    @property
    def numbers(self) -> np.ndarray:
        """Atomic numbers (N,) of the molecule."""
        return self.dataset.molecule.numbers

    @property
    def size(self) -> tuple[Molecule, int]:
        """The molecule and how many training frames it gives, as `estimate_many` wants them."""
        return self.dataset.molecule, len(self.split.train)


def elements_of(portions: Sequence[Portion]) -> np.ndarray:
    """Atomic numbers (Z,) that occur, ascending."""
    return np.unique(np.concatenate([p.dataset.molecule.numbers for p in portions]))


def total(portions: Sequence[Portion], which: str = "train") -> int:
    """Number of training (valid, test) frames of all."""
    return sum(len(getattr(p.split, which)) for p in portions)


def as_portions(dataset: Dataset, split: Split) -> tuple[Portion, ...]:
    """The one portion of a fit to one molecule."""
    return (Portion(dataset, split),)


def several(portions: Sequence[Portion]) -> bool:
    """Whether there are two molecules among them: other atoms, or bonded otherwise."""
    first = portions[0].dataset.molecule
    return not all(same_molecule(first, p.dataset.molecule) for p in portions[1:])


def same_molecule(first: Molecule, second: Molecule) -> bool:
    """The same elements in the same order, heavy atoms bonded alike."""
    from core.forcefields.load import check_atoms

    try:
        check_atoms(first, second, what="")
    except ForceFieldError:
        return False
    return True


def check_known(label: str, elements: np.ndarray, molecule: Molecule) -> None:
    """Raises ForceFieldError for an atom of an element that a model has not learnt."""
    unknown = np.flatnonzero(~np.isin(molecule.numbers, elements))
    if len(unknown):
        symbols = [SYMBOLS[int(z)] for z in elements]
        named = " and ".join(filter(None, (", ".join(symbols[:-1]), symbols[-1])))
        atom = int(unknown[0])
        raise ForceFieldError(
            f"this {label} has learnt molecules of {named} and knows no "
            f"{SYMBOLS[int(molecule.numbers[atom])]} (atom {atom + 1} of {molecule.formula})"
        )


@contextmanager
def naming(portion: Portion, portions: Sequence[Portion]) -> Iterator[None]:
    """Says which data set an error is about where there are several."""
    try:
        yield
    except ForceFieldError as error:
        if len(portions) < 2:
            raise
        raise ForceFieldError(f"{portion.dataset.name}: {error}") from None
