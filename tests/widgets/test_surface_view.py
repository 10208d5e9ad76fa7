"""Maps: colours, one period, ticks, marks, mouse and keyboard, speed."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from core.analyses import surface_tools as tools
from core.analyses.surface import Axis
from core.units import ENERGY_UNITS
from widgets.profile import ProfileView
from widgets.surface import view as surface_view
from widgets.surface.data import line_step, nice_limit, nice_step
from widgets.surface.grid import Map, Scale, SurfaceGrid
from widgets.surface.view import SurfaceView, colours, contour_path, smooth

A, B = (0, 1, 2, 8), (3, 0, 1, 2)
NONE = np.zeros(0, dtype=int)
LABELS = ("C1–C2–O3–H9 (°)", "H4–C1–C2–O3 (°)")
SCALE = Scale(0.0, 6.0, "sequential", 1.0, "Energy (kcal/mol)")


def turn(n: int, atoms=A) -> Axis:
    return Axis(atoms, -np.pi, np.pi - 2 * np.pi / n, n)


def energies(axes) -> np.ndarray:
    angles = tools.grid_angles(axes)
    return (1.5 * (1 + np.cos(3 * angles))).sum(axis=1) + 0.2 * (1 + np.cos(angles[:, 0]))


def a_map(axes, label="MMFF94", values=None, failed=NONE) -> Map:
    values = energies(axes) if values is None else values
    return Map(label, values, tools.minima(values, axes), failed)


@pytest.fixture
def axes():
    return (turn(24), turn(24, B))


@pytest.fixture
def grid(qtbot, axes):
    made = SurfaceGrid()
    qtbot.addWidget(made)
    made.resize(640, 480)
    made.show()
    made.show_maps(axes, LABELS, [a_map(axes), a_map(axes, "UFF", energies(axes) * 1.3)], SCALE)
    made.flush()
    qtbot.waitExposed(made)
    return made


def scene_to_widget(view, x: float, y: float) -> QPoint:
    return view.mapFromScene(view.plotItem.vb.mapViewToScene(QPointF(x, y)))


def test_a_map_shows_exactly_one_period_with_equal_degrees(grid):
    for view in grid.views[:2]:
        (x0, x1), (y0, y1) = view.plotItem.vb.viewRange()
        assert (x0, x1, y0, y1) == pytest.approx((-180, 180, -180, 180))
        box = view.plotItem.vb.sceneBoundingRect()
        assert box.width() == pytest.approx(box.height(), abs=1.5)


def test_ticks_stand_at_sixty_degrees_and_both_ends_are_named(grid, qtbot):
    axis = grid.views[0].plotItem.getAxis("bottom")
    ((spacing, values),) = axis.tickValues(-180, 180, 300)
    assert spacing == 60
    assert values == [-180, -120, -60, 0, 60, 120, 180]
    assert axis.tickStrings(values, 1, 60)[0] == "−180"
    ((spacing, values),) = axis.tickValues(-180, 180, 100)  # a small map names fewer
    assert [t for t in axis.tickStrings(values, 1, spacing) if t] == ["−180", "0", "180"]


def test_interpolation_goes_through_the_points_and_around_the_period(axes):
    values = tools.closed(energies(axes), axes)
    pixels = smooth(values)
    p = surface_view.PIXELS
    assert pixels.shape == (24 * p, 24 * p)
    middle = pixels[p - 1 : p + 1, 2 * p - 1 : 2 * p + 1].mean()
    assert middle == pytest.approx(values[1, 2], rel=0.05)


def test_a_missing_point_leaves_a_hole_of_its_size_only():
    grid = np.arange(25.0).reshape(5, 5)
    grid[2, 2] = np.nan
    pixels = smooth(grid)
    p = surface_view.PIXELS
    assert np.isnan(pixels[2 * p, 2 * p])
    assert np.isnan(pixels).sum() == p * p  # half a cell to each side, in both directions
    assert pixels[0, 0] == pytest.approx(grid[0, 0], abs=1)


def test_values_outside_the_scale_are_hatched_and_missing_ones_transparent():
    values = np.full((24, 24), 3.0)
    values[12:] = 9.0
    values[0, 0] = np.nan
    rgba = colours(values, 0.0, 6.0, "sequential", dark=False)
    grey = (rgba[..., :3] == 90).all(-1)
    assert not grey[:12].any()
    assert 0.2 < grey[12:].mean() < 0.5
    assert rgba[0, 0, 3] == 0
    assert (rgba[1:, :, 3] == 255).all()


def test_the_difference_scale_is_neutral_at_zero_and_darker_to_both_sides():
    rgba = colours(np.array([[-4.0, 0.0, 4.0]]), -4, 4, "diverging", dark=False).astype(int)
    low, zero, high = rgba[0, :, :3]
    assert np.ptp(zero) < 20
    assert zero.min() > 200
    assert low[2] > low[0] + 100  # blue below
    assert high[0] > high[2] + 100  # red above


def test_contour_lines_lie_at_their_level():
    x = np.linspace(-180, 180, 25)
    z = np.add.outer((x / 60) ** 2, np.zeros(25))
    px, py = contour_path(x, x, z, np.array([4.0]))
    ok = np.isfinite(px)
    np.testing.assert_allclose(np.abs(px[ok]), 120, atol=1.5)
    assert np.ptp(py[ok]) == pytest.approx(360)


def test_hover_moves_one_crosshair_over_all_maps(grid, qtbot):
    view = grid.views[0]
    with qtbot.waitSignal(grid.hovered) as caught:
        QTest.mouseMove(view.viewport(), scene_to_widget(view, 60, -45))
    assert caught.args[0] == pytest.approx((60, -45), abs=4)
    for each in grid.views[:2]:
        assert each.cross[0].isVisible()
        assert each.cross[0].value() == pytest.approx(60, abs=4)
    view.leaveEvent(_leave())
    assert not grid.views[1].cross[0].isVisible()


def test_click_gives_map_and_grid_point(grid, qtbot, axes):
    view = grid.views[1]
    qtbot.wait(20)
    with qtbot.waitSignal(grid.clicked) as caught:
        at = scene_to_widget(view, 62, -43)
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    which, index = caught.args
    assert which == 1
    assert np.rad2deg(tools.grid_angles(axes)[index]) == pytest.approx([60, -45])


def test_a_click_at_the_far_edge_is_the_first_point_again(grid, axes):
    assert grid.views[0].index_at(179, 0) == grid.views[0].index_at(-179, 0)


def test_arrow_keys_walk_around_the_period(grid, qtbot, axes):
    grid.set_selected(0)
    with qtbot.waitSignal(grid.clicked) as caught:
        QTest.keyClick(grid.views[0], Qt.Key.Key_Left)
    assert caught.args == [0, 23 * 24]
    with qtbot.waitSignal(grid.clicked) as caught:
        QTest.keyClick(grid.views[0], Qt.Key.Key_Up)
    assert caught.args == [0, 1]


def test_minima_on_the_edge_are_drawn_at_both_ends(grid):
    data = grid.views[0].minima.getData()
    x = np.round(data[0])
    assert (x == -180).sum() == (x == 180).sum() > 0


def test_failed_points_are_crossed_out_and_counted_in_the_title(grid, axes):
    values = energies(axes)
    values[[5, 6, 7]] = np.nan
    grid.show_maps(axes, LABELS, [a_map(axes, "UFF", values, np.array([5, 6, 7]))], SCALE)
    grid.flush()
    assert len(grid.views[0].failed.getData()[0]) == 3
    assert "✕ 3" in grid.titles[0].text()
    assert not grid.views[1].isVisible()


def test_a_path_over_the_edge_and_dots_stay_inside_the_period(grid):
    turns = np.deg2rad(np.stack([np.arange(0, 800, 20.0), np.full(40, 30.0)], 1))
    grid.set_path(turns)
    grid.set_points(turns)
    x, _ = grid.views[0].path.getData()
    assert np.nanmin(x) >= -180
    assert np.nanmax(x) <= 180
    assert np.isnan(x).sum() == 2
    assert len(grid.views[1].points.getData()[0]) == 40


def test_zooming_one_map_zooms_all_and_double_click_resets(grid, qtbot):
    first, second = grid.views[:2]
    first.plotItem.vb.setRange(xRange=(-60, 60), yRange=(-60, 60), padding=0)
    first.plotItem.vb.sigRangeChangedManually.emit([True, True])
    assert second.plotItem.vb.viewRange()[0] == pytest.approx([-60, 60], abs=1)
    grid.reset()
    assert second.plotItem.vb.viewRange()[0] == pytest.approx([-180, 180])


def test_one_scale_for_all_and_a_cap_where_values_lie_above(grid):
    assert grid.bar.over  # UFF goes to 1.3 x 6.4
    assert "hatched" in grid.bar.toolTip()
    grid.bar.grab()


@pytest.mark.parametrize("size", [(420, 300), (700, 480), (1800, 1400)])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_maps_fit_without_overlap_at_every_size(grid, axes, size, count):
    grid.resize(*size)
    maps = [a_map(axes, f"field {k}") for k in range(count)]
    grid.show_maps(axes, LABELS, maps, SCALE)
    grid.flush()
    places = [view.geometry() for view in grid.views[:count]]
    for k, place in enumerate(places):
        assert grid.rect().contains(place)
        assert not any(place.intersects(other) for other in places[:k])
        assert not place.intersects(grid.bar.geometry())


def test_an_open_range_is_not_closed_to_a_period(grid):
    axes = (Axis(A, 0.0, np.pi, 13), Axis(B, -np.pi / 2, np.pi / 2, 13))
    grid.show_maps(axes, LABELS, [a_map(axes)], SCALE)
    grid.flush()
    (x0, x1), (y0, y1) = grid.views[0].plotItem.vb.viewRange()
    assert (x0, x1, y0, y1) == pytest.approx((0, 180, -90, 90), abs=0.5)
    assert grid.views[0].index_at(200, 0) == -1


def test_six_maps_are_updated_without_holding_up_the_window(grid, axes, qtbot):
    rng = np.random.default_rng(0)

    def maps():
        noise = rng.normal(0, 0.1, (6, 576))
        return [a_map(axes, f"f{k}", energies(axes) + noise[k]) for k in range(6)]

    grid.show_maps(axes, LABELS, maps(), SCALE)
    grid.flush()
    spent = []
    for _ in range(5):
        fresh = maps()
        start = time.perf_counter()
        grid.show_maps(axes, LABELS, fresh, SCALE)
        spent.append(time.perf_counter() - start)
        qtbot.wait(60)
    assert min(spent) < 0.05


def test_a_profile_marks_what_lies_above_the_scale(qtbot):
    axes = (turn(24),)
    view = ProfileView()
    qtbot.addWidget(view)
    view.resize(500, 350)
    view.show()
    values = energies(axes)
    low = Scale(0.0, 2.0, "sequential", 1.0, "Energy (kcal/mol)")
    view.show_maps(axes, (LABELS[0], ""), [a_map(axes), a_map(axes, "UFF", values * 0.1)], low)
    assert len(view._above.getData()[0]) == (tools.closed(values, axes) > 2.0).sum()
    assert "UFF" in view.legend.text()
    qtbot.waitExposed(view)
    qtbot.wait(20)
    at = view.plot.mapFromScene(view.plot.plotItem.vb.mapViewToScene(QPointF(0, 0.1)))
    with qtbot.waitSignal(view.clicked) as caught:
        QTest.mouseClick(view.plot.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert caught.args == [1, 12]  # the lower curve is nearer
    header, rows = view.table()
    assert len(rows) == 24
    assert header[1].startswith("MMFF94")


def test_empty_curves_and_maps_are_drawn_without_a_warning(qtbot, axes, grid):
    nothing = np.full(576, np.nan)
    grid.show_maps(axes, LABELS, [Map("later", nothing, NONE, NONE)], SCALE)
    grid.flush()
    grid.grab()
    view = ProfileView()
    qtbot.addWidget(view)
    view.show()
    view.show_maps(axes[:1], ("a", ""), [Map("later", nothing[:24], NONE, NONE)], SCALE)
    view.grab()


def test_both_themes_have_their_own_paper(grid):
    def corner() -> int:
        return grid.views[0].grab().toImage().pixelColor(2, 2).lightness()

    light = corner()
    grid.set_dark(True)
    assert corner() < 80 < 200 < light


def test_steps_and_limits_are_numbers_a_person_would_choose():
    assert [nice_step(x, parts=10) for x in (10, 7, 0.5, 300)] == [1, 1, 0.05, 50]
    assert nice_limit(6.14) == pytest.approx(7.0)
    assert line_step(10, ENERGY_UNITS["kcal/mol"].ev) == 1
    assert line_step(40, ENERGY_UNITS["kJ/mol"].ev) == 5
    assert line_step(0.4, ENERGY_UNITS["eV"].ev) == pytest.approx(0.05)
    assert line_step(500, ENERGY_UNITS["kcal/mol"].ev) == 50


def test_a_view_alone_can_be_made_without_axes(qtbot):
    view = SurfaceView()
    qtbot.addWidget(view)
    view.show()
    view.grab()


def _leave():
    from PySide6.QtCore import QEvent

    return QEvent(QEvent.Type.Leave)
