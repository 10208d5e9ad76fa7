"""What sGDML may be told: energies, angles and dihedrals, permutations, precision, choices."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from core.dataset import Dataset, Split
from core.engine.context import Context
from core.forcefields.base import ForceFieldError
from core.forcefields.load import load_model, save_model
from core.forcefields.sgdml import SGDML, SGDMLHyper
from tests import tolerances
from tests.molecules import ethanol_frames, labelled

NONE = np.zeros(0, dtype=int)
TRAIN, VALID = np.arange(40), np.arange(40, 60)
SPLIT = Split(TRAIN, VALID, NONE)
STEP = 1e-4  # Å


@pytest.fixture(scope="module")
def data() -> Dataset:
    frames = ethanol_frames(70)
    frames[1::3] = frames[1::3][:, [0, 1, 2, 4, 5, 3, 6, 7, 8]]
    return labelled(frames, key="mmff94")


def fit(data: Dataset, **values: object) -> SGDML:
    hyper = SGDMLHyper(**{"sigma": 20.0, **values})  # type: ignore[arg-type]
    return SGDML.fit(data, SPLIT, hyper, Context())


def consistent(model: SGDML, r: np.ndarray) -> None:
    """Forces are minus the slope of the energy, by autograd, by differences, and symmetric."""
    x = torch.tensor(r[:4], requires_grad=True)
    (g,) = torch.autograd.grad(model.energy(x).sum(), x)
    energy, forces = model.compute(x.detach())
    atol = tolerances.ANALYTIC_EQUALS_AUTOGRAD
    torch.testing.assert_close(energy, model.energy(x).detach(), rtol=0, atol=atol)
    torch.testing.assert_close(forces, -g, rtol=0, atol=atol)
    steps = np.eye(27).reshape(27, 9, 3) * STEP
    e = model.predict(np.concatenate([r[0] + steps, r[0] - steps])).energy
    slope = (e[27:] - e[:27]) / (2 * STEP)
    assert np.abs(forces[0].numpy().ravel() - slope).max() < tolerances.FINITE_DIFFERENCE_FORCE
    for p in model.permutations:
        moved, plain = model.predict(r[:4][:, p]), model.predict(r[:4])
        assert np.abs(moved.energy - plain.energy).max() < tolerances.INVARIANCE_ENERGY
        assert np.abs(moved.forces - plain.forces[:, p]).max() < tolerances.INVARIANCE_FORCE


# -- energies ---------------------------------------------------------------------------------
@pytest.mark.parametrize("solver", ["closed", "iterative"])
def test_energies_are_fitted_too(data, solver) -> None:
    model = fit(data, energies=True, solver=solver, lam=1e-7, tolerance=1e-7, sigma=5.0)
    consistent(model, data.positions[60:])
    p = model.predict(data.positions[TRAIN])
    # what is left at a training point is lambda times its weight: nothing to speak of
    assert np.abs(p.energy - data.energies[TRAIN]).max() < 1e-2
    assert np.abs(p.forces - data.forces[TRAIN]).mean() < 5e-2
    assert "forces and energies" in model.notes["fitted to"]


def test_the_weight_moves_the_balance(data) -> None:
    """With much smoothing a small weight leaves energies to the forces, a large one holds them."""
    wrong = []
    for weight in (0.01, 100.0):
        model = fit(data, energies=True, energy_weight=weight, lam=1e-4)
        left = model.predict(data.positions[TRAIN]).energy - data.energies[TRAIN]
        wrong.append(float(np.abs(left).mean()))
    assert wrong[1] < 0.5 * wrong[0]


def test_it_is_saved_with_its_energies_and_refused_without(data, tmp_path) -> None:
    model = fit(data, energies=True, lam=1e-8)
    save_model(tmp_path / "m.npz", model)
    one, two = (m.predict(data.positions) for m in (model, load_model(tmp_path / "m.npz")))
    assert np.array_equal(one.forces, two.forces)
    state = model.state()
    del state["energy_weights"]
    with pytest.raises(ForceFieldError, match="energy_weights"):
        SGDML.from_state(model.molecule, model.hyper, state)
    for bad in (np.zeros(3), np.full(40, np.nan)):
        with pytest.raises(ForceFieldError):
            SGDML.from_state(model.molecule, model.hyper, {**state, "energy_weights": bad})


def test_frames_without_energies_are_refused_where_energies_are_needed(data) -> None:
    energies = data.energies.copy()
    energies[7] = np.nan
    broken = dataclasses.replace(data, energies=energies)
    with pytest.raises(ForceFieldError, match="training frame 8 has no energy"):
        fit(broken, energies=True)
    energies[[7, 44]] = 0.0, np.nan
    broken = dataclasses.replace(data, energies=energies)
    with pytest.raises(ForceFieldError, match="validation frame 45 has no energy"):
        fit(broken, sigma=0.0, choose="both")


# -- angles and dihedrals ---------------------------------------------------------------------
@pytest.mark.parametrize("solver", ["closed", "iterative"])
def test_angles_and_dihedrals_beside_the_distances(data, solver, tmp_path) -> None:
    model = fit(data, terms="1-2-3, 4-1-2-3", solver=solver)
    consistent(model, data.positions[60:])
    assert model.notes["coordinates"] == "1 angles, 3 dihedrals added"
    assert model.descriptors.shape[1] == 36 + 4
    save_model(tmp_path / "m.npz", model)
    again = load_model(tmp_path / "m.npz")
    one, two = (m.predict(data.positions) for m in (model, again))
    assert np.array_equal(one.forces, two.forces)
    state = model.state()
    for bad in (state["terms"][:-1], state["terms"][:, ::-1], state["terms"] + 5):
        with pytest.raises(ForceFieldError):
            SGDML.from_state(model.molecule, model.hyper, {**state, "terms": bad})


def test_the_same_frames_are_learnt_with_them(data) -> None:
    errors = {}
    for terms in ("", "auto"):
        model = fit(data, terms=terms)
        left = model.predict(data.positions[60:]).forces - data.forces[60:]
        errors[terms] = float(np.abs(left).mean())
    assert errors["auto"] < 1.5 * errors[""]


def test_coordinates_that_cannot_be_are_refused(data) -> None:
    with pytest.raises(ForceFieldError, match="the atoms 1 to 9"):
        fit(data, terms="1-2-30")
    r = data.positions.copy()
    r[5, 2] = 2 * r[5, 1] - r[5, 0]
    with pytest.raises(ForceFieldError, match="frame 6 the angle 1-2-3 is straight"):
        fit(dataclasses.replace(data, positions=r), terms="1-2-3")


# -- permutations -----------------------------------------------------------------------------
def test_permutations_are_told_and_can_be_switched_off(data) -> None:
    model = fit(data)
    assert model.notes["permutations"] == "6"
    assert model.notes["permuted atoms"].startswith("(5 6)(7 8), (4 5)(7 8)")
    half = fit(data, skip_permutations="(5 6)(7 8), (4 5)(7 8), (4 6)(7 8)")
    assert half.notes["permutations"] == "3"  # the turns are a group of their own
    off = fit(data, skip_permutations="2, 3, 4, 5, 6")
    assert off.notes["permutations"] == "1"
    plain = fit(data, symmetries=False)  # GDML
    assert np.array_equal(plain.weights, off.weights)
    with pytest.raises(ForceFieldError, match="no permutation"):
        fit(data, skip_permutations="(7 8)")


# -- choices ----------------------------------------------------------------------------------
def curves(data: Dataset, **values: Any) -> tuple[SGDML, dict[str, dict[float, float]]]:
    seen: dict[str, dict[float, float]] = {}

    def emit(kind, fraction, payload):
        if kind == "curve":
            assert payload["x_label"]
            assert payload["y_label"]
            points = zip(payload["x"], payload["y"], strict=True)
            seen.setdefault(payload["name"], {}).update(dict(points))

    values = {"sigma": 0.0, "search_frames": 20, **values}
    return SGDML.fit(data, SPLIT, SGDMLHyper(**values), Context(emit)), seen


def test_sigma_is_chosen_by_energies_or_both(data) -> None:
    model, seen = curves(data, choose="energies")
    assert set(seen) == {"validation energy MAE"}
    points = seen["validation energy MAE"]
    assert points[model.length] == min(points.values())
    assert max(points.values()) < 1.0  # eV: compared with the constant
    model, seen = curves(data, choose="both")
    assert len(seen) == 3
    points = seen["validation error, both"]
    assert points[model.length] == min(points.values())


def test_lambda_is_chosen_with_a_curve(data) -> None:
    noisy = data.forces + np.random.default_rng(0).normal(0.0, 0.2, data.forces.shape)
    train = data.forces.copy()
    train[TRAIN] = noisy[TRAIN]
    broken = dataclasses.replace(data, forces=train)
    model, seen = curves(broken, sigma=20.0, search_lam=True, search_frames=40)
    points = seen["validation error by λ"]
    best = min(points, key=points.__getitem__)
    assert best > -9  # noise wants smoothing
    assert model.notes["lambda"] == f"{10.0**best:.0e} (chosen)"
    plain = fit(broken)
    left = [
        float(np.abs(m.predict(data.positions[60:]).forces - data.forces[60:]).mean())
        for m in (model, plain)
    ]
    assert left[0] < left[1]


@pytest.mark.parametrize("values", [{}, {"energies": True, "lam": 1e-8}, {"terms": "4-1-2-3"}])
def test_float32_tells_how_far_it_is_off(data, tmp_path, values) -> None:
    model = fit(data, precision="float32", **values)
    exact = fit(data, **values)
    assert model.dtype == torch.float32
    p, q = model.predict(data.positions[60:]), exact.predict(data.positions[60:])
    assert 0 < np.abs(p.forces - q.forces).max() < tolerances.FLOAT32_FORCE
    assert "differs from float64 by at most" in model.notes["float32"]
    said = float(model.notes["float32"].split("at most ")[1].split()[0])
    assert 1e3 * np.abs(p.forces - q.forces).max() == pytest.approx(said, rel=3.0)
    save_model(tmp_path / "m.npz", model)
    assert load_model(tmp_path / "m.npz").dtype == torch.float32
    x = torch.tensor(data.positions[60:64], dtype=torch.float32, requires_grad=True)
    (g,) = torch.autograd.grad(model.energy(x).sum(), x)
    assert np.abs(g.numpy() + p.forces[:4]).max() < tolerances.FLOAT32_FORCE


# -- stop -------------------------------------------------------------------------------------
@pytest.mark.parametrize("word", ["building", "solving"])
def test_a_stop_during_the_closed_form_keeps_the_frames_that_are_ready(
    data, word, monkeypatch
) -> None:
    monkeypatch.setattr("core.fitting.sgdml.gradient_domain.PANEL", 105)  # five frames a panel
    monkeypatch.setattr("core.fitting.sgdml.gradient_domain.AFTER_STOP", 210)
    monkeypatch.setattr("core.fitting.cholesky.SOON", 0)

    def emit(kind, fraction, payload):
        if kind == "progress" and payload["message"].startswith(word) and fraction > 0.3:
            context.request_stop()

    context = Context(emit)
    monkeypatch.setattr("core.engine.context.PROGRESS_INTERVAL", 0.0)
    model = SGDML.fit(data, Split(TRAIN, NONE, NONE), SGDMLHyper(sigma=20.0), context)
    used = len(model.descriptors)
    assert 5 <= used < 40
    assert model.notes["training frames"] == f"{used} of 40 (stopped early)"
    alone = SGDML.fit(data, Split(TRAIN[:used], NONE, NONE), SGDMLHyper(sigma=20.0), Context())
    assert np.array_equal(alone.permutations, model.permutations)
    one, two = (m.predict(data.positions[60:]).forces for m in (model, alone))
    assert np.abs(one - two).max() < 1e-6  # exactly the fit to those frames
