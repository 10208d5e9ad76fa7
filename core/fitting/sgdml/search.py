"""Choose sigma, and lambda where asked, on the validation frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.dataset import Dataset

if TYPE_CHECKING:
    from core.engine.context import Context
    from core.forcefields.sgdml import SGDML

WIDTHS = (2.5, 3.5, 5.0, 7.0, 10.0, 14.0, 20.0, 28.0, 40.0, 56.0, 80.0, 112.0, 160.0)  #: 1/Å
START = WIDTHS.index(20.0)
USUAL_EVALUATIONS = 4  #: widths tried in a typical search
LAM_STEP = 100.0  #: lambdas tried are so far apart
LAM_LOW, LAM_HIGH = 1e-14, 1e-4

Solve = Callable[[float, float, Callable[[float, str], None]], dict[str, Any]]


@dataclass(eq=False)
class Found:
    """The best so far: its sigma, lambda and arrays; `score` is what is minimised."""

    score: float
    sigma: float
    lam: float
    arrays: dict[str, Any]


class Search:
    """Walks downhill in sigma from 20 1/Å, then in lambda from the one given.

    The score is the force MAE, the energy MAE, or (Vassilev-Galindo et al., J. Chem. Phys. 154,
    094119 (2021), section V: like force errors can hide unlike energy errors) the sum of both, each
    over the mean absolute deviation of its labels. Energies are compared after the model's own
    constant, which comes from the training frames.
    """

    def __init__(
        self,
        dataset: Dataset,
        valid: np.ndarray,
        hyper: Any,
        context: Context,
        solve: Solve,
        make: Callable[[dict[str, Any]], SGDML],
        report: Callable[[float, str], None],
    ) -> None:
        """solve(sigma, lam, report) -> arrays; make(arrays) -> model; report(evaluations, text)."""
        assert dataset.forces is not None
        self.hyper, self.context, self.solve, self.make = hyper, context, solve, make
        self.report = report
        self.forces = torch.tensor(dataset.forces[valid])
        self.energies = None if dataset.energies is None else dataset.energies[valid]
        self.positions = torch.tensor(dataset.positions[valid]).to(context.device)
        self.best: Found | None = None
        self.count = 0

    def sigma(self) -> None:
        """Try kernel widths until the score rises on both sides."""
        tried: dict[int, float] = {}

        def attempt(k: int) -> float:
            tried[k] = self._attempt(WIDTHS[k], self.hyper.lam, f"choosing sigma: {WIDTHS[k]:g}")
            return tried[k]

        attempt(START)
        for step in (1, -1):
            k = START + step
            while 0 <= k < len(WIDTHS) and not self.context.stopping:
                if attempt(k) > tried[k - step]:
                    break
                k += step
            if self.best is not None and self.best.sigma != WIDTHS[START]:
                break

    def lam(self, sigma: float) -> None:
        """Try lambdas at one width until the score rises on both sides."""
        start = max(self.hyper.lam, LAM_LOW)
        score = None
        if self.best is not None and self.best.sigma == sigma:
            score = self.best.score
            self._curve_lam(start, score)
        if score is None:
            score = self._attempt(sigma, start, f"choosing lambda: {start:.0e}")
            self._curve_lam(start, score)
        for factor in (LAM_STEP, 1.0 / LAM_STEP):
            before, lam, moved = score, start * factor, False
            while LAM_LOW <= lam <= LAM_HIGH and not self.context.stopping:
                now = self._attempt(sigma, lam, f"choosing lambda: {lam:.0e}")
                self._curve_lam(lam, now)
                if now >= before:
                    break
                before, lam, moved = now, lam * factor, True
            if moved:
                break

    def _attempt(self, sigma: float, lam: float, words: str) -> float:
        arrays = self.solve(sigma, lam, lambda f, text: self.report(self.count + f, words))
        self.count += 1
        energy, forces = self.make(arrays).compute(self.positions)
        force = float((forces.cpu() - self.forces).abs().mean())
        by = self.hyper.choose
        score = force
        said = f"validation force MAE {1e3 * force:.1f} meV/Å"
        if by != "energies":
            self._curve_sigma("validation force MAE", sigma, force, "force MAE (eV/Å)")
        if by != "forces":
            assert self.energies is not None
            error = float(np.abs(energy.cpu().numpy() - self.energies).mean())
            said += f", energy MAE {1e3 * error:.1f} meV"
            self._curve_sigma("validation energy MAE", sigma, error, "energy MAE (eV)")
            score = error
            if by == "both":
                spread_f = float((self.forces - self.forces.mean()).abs().mean())
                spread_e = float(np.abs(self.energies - self.energies.mean()).mean())
                score = force / max(spread_f, 1e-12) + error / max(spread_e, 1e-12)
                said += f", together {score:.4f}"
                self._curve_sigma("validation error, both", sigma, score, "error / spread, sum")
        self.context.log(f"sigma {sigma:g}, lambda {lam:.0e}: {said}")
        if self.best is None or score < self.best.score:
            self.best = Found(score, sigma, lam, arrays)
        return score

    def _curve_sigma(self, name: str, sigma: float, value: float, label: str) -> None:
        if self._in_sigma:
            self.context.curve(
                name, sigma, value, x_label="kernel width σ (1/Å)", y_label=f"validation {label}"
            )

    @property
    def _in_sigma(self) -> bool:
        return self.hyper.sigma == 0 and not self.lam_started

    lam_started = False

    def _curve_lam(self, lam: float, score: float) -> None:
        self.lam_started = True
        self.context.curve(
            "validation error by λ", np.log10(lam), score,
            x_label="log₁₀ λ",
            y_label={"forces": "validation force MAE (eV/Å)",
                     "energies": "validation energy MAE (eV)",
                     "both": "validation error / spread, sum"}[self.hyper.choose],
        )  # fmt: skip
