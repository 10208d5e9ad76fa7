"""Ghemical by Open Babel: the numbers of `obenergy`, right forces, and a child that obeys."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from core.fieldref import FieldRef
from core.forcefields import _openbabel, _openbabel_child
from core.forcefields.base import ForceFieldError
from core.forcefields.load import make
from core.molecule import Molecule
from core.readers import read
from core.units import KJ_MOL
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import FINITE_DIFFERENCE_FORCE, OBENERGY_PRINTS

#: `obenergy -ff Ghemical FILE` of Open Babel 3.1.1 (openbabel-wheel 3.1.1.23), run once by hand on
#: 2026-11-20 on these coordinates as xyz files; kJ/mol, three decimals printed.
STRAINED = (
    "CCOHHHHHH",
    "-.95 .25 .1 .45 -.4 -.25 1.35 .5 .4 -1.85 -.35 -.2 -.95 1.2 -.35 -1.1 .45 1.25 .35 -1.4 .3 "
    ".5 -.45 -1.3 2.2 .1 .05",
    103.219,
)
GLYCOL = (
    "CCOOHHHHHH",
    ".62 .42 .1 -.62 -.42 .12 1.72 -.3 -.45 -1.7 .33 -.42 .9 .75 1.12 .45 1.33 -.5 "
    "-.88 -.7 1.16 -.44 -1.35 -.45 1.45 -.58 -1.33 -2.5 -.2 -.35",
    30.284,
)
#: The same of oracles/gaff/NAME.mol.
FILES = {"aspirin": 76.594, "azobenzene": 158.238}
STEP = 1e-4  # Å


@pytest.fixture
def installed():
    pytest.importorskip("openbabel", reason="Open Babel is not installed (openbabel-wheel)")


def made(source: str, **kwargs) -> Molecule:
    """A molecule from a SMILES or a file."""
    block = read(source, **kwargs).blocks[0]
    return Molecule(
        str(source), block.numbers, block.positions[0], block.charge, block.multiplicity or 1,
        block.bonds, block.orders,
    )  # fmt: skip


def ghemical(smiles: str):
    return make(FieldRef("ghemical"), made(smiles, format="smiles"))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("symbols", "text", "energy"), [STRAINED, GLYCOL])
def test_golden_energy(symbols, text, energy):
    numbers = [{"C": 6, "O": 8, "H": 1}[s] for s in symbols]
    molecule = Molecule("", numbers, np.array(text.split(), dtype=float).reshape(-1, 3))
    field = make(FieldRef("ghemical"), molecule)
    found = field.predict(molecule.positions[None]).energy[0]
    assert found / KJ_MOL == pytest.approx(energy, abs=OBENERGY_PRINTS)
    assert not field.notes


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", FILES)
def test_golden_energy_of_rings(shared, name):
    molecule = made(shared / "oracles" / "gaff" / f"{name}.mol")
    found = make(FieldRef("ghemical"), molecule).predict(molecule.positions[None]).energy[0]
    assert found / KJ_MOL == pytest.approx(FILES[name], abs=OBENERGY_PRINTS)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "smiles", ["CC(=O)N", "c1ccccc1N", "CC#N", "N=Nc1ccccc1", "C[N+](=O)[O-]", "CS(C)=O", "ClC=C"]
)
def test_forces_are_right_where_planar_atoms_bend(smiles):
    """Open Babel's MMFF94 and UFF fail this: hence the question."""
    field = ghemical(smiles)
    rng = np.random.default_rng(2)
    r = field.molecule.positions + rng.normal(0.0, 0.05, field.molecule.positions.shape)
    n = r.size
    steps = np.concatenate([np.eye(n), -np.eye(n)]).reshape(2 * n, *r.shape) * STEP
    e = field.predict(r + steps).energy
    slope = (e[:n] - e[n:]) / (2 * STEP)
    assert np.abs(field.predict(r[None]).forces.ravel() + slope).max() < FINITE_DIFFERENCE_FORCE


@pytest.mark.usefixtures("installed")
def test_many_geometries_in_several_messages(monkeypatch):
    field = make(FieldRef("ghemical"), ETHANOL)
    x = ethanol_frames(20)
    whole = field.predict(x)
    monkeypatch.setattr(_openbabel, "MESSAGE", 27 * 3)  # three geometries in each
    parts = field.predict(x)
    assert np.array_equal(whole.energy, parts.energy)
    assert np.array_equal(whole.forces, parts.forces)


