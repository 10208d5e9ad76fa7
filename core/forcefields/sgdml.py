"""Symmetric gradient-domain machine learning (sGDML; GDML where symmetries are off).

Sauceda et al., J. Chem. Phys. 153, 124109 (2020), eqs 1-3. With descriptors d (inverse distances),
training geometries i = 1..M, permutations P_q, q = 1..S, delta = d(x) - P_q d_i,
r = sqrt(5) |delta| / sigma, c = 5 / (3 sigma²) and A_qi = P_q J_i alpha_i:

    energy (eq. 3)     E(x)     = E_0 + c sum_qi (1 + r) e^{-r} delta.A_qi
    gradient (eq. 2)   dE/dd    = c sum_qi e^{-r} [(1 + r) A_qi - (5/sigma²) (delta.A_qi) delta]
    forces             F(x)     = -J(x)^T dE/dd
    training (eq. 1)   (K + lambda I) alpha = -F_train, K from `core.descriptors.matern_hessian`

Where energies are fitted too, E has one more weight B_i per training geometry:

    E(x) += sum_qi k(r) B_i,    dE/dd -= c sum_qi (1 + r) e^{-r} B_i delta,
    k(r) = (1 + r + r²/3) e^{-r}.

E_0 is the mean difference to the training energies. Everything is a matrix product over all
geometries, training geometries and permutations at once. Descriptors may hold angles and dihedrals
too (`core.descriptors.extended`).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.descriptors.extended import Descriptor
from core.descriptors.extended_terms import TermError, check_terms, close_terms, no_terms
from core.fitting.cores import cores, one_core_each
from core.fitting.sgdml.float32 import Leading, h
from core.fitting.sgdml.hyper import SGDMLHyper
from core.forcefields.base import ForceField, ForceFieldError
from core.forcefields.info import Info
from core.molecule import Molecule

if TYPE_CHECKING:
    from core.engine.context import Context

CHUNK = 200_000  #: elements of one (geometries x training images) block in compute: 1.6 MB
SHARED = 50_000  #: elements from which on a second core pays
GPU_CHUNK = 40_000_000
TINY = 1e-24  #: 1/Å², keeps the root of the squared distance differentiable at a training point


class SGDML(ForceField):
    """A trained sGDML model."""

    INFO = Info(
        key="sgdml",
        label="sGDML",
        family="ML",
        doi="10.1063/5.0023005",
        about="Kernel model of the whole molecule, fitted to forces (and energies); few frames.",
        implementation="PEScape, torch float64",
        trainable=True,
        differentiable=True,
        batched=True,
        gpu=True,
        absolute_energy=True,
    )
    Hyper = SGDMLHyper
    QUICK: ClassVar[dict[str, bool | int | float | str]] = {
        "sigma": 20.0,
        "lam": 1e-8,  # less would be fine but for the tests' sharp limits on rounding
    }

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
        terms: np.ndarray | None = None,
        energy_weights: np.ndarray | None = None,
        notes: dict[str, str] | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """descriptors (M,D) 1/Å; weights J alpha (M,D); permutations (S,N); offset E_0 in eV.

        terms (E,4): angles and dihedrals among the D, none by default; energy_weights B (M,) eV
        where energies were fitted.
        """
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        self.notes = notes or {}
        self.descriptors, self.weights, self.permutations = descriptors, weights, permutations
        self.terms = no_terms() if terms is None else terms
        self.energy_weights = energy_weights
        self.length, self.offset, self.absolute = float(sigma), float(offset), absolute
        if not absolute:
            # nothing to compare with: the reader of this one object must not take it for absolute
            self.INFO = dataclasses.replace(type(self).INFO, absolute_energy=False)  # type: ignore[misc]
        like: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        self.descriptor = Descriptor(len(molecule.numbers), self.terms, **like)
        images = self.descriptor.images(permutations)
        width = descriptors.shape[1]
        # near the training set's centre the squared distances lose the fewest digits
        t64 = descriptors[:, images].reshape(-1, width)  # (MS,D)
        centre = t64.mean(0)
        self.centre = torch.as_tensor(centre, **like)
        t = torch.as_tensor(t64 - centre, **like)
        a = torch.as_tensor(weights[:, images].reshape(-1, width), **like)
        self.levels: torch.Tensor | None = None  # B of every image (MS,)
        if energy_weights is not None:
            repeated = np.repeat(energy_weights, len(permutations))
            self.levels = torch.as_tensor(repeated, **like)
        self.leading: Leading | None = None
        if self.dtype == torch.float32:
            double: dict[str, Any] = {"dtype": torch.float64, "device": self.device}
            a64 = weights[:, images].reshape(-1, width) * (5.0 / (3.0 * self.length**2))
            b64 = None if energy_weights is None else torch.as_tensor(repeated, **double)
            moved = torch.as_tensor(t64 - centre, **double)
            self.leading = Leading.of(moved, torch.as_tensor(a64, **double), b64)
            self.descriptor = Descriptor(len(molecule.numbers), self.terms, **double)
            self.centre = torch.as_tensor(centre, **double)
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
        if self.leading is not None:
            return self._energy_float32(positions)
        d, _ = self.descriptor(positions)
        left = self._left(d - self.centre)
        root = (left @ self.to_square).clamp(min=TINY).sqrt()
        decay = torch.exp(-root)
        energy = ((1.0 + root) * decay * (left @ self.to_dot)).sum(1)
        if self.levels is not None:
            energy = energy + ((1.0 + root + root.square() / 3.0) * decay) @ self.levels
        return energy + self.offset

    def _energy_float32(self, positions: torch.Tensor) -> torch.Tensor:
        """`energy` with the leading term in float64; float64 out, an energy holds 9 digits."""
        assert self.leading is not None
        d, _ = self.descriptor(positions.double())
        d = d - self.centre
        left = self._left(d.float())
        root = (left @ self.to_square).clamp(min=TINY).sqrt()
        near = h(root)
        energy = (near * (left @ self.to_dot)).sum(1)
        if self.levels is not None:
            energy = energy + (near + root.square() / 3.0 * torch.exp(-root)) @ self.levels
        return self.leading.energy(d) + energy + self.offset

    def _lane_float32(
        self, positions: torch.Tensor, step: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`_lane` with the leading term in float64."""
        assert self.leading is not None
        with torch.no_grad():
            d, slope = self.descriptor(positions.double())
            d = d - self.centre
            energy, gradient = self.leading.energy(d), self.leading.gradient(d, self.scale)
            for i in range(0, len(d), step):
                part = d[i : i + step].float()
                left = self._left(part)
                root = (left @ self.to_square).clamp_(min=TINY).sqrt_()
                near, dot = h(root), left @ self.to_dot
                decay = torch.exp(-root)
                more = near * dot
                pull = decay * dot
                if self.levels is not None:
                    more.addcmul_(near + root.square() / 3.0 * decay, self.levels[None])
                    pull.addcmul_(near, self.levels[None], value=1.0 / 3.0)
                energy[i : i + step] += more.sum(1)
                pulled = pull @ self.pull
                pulled = torch.addcmul(pulled[:, :-1], pulled[:, -1:], part, value=-1.0)
                gradient[i : i + step] += torch.addmm(pulled, near, self.push)
            energy += self.offset
            return energy, self.descriptor.pull_back(gradient, slope).neg_()

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
        if self.leading is not None:
            return self._lane_float32(positions, step)
        with torch.no_grad():  # this setting belongs to a thread, and the pool has its own
            d, slope = self.descriptor(positions)
            d = d - self.centre
            left = self._left(d)
            shape = (3 if self.levels is None else 4, min(step, len(d)), len(self.images))
            space = torch.empty(shape, dtype=d.dtype, device=d.device)
            energy, gradient = d.new_empty(len(d)), torch.empty_like(d)
            for i in range(0, len(d), step):
                block = left[i : i + step]
                root, dot, decay, *more = space[:, : len(block)]
                torch.mm(block, self.to_square, out=root)
                root.clamp_(min=TINY).sqrt_()
                torch.neg(root, out=decay).exp_()
                torch.mm(block, self.to_dot, out=dot)
                if self.levels is not None:
                    torch.mul(root, root, out=more[0]).mul_(decay).div_(3.0)  # r²/3 e^{-r}
                torch.addcmul(decay, decay, root, out=root)  # (1 + r) e^{-r}
                torch.mul(decay, dot, out=decay)
                torch.linalg.vecdot(root, dot, out=energy[i : i + step])
                if self.levels is not None:
                    energy[i : i + step].add_(more[0].add_(root) @ self.levels)
                    decay.addcmul_(root, self.levels[None], value=1.0 / 3.0)
                pull = decay @ self.pull  # sum of weights (delta.A) e^{-r} over images, and of them
                pull = torch.addcmul(pull[:, :-1], pull[:, -1:], d[i : i + step], value=-1.0)
                torch.addmm(pull, root, self.push, out=gradient[i : i + step])
            return energy.add_(self.offset), self.descriptor.pull_back(gradient, slope).neg_()

    @classmethod
    def fit(cls, dataset: Dataset, split: Split, hyper: Any, context: Context) -> Self:
        """See `core.fitting.sgdml.fit`. Raises ForceFieldError on data that cannot be fitted."""
        from core.fitting.sgdml.fit import fit_arrays

        found = fit_arrays(dataset, split, hyper, context, cls)
        return cls(dataset.molecule, hyper, device=context.device, dtype=hyper.precision, **found)

    def state(self) -> dict[str, np.ndarray]:
        """Training descriptors, weights, permutations and the numbers that scale them.

        terms and energy_weights stand there only where the model has any.
        """
        more = {}
        if len(self.terms):
            more["terms"] = self.terms
        if self.energy_weights is not None:
            more["energy_weights"] = self.energy_weights
        return {
            **more,
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
        terms = state.get("terms", no_terms())
        levels = state.get("energy_weights")
        try:
            check_terms(terms, n)
        except TermError as error:
            raise ForceFieldError(f"the sGDML model is damaged: {error}") from None
        try:
            if hyper is not None and hyper.energies:
                state["energy_weights"]  # fitted to energies: without them it is another model
            d, w, p = state["descriptors"], state["weights"], state["permutations"]
            sigma, offset = float(state["sigma"][0]), float(state["offset"][0])
            absolute = bool(state["absolute"][0])
        except (KeyError, IndexError, TypeError) as error:
            raise ForceFieldError(f"this is not an sGDML model: {error} is missing") from None
        width = n * (n - 1) // 2 + len(terms)
        if d.ndim != 2 or d.shape[1] != width or w.shape != d.shape or len(d) == 0:
            raise ForceFieldError(f"the sGDML model does not fit a molecule of {n} atoms")
        if p.ndim != 2 or p.shape[1] != n or p.dtype.kind != "i":
            raise ForceFieldError(f"the sGDML model's permutations are not those of {n} atoms")
        if not (len(p) and (p[0] == np.arange(n)).all() and (np.sort(p, 1) == p[0]).all()):
            raise ForceFieldError("the sGDML model's permutations are not permutations")
        if levels is not None and (levels.shape != (len(d),) or levels.dtype.kind != "f"):
            raise ForceFieldError("the sGDML model's energy weights are not one per frame")
        finite = [np.isfinite(x).all() for x in (d, w, [sigma, offset]) if x is not None]
        if not all(finite) or not (levels is None or np.isfinite(levels).all()):
            raise ForceFieldError("the sGDML model holds numbers that are not finite")
        if len(terms) and {tuple(t) for t in close_terms(terms, p).tolist()} != {
            tuple(t) for t in terms.tolist()
        }:
            raise ForceFieldError("the sGDML model's angles are not closed under its permutations")
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
            terms=terms,
            energy_weights=levels,
            device=device,
            dtype=dtype,
        )

    @classmethod
    def estimate(cls, molecule: Molecule, n_train: int, hyper: Any) -> tuple[float, float]:
        """(seconds, bytes) on a desktop processor with two cores."""
        from core.fitting.sgdml.fit import cost

        return cost(len(molecule.numbers), n_train, hyper)


FIELD = SGDML
