"""A second fit with another prior uses the equations of the first, and gives the same model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core.dataset import Split
from core.descriptors.ace.design import Design
from core.engine.context import Context
from core.engine.kept import LIMIT, Kept
from core.fitting.part import Part
from core.fitting.portion import Portion
from core.forcefields.ace import ACE
from core.forcefields.load import hyper_from
from tests.molecules import ethanol_frames, labelled

BASE = {"degrees": "6 5"}


@pytest.fixture(scope="module")
def data():
    return labelled(ethanol_frames(50), key="mmff94")


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """One entry for every frame whose rows are made."""
    seen: list[int] = []
    frame = Design.frame

    def counted(self, positions, basis):
        seen.append(1)
        return frame(self, positions, basis)

    monkeypatch.setattr(Design, "frame", counted)
    return seen


def fit(data, kept: Kept, *, train=30, valid=10, **values):
    split = Split(np.arange(train), np.arange(train, train + valid), np.zeros(0, dtype=int))
    context = Part(Context(kept=kept), 0.0, 1.0)
    return ACE.fit(data, split, hyper_from(ACE, {**BASE, **values}), context)


@pytest.mark.parametrize("valid", [10, 0])
@pytest.mark.parametrize(
    "other", [{"smoothness": 4.0}, {"lam": 1e-5}, {"choose": "evidence"}, {"smoothness": 0.0}]
)
def test_another_prior_makes_no_rows_and_the_same_model(data, calls, valid, other):
    """Without validation frames only a search for lambda sets a tenth of the frames apart."""
    kept = Kept(LIMIT)
    fit(data, kept, valid=valid)
    assert len(calls) == 30
    calls.clear()
    second = fit(data, kept, valid=valid, **other)
    same_frames = valid or "smoothness" in other
    assert len(calls) == (0 if same_frames else 30)
    assert ("of the fit before" in second.notes["equations"]) == bool(same_frames)
    fresh = fit(data, Kept(), valid=valid, **other)
    assert np.array_equal(second.coefficients, fresh.coefficients)
    calls.clear()
    third = fit(data, kept, valid=valid, **other)  # what is kept has not been changed by its use
    assert np.array_equal(third.coefficients, fresh.coefficients)
    assert not calls


@pytest.mark.parametrize(
    "other", [{"energy_weight": 1.0}, {"degrees": "7 5"}, {"train": 29}, {"cutoff": 4.0}]
)
def test_other_equations_are_made_anew(data, calls, other):
    kept = Kept(LIMIT)
    fit(data, kept)
    calls.clear()
    second = fit(data, kept, **other)
    assert calls
    assert np.array_equal(second.coefficients, fit(data, Kept(), **other).coefficients)


def test_other_labels_are_made_anew(data, calls):
    kept = Kept(LIMIT)
    fit(data, kept)
    calls.clear()
    forces = data.forces.copy()
    forces[3, 0, 0] += 0.01
    fit(dataclasses.replace(data, forces=forces), kept)
    assert len(calls) == 30


def test_two_molecules_are_kept_together(data, calls):
    kept = Kept(LIMIT)
    split = Split(np.arange(20), np.arange(20, 30), np.zeros(0, dtype=int))
    portions = [Portion(data, split), Portion(labelled(ethanol_frames(40, seed=8)), split)]
    for smoothness in (2.0, 3.0):
        values = hyper_from(ACE, {**BASE, "smoothness": smoothness})
        ACE.fit_many(portions, values, Context(kept=kept))
    assert len(calls) == 40


def test_a_stopped_fit_leaves_nothing(data, monkeypatch):
    monkeypatch.setattr("core.engine.context.PROGRESS_INTERVAL", 0.0)
    monkeypatch.setattr("core.fitting.ace.rows.BLOCK", 1.0)
    kept = Kept(LIMIT)
    context = Context(lambda kind, done, payload: done > 0.1 and context.request_stop(), kept=kept)
    split = Split(np.arange(30), np.arange(30, 40), np.zeros(0, dtype=int))
    model = ACE.fit(data, split, hyper_from(ACE, BASE), context)
    assert "stopped early" in model.notes["training frames"]
    assert kept.size == 0


def test_what_is_kept_gives_way(data, calls, monkeypatch):
    """No room for the frames that join: they are added in place, and nothing stays."""
    kept = Kept(LIMIT)
    fit(data, kept, valid=0, choose="evidence")
    assert kept.size > 0
    free = 2.5 * kept.size
    kept.drop()
    monkeypatch.setattr("core.engine.kept.free_memory", lambda: free)
    fit(data, kept, valid=0)
    assert kept.size == 0
    calls.clear()
    assert np.array_equal(
        fit(data, kept, valid=0).coefficients, fit(data, Kept(), valid=0).coefficients
    )
    assert len(calls) == 60
