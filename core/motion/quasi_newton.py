"""One quasi-Newton step for many geometries: model, trust radius, move along curved coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.motion.constraints import jacobian, restore, small_solve, tangent
from core.motion.evaluate import Evaluator
from core.motion.hessians import rigid_motions
from core.motion.internals import Internals

FIRST_TRUST, MOST_TRUST, LEAST_TRUST = 0.3, 0.6, 1e-3  # Å, largest move of one atom
RIDGE = 1e-6  # eV/Å²
FLOOR = 0.05  # smallest curvature an update may leave, in units of the model Hessian
SHIFTS = (0.1, 0.3, 1.0, 3.0, 10.0)  # units of the model Hessian
NOISE = 1e-6  # eV, a rise that external programs may show by their own convergence


@dataclass(eq=False)
class Batch:
    """The geometries still in the batch, and what is known of each; every tensor has P rows."""

    index: torch.Tensor
    x: torch.Tensor
    energy: torch.Tensor
    g: torch.Tensor  # (P,3N)
    q: torch.Tensor  # (P,Q) scaled internals
    gq: torch.Tensor
    b: torch.Tensor  # (P,Q,3N)
    c: torch.Tensor  # (P,A,3N)
    hessian: torch.Tensor  # (P,Q,Q)
    trust: torch.Tensor
    frame: torch.Tensor
    target: torch.Tensor
    lengths: torch.Tensor
    restarts: torch.Tensor

    def keep(self, mask: torch.Tensor) -> None:
        """Only the rows where mask (P,) is true."""
        for name, value in vars(self).items():
            setattr(self, name, value[mask])


def derivatives(coords, held, x, forces, frame):
    """q (P,Q), B (P,Q,3N), gradient in q (P,Q), constraint rows (P,A,3N), gradient (P,3N)."""
    q, b = coords.both(x, frame)
    g = -forces.flatten(1)
    # minimum-norm solution of B^T g_q = g
    gq = (b @ torch.cholesky_solve(g[..., None], _metric(b, x)))[..., 0]
    return q, b, gq, jacobian(x, held)[1], g


def _metric(b: torch.Tensor, x: torch.Tensor, hessian: torch.Tensor | None = None) -> torch.Tensor:
    """Cholesky factor of B^T H B with rigid motions made stiff, (P,3N,3N)."""
    v = rigid_motions(x)
    m = b.mT @ (b if hessian is None else hessian @ b) + v.mT @ v
    m.diagonal(dim1=-2, dim2=-1).add_(RIDGE)
    factor, info = torch.linalg.cholesky_ex(m)
    bad = info > 0
    if bad.any():  # lost its positive curvature, or not finite: a plain gradient step instead
        factor[bad] = 3.0 * torch.eye(m.shape[-1], dtype=m.dtype, device=m.device)
    return factor


def advance(base: Batch, evaluate: Evaluator, coords: Internals, held: torch.Tensor) -> None:
    """One trial step for every geometry of the batch."""
    step, model = _step(base)
    trial = _move(base, coords, held, step)
    energy, forces = evaluate(trial)
    q, b, gq, c, g = derivatives(coords, held, trial, forces, base.frame)
    change = energy - base.energy
    good = torch.isfinite(energy) & torch.isfinite(g).all(1)
    smaller = tangent(g, c).norm(dim=1) < tangent(base.g, base.c).norm(dim=1)
    accept = good & ((change <= 0) | ((change < NOISE) & smaller))
    _update(base, good, coords.difference(q, base.q), gq - base.gq)
    ratio = change / model.clamp_max(-1e-12)
    moved = _reach(step)
    tight = ~accept | ((ratio < 0.25) & (change.abs() > NOISE))
    wide = accept & (ratio > 0.75) & (moved > 0.8 * base.trust)
    base.trust = torch.where(tight, (0.3 * moved).clamp_min(LEAST_TRUST), base.trust)
    base.trust = torch.where(wide, (2 * base.trust).clamp_max(MOST_TRUST), base.trust)
    new = {"x": trial, "energy": energy, "g": g, "q": q, "gq": gq, "b": b, "c": c}
    for name, value in new.items():
        old = getattr(base, name)
        mask = accept.reshape(-1, *([1] * (old.dim() - 1)))
        setattr(base, name, torch.where(mask, value, old))


def _step(base: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Newton step (P,3N) Å along free directions within the trust radius; predicted change (P,).

    Where the full step is too long the Hessian is shifted until it fits: merely cutting it would
    keep the soft directions, which make it long, and lose the others.
    """
    step = _solve(base.g, base.b, base.c, base.x, base.hessian)
    over = torch.nonzero(_reach(step) > base.trust)[:, 0]
    one = torch.eye(base.hessian.shape[-1], dtype=step.dtype, device=step.device)
    for shift in SHIFTS:
        if not len(over):
            break
        hessian = base.hessian[over] + shift * one
        step[over] = _solve(base.g[over], base.b[over], base.c[over], base.x[over], hessian)
        over = over[_reach(step[over]) > base.trust[over]]
    step = step * (base.trust / _reach(step).clamp_min(1e-12)).clamp_max(1.0)[:, None]
    step = torch.nan_to_num(step, 0.0, 0.0, 0.0)  # no step: the geometry starts again, or ends
    dq = (base.b @ step[..., None])[..., 0]
    curve = (dq * (base.hessian @ dq[..., None])[..., 0]).sum(1)
    return step, (base.g * step).sum(1) + 0.5 * curve


