"""Linear ACE as a force field: limits, convergence, every way to fit, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from core.dataset import Dataset, Split
from core.engine.context import Cancelled, Context
from core.fitting.ace.setup import dearer, expected_columns, fewer
from core.forcefields.ace import ACE
from core.forcefields.base import ForceFieldError
from core.forcefields.load import hyper_from
from core.molecule import Molecule
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import ACE_TWO_BODY

NONE = np.zeros(0, dtype=int)


def morse(x: torch.Tensor) -> torch.Tensor:
    """(B,N,3) -> (B,) eV: one Morse potential between all atoms."""
    i, j = torch.triu_indices(x.shape[1], x.shape[1], 1)
    r = (x[:, i] - x[:, j]).norm(dim=-1)
    return ((1 - torch.exp(-1.3 * (r - 1.6))) ** 2 - 1).sum(1) * 0.4


def angles(x: torch.Tensor) -> torch.Tensor:
    """The Morse energy and a three-body term: squared cosines of C-C-O and C-O-H."""
    total = morse(x)
    for a, b, c in ((0, 1, 2), (1, 2, 8)):
        u, v = x[:, a] - x[:, b], x[:, c] - x[:, b]
        cosine = (u * v).sum(1) / (u.norm(dim=1) * v.norm(dim=1))
        total = total + 2.0 * (cosine + 0.3) ** 2
    return total


def labelled(energy, n: int = 60, *, seed: int = 3) -> Dataset:
    x = torch.tensor(ethanol_frames(n, seed=seed, shake=0.06)).requires_grad_()
    e = energy(x)
    (g,) = torch.autograd.grad(e.sum(), x)
    return Dataset("made", ETHANOL, x.detach().numpy(), e.detach().numpy(), -g.numpy())


@pytest.fixture(scope="module")
def pairs():
    return labelled(morse)


@pytest.fixture(scope="module")
def bent():
    return labelled(angles)


def fit(dataset, train=40, valid=10, context=None, **values):
    values = {"pair_functions": 3, "pair_cutoff": 5.0, "hydrogen": 0.0, **values}
    split = Split(np.arange(train), np.arange(train, train + valid), NONE)
    return ACE.fit(dataset, split, hyper_from(ACE, values), context or Context())


def error(model, dataset, frames=slice(50, 60)) -> float:
    return float(
        np.abs(model.predict(dataset.positions[frames]).forces - dataset.forces[frames]).mean()
    )


def test_two_body_limit_is_a_pair_potential(pairs):
    model = fit(pairs, 20, degrees="14")
    assert error(model, pairs) < ACE_TWO_BODY
    assert set(model.setup.degrees) == {14.0}


def test_three_bodies_need_the_second_order(bent):
    first = error(fit(bent, degrees="12"), bent)
    second = error(fit(bent, degrees="12 7"), bent)
    assert second < first / 5


def test_converges_with_the_degree(bent):
    errors = [error(fit(bent, degrees=d), bent) for d in ("4 3", "5 4", "6 5")]
    assert errors[0] > 1.4 * errors[1]
    assert errors[1] > 3 * errors[2]


def test_isolated_atoms_are_the_limit_of_dissociation(pairs):
    alone = {"H": -13.6, "C": -1030.0, "O": -2040.0}
    shift = 6 * -13.6 + 2 * -1030.0 - 2040.0
    data = dataclasses.replace(pairs, energies=pairs.energies + shift, isolated_atoms=alone)
    model = fit(data, degrees="8 5")
    assert model.notes["one-body energy"] == "isolated atoms"
    apart = np.arange(9.0)[:, None] * np.array([8.0, 0, 0])
    assert model.predict(apart[None]).energy[0] == pytest.approx(shift, abs=1e-9)
    assert np.abs(model.predict(apart[None]).forces).max() == 0.0
    found = model.predict(data.positions[50:]).energy
    assert np.abs(found - data.energies[50:]).mean() < 0.05


def test_forces_only_and_energies_only(bent):
    only = fit(bent, degrees="9 6", one_body="forces only")
    wrong = only.predict(bent.positions[:40]).energy - bent.energies[:40]
    assert abs(wrong.mean()) < 1e-9
    energies = dataclasses.replace(bent, forces=None)
    model = fit(energies, degrees="5 4")
    spread = bent.energies[50:].std()
    assert (
        np.abs(model.predict(bent.positions[50:]).energy - bent.energies[50:]).mean() < spread / 3
    )


def test_every_solver_finds_about_the_same(bent):
    errors = {
        solver: error(fit(bent, degrees="7 5", solver=solver, **more), bent)
        for solver, more in {
            "cholesky": {},
            "rrqr": {},
            "lsqr": {"lam": 1e-9, "iterations": 3000},
        }.items()
    }
    assert max(errors.values()) < 2 * min(errors.values())


def test_evidence_chooses_nearly_what_validation_does(bent):
    evidence = fit(bent, degrees="9 6", choose="evidence")
    validation = fit(bent, degrees="9 6")
    assert error(evidence, bent) < 1.5 * error(validation, bent)
    assert "log evidence" in evidence.notes


def test_without_validation_frames_a_tenth_chooses_and_all_are_used(bent):
    without = fit(bent, 50, 0, degrees="9 6")
    assert error(without, bent) < 1.1 * error(fit(bent, degrees="9 6"), bent)
    fixed = fit(bent, 50, 0, degrees="9 6", lam=float(without.notes["regularisation"].split()[0]))
    # the prior's scale comes from nine tenths of the frames in one, from all in the other
    assert error(without, bent) == pytest.approx(error(fixed, bent), rel=0.05)


def test_one_frame(bent):
    model = fit(bent, 1, 0, degrees="4 3")
    assert np.isfinite(model.predict(bent.positions[:1]).forces).all()


def test_close_atoms_repel(pairs):
    model = fit(pairs, degrees="10 5")
    x = np.repeat(ETHANOL.positions[None], 2, 0)
    bond = x[0, 3] - x[0, 0]
    x[0, 3] = x[0, 0] + 0.9 * bond
    x[1, 3] = x[1, 0] + 0.6 * bond
    low, high = model.predict(x).energy
    assert high > low + 0.2


def test_tells_what_it_did(bent):
    seen = []
    context = Context(lambda kind, fraction, payload: seen.append((kind, fraction, payload)))
    model = fit(bent, context=context, degrees="6 4")
    fractions = [f for kind, f, _ in seen if kind == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    curves = [p for kind, _, p in seen if kind == "curve"]
    assert {p["name"] for p in curves} == {"validation force MAE"}
    # λ spans decades: on a plain axis all points would lie on each other
    assert {p["x_label"] for p in curves} == {"log₁₀ λ"}
    assert all(-15 <= x <= 3 for p in curves for x in p["x"])
    said = [p["message"] for kind, _, p in seen if kind == "log"]
    assert any("validation force MAE" in line and "meV/Å" in line for line in said)
    assert {"basis functions", "degrees", "regularisation", "equations", "memory"} <= set(
        model.notes
    )
    assert int(model.notes["basis functions"]) == len(model.coefficients)


def test_stop_keeps_the_frames_so_far_and_cancel_throws_away(bent, monkeypatch):
    monkeypatch.setattr("core.engine.context.PROGRESS_INTERVAL", 0.0)
    monkeypatch.setattr("core.fitting.ace.rows.BLOCK", 1.0)

    def at(fraction, action):
        context = Context()

        def emit(kind, done, payload):
            if kind == "progress" and done >= fraction:
                action(context)

        context._emit = emit
        return context

    model = fit(bent, context=at(0.2, Context.request_stop), degrees="6 4")
    assert "stopped early" in model.notes["training frames"]
    with pytest.raises(Cancelled):
        fit(bent, context=at(0.2, Context.request_cancel), degrees="6 4")


def test_estimate_grows_with_the_basis_and_the_data():
    small, large = (hyper_from(ACE, {"functions": n}) for n in (500, 8000))
    assert ACE.estimate(ETHANOL, 100, small) < ACE.estimate(ETHANOL, 100, large)
    assert ACE.estimate(ETHANOL, 100, large)[0] < ACE.estimate(ETHANOL, 1000, large)[0]


def test_more_functions_than_fit_are_refused_before_they_are_counted(bent, monkeypatch):
    monkeypatch.setattr("core.fitting.ace.fit.resolve", lambda *_: pytest.fail("counted"))
    monkeypatch.setattr("core.fitting.ace.setup._degrees", lambda *_: pytest.fail("counted"))
    assert ACE.estimate(ETHANOL, 500, hyper_from(ACE, {"functions": 100_000}))[1] > 8e10
    with pytest.raises(ForceFieldError, match="100000 functions needs about"):
        fit(bent, functions=100_000)


def test_functions_go_to_the_elements_with_many_surroundings():
    """3BPA, C12 H12 N2 O: N and O have one or two surroundings, carbon twelve."""
    numbers = np.array([6] * 12 + [1] * 12 + [7] * 2 + [8])
    elements, values = np.unique(numbers), hyper_from(ACE, {"rare": 3.0, "hydrogen": 2.0})
    assert fewer([numbers], elements, values) == pytest.approx((2.0, 0.0, np.log2(6), 3.0))
    assert fewer([ETHANOL.numbers], np.array([1, 6, 8]), values) == (2.0, 0.0, 0.0)
    plain, rare = (hyper_from(ACE, {"degrees": "6 6 4", "rare": x}) for x in (0.0, 2.0))
    assert expected_columns([(numbers, 100)], rare) < 0.7 * expected_columns(
        [(numbers, 100)], plain
    )


def test_functions_go_to_the_neighbours_that_matter():
    """One of 20 triples of H, C, N, O is CCC; in 3BPA the fitted ones of it move atoms most."""
    numbers = np.array([6] * 12 + [1] * 12 + [7] * 2 + [8])
    elements, values = np.unique(numbers), hyper_from(ACE, {"neighbours": 3.0})
    assert dearer([numbers], elements, values) == pytest.approx((3.0, 0.0, np.log2(6), 3.0))
    aspirin = np.array([6] * 9 + [1] * 8 + [8] * 4)
    assert dearer([aspirin], np.unique(aspirin), values)[2] == pytest.approx(np.log2(9 / 4))
    assert dearer([ETHANOL.numbers], np.array([1, 6, 8]), values) == (0.0, 0.0, 0.0)


def test_models_of_before_there_was_a_reduction_per_element_still_load(bent):
    model = fit(bent, degrees="4 3", hydrogen=1.0)
    state = model.state()
    state["shape"] = np.append(state["shape"], 1.0)
    x = bent.positions[:3]
    younger = {**model.state(), "less": state.pop("less")[0]}  # before neighbours weighed too
    for older in (state, younger):
        old = ACE.from_state(bent.molecule, model.hyper, older)
        assert np.array_equal(old.predict(x).forces, model.predict(x).forces)
    with pytest.raises(ForceFieldError, match="less"):
        ACE.from_state(bent.molecule, model.hyper, {**younger, "less": -younger["less"] - 1})
    del state["r0"]
    with pytest.raises(ForceFieldError, match="r0"):
        ACE.from_state(bent.molecule, model.hyper, state)


def test_bad_input_is_refused_with_its_reason(bent):
    cases = [
        ({"cutoff": 1.0}, bent, "cutoff of 1 Å is below the shortest bond"),
        ({"degrees": "60 60 60 60"}, bent, "above l = 20"),
        ({"w_y": 0.05}, bent, "weight of angular degree"),
        ({"degrees": "many"}, bent, "degrees 'many'"),
        ({"functions": 8000, "memory": 0.5}, bent, "more than the 0.5 GiB allowed"),
        ({"one_body": "isolated atoms"}, bent, "isolated H atom"),
    ]
    nan = bent.forces.copy()
    nan[3] = np.nan
    energies = bent.energies.copy()
    energies[3] = np.nan
    blank = dataclasses.replace(bent, forces=nan, energies=energies)
    cases.append(({}, blank, "training frame 4 has no energy and no forces"))
    cases.append(({}, dataclasses.replace(bent, energies=None), "'forces only'"))
    cases.append(
        ({"one_body": "forces only"}, dataclasses.replace(bent, forces=None), "no training frame")
    )
    on_top = bent.positions.copy()
    on_top[2, 1] = on_top[2, 0]
    cases.append(({}, dataclasses.replace(bent, positions=on_top), "frame 3 are only 0.000 Å"))
    for values, data, text in cases:
        with pytest.raises(ForceFieldError, match=text):
            fit(data, **values)
    with pytest.raises(ForceFieldError, match="no training frames"):
        fit(bent, 0, 0)
    atom = Molecule("atom", np.array([6]), np.zeros((1, 3)))
    with pytest.raises(ForceFieldError, match="two atoms"):
        fit(Dataset("atom", atom, np.zeros((20, 1, 3)), np.zeros(20)), 10, 0)
