"""GFN2-xTB against the number its library is tested with, and its refusals."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from core.fieldref import FieldRef
from core.forcefields.base import ForceFieldError
from core.forcefields.load import make
from core.molecule import Molecule
from core.units import BOHR, HARTREE
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import ORACLE_ENERGY

#: The molecule of tblite's own tests (test_interface.py: -31.716158891203904 Hartree), Bohr.
NUMBERS = [1, 1, 6, 5, 1, 15, 8, 17, 13, 15, 5, 1, 9, 15, 1, 15]
POSITIONS = [
    [+2.79274810283778, +3.82998228828316, -2.79287054959216],
    [-1.43447454186833, +0.43418729987882, +5.53854345129809],
    [-3.26268343665218, -2.50644032426151, -1.56631149351046],
    [+2.14548759959147, -0.88798018953965, -2.24592534506187],
    [-4.30233097423181, -3.93631518670031, -0.48930754109119],
    [+0.06107643564880, -3.82467931731366, -2.22333344469482],
    [+0.41168550401858, +0.58105573172764, +5.56854609916143],
    [+4.41363836635653, +3.92515871809283, +2.57961724984000],
    [+1.33707758998700, +1.40194471661647, +1.97530004949523],
    [+3.08342709834868, +1.72520024666801, -4.42666116106828],
    [-3.02346932078505, +0.04438199934191, -0.27636197425010],
    [+1.11508390868455, -0.97617412809198, +6.25462847718180],
    [+0.61938955433011, +2.17903547389232, -6.21279842416963],
    [-2.67491681346835, +3.00175899761859, +1.05038813614845],
    [-4.13181080289514, -2.34226739863660, -3.44356159392859],
    [+2.85007173009739, -2.64884892757600, +0.71010806424206],
]


def test_energy_of_tblites_own_tests():
    molecule = Molecule("mindless", NUMBERS, np.array(POSITIONS) * BOHR)
    energy = make(FieldRef("gfn2-xtb"), molecule).predict(molecule.positions[None]).energy[0]
    assert abs(energy - -31.716158891203904 * HARTREE) < ORACLE_ENERGY


def test_charge_and_multiplicity_matter():
    def energy(**kw) -> float:
        water = Molecule("water", [8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], **kw)
        return make(FieldRef("gfn2-xtb"), water).predict(water.positions[None]).energy[0]

    assert energy(charge=1, multiplicity=2) > energy() + 8.0  # eV, ionised
    assert energy(multiplicity=3) > energy() + 2.0  # eV, excited
    with pytest.raises(ForceFieldError, match="do not make multiplicity 1"):
        energy(charge=1)


def test_failed_scf_names_the_geometry_and_spares_the_others():
    field = make(FieldRef("gfn2-xtb", hyper={"max_iterations": 2}), ETHANOL)
    with pytest.raises(ForceFieldError, match="GFN2-xTB, geometry 1: tblite: "):
        field.predict(ethanol_frames(3))
    field = make(FieldRef("gfn2-xtb"), ETHANOL)
    frames = ethanol_frames(4)
    frames[2, 1] = frames[2, 0]  # two nuclei in one place
    energy, _ = field.compute(torch.tensor(frames))
    assert torch.isfinite(energy).tolist() == [True, True, False, True]
    assert list(field.reasons) == [2]


def test_many_threads_and_torch_do_not_slow_each_other():
    """OpenMP threads waiting on each other cost 10 x and more: bound by time per geometry."""
    field = make(FieldRef("gfn2-xtb"), ETHANOL)
    frames = ethanol_frames(40)
    x = torch.randn(300, 300)
    field.predict(frames)
    threads, of_torch = threading.active_count(), torch.get_num_threads()
    start = time.perf_counter()
    for _ in range(3):
        x = (x @ x).clamp(-1, 1)
        field.predict(frames)
    spent = (time.perf_counter() - start) / (3 * len(frames))
    assert spent < 0.02  # s; 0.001 alone on a core, room for a busy machine
    assert threading.active_count() == threads  # a pool is kept, not made anew
    assert torch.get_num_threads() == of_torch


def test_element_out_of_range():
    with pytest.raises(ForceFieldError, match=r"does not cover U \(atom 1\)"):
        make(FieldRef("gfn2-xtb"), Molecule("uranium", [92], [[0.0, 0.0, 0.0]]))