def _solve(g, b, c, x, hessian) -> torch.Tensor:
    """Step (P,3N) to the minimum of the quadratic model with c.step = 0."""
    factor = _metric(b, x, hessian)
    solved = torch.cholesky_solve(torch.cat((-g[..., None], c.mT), -1), factor)
    step, k = solved[..., :1], solved[..., 1:]
    if c.shape[1]:
        step = step - k @ small_solve(c @ k, c @ step)
    return step[..., 0]


def _reach(step: torch.Tensor) -> torch.Tensor:
    """Longest move of one atom (P,) Å in step (P,3N)."""
    return step.unflatten(1, (-1, 3)).norm(dim=-1).amax(1)


def _move(base: Batch, coords: Internals, held: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """x after a step that is straight in internal coordinates, not in Cartesian ones."""
    want = base.q + (base.b @ step[..., None])[..., 0]
    x = base.x + step.reshape(base.x.shape)
    if float(step.abs().max()) > 0.02:  # below, the curvature of the coordinates does not show
        q, b = coords.both(x, base.frame)
        off = b.mT @ coords.difference(want, q)[..., None]
        more = torch.cholesky_solve(off, _metric(b, x))[..., 0]
        far = more.abs().amax(1, keepdim=True) > 0.5 * step.abs().amax(1, keepdim=True)
        x = x + torch.where(far, 0.0, more).reshape(x.shape)
    return restore(x, held, base.target)


def _update(base: Batch, good: torch.Tensor, s: torch.Tensor, y: torch.Tensor) -> None:
    """Damped BFGS (Powell 1978) of the Hessian (P,Q,Q) with steps s and gradient changes y."""
    hs = (base.hessian @ s[..., None])[..., 0]
    shs, sy = (s * hs).sum(1), (s * y).sum(1)
    # where the curvature is small or negative, damped updates alone would make the Hessian singular
    least = torch.maximum(0.2 * shs, FLOOR * s.square().sum(1)).minimum(shs)
    theta = torch.where(sy >= least, 1.0, (shs - least) / (shs - sy).clamp_min(1e-30))
    y = theta[:, None] * y + (1 - theta)[:, None] * hs
    sy = (s * y).sum(1)
    use = (good & (shs > 1e-14) & (sy > 1e-14)).to(s.dtype)
    y = torch.nan_to_num(y) * (use / sy.clamp_min(1e-14).sqrt().nan_to_num(1.0))[:, None]
    hs = torch.nan_to_num(hs) * (use / shs.clamp_min(1e-14).sqrt().nan_to_num(1.0))[:, None]
    base.hessian += y[:, :, None] * y[:, None, :] - hs[:, :, None] * hs[:, None, :]
