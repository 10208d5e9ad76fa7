"""The dynamics panel on a real project, with an engine that does what the test says."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from core.analyses import surface_tools as tools
from core.analyses.dynamics import DynamicsSpec, Trajectory
from core.analyses.surface import Axis, Layer, Surface
from core.bonding import moving_atoms
from core.forcefields.info import Info
from core.geometry import measure, rotate_dihedral
from core.units import ENERGY_UNITS, KB, KCAL_MOL
from tests.molecules import ETHANOL, HYDROXYL, METHYL
from tests.widgets.lab import MMFF, show
from widgets.panels.dynamics import DynamicsPanel
from widgets.run.data import RunData
from widgets.session import Geometries

AXES = (HYDROXYL, METHYL)


@pytest.fixture
def lab(lab):
    lab.session.axes = AXES
    return lab


@pytest.fixture
def panel(lab, qtbot):
    made = show(qtbot, DynamicsPanel(lab.session), 700, 560)
    qtbot.waitUntil(lambda: not made.form.problem(), timeout=5000)
    return made


def frames(count: int, replicas: int) -> list[dict]:
    """The hydroxyl turns by 5 degrees a frame; temperatures are gamma distributed around 300 K."""
    rng = np.random.default_rng(0)
    moving = moving_atoms(ETHANOL, HYDROXYL)
    rows = []
    for k in range(count):
        angle = np.deg2rad(5.0 * k + 90 * np.arange(replicas))
        t = rng.gamma(12, 300 / 12, replicas)
        row = {
            "step": 10 * k,
            "time": 5.0 * k,
            "positions": rotate_dihedral(ETHANOL.positions, HYDROXYL, angle, moving),
            "potential": -4000 + rng.normal(0, 0.05, replicas),
            "kinetic": 12 * KB * t,
            "temperature": t,
        }
        rows.append(row)
    return rows


def trajectory(rows, *, reasons=(), unphysical=None) -> Trajectory:
    column = {k: np.array([r[k] for r in rows]) for k in rows[0]}
    replicas = column["positions"].shape[1]
    ended = np.full(replicas, -1)
    bad = np.zeros((0, 9, 3)) if unphysical is None else unphysical
    return Trajectory(
        "run", "MMFF94", ETHANOL, "langevin", 0.5, column["step"], column["time"],
        column["positions"], np.zeros_like(column["positions"]), column["potential"],
        column["kinetic"], column["temperature"], ended, tuple(reasons), bad, 0.9, 12345.0,
    )  # fmt: skip


def started(panel, lab) -> str:
    QTest.mouseClick(panel.run, Qt.MouseButton.LeftButton)
    return list(lab.specs)[-1]


def test_run_hands_over_the_form_in_internal_units(panel, lab):
    panel.form.time.setValue(2.0)
    panel.form.dt.setValue(0.25)
    panel.form.temperature.setValue(450)
    panel.form.friction.setValue(5.0)
    panel.form.replicas.setValue(3)
    panel.form.seed.setValue(7)
    spec = lab.specs[started(panel, lab)]
    assert isinstance(spec, DynamicsSpec)
    assert spec.time == pytest.approx(2000.0)  # fs
    assert spec.friction == pytest.approx(0.005)  # 1/fs
    assert (spec.dt, spec.temperature, spec.replicas, spec.seed) == (0.25, 450, 3, 7)
    assert spec.ensemble == "langevin"
    assert spec.field.key == "mmff94"
    assert spec.out == str(lab.project.items("runs")[0].folder)
    np.testing.assert_allclose(spec.molecule.positions, lab.project.load(lab.data).positions[0])


def test_nve_has_no_friction_and_starts_from_the_frame_shown(panel, lab):
    positions = lab.project.load(lab.data).positions
    lab.session.show(Geometries(ETHANOL, positions), frame=4)
    panel.form.start.setCurrentIndex(panel.form.start.findData(""))
    panel.form.start.activated.emit(panel.form.start.currentIndex())
    panel.form.ensemble.setCurrentIndex(1)
    assert not panel.form.friction.isEnabled()
    spec = lab.specs[started(panel, lab)]
    assert spec.ensemble == "nve"
    np.testing.assert_allclose(spec.molecule.positions, positions[4])


def test_a_time_step_too_long_for_hydrogen_is_pointed_out_before_the_run(panel):
    panel.form.dt.setValue(2.0)
    assert "1 fs" in panel.why.text()
    assert panel.run.isEnabled()
    panel.form.dt.setValue(0.5)
    assert not panel.why.isVisible()


def test_curves_histogram_and_path_grow_with_the_frames(panel, lab, qtbot):
    job = started(panel, lab)
    rows = frames(60, 1)
    lab.say(job, "started")
    for row in rows:
        lab.say(job, "frame", **row)
    panel.plots.refresh()
    x, t = panel.plots.temperature.series("temperature")
    np.testing.assert_allclose(x, 0.005 * np.arange(60))
    np.testing.assert_allclose(t, [r["temperature"][0] for r in rows])
    _, total = panel.plots.energy.series("total")
    want = [r["potential"][0] - rows[0]["potential"][0] + r["kinetic"][0] for r in rows]
    np.testing.assert_allclose(total, np.array(want) / KCAL_MOL)
    panel.plots.grid.flush()
    path = panel.plots.grid.views[0].path.getData()
    finite = np.isfinite(path[0])
    assert finite.sum() == 60
    assert (~finite).sum() == 1  # 0 to 295 degrees crosses the edge once
    assert panel.plots.histogram._counts.sum() > 40


def test_several_replicas_show_mean_and_band_and_one_can_be_chosen(panel, lab, qtbot):
    panel.form.replicas.setValue(4)
    job = started(panel, lab)
    rows = frames(30, 4)
    for row in rows:
        lab.say(job, "frame", **row)
    panel.plots.refresh()
    _, t = panel.plots.temperature.series("temperature")
    np.testing.assert_allclose(t, [r["temperature"].mean() for r in rows])
    assert panel.replica.isVisible()
    assert panel.replica.maximum() == 4
    panel.replica.setValue(3)
    panel.plots.grid.flush()
    x, _ = panel.plots.grid.views[0].path.getData()
    first = np.rad2deg(measure(rows[0]["positions"][2], HYDROXYL))
    assert (x[0] - first) % 360 == pytest.approx(0, abs=1e-3)


def test_the_molecule_view_follows_until_the_person_looks_elsewhere(panel, lab, qtbot):
    job = started(panel, lab)
    rows = frames(50, 1)
    for row in rows[:10]:
        lab.say(job, "frame", **row)
    qtbot.waitUntil(lambda: lab.session.geometries is not None, timeout=2000)
    assert len(lab.session.geometries.positions) == 10
    assert lab.session.frame == 9
    for row in rows[10:20]:
        lab.say(job, "frame", **row)
    qtbot.waitUntil(lambda: lab.session.frame == 19, timeout=2000)
    lab.session.set_frame(3)
    for row in rows[20:]:
        lab.say(job, "frame", **row)
    qtbot.waitUntil(lambda: not panel.follow.isChecked(), timeout=2000)
    assert lab.session.frame == 3


def test_an_unphysical_end_is_explained_and_its_frames_can_be_kept_and_undone(panel, lab, qtbot):
    job = started(panel, lab)
    rows = frames(20, 2)
    for row in rows:
        lab.say(job, "frame", **row)
    bad = ETHANOL.positions[None] * 1.7
    why = "replica 2 stopped at 0.09 ps: bond C1–H4 is 1.7 times its first length"
    lab.say(job, "done", 1.0, result=trajectory(rows, reasons=[why], unphysical=bad))
    assert why in panel.head.reason.text()
    assert "stable 0.90" in panel.head.status.text().replace("\N{NO-BREAK SPACE}", " ")
    QTest.mouseClick(panel.keep, Qt.MouseButton.LeftButton)
    kept = lab.project.items("datasets")[-1]
    record = lab.project.load(kept)
    np.testing.assert_allclose(record.positions, bad)
    assert not record.has_energy.any()
    assert not record.has_forces.any()
    lab.session.undo.undo()
    assert [i.id for i in lab.project.items("datasets")] == [lab.data.id]
    lab.session.undo.redo()
    assert kept.id in [i.id for i in lab.project.items("datasets")]


def test_even_a_very_short_run_ends_up_in_the_molecule_view(panel, lab):
    job = started(panel, lab)
    lab.say(job, "done", 1.0, result=trajectory(frames(5, 1)))
    assert len(lab.session.geometries.positions) == 5
    assert lab.session.frame == 4


def test_a_run_without_trouble_offers_nothing_to_keep(panel, lab):
    job = started(panel, lab)
    lab.say(job, "done", 1.0, result=trajectory(frames(5, 1)))
    assert not panel.keep.isVisible()
    assert not panel.head.reason.isVisible()
    assert panel.run.isVisible()


def test_click_on_a_curve_shows_that_frame(panel, lab, qtbot):
    job = started(panel, lab)
    rows = frames(40, 1)
    lab.say(job, "done", 1.0, result=trajectory(rows))
    panel.plots.temperature.clicked.emit(0.1)  # ps
    assert lab.session.frame == 20
    np.testing.assert_allclose(lab.session.geometries.positions[20], rows[20]["positions"][0])
    assert panel.plots.energy._mark.isVisible()
    lab.session.set_frame(30)
    assert panel.plots.energy._mark.value() == pytest.approx(0.15)


def test_a_stored_run_is_shown_when_it_is_selected(panel, lab, qtbot):
    item = lab.project.add("runs", "old run", trajectory(frames(25, 1)))
    lab.session.item_selected.emit(item.id)
    qtbot.waitUntil(lambda: panel.data is not None and len(panel.data) == 25, timeout=3000)
    assert "12 345" in panel.head.status.text().replace("\N{NO-BREAK SPACE}", " ")


def test_the_surface_over_the_chosen_dihedrals_lies_behind_the_path(panel, lab, qtbot):
    axes = tuple(Axis(a, -np.pi, np.pi - np.pi / 12, 24) for a in AXES)
    angles = tools.grid_angles(axes)
    energy = 0.05 * (1 + np.cos(3 * angles)).sum(1)
    r = np.broadcast_to(ETHANOL.positions, (576, 9, 3))
    layer = Layer("PBE", "reference", energy, r, angles, energy < 9, energy * 0, {}, 1.0)
    lab.project.add("surfaces", "pes", Surface("pes", ETHANOL, axes, False, (layer,)))
    lab.session.items_changed.emit("surfaces")
    qtbot.waitUntil(lambda: panel.plots.surface is not None, timeout=3000)
    job = started(panel, lab)
    for row in frames(10, 1):
        lab.say(job, "frame", **row)
    panel.plots.refresh()
    assert [m.label for m in panel.plots.grid.maps] == ["PBE"]
    np.testing.assert_allclose(panel.plots.grid.maps[0].values, tools.zeroed(energy) / KCAL_MOL)
    panel.plots.density.setChecked(True)
    assert panel.plots.grid.maps[0].values.sum() == 10
    lab.session.set_axis(1, None)
    assert panel.plots.profile.isVisible()
    assert panel.plots.profile.maps[0].values.sum() == 10


def test_stop_and_cancel_go_to_the_engine_and_a_failure_is_told(panel, lab):
    job = started(panel, lab)
    QTest.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    QTest.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    assert lab.asked == [("stop", job), ("cancel", job)]
    lab.say(job, "failed", message="UFF has no type for atom 2", details="")
    assert "no type for atom 2" in panel.head.reason.text()
    assert panel.run.isVisible()


def test_nve_shows_the_drift_of_the_total_energy(panel, lab):
    rows = frames(50, 1)
    for k, row in enumerate(rows):
        row["kinetic"] = -row["potential"] + 1e-3 * row["time"] * np.ones(1)
        rows[k] = row
    record = trajectory(rows)
    object.__setattr__(record, "ensemble", "nve")
    panel._show(RunData.from_trajectory(record))
    lab.session.set_unit(ENERGY_UNITS["meV"])
    assert "drift 1e+03 meV/ps" in panel.head.status.text().replace("\N{NO-BREAK SPACE}", " ")


def test_stopped_replicas_leave_the_mean_and_end_their_playback(panel, lab):
    rows = frames(20, 2)
    for row in rows[12:]:
        for name in ("temperature", "potential", "kinetic"):
            row[name][1] = np.nan
        row["positions"][1] = np.nan
    job = started(panel, lab)
    lab.say(job, "done", 1.0, result=trajectory(rows))
    _, t = panel.plots.temperature.series("temperature")
    assert t[15] == pytest.approx(rows[15]["temperature"][0])
    panel.replica.setValue(2)
    panel.show_frame(18)
    assert len(lab.session.geometries.positions) == 12
    assert lab.session.frame == 11


def test_long_runs_keep_only_what_fits_in_memory():
    from core.fieldref import FieldRef

    spec = DynamicsSpec(ETHANOL, FieldRef("uff"), time=1e6, dt=0.5, stride=1, replicas=64)
    assert RunData.from_spec(spec).every > 50


def test_live_frames_do_not_hold_up_the_window(panel, lab, qtbot):
    job = started(panel, lab)
    rows = frames(400, 1)
    for row in rows[:200]:
        lab.say(job, "frame", **row)
    qtbot.wait(300)
    spent = []
    for row in rows[200:]:
        start = time.perf_counter()
        lab.say(job, "frame", **row)
        spent.append(time.perf_counter() - start)
    start = time.perf_counter()
    panel.plots.refresh()
    assert sorted(spent)[190] < 0.005
    assert time.perf_counter() - start < 0.05


def test_controls_have_names_and_tooltips(panel):
    from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QPushButton, QToolButton

    for kind in (QAbstractSpinBox, QComboBox, QPushButton, QToolButton, QCheckBox):
        for widget in panel.findChildren(kind):
            if widget.isVisible():
                assert widget.accessibleName() or widget.text(), widget
                assert widget.toolTip(), widget.accessibleName()


def test_the_panel_fits_beside_the_other_docks_of_a_small_screen(panel):
    assert panel.minimumSizeHint().width() <= 700
    assert panel.minimumSizeHint().height() <= 560


def test_run_by_openmm_is_offered_where_it_can_be(panel, lab, qtbot):
    form, gaff = panel.form, Info("gaff", "GAFF", "MM", trainable=True, ready=True)

    def choose(label: str, *more: Info) -> None:
        lab.session.catalog = (MMFF, gaff, *more)
        lab.session.catalog_changed.emit()
        form.field.setCurrentIndex(form.field.findText(label))

    choose("GAFF")
    assert form.engine.isVisible()
    assert not form.engine.isEnabled()
    assert "pip install openmm" in form.engine.toolTip()
    choose("GAFF", Info("gaff-openmm", "GAFF (OpenMM)", "MM"))
    assert form.engine.isEnabled()
    assert form.spec().engine == "pescape"
    form.engine.setCurrentIndex(form.engine.findData("openmm"))
    assert form.spec().engine == "openmm"
    form.replicas.setValue(1000)
    assert "up to 256" in panel.why.text()
    form.field.setCurrentIndex(form.field.findText("MMFF94"))
    assert not form.engine.isVisible()
    assert form.spec().engine == "pescape"
