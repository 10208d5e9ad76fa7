"""OpenMM: a System, a ForceField with a residue template, and the start geometry as PDB.

Formats: OpenMM's XmlSerializer (read from version 7.6 on) and
https://docs.openmm.org/latest/userguide/application/06_creating_ffs.html. Units there: nm, kJ/mol,
rad, e, and a factor one half before the harmonic constants.

The Coulomb constant is part of OpenMM's code and 3.5e-5 larger than AMBER's. So that energies stay
those of the fitted field, all charges are multiplied by sqrt(constant of the field / OpenMM's)
(0.99998 for AMBER's). They then add up to that part of the total charge.
"""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import numpy as np

from core.mm.constants import OPENMM_COULOMB
from core.mm.export.openmm_forcefield import (
    MORSE_ENERGY,
    MORSE_NAMES,
    NM,
    SIGMA,
    forcefield_xml,
    morse_values,
    swaps_matter,
)
from core.mm.export.openmm_networks import Custom, customs
from core.mm.export.pdb import pdb
from core.mm.export.subject import ExportError, Part, Subject, Target
from core.mm.export.xml import comment, render, row
from core.mm.topology import Term, Topology
from core.units import KJ_MOL

#: Force group of each kind of term, so that OpenMM tells their energies apart.
GROUPS = {"bond": 0, "angle": 1, "torsion": 2, "improper": 3, "nonbonded": 4, "constant": 5}

SWAPS = (
    "OpenMM assigns the atoms of a ForceField's template by their bonds and may swap equivalent "
    "atoms, which have different terms here; the System keeps every atom"
)


def charge_factor(topology: Topology) -> float:
    """By what charges are multiplied for OpenMM's Coulomb constant."""
    return math.sqrt(topology.coulomb / OPENMM_COULOMB)


def parts(subject: Subject, suffix: str) -> tuple[Part, ...]:
    """System, ForceField (left out with a note where it cannot express the terms), PDB."""
    factor = charge_factor(subject.topology)
    system = Part(
        suffix, system_xml(subject), "OpenMM System",
        "" if factor == 1.0 else f"charges are multiplied by {factor:.8f}, since OpenMM's Coulomb "
        "constant is not the one of this force field",
    )  # fmt: skip
    what = "OpenMM ForceField with a residue template"
    try:
        text = forcefield_xml(subject, factor)
        field = Part(".ff.xml", text, what, SWAPS if swaps_matter(subject) else "")
    except ExportError as error:
        field = Part(".ff.xml", "", what, f"no ForceField file: {error}. The System has it all")
    return system, field, Part(".pdb", pdb(subject), "geometry")


def system_xml(subject: Subject) -> str:
    """The text of a serialised System: no cutoff, no constraints, force groups as in GROUPS."""
    top = subject.topology
    root = ET.Element("System", openmmVersion="8.0", type="System", version="1")
    factor = charge_factor(top)
    root.append(
        comment(
            f"{subject.title}. Force groups: {', '.join(f'{k} {v}' for k, v in GROUPS.items())}. "
            f"Charges times {factor:.10f} for OpenMM's Coulomb constant."
        )
    )
    box = row(root, "PeriodicBoxVectors")
    for k, name in enumerate("ABC"):
        row(box, name, **{axis: 2.0 * (i == k) for i, axis in enumerate("xyz")})
    particles = row(root, "Particles")
    for mass in subject.masses:
        row(particles, "Particle", mass=mass)
    row(root, "Constraints")
    forces = row(root, "Forces")
    if subject.bonded is not None:
        for custom in customs(subject.bonded).values():
            _custom(forces, custom)
        _constant(forces, subject.bonded.offset)
    else:
        _terms(forces, subject)
    _nonbonded(forces, top, factor)
    return render(root)


def _terms(forces: ET.Element, subject: Subject) -> None:
    """Bonded terms of GAFF's own form, or with Morse bonds."""
    top = subject.topology
    if subject.depth is None:
        _bonds(forces, top.bond)
    else:
        _morse(forces, subject)
    _angles(forces, top.angle)
    _torsions(forces, top.torsion)
    _torsions(forces, top.improper)


def _force(
    forces: ET.Element, kind: str, name: str, group: str, version: int, **more: object
) -> ET.Element:
    """A force; name is what a person sees in OpenMM, kind is its class."""
    return row(
        forces, "Force", type=kind, name=name, forceGroup=GROUPS[group], version=version, **more
    )


def _rows(force: ET.Element, many: str, one: str, term: Term, **columns: np.ndarray) -> None:
    bag = row(force, many)
    for i, atoms in enumerate(term.atoms.tolist()):
        ends = {f"p{k}": a for k, a in enumerate(atoms, start=1)}
        row(bag, one, **ends, **{name: column[i] for name, column in columns.items()})


def _bonds(forces: ET.Element, term: Term) -> None:
    force = _force(forces, "HarmonicBondForce", "bonds", "bond", 2, usesPeriodic=0)
    k = 2.0 * term.parameters["k"] / KJ_MOL / NM**2
    _rows(force, "Bonds", "Bond", term, d=term.parameters["r0"] * NM, k=k)


