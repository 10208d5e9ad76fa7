"""Splits on show, learning curves, searches and flattened training sets."""

import dataclasses

import numpy as np
import pytest

from core import storage
from core.analyses import flatten, learning, search, splitting
from core.analyses.fit import FitSpec
from core.analyses.flatten import FlattenSpec
from core.analyses.learning import Candidate, LearningSpec
from core.analyses.search import Range, SearchSpec
from core.analyses.splitting import SplittingSpec
from core.engine.context import Cancelled, Context
from core.fitting.search import suggestions
from core.fitting.splits import SplitError, draw
from core.forcefields.load import field_class
from core.geometry import measure
from tests import tolerances
from tests.molecules import ethanol_frames, labelled

SETTINGS = {"sigma": 20.0, "symmetries": False}


@pytest.fixture(scope="module")
def data():
    return labelled(ethanol_frames(160), key="mmff94")


@pytest.fixture(scope="module")
def path(data, tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("data") / "record.npz"
    storage.save(file, data)
    return str(file)


def fit_spec(path: str, **more) -> FitSpec:
    return FitSpec("sgdml", path, n_train=20, n_valid=20, n_test=40, hyper=SETTINGS, **more)


class Recorder(Context):
    """Keeps events; asks to stop after `stop` frames, kills after `kill`."""

    def __init__(self, *, stop: int = 10**9, kill: int = 10**9) -> None:
        self.events: list = []
        super().__init__(self._take)
        self._ends = (stop, kill)

    def _take(self, kind, fraction, payload) -> None:
        self.events.append((kind, payload))
        seen = sum(k == "frame" for k, _ in self.events)
        if seen >= self._ends[0]:
            self.request_stop()
        if seen >= self._ends[1]:
            self.request_cancel()


# -- split on show --------------------------------------------------------------------------------
def test_the_split_on_show_is_the_one_the_fit_takes(data, path):
    spec = fit_spec(path, seed=5)
    shown = splitting.run(SplittingSpec(spec, ((1, 0, 2, 8),)), Context())
    drawn, _ = draw(data, n_train=20, n_valid=20, n_test=40, seed=5)
    np.testing.assert_array_equal(shown.split.train, drawn.train)
    assert shown.angles.shape == (160, 1)
    np.testing.assert_array_equal(shown.energies, data.energies)
    with pytest.raises(SplitError, match="needs the region"):
        splitting.run(SplittingSpec(dataclasses.replace(spec, method="surface-region")), Context())


# -- learning curves ------------------------------------------------------------------------------
def test_errors_fall_with_more_frames_and_a_killed_run_goes_on(path, tmp_path):
    spec = LearningSpec(
        path,
        (Candidate("rough", "sgdml", SETTINGS), Candidate("none", "sgdml", {"sigma": -1.0})),
        sizes=(40, 10),
        repeats=2,
        n_valid=0,
        n_test=60,
        out=str(tmp_path),
    )
    with pytest.raises(Cancelled):
        learning.run(spec, Recorder(kill=3))
    kept = storage.load(tmp_path / "partial.npz").points
    assert 2 <= sum(not p.problem for p in kept) < 4
    context = Recorder()
    found = learning.run(spec, context)
    assert str(found.points[: len(kept)]) == str(kept)
    whole = learning.run(dataclasses.replace(spec, out=""), Context())
    good, same = ([p for p in x.points if not p.problem] for x in (found, whole))
    assert [(p.label, p.n_train, p.repeat) for p in good] == [
        (p.label, p.n_train, p.repeat) for p in same
    ]
    np.testing.assert_allclose(
        [p.force_mae for p in good], [p.force_mae for p in same], rtol=tolerances.TRAINED_AGAIN
    )
    sizes, mean, spread = found.mean("rough")
    assert sizes.tolist() == [10, 40]
    assert mean[0] > 1.5 * mean[1]
    assert (spread > 0).all()
    failed = [p for p in found.points if p.label == "none"]
    assert len(failed) == 4
    assert "sigma" in failed[0].problem
    assert str(storage.load(tmp_path / "record.npz").points) == str(found.points)
    # another question does not take these points
    other = dataclasses.replace(spec, sizes=(12,), candidates=spec.candidates[:1])
    assert {p.n_train for p in learning.run(other, Context()).points} == {12}


def test_failures_are_told_as_they_happen_and_the_study_goes_on(path, monkeypatch):
    """Wrong settings, frames that are not there, and an error nobody thought of."""
    from core.fitting import judge

    real = judge.train

    def fails(key, hyper, *rest, **more):
        if hyper.get("lam") == 0.5:
            raise ZeroDivisionError("half")
        return real(key, hyper, *rest, **more)

    monkeypatch.setattr(judge, "train", fails)
    spec = LearningSpec(
        path,
        (
            Candidate("good", "sgdml", SETTINGS),
            Candidate("wrong", "sgdml", {"sigma": -1.0}),
            Candidate("odd", "sgdml", {**SETTINGS, "lam": 0.5}),
        ),
        sizes=(10, 200),
        repeats=1,
        n_valid=0,
        n_test=20,
        seed=7,
    )
    context = Recorder()
    found = learning.run(spec, context)
    live = [p["point"] for kind, p in context.events if kind == "frame"]
    assert str(live) == str(list(found.points)), "each point as it comes, failed ones too"
    assert [(p.label, p.n_train, bool(p.problem)) for p in live] == [
        ("good", 10, False), ("wrong", 10, True), ("odd", 10, True),
        ("good", 200, True), ("wrong", 200, True), ("odd", 200, True),
    ]  # fmt: skip
    assert "sigma" in live[1].problem
    assert live[2].problem == "ZeroDivisionError: half"
    assert "160" in live[3].problem
    said = [p["message"] for kind, p in context.events if kind == "log"]
    assert any(m.startswith("wrong, 10 frames, draw 1 (seed 7) failed: ") for m in said)
    assert found.seed == 7


def test_stop_keeps_the_points_so_far(path):
    spec = LearningSpec(path, (Candidate("a", "sgdml", SETTINGS),), (10, 12, 14), n_valid=0)
    found = learning.run(spec, Recorder(stop=2))
    assert found.stopped
    assert len(found.points) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"candidates": ()}, "needs a force field"),
        ({"sizes": ()}, "needs a force field"),
        ({"sizes": (0,)}, "at least one frame"),
        ({"candidates": (Candidate("a", "sgdml"), Candidate("a", "gaff"))}, "same name"),
        ({"sizes": (500,)}, "160 can be used"),
    ],
)
def test_learning_curves_that_cannot_be(path, change, says):
    spec = LearningSpec(path, (Candidate("a", "sgdml", SETTINGS),), (10,))
    with pytest.raises(ValueError, match=says):
        learning.run(dataclasses.replace(spec, **change), Context())


