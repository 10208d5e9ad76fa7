"""What a worker keeps between jobs."""

from __future__ import annotations

import pytest

from core.engine.context import Context
from core.engine.kept import Kept
from core.fitting.part import Part


@pytest.fixture
def memory(monkeypatch) -> dict[str, float]:
    free = {"bytes": 1e9}
    monkeypatch.setattr("core.engine.kept.free_memory", lambda: free["bytes"])
    return free


def test_one_thing_under_one_key(memory):
    kept = Kept(1e9)
    assert kept.put("a", [1], 1e8)
    assert kept.get("a") == [1]
    assert kept.get("b") is None
    assert kept.put("b", [2], 1e8)
    assert kept.get("a") is None


def test_nothing_above_the_limit_or_half_of_what_is_free(memory):
    kept = Kept(4e8)
    assert not kept.put("a", [1], 5e8)
    memory["bytes"] = 5e8
    assert not kept.put("a", [1], 3e8)
    assert kept.put("a", [1], 2e8)
    assert not kept.has_room(2e8, more=2e8)


def test_it_goes_when_memory_is_scarce(memory):
    kept = Kept(1e9)
    kept.put("a", [1], 3e8)
    kept.trim()
    assert kept.get("a")
    memory["bytes"] = 5e8
    kept.trim()
    assert kept.get("a") is None
    assert kept.size == 0


def test_another_kind_of_work_drops_it(memory):
    kept = Kept(1e9)
    kept.put("ace 1", [1], 1e8)
    kept.only("ace")
    assert kept.get("ace 1")
    kept.only("gap")
    assert kept.size == 0
    kept.only("gap")


def test_by_default_nothing_is_kept(memory):
    context = Context()
    assert not context.kept.put("a", [1], 8.0)
    whole = Context(kept=Kept(1e9))
    assert Part(whole, 0.0, 0.5).kept is whole.kept
