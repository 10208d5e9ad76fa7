"""What the numbers themselves say about their units and the sign of the forces.

Three independent signs: absolute energies against sums of atomic energies; the force constant of
X-H bonds from the forces on hydrogens; energy differences against the work of the forces between
near frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.elements import COVALENT_RADII
from core.readers.raw import Block

#: Total energies of atoms, Hartree, all electrons; about 0.5 % from any functional's.
ATOM_TOTAL = {
    1: -0.50, 2: -2.90, 3: -7.48, 4: -14.66, 5: -24.63, 6: -37.82, 7: -54.56, 8: -75.04, 9: -99.70,
    10: -128.90, 11: -162.23, 12: -200.03, 13: -242.34, 14: -289.35, 15: -341.24, 16: -398.09,
    17: -460.12, 18: -527.51, 19: -599.86, 20: -677.51, 21: -760.5, 22: -849.3, 23: -943.8,
    24: -1044.3, 25: -1150.8, 26: -1263.5, 27: -1382.6, 28: -1508.1, 29: -1640.3, 30: -1779.2,
    31: -1924.6, 32: -2076.8, 33: -2235.6, 34: -2401.2, 35: -2573.9, 36: -2753.9,
}  # fmt: skip
#: The same in GFN2-xTB (tblite), which counts valence electrons only.
ATOM_GFN2 = {
    1: -0.3935, 5: -0.9524, 6: -1.7933, 7: -2.6058, 8: -3.7676, 9: -4.6193, 14: -1.5696,
    15: -2.3742, 16: -3.1465, 17: -4.4825, 35: -4.0483, 53: -3.7796,
}  # fmt: skip
#: Force constants of X-H stretches, eV/Å² (5.3, 6.9, 7.4 mdyn/Å: C-H, N-H, O-H of hot molecules).
STRETCH = {6: 32.0, 7: 42.0, 8: 46.0}
MAX_VARIATION = 0.05  # of a total energy; one broken bond of H2 is 15 %, of ethanol 0.1 %
MIN_SPREAD = 0.008  # Å; in scans of relaxed geometries bonds hardly move
NOBLE = (2, 10, 18, 36, 54, 86, 118)
MAX_SAMPLE = 1500  # frames that the neighbour search looks at
MAX_SITES = 40  # atoms that it looks at
MAX_PAIRS = 300


@dataclass(frozen=True)
class Stretch:
    """constant: restoring-force constant over the expected one (file units / (eV/Å²)), median over
    hydrogens; negative when the forces point away from the minimum. bonds: how many hydrogens."""

    constant: float
    bonds: int


@dataclass(frozen=True)
class Work:
    """Energy differences against work between near frames.

    correlation -1..1; slope dE / work (1 when the units agree; file units); pairs.
    """

    correlation: float
    slope: float
    pairs: int


def atom_ratio(block: Block, table: dict[int, float]) -> float:
    """Median energy over the sum of the atoms' energies (file unit / Hartree).

    NaN where atoms are unknown, and where the energies vary by more than MAX_VARIATION of
    themselves: relative energies may come near any number by chance.
    """
    if block.energies is None or not all(int(z) in table for z in block.numbers):
        return float("nan")
    known = block.energies[np.isfinite(block.energies)]
    middle = float(np.median(known))
    if np.ptp(known) > MAX_VARIATION * abs(middle):
        return float("nan")
    return middle / sum(table[int(z)] for z in block.numbers)


def nearest(block: Block, *, frames: int = 20) -> float:
    """Median over atoms and frames of the shortest distance / sum of covalent radii; 1 in Å.

    NaN for single atoms and noble gases, which have no bonds.
    """
    n = len(block.numbers)
    if n < 2 or np.isin(block.numbers, NOBLE).any():
        return float("nan")
    step = max(1, len(block.positions) // frames)
    radii = COVALENT_RADII[block.numbers]
    positions = block.positions[::step][: max(1, min(frames, int(4e7 / n**2)))]
    ratios = []
    for r in positions:  # one (N,N) table at a time: N may be 10 000
        atoms = np.arange(n) if n <= 1000 else np.linspace(0, n - 1, 1000).astype(int)
        d = np.linalg.norm(r[atoms, None] - r[None], axis=-1)
        d[np.arange(len(atoms)), atoms] = np.inf
        ratios.append((d / (radii[atoms, None] + radii[None])).min(1))
    return float(np.median(np.concatenate(ratios)))


def stretch(block: Block, *, length: float) -> Stretch | None:
    """The X-H force constants. length: Å per length unit of the file. None when none can be had."""
    if block.forces is None or len(block.positions) < 8 or len(block.numbers) > 2000:
        return None
    have = np.isfinite(block.forces).all((1, 2))
    positions, forces = block.positions[have][:5000] * length, block.forces[have][:5000]
    if len(positions) < 8:
        return None
    hydrogens = np.flatnonzero(block.numbers == 1)[:MAX_SITES]
    heavy = np.flatnonzero(np.isin(block.numbers, list(STRETCH)))
    found = []
    for h in hydrogens if len(heavy) else ():
        mean = np.linalg.norm(positions[0, heavy] - positions[0, h], axis=-1)
        x = int(heavy[mean.argmin()])
        bond = positions[:, h] - positions[:, x]
        r = np.linalg.norm(bond, axis=1)
        usual = np.median(r)
        near = np.abs(r - usual) < 0.2  # a proton that moves over is no spring
        if near.sum() < 8 or not 0.8 < usual < 1.3 or r[near].std() < MIN_SPREAD:
            continue
        radial = (forces[:, h] * bond).sum(1)[near] / r[near]
        if radial.std() == 0 or abs(np.corrcoef(r[near], radial)[0, 1]) < 0.85:
            continue
        found.append(-np.polyfit(r[near], radial, 1)[0] / STRETCH[int(block.numbers[x])])
    return Stretch(float(np.median(found)), len(found)) if found else None


def work(blocks: list[Block]) -> Work | None:
    """dE against -½(F1+F2)·dr over the nearest pairs of frames, rotations removed.

    The trapezoid is exact to third order in the step. None for fewer than 5 pairs.
    """
    parts = [p for b in blocks if (p := _pairs(b)) is not None]
    if not parts:
        return None
    distance, done, gain = (np.concatenate(c) for c in zip(*parts, strict=True))
    best = np.argsort(distance)[: max(20, min(MAX_PAIRS, len(distance) // 2))]
    done, gain = done[best], gain[best]
    if len(best) < 5 or done.std() == 0 or gain.std() == 0:
        return None
    correlation = float(np.corrcoef(done, gain)[0, 1])
    slope = float((done * gain).sum() / (done**2).sum())
    for _ in range(5):  # leave out the pairs that are too far apart for a trapezoid
        miss = np.abs(gain - slope * done)
        keep = miss <= np.quantile(miss, 0.7)
        if not done[keep].any():
            break
        slope = float((done * gain)[keep].sum() / (done**2)[keep].sum())
    return Work(correlation, slope, len(best))


def _pairs(block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(distance, work, energy difference) of near pairs of one block."""
    if block.energies is None or block.forces is None or len(block.numbers) < 2:
        return None
    have = np.flatnonzero(np.isfinite(block.energies) & np.isfinite(block.forces).all((1, 2)))
    if len(have) < 2:
        return None
    if len(have) > MAX_SAMPLE:
        # Half a consecutive piece (near in time is near in space), half spread out.
        half = MAX_SAMPLE // 2
        spread = np.linspace(half, len(have) - 1, half).astype(int)
        have = have[np.unique(np.concatenate([np.arange(half), spread]))]
    positions, forces = block.positions[have], block.forces[have]
    energies = block.energies[have]
    x = descriptor(block.numbers, positions)
    x = x - x.mean(0)
    square = (x**2).sum(1)
    d2 = square[:, None] + square[None] - 2 * x @ x.T
    d2[np.tril_indices(len(x))] = np.inf
    # Duplicates teach nothing.
    d2[d2 < 1e-12 * max(1.0, float(square.max()))] = np.inf
    j = d2[:-1].argmin(1)
    i = np.arange(len(j))
    ok = np.isfinite(d2[i, j])
    i, j = i[ok], j[ok]
    if not len(i):
        return None
    a = positions[i] - positions[i].mean(1, keepdims=True)
    b = positions[j] - positions[j].mean(1, keepdims=True)
    turn = rotation(a, b)
    step = b @ turn - a
    done = -0.5 * ((forces[i] + forces[j] @ turn) * step).sum((1, 2))
    return (step**2).sum((1, 2)), done, energies[j] - energies[i]


def descriptor(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Inverse distances (M,D) between at most MAX_SITES atoms, heavy ones first."""
    sites = np.argsort(numbers == 1, kind="stable")[:MAX_SITES]
    i, j = np.triu_indices(len(sites), 1)
    d = np.linalg.norm(positions[:, sites[i]] - positions[:, sites[j]], axis=-1)
    return 1.0 / np.maximum(d, 1e-6)


def rotation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Proper rotations R (K,3,3) so that b @ R fits a best; a, b (K,N,3) centred.

    Kabsch, Acta Cryst. A32, 922 (1976).
    """
    u, _, vt = np.linalg.svd(np.einsum("kni,knj->kij", b, a))
    sign = np.ones((len(a), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[:, None, :]) @ vt
