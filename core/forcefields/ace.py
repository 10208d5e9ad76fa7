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
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.descriptors.ace.design import pair_count
from core.descriptors.ace.setup import Setup
from core.fitting.ace.hyper import ACEHyper
from core.fitting.cores import cores, one_core_each
from core.fitting.one_body import counts_of, is_known
from core.fitting.portion import Portion, as_portions, check_known
from core.forcefields.base import ForceField, ForceFieldError
from core.forcefields.info import Info
from core.molecule import Molecule
from core.permutations import exchanges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.engine.context import Context

CHUNK = 165  #: atoms evaluated together: more of them leave a core's cache, fewer wait for torch
SHARED = 400  #: atoms from which on a second core pays


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
        gpu=True,
        absolute_energy=True,
        energies_suffice=True,
        combines=True,
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
        compositions: np.ndarray | None = None,
        transfers: bool = False,
        notes: dict[str, str] | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """coefficients (K,) in the order of the setup; one_body (Z,) eV per element of it.

        compositions (P,Z): atoms of what one_body was made from, None = of this molecule alone;
        transfers: all were learnt so that other molecules of these elements may use them.
        """
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        self.setup, self.coefficients, self.one_body = setup, coefficients, one_body
        self.notes, self.absolute = notes or {}, absolute
        if compositions is None:
            compositions = counts_of(molecule.numbers, setup.elements)[None]
        self._transfers, self.compositions = transfers, compositions
        if not (absolute and is_known(compositions, setup.elements, molecule.numbers)):
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
        return exchanges(self.molecule.numbers, every=True)

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """See `core.fitting.ace.fit`. Raises ForceFieldError on data that cannot be fitted."""
        return cls.fit_many(as_portions(dataset, split), hyper, context)

    @classmethod
    def fit_many(cls, portions: Sequence[Portion], hyper: Any, context: Context) -> Self:
        """One basis and one set of coefficients for all molecules."""
        from core.fitting.ace.fit import fit_arrays

        found = fit_arrays(portions, hyper, context, cls)
        return cls(portions[0].dataset.molecule, hyper, device=context.device, **found)

    @property
    def transfers(self) -> bool:
        """Whether its one-body energies mean something in another molecule."""
        return self._transfers

    def state(self) -> dict[str, np.ndarray]:
        """The setup's numbers, coefficients and one-body energies."""
        s = self.setup
        return {
            "elements": s.elements,
            "degrees": np.array(s.degrees),
            "shape": np.array([s.w_y, s.cutoff, float(s.n_pair), s.pair_cutoff]),
            "less": np.array([x or np.zeros(len(s.elements)) for x in (s.less, s.more)]),
            "r0": s.r0,
            "r_in": s.r_in,
            "most": s.most,
            "coefficients": self.coefficients,
            "one_body": self.one_body,
            "absolute": np.array([self.absolute, self._transfers]),
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
        try:
            setup = _setup(state)
            coefficients, one_body = state["coefficients"], state["one_body"]
            absolute = bool(state["absolute"][0])
            # models from before there were several molecules say one word and know one molecule
            old = len(state["absolute"]) == 1
            transfers = not old and bool(state["absolute"][1])
            compositions = None if old else state["compositions"]
        except (KeyError, IndexError) as error:
            raise ForceFieldError(f"this is not a linear ACE model: {error} is missing") from None
        if compositions is not None and compositions.shape[1:] != setup.elements.shape:
            raise ForceFieldError("the ACE model's compositions are not those of its elements")
        if one_body.shape != setup.elements.shape or not np.isfinite(one_body).all():
            raise ForceFieldError("the ACE model's one-body energies are not one number each")
        check_known(cls.INFO.label, setup.elements, molecule)
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
            compositions=compositions,
            transfers=transfers,
            device=device,
            dtype=dtype,
        )

    @classmethod
    def estimate(cls, molecule: Molecule, n_train: int, hyper: Any) -> tuple[float, float]:
        """(seconds, bytes) on a desktop processor with two cores."""
        return cls.estimate_many([(molecule, n_train)], hyper)

    @classmethod
    def estimate_many(
        cls, sizes: Sequence[tuple[Molecule, int]], hyper: Any
    ) -> tuple[float, float]:
        """The same for several molecules with their numbers of training frames."""
        from core.fitting.ace.setup import cost, expected_columns

        columns = expected_columns([(m.numbers, k) for m, k in sizes], hyper)
        return cost([(len(m.numbers), k) for m, k in sizes], columns, hyper.solver)


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
    if less.ndim == 1:  # a model of before neighbours weighed too
        less = np.stack([less, np.zeros(len(less))])
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
    elif less.shape != (2, z) or less.dtype.kind != "f" or not ((less >= 0) & (less < 60)).all():
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
        less=tuple(less[0].tolist()),
        more=tuple(less[1].tolist()),
        most=most,
    )


FIELD = ACE
