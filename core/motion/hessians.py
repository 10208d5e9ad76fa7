"""Starting Hessians: Lindh's model, and the force field's own one carried over to every point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from core.units import BOHR, HARTREE

if TYPE_CHECKING:
    from core.motion.evaluate import Evaluator
    from core.motion.internals import Internals

# Lindh, Bernhardsson, Karlström, Malmqvist, Chem. Phys. Lett. 241, 423 (1995): force constants
# (Hartree/bohr², Hartree/rad²), and alpha (1/bohr²) and reference length (bohr) by periodic row
_K_BOND, _K_BEND, _K_TORSION = 0.45, 0.15, 0.005
_ALPHA = np.array([[1.0, 0.3949, 0.3949], [0.3949, 0.28, 0.28], [0.3949, 0.28, 0.28]])
_LENGTH = np.array([[1.35, 2.10, 2.53], [2.10, 2.87, 3.40], [2.53, 3.40, 3.40]])
STEP = 0.005  # Å, displacement of the numerical Hessian


def lindh_scale(numbers, positions, bonds, bends, straight, torsions) -> np.ndarray:
    """(Q,) square roots of Lindh's force constants, sqrt(eV)/Å and sqrt(eV)/rad."""
    row = np.where(numbers <= 2, 0, np.where(numbers <= 10, 1, 2))
    x = positions / BOHR

    def rho(a: int, b: int) -> float:
        r2 = float(((x[a] - x[b]) ** 2).sum())
        alpha, length = _ALPHA[row[a], row[b]], _LENGTH[row[a], row[b]]
        return float(np.exp(np.clip(alpha * (length**2 - r2), -3.0, 2.0)))

    k = [_K_BOND * rho(a, b) / BOHR**2 for a, b in bonds]
    k += [_K_BEND * rho(i, j) * rho(j, m) for i, j, m in bends]
    k += 2 * [_K_BEND * rho(i, j) * rho(j, m) for i, j, m in straight]
    k += [_K_TORSION * max(rho(i, j) * rho(j, m) * rho(m, n), 0.1) for i, j, m, n in torsions]
    return np.sqrt(HARTREE * np.array(k))


def rigid_motions(x: torch.Tensor) -> torch.Tensor:
    """x (P,N,3) -> (P,6,3N): translations and rotations, each about unit length."""
    p, n, _ = x.shape
    eye = torch.eye(3, dtype=x.dtype, device=x.device)
    shift = (eye[:, None, :] / n**0.5).expand(p, 3, n, 3)
    centred = x - x.mean(1, keepdim=True)
    centred = centred / centred.flatten(1).norm(dim=1).clamp_min(1e-9)[:, None, None]
    turn = torch.cross(eye[None, :, None, :].expand(p, 3, n, 3), centred[:, None], dim=-1)
    return torch.cat((shift, turn), dim=1).flatten(2)


def own_hessian(evaluate: Evaluator, x: torch.Tensor) -> torch.Tensor:
    """x (N,3) -> (3N,3N) eV/Å²: central differences of the forces, in one batch."""
    size = x.numel()
    move = STEP * torch.eye(size, dtype=x.dtype, device=x.device).reshape(size, *x.shape)
    _, forces = evaluate(torch.cat((x + move, x - move)))
    h = (forces[size:] - forces[:size]).reshape(size, size) / (2 * STEP)
    return 0.5 * (h + h.T)


def to_internals(hessian: torch.Tensor, coords: Internals, x: torch.Tensor) -> torch.Tensor:
    """Cartesian Hessian at a stationary x (N,3) -> Hessian (Q,Q) in scaled internal coordinates.

    There the gradient term of the transformation vanishes: H_q = B+^T H_x B+. Combinations that
    this geometry cannot reach (redundancy) get the model's unit stiffness, and no direction is
    softer than 0.05 of the model, so that the matrix serves as a start at other geometries too.
    """
    one = x[None]
    _, b = coords.both(one, coords.frame(one))
    inverse = torch.linalg.pinv(b[0], rtol=1e-6)
    reach = b[0] @ inverse
    h = inverse.T @ hessian @ inverse
    h = h + torch.eye(len(h), dtype=h.dtype, device=h.device) - reach
    values, vectors = torch.linalg.eigh(0.5 * (h + h.T))
    return (vectors * values.clamp(0.05, 20.0)) @ vectors.T