# -- search ---------------------------------------------------------------------------------------
SIGMA = Range("sigma", 2.0, 200.0, log=True, steps=4)


def test_a_grid_finds_the_lowest_validation_error_and_goes_on_after_a_kill(path, tmp_path):
    spec = SearchSpec(
        fit_spec(path), (SIGMA, Range("symmetries", choices=(True, False))), out=str(tmp_path)
    )
    with pytest.raises(Cancelled):
        search.run(spec, Recorder(kill=5))
    found = search.run(spec, Recorder())
    assert len(found.trials) == 8
    force = [t.force_rmse for t in found.trials]
    assert found.best == int(np.argmin(force))
    assert found.hyper["sigma"] == found.trials[found.best].values["sigma"]
    assert {t.values["sigma"] for t in found.trials} == {2.0, 9.28318, 43.0887, 200.0}
    again = search.run(dataclasses.replace(spec, out=""), Context())
    again_force = [t.force_rmse for t in again.trials]
    np.testing.assert_allclose(again_force, force, rtol=tolerances.TRAINED_AGAIN)
    assert min(force) < 0.7 * max(force)


def test_optuna_is_deterministic_and_resumes_as_if_nothing_had_happened(path, tmp_path):
    spec = SearchSpec(fit_spec(path), (SIGMA,), "optuna", trials=6, out=str(tmp_path))
    with pytest.raises(Cancelled):
        search.run(spec, Recorder(kill=3))
    found = search.run(spec, Context())
    whole = search.run(dataclasses.replace(spec, out=""), Context())
    assert [t.values for t in found.trials] == [t.values for t in whole.trials]
    assert all(2.0 <= t.values["sigma"] <= 200.0 for t in found.trials)
    assert all(t.values["sigma"] == float(f"{t.values['sigma']:.3g}") for t in found.trials)
    more = search.run(dataclasses.replace(spec, trials=7), Context())  # a few more of the same
    assert [t.values for t in more.trials[:6]] == [t.values for t in found.trials]


