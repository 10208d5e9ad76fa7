"""What a fit of FCHL19 costs, before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.fitting.operator_kernel.solve import bytes_needed, flops

SPEED = 40e9  # float64 operations per second that two cores reach in large products
SLOWER = 2.0  #: how many times slower the many small products of the assembly are
MEMORY_BASE = 3e8  # bytes that torch and the data take anyway
SEARCH_ROWS = 4500  #: equations of one attempt of the search at most
CHECKED, LEAST_CHECKED = 200, 20  #: training frames that choose where none are for validation
ATTEMPTS, NOISES = 4, 5  #: kernel widths tried in a typical search, and noises of each
#: Fewest and most columns of the preconditioner of the iterative solution. Twice the columns take a
#: third of the steps, but their making grows with the square.
RANK = (500, 10_000)
RANK_SHARE = 0.1  #: columns wanted, of all equations
PRECONDITIONER = 0.6  #: of the memory, what it may take
BLOCK = 1200.0  #: columns on which the making of the preconditioner works
STEPS = 80  #: its usual steps
WIDTH = 110  #: columns left of a descriptor, for nine atoms
NARROW = 0.8  #: of them where the iteration leaves out more


def frames_used(numbers: np.ndarray, n_train: int, hyper: Any) -> int:
    """How many training frames stay within the most environments asked for."""
    if hyper.max_environments == 0:
        return n_train
    return max(1, min(n_train, hyper.max_environments // len(numbers)))


def check_frames(train: np.ndarray, valid: np.ndarray, m: int) -> np.ndarray:
    """On which sigma and lambda are chosen: validation frames, or training frames but the first m.

    None where there are no validation frames and too few others.
    """
    if len(valid):
        return valid
    others = train[m : m + CHECKED]
    return others if len(others) >= LEAST_CHECKED else others[:0]


def search_frames(numbers: np.ndarray, n_train: int, hyper: Any) -> int:
    """How many training frames choose sigma and lambda."""
    rows = max(1, 3 * len(numbers) - 5)
    return max(2, min(n_train, hyper.search_frames, SEARCH_ROWS // rows))


def iterates(numbers: np.ndarray, n_train: int, hyper: Any) -> bool:
    """Whether the equations of n_train frames need more memory than allowed."""
    rows = max(1, 3 * len(numbers) - 5)
    return bytes_needed(n_train, rows) + _arrays(numbers, n_train) > hyper.memory * 1e9


def rank(equations: int, memory: float = float("inf")) -> int:
    """Columns of the preconditioner, within its share of the memory in bytes."""
    fits = PRECONDITIONER * memory / (8.0 * equations) - BLOCK
    wanted = min(RANK[1], RANK_SHARE * equations, fits)
    return min(equations, int(max(RANK[0], wanted)))


def _bytes_iterating(equations: int, columns: int) -> float:
    """The preconditioner, its square, and the columns worked on."""
    return 8.0 * (equations * (columns + BLOCK) + 2.0 * columns**2)


def keeps(atoms: list[int], frames: int, columns: int, rows: int, memory: float) -> bool:
    """Whether the kernel of all pairs of environments is held; atoms: of each element."""
    return _pairs_bytes(atoms, frames) + _bytes_iterating(frames * rows, columns) <= memory


def _pairs_bytes(atoms: list[int], frames: int) -> float:
    return 8.0 * sum((n * frames) ** 2 for n in atoms)


def seconds(numbers: np.ndarray, n_train: int, hyper: Any) -> tuple[float, float]:
    """Rough seconds of the search of sigma and lambda, and of the fit of all frames after it."""
    n, rows = len(numbers), max(1, 3 * len(numbers) - 5)
    width = _width(n)
    m = frames_used(numbers, n_train, hyper)

    def closed(frames: int, noises: int = 1) -> float:
        build, factor = flops(frames, n, rows, width)
        return (SLOWER * build + noises * factor) / SPEED

    search = 0.0
    if hyper.sigma == 0 or hyper.lam == 0:
        s = search_frames(numbers, m, hyper)
        search = closed(s, NOISES) * (ATTEMPTS if hyper.sigma == 0 else 1) + 1.0
    if not iterates(numbers, m, hyper):
        return search, 1.0 + closed(m)
    atoms, columns, pairs = _iterating(numbers, m, hyper)
    narrow = NARROW * width
    kept = keeps(atoms, m, columns, rows, hyper.memory * 1e9)
    # products of all pairs, columns of the matrix, and their orthogonalisation
    work = (0.75 if kept else 1.0) * pairs * narrow * STEPS
    work += 4.0 * columns * n * narrow * rows * m + 2.0 * m * rows * columns**2
    return search, 1.0 + work / SPEED


def _iterating(numbers: np.ndarray, m: int, hyper: Any) -> tuple[list[int], int, float]:
    """Atoms of each element, columns of the preconditioner, bytes of all pairs."""
    atoms = [int(c) for c in np.unique(numbers, return_counts=True)[1]]
    columns = rank(m * max(1, 3 * len(numbers) - 5), hyper.memory * 1e9)
    return atoms, columns, _pairs_bytes(atoms, m)


def cost(numbers: np.ndarray, n_train: int, hyper: Any) -> tuple[float, float]:
    """Rough (seconds, bytes) of a fit."""
    rows, m = max(1, 3 * len(numbers) - 5), frames_used(numbers, n_train, hyper)
    time, arrays = sum(seconds(numbers, n_train, hyper)), _arrays(numbers, m)
    if not iterates(numbers, m, hyper):
        return time, MEMORY_BASE + arrays + bytes_needed(m, rows)
    atoms, columns, pairs = _iterating(numbers, m, hyper)
    kept = keeps(atoms, m, columns, rows, hyper.memory * 1e9)
    memory = _bytes_iterating(m * rows, columns) + (pairs if kept else 0.0)
    return time, MEMORY_BASE + NARROW * arrays + memory


def _width(n_atoms: int) -> int:
    return int(WIDTH * max(0.3, n_atoms / 9.0) ** 0.75)


def _arrays(numbers: np.ndarray, m: int) -> float:
    """Bytes of the environments' derivatives, and of the work on them."""
    n = len(numbers)
    return 8.0 * 1.3 * m * n * _width(n) * max(1, 3 * n - 6)
