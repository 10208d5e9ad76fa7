"""ASE calculators by import path: agreement with the direct field, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from core.fieldref import FieldRef
from core.forcefields.base import ForceFieldError
from core.forcefields.load import make
from core.molecule import Molecule
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import ASE_UNITS

TBLITE = {
    "path": "tblite.ase:TBLite",
    "arguments": '{"method": "GFN2-xTB", "verbosity": 0, "accuracy": 0.01}',
}


def test_tblite_through_ase_is_gfn2():
    frames = ethanol_frames(2)
    through = make(FieldRef("ase-calculator", hyper=TBLITE), ETHANOL).predict(frames)
    direct = make(FieldRef("gfn2-xtb"), ETHANOL).predict(frames)
    assert np.allclose(through.energy, direct.energy, rtol=ASE_UNITS, atol=0)
    assert np.abs(through.forces - direct.forces).max() < 1e-5


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("os:system", "not an ASE calculator class"),
        ("subprocess:Popen", "not an ASE calculator class"),
        ("ase.atoms:Atoms", "not an ASE calculator class"),
        ("ase.calculators.emt:Nothing", "has no Nothing"),
        ("no_such_module_here:X", "cannot be imported"),
        ("ase.calculators.emt", "not an import path"),
        ("../evil:EMT", "not an import path"),
        ("ase.calculators.emt:EMT.__init__", "not an import path"),
        ("__import__('os'):x", "not an import path"),
        ("", "not an import path"),
    ],
)
def test_only_calculator_classes(path, why):
    with pytest.raises(ForceFieldError, match=why):
        make(FieldRef("ase-calculator", hyper={"path": path}), ETHANOL)


@pytest.mark.parametrize(("text", "why"), [("{", "not JSON"), ("[1]", "table")])
def test_bad_arguments(text, why):
    with pytest.raises(ForceFieldError, match=why):
        make(FieldRef("ase-calculator", hyper={"arguments": text}), ETHANOL)


def test_a_calculator_that_fails_says_why():
    hyper = {"path": "ase.calculators.emt:EMT"}
    silicon = Molecule("silane", [14, 1], [[0, 0, 0], [1.5, 0, 0]])  # EMT has no Si
    field = make(FieldRef("ase-calculator", hyper=hyper), silicon)
    with pytest.raises(ForceFieldError, match=r"geometry 1: ase\.calculators\.emt:EMT: "):
        field.predict(silicon.positions[None])
