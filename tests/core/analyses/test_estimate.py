"""The cost of a fit before it is started."""

from __future__ import annotations

import dataclasses

import pytest

from core.analyses.estimate import Estimate, EstimateSpec, run
from core.engine.context import Context
from core.wire import pack, unpack
from tests.molecules import ETHANOL

SPEC = EstimateSpec("sgdml", ETHANOL, 200)


def test_more_frames_cost_more_time_and_memory():
    pytest.importorskip("core.forcefields.sgdml")
    few, many = run(SPEC, Context()), run(dataclasses.replace(SPEC, n_train=1000), Context())
    assert not few.problem
    assert 0 < few.seconds < many.seconds
    assert 0 < few.bytes < many.bytes
    assert few.available > 0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": "nonsense"}, "nonsense"),
        ({"n_train": 0}, "frame"),
        ({"hyper": {"sigmaa": 1.0}}, "sigmaa"),
    ],
)
def test_what_cannot_be_trained_is_a_sentence_not_a_failure(changes, why):
    pytest.importorskip("core.forcefields.sgdml")
    answer = run(dataclasses.replace(SPEC, **changes), Context())
    assert why in answer.problem
    assert answer.seconds == 0


def test_question_and_answer_travel():
    assert unpack(pack(SPEC), EstimateSpec).n_train == 200
    assert unpack(pack(Estimate(1.0, 2.0)), Estimate) == Estimate(1.0, 2.0)
