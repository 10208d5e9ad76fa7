"""An OpenMM ForceField file for one molecule: every atom has a type of its own.

So it holds any set of values, also edited ones that differ between equal atom types. What OpenMM's
builder derives itself (1-4 pairs from bonds, one scale for all of them) must be what the field
has; where it is not, ExportError says so.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from core.mm.export.openmm_networks import customs
from core.mm.export.subject import RESIDUE, Bonded, ExportError, Subject
from core.mm.export.xml import comment, render, row
from core.mm.topology import TERMS, Term, Topology
from core.units import KJ_MOL

NM = 0.1  # Å in nm
SIGMA = 2.0 ** (-1 / 6) * 2.0 * NM  #: Rmin/2 in Å -> sigma in nm
MORSE_ENERGY = "depth*(1-exp(-steepness*(r-r0)))^2"
MORSE_NAMES = ("depth", "steepness", "r0")
Atoms = tuple[int, ...]


def forcefield_xml(subject: Subject, factor: float) -> str:
    """The text; factor multiplies the charges. Raises ExportError, see above."""
    top = subject.topology
    near = _neighbours(subject)
    scales = _scales(subject, near)
    root = ET.Element("ForceField")
    root.append(
        comment(
            f"{subject.title}. Charges times {factor:.10f} for OpenMM's Coulomb constant. "
            "Use nonbondedMethod=NoCutoff, constraints=None, rigidWater=False, removeCMMotion=False"
        )
    )
    _atoms(root, subject)
    names = [f"{RESIDUE}-{name}" for name in subject.names]
    if subject.bonded is not None:
        _networks(root, subject.bonded, names, near)
    else:
        _terms(root, subject, names, near)
    force = row(
        root, "NonbondedForce", coulomb14scale=scales[0], lj14scale=scales[1],
        useDispersionCorrection="False",
    )  # fmt: skip
    for i, name in enumerate(names):
        row(
            force, "Atom", type=name, charge=top.charges[i] * factor,
            sigma=top.rmin_half[i] * SIGMA, epsilon=top.epsilon[i] / KJ_MOL,
        )  # fmt: skip
    return render(root)


def _terms(root: ET.Element, subject: Subject, names: list[str], near: list[set[int]]) -> None:
    """Bonded terms of GAFF's own form, or with Morse bonds."""
    top = subject.topology
    _once(top.bond, near)
    if subject.depth is None:
        _bonds(row(root, "HarmonicBondForce"), top.bond, names)
    else:
        _morse(row(root, "CustomBondForce", energy=MORSE_ENERGY), subject, names)
    _angles(row(root, "HarmonicAngleForce"), top.angle, names, near)
    torsions = row(root, "PeriodicTorsionForce", ordering="amber")
    _torsions(torsions, top.torsion, names, near)
    _impropers(torsions, top.improper, names, near)


def _networks(root: ET.Element, bonded: Bonded, names: list[str], near: list[set[int]]) -> None:
    """Networks: the weights are parameters of each term. A ForceField has no place for a constant
    of the whole molecule, so the energy constant goes into the last bias of the first term."""
    offset = bonded.offset / KJ_MOL
    for kind, custom in customs(bonded).items():
        one = {"bond": "Bond", "angle": "Angle"}.get(kind, "Torsion")
        more = {"ordering": "amber"} if kind == "improper" else {}
        force = row(root, f"Custom{one}Force", energy=custom.energy, **more)
        for name in custom.names:
            row(force, f"Per{one}Parameter", name=name)
        tag = {"torsion": "Proper", "improper": "Improper"}.get(kind, one)
        last = max(i for i, n in enumerate(custom.names) if n.startswith("b"))
        places = _centres(custom.atoms, near) if kind == "improper" else [
            (tuple(a), [i]) for i, a in enumerate(custom.atoms.tolist())]  # fmt: skip
        for atoms, (i,) in places:
            if kind != "improper":
                _chain(kind, atoms, near)
            values = custom.values[i].copy()
            values[last] += offset
            offset = 0.0
            row(
                force, tag, **_classes(names, atoms), **dict(zip(custom.names, values, strict=True))
            )


