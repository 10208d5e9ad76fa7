"""What evaluating the base adds to the cost of a correction."""

from __future__ import annotations

import time

import numpy as np
import pytest

from core.fieldref import FieldRef
from core.fitting import base_cost
from core.fitting.base_cost import AGAIN, SLOW, evaluating
from core.forcefields.base import DataForceField, ForceFieldError
from core.forcefields.composite import Composite
from core.forcefields.info import Info
from core.forcefields.load import field_class, hyper_from, make
from tests.molecules import ETHANOL, ethanol_frames

FRAMES = 100
FACTOR = 6.0  # between the time estimated from a few geometries and that of many, on a busy machine


class Program(DataForceField):
    """Takes `seconds` for a geometry, and counts them."""

    INFO = Info("program", "Program", "semi-empirical")
    seconds = 0.01

    def evaluate(self, positions):
        self.count = getattr(self, "count", 0) + len(positions)
        time.sleep(self.seconds * len(positions))
        return np.zeros(len(positions)), np.zeros(positions.shape)


@pytest.mark.parametrize(("seconds", "tried"), [(0.01, 1 + AGAIN), (1.5 * SLOW, 1)])
def test_a_slow_program_is_tried_once_a_fast_one_a_few_times(monkeypatch, seconds, tried):
    field = Program(ETHANOL)
    field.seconds = seconds
    monkeypatch.setattr(base_cost, "make", lambda ref, molecule: field)
    monkeypatch.setattr(base_cost, "field_class", lambda key: Program)
    found = evaluating(FieldRef("program"), ETHANOL, 20, trains=False)
    assert 20 * seconds <= found < 20 * seconds * FACTOR
    assert field.count == tried


def test_the_cost_of_a_correction_holds_the_evaluation_of_its_base():
    pytest.importorskip("tblite")
    settings = {"base": "gfn2-xtb", "correction": "sgdml"}
    whole, size = Composite.estimate(ETHANOL, FRAMES, hyper_from(Composite, settings))
    learner = field_class("sgdml")
    fit, least = learner.estimate(ETHANOL, FRAMES, hyper_from(learner, {}))
    field, x = make(FieldRef("gfn2-xtb"), ETHANOL), ethanol_frames(21)
    field.predict(x[:1])
    start = time.perf_counter()
    field.predict(x[1:])
    real = (time.perf_counter() - start) / 20 * FRAMES
    assert real / FACTOR < whole - fit < real * FACTOR
    assert size == least


def test_many_at_once_and_fields_that_are_trained_first_are_not_tried(monkeypatch):
    def never(*args):
        raise AssertionError("tried")

    monkeypatch.setattr(base_cost, "make", never)
    quick = evaluating(FieldRef("gaff"), ETHANOL, FRAMES, trains=False)
    refit = evaluating(FieldRef("gaff"), ETHANOL, FRAMES, trains=True)
    learnt = evaluating(FieldRef("ace"), ETHANOL, FRAMES, trains=True)
    assert 0 < quick == refit < 0.1 < learnt < 10


def test_a_base_that_cannot_be_is_refused_before_the_fit(tmp_path):
    missing = str(tmp_path / "no.npz")
    hyper = hyper_from(Composite, {"base": "sgdml", "base_model": missing})
    with pytest.raises(ForceFieldError, match=r"no\.npz"):
        Composite.estimate(ETHANOL, FRAMES, hyper)
