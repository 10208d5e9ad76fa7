"""GAFF-Morse out of the program."""

import numpy as np
import pytest

from core.fieldref import FieldRef
from core.forcefields.gaff import parametrise
from core.forcefields.gaff_morse import GAFFMorse
from core.forcefields.load import load_model, make, save_model
from core.mm.export import ExportError, export
from core.mm.export.json import read_json
from core.units import KCAL_MOL
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import MM_EXPORT


@pytest.fixture(scope="module")
def field():
    molecule, topology = parametrise(ETHANOL, GAFFMorse.Hyper())
    depth = np.random.default_rng(2).uniform(3.0, 5.0, len(topology.bond))
    return GAFFMorse(molecule, topology=topology, depth=depth)


def test_openmm_computes_the_morse_bonds(field, tmp_path):
    openmm = pytest.importorskip("openmm", reason="OpenMM is not installed (pip install openmm)")
    from openmm import app

    save_model(tmp_path / "m.npz", field)
    files = export(load_model(tmp_path / "m.npz"), "openmm", tmp_path / "e.xml").files
    system = openmm.XmlSerializer.deserialize(files[0].read_text())
    built = app.ForceField(str(files[1])).createSystem(
        app.PDBFile(str(files[2])).topology, nonbondedMethod=app.NoCutoff, constraints=None,
        rigidWater=False, removeCMMotion=False,
    )  # fmt: skip
    x = ethanol_frames(10, shake=0.1)
    ours = field.predict(x).energy / KCAL_MOL
    harmonic = make(FieldRef("gaff"), ETHANOL).predict(x).energy / KCAL_MOL
    assert np.abs(ours - harmonic).max() > 0.1
    for one in (system, built):
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(one, openmm.VerletIntegrator(0.001), platform)
        for frame, wanted in zip(x, ours, strict=True):
            context.setPositions(frame / 10.0)
            energy = context.getState(getEnergy=True).getPotentialEnergy()
            found = energy.value_in_unit(openmm.unit.kilocalories_per_mole)
            assert abs(found - wanted) < MM_EXPORT


def test_json_keeps_the_depths(field, tmp_path):
    export(field, "json", tmp_path / "e.json")
    record = read_json(tmp_path / "e.json")
    again = GAFFMorse(record.molecule, topology=record.topology, depth=record.depth)
    x = ethanol_frames(5, shake=0.1)
    away = again.predict(x).energy - field.predict(x).energy
    assert np.abs(away).max() / KCAL_MOL < MM_EXPORT


def test_amber_has_none(field, tmp_path):
    with pytest.raises(ExportError, match="AMBER has no Morse bonds"):
        export(field, "amber", tmp_path / "e.prmtop")
    assert not list(tmp_path.iterdir())
