"""Train a GAP: descriptors, sparse points, rows of kernel values, noise, solution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.dataset import Dataset, Split
from core.descriptors.soap.kernel import SoapTerm
from core.descriptors.soap.power_spectrum import Soap, mixing
from core.descriptors.two_body import pair_kinds
from core.fitting.linear_rows import StreamingQR
from core.fitting.part import Part
from core.fitting.sparse_gp.checks import check, check_memory, flops
from core.fitting.sparse_gp.gp import SparseGPError, factor, solve
from core.fitting.sparse_gp.points import cur, farthest_points
from core.fitting.sparse_gp.terms import Terms, cutoffs_of, pair_term, soap_shapes, transition

if TYPE_CHECKING:
    from core.engine.context import Context

MIXING_FRAMES = 200  #: frames whose densities choose the channels
POOL = 20_000  #: surroundings of one element among which sparse points are chosen
PAIR_POINTS = 25  #: distances per pair of elements, at most
SPACING = 0.1  #: Å between them, at least: closer ones say the same
MARGIN = 0.05  #: Å beyond the distances that occur
PATIENCE = 3  #: rows for each column that are gathered before they are folded into a triangle
BLOCK = 1.5e7  #: numbers in one block of rows and gradients: 120 MB
REACH = 0.9  #: of the least distance in training: where the core repulsion begins
SIGMAS = (0.03, 0.01, 0.003, 0.001, 0.0003)  #: eV/Å
START = 2
ENERGY_TO_FORCE = 1.0 / 3.0  #: Å, energy noise over force noise where only one is given
MAX_VALID = 200  #: validation frames on which the noise is chosen


def fit_parts(dataset: Dataset, split: Split, hyper: Any, context: Context) -> dict[str, Any]:
    """Train on split.train; keyword arguments of GAP. Raises ForceFieldError."""
    check(dataset, split, hyper)
    with torch.no_grad():
        return _Fit(dataset, split, hyper, context).run()


class _Fit:
    """One fit: tensors of the training frames, the terms, the triangles."""

    def __init__(self, dataset: Dataset, split: Split, hyper: Any, context: Context) -> None:
        self.dataset, self.split, self.hyper, self.context = dataset, split, hyper, context
        self.train = split.train
        self.numbers = dataset.molecule.numbers
        self.x = self._tensor(dataset.positions[self.train])
        self.has_energy = dataset.has_energy[self.train]
        self.has_forces = bool(dataset.has_forces[self.train].all())
        self.absolute = bool(self.has_energy.any())
        self.offset = 0.0
        if dataset.energies is not None and self.absolute:
            self.offset = float(dataset.energies[self.train][self.has_energy].mean())
        self.notes: dict[str, str] = {}

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(array, dtype=torch.float64, device=self.context.device)

    def run(self) -> dict[str, Any]:
        """Keyword arguments of GAP."""
        terms = self._terms(Part(self.context, 0.0, 0.25))
        check_memory(len(self.numbers), terms.size, self.context.device)
        try:
            lower = terms.lower(factor)
            triangles = self._rows(terms, Part(self.context, 0.25, 0.8))
            upper = self._solution(terms, lower, triangles, Part(self.context, 0.8, 1.0))
        except SparseGPError as error:
            from core.forcefields.errors import ForceFieldError

            raise ForceFieldError(
                f"GAP: {error}; raise the noise, or take fewer sparse points"
            ) from None
        if not self.absolute:
            self.notes["energy constant"] = "none: no training frame has an energy"
        self.context.progress(1.0, "trained")
        return {
            "terms": terms,
            "upper": upper,
            "offset": self.offset,
            "absolute": self.absolute,
            "notes": self.notes,
        }

    # -- sparse points ------------------------------------------------------------------------
    def _terms(self, part: Part) -> Terms:
        soaps: list[SoapTerm] = []
        elements = np.unique(self.numbers)
        shapes = soap_shapes(self.hyper) if self.hyper.sparse else ()
        steps = len(shapes) * len(elements)
        for shape in shapes:
            for z in elements.tolist():
                k = len(soaps)
                stretch = Part(part, k / steps, (k + 1) / steps)
                soap = Soap(self.numbers, z, shape, device=self.context.device)
                if 0 < self.hyper.channels < soap.channels:
                    soap = self._mixed(soap, z)
                points = self._points(soap, len(shapes), stretch)
                soaps.append(SoapTerm(soap, points, zeta=self.hyper.zeta, delta=self.hyper.delta))
        kinds = pair_kinds(self.numbers) if self.hyper.pairs else {}
        pairs = []
        for kind, members in kinds.items():
            points = self._distances(members)
            pairs.append(pair_term(self.numbers, kind, points, self.hyper))
        terms = Terms(soaps, pairs, self.numbers, self._reach())
        counts = terms.counts
        per_soap = f"{sum(counts[: len(soaps)])} surroundings"
        per_pair = f"{sum(counts[len(soaps) :])} distances"
        self.notes["sparse points"] = f"{per_soap} and {per_pair}"
        if soaps:
            self.notes["SOAP"] = f"{soaps[0].soap.size} numbers for each atom"
        self.notes["training frames"] = str(len(self.train))
        self.context.log(f"{per_soap} ({self.hyper.choice}), {per_pair}")
        return terms

    def _reach(self) -> torch.Tensor:
        """(K,) Å, a tenth below the least distance of each kind of pair; empty without a core.

        At the least distance itself other frames, which go a little below it, would feel it.
        """
        if not self.hyper.core:
            return self.x.new_zeros(0)
        kinds = pair_kinds(self.numbers).values()
        vectors = (self.x[:, p[:, 0]] - self.x[:, p[:, 1]] for p in kinds)
        return REACH * torch.stack([v.square().sum(-1).min().sqrt() for v in vectors])

    def _mixed(self, soap: Soap, z: int) -> Soap:
        step = max(1, -(-len(self.x) // MIXING_FRAMES))
        density = torch.cat([soap.density(soap.around(x)) for x in self.x[::step].split(20)])
        mix = mixing(density, soap.shape.l_max, self.hyper.channels)
        return Soap(self.numbers, z, soap.shape, mixing=mix, device=self.context.device)

    def _points(self, soap: Soap, cutoffs: int, part: Part) -> torch.Tensor:
        """Sparse points (S,D) of one SOAP: its share by the number of its atoms."""
        n = len(soap.at)
        step = max(1, -(-len(self.x) * n // POOL))
        frames, features = self.x[::step], []
        size = max(1, int(BLOCK / 10 / max(1, n * len(self.numbers) * soap.channels * 49)))
        for i in range(0, len(frames), size):
            part.progress(0.3 * i / len(frames), "describing the surroundings of atoms")
            around = soap.around(frames[i : i + size])
            features.append(soap.power(soap.density(around))[0].flatten(0, 1))
        pool = torch.cat(features)
        count = max(1, round(self.hyper.sparse * n / len(self.numbers) / cutoffs))

        def report(f: float) -> None:
            part.progress(0.3 + 0.7 * f, "choosing sparse points")

        if self.hyper.choice == "CUR":
            chosen = cur(pool, count, report=report)
        else:
            chosen = farthest_points(pool, count, report=report)
        return pool[torch.as_tensor(chosen, device=pool.device)]

    def _distances(self, pairs: np.ndarray) -> torch.Tensor:
        """Sparse distances (S,) Å of a kind of pairs, within reach of the cutoff."""
        reach = max(cutoffs_of(self.hyper.cutoffs))
        r = (self.x[:, pairs[:, 0]] - self.x[:, pairs[:, 1]]).square().sum(-1).sqrt()
        # where the cutoff function is zero a sparse point would be an empty equation
        top = reach - 0.1 * transition(reach)
        low = min(max(0.1, float(r.min()) - MARGIN), top - 2 * MARGIN)
        high = max(min(float(r.max()) + MARGIN, top), low + 2 * MARGIN)
        count = min(PAIR_POINTS, math.ceil((high - low) / SPACING) + 1)
        return torch.linspace(low, high, count, dtype=r.dtype, device=r.device)

    # -- equations ----------------------------------------------------------------------------
    def _rows(self, terms: Terms, part: Part) -> tuple[torch.Tensor, torch.Tensor]:
        """R of [K | y] of energies and of forces."""
        like: dict[str, Any] = {"device": self.x.device, "patience": PATIENCE * (terms.size + 1)}
        energies, forces = (StreamingQR(terms.size, **like) for _ in range(2))
        work = 3 * len(self.numbers) * (terms.size + self._width(terms))
        size = max(1, int(BLOCK / work))
        e = f = None
        if self.dataset.energies is not None:
            e = self._tensor(self.dataset.energies[self.train] - self.offset)
        if self.has_forces:
            assert self.dataset.forces is not None
            f = self._tensor(self.dataset.forces[self.train])
        known = torch.as_tensor(self.has_energy, device=self.x.device)
        done = 0
        for x in self.x.split(size):
            part.progress(done / len(self.x), f"equations, frame {done + 1} of {len(self.x)}")
            if self.context.stopping and done:
                self.notes["training frames"] = f"{done} of {len(self.x)} (stopped early)"
                break
            here = slice(done, done + len(x))
            if f is None:
                rows, slopes = terms.energy_rows(x)[1], None
            else:
                rows, slopes = terms.rows(x)
                forces.add(slopes, f[here].flatten())
            if e is not None:
                energies.add(rows[known[here]], e[here][known[here]])
            done += len(x)
        return energies.r, forces.r

    def _width(self, terms: Terms) -> int:
        """Numbers that one row of gradients takes while it is made."""
        if not self.has_forces or not terms.soaps:
            return 0
        return max(len(t.soap.at) * (2 * t.soap.size + len(t.points)) for t in terms.soaps)

    def _solution(
        self,
        terms: Terms,
        lower: torch.Tensor,
        triangles: tuple[torch.Tensor, torch.Tensor],
        part: Part,
    ) -> torch.Tensor:
        """Sets the weights of the terms; R (M,M) of the solution."""
        hyper, energies, forces = self.hyper, *triangles

        def attempt(sigma: float) -> torch.Tensor:
            sigma_e = hyper.sigma_energy or ENERGY_TO_FORCE * sigma
            alpha, upper = solve([(energies, sigma_e), (forces, sigma)], lower)
            terms.set_weights(alpha)
            self.notes["noise"] = f"{sigma:g} eV/Å and {sigma_e:g} eV"
            return upper

        part.progress(0.0, "solving")
        if hyper.sigma_force:
            return attempt(hyper.sigma_force)
        if len(self.split.valid) == 0:
            upper = attempt(SIGMAS[START])
            self.notes["noise"] += " (usual values: no validation frames to choose on)"
            return upper
        search = _Search(self, terms, attempt, part)
        upper = search.run()
        self.notes["noise"] += " (chosen)"
        return upper


class _Search:
    """The noise with the least error on the validation frames, walking downhill from the usual."""

    def __init__(self, fit: _Fit, terms: Terms, attempt: Any, part: Part) -> None:
        self.fit, self.terms, self.attempt, self.part = fit, terms, attempt, part
        data, frames = fit.dataset, fit.split.valid[:MAX_VALID]
        self.x = fit._tensor(data.positions[frames])
        self.forces = fit.has_forces
        target = data.forces if self.forces else data.energies
        assert target is not None
        self.target = fit._tensor(target[frames])
        self.what, self.unit = ("force", "eV/Å") if self.forces else ("energy", "eV")
        self.errors: dict[int, float] = {}

    def _try(self, k: int) -> torch.Tensor:
        self.part.progress(len(self.errors) / (len(SIGMAS) + 1), f"noise {SIGMAS[k]:g} eV/Å")
        upper = self.attempt(SIGMAS[k])
        parts = [self.terms.energy_and_gradient(x) for x in self.x.split(10)]
        found = torch.cat([-g if self.forces else e + self.fit.offset for e, g in parts])
        self.errors[k] = error = float((found - self.target).abs().mean())
        label = f"validation {self.what} MAE"
        self.part.curve(
            label,
            SIGMAS[k],
            error,
            x_label="force noise σ (eV/Å)",
            y_label=f"{label} ({self.unit})",
        )
        self.part.log(f"noise {SIGMAS[k]:g} eV/Å: {label} {1e3 * error:.2f} m{self.unit}")
        return upper

    def run(self) -> torch.Tensor:
        """R of the best, whose weights are set."""
        best, upper = START, self._try(START)
        for step in (1, -1):
            k = START + step
            while 0 <= k < len(SIGMAS) and not self.part.stopping:
                here = self._try(k)
                if self.errors[k] >= self.errors[best]:
                    break
                best, upper = k, here
                k += step
            if best != START:
                break
        if list(self.errors)[-1] != best:
            upper = self.attempt(SIGMAS[best])
        return upper


def cost(numbers: np.ndarray, n_train: int, hyper: Any) -> tuple[float, float]:
    """Rough (seconds, bytes) of a fit."""
    from core.fitting.sparse_gp.checks import SPEED, memory

    work, m = flops(numbers, n_train, hyper)
    return 2.0 + work / SPEED, memory(len(numbers), m)
