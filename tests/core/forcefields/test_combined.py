"""One field for several molecules: linear ACE and GAP fitted to frames of all of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from core.dataset import Dataset, Split
from core.engine.context import Context
from core.fieldref import FieldRef
from core.fitting.portion import Portion, check_known
from core.fitting.training import train_together
from core.forcefields import discover
from core.forcefields.base import ForceFieldError
from core.forcefields.load import LEARNT, hyper_from, load_model, make, save_model
from core.molecule import Molecule
from tests.molecules import ETHANOL
from tests.several import METHANAL, METHANOL, WATER, frames
from tests.tolerances import (
    COMBINED_APART,
    COMBINED_BOUND,
    COMBINED_ORDER,
    COMBINED_PAIRS,
    COMBINED_TRANSFER,
    EQUIVARIANCE,
    SAME_ARITHMETIC,
)

NONE = np.zeros(0, dtype=int)
SMALL = {
    "ace": {"degrees": "9", "pair_functions": 3, "pair_cutoff": 5.0, "hydrogen": 0.0},
    "gap": {"n_max": 4, "l_max": 3, "channels": 6, "sparse": 120, "sigma_force": 0.003},
}
COMBINING = sorted(key for key, cls in discover().items() if cls.INFO.combines)


def portion(data: Dataset, train: int = 25, valid: int = 5) -> Portion:
    return Portion(data, Split(np.arange(train), np.arange(train, train + valid), NONE))


def fit(key: str, *data: Dataset, train: int = 25, **values):
    cls = discover()[key]
    hyper = hyper_from(cls, {**SMALL[key], **values})
    return train_together(cls, [portion(d, train) for d in data], hyper, Context())


def error(model, data: Dataset) -> float:
    """Force MAE eV/Å on the last ten frames."""
    there = data.positions[-10:]
    return float(np.abs(model.predict(there).forces - data.forces[-10:]).mean())


@pytest.fixture(scope="module")
def sets() -> tuple[Dataset, ...]:
    return frames(ETHANOL), frames(METHANOL), frames(WATER)


@pytest.fixture(scope="module")
def models(sets):
    return {key: fit(key, *sets) for key in COMBINING}


@pytest.fixture(params=COMBINING)
def model(request, models):
    return models[request.param]


def test_ace_and_gap_combine():
    assert COMBINING == ["ace", "gap"]


# -- physics ----------------------------------------------------------------------------------
def test_every_molecule_is_learnt(model, sets):
    """The potential is a sum over pairs: one set of coefficients is right for all."""
    for data in sets:
        field = model.bound_to(data.molecule)
        assert error(field, data) < COMBINED_PAIRS
        wrong = field.predict(data.positions[-10:]).energy - data.energies[-10:]
        assert np.abs(wrong).max() < COMBINED_PAIRS


def test_a_molecule_that_was_not_there(model, sets):
    """Methanal has no atom and no pair of elements that the others do not have.

    But C2H6O, CH4O and H2O, each CH2 more than the next, do not fix the energy of CH2O.
    """
    data, field = frames(METHANAL), model.bound_to(METHANAL)
    assert error(field, data) < COMBINED_TRANSFER
    assert model.INFO.absolute_energy
    assert not field.INFO.absolute_energy
    assert field.bound_to(ETHANOL).INFO.absolute_energy


@pytest.mark.parametrize("key", COMBINING)
def test_isolated_atoms_make_energies_transfer(key):
    sets = [frames(m, isolated=True) for m in (ETHANOL, METHANOL, WATER)]
    model = fit(key, *sets)
    assert model.notes["one-body energy"] == "isolated atoms"
    field, data = model.bound_to(METHANAL), frames(METHANAL)
    assert field.INFO.absolute_energy
    bound = data.energies - field.offset
    wrong = field.predict(data.positions).energy - data.energies
    assert np.abs(wrong).max() < COMBINED_BOUND * np.abs(bound).mean()
    apart = np.arange(4.0)[:, None] * np.array([12.0, 0, 0])
    away = field.predict(apart[None]).energy[0] - field.offset
    assert abs(away) < (1e-9 if key == "ace" else COMBINED_APART)


def test_turned_moved_and_exchanged(model, sets):
    for data in sets[1:]:
        field, x = model.bound_to(data.molecule), data.positions[:4]
        here = field.predict(x)
        turn = Rotation.random(4, random_state=3).as_matrix()
        there = field.predict(x @ turn + 2.5)
        assert np.abs(there.energy - here.energy).max() < EQUIVARIANCE
        assert np.abs(there.forces - here.forces @ turn).max() < EQUIVARIANCE
        for row in field.permutations:
            other = field.predict(x[:, row])
            assert np.abs(other.energy - here.energy).max() < EQUIVARIANCE
            assert np.abs(other.forces - here.forces[:, row]).max() < EQUIVARIANCE


def test_an_atom_order_of_its_own(model, sets):
    """Bound to the same molecule in another order it says the same."""
    data = sets[1]
    order = np.array([1, 0, 5, 2, 3, 4])
    mixed = Molecule("methanol", METHANOL.numbers[order], METHANOL.positions[order])
    here = model.bound_to(METHANOL).predict(data.positions[:3])
    there = model.bound_to(mixed).predict(data.positions[:3][:, order])
    assert np.abs(there.energy - here.energy).max() < EQUIVARIANCE
    assert np.abs(there.forces - here.forces[:, order]).max() < EQUIVARIANCE


# -- the same numbers by another way --------------------------------------------------------------
def test_a_molecule_s_energies_are_its_rows_times_the_coefficients(models, sets):
    """The fit's rows, water's with columns of zeros for carbon, against the evaluator."""
    from core.fitting.ace.rows import Rows

    model = models["ace"]
    for data in sets:
        field = model.bound_to(data.molecule)
        rows = Rows(portion(data), model.setup, 0.0, 1.0, "cpu")
        x, _ = rows.rows(3)
        assert x.shape[1] == len(model.coefficients) == model.setup.columns()
        energy = float(x[0] @ torch.as_tensor(model.coefficients)) + field.offset
        assert energy == pytest.approx(
            field.predict(data.positions[3:4]).energy[0], abs=SAME_ARITHMETIC
        )


def test_the_order_of_the_molecules_does_not_matter(models, sets):
    for key, first in models.items():
        other = fit(key, *sets[::-1])
        assert other.molecule.name == "water"
        for data in sets:
            here = first.bound_to(data.molecule).predict(data.positions[-10:])
            there = other.bound_to(data.molecule).predict(data.positions[-10:])
            assert np.abs(there.forces - here.forces).max() < COMBINED_ORDER
            assert np.abs(there.energy - here.energy).max() < COMBINED_ORDER


def test_one_portion_is_the_fit_of_one_molecule(sets):
    for key in COMBINING:
        cls, one = discover()[key], portion(sets[1])
        hyper = hyper_from(cls, SMALL[key])
        alone = cls.fit(one.dataset, one.split, hyper, Context()).state()
        state = cls.fit_many([one], hyper, Context()).state()
        assert state.keys() == alone.keys()
        assert all(np.array_equal(state[name], alone[name]) for name in state)


# -- files ------------------------------------------------------------------------------------
def test_saved_loaded_and_bound(model, sets, tmp_path):
    path = tmp_path / "model.npz"
    save_model(path, model)
    again = load_model(path)
    assert again.transfers
    assert again.molecule.name == "ethanol"
    for data in sets:
        x = data.positions[:3]
        field = make(FieldRef("", model=str(path)), data.molecule)
        assert field.molecule is data.molecule or data.molecule.name == "ethanol"
        assert np.array_equal(
            field.predict(x).forces, again.bound_to(data.molecule).predict(x).forces
        )
        assert np.array_equal(
            field.predict(x).energy, model.bound_to(data.molecule).predict(x).energy
        )
    with pytest.raises(ForceFieldError, match=r"model\.npz: this .* knows no N \(atom 1 of H3N\)"):
        make(FieldRef("", model=str(path)), Molecule("a", np.array([7, 1, 1, 1]), np.eye(4, 3)))


def test_a_molecule_that_the_fit_never_saw_is_told(models, sets, tmp_path):
    path = tmp_path / "model.npz"
    save_model(path, models["ace"], extra={LEARNT: "C2H6O; CH4O; H2O"})
    ref = FieldRef("", model=str(path))
    assert all(make(ref, data.molecule).stranger == "" for data in sets)
    told = make(ref, METHANAL).stranger
    assert "was fitted to C2H6O and CH4O and H2O, never to CH2O" in told
    save_model(path, models["ace"])  # of a program that did not keep them
    assert make(ref, METHANAL).stranger == ""


@pytest.mark.parametrize("key", COMBINING)
def test_an_average_of_one_molecule_stays_with_it(key, sets, tmp_path):
    single = fit(key, sets[0])
    assert not single.transfers
    with pytest.raises(ForceFieldError, match="trained on C2H6O alone"):
        single.bound_to(METHANOL)
    path = tmp_path / "model.npz"
    save_model(path, single)
    with pytest.raises(ForceFieldError, match="is for C2H6O, not for"):
        make(FieldRef("", model=str(path)), METHANOL)
    old = single.state()
    for name in ("compositions", "elements", "kinds", "one_body"):
        if key == "gap":
            old.pop(name)
    old["absolute"] = old["absolute"][:1]
    again = type(single).from_state(ETHANOL, single.hyper, old)
    assert not again.transfers
    assert again.INFO.absolute_energy
    x = sets[0].positions[:2]
    assert np.array_equal(again.predict(x).energy, single.predict(x).energy)


@pytest.mark.parametrize("key", COMBINING)
def test_isolated_atoms_let_one_molecule_transfer(key):
    single = fit(key, frames(ETHANOL, isolated=True), one_body="isolated atoms")
    assert single.transfers
    assert np.isfinite(single.bound_to(METHANOL).predict(METHANOL.positions[None]).energy[0])


# -- refusals ---------------------------------------------------------------------------------
@pytest.mark.parametrize("key", COMBINING)
def test_errors_name_the_data_set(key, sets):
    bad = sets[1].forces.copy()
    bad[2] = np.nan
    energies = sets[1].energies.copy()
    energies[2] = np.nan
    blank = dataclasses.replace(sets[1], forces=bad, energies=energies)
    with pytest.raises(ForceFieldError, match=r"^methanol: .*frame 3 has no"):
        fit(key, sets[0], blank)
    on_top = sets[2].positions.copy()
    on_top[4, 1] = on_top[4, 0]
    with pytest.raises(ForceFieldError, match=r"^water: .*in frame 5 atoms 1 and 2 lie on each"):
        fit(key, sets[0], dataclasses.replace(sets[2], positions=on_top))
    cls = discover()[key]
    hyper, none = hyper_from(cls, SMALL[key]), portion(sets[1], 0, 0)
    with pytest.raises(ForceFieldError, match=r"^methanol: .*no training frames"):
        train_together(cls, [portion(sets[0]), none], hyper, Context())


@pytest.mark.parametrize("key", COMBINING)
def test_isolated_atoms_must_agree(key):
    one, two = (frames(m, isolated=True) for m in (ETHANOL, METHANOL))
    two = dataclasses.replace(two, isolated_atoms={**two.isolated_atoms, "C": -1029.0})
    with pytest.raises(ForceFieldError, match=r"C atom has -1030\.0000 eV in ethanol and -1029"):
        fit(key, one, two, one_body="isolated atoms")
    two = dataclasses.replace(two, isolated_atoms={"C": -1030.0})
    with pytest.raises(ForceFieldError, match="data set methanol has no energy of an isolated H"):
        fit(key, one, two, one_body="isolated atoms")


def test_fields_of_one_molecule_refuse_several(sets):
    for key in ("sgdml", "fchl19"):
        cls = discover()[key]
        with pytest.raises(ForceFieldError, match=r"one molecule at a time; .*Linear ACE"):
            train_together(cls, [portion(d) for d in sets], hyper_from(cls, {}), Context())
        with pytest.raises(ForceFieldError, match="one molecule at a time"):
            cls.fit_many([portion(d) for d in sets], hyper_from(cls, {}), Context())


def test_unknown_elements_are_named():
    ammonia = Molecule("ammonia", np.array([1, 7, 1, 1]), np.eye(4, 3))
    text = r"this GAP has learnt molecules of H, C and O and knows no N \(atom 2 of H3N\)"
    with pytest.raises(ForceFieldError, match=text):
        check_known("GAP", np.array([1, 6, 8]), ammonia)
    with pytest.raises(ForceFieldError, match="molecules of H and knows no N"):
        check_known("GAP", np.array([1]), ammonia)
