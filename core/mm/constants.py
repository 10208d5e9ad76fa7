"""Constants of molecular mechanics (no torch here: readers use them too)."""

from __future__ import annotations

from core.units import KCAL_MOL

#: Coulomb constants in eV Å/e². Amber's is 18.2223² kcal Å/mol/e²; OpenMM's follows from SI units
#: (138.93545764438198 kJ nm/mol/e², its wrappers' SimTKOpenMMRealType.h).
AMBER_COULOMB = 332.05221729 * KCAL_MOL
OPENMM_COULOMB = 138.93545764438198 * 10.0 / 4.184 * KCAL_MOL
