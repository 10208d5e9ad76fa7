"""GAFF of 1000 conformers of aspirin: milliseconds, against OpenMM's Reference platform.

    python -m tests.benchmarks gaff

Both get the same terms (OpenMM's system is made from our topology), one thread, energies and
forces. OpenMM takes one conformer at a time. Without OpenMM (`pip install openmm`) only our times
are printed.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from core.bonding import with_bonds
from core.elements import MASSES
from core.fieldref import FieldRef
from core.forcefields.gaff import GAFF
from core.forcefields.load import make
from core.mm.constants import OPENMM_COULOMB
from core.mm.topology import Topology
from core.molecule import Molecule
from core.units import KJ_MOL
from tests.benchmarks.fields import alone

COUNT = 1000
ROUNDS = 9
SHAKE = 0.05  # Å
NM = 0.1  # nm in an Å


def aspirin() -> Molecule:
    """Aspirin at its MMFF94 minimum."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O"))
    AllChem.EmbedMolecule(mol, randomSeed=7)
    AllChem.MMFFOptimizeMolecule(mol, maxIters=2000)
    numbers = [a.GetAtomicNum() for a in mol.GetAtoms()]
    return with_bonds(Molecule("aspirin", np.array(numbers), mol.GetConformer().GetPositions()))


def openmm_context(numbers: np.ndarray, top: Topology) -> Any:
    """An OpenMM context on the Reference platform with the terms of a topology."""
    import openmm

    system = openmm.System()
    for z in numbers:
        system.addParticle(float(MASSES[z]))
    bonds, angles = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    torsions, near = openmm.PeriodicTorsionForce(), openmm.NonbondedForce()
    for atoms, k, r0 in zip(top.bond.atoms, *top.bond.parameters.values(), strict=True):
        bonds.addBond(*map(int, atoms), r0 * NM, 2 * k / KJ_MOL / NM**2)
    for atoms, k, t0 in zip(top.angle.atoms, *top.angle.parameters.values(), strict=True):
        angles.addAngle(*map(int, atoms), t0, 2 * k / KJ_MOL)
    for term in (top.torsion, top.improper):
        for atoms, k, n, phase in zip(term.atoms, *term.parameters.values(), strict=True):
            torsions.addTorsion(*map(int, atoms), int(n), phase, k / KJ_MOL)
    size = 2 ** (5 / 6)  # sigma = 2 (Rmin/2) / 2^(1/6)
    for q, r, e in zip(top.charges, top.rmin_half, top.epsilon, strict=True):
        near.addParticle(q, r * size * NM, e / KJ_MOL)
    full = {tuple(sorted(map(int, p))) for p in top.pairs}
    for i in range(len(numbers)):
        for j in range(i + 1, len(numbers)):
            if (i, j) not in full:
                near.addException(i, j, 0.0, 1.0, 0.0)
    for (i, j), scee, scnb in zip(top.pairs14, top.scee14, top.scnb14, strict=True):
        depth = np.sqrt(top.epsilon[i] * top.epsilon[j]) / scnb / KJ_MOL
        sigma = (top.rmin_half[i] + top.rmin_half[j]) * NM / 2 ** (1 / 6)
        charge = top.charges[i] * top.charges[j] / scee
        near.addException(int(i), int(j), charge, sigma, depth, True)
    for force in (bonds, angles, torsions, near):
        system.addForce(force)
    platform = openmm.Platform.getPlatformByName("Reference")
    return openmm.Context(system, openmm.VerletIntegrator(0.001), platform)


def by_openmm(context: Any, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """positions (B,N,3) Å -> energy (B,) eV, forces (B,N,3) eV/Å, one conformer at a time."""
    energy, forces = np.empty(len(positions)), np.empty(positions.shape)
    for i, x in enumerate(positions * NM):
        context.setPositions(x)
        state = context.getState(getEnergy=True, getForces=True)
        energy[i] = state.getPotentialEnergy()._value
        forces[i] = state.getForces(asNumpy=True)._value
    return energy * KJ_MOL, forces * KJ_MOL * NM


def best(works: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Milliseconds of each, the least of some rounds; taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for name, work in [*works.items()] * (ROUNDS + 1):
        start = time.perf_counter()
        work()
        times[name].append(1e3 * (time.perf_counter() - start))
    return {name: min(t[1:]) for name, t in times.items()}  # the first call also sets up


def measure() -> dict[str, float]:
    """{analytic_ms, autograd_ms, single_ms, openmm_ms, ratio, away} (openmm_ms … where it is)."""
    molecule = aspirin()
    field = make(FieldRef("gaff"), molecule)
    assert isinstance(field, GAFF)
    same = dataclasses.replace(field.topology, coulomb=OPENMM_COULOMB)
    field = GAFF.from_topology(field.molecule, same)
    shake = np.random.default_rng(1).normal(0.0, SHAKE, (COUNT, *molecule.positions.shape))
    x = molecule.positions + shake
    t = torch.from_numpy(x)
    works = {
        "analytic_ms": lambda: field.compute(t),
        "autograd_ms": lambda: super(GAFF, field).compute(t),
        "single_ms": lambda: field.compute(t[:1]),
    }
    try:
        import openmm  # noqa: F401
    except ImportError:
        return best(works)
    context = openmm_context(molecule.numbers, same)
    works["openmm_ms"] = lambda: by_openmm(context, x)
    found = best(works)
    energy, forces = by_openmm(context, x)
    ours = field.predict(x)
    away = max(np.abs(ours.energy - energy).max(), np.abs(ours.forces - forces).max())
    return {**found, "ratio": found["openmm_ms"] / found["analytic_ms"], "away": float(away)}


def main() -> None:
    """Print the table."""
    if alone("tests.benchmarks.bench_gaff"):
        return
    r = measure()
    print(f"GAFF energies and forces of {COUNT} conformers of aspirin, one thread, ms")
    print(f"  analytic forces      {r['analytic_ms']:8.1f}")
    print(f"  autograd             {r['autograd_ms']:8.1f}")
    print(f"  one conformer        {r['single_ms']:8.2f}")
    if "ratio" in r:
        print(f"  OpenMM Reference     {r['openmm_ms']:8.1f}   ratio {r['ratio']:.1f}")
        print(f"  largest difference   {r['away']:8.1e} eV and eV/Å")
    else:
        print("  OpenMM Reference     not installed")


if __name__ == "__main__":
    main()
