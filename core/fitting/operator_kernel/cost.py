"""What a fit of FCHL19 costs, before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.fitting.operator_kernel.solve import bytes_needed, flops

SPEED = 40e9  # float64 operations per second that two cores reach in large products
SLOWER = 2.0  #: how many times slower the many small products of the assembly are
MEMORY_BASE = 3e8  # bytes that torch and the data take anyway
SEARCH_ROWS = 4500  #: equations of one attempt of the search at most
ATTEMPTS, NOISES = 4, 5  #: kernel widths tried in a typical search, and noises of each
RANK = (500, 6000)  #: fewest and most columns of the preconditioner of the iterative solution
RANK_SHARE = 0.1  #: columns wanted, of all equations
STEPS = 100  #: its usual steps
WIDTH = 110  #: columns left of a descriptor, for nine atoms


def frames_used(numbers: np.ndarray, n_train: int, hyper: Any) -> int:
    """How many training frames stay within the most environments asked for."""
    if hyper.max_environments == 0:
        return n_train
    return max(1, min(n_train, hyper.max_environments // len(numbers)))


def search_frames(numbers: np.ndarray, n_train: int, hyper: Any) -> int:
    """How many training frames choose sigma and lambda."""
    rows = max(1, 3 * len(numbers) - 5)
    return max(2, min(n_train, hyper.search_frames, SEARCH_ROWS // rows))


def iterates(numbers: np.ndarray, n_train: int, hyper: Any) -> bool:
    """Whether the equations of n_train frames need more memory than allowed."""
    rows = max(1, 3 * len(numbers) - 5)
    return bytes_needed(n_train, rows) + _arrays(numbers, n_train) > hyper.memory * 1e9


def rank(equations: int) -> int:
    """Columns of the preconditioner."""
    return min(equations, max(RANK[0], min(RANK[1], int(RANK_SHARE * equations))))


def cost(numbers: np.ndarray, n_train: int, hyper: Any) -> tuple[float, float]:
    """Rough (seconds, bytes) of a fit."""
    n, rows = len(numbers), max(1, 3 * len(numbers) - 5)
    width = _width(n)
    m = frames_used(numbers, n_train, hyper)

    def seconds(frames: int, noises: int = 1) -> float:
        build, factor = flops(frames, n, rows, width)
        return (SLOWER * build + noises * factor) / SPEED

    search = 0.0
    if hyper.sigma == 0 or hyper.lam == 0:
        s = search_frames(numbers, m, hyper)
        search = seconds(s, NOISES) * (ATTEMPTS if hyper.sigma == 0 else 1) + 1.0
    arrays = _arrays(numbers, m)
    if iterates(numbers, m, hyper):
        pairs = float((np.unique(numbers, return_counts=True)[1] ** 2).sum()) * m**2
        columns = rank(m * rows)
        work = 8.0 * pairs * width * STEPS + 4.0 * columns * n * width * rows * m
        memory = 8.0 * (m * rows * (columns + 600.0) + columns**2)
        return 1.0 + search + work / SPEED, MEMORY_BASE + arrays + memory
    return 1.0 + search + seconds(m), MEMORY_BASE + arrays + bytes_needed(m, rows)


def _width(n_atoms: int) -> int:
    return int(WIDTH * max(0.3, n_atoms / 9.0) ** 0.75)


def _arrays(numbers: np.ndarray, m: int) -> float:
    """Bytes of the environments' derivatives, and of the work on them."""
    n = len(numbers)
    return 8.0 * 1.3 * m * n * _width(n) * max(1, 3 * n - 6)
