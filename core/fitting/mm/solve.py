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

from core.fitting.mm.model import Model

SMALL = 1e-6  #: relative fall of the objective at which a fit is finished
WORST = 1e12  #: damping beyond which no step helps any more
FIRST_DAMPING = 1e-3


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
        c, j = self.model.coefficients(u), self.slopes(u)
        gradient = j.T @ (self.gram @ c - self.right) + self.prior * u
        hessian = j.T @ self.gram @ j
        hessian.diagonal().add_(self.prior)
        return gradient, hessian

    def slopes(self, u: torch.Tensor) -> torch.Tensor:
        """(C,P) derivatives of the coefficients."""
        if self.only_linear:
            return self.model.slopes
        return torch.autograd.functional.jacobian(self.model.coefficients, u, vectorize=True)

    @property
    def only_linear(self) -> bool:
        """Whether what is free is solved for at once."""
        return not bool((~self.model.linear & ~self.model.fixed).any())

    def linear(self, u: torch.Tensor) -> torch.Tensor:
        """u with the linear parameters at their minimum within the bounds."""
        model = self.model
        free = model.linear & ~model.fixed
        if not bool(free.any()):
            return u
        c = model.coefficients(u)
        j = model.slopes[:, free]
        gradient = j.T @ (self.gram @ c - self.right) + self.prior * u[free]
        hessian = j.T @ self.gram @ j
        hessian.diagonal().add_(self.prior)
        new = u[free] - solve(hessian, gradient)
        low, high = model.low[free], model.high[free]
        if bool(((new < low) | (new > high)).any()):
            new = _bounded(hessian, hessian @ u[free] - gradient, low, high)
        out = u.clone()
        out[free] = new
        return out


@dataclass(frozen=True, eq=False)
class State:
    """Where a minimisation stands after an iteration: all that the next one depends on."""

    u: torch.Tensor
    objective: float
    damping: float = FIRST_DAMPING
    iteration: int = 0
    converged: bool = False


def solve(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Least squares of least norm where the data leave a direction free."""
    scale, values, vectors, kept = _spectrum(matrix)
    inverse = torch.where(kept, 1.0 / torch.where(kept, values, 1.0), 0.0)
    flat = right.reshape(len(scale), -1) * scale[:, None]
    return (scale[:, None] * (vectors @ (inverse[:, None] * (vectors.T @ flat)))).reshape(
        right.shape
    )


def _spectrum(
    matrix: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    scale = matrix.diagonal().clamp(min=1e-300).rsqrt()
    values, vectors = torch.linalg.eigh(matrix * scale * scale[:, None])
    return scale, values, vectors, values > 1e-13 * values[-1]


def _bounded(
    matrix: torch.Tensor, right: torch.Tensor, low: torch.Tensor, high: torch.Tensor
) -> torch.Tensor:
    """min x.M x / 2 - b.x within bounds: bounded-variable least squares of the square root of M."""
    from scipy.optimize import lsq_linear

    scale, values, vectors, kept = _spectrum(matrix)
    root = values.clamp(min=0.0).sqrt()
    inverse = torch.where(kept, 1.0 / torch.where(kept, root, 1.0), 0.0)
    a = (root * vectors).T  # M scaled = a.T a
    b = inverse * (vectors.T @ (scale * right))
    ends = ((low / scale).numpy(), (high / scale).numpy())
    found = lsq_linear(a.numpy(), b.numpy(), ends, method="bvls", tol=1e-14)
    return torch.clamp(scale * torch.tensor(found.x), low, high)


def minimise(
    problem: Problem,
    iterations: int,
    report: Callable[[State], bool],
    state: State | None = None,
) -> State:
    """-> where it ended.

    report(state) is called with every better point; True ends the fit there. `state` (of an earlier
    call of report) goes on from there, to the same end.
    """
    model = problem.model
    if state is None:
        u = torch.zeros_like(model.v0)
        state = State(u, problem.objective(u))
        if report(state):
            return state
    if state.converged:
        return state
    if state.iteration == 0:
        tried = problem.linear(torch.clamp(state.u, model.low, model.high))
        if (value := problem.objective(tried)) < state.objective:
            state = State(tried, value)
        if problem.only_linear:
            state = State(state.u, state.objective, iteration=1, converged=True)
            report(state)
            return state
    u, best, damping = state.u, state.objective, state.damping
    for iteration in range(state.iteration + 1, iterations + 1):
        gradient, hessian = problem.normal(u)
        outwards = ((u <= model.low) & (gradient > 0)) | ((u >= model.high) & (gradient < 0))
        free = ~(model.fixed | outwards)
        before = best
        while damping < WORST:
            h = hessian[free][:, free]
            h = h + damping * torch.diag(h.diagonal())
            tried = u.clone()
            tried[free] -= solve(h, gradient[free])
            tried = problem.linear(torch.clamp(tried, model.low, model.high))
            value = problem.objective(tried)
            if value < best:  # not where it is no number
                u, best, damping = tried, value, max(damping / 10.0, 1e-12)
                break
            damping *= 10.0
        else:
            return State(u, best, damping, iteration, converged=True)
        done = before - best <= SMALL * abs(before)
        state = State(u, best, damping, iteration, converged=done)
        if report(state) or done:
            return state
    return State(u, best, damping, iterations)