def swaps_matter(subject: Subject) -> bool:
    """Whether the energy changes when atoms that the bonds cannot tell apart swap their terms.

    OpenMM finds a template's atoms by elements and bonds and may take any such assignment. GAFF
    itself can break that symmetry, by the order of the atoms in an improper.
    """
    from core.mm.symmetry import MAX_CANDIDATES, symmetries

    top, numbers = subject.topology, subject.molecule.numbers
    fields = [top]
    if subject.depth is not None:
        bond = top.bond
        deep = dataclasses.replace(bond, parameters={**bond.parameters, "k": subject.depth})
        fields.append(dataclasses.replace(top, bond=deep))
    if subject.bonded is not None:
        fields = [_by_function(top, subject.bonded)]
    swaps = set(_automorphisms(subject, MAX_CANDIDATES))
    return any(swaps - {tuple(p) for p in symmetries(numbers, f).tolist()} for f in fields)


def _by_function(top: Topology, bonded: Bonded) -> Topology:
    """Terms that are told apart by their network instead of by their parameters."""
    terms: dict[str, Any] = {}
    for kind, (_, names) in TERMS.items():
        which = bonded.which[kind] + 1.0
        columns = {n: which if n == "k" else np.ones(len(which)) for n in names}
        terms[kind] = Term(kind, bonded.atoms[kind], columns)
    return dataclasses.replace(top, **terms)


def _automorphisms(subject: Subject, most: int) -> list[Atoms]:
    """Permutations that keep elements and bonds."""
    from rdkit import Chem

    mol = Chem.RWMol()
    for z in subject.molecule.numbers:
        atom = Chem.Atom(int(z))
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for a, b in subject.topology.bond.atoms.tolist():
        mol.AddBond(a, b, Chem.BondType.SINGLE)
    plain = mol.GetMol()
    return list(plain.GetSubstructMatches(plain, uniquify=False, maxMatches=most))


def _atoms(root: ET.Element, subject: Subject) -> None:
    types, residues = row(root, "AtomTypes"), row(root, "Residues")
    residue = row(residues, "Residue", name=RESIDUE)
    for i, name in enumerate(subject.names):
        own = f"{RESIDUE}-{name}"
        row(
            types, "Type", **{"name": own, "class": own},
            element=subject.molecule.symbols[i], mass=subject.masses[i],
        )  # fmt: skip
        types.append(comment(f"{subject.topology.types[i]}"))
        row(residue, "Atom", name=name, type=own)
    for a, b in subject.molecule.bonds.tolist():
        row(residue, "Bond", atomName1=subject.names[a], atomName2=subject.names[b])


def _neighbours(subject: Subject) -> list[set[int]]:
    near: list[set[int]] = [set() for _ in subject.names]
    for a, b in subject.molecule.bonds.tolist():
        near[a].add(b)
        near[b].add(a)
    return near


def _scales(subject: Subject, near: list[set[int]]) -> tuple[float, float]:
    """Coulomb and Lennard-Jones scale of the 1-4 pairs, where the bonds give the same pairs."""
    top, n = subject.topology, len(near)
    bonded = np.zeros((n, n), dtype=int)
    for a, others in enumerate(near):
        bonded[a, list(others)] = 1
    two = bonded + bonded @ bonded > 0
    three = (bonded @ bonded @ bonded > 0) & ~two
    excluded, fourteen = np.ones((n, n), dtype=bool), np.zeros((n, n), dtype=bool)
    for i, j in top.pairs.tolist():
        excluded[i, j] = excluded[j, i] = False
    for i, j in top.pairs14.tolist():
        fourteen[i, j] = fourteen[j, i] = True
    np.fill_diagonal(two, True)
    np.fill_diagonal(three, False)
    wrong = np.argwhere((fourteen != three) | ((excluded & ~fourteen) != two))
    if len(wrong):
        a, b = wrong[0]
        raise ExportError(
            f"atoms {subject.atom(a)} and {subject.atom(b)} do not interact as their number of "
            "bonds apart says, which a ForceField file cannot express"
        )
    for name, values in (("Coulomb", top.scee14), ("Lennard-Jones", top.scnb14)):
        if len(values) and np.ptp(values) > 1e-12 * values.max():
            raise ExportError(f"its 1-4 pairs have different {name} scales")
    if not len(top.pairs14):
        return 1.0, 1.0
    return 1.0 / float(top.scee14[0]), 1.0 / float(top.scnb14[0])


def _classes(names: list[str], atoms: Atoms) -> dict[str, str]:
    return {f"type{k}": names[a] for k, a in enumerate(atoms, start=1)}


