"""GAFF with what it cannot do: the sentences a person meets in the window."""

import dataclasses
import re

import numpy as np
import pytest

from core.analyses.parameters import ParametersSpec
from core.analyses.parameters import run as parameters
from core.engine.context import Context
from core.fieldref import FieldRef
from core.forcefields.base import ForceFieldError
from core.forcefields.load import make
from core.molecule import Molecule
from core.readers import read
from tests.core.mm.test_mol2 import FORMALDEHYDE
from tests.molecules import ETHANOL, without_bonds


def made(smiles: str) -> Molecule:
    block = read(smiles, format="smiles").blocks[0]
    return Molecule(
        smiles, block.numbers, block.positions[0], block.charge, block.multiplicity or 1,
        block.bonds, block.orders,
    )  # fmt: skip


def refused(molecule: Molecule, **hyper: str) -> str:
    """The sentence, the same from a field that is made and from the parameter editor."""
    with pytest.raises(ForceFieldError) as caught:
        make(FieldRef("gaff", hyper=hyper), molecule)
    with pytest.raises(ForceFieldError) as again:
        parameters(ParametersSpec(molecule, dict(hyper)), Context())
    assert str(again.value) == str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("smiles", "words"),
    [
        ("C[Si](C)(C)C", r"does not cover Si \(atom 2\): choose a force field that does"),
        ("[Cu]", r"does not cover Cu \(atom 1\)"),
        (
            "C[CH2]",
            r"multiplicity 2 \(unpaired electron at C2\).*correct the multiplicity or choose",
        ),
        ("[C-]#[O+]", r"Gasteiger charges are not defined.*Element: O.*choose another method"),
    ],
)
def test_elements_and_radicals(smiles, words):
    assert re.search(words, refused(made(smiles)))


def test_a_radical_whose_multiplicity_nobody_told():
    radical = dataclasses.replace(made("C[CH2]"), multiplicity=1)
    assert "C2 with an unpaired electron; check its bonds" in refused(radical)
    assert "correct its charge" in refused(without_bonds(radical))


def test_a_charge_that_does_not_fit():
    assert "make a total charge of +0, but its charge is +1" in refused(
        dataclasses.replace(ETHANOL, charge=1)
    )
    assert "correct its charge" in refused(without_bonds(dataclasses.replace(ETHANOL, charge=1)))


def test_charges_that_do_not_sum(tmp_path):
    path = tmp_path / "x.mol2"
    path.write_text(FORMALDEHYDE)
    block = read(path).blocks[0]
    molecule = Molecule("x", block.numbers, block.positions[0], bonds=block.bonds,
                        orders=block.orders)  # fmt: skip
    make(FieldRef("gaff", hyper={"mol2": str(path)}), molecule)
    path.write_text(FORMALDEHYDE.replace("0.300000", "0.700000"))
    assert "add up to +0.4000 e, which is no whole number" in refused(molecule, mol2=str(path))
    path.write_text(FORMALDEHYDE.replace("0.300000", "2.300000"))
    assert "add up to +2 e, the molecule's charge is +0" in refused(molecule, mol2=str(path))


def test_a_mol2_whose_order_differs_from_the_data_set(tmp_path):
    """The sentence names the first atom that differs, whichever way it differs."""
    path = tmp_path / "x.mol2"
    path.write_text(FORMALDEHYDE)
    block = read(path).blocks[0]

    def other(order: list[int]) -> Molecule:
        bonds = [[order.index(a), order.index(b)] for a, b in block.bonds]
        return Molecule("data", block.numbers[order], block.positions[0][order], bonds=bonds,
                        orders=block.orders)  # fmt: skip

    said = refused(other([0, 2, 1, 3]), mol2=str(path))
    assert "x.mol2 has another atom order: atom 2 is O there and H here" in said
    assert "Reorder the atoms" in said
    smaller = Molecule("water", np.array([8, 1, 1]), np.eye(3))
    assert "x.mol2 is for CH2O, not for H2O" in refused(smaller, mol2=str(path))


def test_a_mol2_with_sybyl_types_gives_its_charges_only(tmp_path):
    path = tmp_path / "x.mol2"
    text = FORMALDEHYDE.replace(" c  ", " C.2").replace(" o  ", " O.2").replace(" h4 ", " H  ")
    path.write_text(text)
    block = read(path).blocks[0]
    molecule = Molecule("x", block.numbers, block.positions[0], bonds=block.bonds,
                        orders=block.orders)  # fmt: skip
    field = make(FieldRef("gaff", hyper={"mol2": str(path)}), molecule)
    assert field.topology.types == ("c", "o", "h4", "h4")
    assert field.topology.charges == pytest.approx([0.3, -0.45, 0.075, 0.075])
    assert "those of the mol2 file are SYBYL's" in field.notes["remarks"]
