"""The parameter editor on ethanol, before it was seen and after."""

from __future__ import annotations

import pytest

from tests.widgets.parameters_lab import empty_panel, filled


@pytest.fixture
def lab(working):
    return working


@pytest.fixture
def empty(qtbot, lab):
    return empty_panel(qtbot, lab)


@pytest.fixture
def panel(qtbot, lab, empty):
    return filled(qtbot, lab, empty)
