"""Train a GAP: rows of kernel values, noise, solution; see `choosing` for the sparse points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.fitting.linear_rows import StreamingQR
from core.fitting.one_body import known_compositions, one_body_energies
from core.fitting.part import Part
from core.fitting.portion import Portion, elements_of, naming, several
from core.fitting.sparse_gp.checks import check, check_memory, flops
from core.fitting.sparse_gp.choosing import Share, choose_parts
from core.fitting.sparse_gp.gp import SparseGPError, factor, solve
from core.fitting.sparse_gp.terms import Terms

if TYPE_CHECKING:
    from core.engine.context import Context

PATIENCE = 3  #: rows for each column that are gathered before they are folded into a triangle
BLOCK = 1.5e7  #: numbers in one block of rows and gradients: 120 MB
SIGMAS = (0.03, 0.01, 0.003, 0.001, 0.0003)  #: eV/Å
START = 2
ENERGY_TO_FORCE = 1.0 / 3.0  #: Å, energy noise over force noise where only one is given
MAX_VALID = 200  #: validation frames on which the noise is chosen


def fit_parts(portions: Sequence[Portion], hyper: Any, context: Context) -> dict[str, Any]:
    """Train on all split.train; keyword arguments of GAP. Raises ForceFieldError."""
    for p in portions:
        with naming(p, portions):
            check(p.dataset, p.split, hyper)
    with torch.no_grad():
        return _Fit(portions, hyper, context).run()


class _Fit:
    """One fit: tensors of the training frames, the terms in every molecule, the triangles."""

    def __init__(self, portions: Sequence[Portion], hyper: Any, context: Context) -> None:
        self.portions, self.hyper, self.context = portions, hyper, context
        self.shares = [Share(p, context.device) for p in portions]
        self.frames = sum(len(s.x) for s in self.shares)
        self.absolute = any(bool(s.known.any()) for s in self.shares)
        self.elements = elements_of(portions)
        self.one_body, how = one_body_energies(portions, self.elements, hyper.one_body, label="GAP")
        self.compositions = known_compositions(portions, self.elements, how)
        self.isolated = how == "isolated atoms"
        self.transfers = several(portions) or self.isolated
        for share in self.shares:
            if self.transfers:
                share.offset = float(
                    self.one_body[np.searchsorted(self.elements, share.numbers)].sum()
                )
            else:
                share.offset = share.mean
        self.notes: dict[str, str] = {"one-body energy": how} if self.absolute else {}

    def run(self) -> dict[str, Any]:
        """Keyword arguments of GAP."""
        parts, told = choose_parts(
            self.shares, self.elements, self.hyper, Part(self.context, 0.0, 0.25)
        )
        terms = [Terms(parts, s.numbers, self.hyper) for s in self.shares]
        first = terms[0]
        self.notes |= {**told, "training frames": str(self.frames)}
        check_memory(max(len(s.numbers) for s in self.shares), first.size, self.context.device)
        try:
            lower = first.lower(factor)
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
            "terms": first,
            "upper": upper,
            "offset": self.shares[0].offset,
            "one_body": self.one_body,
            "compositions": self.compositions,
            "transfers": self.transfers,
            "absolute": self.absolute,
            "notes": self.notes,
        }

    # -- equations ----------------------------------------------------------------------------
    def _rows(self, terms: list[Terms], part: Part) -> tuple[torch.Tensor, torch.Tensor]:
        """R of [K | y] of energies and of forces."""
        m, device = terms[0].size, self.context.device
        like: dict[str, Any] = {"device": device, "patience": PATIENCE * (m + 1)}
        energies, forces = (StreamingQR(m, **like) for _ in range(2))
        for z in self.elements[:, None] if self.isolated else ():
            # nothing is left of an atom by itself: its kernel with the sparse points is not zero
            alone = Terms(terms[0].parts, z, self.hyper)
            place = torch.zeros(1, 1, 3, dtype=torch.float64, device=device)
            energies.add(alone.energy_rows(place)[1], place[:, 0, 0])
        done = 0
        for share, there in zip(self.shares, terms, strict=True):
            work = 3 * len(share.numbers) * (m + self._width(share, there))
            start = 0
            for x in share.x.split(max(1, int(BLOCK / work))):
                part.progress(done / self.frames, f"equations, frame {done + 1} of {self.frames}")
                if self.context.stopping and done:
                    self.notes["training frames"] = f"{done} of {self.frames} (stopped early)"
                    return energies.r, forces.r
                here = slice(start, start + len(x))
                if share.forces is None:
                    rows = there.energy_rows(x)[1]
                else:
                    rows, slopes = there.rows(x)
                    forces.add(slopes, share.forces[here].flatten())
                if share.energies is not None:
                    known = share.known[here]
                    energies.add(rows[known], share.energies[here][known] - share.offset)
                start, done = start + len(x), done + len(x)
        return energies.r, forces.r

    def both(self) -> list[tuple[Share, Portion]]:
        """Every share with its portion."""
        return list(zip(self.shares, self.portions, strict=True))

    def _width(self, share: Share, terms: Terms) -> int:
        """Numbers that one row of gradients takes while it is made."""
        if share.forces is None or not terms.soaps:
            return 0
        return max(len(t.soap.at) * (2 * t.soap.size + len(t.points)) for t in terms.soaps)

    def _solution(
        self,
        terms: list[Terms],
        lower: torch.Tensor,
        triangles: tuple[torch.Tensor, torch.Tensor],
        part: Part,
    ) -> torch.Tensor:
        """Sets the weights of the terms; R (M,M) of the solution."""
        hyper, energies, forces = self.hyper, *triangles

        def attempt(sigma: float) -> torch.Tensor:
            sigma_e = hyper.sigma_energy or ENERGY_TO_FORCE * sigma
            alpha, upper = solve([(energies, sigma_e), (forces, sigma)], lower)
            for there in terms:
                there.set_weights(alpha)
            self.notes["noise"] = f"{sigma:g} eV/Å and {sigma_e:g} eV"
            return upper

        part.progress(0.0, "solving")
        if hyper.sigma_force:
            return attempt(hyper.sigma_force)
        if not any(len(p.split.valid) for p in self.portions):
            upper = attempt(SIGMAS[START])
            self.notes["noise"] += " (usual values: no validation frames to choose on)"
            return upper
        upper = _Search(self, terms, attempt, part).run()
        self.notes["noise"] += " (chosen)"
        return upper


class _Search:
    """The noise with the least error on the validation frames, walking downhill from the usual."""

    def __init__(self, fit: _Fit, terms: list[Terms], attempt: Any, part: Part) -> None:
        self.attempt, self.part = attempt, part
        self.forces = any(s.forces is not None and len(p.split.valid) for s, p in fit.both())
        self.seen: list[tuple[Terms, torch.Tensor, torch.Tensor]] = []
        for there, (share, p) in zip(terms, fit.both(), strict=True):
            frames = p.split.valid[: -(-MAX_VALID // len(terms))]
            target = p.dataset.forces if self.forces else p.dataset.energies
            if not len(frames) or target is None or (self.forces and share.forces is None):
                continue
            x, wanted = share.tensor(p.dataset.positions[frames]), share.tensor(target[frames])
            self.seen.append((there, x, wanted if self.forces else wanted - share.offset))
        self.what, self.unit = ("force", "eV/Å") if self.forces else ("energy", "eV")
        self.errors: dict[int, float] = {}

    def _try(self, k: int) -> torch.Tensor:
        self.part.progress(len(self.errors) / (len(SIGMAS) + 1), f"noise {SIGMAS[k]:g} eV/Å")
        upper = self.attempt(SIGMAS[k])
        wrong = []
        for terms, x, target in self.seen:
            parts = [terms.energy_and_gradient(part) for part in x.split(10)]
            found = torch.cat([-g if self.forces else e for e, g in parts])
            wrong.append((found - target).abs().flatten())
        self.errors[k] = error = float(torch.cat(wrong).mean())
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
