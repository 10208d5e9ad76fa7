import numpy as np

from core.engine.context import Context
from core.fitting.checkpoint import Checkpoint
from core.fitting.part import Part

STATE = {"x": np.arange(3.0), "iteration": np.array([7])}


def test_a_state_comes_back_for_the_same_question_only(tmp_path):
    context = Part(Context(folder=str(tmp_path)), 0.0, 1.0)
    kept = Checkpoint(context, "cg", about="a")
    assert kept.load() is None
    kept.save(STATE)  # too early: nothing worth a write yet
    assert kept.load() is None
    kept.save(STATE, now=True)
    again = Checkpoint(context, "cg", about="a").load()
    np.testing.assert_array_equal(again["x"], STATE["x"])
    assert int(again["iteration"][0]) == 7
    assert Checkpoint(context, "cg", about="b").load() is None
    assert Checkpoint(context, "other", about="a").load() is None
    kept.done()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_state_is_left_alone(tmp_path):
    kept = Checkpoint(Context(folder=str(tmp_path)), "cg", about="a")
    kept.save(STATE, now=True)
    kept.path.write_bytes(kept.path.read_bytes()[:50])
    assert kept.load() is None


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = Checkpoint(Context(), "cg", about="a")
    kept.save(STATE, now=True)
    assert kept.load() is None
    kept.done()
    assert list(tmp_path.iterdir()) == []
