"""The terms of a GAP together: SOAPs of every cutoff and element, and pairs of elements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from core.descriptors.core_repulsion import CoreRepulsion
from core.descriptors.soap.around import Around
from core.descriptors.soap.kernel import SoapTerm
from core.descriptors.soap.power_spectrum import Soap, SoapShape
from core.descriptors.two_body import PairTerm, pair_kinds
from core.elements import COVALENT_RADII
from core.forcefields.errors import ForceFieldError

TRANSITION = 1.0  #: Å over which a neighbour is switched off
THETA = 0.5  #: Å, length scale of the pair kernel
MAX_CUTOFFS = 4
UNSEEN = 0.7  #: of the sum of covalent radii: the core of pairs that no training frame has
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


def soap_in(
    numbers: np.ndarray,
    elements: np.ndarray,
    z: int,
    shape: SoapShape,
    mixing: np.ndarray | None,
    **like: Any,
) -> Soap:
    """The SOAP of element z in a molecule (N,) of some of the elements (Z,).

    mixing (l_max+1, n_max Z, A) of the channels of all elements, None = each by itself.
    """
    if mixing is None:
        mixing = np.tile(np.eye(shape.n_max * len(elements)), (shape.l_max + 1, 1, 1))
    there = np.repeat(np.isin(elements, numbers), shape.n_max)
    return Soap(numbers, z, shape, mixing=np.ascontiguousarray(mixing[:, there]), **like)


def pair_term(
    numbers: np.ndarray, kind: tuple[int, int], points: torch.Tensor, hyper: Any
) -> PairTerm:
    """The term of the pairs of two elements, with sparse distances (S,) Å."""
    cutoff = max(cutoffs_of(hyper.cutoffs))
    members = pair_kinds(numbers).get(kind, np.zeros((0, 2), dtype=np.int64))
    pairs = torch.as_tensor(members, device=points.device)
    delta, width = hyper.delta_pair, transition(cutoff)
    return PairTerm(pairs, points, theta=THETA, cutoff=cutoff, transition=width, delta=delta)


def core_term(
    numbers: np.ndarray, kinds: list[tuple[int, int]], reach: torch.Tensor
) -> CoreRepulsion:
    """Repulsion with a reach (K,) Å for each kind of pair."""
    own = pair_kinds(numbers) or {(0, 0): np.zeros((0, 2), dtype=np.int64)}  # an atom by itself
    known = {kind: reach[k] for k, kind in enumerate(kinds)}
    pairs = torch.as_tensor(np.concatenate(list(own.values())), device=reach.device)
    counts = torch.tensor([len(p) for p in own.values()], device=reach.device)
    away = [
        known[k] if k in known else reach.new_tensor(UNSEEN * COVALENT_RADII[list(k)].sum())
        for k in own
    ]
    return CoreRepulsion(numbers, pairs, torch.stack(away).repeat_interleave(counts))


@dataclass(frozen=True, eq=False)
class Parts:
    """What the terms are made of, whatever the molecule.

    elements (Z,) ascending; kinds of pairs of elements; mixing (l_max+1, n_max Z, A) and sparse
    points (S,D) of every SOAP (a cutoff's elements in turn); distances: sparse points (S,) Å of
    every kind, or none; reach (K,) Å: where the core repulsion of each kind begins, empty = none.
    """

    elements: np.ndarray
    kinds: list[tuple[int, int]]
    mixing: list[np.ndarray]
    points: list[torch.Tensor]
    distances: list[torch.Tensor]
    reach: torch.Tensor


class Terms:
    """SOAP terms, then pair terms; the columns of a row stand in this order.

    A term whose element or pair the molecule (N,) does not have gives zeros. The core repulsion has
    no weights and vanishes on the training geometries.
    """

    def __init__(self, parts: Parts, numbers: np.ndarray, hyper: Any) -> None:
        self.parts, self.hyper = parts, hyper
        like: dict[str, Any] = {"dtype": parts.reach.dtype, "device": parts.reach.device}
        shapes, elements = soap_shapes(hyper), parts.elements
        self.soaps: list[SoapTerm] = []
        for k, (mixing, points) in enumerate(zip(parts.mixing, parts.points, strict=True)):
            shape, z = shapes[k // len(elements)], int(elements[k % len(elements)])
            soap = soap_in(numbers, elements, z, shape, mixing, **like)
            self.soaps.append(SoapTerm(soap, points, zeta=hyper.zeta, delta=hyper.delta))
        self.pairs = [
            pair_term(numbers, kind, points, hyper)
            for kind, points in zip(parts.kinds, parts.distances, strict=False)
        ]
        self.every: tuple[SoapTerm | PairTerm, ...] = (*self.soaps, *self.pairs)
        self.counts = [len(t.points) for t in self.every]
        self.size = sum(self.counts)
        self.n_atoms, self.reach = len(numbers), parts.reach
        self.core = core_term(numbers, parts.kinds, parts.reach) if len(parts.reach) else None

    def bound_to(self, numbers: np.ndarray) -> Terms:
        """The same terms, with their weights, in another molecule of these elements."""
        other = Terms(self.parts, numbers, self.hyper)
        other.set_weights(torch.cat([t.weights for t in self.every]))
        return other

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
            "elements": self.parts.elements.astype(np.int64),
            "kinds": np.array(self.parts.kinds, dtype=np.int64).reshape(-1, 2),
            "mixing": np.stack(self.parts.mixing) if n else nothing,
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
        parts = parts_from(numbers, hyper, state, device=device, dtype=dtype)
        terms = cls(parts, numbers, hyper)
        if any(t.points.shape[1] != t.soap.size for t in terms.soaps):
            raise ForceFieldError("the GAP model's sparse points have another length")
        if state["weights"].shape != (terms.size,):
            raise ForceFieldError("the GAP model's sparse points do not fit its molecule")
        terms.set_weights(torch.as_tensor(state["weights"], dtype=dtype, device=device))
        return terms


def parts_from(
    numbers: np.ndarray,
    hyper: Any,
    state: dict[str, np.ndarray],
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> Parts:
    """Parts from `Terms.state`; numbers (N,) tell the elements of a model that does not say them.

    Raises KeyError (an array is missing) or ForceFieldError.
    """
    mixing, points, counts = state["mixing"], state["points"], state["counts"]
    pair_points, pair_counts = state["pair_points"], state["pair_counts"]
    whole = counts.dtype.kind == pair_counts.dtype.kind == "i" and counts.ndim == 1
    if not (whole and pair_counts.ndim == 1 and points.ndim == 2 and mixing.ndim in (2, 4)):
        raise ForceFieldError("the GAP model's sparse points are not what they should be")
    elements, kinds = np.unique(numbers), list(pair_kinds(numbers))
    if "elements" in state:  # models from before there were several molecules do not say
        elements, table = state["elements"], state["kinds"]
        sound = elements.dtype.kind == table.dtype.kind == "i" and elements.ndim == 1
        if not (sound and (np.diff(elements) > 0).all() and table.shape[1:] == (2,)):
            raise ForceFieldError("the GAP model's elements are not what they should be")
        kinds = [(int(a), int(b)) for a, b in table]
    sizes = [*counts.tolist(), *pair_counts.tolist()]
    fits = len(counts) in (0, len(soap_shapes(hyper)) * len(elements))
    fits = fits and len(pair_counts) in (0, len(kinds)) and sum(sizes) > 0 and min(sizes) > 0
    fits = fits and len(points) == counts.sum() and pair_points.shape == (pair_counts.sum(),)
    if not (fits and len(mixing) == len(counts)):
        raise ForceFieldError("the GAP model's sparse points do not fit its molecule")
    if len(mixing) and mixing.shape[1:3] != (hyper.l_max + 1, hyper.n_max * len(elements)):
        raise ForceFieldError("the GAP model's channels do not fit its hyper-parameters")
    reach = state["reach"]
    if reach.shape not in ((0,), (len(kinds),)) or not (reach > 0).all():
        raise ForceFieldError("the GAP model's core repulsion does not fit its molecule")

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(array, dtype=dtype, device=device)

    def split(array: np.ndarray, counts: np.ndarray) -> list[torch.Tensor]:
        return [tensor(x) for x in np.split(array, np.cumsum(counts)[:-1])] if len(counts) else []

    distances = split(pair_points, pair_counts)
    return Parts(elements, kinds, list(mixing), split(points, counts), distances, tensor(reach))
