"""From what a reader found to data sets in eV and Å with a report each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.dataset import Dataset
from core.elements import SYMBOLS
from core.molecule import Molecule
from core.readers import evidence, quality
from core.readers.errors import ReaderError
from core.readers.raw import Block, Raw
from core.readers.units import Units

MAX_BOND_ATOMS = 500  # bond orders of larger molecules take minutes
CLOSE = 0.3  # Å; nearer than any two nuclei of a molecule (H2: 0.74)
LOST_PRECISION = 1e-3  # eV; the least energy difference worth having


@dataclass(frozen=True)
class Found:
    """One data set and the parts of its report."""

    dataset: Dataset
    n_energies: int
    n_forces: int
    sign: str
    sign_detail: str
    duplicates: tuple[int, ...]
    outliers: tuple[int, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def build(
    raw: Raw,
    units: Units,
    *,
    name: str,
    source: str,
    sha256: str,
    flip: bool = False,
    tick: Callable[[float], None] = lambda fraction: None,
) -> tuple[Found, ...]:
    """A data set for every block, checked. flip: the forces are gradients, turn their sign.

    Raises ReaderError where a block cannot be a molecule.
    """
    if flip:
        blocks = tuple(
            b if b.forces is None else dataclasses.replace(b, forces=-b.forces) for b in raw.blocks
        )
        raw = dataclasses.replace(raw, blocks=blocks)
    pooled = None
    if len(raw.blocks) > 1:
        pooled = evidence.work([b for b in raw.blocks if b.forces is not None])
    found = []
    taken: set[str] = set()
    for k, block in enumerate(raw.blocks):
        title = name if len(raw.blocks) == 1 else f"{name} {block.label or _formula(block)}"
        unique, count = title, 1
        while unique in taken:
            count += 1
            unique = f"{title} ({count})"
        taken.add(unique)
        found.append(
            _one(block, raw, units, name=unique, source=source, sha256=sha256, pooled=pooled)
        )
        tick((k + 1) / len(raw.blocks))
    return tuple(found)


def _formula(block: Block) -> str:
    return Molecule("", block.numbers, block.positions[0]).formula


def _one(
    block: Block, raw: Raw, units: Units, *, name: str, source: str, sha256: str,
    pooled: evidence.Work | None,
) -> Found:  # fmt: skip
    positions = block.positions * units.length_a
    energies = None if block.energies is None else block.energies * units.energy_ev
    forces = None if block.forces is None else block.forces * units.force_ev
    notes, problems = list(raw.notes + block.notes), list(raw.problems + units.problems)
    molecule = _molecule(block, positions, energies, name, source, notes)
    try:
        dataset = Dataset(
            name=name,
            molecule=molecule,
            positions=positions,
            energies=energies,
            forces=forces,
            level=block.level,
            source=source,
            source_units=units.text,
            sha256=sha256,
            tags=dict(block.tags),
            isolated_atoms={s: e * units.energy_ev for s, e in raw.isolated.items()},
        )
    except ValueError as error:
        raise ReaderError(source, str(error)) from None
    _missing(dataset, notes)
    _suspect(dataset, problems)
    sign, detail = quality.force_sign(
        block,
        energy_ev=units.energy_ev,
        force_ev=units.force_ev,
        length_a=units.length_a,
        pooled=pooled,
    )
    if sign == "reversed":
        problems.append(f"the forces have the sign of gradients (dE/dx): {detail}")
    repeats = quality.duplicates(dataset.positions)
    far = quality.outliers(dataset.energies, dataset.forces)
    for what, frames in (("duplicates", repeats), ("outliers", far)):
        if len(frames) > quality.LISTED:
            notes.append(f"{len(frames)} {what}; the first {quality.LISTED} are listed")
    return Found(
        dataset=dataset,
        n_energies=int(dataset.has_energy.sum()),
        n_forces=int(dataset.has_forces.sum()),
        sign=sign,
        sign_detail=detail,
        duplicates=tuple(int(k) + 1 for k in repeats[: quality.LISTED]),
        outliers=tuple(int(k) + 1 for k in far[: quality.LISTED]),
        problems=tuple(dict.fromkeys(problems)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _molecule(
    block: Block,
    positions: np.ndarray,
    energies: np.ndarray | None,
    name: str,
    source: str,
    notes: list[str],
) -> Molecule:
    """The molecule in its lowest-energy frame (else the first), with bonds."""
    from core.bonding import perceive

    best = 0
    if energies is not None and np.isfinite(energies).any():
        best = int(np.nanargmin(energies))
    electrons = int(block.numbers.sum()) - block.charge
    multiplicity = block.multiplicity or (2 if electrons % 2 else 1)
    if electrons < 0:
        raise ReaderError(source, f"a charge of {block.charge:+d} is more than all its electrons")
    if not 1 <= multiplicity <= electrons + 1 or (electrons + multiplicity) % 2 == 0:
        notes.append(
            f"a multiplicity of {multiplicity} does not fit {electrons} electrons: "
            f"{2 if electrons % 2 else 1} is used"
        )
        multiplicity = 2 if electrons % 2 else 1
    elif block.multiplicity is None and multiplicity == 2:
        notes.append(f"{electrons} electrons at charge {block.charge:+d}: taken as a doublet")
    molecule = Molecule(name, block.numbers, positions[best], block.charge, multiplicity)
    if block.bonds is not None and block.orders is not None:
        return dataclasses.replace(molecule, bonds=block.bonds, orders=block.orders)
    n = len(block.numbers)
    if n > MAX_BOND_ATOMS:
        notes.append(f"bonds are not looked for in {n} atoms (at most {MAX_BOND_ATOMS})")
        return molecule
    if n == 1 or _closest(positions[best]) < CLOSE:
        return molecule
    bonded, remark = perceive(molecule)
    if remark:
        notes.append(remark)
    return bonded


def _closest(positions: np.ndarray) -> float:
    d = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    np.fill_diagonal(d, np.inf)
    return float(d.min())


def _missing(dataset: Dataset, notes: list[str]) -> None:
    """Labels that are not there are said, never passed over."""
    m = len(dataset)
    if not dataset.has_energy.any() and not dataset.has_forces.any():
        notes.append("no energies and no forces: geometry only")
        return
    for what, have in (("energy", dataset.has_energy), ("forces", dataset.has_forces)):
        count = int(have.sum())
        if count == 0:
            notes.append(f"no {'energies' if what == 'energy' else what} in the file")
        elif count < m:
            first = int(np.flatnonzero(~have)[0]) + 1
            notes.append(f"{m - count} of {m} frames have no {what} (the first: frame {first})")


def _suspect(dataset: Dataset, problems: list[str]) -> None:
    """Labels and geometries that no calculation gives."""
    energies, forces = dataset.energies, dataset.forces
    if energies is not None and dataset.has_energy.sum() > 2:
        known = energies[dataset.has_energy]
        if np.ptp(known) == 0.0:
            problems.append("all energies are the same number: they are no labels")
        elif np.spacing(np.abs(known).max()) > LOST_PRECISION:
            problems.append("the energies are too large to hold differences of 1 meV")
    if forces is not None and dataset.has_forces.any():
        known = forces[dataset.has_forces]
        if not known.any():
            problems.append("all forces are zero: they are no labels")
    n = len(dataset.molecule.numbers)
    step = max(1, int(len(dataset) * n * n / 4e7))
    if n > 1:
        for frame in range(0, len(dataset), max(step, 1 + len(dataset) // 5000)):
            if n <= 1000 and _closest(dataset.positions[frame]) < CLOSE:
                d = np.linalg.norm(
                    dataset.positions[frame][:, None] - dataset.positions[frame][None], axis=-1
                )
                np.fill_diagonal(d, np.inf)
                i, j = np.unravel_index(int(d.argmin()), d.shape)
                symbols = [SYMBOLS[int(z)] for z in dataset.molecule.numbers]
                problems.append(
                    f"frame {frame + 1}: atoms {symbols[i]}{i + 1} and {symbols[j]}{j + 1} are "
                    f"{d.min():.3f} Å apart"
                )
                break
