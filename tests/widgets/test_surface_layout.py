"""How maps share the room: as large as can be, differences under their energies where they fit."""

from __future__ import annotations

import pytest

from widgets.surface.layout import EDGE_X, EDGE_Y, GOOD, PAD_X, PAD_Y, arrange

SQUARE = (1.0, 1.0)


def test_all_maps_of_a_layout_fit_and_none_shares_a_cell():
    for n in range(1, 9):
        for size in ((470.0, 500.0), (1400.0, 700.0), (300.0, 900.0)):
            for differences in ([], list(range(1, n))):
                lay = arrange(list(range(n)), differences, size, SQUARE)
                assert len(set(lay.cells)) == len(lay.cells)
                assert lay.columns * (lay.side + PAD_X) + EDGE_X <= size[0] + 1e-6
                assert lay.rows * (lay.side + PAD_Y) + EDGE_Y <= size[1] + 1e-6


def test_with_room_every_difference_stands_under_its_own_energy():
    lay = arrange([0, 1, 2, 3], [1, 2, 3], (1400.0, 800.0), SQUARE)
    assert lay.every
    assert lay.paired
    assert lay.side > GOOD
    assert lay.cells[:4] == ((0, 0), (0, 1), (0, 2), (0, 3))
    assert lay.cells[4:] == ((1, 1), (1, 2), (1, 3))
    assert lay.edges(0) == (True, True)  # nothing stands below the reference
    assert lay.edges(1) == (False, False)
    assert lay.edges(4) == (True, True)


def test_with_little_room_one_difference_follows_the_energies():
    lay = arrange([0, 1, 2, 3, 4], [1, 2, 3, 4], (470.0, 500.0), SQUARE)
    assert not lay.every
    assert len(lay.cells) == 6
    assert lay.side > 100


def test_a_map_of_half_a_turn_is_half_as_high():
    wide = arrange([0], [], (500.0, 400.0), (1.0, 0.5))
    assert wide.side == pytest.approx(min(500 - EDGE_X - PAD_X, 2 * (400 - EDGE_Y - PAD_Y)))
