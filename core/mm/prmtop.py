"""Amber's topology files (prmtop, parm7): atoms, charges and every term of one molecule.

Format: https://ambermd.org/prmtop.pdf. Units there: kcal/mol, Å, rad, charges times 18.2223.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.mm.constants import AMBER_COULOMB
from core.mm.prmtop_text import MAX_BYTES, Sections
from core.mm.topology import TERMS, Term, Topology
from core.molecule import MAX_ELEMENT
from core.readers.errors import ReaderError, shown
from core.readers.limits import read_text
from core.units import KCAL_MOL

MAX_ATOMS = 2_000  #: all pairs are listed
CHARGE = 18.2223
SCEE, SCNB = 1.2, 2.0  #: Amber's own, for files older than these sections
LB_TOLERANCE = 1e-5  #: relative; the tables have nine digits
#: Sections of force fields that have more terms than these.
FOREIGN = ("CTITLE", "CHARMM", "CMAP", "POLARIZABILITY", "LENNARD_JONES_CCOEF", "ADDITIONAL_BOND")
#: Places in POINTERS.
NATOM, NTYPES, NPHIH, NPHIA, NUMBND, NUMANG, NPTRA, NPHB = 0, 1, 6, 7, 15, 16, 17, 19
IFPERT, IFBOX, NUMEXTRA = 20, 27, 30


@dataclass(frozen=True, eq=False)
class Atoms:
    """What a prmtop tells about the atoms: names and numbers (N,), bonds (B,2) from 0."""

    title: str
    names: tuple[str, ...]
    numbers: np.ndarray
    bonds: np.ndarray


def looks_like_prmtop(path: str | Path) -> bool:
    """Does the file begin as a prmtop? Raises ReaderError when it cannot be read."""
    return read_text(path, most=MAX_BYTES).lstrip().startswith(("%VERSION", "%FLAG"))


def read_prmtop(path: str | Path) -> tuple[Atoms, Topology]:
    """Atoms and topology. Raises ReaderError with the line and the cause.

    Refused, since a Topology cannot hold them: boxes, CHARMM and polarisable force fields, 10-12
    terms, extra points, Lennard-Jones pairs that are not Lorentz-Berthelot.
    """
    return _Prmtop(path).read()


class _Prmtop(Sections):
    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.pointers = self.ints("POINTERS")
        if len(self.pointers) < 31:
            raise self.error("has fewer than 31 POINTERS", "POINTERS")
        self.n = int(self.pointers[NATOM])

    def read(self) -> tuple[Atoms, Topology]:
        self._refuse()
        n = self.n
        notes: list[str] = []
        numbers = self._numbers()
        types = tuple(self.texts("AMBER_ATOM_TYPE", n))
        charges = self.floats("CHARGE", n) / CHARGE
        rmin_half, epsilon = self._lennard_jones()
        bond = self._bonded("bond", 2, int(self.pointers[NUMBND]), "BOND")
        angle = self._bonded("angle", 3, int(self.pointers[NUMANG]), "ANGLE")
        torsion, improper, pairs14, scales = self._dihedrals(notes)
        excluded = self._excluded()
        near = np.zeros((n, n), dtype=bool)
        near[pairs14[:, 0], pairs14[:, 1]] = near[pairs14[:, 1], pairs14[:, 0]] = True
        loose = near & ~excluded
        if loose.any():
            a, b = np.argwhere(loose)[0]
            raise self.error(
                f"atoms {a + 1} and {b + 1} are a 1-4 pair that is not excluded from the others",
                "EXCLUDED_ATOMS_LIST",
            )
        np.fill_diagonal(excluded, True)
        pairs = np.argwhere(np.triu(~excluded))
        try:
            topology = Topology(
                types=types,
                charges=charges,
                rmin_half=rmin_half,
                epsilon=epsilon,
                bond=_named(bond, types),
                angle=_named(angle, types),
                torsion=_named(torsion, types),
                improper=_named(_centred(improper, bond.atoms), types),
                pairs=pairs,
                pairs14=pairs14,
                scee14=scales[0],
                scnb14=scales[1],
                coulomb=AMBER_COULOMB,
                source=f"prmtop {shown(Path(self.path).name)}",
                notes=tuple(notes),
            )
        except ValueError as error:
            raise ReaderError(self.path, str(error)) from None
        title = "".join(self.sections["TITLE"].lines).strip() if "TITLE" in self.sections else ""
        return Atoms(title, tuple(self.texts("ATOM_NAME", n)), numbers, bond.atoms), topology

    def _refuse(self) -> None:
        p = self.pointers
        if (p < 0).any():
            raise self.error("has a negative count", "POINTERS")
        if not 0 < self.n <= MAX_ATOMS:
            raise self.error(f"{self.n} atoms; between 1 and {MAX_ATOMS} are possible", "POINTERS")
        for name in self.sections:
            if name.startswith(FOREIGN):
                raise self.error("belongs to a force field with other terms than GAFF's", name)
        if p[IFBOX]:
            raise self.error("describes a periodic box; strip it to one molecule", "POINTERS")
        if p[IFPERT] or p[NUMEXTRA]:
            raise self.error("has perturbed atoms or extra points", "POINTERS")
        if p[NPHB]:
            raise self.error("has 10-12 hydrogen-bond terms", "POINTERS")

    def _numbers(self) -> np.ndarray:
        if "ATOMIC_NUMBER" in self.sections:
            numbers = self.ints("ATOMIC_NUMBER", self.n)
        else:  # files older than Amber 12
            numbers = np.array([_by_mass(m) for m in self.floats("MASS", self.n)])
        bad = np.flatnonzero((numbers < 1) | (numbers > MAX_ELEMENT))
        if len(bad):
            raise ReaderError(self.path, f"the element of atom {bad[0] + 1} is not known")
        return numbers

    def _lennard_jones(self) -> tuple[np.ndarray, np.ndarray]:
        """rmin_half (N,) Å and epsilon (N,) eV from the diagonal of A and B, the rest checked."""
        count = int(self.pointers[NTYPES])
        if not 0 < count <= self.n:
            raise self.error(f"{count} Lennard-Jones types for {self.n} atoms", "POINTERS")
        size = count * (count + 1) // 2
        a = self.floats("LENNARD_JONES_ACOEF", size)
        b = self.floats("LENNARD_JONES_BCOEF", size)
        table = self.ints("NONBONDED_PARM_INDEX", count * count).reshape(count, count) - 1
        if table.min() < 0 or table.max() >= size or (table != table.T).any():
            raise self.error("names a pair of types that is not there", "NONBONDED_PARM_INDEX")
        own = np.diagonal(table)
        if (a < 0).any() or (b < 0).any():
            raise self.error("has a negative value", "LENNARD_JONES_ACOEF")
        some = (a[own] > 0) & (b[own] > 0)
        if ((a[own] > 0) != (b[own] > 0)).any():
            raise self.error("is zero where BCOEF is not", "LENNARD_JONES_ACOEF")
        safe_a, safe_b = np.where(some, a[own], 1.0), np.where(some, b[own], 1.0)
        with np.errstate(all="ignore"):  # damaged values end as "odd" below
            rmin = np.where(some, (2.0 * safe_a / safe_b) ** (1 / 6), 0.0)
            eps = np.where(some, safe_b**2 / (4.0 * safe_a), 0.0)
            power = ((rmin[:, None] + rmin) / 2) ** 6
            mixed = np.sqrt(eps[:, None] * eps) * power
            fits_b = np.abs(b[table] - 2.0 * mixed) <= LB_TOLERANCE * b[table] + 1e-9
            fits_a = np.abs(a[table] - mixed * power) <= LB_TOLERANCE * a[table] + 1e-9
        odd = ~(fits_a & fits_b)
        if odd.any():
            i, j = np.argwhere(odd)[0]
            raise self.error(
                f"types {i + 1} and {j + 1} do not mix by Lorentz-Berthelot (changed with "
                "parmed's changeLJPair?); such pairs are not possible here",
                "LENNARD_JONES_BCOEF",
            )
        kind = self.ints("ATOM_TYPE_INDEX", self.n) - 1
        if kind.min() < 0 or kind.max() >= count:
            raise self.error("names a type that is not there", "ATOM_TYPE_INDEX")
        return rmin[kind] / 2.0, eps[kind] * KCAL_MOL

    def _table(self, section: str, width: int, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of atoms and the number of their parameters, from with and without hydrogen."""
        parts = []
        for half in ("INC_HYDROGEN", "WITHOUT_HYDROGEN"):
            name = f"{section}S_{half}"
            values = self.ints(name)
            if len(values) % (width + 1):
                raise self.error(f"{len(values)} values are no rows of {width + 1}", name)
            part = values.reshape(-1, width + 1)
            atoms = np.abs(part[:, :-1])
            if (atoms % 3).any() or (len(part) and atoms.max() >= 3 * self.n):
                raise self.error("names an atom that is not there", name)
            if len(part) and (part[:, -1].min() < 1 or part[:, -1].max() > most):
                raise self.error("names parameters that are not there", name)
            parts.append(part)
        rows = np.concatenate(parts)
        return rows[:, :-1], rows[:, -1] - 1

    def _bonded(self, kind: str, width: int, count: int, section: str) -> Term:
        k = self.floats(f"{section}_FORCE_CONSTANT", count) * KCAL_MOL
        zero = self.floats(f"{section}_EQUIL_VALUE", count)
        rows, index = self._table(section, width, count)
        if (rows < 0).any():
            raise self.error("has a negative atom", f"{section}S_INC_HYDROGEN")
        names = TERMS[kind][1]
        return self._term(kind, rows // 3, dict(zip(names, (k[index], zero[index]), strict=True)))

    def _term(self, kind: str, atoms: np.ndarray, parameters: dict[str, np.ndarray]) -> Term:
        try:
            return Term(kind, atoms, parameters)
        except ValueError as error:
            raise ReaderError(self.path, str(error)) from None

    def _dihedrals(self, notes: list[str]) -> tuple[Term, Term, np.ndarray, np.ndarray]:
        """Torsions, impropers, 1-4 pairs (Q,2) and their scales (2,Q).

        A negative third atom: no 1-4 pair from this row; a negative fourth: an improper.
        """
        count = int(self.pointers[NPTRA])
        k = self.floats("DIHEDRAL_FORCE_CONSTANT", count) * KCAL_MOL
        n = self.floats("DIHEDRAL_PERIODICITY", count)
        phase = self.floats("DIHEDRAL_PHASE", count)
        rows, index = self._table("DIHEDRAL", 4, count)
        if (rows[:, :2] < 0).any():
            raise self.error("has a negative first or second atom", "DIHEDRALS_INC_HYDROGEN")
        atoms, improper = np.abs(rows) // 3, rows[:, 3] < 0
        columns = {"k": k[index], "n": n[index], "phase": phase[index]}
        terms = [
            self._term(kind, atoms[which], {p: c[which] for p, c in columns.items()})
            for kind, which in (("torsion", ~improper), ("improper", improper))
        ]
        ends = (rows[:, 2] >= 0) & ~improper
        scales = []
        for name, usual in (("SCEE_SCALE_FACTOR", SCEE), ("SCNB_SCALE_FACTOR", SCNB)):
            if name in self.sections:
                scales.append(self.floats(name, count)[index])
            else:
                scales.append(np.full(len(index), usual))
                notes.append(f"the file has no {name}: Amber's {usual} for all 1-4 pairs")
        both = np.stack(scales)[:, ends]
        pairs = np.sort(atoms[ends][:, [0, 3]], axis=1)
        off = (both == 0).all(0)  # a scale of 0 turns the pair off
        if ((both <= 0).any(0) & ~off).any():
            raise self.error("a 1-4 pair has one positive scale only", "SCEE_SCALE_FACTOR")
        return terms[0], terms[1], pairs[~off], both[:, ~off]

    def _excluded(self) -> np.ndarray:
        """(N,N) bool, symmetric: pairs that are not full-strength non-bonded pairs."""
        counts = self.ints("NUMBER_EXCLUDED_ATOMS", self.n)
        if counts.min() < 0:
            raise self.error("has a negative count", "NUMBER_EXCLUDED_ATOMS")
        listed = self.ints("EXCLUDED_ATOMS_LIST")
        if len(listed) != counts.sum():
            raise self.error(
                f"has {len(listed)} atoms, expected {counts.sum()}", "EXCLUDED_ATOMS_LIST"
            )
        if len(listed) and (listed.min() < 0 or listed.max() > self.n):
            raise self.error("names an atom that is not there", "EXCLUDED_ATOMS_LIST")
        first = np.repeat(np.arange(self.n), counts)[listed > 0]  # 0 stands for none
        second = listed[listed > 0] - 1
        excluded = np.zeros((self.n, self.n), dtype=bool)
        excluded[first, second] = excluded[second, first] = True
        return excluded


def _centred(term: Term, bonds: np.ndarray) -> Term:
    """Impropers with their central atom third, as everywhere else.

    LEaP turns a row round where atom 1 would come third or fourth, which a prmtop cannot say (its
    sign is a flag there). Read backwards a dihedral has the same angle, so no energy changes.
    """
    bonded = {tuple(sorted(pair)) for pair in bonds.tolist()}

    def is_centre(atom: int, others: tuple[int, ...]) -> bool:
        return all(tuple(sorted((atom, other))) in bonded for other in others)

    atoms = term.atoms.copy()
    for row in atoms:
        i, j, k, m = row.tolist()
        if is_centre(j, (i, k, m)) and not is_centre(k, (i, j, m)):
            row[:] = m, k, j, i
    return Term(term.kind, atoms, term.parameters)


def _named(term: Term, types: tuple[str, ...]) -> Term:
    """The same with the types of its atoms and where it comes from."""
    names = tuple("-".join(types[a] for a in row) for row in term.atoms)
    size = len(term)
    return Term(term.kind, term.atoms, term.parameters, names, ("prmtop",) * size, np.zeros(size))


def _by_mass(mass: float) -> int:
    """The element whose mass is nearest, or 0."""
    from core.elements import MASSES

    known = np.asarray(MASSES, dtype=np.float64)
    near = int(np.nanargmin(np.abs(known - mass)))
    return near if near and abs(known[near] - mass) < 0.3 else 0
