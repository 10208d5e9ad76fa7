"""Hold dihedrals exactly: tangent projection and restoring Newton steps, for many geometries."""

from __future__ import annotations

import math

import torch

from core.motion.internals import dihedral

EXACT = 1e-10  # rad, where restoring stops


def wrap(angle: torch.Tensor) -> torch.Tensor:
    """rad -> the same direction in [-pi, pi]."""
    return angle - 2 * math.pi * torch.round(angle / (2 * math.pi))


def jacobian(x: torch.Tensor, held: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """x (P,N,3), held (A,4) -> dihedrals (P,A) rad and their derivatives (P,A,3N) rad/Å."""
    value, grad = dihedral(x, held)
    c = x.new_zeros((len(x), len(held), *x.shape[1:]))
    c[:, torch.arange(len(held), device=x.device)[:, None], held] = grad
    return value, c.flatten(2)


def restore(
    x: torch.Tensor, held: torch.Tensor, target: torch.Tensor, *, most: int = 8
) -> torch.Tensor:
    """x (P,N,3) with the held dihedrals put to target (P,A) rad, by Newton steps along them.

    Meant for small deviations, where the shortest Cartesian move is the right one.
    """
    if not len(held):
        return x
    for _ in range(most):
        value, c = jacobian(x, held)
        off = wrap(target - value)
        if not off.numel() or float(off.abs().nan_to_num(0.0).max()) < EXACT:
            break
        x = x + (c.mT @ small_solve(c @ c.mT, off[..., None])).reshape(x.shape)
    return x


def tangent(g: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """Part of g (P,3N) that leaves the constraints with derivatives c (P,A,3N) unchanged."""
    if not c.shape[1]:
        return g
    along = small_solve(c @ c.mT, c @ g[..., None])
    return g - (c.mT @ along)[..., 0]


def small_solve(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """a (P,A,A) symmetric positive, b (P,A,k) -> a⁻¹ b; NaN instead of an error where singular."""
    solution, _ = torch.linalg.solve_ex(a, b)
    return solution
