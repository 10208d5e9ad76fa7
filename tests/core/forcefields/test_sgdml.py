import dataclasses

import numpy as np
import pytest
import torch

from core.dataset import Dataset, Split
from core.engine.context import Cancelled, Context
from core.fitting.splits import draw
from core.forcefields.base import ForceFieldError
from core.forcefields.load import load_model, save_model
from core.forcefields.sgdml import SGDML, SGDMLHyper
from core.molecule import Molecule
from core.units import KCAL_MOL
from tests import tolerances
from tests.molecules import ethanol_frames, labelled

NONE = np.zeros(0, dtype=int)
FIXED = SGDMLHyper(sigma=20.0)
#: eV/Å force MAE on the test file by number of training frames: the sgdml package's own figures.
PUBLISHED = {200: 0.0375, 500: 0.0228, 1000: 0.0165}


def rmd17(shared, name, part) -> Dataset:
    with np.load(shared / "data" / "rmd17" / f"rmd17_{name}_{part}_01.npz") as data:
        molecule = Molecule(name, data["nuclear_charges"], data["coords"][0])
        energies, forces = data["energies"] * KCAL_MOL, data["forces"] * KCAL_MOL
        return Dataset(name, molecule, data["coords"], energies, forces)


@pytest.fixture(scope="module")
def small() -> Dataset:
    return labelled(ethanol_frames(70), key="mmff94")


@pytest.fixture(scope="module")
def model(small) -> SGDML:
    return SGDML.fit(small, Split(np.arange(40), np.arange(40, 50), NONE), FIXED, Context())


@pytest.fixture(scope="module")
def trained(shared) -> SGDML:
    data = rmd17(shared, "ethanol", "train")
    split, _ = draw(data, n_train=200, n_valid=0)
    return SGDML.fit(data, split, FIXED, Context())


def force_mae(model, data) -> float:
    return float(np.abs(model.predict(data.positions).forces - data.forces).mean())


def test_published_error_with_200_frames(shared, trained):
    assert trained.notes["permutations"] == "6"
    assert force_mae(trained, rmd17(shared, "ethanol", "test")) == pytest.approx(
        PUBLISHED[200], rel=tolerances.PUBLISHED_FORCE_MAE
    )


@pytest.mark.slow
@pytest.mark.parametrize("n", [500, 1000])
def test_published_errors_with_more_frames(shared, n):
    data = rmd17(shared, "ethanol", "train")
    split, _ = draw(data, n_train=n, n_valid=0)
    model = SGDML.fit(data, split, FIXED, Context())
    assert force_mae(model, rmd17(shared, "ethanol", "test")) == pytest.approx(
        PUBLISHED[n], rel=tolerances.PUBLISHED_FORCE_MAE
    )


def test_energies_have_the_right_zero_and_agree_with_the_forces(shared, trained):
    """Only forces are fitted: energies being right too says they are their integral."""
    data = rmd17(shared, "ethanol", "test")
    energy = trained.predict(data.positions).energy
    assert trained.INFO.absolute_energy
    assert abs(np.mean(energy - data.energies)) < 2e-3
    assert np.abs(energy - data.energies).mean() < 0.01
    assert np.ptp(data.energies) > 0.5


def test_symmetric_geometries_have_one_energy(shared, trained):
    positions = rmd17(shared, "ethanol", "test").positions[:20]
    plain = trained.predict(positions)
    for p in trained.permutations:
        moved = trained.predict(positions[:, p])
        np.testing.assert_allclose(moved.energy, plain.energy, atol=tolerances.INVARIANCE_ENERGY)
        np.testing.assert_allclose(
            moved.forces, plain.forces[:, p], atol=tolerances.INVARIANCE_FORCE
        )


def test_symmetries_make_a_better_model(shared, trained):
    data = rmd17(shared, "ethanol", "train")
    split, _ = draw(data, n_train=60, n_valid=0)
    test = dataclasses.replace(data, **first_rows(data, slice(600, 800)))
    errors = [
        force_mae(SGDML.fit(data, split, SGDMLHyper(20.0, symmetries=s), Context()), test)
        for s in (True, False)
    ]
    assert errors[0] < 0.9 * errors[1]


def first_rows(data, rows):
    return {k: getattr(data, k)[rows] for k in ("positions", "energies", "forces")}


