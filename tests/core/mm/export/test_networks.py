"""GAFF-NN out of the program: networks as expressions, computed by OpenMM without any Python."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.forcefields.gaff_nn import GAFFNN
from core.forcefields.load import load_model, save_model
from core.mm.export import ExportError, export
from core.mm.export.json import read_json
from core.mm.export.openmm import GROUPS, SWAPS
from core.mm.neural import Functions, coordinates
from core.readers.errors import ReaderError
from core.units import KCAL_MOL
from tests.core.mm.export.neural import random_field
from tests.core.mm.export.test_structures import molecule
from tests.hostile.mutate import mutate
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import MM_EXPORT


@pytest.fixture(scope="module")
def openmm():
    return pytest.importorskip("openmm", reason="OpenMM is not installed (pip install openmm)")


@pytest.fixture
def compute(openmm):
    """compute(system, x (N,3) Å, group=None) -> kcal/mol and kcal/mol/Å on the Reference
    platform, which is in double."""

    made = {}

    def of(system, x, group=None):
        if system not in made:  # compiling the expressions takes a while
            platform = openmm.Platform.getPlatformByName("Reference")
            made[system] = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        groups = -1 if group is None else 1 << group
        made[system].setPositions(x / 10.0)
        state = made[system].getState(getEnergy=True, getForces=True, groups=groups)
        unit = openmm.unit
        energy = state.getPotentialEnergy().value_in_unit(unit.kilocalories_per_mole)
        per = unit.kilocalories_per_mole / unit.angstrom
        return energy, state.getForces(asNumpy=True).value_in_unit(per)

    return of


@pytest.mark.parametrize(
    ("units", "odd"), [((16,), False), ((7,), True), ((5, 4), True), ((10, 10), False)]
)
def test_openmm_computes_the_networks(units, odd, openmm, compute, tmp_path):
    """Energies and forces of every frame, inside and outside the range of the training data."""
    field = random_field(ETHANOL, units=units, odd=odd)
    save_model(tmp_path / "m.npz", field)
    found = export(load_model(tmp_path / "m.npz"), "openmm", tmp_path / "e.xml")
    assert [f.name for f in found.files] == ["e.xml", "e.ff.xml", "e.pdb"]
    text = found.files[0].read_text()
    assert "PythonForce" not in text  # its function would be a pickle
    system = openmm.XmlSerializer.deserialize(text)
    x = ethanol_frames(6, shake=0.1)
    ours = field.predict(x)
    for frame, e, f in zip(x, ours.energy, ours.forces, strict=True):
        energy, forces = compute(system, frame)
        assert abs(energy - e / KCAL_MOL) < MM_EXPORT
        assert np.abs(forces - f / KCAL_MOL).max() < MM_EXPORT  # per Å


def test_some_frames_are_outside_and_every_kind_is_right(openmm, compute, tmp_path):
    import torch

    field = random_field(ETHANOL)
    x = ethanol_frames(6, shake=0.1)
    q = coordinates(field.index, torch.tensor(x)).T
    below, above = q < field.each.low[:, None], q > field.each.high[:, None]
    assert below.any()
    assert above.any()
    assert not (below | above).all()
    path = export(field, "openmm", tmp_path / "e.xml").files[0]
    system = openmm.XmlSerializer.deserialize(path.read_text())
    ours = {k: float(e[0]) for k, e in field.terms(torch.tensor(x[:1])).items()}
    for kind in ("bond", "angle", "torsion"):
        assert abs(compute(system, x[0], GROUPS[kind])[0] - ours[kind] / KCAL_MOL) < MM_EXPORT
    constant, forces = compute(system, x[0], GROUPS["constant"])
    assert abs(constant - field.offset / KCAL_MOL) < MM_EXPORT
    assert not forces.any()


@pytest.mark.parametrize("smiles", ["CCO", "CC(=O)C", "O=CN"])
def test_the_forcefield_file_builds_the_same_system(smiles, openmm, compute, tmp_path):
    from openmm import app

    field = random_field(molecule(smiles), offset=3.0)
    found = export(field, "openmm", tmp_path / "m.xml")
    built = app.ForceField(str(found.files[1])).createSystem(
        app.PDBFile(str(found.files[2])).topology, nonbondedMethod=app.NoCutoff, constraints=None,
        rigidWater=False, removeCMMotion=False,
    )  # fmt: skip
    system = openmm.XmlSerializer.deserialize(found.files[0].read_text())
    x = field.molecule.positions
    ours = field.predict(x[None]).energy[0] / KCAL_MOL
    assert abs(compute(system, x)[0] - ours) < MM_EXPORT
    if SWAPS not in found.notes:
        assert abs(compute(built, x)[0] - ours) < MM_EXPORT


def test_a_straight_angle_has_finite_forces(openmm, compute, tmp_path):
    field = random_field(molecule("CC#N"))
    x = field.molecule.positions.copy()
    x[2] = x[1] + (x[1] - x[0]) * 0.8  # exactly straight
    path = export(field, "openmm", tmp_path / "m.xml").files[0]
    energy, forces = compute(openmm.XmlSerializer.deserialize(path.read_text()), x)
    ours = field.predict(x[None])
    assert abs(energy - ours.energy[0] / KCAL_MOL) < MM_EXPORT
    assert np.abs(forces - ours.forces[0] / KCAL_MOL).max() < MM_EXPORT  # per Å


@pytest.mark.parametrize(("units", "odd"), [((16,), False), ((5, 4), True)])
def test_json_keeps_the_networks(units, odd, tmp_path):
    field = random_field(ETHANOL, units=units, odd=odd)
    export(field, "json", tmp_path / "e.json")
    found = read_json(tmp_path / "e.json")
    assert found.bonded is not None
    again = GAFFNN(
        found.molecule,
        topology=found.topology,
        functions=Functions(found.bonded.atoms, found.bonded.which, field.functions.kinds),
        networks=found.bonded.networks,
        offset=found.bonded.offset,
    )
    x = ethanol_frames(6, shake=0.1)
    assert np.abs(again.predict(x).energy - field.predict(x).energy).max() / KCAL_MOL < MM_EXPORT
    assert np.abs(again.predict(x).forces - field.predict(x).forces).max() / KCAL_MOL < MM_EXPORT


def test_damaged_networks_end_in_a_sentence_or_a_record(tmp_path):
    path = tmp_path / "e.json"
    export(random_field(ETHANOL, units=(3,)), "json", path)
    text, rng = path.read_text(), np.random.default_rng(8)
    said = []
    for _ in range(100):
        path.write_bytes(mutate(text.encode(), rng))
        try:
            read_json(path)
        except ReaderError as error:
            said.append(str(error))
    assert len(said) > 30
    assert all(sentence.startswith("e.json") for sentence in said)
    for name, value in (
        ("functions", []), ("bond", [[1, 2, 99]]), ("bond", [[1, 2]]), ("angle", [[1, 2, 3, 1]]),
        ("constant", float("nan")), ("torsion", [[1, 2, 3, 50, 9]]),
    ):  # fmt: skip
        damaged = json.loads(text)
        damaged["networks"][name] = value
        path.write_text(json.dumps(damaged))
        with pytest.raises(ReaderError, match="damaged"):
            read_json(path)


def test_what_cannot_be_is_said(tmp_path):
    with pytest.raises(ExportError, match="2 hidden layers of 20 units are too large"):
        export(random_field(ETHANOL, units=(20, 20)), "openmm", tmp_path / "e.xml")
    with pytest.raises(ExportError, match="AMBER has no networks"):
        export(random_field(ETHANOL), "amber", tmp_path / "e.prmtop")
    assert not list(tmp_path.iterdir())
