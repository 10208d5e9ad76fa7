"""The editor with its refit tab open, on ethanol and a labelled scan."""

from __future__ import annotations

import pytest

from tests.widgets.refit_lab import GAFF, scanned


@pytest.fixture
def lab(working):
    working.session.catalog = (*working.session.catalog, GAFF)
    return working


@pytest.fixture
def panel(qtbot, lab):
    return scanned(qtbot, lab)
