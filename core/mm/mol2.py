"""Tripos mol2 with GAFF or SYBYL atom types, one molecule: what antechamber writes.

Format: Tripos Mol2 File Format, Tripos (2007).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from core.elements import NUMBER_OF
from core.molecule import MAX_ATOMS, Molecule
from core.readers.errors import ReaderError, shown
from core.readers.limits import read_text

MAX_BYTES = 32 << 20
MAX_COORDINATE = 1e6  # Å
MAX_CHARGE = 100.0  # e, of one atom
WHOLE = 0.02  #: e; charges with three to six decimals add up to a whole number within this
FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([EeDd][-+]?\d{1,3})?$")
ORDERS = {"1": 1.0, "2": 2.0, "3": 3.0, "am": 1.0, "ar": 1.5}
LOWER = ("cl", "br")  # GAFF types of two-letter elements


def read_mol2(path: str | Path) -> tuple[Molecule, tuple[str, ...], np.ndarray | None]:
    """Molecule, atom types (N,) and charges (N,) e as the file has them; None: it says it has none.

    The molecule's charge is the sum of the charges, rounded (0 without them). Raises ReaderError
    with line and cause: more than one molecule, an atom type of no element, counts that do not
    agree, charges that add up to no whole number.
    """
    return _Mol2(path).read()


def gaff_types(types: tuple[str, ...]) -> bool:
    """Whether they are GAFF's (lower case) rather than SYBYL's."""
    return all(t[:1].islower() and "." not in t for t in types)


class _Mol2:
    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.sections = self._split(read_text(path, most=MAX_BYTES))

    def _error(self, cause: str, line: int | None = None) -> ReaderError:
        return ReaderError(self.path, cause, line=line)

    def _split(self, text: str) -> dict[str, list[tuple[int, str]]]:
        """Section -> (line number, text) of its lines; comments and empty lines left out."""
        sections: dict[str, list[tuple[int, str]]] = {}
        now: list[tuple[int, str]] | None = None
        for k, line in enumerate(text.splitlines(), start=1):
            if line.startswith("@<TRIPOS>"):
                name = line[9:].strip().upper()
                if name == "MOLECULE" and name in sections:
                    raise self._error("holds more than one molecule; give one per file", k)
                if name in sections:
                    raise self._error(f"has the section {shown(name)} twice", k)
                now = sections[name] = []
            elif now is not None:
                # the header goes by line number: a molecule may have an empty name
                header = now is sections.get("MOLECULE")
                if header or (line.strip() and not line.lstrip().startswith("#")):
                    now.append((k, line))
        for name in ("MOLECULE", "ATOM"):
            if name not in sections:
                raise self._error(f"is no mol2 or cut short: there is no @<TRIPOS>{name}")
        return sections

    def read(self) -> tuple[Molecule, tuple[str, ...], np.ndarray | None]:
        name, atoms, bonds, has_charges = self._header()
        numbers, positions, types, charges = self._atoms(atoms)
        total = 0
        if has_charges:
            total = round(float(charges.sum()))
            if abs(charges.sum() - total) > WHOLE:
                raise self._error(
                    f"the charges add up to {charges.sum():+.4f} e, which is no whole number: "
                    "correct them, or write NO_CHARGES and choose a charge method"
                )
        pairs, orders = self._bonds(bonds, len(numbers))
        # an unpaired electron is nothing a mol2 can tell
        odd = (int(numbers.sum()) - total) % 2
        if odd:
            raise self._error(
                f"has an odd number of electrons with a charge of {total:+d}"
                + (": its charges are wrong" if has_charges else " (the file has no charges)")
                + ", or it is a radical, for which there are no types"
            )
        molecule = Molecule(name, numbers, positions, total, 1, pairs, orders)
        return molecule, types, charges if has_charges else None

    def _header(self) -> tuple[str, int, int, bool]:
        rows = self.sections["MOLECULE"]
        if len(rows) < 4:
            raise self._error("ends within its @<TRIPOS>MOLECULE section")
        line, text = rows[1]
        counts = text.split()
        if not counts or any(not re.fullmatch(r"\d{1,9}", c) for c in counts[:2]):
            raise self._error(f"has the counts {shown(text.strip())!r}", line)
        atoms = int(counts[0])
        bonds = int(counts[1]) if len(counts) > 1 else 0
        if not 0 < atoms <= MAX_ATOMS or bonds > 10 * MAX_ATOMS:
            raise self._error(
                f"announces {atoms} atoms and {bonds} bonds; 1 to {MAX_ATOMS} atoms are possible",
                line,
            )
        name = "".join(c for c in rows[0][1].strip() if c.isprintable())[:80]
        return name, atoms, bonds, rows[3][1].strip().upper() != "NO_CHARGES"

    def _rows(self, section: str, count: int, width: int) -> list[tuple[int, list[str]]]:
        rows = [(k, text.split()) for k, text in self.sections.get(section, [])]
        if len(rows) != count:
            raise self._error(f"announces {count} rows in {section} and has {len(rows)}")
        for index, (line, row) in enumerate(rows, start=1):
            if len(row) < width:
                raise self._error(f"has {len(row)} columns, expected {width} or more", line)
            if row[0] != str(index):
                raise self._error(
                    f"{section} {index} is numbered {shown(row[0])}; number them 1, 2, 3 …", line
                )
        return rows

    def _atoms(self, count: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], np.ndarray]:
        numbers, positions, types, charges = [], [], [], []
        for line, row in self._rows("ATOM", count, 6):
            values = [*row[2:5], row[8] if len(row) > 8 else "0"]
            bad = next((v for v in values if not FLOAT.match(v)), None)
            if bad is not None:
                raise self._error(f"{shown(bad)!r} is no number", line)
            x, y, z, q = (float(v.lower().replace("d", "e")) for v in values)
            if max(abs(x), abs(y), abs(z)) > MAX_COORDINATE or abs(q) > MAX_CHARGE:
                raise self._error("has a coordinate or charge that can only be damage", line)
            numbers.append(self._element(row[5], line))
            positions.append((x, y, z))
            types.append(row[5])
            charges.append(q)
        return np.array(numbers), np.array(positions), tuple(types), np.array(charges)

    def _element(self, kind: str, line: int) -> int:
        """SYBYL: the symbol before the dot. GAFF: lower case, the first letter, or cl and br."""
        symbol = kind.split(".")[0]
        if kind[:1].islower() and "." not in kind:
            symbol = kind[:2].title() if kind[:2] in LOWER else kind[0].upper()
        number = NUMBER_OF.get(symbol, 0)
        if not number:
            raise self._error(f"the type {shown(kind)!r} is neither GAFF's nor SYBYL's", line)
        return number

    def _bonds(self, count: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """(B,2) pairs i < j, sorted, and orders (B,)."""
        found: dict[tuple[int, int], float] = {}
        for line, row in self._rows("BOND", count, 4):
            if any(not re.fullmatch(r"\d{1,9}", v) for v in row[1:3]):
                raise self._error("a bond's atoms are no whole numbers", line)
            a, b = sorted(int(v) - 1 for v in row[1:3])
            if a < 0 or b >= n or a == b:
                raise self._error(f"a bond between atoms {a + 1} and {b + 1} of {n}", line)
            if (a, b) in found:
                raise self._error(f"bonds atoms {a + 1} and {b + 1} twice", line)
            if row[3] not in ORDERS:
                raise self._error(
                    f"has the bond type {shown(row[3])!r}; known are {', '.join(ORDERS)}", line
                )
            found[a, b] = ORDERS[row[3]]
        pairs = sorted(found)
        return np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array([found[p] for p in pairs])
