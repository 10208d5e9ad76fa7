"""How far a force field is from labels, and how fast it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.fieldref import FieldRef
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context


@wire
@dataclass(frozen=True, eq=False)
class ErrorsSpec:
    """Evaluate one force field on frames of a saved Dataset.

    frames: indices from 0; None = all. timing: also measure ms per geometry.
    """

    field: FieldRef
    dataset: str
    frames: np.ndarray | None = None
    timing: bool = True
    out: str = ""


@wire
@dataclass(frozen=True, eq=False)
class Errors:
    """Errors over energies (E) and force components (F).

    energy_shift eV was added to the force field's energies first: the mean difference, unless the
    field's energies are absolute (then 0). NaN where there was nothing to compare. energies,
    predicted_energies (E,) eV; force_errors (K,) eV/Å: |dF| of each component; forces and
    predicted_forces (P,): a random 5000 components at most, for parity plots; frame_force_mae (M,).
    predict_bulk_ms, predict_single_ms: milliseconds per geometry.
    """

    label: str
    n_energies: int
    n_forces: int
    energy_mae: float
    energy_rmse: float
    force_mae: float
    force_rmse: float
    energy_shift: float
    energies: np.ndarray
    predicted_energies: np.ndarray
    forces: np.ndarray
    predicted_forces: np.ndarray
    frame_force_mae: np.ndarray
    predict_bulk_ms: float = float("nan")
    predict_single_ms: float = float("nan")
    notes: dict[str, str] = field(default_factory=dict)


def run(spec: ErrorsSpec, context: Context) -> Errors:
    """See ErrorsSpec."""
    raise NotImplementedError


SPEC = ErrorsSpec
