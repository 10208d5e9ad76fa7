"""Symmetric gradient-domain machine learning (sGDML), closed form.

Sauceda et al., J. Chem. Phys. 153, 124109 (2020), eqs 1-3. With descriptors d (inverse distances),
training geometries i = 1..M, permutations P_q, q = 1..S, delta = d(x) - P_q d_i,
r = sqrt(5) |delta| / sigma, c = 5 / (3 sigma²) and A_qi = P_q J_i alpha_i:

    energy (eq. 3)     E(x)     = E_0 + c sum_qi (1 + r) e^{-r} delta.A_qi
    gradient (eq. 2)   dE/dd    = c sum_qi e^{-r} [(1 + r) A_qi - (5/sigma²) (delta.A_qi) delta]
    forces             F(x)     = -J(x)^T dE/dd
    training (eq. 1)   (K + lambda I) alpha = -F_train, K from `core.descriptors.matern_hessian`

Only forces are fitted; E_0 is the mean difference to the training energies. Everything is a matrix
product over all geometries, training geometries and permutations at once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.descriptors.inverse_distances import describe, incidence, permute_pairs, pull_back
from core.fitting.cores import cores, one_core_each
from core.forcefields.base import ForceField, ForceFieldError, hyper
from core.forcefields.info import Info
from core.molecule import Molecule

if TYPE_CHECKING:
    from core.engine.context import Context

CHUNK = 200_000  #: elements of one (geometries x training images) block in compute: 1.6 MB
SHARED = 50_000  #: elements from which on a second core pays
GPU_CHUNK = 40_000_000
TINY = 1e-24  #: 1/Å², keeps the root of the squared distance differentiable at a training point


@dataclass(frozen=True)
class SGDMLHyper:
    """What a person can choose for sGDML."""

    sigma: float = hyper(
        0.0,
        label="Kernel width σ",
        unit="1/Å",
        help="How far one training geometry reaches; 0 = chosen on the validation frames.",
        low=0.0,
        high=1000.0,
    )
    lam: float = hyper(
        1e-10,
        label="Regularisation λ",
        help="Added to the kernel matrix's diagonal; more of it smooths noisy forces.",
        low=0.0,
        high=1.0,
    )
    symmetries: bool = hyper(
        True,
        label="Use symmetries",
        help="Find the permutations of like atoms in the data and make the energy obey them.",
    )
    search_frames: int = hyper(
        200,
        label="Frames for choosing σ",
        help="At most so many training frames are used while σ is chosen; the last fit uses all.",
        low=10,
        high=100_000,
    )


class SGDML(ForceField):
    """A trained sGDML model."""

    INFO = Info(
        key="sgdml",
        label="sGDML",
        family="ML",
        doi="10.1063/5.0023005",
        about="Kernel model of the whole molecule, fitted to forces in closed form; few frames.",
        implementation="PEScape, torch float64",
        trainable=True,
        differentiable=True,
        batched=True,
        gpu=True,
        absolute_energy=True,
    )
    Hyper = SGDMLHyper
    QUICK: ClassVar[dict[str, bool | int | float | str]] = {"sigma": 20.0}

    def __init__(
        self,
        molecule: Molecule,
        hyper: Any = None,
        *,
        descriptors: np.ndarray,
        weights: np.ndarray,
        permutations: np.ndarray,
        sigma: float,
        offset: float = 0.0,
        absolute: bool = True,
        notes: dict[str, str] | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """descriptors (M,D) 1/Å; weights J alpha (M,D); permutations (S,N); offset E_0 in eV."""
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        self.notes = notes or {}
        self.descriptors, self.weights, self.permutations = descriptors, weights, permutations
        self.length, self.offset, self.absolute = float(sigma), float(offset), absolute
        if not absolute:
            # nothing to compare with: the reader of this one object must not take it for absolute
            self.INFO = dataclasses.replace(type(self).INFO, absolute_energy=False)  # type: ignore[misc]
        like = {"dtype": self.dtype, "device": self.device}
        self.inc = incidence(len(molecule.numbers), **like)
        images = permute_pairs(permutations)
        width = descriptors.shape[1]
        t = torch.as_tensor(descriptors[:, images].reshape(-1, width), **like)  # (MS,D)
        a = torch.as_tensor(weights[:, images].reshape(-1, width), **like)
        # near the training set's centre the squared distances lose the fewest digits
        self.centre = t.mean(0)
        t = t - self.centre
        # scales are folded into the matrices: the products below give r² and c delta.A themselves
        self.scale = 5**0.5 / self.length
        a = a * (5.0 / (3.0 * self.length**2))
        one, zero = torch.ones(len(t), 1, **like), torch.zeros(len(t), 1, **like)
        norm = t.square().sum(1, keepdim=True) * self.scale**2
        self.images = t
        self.to_square = torch.cat([t * (-2.0 * self.scale**2), one, norm], 1).T.contiguous()
        self.to_dot = torch.cat([a, zero, -(t * a).sum(1, keepdim=True)], 1).T.contiguous()
        self.pull = torch.cat([t, one], 1) * self.scale**2  # (MS,D+1)
        self.push = a
        self._pool: Any = None

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        """Eq. 3; differentiable any number of times away from the training geometries."""
        d, _ = describe(positions, self.inc)
        left = self._left(d - self.centre)
        root = (left @ self.to_square).clamp(min=TINY).sqrt()
        return ((1.0 + root) * torch.exp(-root) * (left @ self.to_dot)).sum(1) + self.offset

    def compute(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies and analytic forces (eqs 2, 3); large batches on all cores."""
        images, threads = len(self.images), torch.get_num_threads()
        step = max(1, (GPU_CHUNK if positions.is_cuda else CHUNK) // images)
        if positions.is_cuda or threads == 1 or len(positions) * images < SHARED:
            with cores(1):
                return self._lane(positions, step)
        if self._pool is None:
            self._pool = one_core_each(threads)
        share = -(-len(positions) // threads)
        done = list(self._pool.map(lambda p: self._lane(p, step), positions.split(share)))
        return torch.cat([e for e, _ in done]), torch.cat([f for _, f in done])

    def _left(self, d: torch.Tensor) -> torch.Tensor:
        """[d, |d|² scale², 1] (B,D+2) for d (B,D) from the centre."""
        square = d.square().sum(1, keepdim=True) * self.scale**2
        return torch.cat([d, square, d.new_ones(len(d), 1)], 1)

    def _lane(self, positions: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """`compute` in blocks of `step` geometries that stay in the caches, memory reused."""
        with torch.no_grad():  # this setting belongs to a thread, and the pool has its own
            d, slope = describe(positions, self.inc)
            d = d - self.centre
            left = self._left(d)
            shape = (3, min(step, len(d)), len(self.images))
            space = torch.empty(shape, dtype=d.dtype, device=d.device)
            energy, gradient = d.new_empty(len(d)), torch.empty_like(d)
            for i in range(0, len(d), step):
                block = left[i : i + step]
                root, dot, decay = space[:, : len(block)]
                torch.mm(block, self.to_square, out=root)
                root.clamp_(min=TINY).sqrt_()
                torch.neg(root, out=decay).exp_()
                torch.mm(block, self.to_dot, out=dot)
                torch.addcmul(decay, decay, root, out=root)  # (1 + r) e^{-r}
                torch.mul(decay, dot, out=decay)
                torch.linalg.vecdot(root, dot, out=energy[i : i + step])
                pull = decay @ self.pull  # sum of weights (delta.A) e^{-r} over images, and of them
                pull = torch.addcmul(pull[:, :-1], pull[:, -1:], d[i : i + step], value=-1.0)
                torch.addmm(pull, root, self.push, out=gradient[i : i + step])
            return energy.add_(self.offset), pull_back(gradient, slope, self.inc).neg_()

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """See `core.fitting.sgdml_fit`. Raises ForceFieldError on data that cannot be fitted."""
        from core.fitting.sgdml_fit import fit_arrays

        found = fit_arrays(dataset, split, hyper, context, cls)
        return cls(dataset.molecule, hyper, device=context.device, **found)

    def state(self) -> dict[str, np.ndarray]:
        """Training descriptors, weights, permutations and the numbers that scale them."""
        return {
            "descriptors": self.descriptors,
            "weights": self.weights,
            "permutations": self.permutations,
            "sigma": np.array([self.length]),
            "offset": np.array([self.offset]),
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
        n = len(molecule.numbers)
        try:
            d, w, p = state["descriptors"], state["weights"], state["permutations"]
            sigma, offset = float(state["sigma"][0]), float(state["offset"][0])
            absolute = bool(state["absolute"][0])
        except (KeyError, IndexError, TypeError) as error:
            raise ForceFieldError(f"this is not an sGDML model: {error} is missing") from None
        width = n * (n - 1) // 2
        if d.ndim != 2 or d.shape[1] != width or w.shape != d.shape or len(d) == 0:
            raise ForceFieldError(f"the sGDML model does not fit a molecule of {n} atoms")
        if p.ndim != 2 or p.shape[1] != n or p.dtype.kind != "i":
            raise ForceFieldError(f"the sGDML model's permutations are not those of {n} atoms")
        if not (len(p) and (p[0] == np.arange(n)).all() and (np.sort(p, 1) == p[0]).all()):
            raise ForceFieldError("the sGDML model's permutations are not permutations")
        if not (
            np.isfinite(d).all() and np.isfinite(w).all() and np.isfinite([sigma, offset]).all()
        ):
            raise ForceFieldError("the sGDML model holds numbers that are not finite")
        if sigma <= 0:
            raise ForceFieldError(f"the sGDML model has a kernel width of {sigma:g} 1/Å")
        return cls(
            molecule,
            hyper,
            descriptors=d,
            weights=w,
            permutations=p,
            sigma=sigma,
            offset=offset,
            absolute=absolute,
            device=device,
            dtype=dtype,
        )

    @classmethod
    def estimate(cls, molecule: Molecule, n_train: int, hyper: Any) -> tuple[float, float]:
        """(seconds, bytes) on a desktop processor with two cores."""
        from core.fitting.sgdml_fit import cost

        return cost(len(molecule.numbers), n_train, hyper)


FIELD = SGDML
