"""How good the standard deviations are that a force field gives its own energies.

Three questions: are they as large as the errors (coverage: 68 % of the errors within one, 95 %
within two of them, if errors are normal); do frames with a larger one have larger errors (rank
correlation); and does that hold at every size (groups of frames of like sigma, whose root mean
square error should be their sigma: Levi et al., Sensors 22, 5540 (2022)).

A single error is a poor witness of its own width: errors drawn from normal distributions of
exactly the predicted widths have a rank correlation with them far below 1. It is given too.
"""

from __future__ import annotations

import numpy as np

DRAWS = 50  #: of errors, for the rank correlation that perfect sigmas would have
LEAST = 8  #: frames in a group, at least
GROUPS = 10
#: Share of normally distributed errors within one and two standard deviations.
NORMAL = (0.6827, 0.9545)


def figures(sigma: np.ndarray, error: np.ndarray, force: np.ndarray) -> dict[str, float]:
    """sigma (M,) eV, energy error (M,) eV, force MAE (M,) eV/Å of frames, NaN = not known.

    mean: of sigma; rank: Spearman's coefficient of sigma and |error|; expected_rank: the same were
    errors normal with these sigmas; force_rank: with the force error; within_1, within_2: share of
    |error| below sigma and twice sigma. What cannot be told is left out.
    """
    sigma, size = np.asarray(sigma, float), np.abs(np.asarray(error, float))
    if sigma.shape != size.shape or not np.isfinite(sigma).any():
        return {}
    good = np.isfinite(sigma)
    out = {"mean": float(sigma[good].mean())}
    both = good & np.isfinite(size)
    if both.any():
        s, e = sigma[both], size[both]
        rng = np.random.default_rng(0)
        drawn = [rank_correlation(s, s * np.abs(rng.normal(size=len(s)))) for _ in range(DRAWS)]
        out |= {
            "rank": rank_correlation(s, e),
            "expected_rank": float(np.mean(drawn)),
            "within_1": float((e <= s).mean()),
            "within_2": float((e <= 2 * s).mean()),
        }
    force = np.asarray(force, float)
    if force.shape == sigma.shape:
        both = good & np.isfinite(force)
        out["force_rank"] = rank_correlation(sigma[both], force[both])
    return {name: value for name, value in out.items() if np.isfinite(value)}


def groups(sigma: np.ndarray, error: np.ndarray) -> list[np.ndarray]:
    """Indices of frames (both known) in rising order of sigma, in groups of equal size."""
    known = np.flatnonzero(np.isfinite(sigma) & np.isfinite(error) & (sigma > 0))
    order = known[np.argsort(sigma[known], kind="stable")]
    count = min(GROUPS, len(order) // LEAST)
    return list(np.array_split(order, count)) if count else []


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's coefficient of a and b (K,), ties in the order they come; NaN for fewer than 3."""
    if len(a) < 3:
        return float("nan")
    first, second = (np.argsort(np.argsort(x, kind="stable"), kind="stable") for x in (a, b))
    return float(np.corrcoef(first, second)[0, 1])
