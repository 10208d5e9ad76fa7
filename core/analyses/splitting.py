"""The frames a training would use, to be seen before it is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.analyses.fit import FitSpec
from core.dataset import Split
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context


@wire
@dataclass(frozen=True, eq=False)
class SplittingSpec:
    """Draw the frames that `fit` would use. dihedrals: up to two (atoms from 0), for the map."""

    QUIET: ClassVar[bool] = True
    QUICK: ClassVar[bool] = True

    fit: FitSpec
    dihedrals: tuple[tuple[int, ...], ...] = ()


@wire
@dataclass(frozen=True, eq=False)
class Splitting:
    """split: as the fit will draw it; energies (M,) eV and angles (M,A) rad of all frames of the
    data set, NaN where there is none. notes: what was left out, and why.
    """

    split: Split
    energies: np.ndarray
    angles: np.ndarray
    dihedrals: tuple[tuple[int, ...], ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


def run(spec: SplittingSpec, context: Context) -> Splitting:
    """See SplittingSpec. Raises SplitError or ForceFieldError saying what to change."""
    from core import storage
    from core.analyses.fit import drawn
    from core.dataset import Dataset
    from core.forcefields.load import field_class
    from core.geometry import measure

    dataset = storage.load(spec.fit.dataset, Dataset)
    split, notes = drawn(spec.fit, dataset, field_class(spec.fit.key).INFO)
    none = np.full(len(dataset), np.nan)
    angles = [measure(dataset.positions, atoms) for atoms in spec.dihedrals]
    return Splitting(
        split=split,
        energies=none if dataset.energies is None else dataset.energies,
        angles=np.stack(angles, 1) if angles else np.zeros((len(dataset), 0)),
        dihedrals=spec.dihedrals,
        notes=notes,
    )


SPEC = SplittingSpec
