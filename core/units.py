"""Units: Å, eV, amu, fs, K, e, radians inside; only the screen converts.

Constants are CODATA 2018 (the values ASE 3.29 and pyscf 2.14 use).
"""

from __future__ import annotations

from dataclasses import dataclass

HARTREE = 27.211386245988  #: eV
BOHR = 0.529177210903  #: Å
_E = 1.602176634e-19  # C, exact
_NA = 6.02214076e23  # 1/mol, exact
KJ_MOL = 1e3 / (_NA * _E)  #: eV
KCAL_MOL = 4.184 * KJ_MOL  #: eV
KB = 1.380649e-23 / _E  #: eV/K
#: Kinetic energy: 1 amu Å²/fs² in eV.
AMU_A2_FS2 = 1.66053906660e-27 * 1e10 / _E
#: Acceleration: 1 (eV/Å)/amu in Å/fs².
ACCELERATION = 1.0 / AMU_A2_FS2


@dataclass(frozen=True)
class EnergyUnit:
    """An energy unit of the screen.

    `ev` is the size of one unit in eV, `digits` how many decimals a person wants to see.
    """

    key: str
    label: str
    ev: float
    digits: int

    def from_ev(self, value):
        """eV -> this unit (scalars and arrays alike)."""
        return value / self.ev


ENERGY_UNITS: dict[str, EnergyUnit] = {
    u.key: u
    for u in (
        EnergyUnit("kcal/mol", "kcal/mol", KCAL_MOL, 2),
        EnergyUnit("kJ/mol", "kJ/mol", KJ_MOL, 2),
        EnergyUnit("eV", "eV", 1.0, 4),
        EnergyUnit("meV", "meV", 1e-3, 1),
    )
}
