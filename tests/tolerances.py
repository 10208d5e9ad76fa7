"""The one table of tolerances. Loosening one needs its reason beside it."""

FINITE_DIFFERENCE_FORCE = 1e-5  # eV/Å, central differences with h = 1e-4 Å in float64
INVARIANCE_ENERGY = 1e-8  # eV, translation/rotation/permutation
INVARIANCE_FORCE = 1e-7  # eV/Å
NET_FORCE = 1e-7  # eV/Å
NET_TORQUE = 1e-6  # eV
BATCH_EQUALS_SINGLE = 1e-9  # eV and eV/Å
HELD_DIHEDRAL = 1e-6  # rad, requested against measured
