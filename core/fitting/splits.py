"""Which frames train, validate and test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.dataset import Dataset, Split
from core.descriptors.pair_distances import pair_distances, repeated_frames
from core.fitting.partitions import PartitionError, sides, stretches

MAX_TEST = 1000  #: test frames when all that is left is asked for
GROUPS = 10  #: clusters of a split by cluster
BLOCKS, REGION = "trajectory-block", "surface-region"


class SplitError(ValueError):
    """A split cannot be drawn; the message says why and what to do."""


def energy_stratified(
    pool: np.ndarray, n: int, rng: np.random.Generator, dataset: Dataset
) -> np.ndarray:
    """n frames whose energies are distributed as those of the pool.

    The pool is sorted by energy and cut into n runs of equal length; one frame is drawn from each.
    (Proportional stratified sampling with as many strata as draws: the sample's energy histogram
    follows the pool's for any n, and its tails are never missed.)
    """
    if dataset.energies is None or not dataset.has_energy[pool].all():
        raise SplitError(
            f"{dataset.name}: not every frame has an energy to sort by; "
            "choose the split 'random' instead of 'energy-stratified'"
        )
    order = pool[np.argsort(dataset.energies[pool], kind="stable")]
    edges = np.linspace(0, len(order), n + 1)
    low = np.ceil(edges[:-1]).astype(np.int64)
    high = np.maximum(np.ceil(edges[1:]).astype(np.int64), low + 1)
    return order[rng.integers(low, high)]


def random(pool: np.ndarray, n: int, rng: np.random.Generator, dataset: Dataset) -> np.ndarray:
    """n frames, each as likely as any other."""
    return rng.choice(pool, n, replace=False)


def evenly_spaced(
    pool: np.ndarray, n: int, rng: np.random.Generator, dataset: Dataset
) -> np.ndarray:
    """n frames at even steps through the file: for trajectories (the seed plays no part)."""
    return pool[(np.arange(n) * len(pool)) // n]


def farthest_point(
    pool: np.ndarray, n: int, rng: np.random.Generator, dataset: Dataset
) -> np.ndarray:
    """n frames, each the one farthest in its interatomic distances from those already drawn."""
    features = pair_distances(dataset.positions[pool])
    chosen = np.empty(n, dtype=np.int64)
    chosen[0] = rng.integers(len(pool))
    nearest = np.full(len(pool), np.inf)
    for k in range(1, n):
        away = np.square(features - features[chosen[k - 1]]).sum(1)
        nearest = np.minimum(nearest, away)
        chosen[k] = int(np.argmax(nearest))
    return pool[chosen]


def by_cluster(pool: np.ndarray, n: int, rng: np.random.Generator, dataset: Dataset) -> np.ndarray:
    """n frames, as many from every cluster of like shapes (small ones give all they have)."""
    from core.fitting.clusters import clusters

    label = clusters(dataset.positions[pool], min(GROUPS, n), seed=int(rng.integers(2**31)))
    order = rng.permutation(len(pool))
    # place within its own cluster, in shuffled order: the first of each, the second of each …
    place = np.empty(len(pool), dtype=np.int64)
    for name in np.unique(label):
        mine = order[label[order] == name]
        place[mine] = np.arange(len(mine))
    return pool[order[np.argsort(place[order], kind="stable")][:n]]


Method = Callable[[np.ndarray, int, np.random.Generator, Dataset], np.ndarray]
METHODS: dict[str, Method] = {
    "energy-stratified": energy_stratified,
    "random": random,
    "evenly-spaced": evenly_spaced,
    "farthest-point": farthest_point,
    "cluster": by_cluster,
    BLOCKS: evenly_spaced,
    REGION: random,
}
#: how validation and test frames are drawn where that is not as the training frames: errors should
#: be measured where frames are, not where they are rare
LATER = {"farthest-point": random, "cluster": random}


def draw(
    dataset: Dataset,
    *,
    n_train: int,
    n_valid: int,
    n_test: int = 0,
    seed: int = 0,
    method: str = "energy-stratified",
    energies_suffice: bool = False,
    region: str = "",
) -> tuple[Split, dict[str, str]]:
    """Draw a split from the frames that have forces and do not repeat an earlier frame.

    energies_suffice: where no frame has forces, those with an energy are taken instead.

    Training frames first, by `method`; validation and test frames from what is left, by the same
    method (see LATER for the exceptions). n_test 0 = all that is left, at most 1000. Validation and
    test get what is left when that is less than asked. trajectory-block: the three parts come from
    consecutive stretches of the file. surface-region: training and validation frames from inside
    `region` ("1-2-3-9:-90:90"), test frames from outside. Returns the split and notes: what was
    left out, and why. Raises SplitError when there are no forces or fewer usable frames than
    n_train, or no such region.
    """
    if method not in METHODS:
        raise SplitError(f"there is no split {method!r}; there are: {', '.join(METHODS)}")
    if n_train < 1 or n_valid < 0 or n_test < 0 or seed < 0:
        raise SplitError(
            f"seed {seed}, {n_train} training, {n_valid} validation and {n_test} test frames: "
            "at least 1 training frame and no negative numbers"
        )
    pool, notes = usable(dataset, energies_suffice=energies_suffice)
    if n_train > len(pool):
        left_out = f" ({'; '.join(notes.values())})" if notes else ""
        raise SplitError(
            f"{dataset.name}: {n_train} training frames asked, {len(pool)} can be used{left_out}"
        )
    # the size is part of the key: the points of a learning curve are independent samples
    rng = np.random.default_rng([seed, n_train])
    pools = _pools(pool, dataset, method, (n_train, n_valid, n_test), region)
    if n_train > len(pools[0]):
        raise SplitError(
            f"{dataset.name}: {n_train} training frames asked, {len(pools[0])} lie in {region}"
        )
    train = METHODS[method](pools[0], n_train, rng, dataset)
    # a shuffled order makes every prefix a fair smaller sample of the same kind
    train = rng.permutation(train)
    later = LATER.get(method, METHODS[method])
    rest = np.setdiff1d(pools[1], train)
    valid = _at_most(later, rest, n_valid, rng, dataset)
    if len(valid) < n_valid:
        notes["validation"] = f"{len(valid)} of {n_valid} validation frames: no more are left"
    rest = np.setdiff1d(np.setdiff1d(pools[2], train), valid)
    test = _at_most(later, rest, n_test or MAX_TEST, rng, dataset)
    if n_test and len(test) < n_test:
        notes["test"] = f"{len(test)} of {n_test} test frames: no more are left"
    elif len(test) == 0:
        notes["test"] = "no frames are left to test on"
    return Split(train=train, valid=valid, test=test, seed=seed, method=method), notes


def _pools(
    pool: np.ndarray, dataset: Dataset, method: str, sizes: tuple[int, int, int], region: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """From where training, validation and test frames are drawn."""
    if method == BLOCKS:
        n_train, n_valid, n_test = sizes
        left = max(len(pool) - n_train - n_valid, 0)
        n_test = min(n_test or MAX_TEST, left)
        first, second, third = stretches(pool, (n_train, min(n_valid, len(pool) - n_train), n_test))
        return first, second, third
    if method == REGION:
        try:
            inside, outside = sides(pool, dataset, region)
        except PartitionError as error:
            raise SplitError(f"{dataset.name}: {error}") from None
        return inside, inside, outside
    return pool, pool, pool


def usable(
    dataset: Dataset, *, energies_suffice: bool = False
) -> tuple[np.ndarray, dict[str, str]]:
    """Frames (from 0) that can be drawn, and notes on those that cannot.

    Raises SplitError where no frame has forces (nor, where energies suffice, an energy).
    """
    notes = {}
    labelled, what = dataset.has_forces, "forces"
    if energies_suffice and not labelled.any():
        labelled, what = dataset.has_energy, "energy"
        notes["energies only"] = "no frame has forces: fitted to energies alone"
    if not labelled.any():
        raise SplitError(
            f"{dataset.name} has no forces: {int(dataset.has_energy.sum())} energies and 0 forces "
            "found in it. Training needs forces; import a file that has them"
        )
    pool = np.flatnonzero(labelled)
    missing = np.flatnonzero(~labelled)
    if len(missing):
        notes[f"without {what}"] = f"left out, no {what}: {_frames(missing)}"
    if dataset.has_energy[pool].any() and not dataset.has_energy[pool].all():
        missing = pool[~dataset.has_energy[pool]]
        pool = pool[dataset.has_energy[pool]]
        notes["without energy"] = f"left out, no energy: {_frames(missing)}"
    again, first = repeated_frames(dataset.positions[pool])
    if len(again):
        example = f"frame {pool[again[0]] + 1} repeats frame {pool[first[0]] + 1}"
        notes["repeated"] = f"left out, repeated geometries ({example}): {_frames(pool[again])}"
        pool = np.delete(pool, again)
    return pool, notes


def _frames(frames: np.ndarray, shown: int = 8) -> str:
    more = f" … ({len(frames)} in all)" if len(frames) > shown else ""
    word = "frame" if len(frames) == 1 else "frames"
    return f"{word} {', '.join(str(f + 1) for f in frames[:shown])}{more}"


def _at_most(
    method: Method, pool: np.ndarray, n: int, rng: np.random.Generator, dataset: Dataset
) -> np.ndarray:
    n = min(n, len(pool))
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    return np.sort(pool if n == len(pool) else method(pool, n, rng, dataset))
