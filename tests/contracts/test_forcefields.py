"""What every force field must do. A new one is found by discovery and needs no change here."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from core import wire
from core.fieldref import FieldRef
from core.forcefields import catalog, discover
from core.forcefields.base import ForceFieldError
from core.forcefields.load import hyper_from, load_model, make, save_model
from tests.molecules import ETHANOL
from tests.tolerances import (
    ANALYTIC_EQUALS_AUTOGRAD,
    BATCH_EQUALS_SINGLE,
    EQUIVARIANCE,
    FINITE_DIFFERENCE_FORCE,
    FINITE_DIFFERENCE_HESSIAN,
    INVARIANCE_ENERGY,
    INVARIANCE_FORCE,
    NET_FORCE,
    NET_TORQUE,
)

FAMILIES = {"MM", "ML", "semi-empirical", "reference", "external"}
STEP = 1e-4  # Å

pytestmark = pytest.mark.parametrize("key", sorted(discover()))


@pytest.fixture
def field(examples, key):
    return examples.get(key)


@pytest.fixture
def frames(examples):
    """(4,9,3) Å: two training and two validation frames (a reference knows no others)."""
    return examples.dataset.positions[[0, 7, 31, 36]]


def everywhere(field) -> None:
    """Skip where a field is data and has no answer between its points."""
    if field.INFO.family == "reference":
        pytest.skip("knows only its own points")


def limits(field) -> tuple[float, float]:
    """eV and eV/Å within which symmetry holds: sharper where all arithmetic is our own."""
    if field.INFO.trainable and field.dtype.itemsize == 8:
        return EQUIVARIANCE, EQUIVARIANCE
    return INVARIANCE_ENERGY, INVARIANCE_FORCE


# -- what it says about itself ----------------------------------------------------------------
def test_info_is_complete(key):
    info = discover()[key].INFO
    assert info.key == key
    assert re.fullmatch(r"[a-z0-9-]+", key)
    assert info.label
    assert info.about
    assert info.implementation
    assert info.family in FAMILIES
    assert not info.doi or re.fullmatch(r"10\.\d{4,9}/\S+", info.doi)


def test_catalog_entry_travels(key):
    (info,) = [i for i in catalog() if i.key == key]
    back = wire.unpack(wire.pack(info))
    assert back == info
    for row in info.parameters:
        assert row.kind in ("bool", "int", "float", "str")
        assert row.label
        assert row.help


def test_hyper_parameters_are_checked(key):
    cls = discover()[key]
    defaults = hyper_from(cls, {})
    assert hyper_from(cls, dataclasses.asdict(defaults)) == defaults
    with pytest.raises(ForceFieldError, match="no parameter 'nonsense'"):
        hyper_from(cls, {"nonsense": 1})
    for row in cls.parameters():
        if row.low is not None:
            with pytest.raises(ForceFieldError, match=row.name):
                hyper_from(cls, {row.name: row.low - 1})
        if row.high is not None:
            with pytest.raises(ForceFieldError, match=row.name):
                hyper_from(cls, {row.name: row.high + 1})
        if row.kind in ("int", "float", "bool"):
            with pytest.raises(ForceFieldError, match=row.name):
                hyper_from(cls, {row.name: "many"})
        if row.choices:
            with pytest.raises(ForceFieldError, match=row.choices[0]):
                hyper_from(cls, {row.name: "none of them"})


def test_training_needs_a_trainable_field(key, examples):
    cls = discover()[key]
    if cls.INFO.must_be_trained:
        with pytest.raises(ForceFieldError, match="train"):
            make(FieldRef(key), ETHANOL)
    elif not cls.INFO.trainable:
        with pytest.raises(ForceFieldError, match="not trained"):
            cls.fit(examples.dataset, None, cls.Hyper(), None)


# -- physics ----------------------------------------------------------------------------------
def test_forces_are_minus_the_gradient(field, frames):
    everywhere(field)
    n = frames[0].size
    steps = np.concatenate([np.eye(n), -np.eye(n)]).reshape(2 * n, *frames[0].shape) * STEP
    for r in frames:
        e = field.predict(r + steps).energy
        slope = (e[:n] - e[n:]) / (2 * STEP)
        force = field.predict(r[None]).forces[0].ravel()
        assert np.abs(force + slope).max() < FINITE_DIFFERENCE_FORCE


def test_translation_and_rotation(field, frames):
    turn = Rotation.random(len(frames), random_state=3).as_matrix()
    shift = np.random.default_rng(3).normal(0, 5, (len(frames), 1, 3))
    here, there = field.predict(frames), field.predict(frames @ turn + shift)
    energy, force = limits(field)
    assert np.abs(there.energy - here.energy).max() < energy
    assert np.abs(there.forces - here.forces @ turn).max() < force


def test_mirror_image(field, frames):
    """Ethanol is achiral, and so is every field by default: parity is a symmetry."""
    mirror = np.array([1.0, 1.0, -1.0])
    here, there = field.predict(frames), field.predict(frames * mirror)
    energy, force = limits(field)
    assert np.abs(there.energy - here.energy).max() < energy
    assert np.abs(there.forces - here.forces * mirror).max() < force


def test_permutations_it_promises(field, frames):
    group = field.permutations
    n = len(field.molecule.numbers)
    assert np.array_equal(group[0], np.arange(n))
    assert np.array_equal(np.sort(group, axis=1), np.tile(np.arange(n), (len(group), 1)))
    assert (field.molecule.numbers[group] == field.molecule.numbers).all()
    here = field.predict(frames)
    energy, force = limits(field)
    for p in group[:12]:
        there = field.predict(frames[:, p])
        assert np.abs(there.energy - here.energy).max() < energy
        assert np.abs(there.forces - here.forces[:, p]).max() < force


def test_no_net_force_and_torque(field, frames):
    everywhere(field)  # labels carry the errors of what made them
    r = frames - frames.mean(1, keepdims=True)
    f = field.predict(r).forces
    assert np.abs(f.sum(1)).max() < NET_FORCE
    assert np.abs(np.cross(r, f).sum(1)).max() < NET_TORQUE


def test_differentiable_energy_agrees_with_compute(field, frames):
    if not field.INFO.differentiable:
        pytest.skip("its energy is not a torch graph")
    import torch

    x = torch.tensor(frames, dtype=field.dtype, device=field.device, requires_grad=True)
    e = field.energy(x)
    (g,) = torch.autograd.grad(e.sum(), x)
    energy, forces = field.compute(x.detach())
    assert (e - energy).abs().max() < ANALYTIC_EQUALS_AUTOGRAD
    assert (forces + g).abs().max() < ANALYTIC_EQUALS_AUTOGRAD


def test_hessian_is_the_slope_of_the_forces(field, frames):
    if not field.INFO.differentiable:
        pytest.skip("its energy is not a torch graph")
    import torch

    r = frames[0]
    n = r.size
    hessian = field.hessian(torch.tensor(r, dtype=field.dtype, device=field.device)).cpu().numpy()
    assert hessian.shape == (n, n)
    assert np.abs(hessian - hessian.T).max() < FINITE_DIFFERENCE_HESSIAN
    steps = np.concatenate([np.eye(n), -np.eye(n)]).reshape(2 * n, *r.shape) * STEP
    f = field.predict(r + steps).forces.reshape(2 * n, n)
    assert np.abs(hessian + (f[:n] - f[n:]) / (2 * STEP)).max() < FINITE_DIFFERENCE_HESSIAN


# -- manners ----------------------------------------------------------------------------------
def test_batch_equals_single(field, frames):
    together = field.predict(frames)
    for i, r in enumerate(frames):
        alone = field.predict(r[None])
        assert abs(alone.energy[0] - together.energy[i]) < BATCH_EQUALS_SINGLE
        assert np.abs(alone.forces[0] - together.forces[i]).max() < BATCH_EQUALS_SINGLE


def test_same_question_same_answer(field, frames):
    one, two = field.predict(frames), field.predict(frames)
    assert np.array_equal(one.energy, two.energy)
    assert np.array_equal(one.forces, two.forces)
    again = field.predict(frames[::-1])  # a view with negative strides, another order
    assert np.abs(again.forces[::-1] - one.forces).max() < BATCH_EQUALS_SINGLE


def test_input_is_left_alone(field, frames):
    r = frames.copy()
    r.setflags(write=False)
    answer = field.predict(r)
    assert np.array_equal(r, frames)
    assert not np.shares_memory(answer.forces, r)
    before = answer.forces.copy()
    field.predict(frames[::-1])
    assert np.array_equal(answer.forces, before)  # nor does the next call touch this answer


def test_answer_has_shape_and_type(field, frames):
    p = field.predict(frames)
    assert p.energy.shape == (len(frames),)
    assert p.forces.shape == frames.shape
    assert p.energy.dtype == p.forces.dtype == np.float64
    assert (p.sigma is not None) == field.INFO.uncertainty
    if p.sigma is not None:
        assert p.sigma.shape == (len(frames),)
        assert (p.sigma >= 0).all()


def test_no_geometry_at_all(field, frames):
    p = field.predict(frames[:0])
    assert p.energy.shape == (0,)
    assert p.forces.shape == (0, *frames.shape[1:])


def test_bad_input_is_refused(field, frames):
    with pytest.raises(ForceFieldError, match="shape"):
        field.predict(frames[0])
    with pytest.raises(ForceFieldError, match="shape"):
        field.predict(frames[:, :-1])
    broken = frames.copy()
    broken[2, 4, 1] = np.nan
    with pytest.raises(ForceFieldError, match="geometry 3"):
        field.predict(broken)


def test_save_and_load(field, frames, tmp_path):
    path = tmp_path / "model.npz"
    save_model(path, field, extra={"trained on": "a test"})
    loaded = load_model(path)
    assert type(loaded) is type(field)
    assert loaded.hyper == field.hyper
    assert np.array_equal(loaded.molecule.numbers, field.molecule.numbers)
    one, two = field.predict(frames), loaded.predict(frames)
    assert np.array_equal(one.energy, two.energy)
    assert np.array_equal(one.forces, two.forces)


def test_damaged_state_is_refused(field, tmp_path):
    state = field.state()
    if not state:
        pytest.skip("has no state")
    cls = type(field)
    for name, array in state.items():
        short = {k: v for k, v in state.items() if k != name}
        with pytest.raises((ForceFieldError, KeyError)):
            cls.from_state(field.molecule, field.hyper, short)
        if array.dtype.kind == "f" and array.size and name != "forces":
            bad = array.copy()
            bad.flat[0] = np.nan
            with pytest.raises(ForceFieldError):
                cls.from_state(field.molecule, field.hyper, {**state, name: bad})


def test_trained_twice_is_the_same(field, examples, frames):
    if not field.INFO.trainable:
        pytest.skip("is not trained")
    first = field if field.INFO.must_be_trained else examples.train(type(field))
    again = examples.train(type(field))
    assert np.array_equal(first.predict(frames).forces, again.predict(frames).forces)