def test_analytic_forces_equal_autograd(small, model):
    positions = torch.tensor(small.positions[:60])  # on, and off, the training geometries
    energy, forces = model.compute(positions)
    derived_energy, derived = super(SGDML, model).compute(positions)
    atol = tolerances.ANALYTIC_EQUALS_AUTOGRAD
    torch.testing.assert_close(energy, derived_energy, rtol=0, atol=atol)
    torch.testing.assert_close(forces, derived, rtol=0, atol=atol)


def test_forces_are_the_slope_of_the_energy(small, model):
    start, h = small.positions[60], 1e-4
    steps = h * np.eye(27).reshape(27, 9, 3)
    up, down = model.predict(start + steps).energy, model.predict(start - steps).energy
    slope = -(up - down).reshape(9, 3) / (2 * h)
    np.testing.assert_allclose(
        model.predict(start[None]).forces[0], slope, atol=tolerances.FINITE_DIFFERENCE_FORCE
    )


def test_training_forces_are_interpolated(small):
    """What is left at a training point is lambda alpha: it falls with lambda, to nothing."""
    split, left = Split(np.arange(40), NONE, NONE), []
    for lam in (1e-10, 1e-12):
        model = SGDML.fit(small, split, SGDMLHyper(sigma=5.0, lam=lam), Context())
        predicted = model.predict(small.positions[:40]).forces
        left.append(float(np.abs(predicted - small.forces[:40]).max()))
    assert np.abs(small.forces[:40]).mean() > 0.5
    assert left[0] < 1e-3
    assert left[1] == pytest.approx(left[0] / 100, rel=0.1)


def test_large_and_small_batches_agree(small, model):
    """The cores' shares, and the blocks within them, are put together in order."""
    many = np.tile(small.positions, (30, 1, 1))
    assert len(many) * len(model.images) > 2 * 50_000
    together = model.predict(many)
    alone = [model.predict(p[None]) for p in small.positions]
    atol = tolerances.BATCH_EQUALS_SINGLE
    np.testing.assert_allclose(
        together.energy, np.tile([a.energy[0] for a in alone], 30), atol=atol
    )
    forces = np.array([a.forces[0] for a in alone])
    np.testing.assert_allclose(together.forces, np.tile(forces, (30, 1, 1)), atol=atol)


def test_saved_and_opened_it_is_the_same(small, model, tmp_path):
    save_model(tmp_path / "model.npz", model)
    again = load_model(tmp_path / "model.npz")
    assert again.hyper == model.hyper
    before, after = model.predict(small.positions[50:]), again.predict(small.positions[50:])
    np.testing.assert_array_equal(before.energy, after.energy)
    np.testing.assert_array_equal(before.forces, after.forces)


