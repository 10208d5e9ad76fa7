import dataclasses
import json

import numpy as np
import pytest
import torch

from core.bonding import with_bonds
from core.fieldref import FieldRef
from core.forcefields.base import ForceFieldError
from core.forcefields.gaff import GAFF
from core.forcefields.load import load_model, make, save_model
from core.mm.constants import OPENMM_COULOMB
from core.mm.mol2 import read_mol2
from core.molecule import Molecule
from core.motion.scan import RelaxedScan, make_grid
from core.units import KCAL_MOL
from tests.core.mm.test_topology import equal
from tests.core.mm.toy import geometries, toy
from tests.molecules import ETHANOL, without_bonds
from tests.tolerances import MM_SCAN, MM_TERM

NAMES = ("ethanol", "malonaldehyde", "aspirin", "azobenzene", "3bpa")
TOY = Molecule("toy", [6, 6, 6, 6, 6, 1], geometries(1)[0])


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "oracles" / "gaff"


@pytest.fixture(scope="module")
def oracle(folder):
    return json.loads((folder / "energies_forces.json").read_text())


def molecule_of(folder, name: str, geometry: str = "min") -> Molecule:
    """The molecule of the oracle's mol2 at one of its geometries."""
    known, _, _ = read_mol2(folder / f"{name}_gaff.mol2")
    x = np.loadtxt(folder / f"{name}_{geometry}.xyz", skiprows=2, usecols=(1, 2, 3))
    return dataclasses.replace(known, name=name, positions=x)


def from_prmtop(folder, name: str, flavour: str = "gaff", **hyper) -> GAFF:
    hyper = {"parameters": str(folder / f"{name}_{flavour}.prmtop"), **hyper}
    return make(FieldRef("gaff", hyper=hyper), molecule_of(folder, name))


# -- from AMBER's files -----------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("flavour", ["gaff", "gaff2"])
def test_a_prmtop_gives_ambers_energy(folder, oracle, name, flavour):
    field = from_prmtop(folder, name, flavour)
    for geometry in ("min", "disp"):
        x = molecule_of(folder, name, geometry).positions
        wanted = oracle[f"{name}/{flavour}/{geometry}"]["numpy_amber_k"]["total"]
        assert abs(field.predict(x[None]).energy[0] / KCAL_MOL - wanted) < MM_TERM


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("flavour", ["gaff", "gaff2"])
@pytest.mark.parametrize("typed", ["theirs", "ours"])
def test_tables_give_ambers_energy(folder, oracle, name, flavour, typed):
    """mol2 with our tables; and our own types too, with only the charges from the file."""
    molecule = molecule_of(folder, name)
    mol2 = str(folder / f"{name}_{flavour}.mol2")
    frcmod = str(folder / f"{name}_{flavour}.frcmod")
    hyper = {"flavour": flavour, "mol2": mol2, "parameters": frcmod}
    field = make(FieldRef("gaff", hyper=hyper), molecule)
    if typed == "ours":
        from core.mm.assign import assign
        from core.mm.tables import read_frcmod, table
        from core.mm.typing import atom_types

        types = atom_types(molecule, flavour=flavour)
        charges = field.topology.charges
        extra = read_frcmod(frcmod)
        top = assign(molecule, types, charges, table(flavour), extra=extra)
        field = GAFF.from_topology(molecule, top)
    assert abs(field.topology.charges.sum()) < 1e-12
    exact = from_prmtop(folder, name, flavour)
    # antechamber's charges have six digits and add up to 0.001 e or so; the prmtop has all of them
    field = GAFF.from_topology(
        molecule, dataclasses.replace(field.topology, charges=exact.topology.charges)
    )
    for geometry in ("min", "disp"):
        x = torch.tensor(molecule_of(folder, name, geometry).positions)[None]
        ours, theirs = field.terms(x), exact.terms(x)
        for kind, energy in theirs.items():
            assert abs(float(ours[kind] - energy)) / KCAL_MOL < MM_TERM, kind


def test_relaxed_scan_is_that_of_openmm(folder):
    field = from_prmtop(folder, "ethanol")
    same = dataclasses.replace(field.topology, coulomb=OPENMM_COULOMB)
    field = GAFF.from_topology(field.molecule, same)
    angle, energy = np.loadtxt(folder / "ethanol_gaff_relaxed_scan_openmm.txt").T
    grid = make_grid([(0, 1, 2, 8)], [np.radians(angle)])
    scan = RelaxedScan(field, field.molecule, grid, fmax=1e-4, max_steps=300).run()
    assert scan.converged.all()
    assert np.abs(scan.energy / KCAL_MOL - energy).max() < MM_SCAN


def test_other_atoms_or_another_order_are_refused(folder):
    good = molecule_of(folder, "ethanol")

    def refused(order: list[int], path: str) -> str:
        bonds = [[order.index(a), order.index(b)] for a, b in good.bonds]
        other = Molecule("x", good.numbers[order], good.positions[order], bonds=bonds,
                         orders=good.orders)  # fmt: skip
        which = "mol2" if path.endswith("mol2") else "parameters"
        with pytest.raises(ForceFieldError) as caught:
            make(FieldRef("gaff", hyper={which: str(folder / path)}), other)
        return str(caught.value)

    for path in ("ethanol_gaff.prmtop", "ethanol_gaff.mol2"):
        assert "atom 2 is C there and O here" in refused([0, 2, 1, 3, 4, 5, 6, 7, 8], path)
        # a methyl and the hydroxyl hydrogen: the same elements, yet other atoms
        assert "has other bonds than the molecule" in refused([0, 1, 2, 8, 4, 5, 6, 7, 3], path)
    assert "is for C9H8O4" in refused(list(range(9)), "aspirin_gaff.prmtop")


