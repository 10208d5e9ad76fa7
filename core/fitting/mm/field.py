"""`fit` of the GAFF family: what a person chooses for it, and the refit behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.dataset import Dataset, Split
from core.fitting.mm.options import KINDS, Options, RefitError
from core.forcefields.base import ForceFieldError, hyper
from core.units import KCAL_MOL

if TYPE_CHECKING:
    from core.engine.context import Context
    from core.fitting.mm.refit import Refitted
    from core.mm.topology import Topology

BONDED = ("bond", "angle", "torsion", "improper")
CHOICES: dict[str, tuple[str, ...]] = {
    "all": KINDS,
    "bonded": BONDED,
    "bonded and charges": (*BONDED, "charges"),
    "torsions": ("torsion",),
}


@dataclass(frozen=True)
class FitHyper:
    """What a person can choose for the refit of a molecular-mechanics force field."""

    fit_terms: str = hyper(
        "all",
        label="Fit",
        help="Which parameters may change; the others keep the values they start from. Charges so "
        "fitted serve this molecule's own forces: “bonded” keeps those meant for its surroundings.",
        choices=tuple(CHOICES),
    )
    fit_tie: str = hyper(
        "type",
        label="Fit: tied by",
        help="type: like atom types share one parameter. symmetry: only equivalent atoms do.",
        choices=("type", "symmetry"),
    )
    fit_orders: int = hyper(
        4,
        label="Fit: torsions n ≤",
        help="Cosine terms that every torsion gets; 0 = only those it starts with.",
        low=0,
        high=12,
    )
    fit_force_error: float = hyper(
        1.0,
        label="Fit: force error",
        unit="kcal/mol/Å",
        help="That counts as much as an energy error of 1 kcal/mol: smaller fits the forces more "
        "closely, larger the energies.",
        low=0.01,
        high=1000.0,
    )
    fit_prior: float = hyper(
        1.0,
        label="Fit: prior",
        help="How strongly parameters are held near where they start; 0 = not at all.",
        low=0.0,
        high=1e9,
    )


def options(hyper: FitHyper) -> Options:
    """The refit that `hyper` asks for."""
    return Options(
        kinds=CHOICES[hyper.fit_terms],
        tie=hyper.fit_tie,
        orders=hyper.fit_orders,
        energy_error=KCAL_MOL,
        force_error=hyper.fit_force_error * KCAL_MOL,
        prior=hyper.fit_prior,
    )


def fit_terms(
    topology: Topology,
    dataset: Dataset,
    split: Split,
    hyper: Any,
    context: Context,
    *,
    depth: np.ndarray | None = None,
) -> tuple[Refitted, dict[str, str]]:
    """See `core.fitting.mm.refit.refit`; also what the fit tells. Raises ForceFieldError.

    Where the fit starts from a saved model, the flags saved with it hold.
    """
    from core.fitting.mm.refit import notes, refit
    from core.fitting.mm.start import saved_flags

    for frames, use in ((split.train, "training"), (split.valid, "validation")):
        if len(frames) and frames.max() >= len(dataset):
            raise ForceFieldError(
                f"{use} frame {frames.max() + 1} of a data set with {len(dataset)} frames"
            )
    flags = saved_flags(hyper.parameters)
    if flags:
        frozen = sum(f.frozen for f in flags)
        context.log(f"flags of {len(flags)} terms are held, {frozen} of them frozen")
    try:
        found = refit(topology, dataset, split.train, options(hyper), context,
                      valid=split.valid, depth=depth, flags=flags)  # fmt: skip
    except RefitError as error:
        raise ForceFieldError(f"the refit cannot be done: {error}") from error
    told = notes(found)
    for line in told.items():
        context.log(": ".join(line))
    context.progress(1.0, "fitted")
    return found, told


def estimate(n_atoms: int, n_train: int) -> tuple[float, float]:
    """Rough cost of a refit: (seconds, bytes); measured on ethanol and aspirin, two cores."""
    return 1.0 + 2.5e-6 * n_train * n_atoms**2.5, 3e8
