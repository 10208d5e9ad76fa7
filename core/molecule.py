"""A molecule: atoms, one geometry, bonds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from core.wire import wire

MAX_ATOMS = 10_000
MAX_ELEMENT = 118


def frozen_array(value, *, dtype: str, shape: tuple[int | None, ...], name: str) -> np.ndarray:
    """Copy `value` into a read-only array of the given dtype and shape (None = any length).

    Raises ValueError that names the array when it does not fit.
    """
    given = np.asarray(value)
    # A cast would turn NaN and 1.5 into some whole number without a word.
    if (
        dtype.startswith("int")
        and given.dtype.kind == "f"
        and (not (np.abs(given) < 2**53).all() or (given != np.round(given)).any())
    ):
        raise ValueError(f"{name} holds values that are no whole numbers")
    array = np.array(given, dtype=dtype)
    if array.ndim != len(shape) or any(
        want is not None and have != want for have, want in zip(array.shape, shape, strict=True)
    ):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} has shape {array.shape}, expected ({wanted})")
    array.setflags(write=False)
    return array


@wire
@dataclass(frozen=True, eq=False)
class Molecule:
    """One molecule.

    numbers (N,) atomic numbers; positions (N,3) Å; charge e; multiplicity 2S+1; bonds (B,2) atom
    indices from 0; orders (B,) 1, 1.5, 2, 3. Empty bonds mean "not known yet": see
    `core.bonding.with_bonds`.
    """

    name: str
    numbers: np.ndarray
    positions: np.ndarray
    charge: int = 0
    multiplicity: int = 1
    bonds: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    orders: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        def put(name: str, dtype: str, shape: tuple[int | None, ...]) -> np.ndarray:
            array = frozen_array(getattr(self, name), dtype=dtype, shape=shape, name=name)
            object.__setattr__(self, name, array)
            return array

        numbers = put("numbers", "int64", (None,))
        if not 0 < len(numbers) <= MAX_ATOMS:
            raise ValueError(f"{len(numbers)} atoms; between 1 and {MAX_ATOMS} are possible")
        if numbers.min() < 1 or numbers.max() > MAX_ELEMENT:
            bad = int(np.flatnonzero((numbers < 1) | (numbers > MAX_ELEMENT))[0])
            raise ValueError(f"atom {bad + 1} has atomic number {numbers[bad]}")
        positions = put("positions", "float64", (len(numbers), 3))
        if not np.isfinite(positions).all():
            bad = int(np.flatnonzero(~np.isfinite(positions).all(1))[0])
            raise ValueError(f"atom {bad + 1} has a coordinate that is not a number")
        if self.multiplicity < 1:
            raise ValueError(f"a multiplicity of {self.multiplicity} cannot be")
        bonds = put("bonds", "int64", (None, 2))
        if len(bonds) and (bonds.min() < 0 or bonds.max() >= len(numbers)):
            raise ValueError(f"a bond names an atom outside 1..{len(numbers)}")
        pairs = np.sort(bonds, axis=1)
        if (pairs[:, 0] == pairs[:, 1]).any() or len(np.unique(pairs, axis=0)) < len(pairs):
            raise ValueError("a bond joins an atom with itself, or stands there twice")
        put("orders", "float64", (len(bonds),))

    @property
    def symbols(self) -> tuple[str, ...]:
        """Element symbols, in atom order."""
        from core.elements import SYMBOLS

        return tuple(SYMBOLS[z] for z in self.numbers)

    @property
    def formula(self) -> str:
        """Hill formula, for example C2H6O."""
        counts: dict[str, int] = {}
        for s in self.symbols:
            counts[s] = counts.get(s, 0) + 1
        first = [s for s in ("C", "H") if s in counts] if "C" in counts else []
        order = first + sorted(set(counts) - set(first))
        return "".join(s + (str(counts[s]) if counts[s] > 1 else "") for s in order)
