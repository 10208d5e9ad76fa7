"""FCHL19: a Gaussian process over atomic environments, trained on energies and forces.

Descriptor: Christensen, Bratholm, Faber, von Lilienfeld, J. Chem. Phys. 152, 044107 (2020), see
`core.descriptors.fchl19.representation`. Model: Christensen, von Lilienfeld, Mach. Learn.: Sci.
Technol. 1, 045018 (2020), whose published errors on rMD17 it has; see
`core.fitting.operator_kernel.kernel`. With x the environments of a geometry, t those of the
training frames of the same element, both divided by the
kernel width, A_t = sum_s alpha_s dt/ds over the directions s of its frame and b_t the weight of
that frame's energy:

    energy     E = E_0 + sum_x sum_t k (b_t + (x - t).A_t),   k = exp(-|x - t|² / 2)
    gradient   dE/dx = sum_t k [A_t - (x - t) (b_t + (x - t).A_t)]

and dE/dx goes through the descriptor backwards. Descriptors are first projected on the directions
in which the training frames' derivatives lie; what is left out is below `tolerance` of them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.descriptors.fchl19.representation import FCHL19, Settings
from core.fitting.cores import cores, one_core_each
from core.fitting.operator_kernel.model import ElementModel, ElementTensors
from core.forcefields.base import ForceField, ForceFieldError, hyper
from core.forcefields.info import Info
from core.molecule import Molecule
from core.permutations import exchanges

if TYPE_CHECKING:
    from core.engine.context import Context

BATCH, GPU_BATCH = 24, 1000  #: geometries of one block
CHUNK = 100_000  #: numbers of one (environments x training environments) tile: 0.8 MB
TRIPLES = 100_000  #: numbers of the radial functions on all triples of one piece of a block
GPU_SCALE = 400  #: how much larger tiles and pieces are on a GPU
SHARED = 100_000  #: pairs of environments from which on a second core pays


@dataclass(frozen=True)
class FCHL19Hyper:
    """What a person can choose for FCHL19."""

    sigma: float = hyper(
        0.0,
        label="Kernel width σ",
        help="How far one environment reaches, in units of the descriptor; 0 = chosen on the "
        "validation frames (where there are none: on training frames that the choice leaves out).",
        low=0.0,
        high=1000.0,
        automatic="chosen on the validation frames",
    )
    lam: float = hyper(
        0.0,
        label="Regularisation λ",
        help="Variance of the labels' noise over the variance of the model; 0 = chosen on the "
        "validation frames, and less of it the more frames there are.",
        low=0.0,
        high=1.0,
        automatic="chosen on the validation frames",
    )
    energy_weight: float = hyper(
        100.0,
        label="Weight of energies",
        help="How many times smaller the noise of energies (eV²) is than that of forces (eV²/Å²).",
        low=1e-6,
        high=1e8,
        advanced=True,
    )
    cutoff: float = hyper(
        8.0,
        label="Cutoff",
        unit="Å",
        help="Neighbours farther away do not count, in pairs and in triples.",
        low=1.0,
        high=30.0,
    )
    n_two: int = hyper(
        24,
        label="Radial functions of pairs",
        help="Log-normal functions on even steps up to the cutoff.",
        low=2,
        high=100,
        advanced=True,
    )
    n_three: int = hyper(
        20,
        label="Radial functions of triples",
        help="Gaussian functions on even steps up to the cutoff.",
        low=2,
        high=100,
        advanced=True,
    )
    max_environments: int = hyper(
        0,
        label="Most environments",
        help="Of the training frames, only as many as have so many atoms together, spread by "
        "farthest point; 0 = all frames.",
        low=0,
        high=10_000_000,
        advanced=True,
    )
    memory: float = hyper(
        10.0,
        label="Memory",
        unit="GB",
        help="Equations that need more than this are solved by iteration instead.",
        low=0.1,
        high=1000.0,
        advanced=True,
    )
    search_frames: int = hyper(
        200,
        label="Frames for choosing σ and λ",
        help="At most so many training frames are used while σ and λ are chosen (fewer for large "
        "molecules); the last fit uses all.",
        low=10,
        high=100_000,
        advanced=True,
    )


def settings_of(hyper: Any) -> Settings:
    """The descriptor's settings."""
    return Settings(
        n_two=hyper.n_two, n_three=hyper.n_three, cutoff=hyper.cutoff, cutoff_three=hyper.cutoff
    )