def test_optuna_beats_blind_choice_on_a_known_function():
    """(log10 s - 1)² + (n - 3)², 25 trials: the best lies near the minimum."""
    ranges = (SIGMA, Range("search_frames", 10, 40, whole=True))
    spec = SearchSpec(FitSpec("sgdml", ""), ranges, "optuna", trials=25)
    count, ask = suggestions(spec, ())
    trials: list[search.Trial] = []
    for _ in range(count):
        v = ask(trials)
        assert isinstance(v["search_frames"], int)
        y = (np.log10(v["sigma"]) - 1) ** 2 + ((v["search_frames"] - 20) / 10) ** 2
        trials.append(search.Trial(v, y, y, 0.0))
    assert min(t.force_rmse for t in trials) < 0.05


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ranges": ()}, "needs a setting"),
        ({"ranges": (Range("sigmoid", 1, 2),)}, "no setting 'sigmoid'"),
        ({"ranges": (Range("sigma", 2, 1),)}, "is no range"),
        ({"ranges": (Range("sigma", 0, 1, log=True),)}, "above 0"),
        ({"ranges": (Range("sigma", 1, 2, steps=5000),)}, "at most 2000"),
        ({"method": "guess"}, "no search 'guess'"),
        ({"objective": "beauty"}, "not for 'beauty'"),
    ],
)
def test_searches_that_cannot_be(path, change, says):
    spec = SearchSpec(fit_spec(path), (SIGMA,))
    with pytest.raises(ValueError, match=says):
        search.run(dataclasses.replace(spec, **change), Context())


def test_a_search_where_everything_fails_has_no_winner(path):
    spec = SearchSpec(fit_spec(path), (Range("sigma", -2.0, -1.0, steps=2),))
    found = search.run(spec, Context())
    assert found.best == -1
    assert all("sigma" in t.problem for t in found.trials)


# -- flattening -----------------------------------------------------------------------------------
def test_picks_come_from_the_bad_groups_first():
    group = np.repeat([0, 1, 2], [50, 30, 20])
    rmse = np.where(group == 2, 1.0, np.where(group == 1, 0.2, 0.1))
    got = flatten.pick(np.arange(100), rmse, group, 15)
    assert len(set(got)) == 15
    assert (group[got] == 2).all()
    more = flatten.pick(np.arange(100), rmse, group, 30)
    assert np.bincount(group[more]).tolist() == [0, 10, 20]  # then the worst of the others
    rmse[80:] += np.linspace(0.0, 0.5, 20)
    assert set(flatten.pick(np.arange(100), rmse, group, 5)) == set(range(95, 100))


def test_frames_are_left_to_choose_from():
    assert flatten.compared(1260) == 630  # of what is left, half is compared on
    assert flatten.compared(9000) == 1000
    assert flatten.compared(1) == 1


def test_a_small_group_gets_as_much_as_a_large_one():
    group = np.repeat([0, 1, 2], [60, 30, 10])
    rmse = np.where(group == 0, 0.1, 0.5)
    got = flatten.pick(np.arange(100), rmse, group, 12)
    assert np.bincount(group[got], minlength=3).tolist() == [0, 6, 6]


def test_a_rare_shape_is_predicted_better_by_a_flattened_set(data, tmp_path):
    """150 frames near the minimum, 10 with long bonds: chosen frames must hold more of those."""
    rng = np.random.default_rng(2)
    near = ethanol_frames(150)
    far = near[:12] * 1.06 + 0.01 * rng.normal(size=(12, 9, 3))
    both = labelled(np.concatenate([near, far]), key="mmff94")
    storage.save(tmp_path / "d.npz", both)
    spec = FlattenSpec(fit_spec(str(tmp_path / "d.npz"), method="random"), groups=4, rounds=2,
                       out=str(tmp_path / "out"))  # fmt: skip
    context = Recorder()
    found = flatten.run(spec, context)
    rare = np.arange(162) >= 150
    assert rare[found.split.train].sum() > rare[found.split_before.train].sum()
    assert len(found.split.train) == 20
    assert not set(found.split.train) & set(found.split.test)
    assert np.nanmax(found.after) < np.nanmax(found.before)
    assert found.rounds.shape == (2, 2)
    assert {p["name"] for k, p in context.events if k == "curve"} == {"worst group", "all frames"}
    kept = storage.load(tmp_path / "out" / "record.npz")
    np.testing.assert_array_equal(kept.split.train, found.split.train)
    with pytest.raises(ValueError, match="share"):
        flatten.run(dataclasses.replace(spec, start=1.0), Context())


