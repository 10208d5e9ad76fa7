"""Levenberg-Marquardt over the normal equations, with the linear parameters solved exactly.

Variable projection in the form of Ruhe & Wedin, SIAM Rev. 22, 318 (1980), algorithm 2: the step of
the nonlinear parameters comes from the Gauss-Newton system of all, and after it the linear ones
(torsion amplitudes) take the values that minimise the objective. Bounded: a step is cut at the
bounds, and parameters that stand at one and push outwards are held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from core.fitting.mm_model import Model

SMALL = 1e-6  #: relative fall of the objective at which a fit is finished
WORST = 1e12  #: damping beyond which no step helps any more


@dataclass(frozen=True)
class Problem:
    """Minimise c(u).A c(u) - 2 b.c(u) + square + prior |u|²."""

    model: Model
    gram: torch.Tensor
    right: torch.Tensor
    prior: float
    square: float = 0.0

    def objective(self, u: torch.Tensor) -> float:
        c = self.model.coefficients(u)
        misfit = c @ (self.gram @ c) - 2.0 * (self.right @ c) + self.square
        return float(misfit + self.prior * (u @ u))

    def normal(self, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Half the gradient (P,) and the Gauss-Newton half Hessian (P,P)."""
        c = self.model.coefficients(u)
        j = torch.autograd.functional.jacobian(self.model.coefficients, u, vectorize=True)
        gradient = j.T @ (self.gram @ c - self.right) + self.prior * u
        hessian = j.T @ self.gram @ j
        hessian.diagonal().add_(self.prior)
        return gradient, hessian

    def linear(self, u: torch.Tensor) -> torch.Tensor:
        """u with the linear parameters at their minimum."""
        free = self.model.linear & ~self.model.fixed
        if not bool(free.any()):
            return u
        c = self.model.coefficients(u)
        j = self.model.slopes[:, free]
        gradient = j.T @ (self.gram @ c - self.right) + self.prior * u[free]
        hessian = j.T @ self.gram @ j
        hessian.diagonal().add_(self.prior)
        step = _solve(hessian, gradient)
        out = u.clone()
        out[free] -= step
        return out


def _solve(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Least squares of least norm where the data leave a direction free."""
    scale = matrix.diagonal().clamp(min=1e-300).rsqrt()
    scaled = matrix * scale * scale[:, None]
    values, vectors = torch.linalg.eigh(scaled)
    kept = values > 1e-13 * values[-1]
    inverse = torch.where(kept, 1.0 / torch.where(kept, values, 1.0), 0.0)
    return scale * (vectors @ (inverse * (vectors.T @ (scale * right))))


def minimise(
    problem: Problem,
    iterations: int,
    report: Callable[[int, torch.Tensor, float], bool],
) -> tuple[torch.Tensor, int, bool]:
    """-> u (P,), iterations used, whether it converged.

    report(iteration, u, objective) is called with every better point; True ends the fit there.
    """
    model = problem.model
    u = torch.zeros_like(model.v0)
    best = problem.objective(u)
    if report(0, u, best):
        return u, 0, False
    tried = problem.linear(u)
    if (value := problem.objective(tried)) < best:
        u, best = tried, value
    damping = 1e-3
    for iteration in range(1, iterations + 1):
        gradient, hessian = problem.normal(u)
        outwards = ((u <= model.low) & (gradient > 0)) | ((u >= model.high) & (gradient < 0))
        free = ~(model.fixed | outwards)
        before = best
        while damping < WORST:
            h = hessian[free][:, free]
            h = h + damping * torch.diag(h.diagonal())
            tried = u.clone()
            tried[free] -= _solve(h, gradient[free])
            tried = problem.linear(torch.clamp(tried, model.low, model.high))
            value = problem.objective(tried)
            if value < best:  # not where it is no number
                u, best, damping = tried, value, max(damping / 10.0, 1e-12)
                break
            damping *= 10.0
        else:
            return u, iteration, True
        if report(iteration, u, best):
            return u, iteration, False
        if before - best <= SMALL * abs(before):
            return u, iteration, True
    return u, iterations, False
