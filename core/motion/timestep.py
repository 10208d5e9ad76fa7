"""Is a time step short enough? The fastest vibration, before the first step."""

from __future__ import annotations

import math

import torch

from core.motion.evaluate import Evaluator
from core.units import ACCELERATION

STEP = 0.005  # Å
ROUNDS = 12
REFUSE = 8.0  # steps per period, below which a run is refused
WARN = 12.0  # below which it is warned of
_CM1 = 33356.40951981521  # 1/fs in 1/cm


def fastest_period(evaluate: Evaluator, x: torch.Tensor, mass: torch.Tensor) -> float:
    """Period (fs) of the fastest vibration at x (N,3) Å; inf where nothing vibrates.

    Lanczos iteration on the mass-weighted Hessian, whose products with a vector are central
    differences of the forces: 2 x ROUNDS evaluations, whatever the size. The largest eigenvalue
    comes out within about a per cent, from below.
    """
    root = (mass / ACCELERATION).sqrt()[:, None]
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.device) / root
    basis = [start / start.norm()]
    alphas: list[float] = []
    betas: list[float] = []
    for _ in range(min(ROUNDS, x.numel())):
        move = basis[-1] / root
        move = move * (STEP / move.norm())
        _, forces = evaluate(torch.stack((x + move, x - move)))
        length = (root * move).norm()
        w = (forces[1] - forces[0]) / (2.0 * root * length)
        alphas.append(float((w * basis[-1]).sum()))
        if not math.isfinite(alphas[-1]):
            return math.nan
        for _ in range(2):  # twice is enough to stay orthogonal
            for b in basis:
                w = w - (w * b).sum() * b
        beta = float(w.norm())
        if beta < 1e-8:
            break
        betas.append(beta)
        basis.append(w / beta)
    t = torch.diag(torch.tensor(alphas, dtype=torch.float64))
    for i, beta in enumerate(betas[: len(alphas) - 1]):
        t[i, i + 1] = t[i + 1, i] = beta
    omega2 = float(torch.linalg.eigvalsh(t)[-1])
    return 2.0 * math.pi / math.sqrt(omega2) if omega2 > 0 else math.inf


def verdict(period: float, dt: float) -> tuple[bool, str]:
    """(may it run, what to say): refused with less than REFUSE steps in the fastest period.

    Velocity Verlet is unstable below pi steps per period; anharmonic stretches need a margin.
    """
    if not math.isfinite(period) or dt * WARN <= period:
        return True, ""
    wave = _CM1 / period
    mode = f"the fastest vibration ({wave:.0f} cm⁻¹) has a period of {period:.1f} fs"
    safe = f"{period / WARN:.2f} fs or less is safe"
    if dt * REFUSE > period:
        return False, (
            f"a time step of {dt:g} fs is too long: {mode}, so use at most "
            f"{math.floor(100 * period / REFUSE) / 100:g} fs; {safe}"
        )
    return True, f"a time step of {dt:g} fs is long: {mode}; {safe}"
