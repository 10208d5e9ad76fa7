"""Titles of axes stay in the middle when they get longer: else narrow plots cut them off."""

from __future__ import annotations

import pytest

from widgets.plot_tools import PlotWidget


@pytest.mark.parametrize("side", ["bottom", "left"])
def test_a_title_that_grows_is_centred_again(qtbot, side):
    plot = PlotWidget()
    qtbot.addWidget(plot)
    plot.resize(230, 200)
    plot.plotItem.setLabel("bottom", "x")
    plot.plotItem.setLabel("left", "y")
    with qtbot.waitExposed(plot):
        plot.show()
    axis = plot.plotItem.getAxis(side)
    axis.setLabel("reference (kcal/mol/Å)")
    title = axis.mapRectFromItem(axis.label, axis.label.boundingRect()).center()
    if side == "bottom":
        assert title.x() == pytest.approx(axis.size().width() / 2, abs=2)
    else:
        assert title.y() == pytest.approx(axis.size().height() / 2, abs=2)
