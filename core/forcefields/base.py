"""What every force field is: INFO, Hyper, compute; fit and state where it is trained."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.forcefields.errors import ForceFieldError
from core.forcefields.hyper import hyper_from
from core.forcefields.info import Info, Parameter
from core.molecule import Molecule
from core.wire import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.engine.context import Context
    from core.fieldref import FieldRef
    from core.fitting.portion import Portion


def hyper(
    default: Any,
    *,
    label: str,
    unit: str = "",
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    advanced: bool = False,
    automatic: str = "",
    file: bool = False,
) -> Any:
    """A hyper-parameter: a dataclass field that carries what a form needs to show it.

    `default` also gives the type (bool, int, float, str); low and high bound it, inclusive.
    advanced, automatic, file: see `core.forcefields.info.Parameter`.
    """
    meta = {"label": label, "unit": unit, "help": help, "low": low, "high": high}
    more = {"choices": choices, "advanced": advanced, "automatic": automatic, "file": file}
    return field(default=default, metadata={**meta, **more})


@dataclass(frozen=True)
class NoHyper:
    """A force field without hyper-parameters."""


@wire
@dataclass(frozen=True, eq=False)
class Prediction:
    """energy (B,) eV; forces (B,N,3) eV/Å; sigma (B,) eV where the force field knows it."""

    energy: np.ndarray
    forces: np.ndarray
    sigma: np.ndarray | None = None


class ForceField(ABC):
    """A potential-energy function of one molecule.

    Untrained fields are made by the constructor; trained ones by `fit` or `from_state`. `compute`
    is the hot path (tensors on `device`); `predict` is the door (numpy, checked).
    """

    INFO: ClassVar[Info]
    Hyper: ClassVar[type] = NoHyper
    #: Hyper-parameters with which a fit on some 30 frames takes a few seconds (for tests).
    QUICK: ClassVar[dict[str, bool | int | float | str]] = {}
    #: Bonds of the training frames: any; fixed (all frames are one topology); or may break.
    BONDS: ClassVar[str] = "any"

    def __init__(
        self, molecule: Molecule, hyper: Any = None, *, device: str = "cpu", dtype: str = "float64"
    ) -> None:
        self.molecule = molecule
        self.hyper = self.Hyper() if hyper is None else hyper
        self.device = torch.device(device)
        self.dtype = getattr(torch, dtype)
        #: Why geometries of the last `compute` got no energy: index from 0 -> reason.
        self.reasons: dict[int, str] = {}
        #: What a fit wants to tell (permutations found, sigma chosen …): name -> text.
        self.notes: dict[str, str] = {}
        #: Formulas of the molecules it was fitted to, where its file tells them.
        self.learnt: tuple[str, ...] = ()

    @classmethod
    def open(cls, ref: FieldRef, molecule: Molecule, *, device: str = "cpu") -> Self:
        """The field a reference without a model file names; see `core.forcefields.load.make`.

        Fields that need more than molecule and hyper (a data set) override this.
        """
        if cls.INFO.must_be_trained:
            raise ForceFieldError(f"{cls.INFO.label} must be trained first: name a saved model")
        return cls(molecule, hyper_from(cls, ref.hyper), device=device)

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        """positions (B,N,3) Å -> energy (B,) eV, differentiable. Override this or `compute`."""
        raise NotImplementedError(f"{self.INFO.label} has no differentiable energy")

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """positions (B,N,3) Å -> energy (B,) eV and forces (B,N,3) eV/Å; F = -dE/dr by autograd."""
        with torch.enable_grad():
            x = positions.detach().requires_grad_(True)
            e = self.energy(x)
            (g,) = torch.autograd.grad(e.sum(), x)
        return e.detach(), -g

    def hessian(self, positions: torch.Tensor) -> torch.Tensor:
        """positions (N,3) Å -> d²E/dr² (3N,3N) eV/Å² by autograd (differentiable fields only)."""
        n = positions.numel()
        shape = positions.shape

        def energy(x: torch.Tensor) -> torch.Tensor:
            return self.energy(x.reshape(1, *shape))[0]

        with torch.enable_grad():
            return torch.autograd.functional.hessian(energy, positions.reshape(n)).detach()

    def predict(self, positions: np.ndarray) -> Prediction:
        """positions (B,N,3) Å -> Prediction.

        Raises ForceFieldError where the shape does not fit the molecule, a coordinate is not
        finite, or the field answers with something not finite (naming the geometry).
        """
        n = len(self.molecule.numbers)
        # a copy: a read-only, strided or later reused input is never shared with the field
        r = np.array(positions, dtype=np.float64, order="C")
        if r.ndim != 3 or r.shape[1:] != (n, 3):
            raise ForceFieldError(f"positions have shape {r.shape}, expected (B, {n}, 3)")
        if not np.isfinite(r).all():
            bad = int(np.flatnonzero(~np.isfinite(r).all((1, 2)))[0])
            raise ForceFieldError(f"geometry {bad + 1} has a coordinate that is not a number")
        e, f = self.compute(torch.from_numpy(r).to(self.device, self.dtype))
        energy = e.detach().cpu().double().numpy()
        forces = f.detach().cpu().double().numpy()
        bad_e = ~(np.isfinite(energy) & np.isfinite(forces).all((1, 2)))
        if bad_e.any():
            which = int(np.flatnonzero(bad_e)[0])
            reason = self.reasons.get(which, "no finite energy and forces")
            raise ForceFieldError(f"{self.INFO.label}, geometry {which + 1}: {reason}")
        return Prediction(energy, forces, self.sigma(r))

    @cached_property
    def permutations(self) -> np.ndarray:
        """(P,N) atom permutations known to leave the energy unchanged; the first is none at all.

        E(r[p]) = E(r) for each p. Fields that promise more than the identity override this; need
        not be the whole group.
        """
        return np.arange(len(self.molecule.numbers))[None]

    def sigma(self, positions: np.ndarray) -> np.ndarray | None:
        """Predicted standard deviation of the energy (B,) eV, or None where it is not known."""
        return None

    def at_grid(self, angles: np.ndarray, dihedrals: np.ndarray, step: np.ndarray) -> Any:
        """Points that the field already holds for a dihedral grid, or None (most fields).

        angles (G,A) rad are the grid points, dihedrals (A,4) the atoms, step (A,) rad the spacing.
        Returns (energy (G,) eV with NaN where there is no point, positions (G,N,3) Å). Only
        fields that are data (`reference`) override this.
        """
        return None

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """Train on `split.train`, choose on `split.valid`; reports through `context`."""
        raise ForceFieldError(f"{cls.INFO.label} is not trained on data")

    @classmethod
    def fit_many(cls, portions: Sequence[Portion], hyper: Any, context: Context) -> Self:
        """Train on frames of several molecules at once (Kovács et al. 2021, table 4).

        The result is bound to the molecule of the first portion; `bound_to` gives it for the
        others. Fields with INFO.combines override this.
        """
        raise ForceFieldError(
            f"{cls.INFO.label} is fitted to one molecule at a time, not to several together"
        )

    def bound_to(self, molecule: Molecule) -> Self:
        """The same parameters for another molecule of the same elements.

        Raises ForceFieldError where the field knows only the molecule that it was trained on.
        """
        if not self.transfers:
            raise ForceFieldError(
                f"this {self.INFO.label} was trained on {self.molecule.formula} alone and is no "
                f"field for {molecule.formula}; fit both molecules together"
            )
        dtype = str(self.dtype).removeprefix("torch.")
        return self.from_state(
            molecule, self.hyper, self.state(), device=str(self.device), dtype=dtype
        )

    @property
    def transfers(self) -> bool:
        """Whether it was trained so that it may be used for other molecules of its elements."""
        return False

    @property
    def stranger(self) -> str:
        """That its fit never saw this molecule, as a warning; "" where it did, or nobody knows."""
        formula = self.molecule.formula
        if not self.learnt or formula in self.learnt:
            return ""
        return (
            f"{self.INFO.label} was fitted to {' and '.join(self.learnt)}, never to {formula}: "
            "its errors can be far larger here"
        )

    def state(self) -> dict[str, np.ndarray]:
        """Everything `from_state` needs beyond molecule and hyper, as arrays."""
        return {}

    @classmethod
    def from_state(
        cls,
        molecule: Molecule,
        hyper: Any,
        state: dict[str, np.ndarray],
        *,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> Self:
        """The field again from its state. Raises ForceFieldError when arrays do not fit."""
        return cls(molecule, hyper, device=device, dtype=dtype)

    @classmethod
    def estimate(cls, molecule: Molecule, n_train: int, hyper: Any) -> tuple[float, float]:
        """Rough cost of a fit before it is started: (seconds, bytes)."""
        return 0.0, 0.0

    @classmethod
    def estimate_many(
        cls, sizes: Sequence[tuple[Molecule, int]], hyper: Any
    ) -> tuple[float, float]:
        """The same for a combined fit: molecules with their numbers of training frames."""
        each = [cls.estimate(molecule, n_train, hyper) for molecule, n_train in sizes]
        return sum(s for s, _ in each), max(b for _, b in each)

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """The fields of Hyper as data."""
        rows = []
        for f in dataclasses.fields(cls.Hyper):
            default: Any = f.default
            kind = type(default).__name__
            rows.append(Parameter(name=f.name, kind=kind, default=default, **f.metadata))
        return tuple(rows)


class DataForceField(ForceField, ABC):
    """A field whose `compute` is numpy, one geometry or many (external programs, data).

    A geometry that fails costs only itself: `evaluate` gives NaN there and puts the reason into
    `self.reasons`; `predict` turns the first of them into a ForceFieldError.
    """

    @abstractmethod
    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """positions (B,N,3) Å -> energy (B,) eV, forces (B,N,3) eV/Å, NaN where it failed."""

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.reasons = {}
        e, f = self.evaluate(positions.detach().cpu().double().numpy())
        energy, forces = torch.from_numpy(e), torch.from_numpy(f)
        return energy.to(positions), forces.to(positions)
