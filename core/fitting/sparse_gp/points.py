"""Choose the sparse points of a Gaussian process from all environments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

Report = Callable[[float], None]


def farthest_points(features: torch.Tensor, n: int, report: Report | None = None) -> np.ndarray:
    """n rows of features (K,D), each the one farthest from those already taken.

    The first is the one farthest from the mean. Rows that repeat a chosen one are never taken, so
    fewer than n come back where there are fewer different rows.
    """
    n = min(n, len(features))
    norm = features.square().sum(1)
    first = int((features - features.mean(0)).square().sum(1).argmax())
    chosen = [first]
    nearest = norm + norm[first] - 2.0 * (features @ features[first])
    least = 1e-14 * float(norm.max())
    while len(chosen) < n:
        k = int(nearest.argmax())
        if float(nearest[k]) <= least:
            break
        chosen.append(k)
        torch.minimum(nearest, norm + norm[k] - 2.0 * (features @ features[k]), out=nearest)
        if report is not None and len(chosen) % 32 == 0:
            report(len(chosen) / n)
    return np.array(chosen)


def cur(
    features: torch.Tensor, n: int, *, seed: int = 0, report: Report | None = None
) -> np.ndarray:
    """n rows of features (K,D), drawn by their leverage in the leading singular vectors.

    CUR decomposition (Mahoney & Drineas, PNAS 106, 697 (2009)): row i is drawn with a probability
    proportional to sum_c U_ic² over the leading min(n, rank) left singular vectors, without
    putting back.
    """
    n = min(n, len(features))
    values, vectors = torch.linalg.eigh(features.T @ features)
    rank = int((values > 1e-12 * values[-1]).sum())
    kept = min(n, rank)
    if report is not None:
        report(0.5)
    left = features @ (vectors[:, -kept:] / values[-kept:].sqrt())
    leverage = left.square().sum(1).clamp(min=1e-300).cpu().numpy()
    # the largest of log p + Gumbel noise are a draw without putting back
    noise = np.random.default_rng(seed).gumbel(size=len(leverage))
    return np.argsort(-(np.log(leverage) + noise), kind="stable")[:n]