@pytest.mark.usefixtures("installed")
def test_two_molecules_do_not_disturb_each_other():
    x = ETHANOL.positions[None]
    one, before = make(FieldRef("ghemical"), ETHANOL), ghemical("c1ccccc1")
    energy = one.predict(x).energy[0]
    before.predict(before.molecule.positions[None])
    assert one.predict(x).energy[0] == energy


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("smiles", "words"),
    [
        ("C[Si](C)(C)C", r"does not cover Si \(atom 2\)"),
        ("c1ccoc1", r"no atom type for O4 .* use a force field that covers it"),
        ("C[CH2]", "C2 .*unpaired electron"),
    ],
)
def test_what_it_cannot_do_names_the_atom(smiles, words):
    with pytest.raises(ForceFieldError, match=words):
        ghemical(smiles)


@pytest.mark.usefixtures("installed")
def test_defaults_and_charges_that_do_not_sum_are_told():
    assert "bond 0701-0801" in ghemical("C[N+](=O)[O-]").notes["default parameters"]
    assert (
        "add up to +0.00 e, the molecule's charge is -1" in ghemical("CC(=O)[O-]").notes["charges"]
    )


@pytest.mark.usefixtures("installed")
def test_a_child_that_died_is_told_and_replaced():
    field = make(FieldRef("ghemical"), ETHANOL)
    x = ETHANOL.positions[None]
    before = field.predict(x).energy
    field._babel._process.kill()
    with pytest.raises(ForceFieldError, match="it ended"):
        field.predict(x)
    assert np.array_equal(field.predict(x).energy, before)


@pytest.mark.usefixtures("installed")
def test_a_field_that_is_gone_leaves_no_process():
    field = make(FieldRef("ghemical"), ETHANOL)
    process = field._babel._process
    del field
    assert process.poll() is not None


def test_the_child_ends_when_its_parent_dies():
    child = subprocess.Popen(
        [sys.executable, "-P", _openbabel_child.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    _openbabel_child.send(child.stdin, {"count": 1})
    assert _openbabel_child.receive(child.stdout)[0] == {"error": "no molecule has been set up"}
    child.communicate(timeout=10)  # closes its input, as the end of this process would
    assert child.returncode == 0


def test_a_child_that_hangs_is_killed(tmp_path, monkeypatch):
    script = tmp_path / "hangs.py"
    script.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(_openbabel_child, "__file__", str(script))
    monkeypatch.setattr(_openbabel, "START_TIMEOUT", 0.2)
    babel = _openbabel.OpenBabel({"setup": "Ghemical"}, ETHANOL.positions, label="Ghemical")
    with pytest.raises(ForceFieldError, match=r"did not answer"):
        babel.about()


def test_without_openbabel_it_is_not_there_and_says_why():
    code = (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'openbabel' else find(name, *a)\n"
        "from core.fieldref import FieldRef\n"
        "from core.forcefields import discover\n"
        "from core.forcefields.load import make\n"
        "from core.molecule import Molecule\n"
        "assert 'ghemical' not in discover() and 'gaff' in discover()\n"
        "try:\n"
        "    make(FieldRef('ghemical'), Molecule('x', [1, 1], [[0, 0, 0], [0, 0, 0.7]]))\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install pescape[openbabel]" in done.stdout


@pytest.mark.usefixtures("installed")
def test_this_process_never_loads_openbabel():
    code = (
        "import sys\n"
        "from core.fieldref import FieldRef\n"
        "from core.forcefields.load import make\n"
        "from tests.molecules import ETHANOL\n"
        "make(FieldRef('ghemical'), ETHANOL).predict(ETHANOL.positions[None])\n"
        "assert not [m for m in sys.modules if m.startswith('openbabel')]\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=dict(os.environ))


@pytest.mark.usefixtures("installed")
def test_it_keeps_the_molecule_it_was_given():
    bare = dataclasses.replace(ETHANOL, bonds=np.zeros((0, 2), dtype=int), orders=np.zeros(0))
    x = ethanol_frames(3)
    one, two = (make(FieldRef("ghemical"), m).predict(x) for m in (ETHANOL, bare))
    assert np.array_equal(one.energy, two.energy)
