"""Before a linear ACE fit: checks of the data, the basis, one-body energies, cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from core.dataset import Dataset, Split
from core.descriptors.ace.design import pair_count
from core.descriptors.ace.setup import Setup, neighbours, shortest
from core.elements import COVALENT_RADII, SYMBOLS
from core.fitting.linear import NormalEquations
from core.forcefields.base import ForceFieldError

SPEED = 60e9  # float64 operations per second that two cores reach in large products
MEMORY_BASE = 7e8  # bytes that torch, a block of rows and the data take anyway
FEWEST, MOST = 300, 15_000  #: functions of a basis chosen by itself
MOST_LARGE = 16_500  #: the same for molecules above SMALL
PER_ROW = 1.5  #: functions per equation in a basis chosen by itself
SMALL = 12  #: atoms up to which a cutoff of 5 Å is resolved by a basis of the usual size
LEVELS = range(30)


def check(dataset: Dataset, split: Split, hyper: Any) -> None:
    """Raises ForceFieldError on anything that would make a wrong or an empty fit."""
    if len(dataset.molecule.numbers) < 2:
        raise ForceFieldError("linear ACE needs at least two atoms: it describes neighbours")
    if len(split.train) == 0:
        raise ForceFieldError("linear ACE: there are no training frames")
    labelled = dataset.has_energy | dataset.has_forces
    for frames, use in ((split.train, "training"), (split.valid, "validation")):
        if len(frames) and frames.max() >= len(dataset):
            raise ForceFieldError(
                f"linear ACE: {use} frame {frames.max() + 1} of a data set with {len(dataset)}"
            )
        bare = frames[~labelled[frames]]
        if len(bare):
            raise ForceFieldError(
                f"linear ACE: {use} frame {bare[0] + 1} has no energy and no forces that are "
                f"numbers ({len(bare)} of {len(frames)} frames); leave such frames out"
            )
    train = split.train
    if hyper.one_body == "forces only" and not dataset.has_forces[train].any():
        raise ForceFieldError(
            "linear ACE: a fit to forces only, but no training frame has forces; fit energies too"
        )
    if hyper.one_body != "forces only" and not dataset.has_energy[train].any():
        raise ForceFieldError(
            "linear ACE: no training frame has an energy; choose the one-body energy 'forces only'"
        )
    mixed = hyper.energy_weight == 0 and not dataset.has_forces[train].all()
    if mixed:
        raise ForceFieldError(
            "linear ACE: the weight of energies is 0, and training frame "
            f"{train[~dataset.has_forces[train]][0] + 1} has no forces"
        )


def degrees_from(text: str) -> tuple[float, ...]:
    """ "18, 16, 14, 11" -> D_1 … D_nu. Raises ForceFieldError."""
    try:
        found = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        found = ()
    if not 1 <= len(found) <= 4 or min(found) < 1 or max(found) > 60:
        raise ForceFieldError(
            f"linear ACE: the degrees {text!r} are not one to four numbers from 1 to 60, one for "
            "each correlation order, such as 18 18 15 12"
        )
    return found


def resolve(dataset: Dataset, train: np.ndarray, hyper: Any) -> Setup:
    """The basis for this molecule and these training frames. Raises ForceFieldError."""
    numbers = dataset.molecule.numbers
    elements = np.unique(numbers)
    least, frame = shortest(dataset.positions[train], numbers, elements)
    k = int(least.argmin())
    if least[k] < 0.1:
        raise ForceFieldError(
            f"linear ACE: two atoms of training frame {train[frame[k]] + 1} are only "
            f"{least[k]:.3f} Å apart; leave that frame out"
        )
    lonely, nearest = _loneliest(dataset.positions[train[:200]])
    cutoff = hyper.cutoff or (5.0 if len(numbers) <= SMALL else 3.5)
    if cutoff <= nearest:
        raise ForceFieldError(
            f"linear ACE: the cutoff of {cutoff:g} Å is below the shortest bond of atom "
            f"{lonely + 1}, {nearest:.2f} Å on average; it would see no neighbours"
        )
    radii = np.array([COVALENT_RADII[int(e)] for e in elements])
    first, second = np.triu_indices(len(elements))
    r0 = (hyper.r0 or 0.4 * cutoff) * (radii[first] + radii[second])
    r_in = hyper.inner * np.where(least < cutoff, least, radii[first] + radii[second])

    def setup(degrees: tuple[float, ...]) -> Setup:
        return Setup(
            elements=elements,
            degrees=degrees,
            w_y=angular(len(numbers), hyper),
            cutoff=cutoff,
            pair_cutoff=max(hyper.pair_cutoff, cutoff),
            less=fewer(numbers, elements, hyper),
            r0=r0,
            r_in=r_in,
            n_pair=hyper.pair_functions,
            most=neighbours(numbers, elements),
        )

    degrees = _degrees(setup, len(train), len(numbers), hyper)
    return setup(degrees)


def _loneliest(positions: np.ndarray) -> tuple[int, float]:
    """The atom whose nearest neighbour is the furthest, on average over frames, and that in Å."""
    r = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    i = np.arange(r.shape[1])
    r[:, i, i] = np.inf
    nearest = r.min(2).mean(0)
    return int(nearest.argmax()), float(nearest.max())


def _degrees(
    setup: Callable[[tuple[float, ...]], Setup], n_train: int, n_atoms: int, hyper: Any
) -> tuple[float, ...]:
    """Those given, or the largest whose basis does not pass the size given or fit for the data."""
    if hyper.degrees.strip():
        return degrees_from(hyper.degrees)
    first = setup((1.0,))
    order = hyper.order or (4 if len(first.elements) <= 3 else 3)
    target = hyper.functions
    if target == 0:
        top = MOST if n_atoms <= SMALL else MOST_LARGE
        target = int(np.clip(PER_ROW * n_train * (3 * n_atoms - 5), FEWEST, top))
    best = _level(LEVELS[0], order)
    for level in LEVELS[1:]:
        degrees = _level(level, order)
        if setup(degrees).columns() > target:
            break
        best = degrees
    return best


def angular(n_atoms: int, hyper: Any) -> float:
    """Weight of the angular degree. Raises ForceFieldError below 0.1."""
    if 0 < hyper.w_y < 0.1:
        raise ForceFieldError("linear ACE: the weight of angular degree is 0 (automatic) or >= 0.1")
    return float(hyper.w_y or (0.5 if n_atoms <= SMALL else 0.35))


def fewer(numbers: np.ndarray, elements: np.ndarray, hyper: Any) -> tuple[float, ...]:
    """Degrees less around each element (Z,): hydrogen, and rare ones of larger molecules.

    Every element has a basis of its own. Where one has a single atom and carbon a dozen, the many
    surroundings of carbon need the functions: less = min(rare, log2(commonest heavy / own count)).
    """
    counts = np.array([(numbers == e).sum() for e in elements])
    most = max(counts[elements > 1], default=1)
    rare = hyper.rare if len(numbers) > SMALL else 0.0
    less = np.minimum(rare, np.log2(most / counts))
    return tuple(
        float(hyper.hydrogen if e == 1 else x) for e, x in zip(elements, less, strict=True)
    )


def expected_columns(numbers: np.ndarray, n_train: int, hyper: Any) -> int:
    """Size of the basis that `resolve` would choose, without the data."""
    elements = np.unique(numbers)
    ones = np.ones(pair_count(len(elements)))

    def setup(degrees: tuple[float, ...]) -> Setup:
        most = neighbours(numbers, elements)
        n = hyper.pair_functions
        w_y, less = angular(len(numbers), hyper), fewer(numbers, elements, hyper)
        return Setup(elements, degrees, w_y, 5.0, ones, 0.5 * ones, n, most, 5.0, less)

    return setup(_degrees(setup, n_train, len(numbers), hyper)).columns()


def _level(level: int, order: int) -> tuple[float, ...]:
    """Degrees per order, falling with the order as the number of products grows.

    One of D_2, D_3 and D_4 rises at a time; for ethanol each step buys the same for its functions.
    """
    base, step = divmod(level, 3)
    top = 4 + base
    second, third = top + 2 + (step > 0), top + 1 + (step > 1)
    found = (second, second, third, top)
    return tuple(float(d) for d in found[:order])


def constants(dataset: Dataset, train: np.ndarray, setup: Setup, hyper: Any) -> np.ndarray:
    """One-body energies (Z,) eV in the order of the setup's elements. Raises ForceFieldError."""
    kind = hyper.one_body
    names = [SYMBOLS[int(e)] for e in setup.elements]
    missing = [n for n in names if n not in dataset.isolated_atoms]
    if kind == "auto":
        kind = "average" if missing else "isolated atoms"
    if kind == "isolated atoms":
        if missing:
            raise ForceFieldError(
                f"linear ACE: the data set has no energy of an isolated {missing[0]} atom; add it "
                "or choose the average as the one-body energy"
            )
        return np.array([dataset.isolated_atoms[n] for n in names])
    if kind == "forces only":
        return np.zeros(len(names))
    assert dataset.energies is not None
    energies = dataset.energies[train[dataset.has_energy[train]]]
    return np.full(len(names), energies.mean() / len(dataset.molecule.numbers))


def cost(n_atoms: int, n_train: int, columns: int, solver: str) -> tuple[float, float]:
    """Rough (seconds, bytes) of a fit on two cores."""
    rows = n_train * (3 * n_atoms - 5.0)
    assembly = n_train * n_atoms * columns * 1.5e-7
    if solver == "cholesky":
        work = rows * columns**2 + 6 * columns**3 / 3
        memory = NormalEquations.bytes_needed(columns)
    elif solver == "rrqr":
        work = 2 * (rows + columns) * columns**2 + 6 * columns**3
        memory = 8.0 * columns * 6 * columns
    else:
        work = 4 * 1000 * rows * columns * 10
        memory = 8.0 * rows * columns
    return 2.0 + assembly + work / SPEED, MEMORY_BASE + memory
