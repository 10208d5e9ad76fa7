"""The scorecard of a project, and the surface error it shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core.analyses.compare import scorecard
from core.analyses.dynamics import DynamicsSpec, Trajectory
from core.analyses.errors import Errors, ErrorsSpec
from core.analyses.fit import Fit, FitSpec
from core.analyses.surface import Axis, Layer, Surface, SurfaceSpec
from core.dataset import Dataset, Split
from core.fieldref import FieldRef
from core.project import Project
from tests.molecules import ETHANOL, HYDROXYL

AXIS = Axis(HYDROXYL, 0.0, 2 * np.pi, 7)


def errors(label, force_mae, *, n=4) -> Errors:
    e = np.zeros(n)
    return Errors(label, n, n, force_mae / 2, force_mae, force_mae, force_mae, 0.0, e, e,
                  e, e, e, 0.5, 2.0)  # fmt: skip


def layer(label, key, energy) -> Layer:
    n = len(energy)
    return Layer(label, key, np.asarray(energy, float), np.zeros((n, 9, 3)), np.zeros((n, 1)),
                 np.ones(n, bool), np.zeros(n), {}, 1.0)  # fmt: skip


def trajectory(label, ps, *, failed=False) -> Trajectory:
    z = np.zeros((1, 1))
    zz = np.zeros((1, 1, 9, 3))
    return Trajectory("run", label, ETHANOL, "nve", 0.5, np.zeros(1, int), np.zeros(1), zz, zz, z,
                      z, z, np.array([10 if failed else -1]), ("bond",) if failed else (),
                      np.zeros((0, 9, 3)), ps, 100.0)  # fmt: skip


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project", "test") as made:
        yield made


@pytest.fixture
def data(project):
    return project.add("datasets", "ethanol", Dataset("ethanol", ETHANOL, ETHANOL.positions[None]))


def add_fit(project, data, name="sGDML 200", force_mae=0.04):
    item = project.reserve("fits", name)
    model = item.folder / "model.npz"
    model.write_bytes(b"")
    split = Split(np.arange(2), np.arange(2, 3), np.arange(3, 7))
    project.save(item, Fit(name, "sgdml", str(model), split, errors(name, force_mae)))
    project.note_job(item.id, FitSpec("sgdml", str(data.record)))
    return item, FieldRef("sgdml", model=str(model), label=name)


def add(project, kind, name, record, spec=None):
    item = project.reserve(kind, name)
    project.save(item, record)
    if spec is not None:
        project.note_job(item.id, spec)
    return item


# -- scorecard --------------------------------------------------------------------------------
def test_an_empty_project_has_no_rows(project):
    assert scorecard(project) == []


def test_everything_about_a_fit_comes_together_in_one_row_whatever_it_is_called_now(project, data):
    item, ref = add_fit(project, data)
    reference = FieldRef("reference", dataset=str(data.record))
    r = np.cos(np.arange(7.0))
    wiggle = 0.1 * (-1.0) ** np.arange(7)
    layers = (layer("PBE", "reference", r), layer("sGDML 200", "sgdml", r + 2 + wiggle))
    surface = Surface("map", ETHANOL, (AXIS,), False, layers)
    add(project, "surfaces", "map", surface, SurfaceSpec(ETHANOL, (AXIS,), (reference, ref)))
    add(project, "runs", "run", trajectory("sGDML 200", 4.0), DynamicsSpec(ETHANOL, ref))
    project.rename(item.id, "my model")
    (row,) = scorecard(project)
    assert (row.label, row.id, row.item) == ("my model", item.id, item.id)
    assert (row.force_mae, row.energy_mae) == (0.04, 0.02)
    assert (row.own_test, row.dataset, row.frames) == (True, "ethanol", 4)
    assert row.surface_rmse == pytest.approx(np.std(wiggle))
    assert (row.stable_ps, row.never_failed) == (4.0, True)
    assert (row.bulk_ms, row.single_ms) == (0.5, 2.0)


def test_untrained_fields_are_gathered_by_label_trained_ones_come_first(project, data):
    add_fit(project, data)
    mmff = FieldRef("mmff94", label="MMFF94")
    spec = ErrorsSpec(mmff, str(data.record))
    add(project, "errors", "MMFF94 on ethanol", errors("MMFF94", 0.4), spec)
    add(project, "runs", "run", trajectory("MMFF94", 1.0))  # job not noted
    rows = scorecard(project)
    assert [r.label for r in rows] == ["sGDML 200", "MMFF94"]
    assert (rows[1].force_mae, rows[1].stable_ps, rows[1].own_test) == (0.4, 1.0, False)


def test_errors_measured_on_purpose_replace_those_of_the_fit(project, data):
    item, ref = add_fit(project, data)
    add(project, "errors", "again", errors("sGDML 200", 0.07), ErrorsSpec(ref, str(data.record)))
    (row,) = scorecard(project)
    assert (row.force_mae, row.own_test, row.item) == (0.07, False, item.id)


def test_only_errors_on_the_chosen_data_set_count(project, data):
    other = project.add("datasets", "hot", Dataset("hot", ETHANOL, ETHANOL.positions[None]))
    _, ref = add_fit(project, data)
    add(project, "errors", "on hot", errors("sGDML 200", 0.2), ErrorsSpec(ref, str(other.record)))
    assert scorecard(project, dataset=data.id)[0].force_mae == 0.04
    assert scorecard(project, dataset=other.id)[0].force_mae == 0.2
    assert scorecard(project, dataset=other.id)[0].dataset == "hot"


@pytest.mark.parametrize(
    ("runs", "ps", "bound"),
    [
        (((5.0, False), (2.0, False)), 5.0, True),
        (((5.0, False), (2.0, True)), 2.0, False),
        (((2.0, True), (5.0, False)), 2.0, False),
        (((2.0, True), (1.5, True)), 1.5, False),
    ],
)
def test_one_failed_run_says_more_than_any_that_held(project, runs, ps, bound):
    for k, (time, failed) in enumerate(runs):
        add(project, "runs", f"run {k}", trajectory("UFF", time, failed=failed))
    (row,) = scorecard(project)
    assert (row.stable_ps, row.never_failed) == (ps, bound)


def test_a_damaged_item_hides_no_other(project, data):
    add_fit(project, data)
    bad = add(project, "runs", "bad", trajectory("UFF", 1.0))
    bad.record.write_bytes(b"PK\x03\x04 not a zip")
    project.reserve("fits", "still running")
    assert [r.label for r in scorecard(project)] == ["sGDML 200"]


def test_a_surface_without_reference_gives_no_error(project):
    surface = Surface("map", ETHANOL, (AXIS,), False, (layer("UFF", "uff", np.arange(7.0)),))
    add(project, "surfaces", "map", surface)
    assert scorecard(project) == []


def test_scores_are_plain_data():
    fields = {f.name for f in dataclasses.fields(scorecard.__globals__["Score"])}
    assert {"energy_mae", "force_mae", "surface_rmse", "single_ms", "stable_ps"} <= fields
