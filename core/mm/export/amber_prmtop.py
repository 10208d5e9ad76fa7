"""The text of a prmtop: the numbers as LEaP would write them, every term of the field.

Format: https://ambermd.org/prmtop.pdf. Atoms are counted from 0 and multiplied by 3 in the lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from core.mm.export.subject import RESIDUE, ExportError, Subject
from core.mm.prmtop import CHARGE, SCEE, SCNB
from core.mm.topology import Term
from core.units import KCAL_MOL

#: LEaP's "modified Bondi" radii (Å) and screening factors, by atomic number.
RADII = {1: 1.2, 6: 1.7, 7: 1.55, 8: 1.5, 9: 1.5, 14: 2.1, 15: 1.85, 16: 1.8, 17: 1.7}
ON_HYDROGEN = {6: 1.3, 7: 1.3, 8: 0.8, 16: 0.8}  # by the atom that the hydrogen is bonded to
SCREEN = {1: 0.85, 6: 0.72, 7: 0.79, 8: 0.85, 9: 0.88, 15: 0.86, 16: 0.96}
RADIUS, SCREENING = 1.5, 0.8  # of all others
#: Sections of the torsions' values, in the order of `_dihedrals`.
WAVES = (
    "DIHEDRAL_FORCE_CONSTANT", "DIHEDRAL_PERIODICITY", "DIHEDRAL_PHASE",
    "SCEE_SCALE_FACTOR", "SCNB_SCALE_FACTOR",
)  # fmt: skip
PERIODICITIES = 10  # sander's tables end here


def prmtop(subject: Subject) -> str:
    """The whole file. Raises ExportError where AMBER has no such term."""
    return _Writer(subject).text()


class _Writer:
    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.top = subject.topology
        self.n = len(subject.names)
        self.hydrogen = subject.molecule.numbers == 1
        self.lines = ["%VERSION  VERSION_STAMP = V0001.000  DATE = 01/01/00  00:00:00".ljust(80)]

    # -- sections ------------------------------------------------------------------------------
    def _section(self, name: str, form: str, words: list[str], per_line: int) -> None:
        self.lines += [f"%FLAG {name}".ljust(80), f"%FORMAT({form})".ljust(80)]
        rows = ["".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
        self.lines += rows or [""]

    def _floats(self, name: str, values: Iterable[float]) -> None:
        words = [f"{v:16.8E}" for v in values]
        bad = next((w for w in words if len(w) > 16), None)
        if bad is not None:
            raise ExportError(f"the value {bad} does not fit the section {name} of a prmtop")
        self._section(name, "5E16.8", words, 5)

    def _ints(self, name: str, values: Iterable[int], *, form: str = "10I8") -> None:
        self._section(name, form, [f"{v:8d}" for v in values], 10)

    def _texts(self, name: str, values: Iterable[str]) -> None:
        self._section(name, "20a4", [f"{v:<4.4s}" for v in values], 20)

    # -- the file ------------------------------------------------------------------------------
    def text(self) -> str:
        top, n = self.top, self.n
        long = next((t for t in top.types if len(t) > 4), None)
        if long is not None:
            raise ExportError(f"the atom type {long} has more than AMBER's four characters")
        bonds, bond_values = _indexed(top.bond)
        angles, angle_values = _indexed(top.angle)
        dihedrals, values = self._dihedrals()
        kinds, index, a, b = self._lennard_jones()
        counts, excluded = self._excluded()
        split = [self._split(rows) for rows in (bonds, angles, dihedrals)]
        (bonds_h, bonds_x), (angles_h, angles_x), (dihedrals_h, dihedrals_x) = split
        types = len(set(top.types))
        self._section("TITLE", "20a4", [self.subject.title[:80]], 1)
        self._ints("POINTERS", [
            n, kinds, len(bonds_h), len(bonds_x), len(angles_h), len(angles_x), len(dihedrals_h),
            len(dihedrals_x), 0, 0, len(excluded), 1, len(bonds_x), len(angles_x),
            len(dihedrals_x), len(bond_values), len(angle_values), len(values), types,
            *[0] * 9, n, 0, 0,
        ])  # fmt: skip
        self._texts("ATOM_NAME", self.subject.names)
        self._floats("CHARGE", top.charges * CHARGE)
        self._ints("ATOMIC_NUMBER", self.subject.molecule.numbers)
        self._floats("MASS", self.subject.masses)
        self._ints("ATOM_TYPE_INDEX", index + 1)
        self._ints("NUMBER_EXCLUDED_ATOMS", counts)
        self._ints("NONBONDED_PARM_INDEX", _triangle(kinds).reshape(-1) + 1)
        self._texts("RESIDUE_LABEL", [RESIDUE])
        self._ints("RESIDUE_POINTER", [1])
        self._floats("BOND_FORCE_CONSTANT", [k / KCAL_MOL for k, _ in bond_values])
        self._floats("BOND_EQUIL_VALUE", [r for _, r in bond_values])
        self._floats("ANGLE_FORCE_CONSTANT", [k / KCAL_MOL for k, _ in angle_values])
        self._floats("ANGLE_EQUIL_VALUE", [t for _, t in angle_values])
        for k, name in enumerate(WAVES):
            unit = KCAL_MOL if k == 0 else 1.0
            self._floats(name, [v[k] / unit for v in values])
        self._floats("SOLTY", [0.0] * types)
        self._floats("LENNARD_JONES_ACOEF", a)
        self._floats("LENNARD_JONES_BCOEF", b)
        self._ints("BONDS_INC_HYDROGEN", _flat(bonds_h))
        self._ints("BONDS_WITHOUT_HYDROGEN", _flat(bonds_x))
        self._ints("ANGLES_INC_HYDROGEN", _flat(angles_h))
        self._ints("ANGLES_WITHOUT_HYDROGEN", _flat(angles_x))
        self._ints("DIHEDRALS_INC_HYDROGEN", _flat(dihedrals_h))
        self._ints("DIHEDRALS_WITHOUT_HYDROGEN", _flat(dihedrals_x))
        self._ints("EXCLUDED_ATOMS_LIST", excluded)
        for name in ("HBOND_ACOEF", "HBOND_BCOEF", "HBCUT"):
            self._floats(name, [])
        self._texts("AMBER_ATOM_TYPE", top.types)
        self._texts("TREE_CHAIN_CLASSIFICATION", ["BLA"] * n)
        self._ints("JOIN_ARRAY", [0] * n)
        self._ints("IROTAT", [0] * n)
        self._section("RADIUS_SET", "1a80", ["modified Bondi radii (mbondi)"], 1)
        radii, screen = self._born()
        self._floats("RADII", radii)
        self._floats("SCREEN", screen)
        self._ints("IPOL", [0], form="1I8")
        return "\n".join([*self.lines, ""])

    def _split(self, rows: list[tuple[int, ...]]) -> tuple[list, list]:
        """Rows with and without a hydrogen; the last number is that of the parameters."""
        some = [bool(self.hydrogen[[abs(a) // 3 for a in r[:-1]]].any()) for r in rows]
        yes = [r for r, h in zip(rows, some, strict=True) if h]
        return yes, [r for r, h in zip(rows, some, strict=True) if not h]

    # -- torsions and 1-4 pairs ----------------------------------------------------------------
    def _dihedrals(self) -> tuple[list[tuple[int, ...]], list[tuple[float, ...]]]:
        """Rows and values (k, n, phase, scee, scnb). One row of each 1-4 pair computes it; a
        negative third atom tells the others not to, a negative fourth makes an improper."""
        top = self.top
        open_pairs = {
            (min(i, j), max(i, j)): (float(e), float(b))
            for (i, j), e, b in zip(top.pairs14.tolist(), top.scee14, top.scnb14, strict=True)
        }
        known: dict[tuple[float, ...], int] = {}
        rows: list[tuple[int, ...]] = []

        def add(atoms: tuple[int, ...], wave: tuple[float, ...], scales: tuple[float, float] | None,
                *, improper: bool = False) -> None:  # fmt: skip
            usual = (0.0, 0.0) if improper else (SCEE, SCNB)
            at = known.setdefault((*wave, *(scales or usual)), len(known) + 1)
            # atom 0 has no negative: a dihedral is the same from its other end
            i, j, k, m = atoms if atoms[2] and atoms[3] else atoms[::-1]
            k_sign, m_sign = (-1 if scales is None else 1), (-1 if improper else 1)
            rows.append((3 * i, 3 * j, k_sign * 3 * k, m_sign * 3 * m, at))

        for atoms, wave in _waves(top.torsion):
            ends = min(atoms[0], atoms[3]), max(atoms[0], atoms[3])
            add(atoms, wave, open_pairs.pop(ends, None))
        for ends, scales in open_pairs.items():  # pairs whose torsion was taken out
            add(self._path(*ends), (0.0, 1.0, 0.0), scales)
        for atoms, wave in _waves(top.improper):
            add(atoms, wave, None, improper=True)
        return rows, list(known)

    def _path(self, a: int, b: int) -> tuple[int, int, int, int]:
        bonds = self.subject.molecule.bonds.tolist()
        near: list[set[int]] = [set() for _ in range(self.n)]
        for i, j in bonds:
            near[i].add(j)
            near[j].add(i)
        for i in sorted(near[a]):
            for j in sorted(near[b] & near[i]):
                if len({a, i, j, b}) == 4:
                    return a, i, j, b
        raise ExportError(
            f"{self.subject.atom(a)} and {self.subject.atom(b)} are a 1-4 pair without three bonds "
            "between them; AMBER keeps such pairs with torsions only"
        )

    # -- non-bonded ----------------------------------------------------------------------------
    def _lennard_jones(self) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
        """Number of kinds of atoms, kind of each (N,), A and B of each pair of kinds."""
        both = np.stack([self.top.rmin_half, self.top.epsilon / KCAL_MOL], axis=1)
        kinds, first, index = np.unique(both, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)  # in the order of the atoms
        rmin, eps = kinds[order].T
        index = np.argsort(order)[index.reshape(-1)]
        i, j = _pairs_of(len(kinds))
        depth, power = np.sqrt(eps[i] * eps[j]), (rmin[i] + rmin[j]) ** 6
        return len(kinds), index, depth * power**2, 2.0 * depth * power

    def _excluded(self) -> tuple[list[int], list[int]]:
        """How many later atoms each atom has no full-strength interaction with, and which."""
        full = {(min(p), max(p)) for p in self.top.pairs.tolist()}
        later: list[list[int]] = [[] for _ in range(self.n)]
        for i, j in combinations(range(self.n), 2):
            if (i, j) not in full:
                later[i].append(j + 1)
        lists = [found or [0] for found in later]  # 0 stands for none
        return [len(found) for found in lists], [j for found in lists for j in found]

    def _born(self) -> tuple[list[float], list[float]]:
        """Radii and screening of implicit solvent, not used in vacuum."""
        numbers = self.subject.molecule.numbers.tolist()
        radii = [RADII.get(z, RADIUS) for z in numbers]
        for a, b in self.subject.molecule.bonds.tolist():
            for h, other in ((a, b), (b, a)):
                if numbers[h] == 1:
                    radii[h] = ON_HYDROGEN.get(numbers[other], RADII[1])
        return radii, [SCREEN.get(z, SCREENING) for z in numbers]


def _waves(term: Term) -> Iterable[tuple[tuple[int, ...], tuple[float, ...]]]:
    p = term.parameters
    for i, atoms in enumerate(map(tuple, term.atoms.tolist())):
        n = max(float(p["n"][i]), 1.0)  # a periodicity of 0 stands with k = 0 only
        if n > PERIODICITIES:
            raise ExportError(
                f"{term.kind} {i + 1} has the periodicity {n:g}; AMBER has up to {PERIODICITIES}"
            )
        yield atoms, (float(p["k"][i]), n, float(p["phase"][i]))


def _indexed(term: Term) -> tuple[list[tuple[int, ...]], list[tuple[float, ...]]]:
    """Rows of atoms times 3 with the number of their values from 1, and the values, each once."""
    known: dict[tuple[float, ...], int] = {}
    rows = []
    columns = [c.tolist() for c in term.parameters.values()]
    for atoms, *values in zip(term.atoms.tolist(), *columns, strict=True):
        at = known.setdefault(tuple(values), len(known) + 1)
        rows.append((*(3 * a for a in atoms), at))
    return rows, list(known)


def _flat(rows: list[tuple[int, ...]]) -> list[int]:
    return [v for r in rows for v in r]


def _pairs_of(kinds: int) -> tuple[np.ndarray, np.ndarray]:
    """(1,1), (2,1), (2,2), (3,1) …, from 0: the order of A and B."""
    return np.tril_indices(kinds)


def _triangle(kinds: int) -> np.ndarray:
    """(K,K) place of each pair of kinds in that order."""
    table = np.zeros((kinds, kinds), dtype=np.int64)
    i, j = _pairs_of(kinds)
    table[i, j] = table[j, i] = np.arange(len(i))
    return table
