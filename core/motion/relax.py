"""Relax many geometries at once with dihedrals held exactly.

Quasi-Newton in redundant internal coordinates (Peng et al., J. Comput. Chem. 17, 49 (1996)), one
explicit Hessian per geometry, BFGS with Powell's damping, steps taken in the tangent space of the
held dihedrals. Geometries that have converged leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from core.fitting.cores import cores
from core.motion.constraints import jacobian, restore, tangent, wrap
from core.motion.evaluate import Evaluator
from core.motion.internals import Internals, bend
from core.motion.quasi_newton import FIRST_TRUST, LEAST_TRUST, Batch, advance, derivatives

BROKEN = 1.6  # x its starting length
HELD = 1e-8  # rad, largest deviation of a held dihedral at the end


@dataclass(eq=False)
class Relaxed:
    """P geometries: positions (P,N,3) Å, energy (P,) eV and residual (P,) eV/Å (largest force on
    an atom along free directions), converged (P,), steps (P,) energy evaluations, reasons (index
    -> why it failed)."""

    positions: torch.Tensor
    energy: torch.Tensor
    residual: torch.Tensor
    converged: torch.Tensor
    steps: torch.Tensor
    reasons: dict[int, str]


@cores(1)
def relax(
    evaluate: Evaluator,
    coords: Internals,
    start: torch.Tensor,
    target: torch.Tensor,
    *,
    hessian: torch.Tensor | None = None,
    fmax: float = 0.01,
    max_steps: int = 500,
    lengths: torch.Tensor | None = None,
    on_done: Callable[[Relaxed, torch.Tensor], None] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Relaxed:
    """Minimise every geometry of start (P,N,3) Å with the held dihedrals at target (P,A) rad.

    coords: from `internals.build`, its first torsions are the held ones. hessian (Q,Q): start in
    scaled internals (`hessians.to_internals`), else the model's unit matrix. fmax eV/Å: largest
    free force on an atom at the end. lengths (bonds,) Å: a bond beyond BROKEN x that ends a
    geometry. on_done(result so far, indices) is called as geometries converge or fail. After
    `stopping` turns true what has not converged is marked so. Held dihedrals must start near their
    target.
    """
    held = coords.torsions[: coords.n_held]
    size = len(start)
    out = Relaxed(
        positions=start.clone(),
        energy=start.new_full((size,), float("nan")),
        residual=start.new_full((size,), float("nan")),
        converged=torch.zeros(size, dtype=torch.bool, device=start.device),
        steps=torch.zeros(size, dtype=torch.long, device=start.device),
        reasons={},
    )
    if not size:
        return out
    x = restore(start, held, target)
    frame = coords.frame(x)
    energy, forces = evaluate(x)
    why = dict(evaluate.reasons)
    q, b, gq, c, g = derivatives(coords, held, x, forces, frame)
    if hessian is None:
        hessian = torch.eye(len(coords), dtype=x.dtype, device=x.device)
    if lengths is None:
        lengths = _lengths(coords, x[:1])[0]
    base = Batch(
        index=torch.arange(size, device=x.device),
        x=x,
        energy=energy,
        g=g,
        q=q,
        gq=gq,
        b=b,
        c=c,
        hessian=hessian.expand(size, -1, -1).clone(),
        trust=x.new_full((size,), FIRST_TRUST),
        frame=frame,
        target=target,
        lengths=lengths.expand(size, -1),
        restarts=torch.zeros(size, dtype=torch.long, device=x.device),
    )
    for step in range(max_steps):
        _retire(base, out, fmax, step + 1, why, on_done, coords)
        if not len(base.index) or stopping():
            break
        evaluate.check()
        index = base.index
        advance(base, evaluate, coords, held)
        why = {int(index[row]): text for row, text in evaluate.reasons.items()}
    _retire(base, out, fmax, max_steps + 1, why, on_done, coords)
    if len(base.index):
        text = "stopped" if stopping() else f"not converged in {max_steps} steps"
        _leave(base, out, torch.ones_like(base.index, dtype=torch.bool), text, on_done)
    return out


def _lengths(coords: Internals, x: torch.Tensor) -> torch.Tensor:
    return (x[:, coords.bonds[:, 0]] - x[:, coords.bonds[:, 1]]).norm(dim=-1)


def _retire(base, out, fmax, step, why, on_done, coords) -> None:
    """Write down where the batch is, and let converged and hopeless geometries go."""
    if not len(base.index):
        return
    free = tangent(base.g, base.c).unflatten(1, (-1, 3)).norm(dim=-1).amax(1)
    stretch = _lengths(coords, base.x) / base.lengths
    finite = torch.isfinite(base.energy) & torch.isfinite(free)
    done = finite & (free < fmax)
    if coords.n_held:
        value, _ = jacobian(base.x, coords.torsions[: coords.n_held])
        done &= wrap(base.target - value).abs().amax(1) < HELD
    broken = finite & (stretch.amax(1) > BROKEN)
    stuck = finite & ~done & (base.trust <= LEAST_TRUST * 1.0001)
    again = stuck & (base.restarts < 2)
    if again.any():  # the Hessian may be what is wrong: go on with the model's
        base.hessian[again] = torch.eye(len(coords), dtype=base.x.dtype, device=base.x.device)
        base.trust[again] = 0.1
        base.restarts[again] += 1
        stuck = stuck & ~again
    i = base.index
    out.positions[i], out.energy[i], out.residual[i] = base.x, base.energy, free
    out.steps[i] = step
    out.converged[i] = done & ~broken
    leaving = done | broken | stuck | ~finite
    if not leaving.any():
        return
    for row in torch.nonzero(leaving & ~(done & ~broken))[:, 0].tolist():
        where = int(i[row])
        if not finite[row]:
            out.reasons[where] = why.get(where, "no finite energy at the starting geometry")
        elif broken[row]:
            bond = int(stretch[row].argmax())
            a, b = (int(v) + 1 for v in coords.bonds[bond])
            times = float(stretch[row, bond])
            out.reasons[where] = f"bond {a}-{b} is {times:.1f} x its starting length"
        else:
            stuck_at = _why_stuck(base.x[row], coords, float(free[row]))
            out.reasons[where] = why.get(where, stuck_at)
    _go(base, leaving, out, on_done)


def _why_stuck(x: torch.Tensor, coords: Internals, force: float) -> str:
    """Why the energy no longer falls at x (N,3) although there is a force."""
    bends = torch.rad2deg(bend(x[None], coords.bends)[0][0])
    if len(bends) and float(bends.max()) > 170.0:
        atoms = "-".join(str(int(a) + 1) for a in coords.bends[int(bends.argmax())])
        return f"angle {atoms} opened to {float(bends.max()):.0f}°, dihedrals over it do not exist"
    return (
        f"the energy no longer falls although the force is {force:.3f} eV/Å: energy and forces "
        "do not fit each other there"
    )


def _leave(base, out, mask, text, on_done) -> None:
    for row in base.index[mask].tolist():
        out.reasons[row] = f"{text}, the force left is {float(out.residual[row]):.3f} eV/Å"
    _go(base, mask, out, on_done)


def _go(base, mask, out, on_done) -> None:
    gone = base.index[mask]
    base.keep(~mask)
    if on_done is not None:
        on_done(out, gone)
