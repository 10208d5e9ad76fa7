"""Gaussian approximation potential: a sparse Gaussian process on SOAP and on distances.

Bartók & Csányi, Int. J. Quantum Chem. 115, 1051 (2015); Deringer et al., Chem. Rev. 121, 10073
(2021). The energy is a sum of pair terms (`core.descriptors.two_body`) and of atomic terms
(`core.descriptors.soap.kernel`), each a kernel expansion on its sparse points:

    E(x) = E_0 + sum_pairs sum_s alpha_s k_2(r, s) + sum_atoms sum_s alpha_s k(q_i, q_s)

with all alpha from one linear least-squares problem (`core.fitting.sparse_gp.gp`). E_0 is the mean
training energy, or the sum of one-body energies (`core.fitting.one_body`). Forces are written out;
a test holds them to autograd. The standard deviation of the energy is calibrated on the validation
frames (`core.fitting.sparse_gp.calibrate`).
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.fitting.cores import cores, one_core_each
from core.fitting.one_body import counts_of, is_known
from core.fitting.portion import Portion, as_portions, check_known
from core.fitting.sparse_gp.gp import factor, variance
from core.fitting.sparse_gp.hyper import GAPHyper
from core.fitting.sparse_gp.terms import Terms
from core.forcefields.base import ForceField, ForceFieldError
from core.forcefields.info import Info
from core.molecule import Molecule
from core.permutations import exchanges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.engine.context import Context

CHUNK = 2_000_000  #: numbers of one block's largest array in compute
GPU_CHUNK = 200_000_000


class GAP(ForceField):
    """A trained Gaussian approximation potential."""

    INFO = Info(
        key="gap",
        label="GAP/SOAP",
        family="ML",
        doi="10.1002/qua.24927",
        about="Sum of atomic energies, a sparse Gaussian process on SOAP; tells its own error.",
        implementation="PEScape, torch float64",
        trainable=True,
        differentiable=True,
        batched=True,
        gpu=True,
        uncertainty=True,
        absolute_energy=True,
        energies_suffice=True,
        combines=True,
    )
    Hyper = GAPHyper
    QUICK: ClassVar[dict[str, bool | int | float | str]] = {
        "n_max": 5,
        "l_max": 3,
        "channels": 6,
        "sparse": 120,
        "sigma_force": 0.003,
    }

    def __init__(
        self,
        molecule: Molecule,
        hyper: Any = None,
        *,
        terms: Terms,
        upper: torch.Tensor,
        offset: float = 0.0,
        absolute: bool = True,
        scale: float = 1.0,
        one_body: np.ndarray | None = None,
        compositions: np.ndarray | None = None,
        transfers: bool = False,
        notes: dict[str, str] | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """terms with their weights; upper (M,M) the R of the variance; offset E_0 in eV.

        scale: what the standard deviations are multiplied by. one_body (Z,) eV of the terms'
        elements; compositions (P,Z): atoms of what it was made from, None = of this molecule alone;
        transfers: all were learnt so that other molecules may use them.
        """
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        self.notes = notes or {}
        self.terms, self.upper = terms, upper
        self.offset, self.absolute, self.scale = float(offset), absolute, float(scale)
        self.one_body = np.zeros(0) if one_body is None else one_body
        self._transfers = transfers
        if compositions is None:
            compositions = counts_of(molecule.numbers, terms.parts.elements)[None]
        self.compositions = compositions
        if not (absolute and is_known(compositions, terms.parts.elements, molecule.numbers)):
            # nothing to compare with: the reader of this one object must not take it for absolute
            self.INFO = dataclasses.replace(type(self).INFO, absolute_energy=False)  # type: ignore[misc]
        self._pool: Any = None

    @cached_property
    def permutations(self) -> np.ndarray:
        """The identity and the exchange of each atom with the next of its element."""
        return exchanges(self.molecule.numbers)

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        """positions (B,N,3) Å -> (B,) eV; differentiable twice (the cutoff has two slopes)."""
        return self.terms.energy(positions) + self.offset

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies and forces, in blocks; large batches on all cores."""
        step = self._step(positions)
        threads = torch.get_num_threads()
        if positions.is_cuda or threads == 1 or len(positions) < 2 * threads:
            with cores(1):
                return self._blocks(positions, step)
        if self._pool is None:
            self._pool = one_core_each(threads)
        share = -(-len(positions) // threads)
        parts = positions.split(share)
        done = list(self._pool.map(lambda p: self._blocks(p, step), parts))
        return torch.cat([e for e, _ in done]), torch.cat([f for _, f in done])

    def _step(self, positions: torch.Tensor) -> int:
        limit = GPU_CHUNK if positions.is_cuda else CHUNK
        return max(1, limit // max(1, self.terms.numbers_per_frame))

    def _blocks(self, positions: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        done = [self.terms.energy_and_gradient(x) for x in positions.split(step)]
        energy = torch.cat([e for e, _ in done])
        return energy.add_(self.offset), torch.cat([g for _, g in done]).neg_()

    @cached_property
    def _lower(self) -> torch.Tensor:
        """L (M,M), the Cholesky factor of the kernel between the sparse points."""
        return self.terms.lower(factor)

    def sigma(self, positions: np.ndarray) -> np.ndarray:
        """Calibrated standard deviation (B,) eV of the energy."""
        x = torch.tensor(positions).to(self.device, self.dtype)
        found = [
            variance(*self.terms.energy_rows(part), self._lower, self.upper)
            for part in x.split(4 * self._step(x))
        ]
        return self.scale * torch.cat(found).sqrt().double().cpu().numpy()

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """See `core.fitting.sparse_gp.fit`. Raises ForceFieldError on data that do not fit."""
        return cls.fit_many(as_portions(dataset, split), hyper, context)

    @classmethod
    def fit_many(cls, portions: Sequence[Portion], hyper: Any, context: Context) -> Self:
        """Sparse points from the surroundings of all molecules, and one set of weights."""
        from core.fitting.sparse_gp.fit import fit_parts

        found = fit_parts(portions, hyper, context)
        field = cls(portions[0].dataset.molecule, hyper, device=context.device, **found)
        field.calibrate(portions)
        return field

    @property
    def transfers(self) -> bool:
        """Whether its one-body energies mean something in another molecule."""
        return self._transfers

    def calibrate(self, portions: Sequence[Portion]) -> None:
        """Set the size of `sigma` by the energy errors of frames that were not trained on."""
        from core.fitting.sparse_gp.calibrate import ENOUGH, LEAST, calibrate

        each = -(-ENOUGH // len(portions))
        chosen = [p.split.valid[p.dataset.has_energy[p.split.valid]][:each] for p in portions]
        if not self.absolute or sum(map(len, chosen)) < LEAST:
            self.notes["uncertainty"] = (
                f"as the process knows it, not calibrated: {LEAST} validation frames with an "
                "energy are needed"
            )
            return
        seen = [self._compared(p, frames) for p, frames in zip(portions, chosen, strict=True)]
        own, rows, away = (torch.cat(kind) for kind in zip(*seen, strict=True))
        with torch.no_grad():
            found = calibrate(own, rows, away, self._lower, self.upper)
        self.upper, self.scale = found.upper, found.scale
        self.notes["uncertainty"] = str(found)

    def _compared(
        self, portion: Portion, frames: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Prior variance (B,) eV², rows (B,M) and energy error (B,) eV of a portion's frames."""
        data = portion.dataset
        same = np.array_equal(portion.numbers, self.molecule.numbers)
        field = self if same else self.bound_to(data.molecule)
        x = torch.tensor(data.positions[frames]).to(self.device, self.dtype)
        if not len(x) or data.energies is None:
            return x.new_zeros(0), x.new_zeros(0, field.terms.size), x.new_zeros(0)
        with torch.no_grad():
            parts = [field.terms.energy_rows(p) for p in x.split(4 * field._step(x))]
            own, rows = (torch.cat(kind) for kind in zip(*parts, strict=True))
            return own, rows, field.compute(x)[0] - torch.tensor(data.energies[frames]).to(x)

    def state(self) -> dict[str, np.ndarray]:
        """Sparse points, mixing of the channels, weights, and the triangle of the variance."""
        m = len(self.upper)
        rows = np.triu_indices(m)
        return {
            **self.terms.state(),
            "upper": self.upper.cpu().numpy()[rows],
            "offset": np.array([self.offset]),
            "absolute": np.array([self.absolute, self._transfers]),
            "sigma_scale": np.array([self.scale]),
            "one_body": self.one_body,
            "compositions": self.compositions,
        }

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
        """See `state`. Raises ForceFieldError where the arrays do not fit the molecule."""
        if dtype != "float64":
            raise ForceFieldError(
                "GAP computes in float64 only: its weights cancel to more digits than float32 has"
            )
        like = {"device": torch.device(device), "dtype": getattr(torch, dtype)}
        for name, array in state.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ForceFieldError(f"the GAP model's {name} holds numbers that are not finite")
        try:
            offset, absolute = float(state["offset"][0]), bool(state["absolute"][0])
            packed = np.asarray(state["upper"], dtype=np.float64)
            if len(state["absolute"]) == 1:  # of one molecule, from before there were several
                transfers, one_body, compositions = False, np.zeros(0), None
                scale = float(state["sigma_scale"][0]) if "sigma_scale" in state else 1.0
            else:
                transfers, one_body = bool(state["absolute"][1]), state["one_body"]
                compositions, scale = state["compositions"], float(state["sigma_scale"][0])
                check_known(cls.INFO.label, state["elements"], molecule)
            terms = Terms.from_state(molecule.numbers, hyper, state, **like)
        except (KeyError, IndexError, TypeError) as error:
            raise ForceFieldError(f"this is not a GAP model: {error} is missing") from None
        m = terms.size
        if packed.shape != (m * (m + 1) // 2,):
            raise ForceFieldError(f"the GAP model's triangle is not that of {m} sparse points")
        upper = np.zeros((m, m))
        upper[np.triu_indices(m)] = packed
        if not upper.diagonal().all():
            raise ForceFieldError("the GAP model's triangle is singular")
        if not scale > 0:
            raise ForceFieldError("the scale of the GAP model's standard deviations is not above 0")
        elements = terms.parts.elements
        if compositions is not None and compositions.shape[1:] != elements.shape:
            raise ForceFieldError("the GAP model's compositions are not those of its elements")
        if transfers:
            if one_body.shape != elements.shape:
                raise ForceFieldError("the GAP model's one-body energies are not one number each")
            offset = float(one_body[np.searchsorted(elements, molecule.numbers)].sum())
        return cls(
            molecule,
            hyper,
            terms=terms,
            upper=torch.as_tensor(upper, **like),
            offset=offset,
            absolute=absolute,
            scale=scale,
            one_body=one_body,
            compositions=compositions,
            transfers=transfers,
            device=device,
            dtype=dtype,
        )

    @classmethod
    def estimate(cls, molecule: Molecule, n_train: int, hyper: Any) -> tuple[float, float]:
        """(seconds, bytes) on a desktop processor with two cores."""
        from core.fitting.sparse_gp.fit import cost

        return cost(molecule.numbers, n_train, hyper)


FIELD = GAP
