import numpy as np

from core.dataset import Split
from core.engine.context import Context
from core.fitting.checkpoint import Checkpoint, fingerprint
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
    other = Checkpoint(context, "cg", about="b")
    assert other.load() is None
    assert "other settings or data" in other.note
    assert Checkpoint(context, "other", about="a").load() is None
    kept.done()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_state_is_left_alone(tmp_path):
    kept = Checkpoint(Context(folder=str(tmp_path)), "cg", about="a")
    kept.save(STATE, now=True)
    kept.path.write_bytes(kept.path.read_bytes()[:50])
    assert kept.load() is None
    assert "checkpoint-cg.npz" in kept.note


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = Checkpoint(Context(), "cg", about="a")
    kept.save(STATE, now=True)
    assert kept.load() is None
    kept.done()
    assert list(tmp_path.iterdir()) == []


def test_a_fingerprint_tells_every_number_and_word_apart():
    def of(seed=0, last=2.0, words="a"):
        split = Split(np.arange(3), np.arange(3, 5), np.arange(5, 9), seed=seed)
        return fingerprint(split, {"x": [np.array([1.0, last])], "w": words}, None)

    assert of() == of()
    assert len({of(), of(seed=1), of(last=np.nextafter(2.0, 3.0)), of(words="b")}) == 4
