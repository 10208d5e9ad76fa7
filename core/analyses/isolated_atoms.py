"""Give a stored data set the energies of its free atoms, read from a file of single atoms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.wire import wire

if TYPE_CHECKING:
    from core.dataset import Dataset
    from core.engine.context import Context
    from core.readers.raw import Raw

#: eV per atom that a molecule may be bound by: H2 has 2.3, N2 4.9, CO2 5.6
BOUND = (0.2, 15.0)
SAME = 1e-6  # eV; two energies of one element that differ by more contradict each other


@wire
@dataclass(frozen=True, eq=False)
class IsolatedSpec:
    """Put the energies of free atoms into the saved Dataset `dataset`.

    path: a file whose frames hold one atom each; units "" = find out, else "eV", "kcal/mol",
    "kJ/mol" or "Hartree". Where path is empty, `energies` (symbol -> eV) take the place of those
    that are there: that is how it is undone.
    """

    QUICK: ClassVar[bool] = True  # must not wait behind a training

    dataset: str
    path: str = ""
    energies: dict[str, float] = field(default_factory=dict)
    units: str = ""


@wire
@dataclass(frozen=True)
class IsolatedAtoms:
    """before, energies: symbol -> eV, as they were and as they are now.

    unsure: why the unit is not certain; then nothing was changed, and unit_choices are what to ask.
    bound: eV per atom that the molecule is bound by, NaN where the data set has no energies.
    missing: elements of the molecule that still have no energy.
    """

    before: dict[str, float]
    energies: dict[str, float]
    units: str = ""
    reason: str = ""
    unsure: str = ""
    unit_choices: tuple[str, ...] = ()
    bound: float = float("nan")
    missing: tuple[str, ...] = ()


def run(spec: IsolatedSpec, context: Context) -> IsolatedAtoms:
    """See IsolatedSpec. What the file does not name is kept.

    Raises ReaderError where the file is none of single atoms or contradicts itself or the data
    set, StorageError where the data set cannot be read or written.
    """
    import dataclasses

    from core import readers, storage
    from core.dataset import Dataset
    from core.readers.units import decide

    data = storage.load(spec.dataset, Dataset)
    before = dict(data.isolated_atoms)
    if not spec.path:
        _write(spec.dataset, data, spec.energies)
        return IsolatedAtoms(before, dict(spec.energies), missing=_missing(data, spec.energies))
    context.progress(0.2, "reading")
    raw = readers.read(spec.path)
    numbers = single_atoms(raw, spec.path)
    units = decide(raw, energy=spec.units)
    found = {s: e * units.energy_ev for s, e in numbers.items()}
    result = IsolatedAtoms(
        before, {**before, **found}, units.energy, units.reason.split(";")[0],
        unsure=units.unsure, unit_choices=units.choices, bound=_bound(data, {**before, **found}),
    )  # fmt: skip
    if units.unsure:
        return result
    low, high = BOUND
    if not np.isnan(result.bound) and not low <= result.bound <= high:
        raise readers.ReaderError(
            spec.path,
            f"with these atoms ({units.energy}) {data.molecule.formula} of {data.name} would be "
            f"bound by {result.bound:.3g} eV per atom; molecules are by 2 to 8. They are of "
            "another level of theory, or in another unit, than the data set",
        )
    _write(spec.dataset, data, result.energies)
    return dataclasses.replace(result, missing=_missing(data, result.energies))


def single_atoms(raw: Raw, path: str) -> dict[str, float]:
    """symbol -> energy in the file's unit. Raises ReaderError naming the frame that is no atom."""
    from core.elements import SYMBOLS
    from core.molecule import Molecule
    from core.readers import ReaderError

    found: dict[str, float] = dict(raw.isolated)
    for block in raw.blocks:
        frame = int(block.frames[0])
        if len(block.numbers) != 1:
            formula = Molecule("", block.numbers, block.positions[0]).formula
            raise ReaderError(
                path,
                f"holds {formula} with {len(block.numbers)} atoms. A file of isolated-atom "
                "energies has one atom in each frame; import molecules with Import",
                frame=frame,
            )
        symbol = SYMBOLS[int(block.numbers[0])]
        energies = np.full(1, np.nan) if block.energies is None else block.energies
        if not np.isfinite(energies).all():
            bad = int(block.frames[np.flatnonzero(~np.isfinite(energies))[0]])
            raise ReaderError(path, f"this {symbol} atom has no energy", frame=bad)
        first = found.setdefault(symbol, float(energies[0]))
        if np.abs(energies - first).max() > SAME * max(1.0, abs(first)):
            raise ReaderError(path, f"gives two energies for {symbol}: keep the right one")
    if any("isolated" in p for p in raw.problems):
        problem = next(p for p in raw.problems if "isolated" in p)
        raise ReaderError(path, f"{problem}: keep the right one")
    return found


def _missing(data: Dataset, energies: dict[str, float]) -> tuple[str, ...]:
    return tuple(s for s in dict.fromkeys(data.molecule.symbols) if s not in energies)


def _bound(data: Dataset, energies: dict[str, float]) -> float:
    """(sum of the free atoms - median energy of the frames) / N in eV, NaN = cannot be told."""
    if _missing(data, energies) or data.energies is None or not data.has_energy.any():
        return float("nan")
    free = sum(energies[s] for s in data.molecule.symbols)
    return float(free - np.nanmedian(data.energies)) / len(data.molecule.numbers)


def _write(path: str, data: Dataset, energies: dict[str, float]) -> None:
    import dataclasses

    from core import storage

    storage.save(path, dataclasses.replace(data, isolated_atoms=dict(energies)))


SPEC = IsolatedSpec
