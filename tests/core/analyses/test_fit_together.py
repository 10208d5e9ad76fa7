"""A fit to several data sets as a job: frames, errors and records of every molecule."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from core import storage
from core.analyses.errors import ErrorsSpec
from core.analyses.errors import run as errors_of
from core.analyses.fit import Fit, FitShare, FitSpec, run
from core.dataset import Split
from core.engine.client import Engine
from core.engine.context import Context
from core.fieldref import FieldRef
from core.fitting.splits import SplitError
from core.forcefields.base import ForceFieldError
from core.forcefields.load import read_model
from tests.molecules import ETHANOL
from tests.several import METHANOL, WATER, frames

SMALL = {"degrees": "8", "pair_functions": 3}


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("sets")
    found = {}
    for molecule in (ETHANOL, METHANOL, WATER):
        data = dataclasses.replace(frames(molecule), level="Morse", sha256=molecule.name * 3)
        path = folder / molecule.name / "record.npz"
        path.parent.mkdir()
        storage.save(path, data)
        found[molecule.name] = str(path)
    return found


def spec(paths, **more) -> FitSpec:
    shares = (FitShare(paths["methanol"], 20, 5), FitShare(paths["water"], 15, 5, 12))
    values = {"n_train": 25, "n_valid": 5, "hyper": SMALL, "others": shares, **more}
    return FitSpec("ace", paths["ethanol"], **values)


@pytest.fixture(scope="module")
def fit(paths, tmp_path_factory) -> tuple[Fit, Path]:
    out = tmp_path_factory.mktemp("fit")
    return run(spec(paths, out=str(out)), Context()), out


def test_what_is_recorded(fit, paths):
    found, out = fit
    assert found.label == "Linear ACE, 3 molecules, 60 frames"
    assert [o.name for o in found.others] == ["methanol", "water"]
    assert [o.formula for o in found.others] == ["CH4O", "H2O"]
    parts = [[len(getattr(o.split, p)) for p in ("train", "valid", "test")] for o in found.others]
    assert parts == [[20, 5, 15], [15, 5, 12]]
    assert "ethanol (C2H6O, 25 frames), methanol" in found.info["molecules"]
    assert found.info["one-body energy"] == "least squares over 3 compositions"
    for o in found.others:
        assert not Path(o.dataset).is_absolute()
        assert (out / o.dataset).resolve() == Path(paths[o.name]).resolve()
        assert o.errors.n_forces == len(o.split.test)
        assert o.errors.label == f"{found.label}: {o.name}"
        assert o.errors.energy_shift == 0
    again = storage.load(out / "record.npz", Fit)
    assert again.others[1].errors.force_mae == found.others[1].errors.force_mae
    extra = read_model(found.model).extra
    assert extra["dataset"] == "ethanol; methanol; water"
    assert extra["level"] == "Morse"
    assert extra["sha256"].split("; ")[2] == "water" * 3


def test_errors_are_those_of_the_saved_model(fit, paths):
    found, _ = fit
    for o in found.others:
        field = FieldRef("", model=found.model)
        asked = ErrorsSpec(field, paths[o.name], frames=o.split.test, timing=False)
        assert errors_of(asked, Context()).force_mae == pytest.approx(o.errors.force_mae, rel=1e-12)


def test_frames_are_drawn_as_those_of_the_first_or_given(paths):
    given = Split(np.arange(12), np.arange(12, 15), np.arange(15, 20))
    shares = (FitShare(paths["methanol"], split=given), FitShare(paths["water"], 9, 3, 5))
    found = run(spec(paths, others=shares, seed=4, method="random", n_test=6), Context())
    assert np.array_equal(found.others[0].split.test, given.test)
    alone = run(spec({**paths, "ethanol": paths["water"]}, others=(), seed=4, method="random",
                     n_train=9, n_valid=3, n_test=5), Context())  # fmt: skip
    assert np.array_equal(found.others[1].split.train, alone.split.train)
    assert not alone.others
    assert alone.label == "Linear ACE, 9 frames"


def test_bad_input_is_named(paths, tmp_path):
    twice = (FitShare(paths["water"], 9, 3), FitShare(paths["water"], 5, 3))
    few = (FitShare(paths["methanol"], 41, 0),)
    gone = (FitShare(str(tmp_path / "gone.npz"), 5, 5),)
    beyond = (FitShare(paths["water"], split=Split(np.array([99]), np.array([1]), np.array([2]))),)
    for others, kind, text in (
        (twice, ValueError, "water is there twice"),
        (few, SplitError, "methanol"),
        (gone, storage.StorageError, "gone.npz"),
        (beyond, ValueError, "frames go up to 100; water has 40"),
    ):
        with pytest.raises(kind, match=text):
            run(spec(paths, others=others), Context())
    sgdml = dataclasses.replace(spec(paths), key="sgdml", hyper={})
    with pytest.raises(ForceFieldError, match="sGDML is fitted to one molecule at a time"):
        run(sgdml, Context())
    region = spec(paths, method="surface-region", region="1-2-3-9:-90:90")
    with pytest.raises(ValueError, match="a region is that of one molecule"):
        run(region, Context())


def test_different_levels_are_told(paths, tmp_path):
    other = dataclasses.replace(frames(WATER), level="another")
    storage.save(tmp_path / "w.npz", other)
    found = run(spec(paths, others=(FitShare(str(tmp_path / "w.npz"), 9, 3),)), Context())
    assert found.info["levels of theory"] == "they differ: Morse, another"


def test_a_worker_keeps_the_equations_for_the_next_fit(paths):
    with Engine(workers=1) as engine:
        first, second = (
            engine.submit(spec(paths, hyper={**SMALL, "smoothness": s})).result(120)
            for s in (2.0, 4.0)
        )
    assert "of the fit before" not in first.info["equations"]
    assert "of the fit before" in second.info["equations"]
    assert second.hyper["smoothness"] == 4.0
