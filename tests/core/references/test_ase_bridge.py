import numpy as np
import pytest

from core.dataset import Split
from core.engine.context import Context
from core.fieldref import FieldRef
from core.forcefields.errors import ForceFieldError
from core.forcefields.gaff_nn import GAFFNN
from core.forcefields.load import hyper_from, make, save_model
from core.references.ase_bridge import load_calculator, to_ase
from tests.molecules import ETHANOL, ethanol_frames, labelled
from tests.tolerances import BATCH_EQUALS_SINGLE, FINITE_DIFFERENCE_FORCE


@pytest.fixture(scope="module")
def gaff():
    return make(FieldRef("gaff"), ETHANOL)


def test_a_saved_model_is_a_calculator(gaff, tmp_path):
    save_model(tmp_path / "m.npz", gaff)
    calculator = load_calculator(tmp_path / "m.npz")
    atoms = to_ase(calculator.field.molecule)
    atoms.calc = calculator
    wanted = gaff.predict(ETHANOL.positions[None])
    assert abs(atoms.get_potential_energy() - wanted.energy[0]) < BATCH_EQUALS_SINGLE
    assert np.abs(atoms.get_forces() - wanted.forces[0]).max() < BATCH_EQUALS_SINGLE
    h, x = 1e-4, atoms.get_positions()
    energies = []
    for step in (h, -h):
        moved = x.copy()
        moved[8, 1] += step
        atoms.set_positions(moved)
        energies.append(atoms.get_potential_energy())
    atoms.set_positions(x)
    slope = (energies[0] - energies[1]) / (2 * h)
    assert abs(atoms.get_forces()[8, 1] + slope) < FINITE_DIFFERENCE_FORCE


def test_other_atoms_and_missing_files_are_refused(gaff, tmp_path):
    with pytest.raises(ForceFieldError, match=r"none\.npz"):
        load_calculator(tmp_path / "none.npz")
    save_model(tmp_path / "m.npz", gaff)
    atoms = to_ase(ETHANOL)[[1, 2, 0, 3, 4, 5, 6, 7, 8]]
    atoms.calc = load_calculator(tmp_path / "m.npz")
    with pytest.raises(ForceFieldError, match="in the order C C O H"):
        atoms.get_potential_energy()


@pytest.mark.parametrize("key", ["gaff", "gaff-nn"])
def test_ase_relaxes_with_a_saved_model(key, gaff, tmp_path):
    """ASE's BFGS goes down to where the forces vanish, on our energies all the way."""
    from ase.optimize import BFGS

    field = gaff if key == "gaff" else learnt()
    save_model(tmp_path / "m.npz", field)
    calculator = load_calculator(tmp_path / "m.npz")
    atoms = to_ase(ETHANOL)
    atoms.calc = calculator
    path, energies = [], []

    def note() -> None:
        path.append(atoms.get_positions())
        energies.append(atoms.get_potential_energy())

    optimiser = BFGS(atoms, logfile=None)
    optimiser.attach(note)
    assert optimiser.run(fmax=0.001, steps=300)
    wanted = field.predict(np.array(path))
    assert np.abs(wanted.energy - energies).max() < BATCH_EQUALS_SINGLE
    assert energies[-1] < energies[0] - 0.01
    assert np.linalg.norm(wanted.forces[-1], axis=1).max() < 0.001
    assert calculator.count <= len(path) + 1  # energy and forces are one evaluation


def learnt() -> GAFFNN:
    """GAFF-NN that has learnt GAFF."""
    frames, every = labelled(ethanol_frames(60), key="gaff"), np.arange(60)
    hyper = hyper_from(GAFFNN, GAFFNN.QUICK)
    return GAFFNN.fit(frames, Split(every[:50], every[50:], every[:0]), hyper, Context())
