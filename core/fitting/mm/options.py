"""What a refit of a molecular-mechanics force field may change, and how far it trusts the start."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from core.mm.topology import MAX_PERIODICITY
from core.units import KCAL_MOL

KINDS = ("bond", "angle", "torsion", "improper", "charges", "lj")
TIES = ("type", "symmetry")
#: Width of the Gaussian prior by parameter: of the logarithm where `LOG` says so (k, depths), else
#: Å, rad, eV, e. Of the size that ForceBalance's users give (Wang et al., J. Phys. Chem. Lett. 5,
#: 1885 (2014)); a torsion amplitude is known to about 1 kcal/mol.
PRIORS = {
    "bond.k": 0.3,
    "bond.r0": 0.05,
    "bond.D": 0.3,
    "angle.k": 0.3,
    "angle.theta0": 0.1,
    "torsion.k": 0.0434,
    "improper.k": 0.0434,
    "charges": 0.1,
    "epsilon": 0.5,
    "rmin_half": 0.1,
}
UNITS = {
    "bond.k": "eV/Å²",
    "bond.r0": "Å",
    "bond.D": "eV",
    "angle.k": "eV/rad²",
    "angle.theta0": "rad",
    "torsion.k": "eV",
    "improper.k": "eV",
    "charges": "e",
    "epsilon": "eV",
    "rmin_half": "Å",
}
LOG = frozenset({"bond.k", "bond.D", "angle.k", "epsilon"})  #: positive by construction


class RefitError(ValueError):
    """Nothing to fit, or data that cannot be fitted; the message says what to change."""


@dataclass(frozen=True)
class Options:
    """How to refit.

    kinds: which of KINDS may change. tie: "type" gives like atom types one parameter, "symmetry"
    only atoms that the molecule's graph does not tell apart. orders: torsions get cosine terms up
    to this periodicity (0 = only those they have). energy_error (eV) and force_error (eV/Å): what
    counts as one unit of misfit of a frame's energy, and of its root-mean-square force component.
    profile_error (eV): the same of one point of a profile. energy_weight, force_weight and
    profile_weight: of the kinds of data (0 = leave it out). prior: weight of the priors; 0 trusts
    the data alone. around: bonds as pairs of atoms from 0; only the torsions about them are fitted
    (together), all where there are none. sines: give every torsion sine terms as well, which tell
    a molecule from its mirror image. freeze: labels of parameters that stay.
    """

    kinds: tuple[str, ...] = KINDS
    tie: str = "type"
    orders: int = 4
    energy_error: float = 0.0434
    force_error: float = 0.0434
    profile_error: float = 0.3 * KCAL_MOL
    energy_weight: float = 1.0
    force_weight: float = 1.0
    profile_weight: float = 1.0
    prior: float = 1.0
    iterations: int = 60
    around: tuple[tuple[int, ...], ...] = ()
    sines: bool = False
    freeze: frozenset[str] = frozenset()
    priors: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown:
            raise RefitError(f"cannot fit {unknown[0]!r}; choose from {', '.join(KINDS)}")
        if not self.kinds:
            raise RefitError(f"no parameters are chosen; choose from {', '.join(KINDS)}")
        if self.tie not in TIES:
            raise RefitError(f"parameters are tied by {' or '.join(TIES)}, not by {self.tie!r}")
        errors = self.energy_error, self.force_error, self.profile_error
        if not (min(errors) > 0 and self.prior >= 0):
            raise RefitError("errors must be positive and the weight of the priors 0 or more")
        if not 0 <= self.orders <= MAX_PERIODICITY:
            raise RefitError(f"{self.orders} periodicities; 0 to {MAX_PERIODICITY} can be")
        weights = self.energy_weight, self.force_weight, self.profile_weight
        if not (min(weights) >= 0 and all(map(math.isfinite, weights))):
            raise RefitError("the weights of energies, forces and profiles must be 0 or more")


@dataclass(frozen=True)
class Parameter:
    """One tied parameter: `value = start + prior u`, or `start exp(prior u)` where log.

    low and high bound the value; linear: the energy is linear in it.
    """

    label: str
    name: str
    start: float
    prior: float
    low: float = -float("inf")
    high: float = float("inf")
    log: bool = False
    linear: bool = False


@dataclass(frozen=True)
class Change:
    """What a fit did to one parameter; sigmas: the change in units of its prior.

    frozen: it was not to change.
    """

    label: str
    name: str
    before: float
    after: float
    sigmas: float
    frozen: bool = False

    def __str__(self) -> str:
        return (
            f"{self.label} {self.before:.4g} -> {self.after:.4g} {UNITS[self.name]} "
            f"({self.sigmas:+.1f})"
        )
