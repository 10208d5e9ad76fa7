"""Torsion profiles before and after the torsions about the scanned bond are refitted to them.

    python -m tests.benchmarks torsions [SET]

Two sets of scans at the reference's own geometries (GAFF with Gasteiger charges, energies with a
free constant, kcal/mol). Only amplitudes n = 1..4 about the scanned bond change, together, with
their priors: they are linear, so each refit is one least-squares solve.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.dataset import Dataset
from core.engine.context import Context
from core.fitting.mm_options import Options
from core.fitting.mm_refit import refit
from core.forcefields.base import ForceFieldError
from core.forcefields.gaff import GAFF
from core.molecule import Molecule
from core.units import KCAL_MOL
from tests.benchmarks.fields import ROOT

SETS = {"roche_gen2": "energy", "torsion30_ccsdt": "energy_ccsdt_cbs"}
TARGET = 0.4  #: kcal/mol, median after


@dataclass(frozen=True)
class Scan:
    """RMSE before and after (kcal/mol); failure: why it could not be done."""

    number: int
    smiles: str
    before: float = float("nan")
    after: float = float("nan")
    failure: str = ""


def scans(shared: Path, name: str) -> list[Scan]:
    """Every scan of a set."""
    import ase.io

    found: dict[int, list] = {}
    for atoms in ase.io.read(shared / "data" / "torsions" / f"{name}.extxyz", ":"):
        found.setdefault(int(atoms.info["scan"]), []).append(atoms)
    return [_scan(number, frames, SETS[name]) for number, frames in found.items()]


def _scan(number: int, frames: list, key: str) -> Scan:
    info = frames[0].info
    smiles = str(info["smiles"])

    def energy(a) -> float:
        return float(a.get_potential_energy() if key == "energy" else a.info.get(key, np.nan))

    x = np.array([a.positions for a in frames])
    e = np.array([energy(a) for a in frames])
    molecule = Molecule(smiles, frames[0].numbers, x[0], charge=round(float(info["charge"])))
    try:
        field = GAFF(molecule)
    except ForceFieldError as error:
        return Scan(number, smiles, failure=str(error))
    data = Dataset(smiles, field.molecule, x, e)
    texts = str(info["dihedrals"]).replace(",", " ").split()
    dihedrals = [tuple(map(int, text.split("-"))) for text in texts]
    around = tuple((d[1], d[2]) for d in dihedrals)
    options = Options(kinds=("torsion",), energy_error=0.1 * KCAL_MOL, around=around)
    have = np.isfinite(e)
    found = refit(field.topology, data, np.flatnonzero(have), options, Context())
    fitted = GAFF.from_topology(field.molecule, found.topology)
    rmse = [float((f.predict(x[have]).energy - e[have]).std()) / KCAL_MOL for f in (field, fitted)]
    return Scan(number, smiles, *rmse)


def main() -> None:
    """Print what each set gives, and the scans that stay above the target."""
    shared = Path(os.environ.get("PESCAPE_SHARED", ROOT.parent / "shared"))
    if not (shared / "data" / "torsions").is_dir():
        print("needs the developers' reference data (set PESCAPE_SHARED)")
        return
    for name in SETS:
        start = time.perf_counter()
        rows = scans(shared, name)
        done = [r for r in rows if not r.failure]
        before, after = (np.median([getattr(r, x) for r in done]) for x in ("before", "after"))
        worse = sum(r.after > r.before for r in done)
        print(f"{name}: {len(done)} of {len(rows)} scans, median RMSE {before:.2f} -> {after:.2f} "
              f"kcal/mol, {worse} worse, {time.perf_counter() - start:.0f} s")  # fmt: skip
        for r in rows:
            if r.failure:
                print(f"  scan {r.number} {r.smiles}: {r.failure}")
            elif r.after > TARGET:
                print(f"  scan {r.number} {r.smiles}: {r.before:.2f} -> {r.after:.2f}")


if __name__ == "__main__":
    main()