def test_files_that_do_not_fit(folder, tmp_path):
    prmtop, mol2 = (str(folder / f"ethanol_gaff.{s}") for s in ("prmtop", "mol2"))
    molecule = molecule_of(folder, "ethanol")

    def refused(molecule: Molecule = molecule, **hyper) -> str:
        with pytest.raises(ForceFieldError) as caught:
            make(FieldRef("gaff", hyper=hyper), molecule)
        return str(caught.value)

    assert "leave the mol2 file out" in refused(parameters=prmtop, mol2=mol2)
    assert "no such file" in refused(parameters=str(tmp_path / "none"))
    assert "no such file" in refused(mol2=str(tmp_path / "none"))
    assert "no mol2 file with charges" in refused(charges="given")
    cation = dataclasses.replace(molecule, charge=1)
    assert "charge is +1" in refused(cation, parameters=prmtop)
    assert "charge is +1" in refused(cation, mol2=mol2)


def test_charges_of_another_method_on_a_prmtop(folder):
    field = from_prmtop(folder, "ethanol", charges="gasteiger")
    assert abs(field.topology.charges.sum()) < 1e-12
    assert "gasteiger" in field.notes["remarks"]
    amber = from_prmtop(folder, "ethanol")
    assert np.abs(field.topology.charges - amber.topology.charges).max() > 0.05
    assert equal(
        dataclasses.replace(
            field.topology, charges=amber.topology.charges, notes=amber.topology.notes
        ),
        amber.topology,
    )


# -- from a structure -------------------------------------------------------------------------
def test_ethanol_from_its_structure():
    field = make(FieldRef("gaff"), without_bonds(ETHANOL))
    assert field.topology.types == ("c3", "c3", "oh", "hc", "hc", "hc", "h1", "h1", "ho")
    assert len(field.molecule.bonds) == 8
    assert abs(field.topology.charges.sum()) < 1e-12
    assert "gasteiger" in field.notes["remarks"]
    assert not any(t.penalty.any() for t in field.topology.terms().values())
    two = make(FieldRef("gaff", hyper={"flavour": "gaff2"}), ETHANOL)
    x = ETHANOL.positions[None]
    assert abs(two.predict(x).energy - field.predict(x).energy)[0] > 1e-3


def test_symmetry_of_ethanol():
    field = make(FieldRef("gaff"), ETHANOL)
    group = {tuple(p) for p in field.permutations.tolist()}
    assert len(group) == 12  # three methyl hydrogens, two of the methylene
    assert (0, 1, 2, 4, 5, 3, 6, 7, 8) in group
    assert (0, 1, 2, 3, 4, 5, 7, 6, 8) in group


def test_what_has_no_parameters():
    boron = Molecule("x", [5, 1, 1, 1], [[0, 0, 0], [1.2, 0, 0], [-0.6, 1, 0], [-0.6, -1, 0]])
    with pytest.raises(ForceFieldError, match=r"does not cover B \(atom 1\)"):
        make(FieldRef("gaff"), boron)


# -- edited topologies ------------------------------------------------------------------------
def test_an_edited_topology_is_saved(tmp_path):
    field = make(FieldRef("gaff"), ETHANOL)
    term = field.topology.torsion
    changed = {**term.parameters, "k": term.parameters["k"] * 2.0}
    torsion = dataclasses.replace(term, parameters=changed)
    edited = GAFF.from_topology(
        field.molecule, dataclasses.replace(field.topology, torsion=torsion), field.hyper
    )
    x = ETHANOL.positions[None]
    t = torch.tensor(x)
    twice = 2.0 * float(field.terms(t)["torsion"])
    assert float(edited.terms(t)["torsion"]) == pytest.approx(twice, abs=1e-12)
    save_model(tmp_path / "m.npz", edited)
    back = load_model(tmp_path / "m.npz")
    assert equal(back.topology, edited.topology)
    assert back.predict(x).energy[0] == edited.predict(x).energy[0]


def test_a_model_needs_no_files(folder, tmp_path):
    """A saved field has all its terms in it: the prmtop may be gone."""
    field = from_prmtop(folder, "aspirin")
    save_model(tmp_path / "m.npz", field)
    gone = dataclasses.replace(field.hyper, parameters=str(tmp_path / "gone"))
    assert equal(GAFF.from_state(field.molecule, gone, field.state()).topology, field.topology)
    assert equal(load_model(tmp_path / "m.npz").topology, field.topology)


def test_a_topology_of_other_atoms_is_refused():
    with pytest.raises(ForceFieldError, match="is for 6 atoms, not for C2H6O"):
        GAFF.from_topology(with_bonds(ETHANOL), toy())


def test_energy_and_terms_agree():
    field = GAFF.from_topology(TOY, toy())
    x = torch.tensor(geometries(5))
    total = sum(field.terms(x).values())
    assert (field.energy(x) - total).abs().max() < 1e-12
    assert (field.compute(x)[0] - total).abs().max() < 1e-12
