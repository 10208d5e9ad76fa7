"""GAFF and GAFF-Morse refitted to 1000 frames of MD17: errors on the other 1000, and seconds.

    python -m tests.benchmarks refit

Labels and split: rMD17's old energies and forces (PBE+TS, as in Sauceda et al., J. Chem. Phys. 153,
124109 (2020), table II), its first training and test frames. "swapped": fitted to the test frames,
held out the training frames; "floor": fitted to the very frames it is tested on, forces before all,
which is what the functional form can do there. Below the table: the mean over random draws of the
1000 training frames out of these 2000, with its standard deviation from draw to draw.
"""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.analyses.importing import ImportSpec
from core.analyses.importing import run as read
from core.dataset import Dataset, Split
from core.engine.context import Context
from core.forcefields import discover
from core.forcefields.base import ForceField
from core.forcefields.load import hyper_from
from core.units import KCAL_MOL
from tests.benchmarks.fields import ROOT

#: (molecule, field) -> published RMSE with 1100 frames, kcal/mol and kcal/mol/Å
PUBLISHED = {
    ("ethanol", "gaff"): (1.21, 6.37),
    ("ethanol", "gaff-morse"): (2.51, 14.59),
    ("aspirin", "gaff"): (2.20, 7.46),
    ("aspirin", "gaff-morse"): (2.37, 7.77),
}
MORSE_11000 = (1.15, 4.80)  #: ethanol's GAFF-Morse with ten times the frames
DRAWS = 20
NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Cell:
    """RMSE (kcal/mol, kcal/mol/Å) held out, swapped, at the floor; seconds of the fit."""

    held_out: tuple[float, float]
    swapped: tuple[float, float]
    floor: tuple[float, float]
    seconds: float

    @property
    def both(self) -> tuple[float, float]:
        """Held out and swapped together: 2000 frames, each by a fit that did not see it."""
        pairs = zip(self.held_out, self.swapped, strict=True)
        one, two = (float(np.sqrt((a**2 + b**2) / 2)) for a, b in pairs)
        return one, two


def frames(shared: Path, molecule: str, part: str) -> Dataset:
    """One file of rMD17 with the labels of MD17."""
    path = shared / "data" / "rmd17" / f"rmd17_{molecule}_{part}_01.npz"
    spec = ImportSpec(str(path), units="kcal/mol", energy_key="old_energies",
                      force_key="old_forces")  # fmt: skip
    return read(spec, Context()).datasets[0]


def fitted(key: str, data: Dataset, **settings: float) -> ForceField:
    """The field trained on all frames."""
    cls = discover()[key]
    split = Split(np.arange(len(data)), NONE, NONE)
    return cls.fit(data, split, hyper_from(cls, settings), Context())


def rmse(field: ForceField, data: Dataset) -> tuple[float, float]:
    """kcal/mol with the energy constant free, and kcal/mol/Å."""
    p = field.predict(data.positions)
    assert data.energies is not None
    assert data.forces is not None
    energy = (p.energy - data.energies).std()
    return energy / KCAL_MOL, float(np.sqrt(((p.forces - data.forces) ** 2).mean())) / KCAL_MOL


def cell(shared: Path, molecule: str, key: str) -> Cell:
    """One cell of the table."""
    train, test = (frames(shared, molecule, part) for part in ("train", "test"))
    start = time.perf_counter()
    field = fitted(key, train)
    seconds = time.perf_counter() - start
    floor = rmse(fitted(key, test, fit_force_error=0.1, fit_prior=1e-3), test)
    return Cell(rmse(field, test), rmse(fitted(key, test), train), floor, seconds)


def resampled(shared: Path, molecule: str, key: str, draws: int = DRAWS) -> np.ndarray:
    """(draws,2) RMSE held out, kcal/mol and kcal/mol/Å: 1000 of the 2000 frames, drawn at random.

    One draw of 1000 frames makes an error of its own: this tells how large it is.
    """
    two = [frames(shared, molecule, part) for part in ("train", "test")]

    def take(chosen: np.ndarray) -> Dataset:
        columns = {
            name: np.concatenate([getattr(d, name) for d in two])[chosen]
            for name in ("positions", "energies", "forces")
        }
        return dataclasses.replace(two[0], tags={}, **columns)

    rng = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        order = rng.permutation(sum(map(len, two)))
        half = len(order) // 2
        found.append(rmse(fitted(key, take(order[:half])), take(order[half:])))
    return np.array(found)


def main() -> None:
    """Print the table."""
    shared = Path(os.environ.get("PESCAPE_SHARED", ROOT.parent / "shared"))
    if not (shared / "data" / "rmd17").is_dir():
        print("needs the developers' reference data (set PESCAPE_SHARED)")
        return
    print("RMSE in kcal/mol / kcal/mol/Å; 1000 training frames; published with 1100")
    head = ("molecule", "field", "published", "held out", "swapped", "floor", "seconds")
    print("{:9} {:11} {:>13} {:>13} {:>13} {:>13} {:>8}".format(*head))
    for (molecule, key), published in PUBLISHED.items():
        found = cell(shared, molecule, key)
        cells = (published, found.held_out, found.swapped, found.floor)
        words = " ".join(f"{f'{e:.2f} / {f:.2f}':>13}" for e, f in cells)
        print(f"{molecule:9} {key:11} {words} {found.seconds:8.1f}", flush=True)
    for molecule, key in (("ethanol", "gaff"),):
        drawn = resampled(shared, molecule, key)
        words = " / ".join(
            f"{m:.2f} ± {d:.2f}" for m, d in zip(drawn.mean(0), drawn.std(0, ddof=1), strict=True)
        )
        print(f"{molecule} {key}, {DRAWS} random draws: held out {words}")


if __name__ == "__main__":
    main()
