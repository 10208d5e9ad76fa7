"""Numbers of dynamics runs that views and reports share."""

from __future__ import annotations

import math

import numpy as np


def temperature_density(temperature: np.ndarray, target: float, freedom: int) -> np.ndarray:
    """Probability density (P,) 1/K of the instantaneous temperature (P,) K at equilibrium.

    The kinetic energy of `freedom` degrees of freedom at `target` K is gamma distributed:
    p(T) = (f/2T0)^(f/2) T^(f/2-1) exp(-f T / 2 T0) / Gamma(f/2) (Frenkel & Smit, Understanding
    Molecular Simulation, 2nd ed., section 6.1); mean T0, variance 2 T0^2 / f.
    """
    t = np.asarray(temperature, dtype=float)
    half = freedom / 2
    with np.errstate(divide="ignore"):
        log = half * math.log(half / target) + (half - 1) * np.log(t) - half * t / target
    return np.where(t > 0, np.exp(log - math.lgamma(half)), 0.0)


def drift(time: np.ndarray, total: np.ndarray) -> float:
    """Slope eV/fs of a straight line through total energies (S,) eV over time (S,) fs; NaN if S<2.

    In the NVE ensemble this is the energy that the integrator makes or loses.
    """
    ok = np.isfinite(total)
    if ok.sum() < 2:
        return float("nan")
    t = time[ok] - time[ok].mean()
    square = float(t @ t)
    return float(t @ (total[ok] - total[ok].mean()) / square) if square > 0 else float("nan")
