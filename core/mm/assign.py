"""From atom types and a parameter table to every term of a molecule.

Terms as Amber makes them: all bonds, all angles, all torsions (each Fourier term one row), one
improper on each planar atom with three neighbours, 1-4 pairs by the shortest path.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations, product

import numpy as np

from core.bonding import label, neighbours, with_bonds
from core.mm.analogy import (
    CENTRE,
    ESTIMATED,
    GENERAL,
    HYBRID,
    NONE,
    PAIRED,
    PLANAR,
    SPECIAL,
    SPLIT,
    TWIN,
    around,
    chain,
    distance,
    estimate_angle,
    nearest,
)
from core.mm.constants import AMBER_COULOMB
from core.mm.tables import WILD, Pair, Table, Types, Wave
from core.mm.topology import TERMS, Term, Topology
from core.mm.typing import TWINS
from core.molecule import Molecule
from core.units import KCAL_MOL

WHOLE = 0.01  #: e, by how much charges may miss the charge of the molecule
#: Amber's improper for planar atoms that no entry describes.
FLAT = Wave(1.1 * KCAL_MOL, 2.0, np.pi, source="default for planar atoms")
FLAT_PENALTY = 10.0
WEIGHTS = (1.0, CENTRE, CENTRE, 1.0)  #: of the atoms of a torsion
WILD_IMPROPER = 3.0  #: what a wildcard of an improper costs against an entry that names the atom
LARGEST_IMPROPER = 20.0  #: beyond this the default is better


class AssignError(ValueError):
    """A term without a parameter, or input that does not fit; the message says what to do."""


@dataclass(frozen=True)
class _Row:
    atoms: tuple[int, ...]
    values: tuple[float, ...]
    types: str
    source: str
    penalty: float


def assign(
    molecule: Molecule,
    types: tuple[str, ...],
    charges: np.ndarray,
    table: Table,
    *,
    extra: Table | None = None,
) -> Topology:
    """All terms of a molecule.

    types (N,) atom types; charges (N,) e; table: see `core.mm.tables.table`; extra: entries that
    win over the table's (an frcmod). Terms that neither has are taken by analogy, with a penalty
    above 0 (scale: `core.mm.analogy`) and a note. Raises AssignError where there is no analogy,
    where a type has no Lennard-Jones parameters, or where charges miss the molecule's charge.
    """
    return _Assigner(molecule, types, np.asarray(charges, dtype=float), table, extra).build()


class _Assigner:
    def __init__(
        self,
        molecule: Molecule,
        types: tuple[str, ...],
        charges: np.ndarray,
        table: Table,
        extra: Table | None,
    ) -> None:
        self.molecule = with_bonds(molecule)
        self.name = molecule.name or molecule.formula
        self.types, self.charges = tuple(types), charges
        self.table = table if extra is None else table.merged(extra)
        self.near = neighbours(self.molecule)
        self.orders: dict[tuple[int, int], float] = {}
        for (i, j), order in zip(self.molecule.bonds.tolist(), self.molecule.orders, strict=True):
            self.orders[i, j] = self.orders[j, i] = float(order)
        self.notes: list[str] = []
        self.known: dict[tuple[str, Types], tuple] = {}
        self._check()

    def _check(self) -> None:
        n = len(self.molecule.numbers)
        for what, have in (("atom types", len(self.types)), ("charges", len(self.charges))):
            if have != n:
                raise AssignError(f"{self.name}: {have} {what} for {n} atoms")
        if not np.isfinite(self.charges).all():
            bad = int(np.flatnonzero(~np.isfinite(self.charges))[0])
            raise AssignError(
                f"{self.name}: the charge of {label(self.molecule, bad)} is no number"
            )
        total = float(self.charges.sum())
        if abs(total - self.molecule.charge) > WHOLE:
            raise AssignError(
                f"{self.name}: the charges add up to {total:+.4f} e, but its charge is "
                f"{self.molecule.charge:+d}: correct one of them"
            )
        for i, t in enumerate(self.types):
            if t not in self.table.vdw:
                raise AssignError(
                    f"{self.name}: {self.table.name} has no Lennard-Jones parameters for the type "
                    f"{t} of {label(self.molecule, i)}; give an frcmod that has them"
                )

    def build(self) -> Topology:
        bonds = sorted((i, j) for i, near in enumerate(self.near) for j in near if i < j)
        angles = [(i, j, k) for j, near in enumerate(self.near) for i, k in combinations(near, 2)]
        torsions = sorted(
            (i, j, k, m)
            for j, k in bonds
            for i in self.near[j]
            for m in self.near[k]
            if len({i, j, k, m}) == 4
        )
        vdw = np.array([self.table.vdw[t] for t in self.types]).reshape(-1, 2)
        pairs, pairs14 = self._pairs()
        bond = _term("bond", [self._bond(b) for b in bonds])
        angle = _term("angle", [self._angle(a) for a in angles])
        torsion, scales = self._torsions(torsions)
        scee, scnb = np.array([scales[tuple(p)] for p in pairs14.tolist()]).reshape(-1, 2).T
        return Topology(
            types=self.types,
            charges=self.charges,
            rmin_half=vdw[:, 0],
            epsilon=vdw[:, 1],
            bond=bond,
            angle=angle,
            torsion=torsion,
            improper=_term("improper", self._impropers()),
            pairs=pairs,
            pairs14=pairs14,
            scee14=scee,
            scnb14=scnb,
            coulomb=AMBER_COULOMB,
            source=self.table.name,
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs four or more bonds apart (or not connected), and exactly three bonds apart."""
        n = len(self.near)
        bonded = np.zeros((n, n), dtype=bool)
        for i, near in enumerate(self.near):
            bonded[i, near] = True
        reach, steps = np.eye(n, dtype=bool), np.full((n, n), 4)
        for step in range(4):
            steps[reach & (steps == 4)] = step
            reach = (reach.astype(np.int64) @ bonded) > 0
        upper = np.triu(np.ones((n, n), dtype=bool), 1)
        return np.argwhere(upper & (steps == 4)), np.argwhere(upper & (steps == 3))

    # -- bonds and angles ----------------------------------------------------------------------
    def _names(self, atoms: tuple[int, ...]) -> Types:
        return tuple(self.types[i] for i in atoms)

    def _words(self, atoms: tuple[int, ...]) -> str:
        return "-".join(label(self.molecule, i) for i in atoms)

    def _missing(self, kind: str, atoms: tuple[int, ...]) -> AssignError:
        return AssignError(
            f"{self.name}: {self.table.name} has no {kind} {'-'.join(self._names(atoms))} "
            f"({self._words(atoms)}) and none like it; give an frcmod that has it"
        )

    def _note(self, kind: str, types: Types, how: str, penalty: float) -> None:
        self.notes.append(f"{kind} {'-'.join(types)}: {how} (penalty {penalty:.1f})")

    def _bond(self, atoms: tuple[int, int]) -> _Row:
        types = self._names(atoms)
        pair, penalty = self._find_bond(types)
        if pair is None:
            raise self._missing("bond", atoms)
        return _Row(atoms, (pair.k, pair.equilibrium), "-".join(types), pair.source, penalty)

    def _find_bond(self, types: Types) -> tuple[Pair | None, float]:
        key = ("bond", min(types, types[::-1]))
        if key not in self.known:
            self.known[key] = self._search("bond", types, self.table.bonds, ())
        return self.known[key]

    def _search(
        self, kind: str, types: Types, entries: dict[Types, Pair], centres: tuple[int, ...]
    ) -> tuple[Pair | None, float]:
        exact = entries.get(types) or entries.get(types[::-1])
        if exact:
            return exact, 0.0
        like, penalty = nearest(types, entries, centres)
        if not like:
            return None, NONE
        how = f"taken from {'-'.join(like)}"
        self._note(kind, types, how, penalty)
        found = entries[like]
        return Pair(found.k, found.equilibrium, f"{how}; {found.source}"), penalty

    def _angle(self, atoms: tuple[int, int, int]) -> _Row:
        types = self._names(atoms)
        key = ("angle", min(types, types[::-1]))
        if key not in self.known:
            self.known[key] = self._find_angle(types)
        pair, penalty = self.known[key]
        if pair is None:
            raise self._missing("angle", atoms)
        return _Row(atoms, (pair.k, pair.equilibrium), "-".join(types), pair.source, penalty)

    def _find_angle(self, types: Types) -> tuple[Pair | None, float]:
        exact = self.table.angle(*types)
        if exact:
            return exact, 0.0
        like, penalty = nearest(types, self.table.angles, (1,))
        if penalty > ESTIMATED:
            estimated = self._estimate(types)
            if estimated:
                return estimated, ESTIMATED
        if not like:
            return None, NONE
        found, how = self.table.angles[like], f"taken from {'-'.join(like)}"
        self._note("angle", types, how, penalty)
        return Pair(found.k, found.equilibrium, f"{how}; {found.source}"), penalty

    def _estimate(self, types: Types) -> Pair | None:
        """theta0 the mean of a-b-a and c-b-c, k from the empirical rule."""
        a, b, c = types
        same = [self.table.angle(t, b, t) for t in (a, c)]
        if not all(same):
            return None
        theta = sum(s.equilibrium for s in same if s) / 2
        ab, bc = (self._find_bond((t, b))[0] for t in (a, c))
        if ab is None or bc is None:
            return None
        k = estimate_angle(types, ab.equilibrium, bc.equilibrium, theta)
        how = f"estimated from {a}-{b}-{a} and {c}-{b}-{c} (Wang 2004)"
        if k:
            self._note("angle", types, how, ESTIMATED)
        return Pair(k, theta, how) if k else None

    # -- torsions ------------------------------------------------------------------------------
    def _torsions(
        self, torsions: list[tuple[int, int, int, int]]
    ) -> tuple[Term, dict[tuple[int, int], tuple[float, float]]]:
        rows: list[_Row] = []
        scales: dict[tuple[int, int], tuple[float, float]] = {}
        for atoms in torsions:
            types = self._names(atoms)
            double = self.orders[atoms[1], atoms[2]] == 2
            key = (f"torsion {double}", min(types, types[::-1]))
            if key not in self.known:
                self.known[key] = self._find_torsion(types, double)
            waves, penalty = self.known[key]
            if not waves:
                raise self._missing("torsion", atoms)
            for w in waves:
                values = (w.k, w.n, w.phase)
                rows.append(_Row(atoms, values, "-".join(types), w.source, penalty))
            ends = (min(atoms[0], atoms[3]), max(atoms[0], atoms[3]))
            scales.setdefault(ends, (waves[0].scee, waves[0].scnb))
        return _term("torsion", rows), scales

    def _find_torsion(self, types: Types, double: bool) -> tuple[tuple[Wave, ...], float]:
        like, penalty = self._entry(types, SPLIT, specific=True)
        if not like:
            like, penalty = self._entry(types, frozenset(), specific=False)
        if not like:
            types = _paired(types, double)
            like, penalty = self._entry(types, frozenset(GENERAL), specific=True)
        if not like:
            like, penalty = self._entry(types, frozenset(GENERAL), specific=False)
        if not like:
            like, penalty = nearest(types, self.table.torsions, (1, 2))
        if not like:
            return (), NONE
        waves = self.table.torsions[like]
        if penalty == 0:
            return waves, 0.0
        how = f"taken from {'-'.join(like)}"
        self._note("torsion", types, how, penalty)
        return tuple(
            Wave(w.k, w.n, w.phase, w.scee, w.scnb, f"{how}; {w.source}") for w in waves
        ), penalty

    def _entry(self, types: Types, split: frozenset[str], *, specific: bool) -> tuple[Types, float]:
        """The entry of these types or, for those in `split`, of what they were split from.

        The one with the fewest such steps (c5 -> c3, nv -> nh); specific: without wildcards.
        """
        chains = [chain(t) if t in split and t[0] != "h" else (t,) for t in types]
        ways = sorted(
            (
                sum(SPECIAL * w * c.index(g) for c, g, w in zip(chains, way, WEIGHTS, strict=True)),
                way,
            )
            for way in product(*chains)
        )
        for penalty, way in ways:
            key = way if specific else (WILD, *way[1:3], WILD)
            for found in (key, key[::-1]):
                if found in self.table.torsions:
                    return found, penalty
        return (), NONE

    # -- impropers -----------------------------------------------------------------------------
    def _impropers(self) -> list[_Row]:
        rows = []
        for centre, near in enumerate(self.near):
            if len(near) != 3 or self.types[centre] not in PLANAR:
                continue
            atoms, wave, penalty = self._improper(centre, near)
            names = "-".join(self._names(atoms))
            rows.append(_Row(atoms, (wave.k, wave.n, wave.phase), names, wave.source, penalty))
        return rows

    def _improper(
        self, centre: int, near: list[int]
    ) -> tuple[tuple[int, int, int, int], Wave, float]:
        """Order of the atoms, parameter, penalty.

        Amber orders outer atoms by type, then number, or as an entry without wildcards names them.
        """
        a, b, d = sorted(near, key=lambda i: (self.types[i], i))
        types = (self.types[a], self.types[b], self.types[centre], self.types[d])
        oxo = any(self.types[i] == "o" for i in near)
        best: tuple[float, Types] = (LARGEST_IMPROPER, ())
        order: tuple[int, ...] = (a, b, d)
        for key in self.table.impropers:
            middle = CENTRE * distance(types[2], key[2])
            wild = WILD_IMPROPER * sum(t == WILD for t in key)
            if key[2] == WILD or middle > CENTRE * TWIN:
                continue
            for way in permutations((a, b, d)):
                outer = [
                    0.0 if t == WILD else (around if oxo else distance)(self.types[i], t)
                    for i, t in zip(way, (*key[:2], key[3]), strict=True)
                ]
                if max(outer) > (TWIN if wild else HYBRID):
                    continue
                score = middle + wild + sum(outer)
                if score < best[0] or (score == best[0] and best[1] == key and way < order):
                    best, order = (score, key), way
        score, key = best
        if not key:
            self._note("improper", types, "the default for planar atoms", FLAT_PENALTY)
            return (a, b, centre, d), FLAT, FLAT_PENALTY
        wild = sum(t == WILD for t in key)
        wave, penalty = self.table.impropers[key], score - wild * WILD_IMPROPER
        if penalty > 0:
            how = f"taken from {'-'.join(key)}"
            self._note("improper", types, how, penalty)
            wave = Wave(wave.k, wave.n, wave.phase, source=f"{how}; {wave.source}")
        if wild or penalty > 0:
            return (a, b, centre, d), wave, penalty
        return (order[0], order[1], centre, order[2]), wave, 0.0


def _paired(types: Types, double: bool) -> Types:
    """Types whose two centres differ (cc-cd) over a double bond and agree over a single one.

    Each conjugated system chooses its own names, so across two systems they tell nothing.
    """
    b, c = types[1:3]
    if PAIRED.get(b) == c or b == c or b not in PAIRED or c not in PAIRED:
        return types
    if ((b in TWINS) == (c in TWINS)) == double:
        c = PAIRED[c]
    return (types[0], b, c, types[3])


def _term(kind: str, rows: list[_Row]) -> Term:
    width, names = TERMS[kind]
    values = np.array([r.values for r in rows], dtype=float).reshape(-1, len(names))
    return Term(
        kind,
        np.array([r.atoms for r in rows], dtype=np.int64).reshape(-1, width),
        dict(zip(names, values.T, strict=True)),
        tuple(r.types for r in rows),
        tuple(r.source for r in rows),
        np.array([r.penalty for r in rows]),
    )