def _chain(kind: str, atoms: Atoms, near: list[set[int]]) -> None:
    if any(b not in near[a] for a, b in pairwise(atoms)):
        raise ExportError(f"the {kind} {_said(atoms)} joins atoms that are not bonded")


def _said(atoms: Atoms) -> str:
    return "-".join(str(a + 1) for a in atoms)


def _once(term: Term, near: list[set[int]]) -> None:
    seen: set[Atoms] = set()
    for atoms in map(tuple, term.atoms.tolist()):
        _chain(term.kind, atoms, near)
        key = min(atoms, atoms[::-1])
        if key in seen:
            raise ExportError(f"the {term.kind} {_said(atoms)} stands there twice")
        seen.add(key)


def morse_values(subject: Subject) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """MORSE_NAMES of every bond (T,): kJ/mol, 1/nm, nm."""
    assert subject.depth is not None
    r0 = subject.topology.bond.parameters["r0"]
    return subject.depth / KJ_MOL, subject.steepness() / NM, r0 * NM


def _morse(force: ET.Element, subject: Subject, names: list[str]) -> None:
    for name in MORSE_NAMES:
        row(force, "PerBondParameter", name=name)
    for atoms, *values in zip(
        subject.topology.bond.atoms.tolist(), *morse_values(subject), strict=True
    ):
        row(force, "Bond", **_classes(names, atoms), **dict(zip(MORSE_NAMES, values, strict=True)))


def _bonds(force: ET.Element, term: Term, names: list[str]) -> None:
    for atoms, k, r0 in zip(term.atoms.tolist(), *term.parameters.values(), strict=True):
        row(force, "Bond", **_classes(names, atoms), length=r0 * NM, k=2 * k / KJ_MOL / NM**2)


def _angles(force: ET.Element, term: Term, names: list[str], near: list[set[int]]) -> None:
    _once(term, near)
    for atoms, k, theta in zip(term.atoms.tolist(), *term.parameters.values(), strict=True):
        row(force, "Angle", **_classes(names, atoms), angle=theta, k=2 * k / KJ_MOL)


def _waves(term: Term, rows: list[int]) -> dict[str, float]:
    p, out = term.parameters, dict[str, float]()
    for m, i in enumerate((i for i in rows if p["k"][i] != 0), start=1):
        out[f"periodicity{m}"] = int(p["n"][i])
        out[f"phase{m}"] = p["phase"][i]
        out[f"k{m}"] = p["k"][i] / KJ_MOL
    return out


def _torsions(force: ET.Element, term: Term, names: list[str], near: list[set[int]]) -> None:
    groups: dict[Atoms, list[int]] = {}
    for i, atoms in enumerate(map(tuple, term.atoms.tolist())):
        _chain("torsion", atoms, near)
        groups.setdefault(min(atoms, atoms[::-1]), []).append(i)
    for atoms, rows in groups.items():
        waves = _waves(term, rows)
        if waves:
            row(force, "Proper", **_classes(names, atoms), **waves)


def _impropers(force: ET.Element, term: Term, names: list[str], near: list[set[int]]) -> None:
    for atoms, rows in _centres(term.atoms, near):
        waves = _waves(term, rows)
        if waves:
            row(force, "Improper", **_classes(names, atoms), **waves)


def _centres(atoms: np.ndarray, near: list[set[int]]) -> list[tuple[Atoms, list[int]]]:
    """Impropers (T,4) as (atoms in OpenMM's order, rows of `atoms` with them).

    OpenMM names the centre first; with ordering "amber" it goes back to the third place.
    """
    groups: dict[Atoms, list[int]] = {}
    for i, four in enumerate(map(tuple, atoms.tolist())):
        # a dihedral is the same from its other end, where the centre is the second atom
        ways = [w for w in (four, four[::-1]) if {w[0], w[1], w[3]} <= near[w[2]]]
        if not ways:
            raise ExportError(f"the improper {_said(four)} has no centre bonded to the others")
        groups.setdefault(ways[0], []).append(i)
    seen: set[tuple[int, frozenset[int]]] = set()
    found: list[tuple[Atoms, list[int]]] = []
    for (i, j, centre, m), rows in groups.items():
        key = centre, frozenset((i, j, m))
        if key in seen:
            raise ExportError(f"the atoms {_said((i, j, centre, m))} have two impropers")
        seen.add(key)
        found.append(((centre, i, j, m), rows))
    return found