def test_sigma_is_the_best_of_those_tried(small):
    seen = []
    context = Context(lambda kind, fraction, payload: seen.append((kind, fraction, payload)))
    split = Split(np.arange(40), np.arange(40, 60), NONE)
    model = SGDML.fit(small, split, SGDMLHyper(search_frames=20), context)
    points = {float(p["x"][0]): float(p["y"][0]) for k, _, p in seen if k == "curve"}
    assert {p["name"] for k, _, p in seen if k == "curve"} == {"validation force MAE"}
    assert len(points) >= 3
    assert points[model.length] == min(points.values())
    assert len(model.descriptors) == 40  # the last fit uses all frames
    assert "chosen" in model.notes["sigma"]
    fractions = [f for k, f, _ in seen if k == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_stop_keeps_the_best_so_far(small):
    def emit(kind, fraction, payload):
        if kind == "curve":
            context.request_stop()

    context = Context(emit)
    split = Split(np.arange(40), np.arange(40, 60), NONE)
    model = SGDML.fit(small, split, SGDMLHyper(search_frames=20), context)
    assert model.notes["training frames"] == "20 of 40 (stopped early)"
    assert np.isfinite(model.predict(small.positions[:5]).energy).all()


def test_cancel_ends_the_fit(small):
    context = Context()
    context.request_cancel()
    with pytest.raises(Cancelled):
        SGDML.fit(small, Split(np.arange(40), NONE, NONE), FIXED, context)


def test_without_energies_the_zero_is_free(small):
    forces_only = dataclasses.replace(small, energies=None)
    model = SGDML.fit(forces_only, Split(np.arange(20), NONE, NONE), FIXED, Context())
    assert not model.INFO.absolute_energy
    assert SGDML.INFO.absolute_energy
    assert "no training frame has an energy" in model.notes["energy constant"]


def test_the_cost_is_known_before(small):
    seconds, size = SGDML.estimate(small.molecule, 1000, SGDMLHyper(sigma=20.0))
    assert 8 * 21000**2 / 2 < size < 8 * 21000**2
    assert 20 < seconds < 200
    longer, _ = SGDML.estimate(small.molecule, 1000, SGDMLHyper())
    assert longer > seconds


def test_bad_training_data_is_refused_with_the_frame(small):
    def fit(train, valid=NONE, data=small, hyper=FIXED):
        SGDML.fit(data, Split(np.array(train), valid, NONE), hyper, Context())

    positions, forces = small.positions.copy(), small.forces.copy()
    positions[9] = positions[4]
    forces[6, 2, 1] = np.nan
    broken = dataclasses.replace(small, positions=positions, forces=forces)
    with pytest.raises(ForceFieldError, match="frame 10 is the same geometry as frame 5"):
        fit([1, 9, 4], data=broken)
    with pytest.raises(ForceFieldError, match="frame 7 has no forces"):
        fit([1, 6], data=broken)
    with pytest.raises(ForceFieldError, match="frame 71 of a data set with 70"):
        fit([70])
    with pytest.raises(ForceFieldError, match="no training frames"):
        fit(NONE)
    with pytest.raises(ForceFieldError, match="needs validation frames"):
        fit([1, 2, 3], hyper=SGDMLHyper())


@pytest.mark.parametrize(
    ("name", "array", "why"),
    [
        ("sigma", np.zeros(1), "kernel width of 0"),
        ("permutations", np.zeros((0, 9), dtype=np.int64), "not permutations"),
        ("permutations", np.array([[1, 0, 2, 3, 4, 5, 6, 7, 8]]), "not permutations"),
        ("permutations", np.arange(9.0)[None], "not those of 9 atoms"),
        ("offset", np.array([np.nan]), "not finite"),
    ],
)
def test_a_damaged_state_never_predicts_silently(model, name, array, why):
    with pytest.raises(ForceFieldError, match=why):
        SGDML.from_state(model.molecule, model.hyper, {**model.state(), name: array})


def test_two_atoms_make_a_morse_like_curve():
    """The smallest molecule: one distance, one internal direction (3N-5)."""
    r = np.linspace(0.8, 2.5, 30)
    well = 4.0 * (1 - np.exp(-1.5 * (r - 1.1))) ** 2
    slope = 12.0 * (1 - np.exp(-1.5 * (r - 1.1))) * np.exp(-1.5 * (r - 1.1))
    positions = np.zeros((30, 2, 3))
    positions[:, 1, 2] = r
    forces = np.zeros((30, 2, 3))
    forces[:, 0, 2], forces[:, 1, 2] = slope, -slope
    molecule = Molecule("NO", np.array([7, 8]), positions[5])
    data = Dataset("NO", molecule, positions, well, forces)
    hyper = SGDMLHyper(sigma=1.0)
    model = SGDML.fit(data, Split(np.arange(0, 30, 2), NONE, NONE), hyper, Context())
    np.testing.assert_allclose(model.predict(positions[1:-1]).energy, well[1:-1], atol=2e-2)


def test_one_atom_is_refused():
    atom = Molecule("He", np.array([2]), np.zeros((1, 3)))
    data = Dataset("He", atom, np.zeros((3, 1, 3)), np.zeros(3), np.zeros((3, 1, 3)))
    with pytest.raises(ForceFieldError, match="two atoms"):
        SGDML.fit(data, Split(np.arange(2), NONE, NONE), FIXED, Context())


def test_rounding_raises_the_regularisation_and_says_so(small):
    """Frames that differ by little more than nothing make the kernel singular to rounding."""
    positions = small.positions.copy()
    positions[1:30] = positions[0]
    positions[1:30, 0, 0] += 1e-5 * np.arange(1, 30)
    near = dataclasses.replace(small, positions=positions)
    model = SGDML.fit(near, Split(np.arange(60), NONE, NONE), SGDMLHyper(20.0, lam=0.0), Context())
    assert "raised from" in model.notes["lambda"]
    assert np.isfinite(model.predict(small.positions).energy).all()
