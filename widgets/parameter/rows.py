"""How the rows of the parameter table are shown: titles, symbols, units, digits."""

from __future__ import annotations

from dataclasses import dataclass

from core.analyses.parameter_edits import (
    ATOMIC,
    DEGREE,
    KINDS,
    LIMITS,
    Key,
    atoms,
    count,
    group,
    groups,
    names,
    on_atoms,
    penalty,
    source,
    types,
    value,
    with_rows,
    with_torsions,
    with_value,
)
from core.units import EnergyUnit

__all__ = [
    "ATOMIC",
    "KINDS",
    "LIMITS",
    "QUANTITIES",
    "TITLES",
    "Key",
    "Quantity",
    "atoms",
    "count",
    "group",
    "groups",
    "names",
    "on_atoms",
    "penalty",
    "source",
    "types",
    "value",
    "with_rows",
    "with_torsions",
    "with_value",
]

TITLES = {
    "bond": "Bonds",
    "angle": "Angles",
    "torsion": "Torsions",
    "improper": "Impropers",
    "lj": "Lennard-Jones",
    "charge": "Charges",
}


@dataclass(frozen=True)
class Quantity:
    """How one parameter is shown: symbol, column of the table, what one unit is inside.

    unit "E…" = the energy unit of the screen followed by …; scale: one shown unit, inside.
    """

    symbol: str
    column: int
    unit: str
    digits: int
    scale: float = 1.0

    def unit_text(self, unit: EnergyUnit) -> str:
        """The unit as it is written."""
        return unit.label + self.unit[1:] if self.unit.startswith("E") else self.unit

    def shown(self, value: float, unit: EnergyUnit) -> float:
        """Inside -> screen."""
        return value / (unit.ev if self.unit.startswith("E") else self.scale)

    def inside(self, value: float, unit: EnergyUnit) -> float:
        """Screen -> inside."""
        return value * (unit.ev if self.unit.startswith("E") else self.scale)

    def text(self, value: float, unit: EnergyUnit) -> str:
        """The number as it is shown, without its unit."""
        digits = self.digits
        if self.unit.startswith("E"):
            digits = max(0, unit.digits + self.digits - 2)
        text = f"{self.shown(value, unit):.{digits}f}"
        return ("0" + text[2:] if float(text) == 0 and text[0] == "-" else text).replace("-", "−")


QUANTITIES: dict[tuple[str, str], Quantity] = {
    ("bond", "k"): Quantity("k", 1, "E/Å²", 1),
    ("bond", "r0"): Quantity("r₀", 2, "Å", 4),
    ("angle", "k"): Quantity("k", 1, "E/rad²", 2),
    ("angle", "theta0"): Quantity("θ₀", 2, "°", 2, DEGREE),
    ("torsion", "k"): Quantity("k", 1, "E", 3),
    ("torsion", "n"): Quantity("n", 2, "", 0),
    ("torsion", "phase"): Quantity("phase", 3, "°", 1, DEGREE),
    ("improper", "k"): Quantity("k", 1, "E", 3),
    ("improper", "n"): Quantity("n", 2, "", 0),
    ("improper", "phase"): Quantity("phase", 3, "°", 1, DEGREE),
    ("lj", "epsilon"): Quantity("ε", 1, "E", 4),
    ("lj", "rmin_half"): Quantity("Rmin/2", 2, "Å", 4),
    ("charge", "charges"): Quantity("q", 2, "e", 4),
}
