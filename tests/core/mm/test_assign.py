"""Every parameter against the prmtop files that AmberTools 26 makes of the same types."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core.mm.analogy import estimate_angle
from core.mm.assign import AssignError, assign
from core.mm.frcmod import FrcmodError, frcmod
from core.mm.mol2 import read_mol2
from core.mm.prmtop import read_prmtop
from core.mm.tables import Table, read_frcmod, table
from core.mm.topology import Term, Topology
from core.mm.typing import atom_types
from core.units import KCAL_MOL
from tests.core.mm.chemistry import molecule

NAMES = ["ethanol", "malonaldehyde", "aspirin", "azobenzene", "3bpa"]
CASES = [(n, f) for n in NAMES for f in ("gaff", "gaff2")]
#: AmberTools 26 took these from GAFF 2.2.30, which is younger than the table here.
NEWER = {((0, 1, 2, 6), 10.5), ((1, 5, 6, 7), 10.5), ((2, 3, 17, 4), 10.5)}


def rows(term: Term) -> Counter:
    """Atoms and parameters (kcal/mol, to the digits of a prmtop); zero torsions left out."""
    found = Counter()
    for atoms, *values in zip(term.atoms.tolist(), *term.parameters.values(), strict=True):
        k, *rest = (float(v) for v in values)
        if k or len(rest) == 1:
            way = min(tuple(atoms), tuple(atoms[::-1]))
            found[way, round(k / KCAL_MOL, 4), *(round(v, 4) for v in rest)] += 1
    return found


def assigned(shared: Path, name: str, flavour: str, *, extra: bool) -> tuple[Topology, Topology]:
    stem = shared / "oracles" / "gaff" / f"{name}_{flavour}"
    mol, types, charges = read_mol2(f"{stem}.mol2")
    more = read_frcmod(f"{stem}.frcmod") if extra else None
    ours = assign(mol, types, charges, table(flavour), extra=more)
    return ours, read_prmtop(f"{stem}.prmtop")[1]


@pytest.mark.parametrize(("name", "flavour"), CASES)
def test_with_the_frcmod_everything_is_identical(name: str, flavour: str, shared: Path) -> None:
    ours, theirs = assigned(shared, name, flavour, extra=True)
    for kind in ("bond", "angle", "torsion", "improper"):
        assert rows(getattr(ours, kind)) == rows(getattr(theirs, kind)), kind
    np.testing.assert_allclose(ours.rmin_half, theirs.rmin_half, atol=1e-6)
    np.testing.assert_allclose(ours.epsilon, theirs.epsilon, rtol=1e-6)
    for pairs in ("pairs", "pairs14"):
        mine, other = (
            {tuple(sorted(p)) for p in getattr(t, pairs).tolist()} for t in (ours, theirs)
        )
        assert mine == other
    np.testing.assert_allclose(ours.scee14, 1.2)
    np.testing.assert_allclose(ours.scnb14, 2.0)
    assert ours.coulomb == theirs.coulomb


@pytest.mark.parametrize(("name", "flavour"), CASES)
def test_our_own_analogies_give_the_same(name: str, flavour: str, shared: Path) -> None:
    ours, theirs = assigned(shared, name, flavour, extra=False)
    for kind in ("bond", "angle", "torsion"):
        assert rows(getattr(ours, kind)) == rows(getattr(theirs, kind)), kind
    mine, other = rows(ours.improper), rows(theirs.improper)
    differ = {row[:2] for row in (other - mine)}
    assert differ == (NEWER if (name, flavour) == ("3bpa", "gaff2") else set())
    assert {row[0] for row in mine} == {row[0] for row in other}


def test_every_analogy_is_visible() -> None:
    mol = molecule("Nc1ncccc1")
    found = assign(mol, atom_types(mol, flavour="gaff2"), np.zeros(13), table("gaff2"))
    taken = [i for i, p in enumerate(found.torsion.penalty) if p > 0]
    assert taken
    assert all("taken from X-ca-nh-X" in found.torsion.source[i] for i in taken)
    assert all("nv" in found.torsion.types[i] for i in taken)
    assert any("hn-nv-ca-nb" in note and "penalty" in note for note in found.notes)
    assert all(s.startswith("GAFF 2.2.20") for s in found.bond.source)


@pytest.mark.parametrize("flavour", ["gaff", "gaff2"])
@pytest.mark.parametrize(
    ("smiles", "counts"), [("CCO", (8, 13, 12)), ("C", (4, 6, 0)), ("c1ccccc1", (12, 18, 24))]
)
def test_numbers_of_terms(smiles: str, counts: tuple[int, ...], flavour: str) -> None:
    mol = molecule(smiles)
    types = atom_types(mol, flavour=flavour)
    found = assign(mol, types, np.zeros(len(types)), table(flavour))
    quadruples = {tuple(a) for a in found.torsion.atoms.tolist()}
    assert (len(found.bond), len(found.angle), len(quadruples)) == counts
    n = len(types)
    near = len(found.bond) + len({tuple(sorted((a[0], a[2]))) for a in found.angle.atoms.tolist()})
    assert near + len(found.pairs) + len(found.pairs14) == n * (n - 1) // 2


def test_a_torsion_of_cyclopropane_never_meets_itself() -> None:
    mol = molecule("C1CC1")
    found = assign(mol, atom_types(mol), np.zeros(9), table("gaff"))
    assert all(len(set(a)) == 4 for a in found.torsion.atoms.tolist())
    bonded = {tuple(sorted(b)) for b in found.bond.atoms.tolist()}
    assert not bonded & {tuple(sorted(p)) for p in found.pairs14.tolist()}


def test_twins_follow_the_bond_between_two_conjugated_systems() -> None:
    # the names cc/cd and ce/cf are chosen independently, the bond between them is single
    for smiles in ("C=Cc1ccco1", "C=Cc1occc1", "o1cccc1C=C"):
        mol = molecule(smiles)
        found = assign(mol, atom_types(mol), np.zeros(len(mol.numbers)), table("gaff"))
        own = [
            k / KCAL_MOL
            for k, t in zip(found.torsion.parameters["k"], found.torsion.types, strict=True)
            if {x[:2] for x in t.split("-")[1:3]} <= {"cc", "cd", "ce", "cf"}
            and len({x[:2] for x in t.split("-")[1:3]} & {"ce", "cf"}) == 1
        ]
        assert own
        assert max(own) == pytest.approx(1.0)  # X-ce-ce-X, not the 6.65 of a double bond


def test_wrong_input_is_refused() -> None:
    mol = molecule("CCO")
    types, zero = atom_types(mol), np.zeros(9)
    with pytest.raises(AssignError, match="8 atom types for 9 atoms"):
        assign(mol, types[:8], zero, table("gaff"))
    with pytest.raises(AssignError, match=r"add up to \+0.5000"):
        assign(mol, types, zero + 0.5 / 9, table("gaff"))
    with pytest.raises(AssignError, match="C1 is no number"):
        assign(mol, types, np.array([np.nan, *zero[1:]]), table("gaff"))
    with pytest.raises(AssignError, match="type Fe of C1"):
        assign(mol, ("Fe", *types[1:]), zero, table("gaff"))


def test_a_term_without_any_analogy_is_named() -> None:
    bare = Table("empty", vdw=table("gaff").vdw)
    mol = molecule("CCO")
    with pytest.raises(AssignError, match="no bond c3-c3 \\(C1-C2\\)"):
        assign(mol, atom_types(mol), np.zeros(9), bare)


@pytest.mark.parametrize("smiles", ["CC(=O)Oc1ccccc1C(=O)O", "CC(=O)N(C)C", "c1ccc(nc1)N"])
@pytest.mark.parametrize("flavour", ["gaff", "gaff2"])
def test_an_frcmod_of_ours_gives_the_molecule_back(
    smiles: str, flavour: str, tmp_path: Path
) -> None:
    mol = molecule(smiles)
    types, zero = atom_types(mol, flavour=flavour), np.zeros(len(mol.numbers))
    first = assign(mol, types, zero, table(flavour))
    path = tmp_path / "m.frcmod"
    path.write_text(frcmod(first, table(flavour).masses))
    again = assign(mol, types, zero, read_frcmod(path))
    assert not again.notes
    for kind in ("bond", "angle", "torsion", "improper"):
        one, two = getattr(first, kind), getattr(again, kind)
        order = [np.lexsort((*t.atoms.T, list(t.parameters.values())[1])) for t in (one, two)]
        assert one.atoms[order[0]].tolist() == two.atoms[order[1]].tolist()
        for name in one.parameters:
            np.testing.assert_allclose(
                two.parameters[name][order[1]], one.parameters[name][order[0]], rtol=1e-7, atol=1e-9
            )
    np.testing.assert_allclose(again.epsilon, first.epsilon, rtol=1e-7)


def test_an_frcmod_cannot_hold_two_values_of_one_type() -> None:
    mol = molecule("CCO")
    found = assign(mol, atom_types(mol), np.zeros(9), table("gaff"))
    found.bond.parameters["k"] = found.bond.parameters["k"] * np.linspace(1.0, 1.1, 8)
    with pytest.raises(FrcmodError, match="one value per type"):
        frcmod(found, table("gaff").masses)


def test_an_improper_of_several_terms_is_refused_not_cut() -> None:
    mol = molecule("CC(N)=O")
    found = assign(mol, atom_types(mol), np.zeros(9), table("gaff"))
    old = found.improper
    twice = Term(
        "improper",
        np.concatenate([old.atoms, old.atoms[:1]]),
        {
            "k": np.append(old.parameters["k"], 0.01),
            "n": np.append(old.parameters["n"], 1.0),
            "phase": np.append(old.parameters["phase"], 0.0),
        },
    )
    with pytest.raises(FrcmodError, match="has 2 terms"):
        frcmod(dataclasses.replace(found, improper=twice), table("gaff").masses)


def test_impropers_are_where_tleap_looks_for_them() -> None:
    # tleap takes columns 12 to 15 of every dihedral line for the number of paths
    mol = molecule("CC(N)=O")
    found = assign(mol, atom_types(mol), np.zeros(9), table("gaff"))
    lines = frcmod(found, table("gaff").masses).partition("IMPROPER\n")[2].partition("\n\n")[0]
    for line in lines.splitlines():
        assert not line[11:15].strip()
        assert float(line[15:].split()[0]) in (1.1, 10.5)


@pytest.mark.parametrize(
    ("types", "theta", "k"),
    [
        ("c2-p4-c3", 103.38, 37.104),
        ("n2-c2-o", 117.755, 79.144),
        ("cu-cx-n2", 49.99, 101.213),
        ("cu-cx-h1", 83.185, 55.444),
        ("n3-n3-s6", 112.125, 65.897),
        ("na-os-nc", 111.17, 66.584),
    ],
)
def test_the_empirical_rule_for_angles_is_parmchk2s(types: str, theta: float, k: float) -> None:
    a, b, c = types.split("-")
    lengths = [table("gaff").bond(a, b).equilibrium, table("gaff").bond(b, c).equilibrium]
    ours = estimate_angle((a, b, c), *lengths, np.radians(theta)) / KCAL_MOL
    assert ours == pytest.approx(k, abs=1e-3)