def test_a_set_flattened_in_a_region_stays_in_it(data, path):
    turned = np.degrees(measure(data.positions, (0, 1, 2, 8))) % 360
    middle = round(float(np.median(turned)))
    region = f"1-2-3-9:{middle - 120}:{middle}"
    fit = fit_spec(path, method="surface-region", region=region)
    fit = dataclasses.replace(fit, n_train=16, n_valid=6, n_test=30)
    found = flatten.run(FlattenSpec(fit, groups=4, start=0.5, rounds=2), Context())
    assert (turned[found.split.train] <= middle).all()
    assert (turned[found.split.test] > middle).all()
    assert len(np.setdiff1d(found.split.train, found.split_before.train))
    assert found.sizes == (8, 12), "half of 16 frames, and half of the rest"


def test_flattening_goes_on_after_a_kill_with_the_same_frames(path, tmp_path):
    class Killer(Recorder):
        """Kills in the third round: two names for each."""

        def _take(self, kind, fraction, payload) -> None:
            super()._take(kind, fraction, payload)
            if sum(k == "curve" for k, _ in self.events) > 4:
                self.request_cancel()

    spec = FlattenSpec(fit_spec(path), groups=4, rounds=4, out=str(tmp_path))
    with pytest.raises(Cancelled):
        flatten.run(spec, Killer())
    kept = storage.load(tmp_path / "partial.npz")
    assert kept.rounds.shape[0] == 2
    assert 2 <= kept.rounds.shape[1] < 4
    context = Recorder()
    found = flatten.run(spec, context)
    whole = flatten.run(dataclasses.replace(spec, out=""), Context())
    np.testing.assert_array_equal(found.split.train, whole.split.train)
    np.testing.assert_allclose(found.rounds, whole.rounds, rtol=tolerances.TRAINED_AGAIN)
    points = [p for k, p in context.events if k == "curve" and p["name"] == "worst group"]
    assert len(points) == 4  # the old rounds are drawn again
    other = dataclasses.replace(spec, groups=5)
    assert flatten.run(other, Context()).rounds.shape == (2, 4)


def test_a_study_goes_on_in_a_project_that_was_moved(path, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "data").mkdir(parents=True)
    storage.save(old / "data" / "record.npz", storage.load(path))

    def spec(root) -> LearningSpec:
        fields = (Candidate("rough", "sgdml", SETTINGS),)
        data, out = str(root / "data" / "record.npz"), str(root / "study")
        return LearningSpec(data, fields, (10, 12, 14), 1, n_valid=0, n_test=20, out=out)

    with pytest.raises(Cancelled):
        learning.run(spec(old), Recorder(kill=2))
    old.rename(new)
    context = Recorder()
    assert len(learning.run(spec(new), context).points) == 3
    assert any("goes on after" in p["message"] for k, p in context.events if k == "log")


@pytest.mark.parametrize("kind", ["learning", "search", "flatten"])
def test_a_training_that_was_cut_short_is_not_judged(path, kind, monkeypatch):
    """Stop in the midst of the second training: its model is not what its frames can give."""
    fits: list[bool] = []
    context = Context()
    cls = field_class("sgdml")
    fit = cls.fit.__func__

    def watched(cls, dataset, split, hyper, part):
        if len(fits) == 1:
            context.request_stop()
        fits.append(part.stopping)
        return fit(cls, dataset, split, hyper, part)

    monkeypatch.setattr(cls, "fit", classmethod(watched))
    if kind == "learning":
        spec = LearningSpec(path, (Candidate("a", "sgdml", SETTINGS),), (10, 12, 14), n_valid=0)
        assert len(learning.run(spec, context).points) == 1
    elif kind == "search":
        assert len(search.run(SearchSpec(fit_spec(path), (SIGMA,)), context).trials) == 1
    else:
        found = flatten.run(FlattenSpec(fit_spec(path), groups=4, rounds=4), context)
        assert found.rounds.shape == (2, 1)
        assert fits == [False, True, False, False]  # the comparison at the end is whole
