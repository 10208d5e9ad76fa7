import dataclasses

import numpy as np
import pytest

from core import storage
from core.analyses.fit import Fit, FitSpec, run
from core.dataset import Split
from core.engine.context import Cancelled, Context
from core.fitting.splits import SplitError
from core.forcefields import discover
from core.forcefields.base import ForceFieldError
from core.forcefields.load import load_model
from tests.molecules import ethanol_frames, labelled


@pytest.fixture(scope="module")
def data():
    return labelled(ethanol_frames(90), key="mmff94")


@pytest.fixture(scope="module")
def path(data, tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("data") / "record.npz"
    storage.save(file, data)
    return str(file)


def test_a_fit_is_recorded_with_all_that_made_it(path, data, tmp_path):
    events = []
    context = Context(lambda *event: events.append(event))
    spec = FitSpec("sgdml", path, n_train=40, n_valid=20, n_test=20, out=str(tmp_path / "a" / "b"))
    fit = run(spec, context)  # into a folder that is not there yet
    assert fit.label == "sGDML, 40 frames"
    assert [len(getattr(fit.split, p)) for p in ("train", "valid", "test")] == [40, 20, 20]
    assert fit.errors.n_forces == 20
    assert 0 < fit.errors.force_mae < fit.errors.force_rmse < 0.2
    assert fit.info["permutations"] in ("1", "2")
    assert "chosen" in fit.info["sigma"]
    assert fit.hyper["lam"] == 1e-10
    assert fit.fit_seconds > 0
    assert fit.peak_rss > 1e7
    assert not fit.stopped
    assert fit.versions["torch"]
    # what was drawn live is what is kept
    live = [p for kind, _, p in events if kind == "curve"]
    curve = fit.curves["validation force MAE"]
    np.testing.assert_array_equal(curve[0], np.concatenate([p["x"] for p in live]))
    fractions = [f for kind, f, _ in events if kind == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    # the record and the model open again and say the same
    again = storage.load(tmp_path / "a" / "b" / "record.npz", Fit)
    assert again.errors.force_mae == fit.errors.force_mae
    model = load_model(fit.model)
    test = fit.split.test
    error = np.abs(model.predict(data.positions[test]).forces - data.forces[test]).mean()
    assert error == pytest.approx(fit.errors.force_mae, rel=1e-9)


def test_same_seed_same_model(path):
    spec = FitSpec("sgdml", path, n_train=20, n_valid=0, hyper={"sigma": 20.0})
    first, again = run(spec, Context()), run(spec, Context())
    other = run(dataclasses.replace(spec, seed=1), Context())
    assert first.errors.force_mae == pytest.approx(again.errors.force_mae, rel=1e-6)
    assert first.errors.force_mae != pytest.approx(other.errors.force_mae, rel=1e-3)


def test_a_given_split_is_used_as_it_is(path):
    split = Split(np.arange(10, 30), np.arange(5), np.arange(40, 50), method="mine")
    fit = run(FitSpec("sgdml", path, hyper={"sigma": 20.0}, split=split), Context())
    np.testing.assert_array_equal(fit.split.train, split.train)
    assert fit.split.method == "mine"
    beyond = dataclasses.replace(split, test=np.array([90]))
    with pytest.raises(ValueError, match="go up to 91"):
        run(FitSpec("sgdml", path, split=beyond), Context())


def test_no_frames_left_to_test_on_gives_no_errors(path):
    fit = run(FitSpec("sgdml", path, n_train=90, hyper={"sigma": 20.0}), Context())
    assert fit.errors.n_forces == 0
    assert np.isnan(fit.errors.force_mae)
    assert "no frames" in fit.info["test"]


def test_the_list_of_fields_answers_an_unknown_one(path):
    with pytest.raises(ForceFieldError) as caught:
        run(FitSpec("gdmls", path), Context())
    assert all(key in str(caught.value) for key in ("gdmls", *discover()))
    with pytest.raises(ForceFieldError, match="not trained"):
        run(FitSpec("mmff94", path), Context())


def test_bad_parameters_are_named(path):
    with pytest.raises(ForceFieldError, match=r"sigma.*0 to 1000"):
        run(FitSpec("sgdml", path, hyper={"sigma": -1.0}), Context())
    with pytest.raises(ForceFieldError, match="no parameter 'sgima'"):
        run(FitSpec("sgdml", path, hyper={"sgima": 1.0}), Context())


def test_data_that_cannot_be_fitted_is_refused(data, path, tmp_path):
    bare = tmp_path / "bare.npz"
    storage.save(bare, dataclasses.replace(data, forces=None))
    with pytest.raises(SplitError, match="90 energies and 0 forces"):
        run(FitSpec("sgdml", str(bare)), Context())
    with pytest.raises(SplitError, match="100 training frames asked, 90 can be used"):
        run(FitSpec("sgdml", path, n_train=100), Context())


def test_repeated_frames_are_left_out_and_named(data, tmp_path):
    twice = {k: np.concatenate([getattr(data, k)[:50]] * 2) for k in
             ("positions", "energies", "forces")}  # fmt: skip
    storage.save(tmp_path / "twice.npz", dataclasses.replace(data, **twice))
    spec = FitSpec("sgdml", str(tmp_path / "twice.npz"), n_train=40, n_valid=0,
                   hyper={"sigma": 20.0})  # fmt: skip
    fit = run(spec, Context())
    assert "frame 51 repeats frame 1" in fit.info["repeated"]
    assert len(fit.split.test) == 10


def test_cancel_leaves_nothing_behind(path, tmp_path):
    def emit(kind, fraction, payload):
        if kind == "progress" and fraction > 0.1:
            context.request_cancel()

    context = Context(emit)
    with pytest.raises(Cancelled):
        run(FitSpec("sgdml", path, n_train=60, n_valid=20, out=str(tmp_path)), context)
    assert list(tmp_path.iterdir()) == []
