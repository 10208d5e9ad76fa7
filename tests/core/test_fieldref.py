"""A spec found in a project may name code to run: that has to be seen before it runs."""

import numpy as np
import pytest

from core.analyses.dynamics import DynamicsSpec
from core.analyses.surface import Axis, SurfaceSpec
from core.fieldref import NAMED_CODE, FieldRef, runs_named_code
from core.forcefields import discover
from core.forcefields.base import ForceFieldError
from core.forcefields.load import make, save_model
from core.molecule import Molecule

HARM = FieldRef(
    "ase-calculator",
    hyper={"path": "ase.calculators.abinit:Abinit", "arguments": '{"command": "rm -rf /"}'},
)
HELIUM = Molecule("He", np.array([2]), np.zeros((1, 3)))


def test_code_is_found_wherever_the_spec_holds_it():
    axis = Axis((0, 1, 2, 3), 0.0, 1.0, 4)
    surface = SurfaceSpec(molecule=HELIUM, axes=(axis,), fields=(FieldRef("mmff94"), HARM, HARM))
    for spec in (HARM, surface, DynamicsSpec(HELIUM, HARM)):
        text = runs_named_code(spec)
        assert text == ('ase.calculators.abinit:Abinit with the arguments {"command": "rm -rf /"}')


def test_other_jobs_name_none():
    assert runs_named_code(DynamicsSpec(HELIUM, FieldRef("mmff94"))) == ""
    assert runs_named_code(None) == ""


def test_every_external_force_field_is_known_to_name_code():
    external = {key for key, cls in discover().items() if cls.INFO.family == "external"}
    assert external == set(NAMED_CODE)


def test_a_model_file_cannot_choose_what_runs(tmp_path):
    field = make(FieldRef("ase-calculator", hyper={"path": "ase.calculators.emt:EMT"}), HELIUM)
    save_model(tmp_path / "model.npz", field)
    for key in ("", "ase-calculator"):
        with pytest.raises(ForceFieldError, match=r"asks to run ase.calculators.emt:EMT"):
            make(FieldRef(key, model=str(tmp_path / "model.npz")), HELIUM)
