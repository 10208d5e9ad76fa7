"""GAFF's torsions about the driven bond refitted to torsion profiles: RMSE before and after.

    python -m tests.benchmarks torsions

Data: 56 torsion drives at B3LYP-D3BJ/DZVP (Roche set, generation 2) and 30 at CCSD(T)/CBS on MP2
geometries. Energies are those at the reference's geometries (nothing is relaxed by the field), the
zero of every profile is free. Each scan is fitted on its own; "left out" is the RMSE of every point
predicted by a fit to the others. A failure is a scan that cannot be fitted, gets worse, or stays
above LIMIT.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.bonding import why_not_dihedral
from core.fitting.mm.options import RefitError
from core.fitting.mm.torsion_refit import (
    TorsionFit,
    TorsionOptions,
    refit_torsions,
    why_left,
)
from core.forcefields.base import ForceFieldError
from core.forcefields.gaff import Hyper, parametrise
from core.molecule import Molecule
from core.units import KCAL_MOL
from tests.benchmarks.fields import ROOT

#: name -> (file, info key of the reference energy; "" = the frame's own)
SETS = {"roche": ("roche_gen2", ""), "torsion30": ("torsion30_ccsdt", "energy_ccsdt_cbs")}
LIMIT = 0.4  #: kcal/mol
WIDER = 10.0  #: how much wider the prior is where a failure may be the prior's


@dataclass(frozen=True, eq=False)
class Scan:
    """One profile: atoms of the driven dihedral from 0, positions (M,N,3) Å, energies (M,) eV."""

    name: str
    molecule: Molecule
    dihedral: tuple[int, ...]
    positions: np.ndarray
    energies: np.ndarray


@dataclass(frozen=True, eq=False)
class Line:
    """One scan's fit, or why there is none or it is not good."""

    scan: Scan
    fit: TorsionFit | None
    failure: str = ""


def scans(shared: Path, which: str) -> Iterator[Scan]:
    """The scans of one of SETS; the molecule is the geometry of lowest energy."""
    from ase.io import iread

    file, key = SETS[which]
    groups: dict[int, list] = {}
    for frame in iread(shared / "data" / "torsions" / f"{file}.extxyz", ":"):
        groups.setdefault(int(frame.info["scan"]), []).append(frame)
    for number, group in groups.items():
        first = group[0]
        e = np.array([f.info[key] if key else f.get_potential_energy() for f in group])
        x = np.array([f.positions for f in group])
        low = x[int(np.nanargmin(e))]
        smiles, charge = first.info["smiles"], int(first.info["charge"])
        dihedral = tuple(int(a) for a in first.info["dihedrals"].split("-"))
        molecule = Molecule(smiles, first.numbers, low, charge)
        yield Scan(f"{which} {number}", molecule, dihedral, x, e)


def refitted(scan: Scan, charges: str = "auto", options: TorsionOptions | None = None) -> Line:
    """GAFF for the scan's molecule, refitted."""
    bond = scan.dihedral[1:3]
    try:
        molecule, topology = parametrise(scan.molecule, Hyper(charges=charges))
        fit = refit_torsions(molecule, topology, bond, scan.positions, scan.energies, options)
    except (ForceFieldError, RefitError) as error:
        return Line(scan, None, str(error))
    line = Line(scan, fit)
    if not fit.improved:
        return replace(line, failure="no better than the start, which is kept")
    if fit.after > LIMIT * KCAL_MOL:
        why = why_left(molecule, fit.topology, bond, fit, scan.positions)
        ring = why_not_dihedral(molecule, scan.dihedral)
        options = options or TorsionOptions()
        wide = refit_torsions(
            molecule, topology, bond, scan.positions, scan.energies,
            replace(options, prior=WIDER * options.prior),
        )  # fmt: skip
        why += f"; a prior {WIDER:g} times as wide gives {wide.after / KCAL_MOL:.2f}"
        return replace(line, failure=f"{ring}; {why}" if ring else why)
    return line


def summary(lines: list[Line]) -> str:
    """Medians over the scans that could be fitted."""
    fits = [line.fit for line in lines if line.fit is not None]
    columns = [[f.before for f in fits], [f.after for f in fits], [f.left_out for f in fits]]
    before, after, left_out = (float(np.median(c)) / KCAL_MOL for c in columns)
    worse = sum(f.after > f.before for f in fits)
    changes = [abs(c.after - c.before) / KCAL_MOL for f in fits for c in f.changes]
    above = sum(f.after > LIMIT * KCAL_MOL for f in fits)
    return (
        f"{len(fits)} of {len(lines)} scans fitted: median {before:.2f} -> {after:.2f} kcal/mol "
        f"(left out {left_out:.2f}), {worse} worse, {above} above {LIMIT}; change of an amplitude: "
        f"median {np.median(changes):.2f}, largest {max(changes):.1f}"
    )


def main() -> None:
    """Print the tables."""
    shared = Path(os.environ.get("PESCAPE_SHARED", ROOT.parent / "shared"))
    if not (shared / "data" / "torsions").is_dir():
        print("skipped: the developers' reference data is not here (set PESCAPE_SHARED)")
        return
    for which in SETS:
        found = list(scans(shared, which))
        start = time.perf_counter()
        lines = [refitted(scan) for scan in found]
        seconds = time.perf_counter() - start
        print(f"{'scan':<13}{'before':>7}{'after':>7}{'left out':>9}  molecule (kcal/mol)")
        for line in lines:
            head, smiles = f"{line.scan.name:<13}", line.scan.molecule.name
            if line.fit is None:
                print(f"{head}{'-':>7}{'-':>7}{'-':>9}  {smiles}")
                continue
            values = (line.fit.before, line.fit.after, line.fit.left_out)
            before, after, left_out = (v / KCAL_MOL for v in values)
            chiral = "  (chiral: with sines)" if line.fit.sines else ""
            print(f"{head}{before:>7.2f}{after:>7.2f}{left_out:>9.2f}  {smiles}{chiral}")
        print(f"{which}, Gasteiger charges: {summary(lines)}; {seconds:.1f} s")
        six = [refitted(scan, options=TorsionOptions(orders=6)) for scan in found]
        print(f"{which}, n up to 6 instead of 4: {summary(six)}")
        other = [refitted(scan, "nagl") for scan in found]
        if any(line.fit is not None for line in other):
            print(f"{which}, NAGL charges: {summary(other)}")
        for line in lines:
            if line.failure:
                print(f"  failure: {line.scan.name}: {line.failure}")


if __name__ == "__main__":
    main()
