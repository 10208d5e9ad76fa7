"""What a fit will roughly cost, before it is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from core.molecule import Molecule
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context


@wire
@dataclass(frozen=True, eq=False)
class EstimateShare:
    """n_train frames of another molecule, which a combined fit learns from too."""

    molecule: Molecule
    n_train: int


@wire
@dataclass(frozen=True, eq=False)
class EstimateSpec:
    """How long training `key` on n_train frames of `molecule` takes, and how much memory.

    others: the other molecules of a combined fit, whose cost is part of it.
    """

    QUIET: ClassVar[bool] = True  # a question a form asks by itself: not for the list of jobs
    QUICK: ClassVar[bool] = True

    key: str
    molecule: Molecule
    n_train: int
    hyper: dict[str, bool | int | float | str] = field(default_factory=dict)
    device: str = "cpu"
    others: tuple[EstimateShare, ...] = ()


@wire
@dataclass(frozen=True)
class Estimate:
    """seconds of wall clock and bytes of memory at the peak; 0 = not known.

    available: bytes of memory free now, 0 where the system does not say. problem: why such a fit
    cannot be started ("" = it can).
    """

    seconds: float
    bytes: float
    available: float = 0.0
    problem: str = ""


def run(spec: EstimateSpec, context: Context) -> Estimate:
    """See EstimateSpec. What the force field refuses comes back as `problem`, not as an error."""
    from core.engine.system import free_memory
    from core.forcefields.base import ForceFieldError
    from core.forcefields.load import field_class, hyper_from

    try:
        cls = field_class(spec.key)
        hyper = hyper_from(cls, spec.hyper)
        shares = [EstimateShare(spec.molecule, spec.n_train), *spec.others]
        if min(s.n_train for s in shares) < 1:
            raise ForceFieldError("at least one training frame is needed")
        if spec.others and not cls.INFO.combines:
            raise ForceFieldError(f"{cls.INFO.label} cannot be fitted to several molecules")
        seconds, size = cls.estimate_many([(s.molecule, s.n_train) for s in shares], hyper)
    except ForceFieldError as error:
        return Estimate(0.0, 0.0, problem=str(error))
    return Estimate(float(seconds), float(size), free_memory())


SPEC = EstimateSpec
