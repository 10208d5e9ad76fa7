"""Energies of atoms by themselves: averages, least squares, isolated atoms, and what they fix."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core.dataset import Dataset, Split
from core.fitting.one_body import (
    is_known,
    known_compositions,
    one_body_energies,
    per_element,
)
from core.fitting.portion import Portion, several
from core.forcefields.errors import ForceFieldError
from core.molecule import Molecule
from tests.tolerances import SAME_ARITHMETIC

H, C, O = 1, 6, 8  # noqa: E741
ELEMENTS = np.array([H, C, O])
TRUE = np.array([-13.6, -1030.0, -2040.0])
METHANE, WATER, ETHENE = [C, H, H, H, H], [O, H, H], [C, C, H, H, H, H]
PROPENE, METHANOL = [C] * 3 + [H] * 6, [C, O, H, H, H, H]


def portion(atoms: list[int], binding: float = 0.0, frames: int = 4, **more) -> Portion:
    numbers = np.array(atoms)
    x = np.arange(3.0 * len(atoms)).reshape(1, -1, 3) + np.zeros((frames, 1, 1))
    energy = sum(TRUE[np.searchsorted(ELEMENTS, atoms)]) + binding + np.linspace(-1, 1, frames)
    molecule = Molecule(f"m{len(atoms)}", numbers, x[0])
    data = Dataset(molecule.name, molecule, x, energy, **more)
    none = np.zeros(0, dtype=int)
    return Portion(data, Split(np.arange(frames), none, none))


def test_as_many_compositions_as_elements_give_the_atoms_back():
    portions = [portion(m) for m in (METHANE, WATER, PROPENE)]
    found, how = one_body_energies(portions, ELEMENTS, "auto", label="a field")
    assert how == "least squares over 3 compositions"
    for p in portions:
        total = found[np.searchsorted(ELEMENTS, p.numbers)].sum()
        assert total == pytest.approx(p.dataset.energies.mean(), abs=SAME_ARITHMETIC)
    assert found == pytest.approx(TRUE, abs=1e-6)


def test_too_few_compositions_stay_near_the_mean_per_atom():
    portions = [portion(WATER), portion(METHANE)]
    found, _ = one_body_energies(portions, ELEMENTS, "average", label="a field")
    for p in portions:
        total = found[np.searchsorted(ELEMENTS, p.numbers)].sum()
        assert total == pytest.approx(p.dataset.energies.mean(), abs=1e-6)
    mean = sum(p.dataset.energies.sum() for p in portions) / sum(
        len(p.dataset) * len(p.numbers) for p in portions
    )
    # the shortest way: it lies in the span of the two compositions
    counts = np.array([[2, 0, 1], [4, 1, 0]], dtype=float)
    rest = (found - mean) - np.linalg.pinv(counts) @ (counts @ (found - mean))
    assert np.abs(rest).max() < 1e-6


def test_too_many_weigh_as_their_frames():
    """Ethene, propene and methane with other bindings: C and H from three equations."""
    sets = [np.array(m) for m in (METHANE, ETHENE, PROPENE)]
    elements = np.array([H, C])
    energies = [np.full(k, e) for k, e in ((10, -1100.0), (20, -2120.0), (30, -3180.0))]
    found, kinds = per_element(sets, energies, elements)
    assert kinds == 3
    a = np.repeat([[4, 1], [4, 2], [6, 3]], [10, 20, 30], axis=0).astype(float)
    wanted = np.linalg.lstsq(a, np.concatenate(energies), rcond=None)[0]
    assert found == pytest.approx(wanted, abs=1e-8)


def test_one_composition_shares_its_mean():
    one = portion(METHANE)
    found, how = one_body_energies([one], np.array([H, C]), "auto", label="a field")
    assert how == "average"
    assert np.array_equal(found, np.full(2, one.dataset.energies.mean() / 5))
    bare = dataclasses.replace(one, dataset=dataclasses.replace(one.dataset, energies=None))
    zeros, how = one_body_energies([bare], np.array([H, C]), "forces only", label="a field")
    assert not zeros.any()
    assert how == "forces only"


def test_isolated_atoms_need_every_molecule():
    atoms = {"H": -13.0, "C": -1000.0, "O": -2000.0}
    full = portion(METHANE, isolated_atoms=atoms)
    found, how = one_body_energies(
        [full, portion(WATER, isolated_atoms=atoms)], ELEMENTS, "auto", label="a field"
    )
    assert how == "isolated atoms"
    assert found.tolist() == [-13.0, -1000.0, -2000.0]
    _, how = one_body_energies([full, portion(WATER)], ELEMENTS, "auto", label="a field")
    assert how == "least squares over 2 compositions"
    near = portion(WATER, isolated_atoms={**atoms, "H": -13.0009})
    assert one_body_energies([full, near], ELEMENTS, "auto", label="a field")[0][0] == -13.0
    far = portion(WATER, isolated_atoms={**atoms, "H": -13.002})
    with pytest.raises(ForceFieldError, match=r"H atom has -13\.0020 eV in m3 and -13\.0000"):
        one_body_energies([full, far], ELEMENTS, "auto", label="a field")


def test_what_compositions_fix():
    span = known_compositions([portion(METHANE), portion(ETHENE)], np.array([H, C]), "average")
    assert is_known(span, np.array([H, C]), np.array(PROPENE))
    portions = [portion(m) for m in ([C, C, O] + [H] * 6, METHANOL, WATER)]
    span = known_compositions(portions, ELEMENTS, "least squares")
    assert not is_known(span, ELEMENTS, np.array([C, O, H, H]))
    assert is_known(span, ELEMENTS, np.array([C, C, C, O] + [H] * 8))  # one CH2 more
    assert is_known(
        known_compositions(portions, ELEMENTS, "isolated atoms"), ELEMENTS, np.array([C])
    )


def test_which_portions_are_several_molecules():
    one = portion(METHANE)
    assert not several([one])
    assert not several([one, portion(METHANE, 1.0)])
    assert several([one, portion(WATER)])
    assert several([one, portion(METHANE[::-1])])