def _morse(forces: ET.Element, subject: Subject) -> None:
    force = _force(
        forces, "CustomBondForce", "bonds", "bond", 3, usesPeriodic=0, energy=MORSE_ENERGY
    )
    names = row(force, "PerBondParameters")
    for name in MORSE_NAMES:
        row(names, "Parameter", name=name)
    row(force, "GlobalParameters")
    row(force, "EnergyParameterDerivatives")
    bag = row(force, "Bonds")
    for (i, j), *values in zip(
        subject.topology.bond.atoms.tolist(), *morse_values(subject), strict=True
    ):
        ends = {"p1": i, "p2": j}
        row(bag, "Bond", **ends, **{f"param{m}": v for m, v in enumerate(values, start=1)})


def _custom(forces: ET.Element, custom: Custom) -> None:
    """Networks of one kind of term."""
    one = {"bond": "Bond", "angle": "Angle"}.get(custom.kind, "Torsion")
    force = _force(
        forces, f"Custom{one}Force", f"{custom.kind}s", custom.kind, 3, usesPeriodic=0,
        energy=custom.energy,
    )  # fmt: skip
    names = row(force, f"Per{one}Parameters")
    for name in custom.names:
        row(names, "Parameter", name=name)
    row(force, "GlobalParameters")
    row(force, "EnergyParameterDerivatives")
    bag = row(force, f"{one}s")
    for atoms, values in zip(custom.atoms.tolist(), custom.values, strict=True):
        ends = {f"p{k}": a for k, a in enumerate(atoms, start=1)}
        row(bag, one, **ends, **{f"param{m}": v for m, v in enumerate(values, start=1)})


def _constant(forces: ET.Element, offset: float) -> None:
    """The energy constant (eV) of a trained field: a force group that can be left out."""
    if not offset:
        return
    force = _force(
        forces, "CustomExternalForce", "energy constant", "constant", 1, energy="constant"
    )
    row(row(force, "PerParticleParameters"), "Parameter", name="constant")
    row(force, "GlobalParameters")
    row(row(force, "Particles"), "Particle", index=0, param1=offset / KJ_MOL)


def _angles(forces: ET.Element, term: Term) -> None:
    force = _force(forces, "HarmonicAngleForce", "angles", "angle", 2, usesPeriodic=0)
    k = 2.0 * term.parameters["k"] / KJ_MOL
    _rows(force, "Angles", "Angle", term, a=term.parameters["theta0"], k=k)


def _torsions(forces: ET.Element, term: Term) -> None:
    kind = term.kind
    force = _force(forces, "PeriodicTorsionForce", f"{kind}s", kind, 2, usesPeriodic=0)
    p = term.parameters
    n = np.maximum(p["n"], 1).astype(int)  # a periodicity of 0 stands with k = 0 only
    _rows(force, "Torsions", "Torsion", term, k=p["k"] / KJ_MOL, periodicity=n, phase=p["phase"])


def _nonbonded(forces: ET.Element, top: Topology, factor: float) -> None:
    """All pairs interact but those listed as exceptions: 1-4 pairs scaled, nearer ones nothing."""
    force = _force(
        forces, "NonbondedForce", "nonbonded", "nonbonded", 4, method=0, cutoff=1.0,
        useSwitchingFunction=0, switchingDistance=-1.0, ewaldTolerance=5e-4, rfDielectric=1.0,
        dispersionCorrection=0, exceptionsUsePeriodic=0, includeDirectSpace=1, recipForceGroup=-1,
        alpha=0.0, nx=0, ny=0, nz=0, ljAlpha=0.0, ljnx=0, ljny=0, ljnz=0,
    )  # fmt: skip
    for name in ("GlobalParameters", "ParticleOffsets", "ExceptionOffsets"):
        row(force, name)
    q, sigma, eps = top.charges * factor, top.rmin_half * SIGMA, top.epsilon / KJ_MOL
    particles = row(force, "Particles")
    for i in range(len(q)):
        row(particles, "Particle", q=q[i], sig=sigma[i], eps=eps[i])
    exceptions = row(force, "Exceptions")
    scaled = {}
    for (i, j), scee, scnb in zip(top.pairs14.tolist(), top.scee14, top.scnb14, strict=True):
        scaled[min(i, j), max(i, j)] = (
            q[i] * q[j] / scee, (sigma[i] + sigma[j]) / 2, math.sqrt(eps[i] * eps[j]) / scnb
        )  # fmt: skip
    full = {(min(p), max(p)) for p in top.pairs.tolist()}
    for i in range(len(q)):
        for j in range(i + 1, len(q)):
            if (i, j) not in full:
                product, s, e = scaled.get((i, j), (0.0, NM, 0.0))
                row(exceptions, "Exception", p1=i, p2=j, q=product, sig=s, eps=e)


TARGET = Target("openmm", "OpenMM", (".xml",), parts)
