"""Data that FCHL19 cannot be fitted to, each with a sentence about what to do."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.dataset import Dataset, Split
from core.descriptors.pair_distances import pair_distances
from core.engine.system import free_memory
from core.fitting.operator_kernel.cost import check_frames, cost, frames_used, search_frames
from core.fitting.training import check_repeats
from core.forcefields.base import ForceFieldError


def check_data(dataset: Dataset, split: Split, hyper: Any) -> None:
    """Raises ForceFieldError on anything that would make a wrong or a singular fit."""
    if len(dataset.molecule.numbers) < 2:
        raise ForceFieldError("FCHL19 needs at least two atoms: it describes neighbours")
    if len(split.train) == 0:
        raise ForceFieldError("FCHL19: there are no training frames")
    for frames, use in ((split.train, "training"), (split.valid, "validation")):
        if len(frames) and frames.max() >= len(dataset):
            raise ForceFieldError(
                f"FCHL19: {use} frame {frames.max() + 1} of a data set with {len(dataset)} frames"
            )
        missing = frames[~dataset.has_forces[frames]]
        if len(missing):
            raise ForceFieldError(
                f"FCHL19: {use} frame {missing[0] + 1} has no forces ({len(missing)} of "
                f"{len(frames)} have none); choose frames that have them"
            )
        if dataset.energies is not None and np.isinf(dataset.energies[frames]).any():
            bad = int(frames[np.isinf(dataset.energies[frames])][0])
            raise ForceFieldError(f"FCHL19: {use} frame {bad + 1} has an infinite energy")
    _check_geometries(dataset, split, hyper)
    kept = frames_used(dataset.molecule.numbers, len(split.train), hyper)
    m = search_frames(dataset.molecule.numbers, kept, hyper)
    judges = check_frames(split.train[:kept], split.valid, m)
    if (hyper.sigma == 0 or hyper.lam == 0) and len(judges) == 0:
        raise ForceFieldError(
            "FCHL19: choosing sigma and lambda needs validation frames and there are none (nor "
            "enough training frames for both); leave some frames for validation or set both (3 "
            "and 1e-8 suit small molecules)"
        )


def _check_geometries(dataset: Dataset, split: Split, hyper: Any) -> None:
    train = np.sort(split.train)
    distances = pair_distances(dataset.positions[train])
    shortest = distances.min(1)
    if shortest.min() < 1e-3:
        bad = int(train[int(shortest.argmin())])
        raise ForceFieldError(f"FCHL19: two atoms of frame {bad + 1} lie on each other")
    if hyper.cutoff <= shortest.min():
        raise ForceFieldError(
            f"FCHL19: the cutoff of {hyper.cutoff:g} Å is below the shortest bond of the training "
            f"frames, {shortest.min():.2f} Å: no atom would have a neighbour; take some 8 Å"
        )
    # an atom without neighbours has no descriptor, and nothing would hold it
    n = len(dataset.molecule.numbers)
    a, b = np.triu_indices(n, 1)
    nearest = np.array([distances[:, (a == i) | (b == i)].min(1).max() for i in range(n)])
    if nearest.max() >= hyper.cutoff:
        raise ForceFieldError(
            f"FCHL19: atom {int(nearest.argmax()) + 1} has no neighbour within the cutoff of "
            f"{hyper.cutoff:g} Å in some training frame; make the cutoff larger"
        )
    check_repeats("FCHL19", dataset, train, "makes the equations singular")


def check_memory(numbers: np.ndarray, n_train: int, hyper: Any, device: str) -> None:
    """Raises ForceFieldError where even the iterative solution does not fit."""
    if not device.startswith("cpu"):
        return
    _, needed = cost(numbers, n_train, hyper)
    free = free_memory()
    if needed > free:
        fits = int(n_train * (free / needed) ** 0.5)
        raise ForceFieldError(
            f"FCHL19 with {n_train} training frames needs {needed / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free; about {fits} frames would fit (or lower the memory "
            "it may use: then it iterates)"
        )
