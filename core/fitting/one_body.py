"""Energies that atoms have by themselves: what a sum of atomic energies starts from.

Isolated atoms where the data give them, so that a molecule dissociates rightly. Else one molecule
gives only its mean energy, which is shared by all its atoms; several compositions give more: the
least-squares energies e_z of

    sum_z n_pz e_z = <E>_p,    p a molecule with n_pz atoms of element z,

(of all solutions the one nearest to the mean energy per atom, where they do not fix every e_z).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.elements import SYMBOLS
from core.fitting.portion import Portion
from core.forcefields.errors import ForceFieldError

AGREE = 1e-3  #: eV within which data sets must give the same isolated atom
LEAST = 1e-9  #: of the largest singular value: smaller ones fix nothing


def one_body_energies(
    portions: Sequence[Portion], elements: np.ndarray, kind: str, *, label: str
) -> tuple[np.ndarray, str]:
    """(Z,) eV for the elements, and in words how they were found.

    kind: auto, isolated atoms, average or forces only (zeros). Raises ForceFieldError where
    isolated atoms are missing or differ between data sets.
    """
    if kind == "forces only":
        return np.zeros(len(elements)), kind
    lacking = _lacking(portions)
    if kind == "isolated atoms" and lacking:
        name, symbol = lacking
        which = f"the data set {name}" if len(portions) > 1 else "the data set"
        raise ForceFieldError(
            f"{label}: {which} has no energy of an isolated {symbol} atom; add it or choose the "
            "average as the one-body energy"
        )
    if kind == "isolated atoms" or (kind == "auto" and not lacking):
        return _isolated(portions, elements, label), "isolated atoms"
    found = []
    for p in portions:
        frames = p.split.train[p.dataset.has_energy[p.split.train]]
        assert p.dataset.energies is not None or not len(frames)
        found.append(np.zeros(0) if p.dataset.energies is None else p.dataset.energies[frames])
    energies, compositions = per_element([p.numbers for p in portions], found, elements)
    if compositions == 1:
        return energies, "average"
    return energies, f"least squares over {compositions} compositions"


def _lacking(portions: Sequence[Portion]) -> tuple[str, str] | None:
    """The first data set and element without an isolated atom."""
    for p in portions:
        for z in np.unique(p.numbers).tolist():
            if SYMBOLS[z] not in p.dataset.isolated_atoms:
                return p.dataset.name, SYMBOLS[z]
    return None


def _isolated(portions: Sequence[Portion], elements: np.ndarray, label: str) -> np.ndarray:
    out = []
    for symbol in (SYMBOLS[int(z)] for z in elements):
        given = [
            (p.dataset.isolated_atoms[symbol], p.dataset.name)
            for p in portions
            if symbol in p.dataset.isolated_atoms
        ]
        (low, one), (high, other) = min(given), max(given)
        if high - low > AGREE:
            raise ForceFieldError(
                f"{label}: an isolated {symbol} atom has {low:.4f} eV in {one} and {high:.4f} eV "
                f"in {other}; were they computed alike? The average is another one-body energy"
            )
        out.append(given[0][0])
    return np.array(out)


def per_element(
    numbers: Sequence[np.ndarray], energies: Sequence[np.ndarray], elements: np.ndarray
) -> tuple[np.ndarray, int]:
    """(Z,) eV that give the mean energies best, and how many compositions there were.

    numbers (N,) and energies (F,) eV of every molecule; those without energies do not count.
    Each molecule weighs as its number of frames.
    """
    there = [k for k, e in enumerate(energies) if len(e)]
    if not there:
        return np.zeros(len(elements)), 0
    counts = np.array([counts_of(numbers[k], elements) for k in there], dtype=float)
    kinds = len(np.unique(counts, axis=0))
    atoms = counts.sum(1)
    if kinds == 1:
        every = np.concatenate([energies[k] for k in there])
        return np.full(len(elements), every.mean() / len(numbers[there[0]])), 1
    means = np.array([energies[k].mean() for k in there])
    frames = np.array([len(energies[k]) for k in there], dtype=float)
    mean = (frames * means).sum() / (frames * atoms).sum()
    weight = np.sqrt(frames)
    rest = np.linalg.lstsq(counts * weight[:, None], weight * (means - mean * atoms), rcond=LEAST)
    return mean + rest[0], kinds


def counts_of(numbers: np.ndarray, elements: np.ndarray) -> np.ndarray:
    """(Z,) how many of the atoms (N,) are of each element."""
    return np.array([(numbers == z).sum() for z in elements], dtype=np.int64)


def known_compositions(portions: Sequence[Portion], elements: np.ndarray, how: str) -> np.ndarray:
    """(P,Z) atoms of each element in what the one-body energies were made from.

    how: as `one_body_energies` told it.
    """
    if how == "isolated atoms":
        return np.eye(len(elements), dtype=np.int64)
    rows = [
        counts_of(p.numbers, elements)
        for p in portions
        if p.dataset.has_energy[p.split.train].any()
    ]
    return np.unique(np.array(rows, dtype=np.int64).reshape(-1, len(elements)), axis=0)


def is_known(compositions: np.ndarray, elements: np.ndarray, numbers: np.ndarray) -> bool:
    """Whether the one-body energies of atoms (N,) together are fixed by compositions (P,Z).

    They are where their counts are a linear combination of those: each energy alone need not be.
    """
    if not len(compositions):
        return False
    counts, rows = counts_of(numbers, elements).astype(float), compositions.astype(float)
    rest = counts - np.linalg.pinv(rows, rcond=LEAST) @ (rows @ counts)
    return bool(np.abs(rest).max() < 1e-6)
