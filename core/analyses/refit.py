"""Refit the terms on show in the parameter editor to quantum data, and tell what that did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.analyses.fit import Fit
from core.analyses.parameters import Flag
from core.dataset import Split
from core.mm.topology import Topology
from core.molecule import Molecule
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context


@wire
@dataclass(frozen=True, eq=False)
class Profile:
    """Points along a scan to be met: positions (G,N,3) Å, energies (G,) eV, NaN where missing.

    The zero of the energies is free. weight: of this profile against the others.
    """

    name: str
    positions: np.ndarray
    energies: np.ndarray
    weight: float = 1.0


@wire
@dataclass(frozen=True, eq=False)
class RefitSpec:
    """Refit `topology` (the start: edits included) under `flags`.

    hyper: of GAFF, the `fit_…` ones say how. dataset: path of a saved Dataset whose training frames
    are fitted ("" = profiles only); split: drawn with n_train, n_valid, n_test, seed and method
    where None. profiles: scans fitted as well. around: bonds (pairs of atoms from 0), only the
    torsions about them change; all that hyper allows where empty. energy_weight, force_weight and
    profile_weight: of the kinds of data. out: folder of the project's item ("" = keep nothing);
    record.npz there is the Fit, refit.npz the Refit. parent: label of what it starts from.
    """

    molecule: Molecule
    topology: Topology
    hyper: dict[str, bool | int | float | str] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    dataset: str = ""
    split: Split | None = None
    n_train: int = 0
    n_valid: int = 0
    n_test: int = 0
    seed: int = 0
    method: str = "energy-stratified"
    profiles: tuple[Profile, ...] = ()
    around: tuple[tuple[int, ...], ...] = ()
    energy_weight: float = 1.0
    force_weight: float = 1.0
    profile_weight: float = 1.0
    label: str = ""
    out: str = ""
    parent: str = ""


@wire
@dataclass(frozen=True)
class ParameterChange:
    """One fitted parameter, tied ones once.

    label: for a person, as "torsion c3-c3-oh-ho n=3"; quantity: "torsion.k" as in
    `core.fitting.mm.options.UNITS`, in whose units before and after are; widths: the change in
    widths of its prior. frozen parameters are not listed.
    """

    label: str
    quantity: str
    before: float
    after: float
    widths: float


@wire
@dataclass(frozen=True, eq=False)
class ProfileFit:
    """A profile before and after: reference, before, after (G,) eV, each with its mean at 0 over
    the points that have a reference (NaN elsewhere in reference).

    rmse_before, rmse_after: eV. kinds_before, kinds_after: kind of term -> (G,) eV, mean at 0.
    cause: what most likely keeps the profile from being met, "" where it is met. used: whether it
    was fitted or only watched.
    """

    name: str
    positions: np.ndarray
    reference: np.ndarray
    before: np.ndarray
    after: np.ndarray
    rmse_before: float
    rmse_after: float
    kinds_before: dict[str, np.ndarray] = field(default_factory=dict)
    kinds_after: dict[str, np.ndarray] = field(default_factory=dict)
    cause: str = ""
    used: bool = True


@wire
@dataclass(frozen=True, eq=False)
class Refit:
    """What a refit did.

    fit: as for any trained force field (errors on held-out frames, NaN without a data set).
    topology: after; flags: as they were given, moved to its rows. changes: largest first. held_out:
    "energy" (eV, constant free) and "force" (eV/Å) -> (RMSE before, RMSE after) on the test frames.
    contributions: kind of term -> (RMS before, RMS after) eV of its energy about its mean over the
    data: how much of the surface it makes. parent: label of what it started from.
    """

    fit: Fit
    molecule: Molecule
    topology: Topology
    flags: tuple[Flag, ...] = ()
    changes: tuple[ParameterChange, ...] = ()
    profiles: tuple[ProfileFit, ...] = ()
    held_out: dict[str, tuple[float, ...]] = field(default_factory=dict)
    contributions: dict[str, tuple[float, ...]] = field(default_factory=dict)
    parent: str = ""


def run(spec: RefitSpec, context: Context) -> Refit:
    """See RefitSpec. A job that was killed goes on from `out`/checkpoint-refit.npz to the same end.

    Raises ForceFieldError, RefitError, SplitError, StorageError saying what to change.
    """
    from core.analyses.refit_run import run_refit

    return run_refit(spec, context)


SPEC = RefitSpec
