"""Before a linear ACE fit: checks of the data, the basis, cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from core.dataset import Dataset, Split
from core.descriptors.ace.design import pair_count
from core.descriptors.ace.setup import Setup, neighbours, shortest
from core.elements import COVALENT_RADII
from core.fitting.linear import NormalEquations
from core.fitting.portion import Portion, elements_of, naming
from core.forcefields.base import ForceFieldError

SPEED = 60e9  # float64 operations per second that two cores reach in large products
MEMORY_BASE = 7e8  # bytes that torch, a block of rows and the data take anyway
FEWEST, MOST = 300, 17_000  #: functions of a basis chosen by itself
MOST_LARGE = 22_000  #: the same for molecules above SMALL
PER_ROW = 1.5  #: functions per equation in a basis chosen by itself
SMALL = 12  #: atoms up to which 5 Å are resolved by a basis of any size
FAR = 5_000  #: functions from which it pays to see beyond NEAR in a larger molecule
NEAR = 3.5  # Å
STEP = 0.05  #: of the degrees
MANY = 30_000  #: functions asked for, from which they are not counted before they must be
FILLED = 0.93  #: part of the size asked for that is good enough


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


def resolve(portions: Sequence[Portion], hyper: Any) -> Setup:
    """The basis for these molecules and training frames. Raises ForceFieldError.

    The largest molecule decides what depends on size; an atom may have as many neighbours of an
    element as in any of them, and as short distances.
    """
    molecules = [p.numbers for p in portions]
    elements = elements_of(portions)
    sizes = [(len(p.numbers), len(p.split.train)) for p in portions]
    cutoff = reach(sizes, hyper)
    least = np.full(pair_count(len(elements)), np.inf)
    for p in portions:
        with naming(p, portions):
            least = np.minimum(least, _distances(p, elements, cutoff))
    radii = np.array([COVALENT_RADII[int(e)] for e in elements])
    first, second = np.triu_indices(len(elements))
    r0 = transform(sizes, hyper) * (radii[first] + radii[second])
    r_in = hyper.inner * np.where(least < cutoff, least, radii[first] + radii[second])

    setup = _maker(molecules, sizes, hyper, cutoff, r0, r_in)
    return setup(_degrees(setup, sizes, hyper))


def _maker(
    molecules: Sequence[np.ndarray],
    sizes: Sequence[tuple[int, int]],
    hyper: Any,
    cutoff: float,
    r0: np.ndarray,
    r_in: np.ndarray,
) -> Callable[[tuple[float, ...]], Setup]:
    """The basis for these molecules, but for its degrees; sizes: atoms and frames of each."""
    elements = np.unique(np.concatenate(molecules))
    fixed: dict[str, Any] = {
        "elements": elements,
        "w_y": angular(sizes, hyper),
        "cutoff": cutoff,
        "pair_cutoff": max(hyper.pair_cutoff, cutoff),
        "less": fewer(molecules, elements, hyper),
        "more": dearer(molecules, elements, hyper),
        "r0": r0,
        "r_in": r_in,
        "n_pair": hyper.pair_functions,
        "most": most_neighbours(molecules, elements),
    }
    return lambda degrees: Setup(degrees=degrees, **fixed)


def _distances(portion: Portion, elements: np.ndarray, cutoff: float) -> np.ndarray:
    """Least distance of each pair of elements (T,) Å. Raises ForceFieldError: too close, alone."""
    train, positions = portion.split.train, portion.dataset.positions
    least, frame = shortest(positions[train], portion.numbers, elements)
    k = int(least.argmin())
    if least[k] < 0.1:
        raise ForceFieldError(
            f"linear ACE: two atoms of training frame {train[frame[k]] + 1} are only "
            f"{least[k]:.3f} Å apart; leave that frame out"
        )
    lonely, nearest = _loneliest(positions[train[:200]])
    if cutoff <= nearest:
        raise ForceFieldError(
            f"linear ACE: the cutoff of {cutoff:g} Å is below the shortest bond of atom "
            f"{lonely + 1}, {nearest:.2f} Å on average; it would see no neighbours"
        )
    return least


def most_neighbours(molecules: Sequence[np.ndarray], elements: np.ndarray) -> np.ndarray:
    """(Z,Z): the most atoms of the second element that an atom of the first has beside itself."""
    there = [np.isin(elements, numbers)[:, None] for numbers in molecules]
    each = [neighbours(numbers, elements) for numbers in molecules]
    return np.max([k * t for k, t in zip(each, there, strict=True)], axis=0)


def _loneliest(positions: np.ndarray) -> tuple[int, float]:
    """The atom whose nearest neighbour is the furthest, on average over frames, and that in Å."""
    r = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)
    i = np.arange(r.shape[1])
    r[:, i, i] = np.inf
    nearest = r.min(2).mean(0)
    return int(nearest.argmax()), float(nearest.max())


def _degrees(
    setup: Callable[[tuple[float, ...]], Setup], sizes: Sequence[tuple[int, int]], hyper: Any
) -> tuple[float, ...]:
    """Those given, or the largest whose basis does not pass the size given or fit for the data.

    sizes: atoms and training frames of every molecule.
    """
    if hyper.degrees.strip():
        return degrees_from(hyper.degrees)
    order = _order(sizes, len(setup((1.0,)).elements), hyper)
    target = _target(sizes, hyper)

    def columns(level: float) -> float:
        try:
            return float(setup(_level(level, order)).columns())
        except ValueError:  # too many to count
            return np.inf

    low, high, pace = 0.0, 40.0, 0.7  # the size grows about as exp(pace * level)
    size, level = columns(low), 2.0
    best = low
    while high - low > STEP and size < FILLED * target:
        found = columns(level)
        if found > target:
            high = level
        else:
            low = best = level
            size = found
        step = np.log(0.97 * target / found) / pace if np.isfinite(found) else -1.0
        level = round((level + step) / STEP) * STEP
        if not low + STEP / 2 < level < high - STEP / 2:
            level = round((low + min(high, low + 2.0)) / 2 / STEP) * STEP
            if not low < level < high:
                break
    return _level(best, order)


def _target(sizes: Sequence[tuple[int, int]], hyper: Any) -> int:
    """The number of functions that the basis should have about."""
    if hyper.functions:
        return int(hyper.functions)
    top = MOST_LARGE if _large(n for n, _ in sizes) else MOST
    return int(np.clip(PER_ROW * _rows(sizes), FEWEST, top))


def _order(sizes: Sequence[tuple[int, int]], n_elements: int, hyper: Any) -> int:
    """Correlation order: in a large molecule more is bought by reach than by a fifth body."""
    far = _large(n for n, _ in sizes) and _target(sizes, hyper) >= FAR
    return int(hyper.order or (4 if n_elements <= 3 and not far else 3))


def reach(sizes: Sequence[tuple[int, int]], hyper: Any) -> float:
    """The cutoff in Å. On aspirin with 4000 functions 3.5 Å are best, with 7000 4.5 to 5 Å."""
    if not _large(n for n, _ in sizes):
        return float(hyper.cutoff or 5.0)
    return float(hyper.cutoff or (4.7 if _target(sizes, hyper) >= FAR else NEAR))


def transform(sizes: Sequence[tuple[int, int]], hyper: Any) -> float:
    """r0 in sums of covalent radii."""
    return float(hyper.r0 or (0.8 if _large(n for n, _ in sizes) else 2.0))


def _rows(sizes: Sequence[tuple[int, int]]) -> int:
    """Equations of frames with energies and forces; sizes: atoms and frames of every molecule."""
    return sum(frames * (3 * atoms - 5) for atoms, frames in sizes)


def angular(sizes: Sequence[tuple[int, int]], hyper: Any) -> float:
    """Weight of the angular degree. Raises ForceFieldError below 0.1."""
    if 0 < hyper.w_y < 0.1:
        raise ForceFieldError("linear ACE: the weight of angular degree is 0 (automatic) or >= 0.1")
    small = not _large(n for n, _ in sizes) and _target(sizes, hyper) < FAR
    return float(hyper.w_y or (0.5 if small else 0.3))


def fewer(molecules: Sequence[np.ndarray], elements: np.ndarray, hyper: Any) -> tuple[float, ...]:
    """Degrees less around each element (Z,): hydrogen, and rare ones of larger molecules.

    Every element has a basis of its own. Where one has a single atom and carbon a dozen, the many
    surroundings of carbon need the functions: less = min(rare, log2(commonest heavy / own count)),
    atoms counted in the molecule that has the most of the element.
    """
    return _by_rarity(molecules, elements, hydrogen=hyper.hydrogen, rare=hyper.rare)


def dearer(molecules: Sequence[np.ndarray], elements: np.ndarray, hyper: Any) -> tuple[float, ...]:
    """Degrees that a neighbour of each element costs more (Z,): hydrogen, and rare ones.

    With one degree for all, most products hold rare neighbours (H C N O has 20 triples, one of them
    CCC), though the fitted ones of carbon move the atoms most: by e^0.5 for each factor exchanged,
    as much as one degree. more = min(neighbours, log2(commonest heavy / own count)), hydrogen all;
    in molecules of up to SMALL atoms, where hydrogens are most of what moves, 0.
    """
    top = hyper.neighbours if _large(map(len, molecules)) else 0.0
    return _by_rarity(molecules, elements, hydrogen=top, rare=top)


def _by_rarity(
    molecules: Sequence[np.ndarray], elements: np.ndarray, *, hydrogen: float, rare: float
) -> tuple[float, ...]:
    """min(rare, log2(commonest heavy / own count)) of elements (Z,), but `hydrogen` for hydrogen.

    Counted in the molecule with most of each; 0 for heavy elements of small molecules.
    """
    counts = np.max([[(m == e).sum() for e in elements] for m in molecules], axis=0)
    rarity = np.log2(max(counts[elements > 1], default=1) / counts)
    weights = np.minimum(rare if _large(map(len, molecules)) else 0.0, rarity)
    return tuple(float(hydrogen if e == 1 else x) for e, x in zip(elements, weights, strict=True))


def _large(atoms: Iterable[int]) -> bool:
    """Whether the largest of molecules with so many atoms is above SMALL."""
    return max(atoms) > SMALL


def expected_columns(sizes: Sequence[tuple[np.ndarray, int]], hyper: Any) -> int:
    """Size of the basis that `resolve` would choose, without the data.

    sizes: atomic numbers (N,) and training frames of every molecule. So many that counting takes
    seconds are taken as asked for.
    """
    if hyper.functions >= MANY and not hyper.degrees.strip():
        return int(hyper.functions)
    molecules = [numbers for numbers, _ in sizes]
    counts = [(len(numbers), frames) for numbers, frames in sizes]
    ones = np.ones(pair_count(len(np.unique(np.concatenate(molecules)))))
    setup = _maker(molecules, counts, hyper, 5.0, ones, 0.5 * ones)  # no distance counts here
    return setup(_degrees(setup, counts, hyper)).columns()


def _level(level: float, order: int) -> tuple[float, ...]:
    """Degrees per order, falling with the order as the number of products grows.

    They rise one after the other; for ethanol each step buys the same for its functions.
    """
    top = 4.0 + level
    if order < 4:
        return (top + 3.3, top + 3.3, top + 1.3)[:order]
    return top + 2.2, top + 2.2, top + 1.3, top


def cost(sizes: Sequence[tuple[int, int]], columns: int, solver: str) -> tuple[float, float]:
    """Rough (seconds, bytes) of a fit on two cores; sizes: atoms and frames of every molecule."""
    rows = float(_rows(sizes))
    assembly = sum(atoms**2 * frames for atoms, frames in sizes) * columns * 2e-8
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
