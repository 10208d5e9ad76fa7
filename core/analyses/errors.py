"""How far a force field is from labels, and how fast it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.analyses.uncertainty import figures
from core.elements import SYMBOLS
from core.fieldref import FieldRef
from core.molecule import frozen_array
from core.wire import wire

if TYPE_CHECKING:
    from core.dataset import Dataset
    from core.engine.context import Context
    from core.forcefields.base import ForceField

PARITY = 5000
MAX_COMPONENTS = 200_000


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
    predicted_energies (E,) eV; force_errors (K,) eV/Å: |dF| of each component (at most 200 000,
    drawn at random); forces and predicted_forces (P,): a random 5000 components at most, for parity
    plots; frame_force_mae (M,) eV/Å and frame_energy_error (M,) eV (predicted minus reference), one
    per frame asked, NaN where there was nothing to compare. frames (M,): the frames asked, from 0
    in the data set. frame_sigma (M,) eV: standard deviation that the field gives its own energy,
    empty where it gives none. sigma_figures: how good those are, see
    `core.analyses.uncertainty.figures`. element_force: symbol -> (MAE, RMSE) eV/Å of the force
    components on its atoms.
    predict_bulk_ms, predict_single_ms: milliseconds per geometry in large batches and one by one.
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
    force_errors: np.ndarray = field(default_factory=lambda: np.zeros(0))
    notes: dict[str, str] = field(default_factory=dict)
    frames: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    frame_energy_error: np.ndarray = field(default_factory=lambda: np.zeros(0))
    element_force: dict[str, tuple[float, ...]] = field(default_factory=dict)
    frame_sigma: np.ndarray = field(default_factory=lambda: np.zeros(0))
    sigma_figures: dict[str, float] = field(default_factory=dict)

    @property
    def uncertainty(self) -> tuple[float, float]:
        """(mean frame_sigma eV, its rank correlation with the size of the energy error).

        Spearman's coefficient: 1 where the field is surest where it is best; NaN = not known.
        """
        known = self.sigma_figures or figures(  # errors from before the figures were kept
            self.frame_sigma, self.frame_energy_error, self.frame_force_mae
        )
        nan = float("nan")
        return known.get("mean", nan), known.get("rank", nan)


def run(spec: ErrorsSpec, context: Context) -> Errors:
    """See ErrorsSpec. Raises ForceFieldError, StorageError or ValueError saying what is wrong."""
    from core import storage
    from core.dataset import Dataset
    from core.forcefields.load import make

    storage.make_folder(spec.out)
    dataset = storage.load(spec.dataset, Dataset)
    frames = np.arange(len(dataset))
    if spec.frames is not None:
        frames = frozen_array(spec.frames, dtype="int64", shape=(None,), name="frames")
    outside = frames[(frames < 0) | (frames >= len(dataset))]
    if len(outside):
        raise ValueError(
            f"frame {int(outside[0]) + 1} was asked of {dataset.name}, which has {len(dataset)}"
        )
    force_field = make(spec.field, dataset.molecule, device=context.device)
    label = spec.field.label or force_field.INFO.label
    result = evaluate(force_field, dataset, frames, context, label=label, timing=spec.timing)
    if force_field.stranger:
        result.notes["molecule"] = force_field.stranger
    storage.save_result(spec.out, result)
    return result


def evaluate(
    force_field: ForceField,
    dataset: Dataset,
    frames: np.ndarray,
    context: Context,
    *,
    label: str,
    timing: bool = True,
) -> Errors:
    """Errors of a force field on frames (from 0) of a data set; no frames give NaN.

    A geometry the field fails on is left out and named in the notes. Raises ForceFieldError when
    it fails on all.
    """
    from core.fitting.evaluation import predict_frames, single_ms

    sigma = np.full(len(frames), np.nan)
    energy, forces, bulk, notes = predict_frames(force_field, dataset, frames, context, sigma=sigma)
    true_e = np.full(len(frames), np.nan) if dataset.energies is None else dataset.energies[frames]
    true_f = np.full_like(forces, np.nan) if dataset.forces is None else dataset.forces[frames]
    ok_e = np.isfinite(true_e) & np.isfinite(energy)
    ok_f = np.isfinite(true_f).all((1, 2)) & np.isfinite(forces).all((1, 2))
    if len(frames) and not ok_e.any() and not ok_f.any():
        notes["labels"] = f"{dataset.name} has neither energies nor forces in these frames"
    shift = 0.0
    if not force_field.INFO.absolute_energy and ok_e.any():
        shift = float(np.mean(true_e[ok_e] - energy[ok_e]))
    de = energy[ok_e] + shift - true_e[ok_e]
    df = forces[ok_f] - true_f[ok_f]
    per_frame = np.full(len(frames), np.nan)
    per_frame[ok_f] = np.abs(df).mean((1, 2))
    per_energy = np.full(len(frames), np.nan)
    per_energy[ok_e] = de
    flat = np.abs(df).reshape(-1)
    rng = np.random.default_rng(0)
    pairs = rng.permutation(flat.size)[:PARITY] if flat.size > PARITY else np.arange(flat.size)
    if flat.size > MAX_COMPONENTS:
        flat = rng.choice(flat, MAX_COMPONENTS, replace=False)
        notes["histogram"] = f"{MAX_COMPONENTS} force components drawn at random"
    return Errors(
        label=label,
        n_energies=int(ok_e.sum()),
        n_forces=int(ok_f.sum()),
        energy_mae=_mean(np.abs(de)),
        energy_rmse=_mean(de**2) ** 0.5,
        force_mae=_mean(np.abs(df)),
        force_rmse=_mean(df**2) ** 0.5,
        energy_shift=shift,
        energies=true_e[ok_e],
        predicted_energies=energy[ok_e] + shift,
        forces=true_f[ok_f].reshape(-1)[pairs],
        predicted_forces=forces[ok_f].reshape(-1)[pairs],
        force_errors=flat,
        frame_force_mae=per_frame,
        predict_bulk_ms=bulk if timing else float("nan"),
        predict_single_ms=(
            single_ms(force_field, dataset.positions[frames], context) if timing else float("nan")
        ),
        notes=notes,
        frames=np.asarray(frames, dtype=np.int64),
        frame_energy_error=per_energy,
        element_force=_by_element(df, dataset.molecule.numbers),
        frame_sigma=sigma if np.isfinite(sigma).any() else np.zeros(0),
        sigma_figures=figures(sigma, per_energy, per_frame),
    )


def _by_element(df: np.ndarray, numbers: np.ndarray) -> dict[str, tuple[float, ...]]:
    """symbol -> (MAE, RMSE) eV/Å of force errors df (F,N,3), in the order of the numbers."""
    if not df.size:
        return {}
    parts = {SYMBOLS[int(z)]: df[:, numbers == z] for z in np.unique(numbers)}
    return {name: (_mean(np.abs(d)), _mean(d**2) ** 0.5) for name, d in parts.items()}


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else float("nan")


SPEC = ErrorsSpec
