"""What a GAP cannot be fitted to, said before it is tried; and what a fit costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.dataset import Dataset, Split
from core.elements import SYMBOLS
from core.engine.system import free_memory
from core.fitting.sparse_gp.terms import cutoffs_of
from core.fitting.training import check_repeats
from core.forcefields.errors import ForceFieldError

SPEED = 30e9  # float64 operations per second that two cores reach here
MEMORY_BASE = 6e8  # bytes that torch, the data and a block of rows take anyway
SOLUTIONS = 4  # noises tried in a typical search
PAIR_COLUMNS = 25


def flops(numbers: np.ndarray, n_train: int, hyper: Any) -> tuple[float, int]:
    """Operations of a fit, and the number M of its sparse points at most."""
    n, elements = len(numbers), np.unique(numbers)
    kinds = len(elements) * (len(elements) + 1) // 2
    soaps = len(cutoffs_of(hyper.cutoffs))
    channels = hyper.n_max * len(elements)
    channels = min(channels, hyper.channels) if hyper.channels else channels
    size = channels * (channels + 1) // 2 * (hyper.l_max + 1)
    sparse = min(hyper.sparse, n_train * n * soaps)
    m = sparse + (kinds * PAIR_COLUMNS if hyper.pairs else 0)
    rows = points = 0.0
    for z in elements:
        share = float((numbers == z).sum()) / n
        rows += 6.0 * share * n * (n - 1) * size * (share * sparse) * n_train
        points += 2.0 * (share * n * n_train) * size * (share * sparse) * 8  # bound by memory
    triangle = 2.7 * n_train * (3 * n + 1) * m**2 + 4.0 * m**3
    solutions = (1 if hyper.sigma_force else SOLUTIONS) * 6.0 * m**3
    return rows + points + triangle + solutions, m


def memory(n_atoms: int, m: int) -> float:
    """Bytes of a fit with M sparse points."""
    return MEMORY_BASE + 8.0 * 16 * float(m) ** 2


def check_memory(n_atoms: int, m: int, device: str) -> None:
    """Raise ForceFieldError where the triangles would not fit."""
    if not device.startswith("cpu"):
        return
    needed, free = memory(n_atoms, m), free_memory()
    if needed > free:
        fits = int(m * max(0.0, (free - MEMORY_BASE) / needed) ** 0.5)
        raise ForceFieldError(
            f"GAP with {m} sparse points needs {needed / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free; about {fits} would fit"
        )


def check(dataset: Dataset, split: Split, hyper: Any) -> None:
    """Raise ForceFieldError on anything that would make a wrong fit, naming what and where."""
    numbers, train = dataset.molecule.numbers, split.train
    if len(numbers) < 2:
        raise ForceFieldError("GAP needs at least two atoms: it describes their neighbours")
    if len(train) == 0:
        raise ForceFieldError("GAP: there are no training frames")
    if hyper.sparse == 0 and not hyper.pairs:
        raise ForceFieldError(
            "GAP: there are no sparse points and no pair term, so nothing to fit; "
            "choose some sparse points"
        )
    _check_labels(dataset, split)
    _check_cutoffs(dataset, train, hyper)
    check_repeats("GAP", dataset, train, "counts its labels twice")


def _check_labels(dataset: Dataset, split: Split) -> None:
    for frames, use in ((split.train, "training"), (split.valid, "validation")):
        if len(frames) and frames.max() >= len(dataset):
            raise ForceFieldError(
                f"GAP: {use} frame {frames.max() + 1} of a data set with {len(dataset)} frames"
            )
    both = np.concatenate([split.train, split.valid])
    if dataset.has_forces[both].any():
        missing = both[~dataset.has_forces[both]]
        what = "no forces"
    else:
        missing, what = both[~dataset.has_energy[both]], "no energy and no forces"
    if len(missing):
        raise ForceFieldError(
            f"GAP: frame {missing[0] + 1} has {what}, or values that are not numbers "
            f"({len(missing)} of {len(both)} frames); choose frames that have them"
        )


def _check_cutoffs(dataset: Dataset, train: np.ndarray, hyper: Any) -> None:
    """Every atom must have a neighbour in every cutoff, or it carries no information."""
    numbers, x = dataset.molecule.numbers, dataset.positions[train]
    nearest = np.full(len(numbers), np.inf)
    for i in range(len(numbers)):
        r = np.linalg.norm(np.delete(x, i, 1) - x[:, i : i + 1], axis=-1)
        if r.min() < 1e-3:
            frame = int(train[r.min(1).argmin()])
            raise ForceFieldError(f"GAP: in frame {frame + 1} atom {i + 1} sits on another atom")
        nearest[i] = r.min()
    least, atom = min(cutoffs_of(hyper.cutoffs)), int(nearest.argmax())
    if least <= nearest.min():
        raise ForceFieldError(
            f"GAP: the cutoff of {least:g} Å is below the shortest distance between two atoms, "
            f"{nearest.min():.2f} Å; 4 to 6 Å suit most molecules"
        )
    if least <= nearest[atom]:
        raise ForceFieldError(
            f"GAP: within the cutoff of {least:g} Å atom {atom + 1} "
            f"({SYMBOLS[numbers[atom]]}) has no neighbour in any training frame; the nearest is "
            f"{nearest[atom]:.2f} Å away"
        )
