"""What a force field tells about itself, as data: the window reads this without torch."""

from __future__ import annotations

from dataclasses import dataclass

from core.wire import wire


@wire
@dataclass(frozen=True)
class Parameter:
    """One hyper-parameter as data, for forms and the command line (no torch needed to read it).

    advanced: rarely changed, folded away in forms. automatic: what 0 stands for where it means that
    the method chooses, such as "chosen on the validation frames"; "" where 0 is a number. file: a
    text that names a file.
    """

    name: str
    kind: str  # bool, int, float, str
    default: bool | int | float | str
    label: str
    unit: str = ""
    help: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = False
    automatic: str = ""
    file: bool = False


@wire
@dataclass(frozen=True)
class Info:
    """What a force field is and can do.

    family: MM, ML, semi-empirical, reference or external. trainable: has `fit`; ready: works
    without it too, as GAFF does with its tables (matters only where trainable). differentiable: its
    energy is a torch graph (Hessians by autograd). batched: one call costs much less than B single
    calls. elements: atomic numbers it covers, empty = any.
    """

    key: str
    label: str
    family: str
    doi: str = ""
    about: str = ""
    implementation: str = ""
    trainable: bool = False
    differentiable: bool = False
    batched: bool = False
    gpu: bool = False
    uncertainty: bool = False
    absolute_energy: bool = False  # energies comparable with the reference without a shift
    elements: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    ready: bool = False
    energies_suffice: bool = False  # can be fitted to frames without forces
    #: can be fitted to several molecules together (`fit_many`), with energies of isolated atoms
    combines: bool = False

    @property
    def must_be_trained(self) -> bool:
        """Whether it does nothing before a fit."""
        return self.trainable and not self.ready
