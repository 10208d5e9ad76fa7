"""The terms of a GAP together: SOAPs of every cutoff and element, and pairs of elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch

from core.descriptors.core_repulsion import CoreRepulsion
from core.descriptors.soap.around import Around
from core.descriptors.soap.kernel import SoapTerm
from core.descriptors.soap.power_spectrum import Soap, SoapShape
from core.descriptors.two_body import PairTerm, pair_kinds
from core.forcefields.errors import ForceFieldError

TRANSITION = 1.0  #: Å over which a neighbour is switched off
THETA = 0.5  #: Å, length scale of the pair kernel
MAX_CUTOFFS = 4
LOWEST, HIGHEST = 0.5, 20.0  #: Å, possible cutoffs


def cutoffs_of(text: str) -> tuple[float, ...]:
    """Cutoffs in Å from text as "3, 6". Raises ForceFieldError."""
    try:
        found = tuple(float(word) for word in text.replace(";", ",").split(","))
    except ValueError:
        raise ForceFieldError(
            f"GAP: cutoffs are distances in Å separated by commas, as 3, 6; not {text!r}"
        ) from None
    if len(found) > MAX_CUTOFFS or len(set(found)) < len(found):
        raise ForceFieldError(f"GAP: give up to {MAX_CUTOFFS} different cutoffs, not {text!r}")
    if not all(LOWEST <= c <= HIGHEST for c in found):
        raise ForceFieldError(
            f"GAP: a cutoff must be from {LOWEST:g} to {HIGHEST:g} Å; these are {text!r}"
        )
    return found


def transition(cutoff: float) -> float:
    """Å over which a neighbour is switched off."""
    return min(TRANSITION, 0.5 * cutoff)


def soap_shapes(hyper: Any) -> tuple[SoapShape, ...]:
    """A SOAP per cutoff."""
    return tuple(
        SoapShape(
            cutoff=cutoff,
            width=hyper.width,
            n_max=hyper.n_max,
            l_max=hyper.l_max,
            transition=transition(cutoff),
            scale=hyper.scale,
        )
        for cutoff in cutoffs_of(hyper.cutoffs)
    )


def pair_term(
    numbers: np.ndarray, kind: tuple[int, int], points: torch.Tensor, hyper: Any
) -> PairTerm:
    """The term of the pairs of two elements, with sparse distances (S,) Å."""
    cutoff = max(cutoffs_of(hyper.cutoffs))
    pairs = torch.as_tensor(pair_kinds(numbers)[kind], device=points.device)
    delta, width = hyper.delta_pair, transition(cutoff)
    return PairTerm(pairs, points, theta=THETA, cutoff=cutoff, transition=width, delta=delta)


def core_term(numbers: np.ndarray, reach: torch.Tensor) -> CoreRepulsion:
    """Repulsion with a reach (K,) Å for each kind of pair, in the order of `pair_kinds`."""
    kinds = pair_kinds(numbers)
    pairs = torch.as_tensor(np.concatenate(list(kinds.values())), device=reach.device)
    counts = torch.tensor([len(p) for p in kinds.values()], device=reach.device)
    return CoreRepulsion(numbers, pairs, reach.repeat_interleave(counts))


class Terms:
    """SOAP terms, then pair terms; the columns of a row stand in this order.

    reach (K,) Å: where the core repulsion of each kind of pair begins, empty = there is none. It
    has no weights and vanishes on the training geometries.
    """

    def __init__(
        self,
        soaps: list[SoapTerm],
        pairs: list[PairTerm],
        numbers: np.ndarray,
        reach: torch.Tensor,
    ) -> None:
        self.soaps, self.pairs = soaps, pairs
        self.every: tuple[SoapTerm | PairTerm, ...] = (*soaps, *pairs)
        self.counts = [len(t.points) for t in self.every]
        self.size = sum(self.counts)
        self.n_atoms, self.reach = len(numbers), reach
        self.core = core_term(numbers, reach) if len(reach) else None

    @property
    def numbers_per_frame(self) -> int:
        """Elements of the largest arrays that one geometry needs in `energy_and_gradient`."""
        largest = 0
        for term in self.soaps:
            soap = term.soap
            n, k = len(soap.at), self.n_atoms - 1
            levels = soap.shape.l_max + 1
            width = max(len(term.points), k * soap.channels * levels, k * soap.terms, soap.size)
            largest = max(largest, n * width)
        return max(largest, 30 * self.n_atoms**2)

    def set_weights(self, alpha: torch.Tensor) -> None:
        """alpha (M,) in the order of the columns."""
        for term, part in zip(self.every, alpha.split(self.counts), strict=True):
            term.weights = part

    def lower(self, factor: Callable[[torch.Tensor], tuple[torch.Tensor, float]]) -> torch.Tensor:
        """L (M,M) of the kernel between sparse points: no term knows another's, so in blocks."""
        blocks = [factor(t.kernel())[0] for t in self.every]
        return torch.block_diag(*blocks)

    def rows(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """positions (B,N,3) Å -> K of energies (B,M) eV² and of forces (3NB,M) eV²/Å."""
        around = self._around(positions, slopes=True)
        done = [t.rows(a) for t, a in self._soaps(around)]
        done += [t.rows(positions) for t in self.pairs]
        gradient = torch.cat([g for _, g in done], 2)
        return torch.cat([e for e, _ in done], 1), gradient.flatten(0, 1).neg_()

    def energy_rows(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Prior variance (B,) eV² of the energy, and K of energies (B,M) eV²."""
        done = [t.energy_rows(a) for t, a in self._soaps(self._around(positions))]
        done += [t.energy_rows(positions) for t in self.pairs]
        return torch.stack([own for _, own in done]).sum(0), torch.cat([k for k, _ in done], 1)

    def energy(self, positions: torch.Tensor) -> torch.Tensor:
        """positions (B,N,3) Å -> (B,) eV, differentiable."""
        parts = [t.energy(a) for t, a in self._soaps(self._around(positions))]
        parts += [t.energy(positions) for t in self.pairs]
        if self.core is not None:
            parts.append(self.core.energy(positions))
        return torch.stack(parts).sum(0)

    def energy_and_gradient(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """positions (B,N,3) Å -> (B,) eV and dE/dr (B,N,3) eV/Å, written out."""
        with torch.no_grad():
            around = self._around(positions, slopes=True)
            done = [t.energy_and_gradient(a) for t, a in self._soaps(around)]
            done += [t.energy_and_gradient(positions) for t in self.pairs]
            if self.core is not None:
                done.append(self.core.energy_and_gradient(positions))
            return sum(e for e, _ in done), sum(g for _, g in done)  # type: ignore[return-value]

    def _around(self, positions: torch.Tensor, *, slopes: bool = False) -> Around | None:
        return self.soaps[0].soap.around(positions, slopes=slopes) if self.soaps else None

    def _soaps(self, around: Around | None) -> list[tuple[SoapTerm, Around]]:
        return [(term, around) for term in self.soaps] if around is not None else []

    def state(self) -> dict[str, np.ndarray]:
        """Everything but the molecule and the hyper-parameters, as arrays."""
        n, nothing = len(self.soaps), np.zeros((0, 0))
        weights = torch.cat([t.weights for t in self.every])
        points = [t.points.cpu().numpy() for t in self.soaps]
        pairs = [t.points.cpu().numpy() for t in self.pairs]
        return {
            "mixing": np.stack([t.soap.mixes for t in self.soaps]) if n else nothing,
            "points": np.concatenate(points) if n else nothing,
            "counts": np.array(self.counts[:n], dtype=np.int64),
            "pair_points": np.concatenate(pairs) if pairs else np.zeros(0),
            "pair_counts": np.array(self.counts[n:], dtype=np.int64),
            "weights": weights.cpu().numpy(),
            "reach": self.reach.cpu().numpy(),
        }

    @classmethod
    def from_state(
        cls,
        numbers: np.ndarray,
        hyper: Any,
        state: dict[str, np.ndarray],
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> Self:
        """See `state`. Raises KeyError (an array is missing) or ForceFieldError."""
        mixing, points, counts = state["mixing"], state["points"], state["counts"]
        pair_points, pair_counts = state["pair_points"], state["pair_counts"]
        whole = counts.dtype.kind == pair_counts.dtype.kind == "i" and counts.ndim == 1
        if not (whole and pair_counts.ndim == 1 and points.ndim == 2 and mixing.ndim in (2, 4)):
            raise ForceFieldError("the GAP model's sparse points are not what they should be")
        shapes, elements = soap_shapes(hyper), np.unique(numbers)
        kinds = list(pair_kinds(numbers))
        sizes = [*counts.tolist(), *pair_counts.tolist()]
        m = sum(sizes)
        fits = len(counts) in (0, len(shapes) * len(elements))
        fits = fits and len(pair_counts) in (0, len(kinds)) and m > 0 and min(sizes) > 0
        fits = fits and len(points) == counts.sum() and pair_points.shape == (pair_counts.sum(),)
        channels = hyper.n_max * len(elements)
        if not (fits and state["weights"].shape == (m,) and len(mixing) == len(counts)):
            raise ForceFieldError("the GAP model's sparse points do not fit its molecule")
        if len(mixing) and mixing.shape[1:3] != (hyper.l_max + 1, channels):
            raise ForceFieldError("the GAP model's channels do not fit its hyper-parameters")
        like: dict[str, Any] = {"dtype": dtype, "device": device}
        soaps: list[SoapTerm] = []
        for k, part in enumerate(np.split(points, np.cumsum(counts)[:-1]) if len(counts) else ()):
            shape, z = shapes[k // len(elements)], int(elements[k % len(elements)])
            soap = Soap(numbers, z, shape, mixing=mixing[k], **like)
            if part.shape[1] != soap.size:
                raise ForceFieldError("the GAP model's sparse points have another length")
            p = torch.as_tensor(part, **like)
            soaps.append(SoapTerm(soap, p, zeta=hyper.zeta, delta=hyper.delta))
        pairs: list[PairTerm] = []
        for k, part in enumerate(
            np.split(pair_points, np.cumsum(pair_counts)[:-1]) if len(pair_counts) else ()
        ):
            pairs.append(pair_term(numbers, kinds[k], torch.as_tensor(part, **like), hyper))
        reach = state["reach"]
        if reach.shape not in ((0,), (len(kinds),)) or not (reach > 0).all():
            raise ForceFieldError("the GAP model's core repulsion does not fit its molecule")
        terms = cls(soaps, pairs, numbers, torch.as_tensor(reach, **like))
        terms.set_weights(torch.as_tensor(state["weights"], **like))
        return terms
