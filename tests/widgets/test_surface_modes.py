"""Energies and differences together: which is drawn where, on which scale."""

from __future__ import annotations

import numpy as np
import pytest

from core.analyses import surface_tools as tools
from core.analyses.surface import Axis
from core.units import KCAL_MOL
from tests.molecules import ETHANOL
from widgets.session import Session
from widgets.surface.data import SurfaceData, blank_layer
from widgets.surface.display import SurfaceDisplay

TURN = [Axis(a, -np.pi, np.pi - 2 * np.pi / 24, 24) for a in ((1, 0, 2, 8), (5, 1, 0, 2))]


def surface(*labels: str, axes=tuple(TURN)) -> SurfaceData:
    angles = tools.grid_angles(axes)
    layers = []
    for k, label in enumerate(labels):
        key = "reference" if label == "PBE" else "x"
        x = blank_layer(label, key, (len(angles), 9), axes)
        x.energy[:] = 0.05 * (1 + 0.2 * k) * (1 + np.cos(3 * angles)).sum(1)
        x.positions[:] = ETHANOL.positions
        x.known[:] = True
        layers.append(x)
    return SurfaceData("s", ETHANOL, axes, False, layers)


@pytest.fixture
def display(qtbot):
    made = SurfaceDisplay(Session())
    qtbot.addWidget(made)
    made.resize(1300, 900)
    made.show()
    qtbot.waitExposed(made)
    return made


def test_with_a_reference_energies_and_differences_come_together(display):
    display.show_data(surface("PBE", "MMFF94", "UFF"))
    assert display.both.isChecked()
    grid = display.grid
    grid.flush()
    shown = [(m.label, m.difference) for m in grid.maps]
    assert shown == [
        ("PBE", False), ("MMFF94", False), ("UFF", False), ("MMFF94", True), ("UFF", True)
    ]  # fmt: skip
    assert (grid.scale.kind, grid.second.kind) == ("sequential", "diverging")
    e = [x.energy for x in display.data.layers]
    np.testing.assert_allclose(grid.maps[4].values, tools.difference(e[2], e[0]) / KCAL_MOL)
    assert grid.bar.isVisible()
    assert grid.bar2.isVisible()
    assert not grid.bar.geometry().intersects(grid.bar2.geometry())
    for view in grid.views[:5]:
        assert not view.geometry().intersects(grid.bar.geometry())


def test_where_room_is_short_the_difference_is_that_of_the_map_clicked(display):
    display.resize(480, 480)
    display.show_data(surface("PBE", "MMFF94", "UFF", "GFN2-xTB", "sGDML"))
    grid = display.grid
    grid._choose()
    assert [m.label for m in grid.maps if m.difference] == ["sGDML"]
    display.choose(1, 0)
    display.refresh()
    assert [m.label for m in grid.maps if m.difference] == ["MMFF94"]
    display.choose(0, 0)  # the reference has none: the one shown stays
    display.refresh()
    assert [m.label for m in grid.maps if m.difference] == ["MMFF94"]


def test_without_a_reference_or_for_a_profile_energies_alone_are_shown(display):
    display.show_data(surface("MMFF94", "UFF"))
    assert display.energy.isChecked()
    display.show_data(surface("PBE", "MMFF94", axes=(TURN[0],)))
    assert display.energy.isChecked()
    assert not display.both.isEnabled()


def test_a_choice_by_hand_is_kept_for_the_next_surface(display):
    display.show_data(surface("PBE", "MMFF94"))
    display.difference.click()
    display.show_data(surface("PBE", "UFF"))
    assert display.difference.isChecked()
