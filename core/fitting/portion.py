"""One molecule's share of a combined fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.dataset import Dataset, Split


@dataclass(frozen=True)
class Portion:
    """Frames of one molecule that a fit learns from together with those of others."""

    dataset: Dataset
    split: Split

    @property
    def formula(self) -> str:
        """Of the molecule."""
        return self.dataset.molecule.formula


def elements_of(portions: Sequence[Portion]) -> np.ndarray:
    """Atomic numbers (Z,) that occur, ascending."""
    return np.unique(np.concatenate([p.dataset.molecule.numbers for p in portions]))


def total(portions: Sequence[Portion], which: str = "train") -> int:
    """Number of training (valid, test) frames of all."""
    return sum(len(getattr(p.split, which)) for p in portions)


def as_portions(dataset: Dataset, split: Split) -> tuple[Portion, ...]:
    """The one portion of a fit to one molecule."""
    return (Portion(dataset, split),)
