"""Conversion constants against ASE's and each other."""

from __future__ import annotations

import ase.units
import pytest

from core import units

CODATA = 1e-8  # relative: ASE ships the adjustments; 2018 is asked for by name


def test_constants_are_those_of_codata_2018():
    other = ase.units.create_units("2018")
    assert pytest.approx(other["Hartree"], rel=CODATA) == units.HARTREE
    assert pytest.approx(other["Bohr"], rel=CODATA) == units.BOHR
    assert pytest.approx(other["kcal"] / other["mol"], rel=CODATA) == units.KCAL_MOL
    assert pytest.approx(other["kJ"] / other["mol"], rel=CODATA) == units.KJ_MOL
    assert pytest.approx(other["kB"], rel=CODATA) == units.KB
    assert pytest.approx(1.0 / other["fs"] ** 2, rel=CODATA) == units.AMU_A2_FS2


def test_kinetic_energy_and_acceleration_are_one_constant():
    assert pytest.approx(1.0) == units.ACCELERATION * units.AMU_A2_FS2


def test_mean_speed_of_argon():
    """At 300 K, argon moves at sqrt(3kT/m) = 432.8 m/s = 0.004328 Å/fs (NIST constants)."""
    speed = (3 * units.KB * 300.0 / 39.948 / units.AMU_A2_FS2) ** 0.5
    assert speed == pytest.approx(4.328e-3, rel=1e-3)


def test_screen_units():
    assert units.ENERGY_UNITS["kcal/mol"].from_ev(1.0) == pytest.approx(23.0605, rel=1e-5)
    assert units.ENERGY_UNITS["kJ/mol"].from_ev(1.0) == pytest.approx(96.4853, rel=1e-5)
    assert units.ENERGY_UNITS["meV"].from_ev(0.5) == pytest.approx(500)
    assert all(key == u.key for key, u in units.ENERGY_UNITS.items())
