"""Temperature distribution and energy drift."""

from __future__ import annotations

import numpy as np
import pytest

from core.analyses.run_tools import drift, temperature_density


def test_temperature_density_has_the_canonical_mean_and_variance():
    t = np.linspace(0, 3000, 60001)
    p = temperature_density(t, 300.0, 24)
    assert np.trapezoid(p, t) == pytest.approx(1.0, abs=1e-6)
    mean = np.trapezoid(p * t, t)
    assert mean == pytest.approx(300.0, rel=1e-5)
    assert np.trapezoid(p * (t - mean) ** 2, t) == pytest.approx(2 * 300.0**2 / 24, rel=1e-4)


def test_drift_is_the_slope_and_needs_two_points():
    time = np.linspace(0, 100, 11)
    assert drift(time, 2.0 - 1e-4 * time) == pytest.approx(-1e-4)
    assert np.isnan(drift(time[:1], time[:1]))
    total = np.where(np.arange(11) == 4, np.nan, 1e-3 * time)
    assert drift(time, total) == pytest.approx(1e-3)