class FCHL19Field(ForceField):
    """A trained FCHL19 model."""

    INFO = Info(
        key="fchl19",
        label="FCHL19",
        family="ML",
        doi="10.1063/1.5126701",
        about="Gaussian process over atomic environments, fitted to energies and forces; few "
        "frames, the same for like atoms.",
        implementation="PEScape, torch float64",
        trainable=True,
        differentiable=True,
        batched=True,
        gpu=True,
        absolute_energy=True,
    )
    Hyper = FCHL19Hyper
    QUICK: ClassVar[dict[str, bool | int | float | str]] = {
        "sigma": 3.0,
        "lam": 1e-6,  # less would be fine but for the tests' sharp limits on rounding
        "energy_weight": 1.0,
        "n_two": 12,
        "n_three": 10,
    }

    def __init__(
        self,
        molecule: Molecule,
        hyper: Any = None,
        *,
        elements: list[ElementModel],
        offset: float = 0.0,
        absolute: bool = True,
        notes: dict[str, str] | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """elements: one model per element, atomic numbers ascending; offset E_0 in eV."""
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        self.notes = notes or {}
        self.models, self.offset, self.absolute = elements, float(offset), absolute
        if not absolute:
            # nothing to compare with: the reader of this one object must not take it for absolute
            self.INFO = dataclasses.replace(type(self).INFO, absolute_energy=False)  # type: ignore[misc]
        self.descriptor = FCHL19(
            molecule.numbers, settings_of(self.hyper), dtype=self.dtype, device=self.device
        )
        like = {"dtype": self.dtype, "device": self.device}
        self._elements = [ElementTensors(m, like) for m in elements]
        pairs = [len(m.t) * len(a) for m, a in zip(elements, self.descriptor.atoms, strict=True)]
        self._pairs = max(1, *pairs)
        self._triples = max(1, len(self.descriptor.layout.three) * self.hyper.n_three)
        self._pool: Any = None

    @cached_property
    def permutations(self) -> np.ndarray:
        """No exchange, and that of every two like atoms: all are one to this model."""
        return exchanges(self.molecule.numbers, every=True)

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        """Energy, differentiable any number of times."""
        parts = self.descriptor.describe(positions)
        total = torch.zeros(len(positions), dtype=positions.dtype, device=positions.device)
        for model, q in zip(self._elements, parts, strict=True):
            total = total + model.energy(q)
        return total + self.offset

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies and analytic forces; large batches on all cores."""
        if len(positions) == 0:
            return positions.new_zeros(0), torch.zeros_like(positions)
        step = GPU_BATCH if positions.is_cuda else BATCH
        threads = torch.get_num_threads()
        if positions.is_cuda or threads == 1 or len(positions) * self._pairs < SHARED:
            with cores(1):
                return self._lane(positions, step)
        if self._pool is None:
            self._pool = one_core_each(threads)
        share = -(-len(positions) // threads)
        done = list(self._pool.map(lambda p: self._lane(p, step), positions.split(share)))
        return torch.cat([e for e, _ in done]), torch.cat([f for _, f in done])

    def _lane(self, positions: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """`compute` in blocks of `step` geometries, memory reused."""
        with torch.no_grad():  # this setting belongs to a thread, and the pool has its own
            scale = GPU_SCALE if positions.is_cuda else 1
            few = max(1, scale * TRIPLES // self._triples)  # whose triples stay in the caches
            longest = min(step, len(positions))
            space = positions.new_empty(3, max(scale * CHUNK, longest * len(positions[0])))
            energies, forces = [], []
            for block in positions.split(step):
                found = [self.descriptor.values(p) for p in block.split(few)]
                energy = torch.full_like(block[:, 0, 0], self.offset)
                slopes = []
                for model, *parts in zip(self._elements, *(v.q for v in found), strict=True):
                    e, slope = model.energy_and_slope(torch.cat(parts), space)
                    energy += e
                    slopes.append(slope.split(few))
                energies.append(energy)
                for values, *slope in zip(found, *slopes, strict=True):
                    forces.append(self.descriptor.pull_back(values, slope).neg_())
            return torch.cat(energies), torch.cat(forces)

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """See `core.fitting.operator_kernel.fit`. Raises ForceFieldError on unfit data."""
        from core.fitting.operator_kernel.fit import fit_model

        found = fit_model(dataset, split, hyper, context, cls)
        return cls(dataset.molecule, hyper, device=context.device, **found)

    def state(self) -> dict[str, np.ndarray]:
        """The parts of every element, named after the element's place, and the constant."""
        state = {"offset": np.array([self.offset]), "absolute": np.array([self.absolute])}
        for i, model in enumerate(self.models):
            state |= {f"{name}_{i}": array for name, array in vars(model).items()}
        return state

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
        names = [f.name for f in dataclasses.fields(ElementModel)]
        count = len(np.unique(molecule.numbers))
        try:
            offset, absolute = float(state["offset"][0]), bool(state["absolute"][0])
            models = [ElementModel(*(state[f"{n}_{i}"] for n in names)) for i in range(count)]
        except (KeyError, IndexError, TypeError) as error:
            raise ForceFieldError(f"this is not an FCHL19 model: {error} is missing") from None
        width = count * hyper.n_two + count * (count + 1) * hyper.n_three
        for m in models:
            rows, columns = m.t.shape if m.t.ndim == 2 else (-1, -1)
            shapes = ((width,), (width, columns), (rows, columns), (rows, columns), (rows,))
            if rows < 1 or tuple(a.shape for a in dataclasses.astuple(m)) != shapes:
                raise ForceFieldError("the FCHL19 model does not fit this molecule and its basis")
            if not all(np.isfinite(a).all() for a in dataclasses.astuple(m)):
                raise ForceFieldError("the FCHL19 model holds numbers that are not finite")
        if not np.isfinite(offset):
            raise ForceFieldError("the FCHL19 model's energy constant is not finite")
        found: dict[str, Any] = {"elements": models, "offset": offset, "absolute": absolute}
        return cls(molecule, hyper, device=device, dtype=dtype, **found)

    @classmethod
    def estimate(cls, molecule: Molecule, n_train: int, hyper: Any) -> tuple[float, float]:
        """(seconds, bytes) on a desktop processor with two cores."""
        from core.fitting.operator_kernel.cost import cost

        return cost(molecule.numbers, n_train, hyper)


FIELD = FCHL19Field
