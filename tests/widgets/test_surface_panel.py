"""The surface panel on a real project, with an engine that does what the test says."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest

from core.analyses import surface_tools as tools
from core.analyses.dynamics import DynamicsSpec
from core.analyses.surface import Axis, Layer, Surface, SurfaceSpec
from core.bonding import dihedrals, moving_atoms
from core.dataset import Dataset
from core.fieldref import FieldRef
from core.geometry import rotate_dihedral
from core.units import ENERGY_UNITS, KCAL_MOL
from tests.molecules import ETHANOL
from tests.widgets.lab import show
from widgets.panels.surface import SurfacePanel
from widgets.session import Geometries

AXES = tuple(dihedrals(ETHANOL)[:2])


def grid_positions(axes) -> np.ndarray:
    """(G,9,3) Å: ethanol turned to every grid point."""
    r = np.broadcast_to(ETHANOL.positions, (int(np.prod(tools.grid_shape(axes))), 9, 3))
    for k, axis in enumerate(axes):
        target = tools.grid_angles(axes)[:, k]
        r = rotate_dihedral(r, axis.atoms, target, moving_atoms(ETHANOL, axis.atoms))
    return r


def energy(axes, which: int) -> np.ndarray:
    """eV; every field has its own offset and barrier heights."""
    angles = tools.grid_angles(axes)
    barrier = (1.0 + 0.3 * which) * 0.07
    return barrier * (1 + np.cos(3 * angles)).sum(1) - 4000.0 - 17.0 * which


def result(spec: SurfaceSpec, failed: dict[int, list[int]] | None = None) -> Surface:
    positions, angles = grid_positions(spec.axes), tools.grid_angles(spec.axes)
    layers = []
    for k, ref in enumerate(spec.fields):
        e, r = energy(spec.axes, k), positions.copy()
        bad = (failed or {}).get(k, [])
        e[bad], r[bad] = np.nan, np.nan
        problems = {str(i): "SCF did not converge" for i in bad}
        ok, none = np.isfinite(e), np.zeros(len(e))
        layers.append(Layer(ref.label, ref.key, e, r, angles, ok, none, problems, 1.0))
    return Surface(spec.name, spec.molecule, spec.axes, spec.relax, tuple(layers))


@pytest.fixture
def panel(lab, qtbot):
    made = show(qtbot, SurfacePanel(lab.session), 700, 560)
    qtbot.waitUntil(lambda: not made.form.problem(), timeout=5000)
    return made


def computed(panel, lab, qtbot, failed=None) -> Surface:
    """Press Compute and let the engine answer."""
    QTest.mouseClick(panel.compute, Qt.MouseButton.LeftButton)
    job, spec = list(lab.specs.items())[-1]
    surface = result(spec, failed)
    lab.project.save(panel.display.data.source, surface)
    lab.say(job, "done", 1.0, result=surface)
    panel.display.grid.flush()
    qtbot.wait(20)
    return surface


def place(view, degrees):
    return view.mapFromScene(view.plotItem.vb.mapViewToScene(QPointF(*degrees)))


def test_the_axes_are_suggested_by_the_molecule_and_named_as_chemists_do(panel, lab):
    assert lab.session.axes == AXES
    assert panel.form.axis1.currentText() == "C1–C2–O3–H9"
    assert panel.form.axis2.itemText(0).startswith("none")
    assert panel.form.points == 576
    assert "× 576" in panel.compute.text()


def test_built_in_and_trained_fields_and_references_can_be_ticked_but_untrained_not(panel, lab):
    lab.add_fit("my sGDML")
    lab.session.items_changed.emit("fits")
    names = [panel.form.fields.item(k).text() for k in range(panel.form.fields.count())]
    assert names == ["PBE/def2-SVP", "MMFF94", "UFF", "my sGDML"]


def test_compute_hands_over_exactly_what_the_form_says(panel, lab):
    panel.form.fields.tick("UFF")
    panel.form.kind.setCurrentIndex(1)
    panel.form.range2.n.setValue(12)
    panel.form.range2.stop.setValue(150)
    QTest.mouseClick(panel.compute, Qt.MouseButton.LeftButton)
    (spec,) = lab.specs.values()
    assert isinstance(spec, SurfaceSpec)
    assert spec.relax
    assert tools.grid_shape(spec.axes) == (24, 12)
    assert all(tools.full_period(axis) for axis in spec.axes)
    assert [f.key for f in spec.fields] == ["reference", "mmff94", "uff"]
    assert spec.fields[0].dataset == str(lab.data.record)
    assert spec.out == str(lab.project.items("surfaces")[0].folder)
    lowest = lab.project.load(lab.data).positions[0]
    np.testing.assert_allclose(spec.molecule.positions, lowest)


def test_points_are_drawn_as_they_come_and_the_rest_stays_empty(panel, lab, qtbot):
    QTest.mouseClick(panel.compute, Qt.MouseButton.LeftButton)
    (job,) = lab.specs
    spec = lab.specs[job]
    lab.say(job, "started")
    lab.say(job, "progress", 0.25, message="PBE", seconds_left=3.0)
    half = np.arange(288)
    e, r = energy(spec.axes, 0)[half], grid_positions(spec.axes)[half]
    lab.say(job, "frame", layer=0, label="x", points=half, energy=e, positions=r)
    qtbot.waitUntil(lambda: len(panel.display.grid.views) == 3, timeout=3000)
    qtbot.waitUntil(lambda: np.isfinite(panel.display.grid.views[0].values).sum() == 288)
    assert not np.isfinite(panel.display.grid.views[1].values).any()
    assert panel.progress.isVisible()
    assert panel.progress.value() == 250
    assert panel.stop.isVisible()
    QTest.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    QTest.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    assert lab.asked == [("stop", job), ("cancel", job)]


def test_every_layer_has_its_own_zero_and_all_share_one_scale(panel, lab, qtbot):
    panel.form.fields.tick("UFF")
    computed(panel, lab, qtbot)
    grid = panel.display.grid
    energies = [m for m in grid.maps if not m.difference]
    assert len(energies) == 3
    for m in energies:
        assert np.nanmin(m.values) == 0.0
    ratio = grid.maps[1].values.max() / grid.maps[0].values.max()
    assert ratio == pytest.approx(1.3)
    assert grid.maps[0].values.max() == pytest.approx(4 * 0.07 / KCAL_MOL, rel=1e-6)


def test_difference_is_centred_symmetric_and_to_the_chosen_field(panel, lab, qtbot):
    surface = computed(panel, lab, qtbot)
    QTest.mouseClick(panel.display.difference, Qt.MouseButton.LeftButton)
    grid = panel.display.grid
    assert [m.label for m in grid.maps] == ["MMFF94"]
    assert grid.scale.kind == "diverging"
    assert grid.scale.low == -grid.scale.high
    expected = tools.difference(surface.layers[1].energy, surface.layers[0].energy) / KCAL_MOL
    np.testing.assert_allclose(grid.maps[0].values, expected)
    panel.display.reference.setCurrentText("MMFF94")
    panel.display.reference.activated.emit(1)
    np.testing.assert_allclose(grid.maps[0].values, -expected, atol=1e-12)
    expected_rmse = np.sqrt(np.mean(expected**2))
    assert f"{expected_rmse:.2f}" in panel.display.summary.text()


def test_hover_reads_all_layers_and_names_the_angles(panel, lab, qtbot):
    surface = computed(panel, lab, qtbot)
    view = panel.display.grid.views[0]
    QTest.mouseMove(view.viewport(), place(view, (60, -45)))
    text = panel.display.readout.text()
    index = tools.nearest(np.deg2rad([[60, -45]]), surface.axes)[0]
    assert "C1–C2–O3–H9 60°" in text
    assert "−45°" in text
    for layer in surface.layers:
        value = tools.zeroed(layer.energy)[index] / KCAL_MOL
        assert f"{value:.2f}" in text


def test_click_shows_the_geometry_and_the_selection_follows_the_frame(panel, lab, qtbot):
    surface = computed(panel, lab, qtbot)
    view = panel.display.grid.views[1]
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place(view, (60, -45)))
    index = tools.nearest(np.deg2rad([[60, -45]]), surface.axes)[0]
    shown = lab.session.geometries
    assert lab.session.frame == index
    assert "MMFF94" in shown.caption
    np.testing.assert_allclose(shown.positions[index], surface.layers[1].positions[index])
    lab.session.set_frame(100)
    assert panel.display.grid.views[0].selected == 100
    other = Geometries(ETHANOL, ETHANOL.positions[None])
    lab.session.show(other)
    assert panel.display.grid.views[0].selected == -1


def test_arrow_keys_step_through_geometries(panel, lab, qtbot):
    computed(panel, lab, qtbot)
    panel.display.choose(0, 0)
    QTest.keyClick(panel.display.grid.views[0], Qt.Key.Key_Right)
    assert lab.session.frame == 24


def test_failed_points_are_marked_counted_and_explained(panel, lab, qtbot):
    computed(panel, lab, qtbot, failed={1: [30, 31]})
    view = panel.display.grid.views[1]
    assert len(view.failed.getData()[0]) == 2
    assert "2 failed" in panel.display.summary.text()
    panel.display.choose(1, 30)
    assert "SCF did not converge" in panel.display.readout.text()
    assert lab.session.geometries is None


def test_one_axis_gives_curves(panel, lab, qtbot):
    lab.session.set_axis(1, None)
    assert panel.form.points == 24
    assert not panel.form.range2.isEnabled()
    surface = computed(panel, lab, qtbot)
    assert panel.display.view is panel.display.profile
    assert panel.display.profile.isVisible()
    panel.display.profile.clicked.emit(1, 5)
    assert lab.session.frame == 5
    assert "MMFF94" in panel.display.profile.legend.text()
    assert len(surface.layers[0].energy) == 24


def test_the_unit_of_the_screen_changes_numbers_scale_and_titles(panel, lab, qtbot):
    computed(panel, lab, qtbot)
    before = panel.display.grid.maps[0].values
    lab.session.set_unit(ENERGY_UNITS["kJ/mol"])
    np.testing.assert_allclose(panel.display.grid.maps[0].values, before * 4.184)
    assert "kJ/mol" in panel.display.grid.scale.title
    assert panel.display.grid.scale.step in (2, 5)


def test_the_range_can_be_set_and_belongs_to_its_mode(panel, lab, qtbot):
    computed(panel, lab, qtbot)
    panel.display.top.setValue(3.0)
    assert panel.display.grid.scale.high == pytest.approx(3.0)
    assert panel.display.grid.bar.over
    panel.display.difference.click()
    assert panel.display.top.value() == 0.0
    panel.display.energy.click()
    assert panel.display.top.value() == pytest.approx(3.0)


def test_training_points_of_a_fit_are_drawn_where_they_are(panel, lab, qtbot):
    computed(panel, lab, qtbot)
    fit = lab.add_fit("my sGDML", n_train=10)
    lab.session.items_changed.emit("fits")
    lab.session.item_selected.emit(fit.id)
    view = panel.display.grid.views[0]
    qtbot.waitUntil(lambda: len(view.points.getData()[0]) == 10, timeout=3000)
    panel.points.setCurrentIndex(0)
    panel.points.read()
    assert len(view.points.getData()[0]) == 0


def test_a_running_dynamics_draws_its_path_here(panel, lab, qtbot):
    computed(panel, lab, qtbot)
    job = lab.submit(DynamicsSpec(ETHANOL, FieldRef("mmff94", label="MMFF94")))
    path = grid_positions(panel.display.data.axes)[::24]
    for k, r in enumerate(path):
        both = np.stack([r, r])
        lab.say(job, "frame", step=k, time=0.5 * k, positions=both, temperature=np.ones(2))
    view = panel.display.grid.views[0]
    qtbot.wait(150)
    x, y = view.path.getData()
    assert np.isfinite(x).sum() == 24
    np.testing.assert_allclose(np.rad2deg(panel.display.data.axes[1].start), y[np.isfinite(y)][0])


def test_other_axes_make_the_surface_stale_until_one_over_them_is_there(panel, lab, qtbot):
    computed(panel, lab, qtbot)
    lab.session.set_axis(1, None)
    assert "other dihedrals" in panel.notice.text()
    computed(panel, lab, qtbot)
    assert not panel.notice.isVisible()
    lab.session.set_axis(1, AXES[1])  # the first one is in the project: it comes back by itself
    qtbot.waitUntil(lambda: len(panel.display.data.axes) == 2, timeout=3000)
    assert not panel.notice.isVisible()


def test_a_finished_surface_is_shown_when_the_project_opens_or_it_is_selected(lab, qtbot):
    axes = tuple(Axis(a, -np.pi, np.pi - np.pi / 12, 24) for a in AXES)
    spec = SurfaceSpec(ETHANOL, axes, (FieldRef("uff", label="UFF"),), name="old")
    item = lab.project.add("surfaces", "old", result(spec))
    panel = SurfacePanel(lab.session)
    qtbot.addWidget(panel)
    qtbot.waitUntil(lambda: panel.display.data is not None, timeout=3000)
    assert panel.display.data.source == item.id
    lab.project.remove(item.id)
    lab.session.items_changed.emit("surfaces")
    assert panel.display.data is None
    assert "No surface yet" in panel.states.message.title.text()


def test_a_scanned_data_set_is_a_surface_already(lab, qtbot):
    axes = tuple(Axis(a, -np.pi, np.pi - np.pi / 12, 24) for a in AXES)
    order = np.random.default_rng(0).permutation(576)
    e = energy(axes, 0)[order]
    scan = Dataset("scan", ETHANOL, grid_positions(axes)[order], e, level="PBE/def2-SVP")
    item = lab.project.add("datasets", "scan", scan)
    panel = SurfacePanel(lab.session)
    qtbot.addWidget(panel)
    qtbot.waitUntil(lambda: panel.display.data is not None, timeout=5000)
    assert panel.display.data.source == item.id
    assert all(tools.full_period(axis) for axis in panel.display.data.axes)
    expected = tools.zeroed(energy(axes, 0)) / KCAL_MOL
    np.testing.assert_allclose(panel.display.grid.maps[0].values, expected, atol=1e-9)


def test_a_failed_job_says_why_and_leaves_the_panel_usable(panel, lab):
    panel.compute.click()
    (job,) = lab.specs
    lab.say(job, "failed", message="MMFF94 has no parameters for atom 3", details="")
    assert "no parameters for atom 3" in panel.notice.text()
    assert panel.compute.isVisible()
    assert panel.compute.isEnabled()
    assert "No surface yet" in panel.states.message.title.text()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda f: [f.fields.tick(r.label, False) for r in f.fields.refs()], "at least one"),
        (lambda f: f.range1.stop.setValue(-180), "larger than the first"),
        (lambda f: f.range1.stop.setValue(300), "at most one full turn"),
        (lambda f: f.session.set_axis(1, (8, 2, 1, 0)), "same bond"),
        (lambda f: f.session.set_axis(0, (0, 1, 2, 3)), "not bonded"),
    ],
)
def test_what_cannot_be_computed_is_said_beside_the_button(panel, change, what):
    change(panel.form)
    assert what in panel.why.text()
    assert not panel.compute.isEnabled()


def test_without_a_molecule_the_panel_says_what_to_do(lab, qtbot):
    lab.project.remove(lab.data.id)
    panel = SurfacePanel(lab.session)
    qtbot.addWidget(panel)
    assert "Import" in panel.form.problem()
    assert "No molecule yet" in panel.states.message.title.text()


def test_dihedrals_picked_in_the_molecule_view_join_the_list(panel, lab):
    lab.session.set_axis(0, (4, 0, 1, 2))
    assert panel.form.axis1.currentText().startswith("H5–C1–C2–O3")
    assert panel.form.axes()[0].atoms == (4, 0, 1, 2)


def test_controls_have_names_and_tooltips_and_can_be_reached_by_tab(panel):
    from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QPushButton, QToolButton

    for kind in (QAbstractSpinBox, QComboBox, QPushButton, QToolButton):
        for widget in panel.findChildren(kind):
            if widget.objectName().startswith("qt_") or not widget.isVisible():
                continue
            assert widget.accessibleName() or widget.text(), widget
            assert widget.toolTip(), widget.accessibleName()


def test_the_panel_fits_beside_the_other_docks_of_a_small_screen(panel, lab, qtbot):
    panel.form.fields.tick("UFF")
    computed(panel, lab, qtbot)
    assert panel.minimumSizeHint().width() <= 720
    assert panel.minimumSizeHint().height() <= 560
    panel.fold.click()
    qtbot.wait(20)
    assert panel.minimumSizeHint().width() <= 520


def test_a_refresh_of_six_layers_is_quick(panel, lab, qtbot):
    for k in range(4):
        lab.add_fit(f"fit {k}")
    lab.session.items_changed.emit("fits")
    for label in ("UFF", "fit 0", "fit 1"):  # "fit 3", the newest, is ticked by itself
        panel.form.fields.tick(label)
    computed(panel, lab, qtbot)
    assert len(panel.display.data.layers) == 6
    spent = []
    for k in range(5):
        panel.display.data.layers[k].energy[:] += 0.01 * np.sin(np.arange(576) + k)
        start = time.perf_counter()
        panel.display.refresh()
        spent.append(time.perf_counter() - start)
        qtbot.wait(60)
    assert min(spent) < 0.05
