import subprocess
import sys

import numpy as np
import pytest

from core.fieldref import FieldRef
from core.forcefields.load import make
from core.units import KCAL_MOL
from tests.core.forcefields.test_gaff import NAMES, from_prmtop, molecule_of
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import MM_EXPORT, MM_FORCE


@pytest.fixture(autouse=True)
def installed():
    pytest.importorskip("openmm", reason="OpenMM is not installed (pip install openmm)")


def test_it_is_our_gaff():
    x = ethanol_frames(20, shake=0.1)
    ours = make(FieldRef("gaff"), ETHANOL).predict(x)
    theirs = make(FieldRef("gaff-openmm"), ETHANOL).predict(x)
    assert np.abs(ours.energy - theirs.energy).max() / KCAL_MOL < MM_EXPORT
    assert np.abs(ours.forces - theirs.forces).max() / KCAL_MOL < MM_FORCE


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("flavour", ["gaff", "gaff2"])
def test_the_oracle(shared, name, flavour):
    folder = shared / "oracles" / "gaff"
    ours = from_prmtop(folder, name, flavour)
    hyper = {"parameters": str(folder / f"{name}_{flavour}.prmtop")}
    theirs = make(FieldRef("gaff-openmm", hyper=hyper), molecule_of(folder, name))
    x = np.stack([molecule_of(folder, name, g).positions for g in ("min", "disp")])
    away = ours.predict(x).energy - theirs.predict(x).energy
    assert np.abs(away).max() / KCAL_MOL < MM_EXPORT


def test_without_openmm_it_is_not_there_and_says_why():
    code = (
        "import sys; sys.modules['openmm'] = None\n"
        "from core.fieldref import FieldRef\n"
        "from core.forcefields import discover\n"
        "from core.forcefields.load import make\n"
        "from core.molecule import Molecule\n"
        "assert 'gaff-openmm' not in discover() and 'gaff' in discover()\n"
        "try:\n"
        "    make(FieldRef('gaff-openmm'), Molecule('x', [1, 1], [[0, 0, 0], [0, 0, 0.7]]))\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "GAFF (OpenMM) needs the package openmm: pip install openmm"
