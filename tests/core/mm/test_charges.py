"""Charges against RDKit, NAGL and AM1-BCC; weights read without running anything."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from core.mm import nagl
from core.mm.charges import ChargeError, charges, residual, spread
from core.mm.mol2 import read_mol2
from core.mm.nagl import NaglError
from core.mm.resonance import average_charges
from tests.core.mm.chemistry import molecule
from tests.tolerances import NAGL_CHARGE, NAGL_RMS

NAMES = ["ethanol", "malonaldehyde", "aspirin", "azobenzene", "3bpa"]


@pytest.fixture(scope="session")
def network() -> None:
    try:
        nagl.find_weights()
    except NaglError:
        pytest.skip("openff-nagl-models is not installed")


@pytest.fixture
def oracle(shared: Path) -> dict:
    return json.loads((shared / "oracles" / "gaff" / "charges.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_gasteiger_is_rdkits(name: str, shared: Path, oracle: dict) -> None:
    mol = read_mol2(shared / "oracles" / "gaff" / f"{name}_gaff.mol2")[0]
    np.testing.assert_allclose(charges(mol, "gasteiger"), oracle[name]["gasteiger"], atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_nagl_is_nagls_and_near_am1bcc(
    name: str, shared: Path, oracle: dict, network: None
) -> None:
    mol = read_mol2(shared / "oracles" / "gaff" / f"{name}_gaff.mol2")[0]
    ours = charges(mol, "nagl")
    np.testing.assert_allclose(ours, oracle[name]["nagl"], atol=NAGL_CHARGE)
    if name != "malonaldehyde":  # its AM1-BCC charges are those of the hydrogen-bonded conformer
        assert np.sqrt(np.mean((ours - oracle[name]["am1bcc"]) ** 2)) < NAGL_RMS


@pytest.mark.parametrize(
    "smiles", ["CC(=O)[O-]", "C[NH3+]", "NC(N)=[NH2+]", "C[N+](=O)[O-]", "CCO"]
)
@pytest.mark.parametrize("method", ["gasteiger", "nagl"])
def test_the_total_charge_is_exact(smiles: str, method: str, network: None) -> None:
    mol = molecule(smiles)
    assert abs(residual(mol, charges(mol, method))) < 1e-15


def test_symmetric_atoms_have_the_same_charge(network: None) -> None:
    found = charges(molecule("CC(=O)[O-]"), "nagl")
    assert found[2] == pytest.approx(found[3], abs=1e-7)
    assert np.ptp(found[4:7]) < 1e-7


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CC(=O)[O-]", {2: -0.5, 3: -0.5}),
        ("C[N+](=O)[O-]", {1: 1.0, 2: -0.5, 3: -0.5}),
        ("NC(N)=[NH2+]", {0: 1 / 3, 2: 1 / 3, 3: 1 / 3}),
        ("CP(=O)([O-])[O-]", {2: -2 / 3, 3: -2 / 3, 4: -2 / 3}),
        ("O=CC=C[O-]", {0: -0.5, 4: -0.5}),
        ("C[n+]1ccn(C)c1", {1: 0.5, 4: 0.5}),
        ("C[NH3+]", {1: 1.0}),
        ("CC(N)=O", {}),
    ],
)
def test_formal_charges_are_averaged_over_resonance_forms(smiles: str, expected: dict) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    Chem.Kekulize(mol, clearAromaticFlags=True)
    want = np.zeros(mol.GetNumAtoms())
    want[list(expected)] = list(expected.values())
    np.testing.assert_allclose(average_charges(mol), want, atol=1e-12)


def test_given_charges_are_kept_and_closed() -> None:
    mol = molecule("O")
    np.testing.assert_array_equal(charges(mol, "given", given=[-0.8, 0.4, 0.4]), [-0.8, 0.4, 0.4])
    close = spread(mol, np.array([-0.801, 0.4, 0.4]))
    assert close.sum() == 0.0
    np.testing.assert_allclose(close, [-0.801 + 1e-3 / 3, 0.4 + 1e-3 / 3, 0.4 + 1e-3 / 3])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([-0.8, 0.4], "2 given charges for 3 atoms"),
        ([-0.8, 0.4, 0.6], "add up to \\+0.2000"),
        ([np.nan, 0.4, 0.4], "O1 is not a number"),
        (None, "no charges are given"),
    ],
)
def test_wrong_charges_are_refused(given: list[float] | None, words: str) -> None:
    with pytest.raises(ChargeError, match=words):
        charges(molecule("O"), "given", given=given)


def test_nagl_names_the_atom_it_does_not_know(network: None) -> None:
    with pytest.raises(ChargeError, match="Si2"):
        charges(molecule("C[Si](C)(C)C"), "nagl")


def test_methods_that_cannot_work_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ChargeError, match="mulliken"):
        charges(molecule("O"), "mulliken")
    with pytest.raises(ChargeError, match="choose another method"):
        charges(molecule("[Fe]"), "gasteiger")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ChargeError, match="AmberTools"):
        charges(molecule("O"), "antechamber")


def test_without_the_package_the_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ChargeError, match="openff-nagl-models"):
        charges(molecule("O"), "nagl")


def test_radicals_get_no_nagl_charges() -> None:
    with pytest.raises(NaglError):
        nagl.features(dataclasses.replace(molecule("[CH3]"), multiplicity=2))


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("inside", [True, False])
def test_nothing_in_a_checkpoint_is_run(inside: bool, tmp_path: Path) -> None:
    target, path = tmp_path / "ran", tmp_path / "bad.pt"
    tree = {"state_dict": {"a.weight": Trap(str(target))}} if inside else Trap(str(target))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(tree, protocol=2))
    with pytest.raises(NaglError):
        nagl.weights(path)
    assert not target.exists()


def test_a_checkpoint_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    path.write_bytes(b"not a zip")
    with pytest.raises(NaglError, match="cannot be read"):
        nagl.weights(path)
