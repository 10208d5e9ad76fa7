"""Linear atomic cluster expansion (ACE), fitted by least squares.

Kovács et al., J. Chem. Theory Comput. 17, 7696 (2021). The energy is a sum over atoms of a linear
combination of invariant polynomials of the neighbour density,

    E = sum_i V1(z_i) + sum_i sum_k c_(z_i k) B_k(neighbours of i) + sum_pairs V2_rep(r)   (10, 17)

with B_k up to correlation order 4 (five bodies): `core.descriptors.ace.radial` (eqs 12-16),
`ace_density` (4, 5), `ace_coupling` and `ace_basis` (7-9); evaluation in `ace_model`, the fit
(18-22) in `core.fitting.ace.fit`. Atoms of one element are equal; bonds are not known to it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.descriptors.ace.design import pair_count
from core.descriptors.ace.setup import Setup
from core.fitting.cores import cores, one_core_each
from core.forcefields.base import ForceField, ForceFieldError, hyper
from core.forcefields.info import Info
from core.molecule import Molecule

if TYPE_CHECKING:
    from core.engine.context import Context

CHUNK = 100  #: atoms evaluated together: their arrays stay in a core's cache
SHARED = 400  #: atoms from which on a second core pays


@dataclass(frozen=True)
class ACEHyper:
    """What a person can choose for linear ACE."""

    functions: int = hyper(
        0,
        label="Basis size",
        help="About so many functions; 0 = by the number of training frames. More of them are more "
        "accurate where the data decide them; memory grows with the square.",
        low=0,
        high=100_000,
        automatic="by the number of training frames",
    )
    degrees: str = hyper(
        "",
        label="Degrees",
        help="Largest degree of each correlation order, for instance 10 10 9 7; empty = by the "
        "basis size.",
        advanced=True,
    )
    hydrogen: float = hyper(
        2.0,
        label="Degrees less around H",
        help="Hydrogens see what their neighbours see; heavier atoms need the functions more.",
        low=0.0,
        high=10.0,
    )
    rare: float = hyper(
        2.0,
        label="Degrees less around rare elements",
        help="At most, above 12 atoms: 1 if the commonest heavy element has twice as many atoms.",
        low=0.0,
        high=10.0,
        advanced=True,
    )
    order: int = hyper(
        0,
        label="Correlation order",
        help="Neighbours that one function couples; 0 = 4 for up to three elements, else 3.",
        low=0,
        high=4,
        automatic="4 for up to three elements, else 3",
    )
    cutoff: float = hyper(
        0.0,
        label="Cutoff",
        unit="Å",
        help="Neighbours further away do not act in many-body functions; 0 = 5 Å for small "
        "molecules, 3.5 Å for others, whose many atoms in a larger sphere need a larger basis.",
        low=0.0,
        high=20.0,
        automatic="5 Å for small molecules, else 3.5 Å",
    )
    w_y: float = hyper(
        0.0,
        label="Weight of angular degree",
        help="Degree = n + weight x l: more of it gives finer radial and coarser angular detail; "
        "0 = 0.5 for small molecules, 0.35 for others.",
        low=0.0,
        high=8.0,
        advanced=True,
        automatic="0.5 for small molecules, else 0.35",
    )
    inner: float = hyper(
        0.6,
        label="Inner cutoff",
        help="Many-body functions end at this part of the shortest distance in the data; closer "
        "atoms feel only the pair functions.",
        low=0.0,
        high=0.99,
        advanced=True,
    )
    r0: float = hyper(
        0.0,
        label="Radial transform r0",
        help="In sums of covalent radii: small values resolve short distances more finely. 0 = 0.4 "
        "times the cutoff in Å.",
        low=0.0,
        high=10.0,
        automatic="0.4 times the cutoff in Å",
    )
    pair_functions: int = hyper(
        8,
        label="Pair functions",
        help="Per pair of elements; they repel inside the inner cutoff and reach furthest.",
        low=0,
        high=20,
    )
    pair_cutoff: float = hyper(
        7.0,
        label="Cutoff of pair functions",
        unit="Å",
        help="At least the other cutoff is used.",
        low=0.0,
        high=50.0,
    )
    one_body: str = hyper(
        "auto",
        label="One-body energy",
        help="Isolated atoms dissociate rightly; the average fits a little closer; forces only "
        "uses no energies. auto = isolated atoms where the data give them.",
        choices=("auto", "isolated atoms", "average", "forces only"),
        advanced=True,
    )
    energy_weight: float = hyper(
        3.0,
        label="Weight of energies",
        unit="1/Å",
        help="Of an energy error in eV beside a force error in eV/Å.",
        low=0.0,
        high=1e6,
        advanced=True,
    )
    smoothness: float = hyper(
        2.0,
        label="Smoothness prior",
        help="Power p of the degree in the prior; more of it damps rough functions.",
        low=0.0,
        high=10.0,
        advanced=True,
    )
    lam: float = hyper(
        0.0,
        label="Regularisation λ",
        help="Weight of the prior (rrqr: the tolerance); 0 = chosen.",
        low=0.0,
        high=100.0,
        advanced=True,
        automatic="chosen by what the next setting says",
    )
    choose: str = hyper(
        "validation",
        label="Choose λ by",
        help="Error on the validation frames (a tenth of the training ones where there are none), "
        "or Bayesian evidence.",
        choices=("validation", "evidence"),
        advanced=True,
    )
    solver: str = hyper(
        "cholesky",
        label="Solver",
        help="cholesky: normal equations, fastest. rrqr: rank-revealing QR, keeps most digits. "
        "lsqr: iterative.",
        choices=("cholesky", "rrqr", "lsqr"),
        advanced=True,
    )
    iterations: int = hyper(
        1000,
        label="LSQR iterations",
        help="At most; only for lsqr.",
        low=1,
        high=1_000_000,
        advanced=True,
    )
    memory: float = hyper(
        8.0,
        label="Memory",
        unit="GiB",
        help="A fit that needs more is refused.",
        low=0.5,
        high=4096,
        advanced=True,
    )


class ACE(ForceField):
    """A trained linear ACE."""

    INFO = Info(
        key="ace",
        label="Linear ACE",
        family="ML",
        doi="10.1021/acs.jctc.1c00647",
        about="Sum over atoms of polynomials of their neighbours, linear in its parameters; local, "
        "fast, and free of any topology.",
        implementation="PEScape, torch float64",
        trainable=True,
        differentiable=True,
        batched=True,
        gpu=False,
        absolute_energy=True,
        energies_suffice=True,
    )
    Hyper = ACEHyper
    QUICK: ClassVar[dict[str, bool | int | float | str]] = {"degrees": "5 5 4 4"}

    def __init__(
        self,
        molecule: Molecule,
        hyper: Any = None,
        *,
        setup: Setup,
        coefficients: np.ndarray,
        one_body: np.ndarray,
        absolute: bool = True,
        notes: dict[str, str] | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """coefficients (K,) in the order of the setup; one_body (Z,) eV per element of it."""
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        self.setup, self.coefficients, self.one_body = setup, coefficients, one_body
        self.notes, self.absolute = notes or {}, absolute
        if not absolute:
            # nothing to compare with: the reader of this one object must not take it for absolute
            self.INFO = dataclasses.replace(type(self).INFO, absolute_energy=False)  # type: ignore[misc]
        system = setup.system(molecule.numbers, device=self.device, dtype=self.dtype)
        self.evaluator = system.evaluator(coefficients)
        self.offset = float(one_body[np.searchsorted(setup.elements, molecule.numbers)].sum())
        self._pool: Any = None

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        return self.evaluator.energy(positions) + self.offset

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies and analytic forces in blocks that stay in the caches; many on all cores."""
        n, threads = len(self.molecule.numbers), torch.get_num_threads()
        if len(positions) == 0:
            return positions.new_zeros(0), torch.zeros_like(positions)
        if positions.is_cuda or threads == 1 or len(positions) * n < SHARED:
            with cores(1):
                return self._lane(positions)
        if self._pool is None:
            self._pool = one_core_each(threads)
        done = list(self._pool.map(self._lane, positions.split(-(-len(positions) // threads))))
        return torch.cat([e for e, _ in done]), torch.cat([f for _, f in done])

    def _lane(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        step = max(1, CHUNK // len(self.molecule.numbers))
        with torch.no_grad():  # this setting belongs to a thread, and the pool has its own
            done = [self.evaluator.compute(block) for block in positions.split(step)]
        return torch.cat([e for e, _ in done]) + self.offset, torch.cat([f for _, f in done])

    @cached_property
    def permutations(self) -> np.ndarray:
        """Identity and every exchange of two like atoms (they generate the whole group)."""
        numbers = self.molecule.numbers
        rows = [np.arange(len(numbers))]
        for i, j in zip(*np.triu_indices(len(numbers), 1), strict=True):
            if numbers[i] == numbers[j]:
                row = np.arange(len(numbers))
                row[[i, j]] = j, i
                rows.append(row)
        return np.stack(rows)

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """See `core.fitting.ace.fit`. Raises ForceFieldError on data that cannot be fitted."""
        from core.fitting.ace.fit import fit_arrays

        found = fit_arrays(dataset, split, hyper, context, cls)
        return cls(dataset.molecule, hyper, device=context.device, **found)

    def state(self) -> dict[str, np.ndarray]:
        """The setup's numbers, coefficients and one-body energies."""
        s = self.setup
        return {
            "elements": s.elements,
            "degrees": np.array(s.degrees),
            "shape": np.array([s.w_y, s.cutoff, float(s.n_pair), s.pair_cutoff]),
            "less": np.array(s.less or np.zeros(len(s.elements))),
            "r0": s.r0,
            "r_in": s.r_in,
            "most": s.most,
            "coefficients": self.coefficients,
            "one_body": self.one_body,
            "absolute": np.array([self.absolute]),
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
        try:
            setup = _setup(state)
            coefficients, one_body = state["coefficients"], state["one_body"]
            absolute = bool(state["absolute"][0])
        except (KeyError, IndexError) as error:
            raise ForceFieldError(f"this is not a linear ACE model: {error} is missing") from None
        if one_body.shape != setup.elements.shape or not np.isfinite(one_body).all():
            raise ForceFieldError("the ACE model's one-body energies are not one number each")
        if not set(molecule.numbers.tolist()) <= set(setup.elements.tolist()):
            raise ForceFieldError(
                f"the ACE model has no functions for some atom of {molecule.formula}"
            )
        try:
            columns = setup.columns()
        except ValueError as error:
            raise ForceFieldError(f"the ACE model is damaged: {error}") from None
        if not np.isfinite(coefficients).all() or coefficients.shape != (columns,):
            raise ForceFieldError("the ACE model's coefficients do not fit its basis")
        return cls(
            molecule,
            hyper,
            setup=setup,
            coefficients=coefficients,
            one_body=one_body,
            absolute=absolute,
            device=device,
            dtype=dtype,
        )

    @classmethod
    def estimate(cls, molecule: Molecule, n_train: int, hyper: Any) -> tuple[float, float]:
        """(seconds, bytes) on a desktop processor with two cores."""
        from core.fitting.ace.setup import cost, expected_columns

        columns = expected_columns(molecule.numbers, n_train, hyper)
        return cost(len(molecule.numbers), n_train, columns, hyper.solver)


def _setup(state: dict[str, np.ndarray]) -> Setup:
    """The setup of a state. Raises KeyError, IndexError or ForceFieldError."""
    elements, degrees, shape = state["elements"], state["degrees"], state["shape"]
    r0, r_in, most = state["r0"], state["r_in"], state["most"]
    z = len(elements)
    wrong = ""
    if "less" not in state and shape.shape == (5,):  # a model of before there was one per element
        less, shape = np.where(elements == 1, shape[4], 0.0), shape[:4]
    else:
        less = state["less"]
    if elements.dtype.kind != "i" or elements.ndim != 1 or not (np.diff(elements) > 0).all():
        wrong = "elements"
    elif not np.isfinite(degrees).all() or not 1 <= degrees.size <= 4:
        wrong = "degrees"
    elif degrees.max() > 60 or degrees.min() < 1:
        wrong = "degrees' range"
    elif shape.shape != (4,) or not np.isfinite(shape).all():
        wrong = "shape"
    elif min(shape[[0, 1, 3]]) < 0.1 or not 0 <= shape[2] <= 20:
        wrong = "shape's values"
    elif less.shape != (z,) or less.dtype.kind != "f" or not ((less >= 0) & (less < 60)).all():
        wrong = "less"
    elif r0.shape != (pair_count(z),) or not np.isfinite(r0).all() or (r0 <= 0).any():
        wrong = "r0"
    elif r_in.shape != r0.shape or not ((r_in >= 0) & (r_in < min(shape[1], shape[3]))).all():
        wrong = "r_in"
    elif most.shape != (z, z) or most.dtype.kind != "i":
        wrong = "most"
    if wrong:
        raise ForceFieldError(f"the ACE model is damaged: its {wrong!r} make no basis")
    return Setup(
        elements=elements,
        degrees=tuple(float(d) for d in degrees),
        w_y=float(shape[0]),
        cutoff=float(shape[1]),
        r0=r0,
        r_in=r_in,
        n_pair=int(shape[2]),
        pair_cutoff=float(shape[3]),
        less=tuple(less.tolist()),
        most=most,
    )


FIELD = ACE
