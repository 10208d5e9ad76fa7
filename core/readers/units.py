"""Decide the units of a file: what a person says, what the numbers show, what the file claims."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.readers import evidence
from core.readers.errors import ReaderError, shown
from core.readers.raw import Raw
from core.units import BOHR, HARTREE, KCAL_MOL, KJ_MOL

ENERGY = {"eV": 1.0, "kcal/mol": KCAL_MOL, "kJ/mol": KJ_MOL, "Hartree": HARTREE}  # eV
LENGTH = {"Å": 1.0, "Bohr": BOHR, "nm": 10.0}  # Å
#: Force units people use: (energy, length).
FORCE = (
    ("eV", "Å"),
    ("kcal/mol", "Å"),
    ("kJ/mol", "Å"),
    ("Hartree", "Bohr"),
    ("Hartree", "Å"),
    ("eV", "Bohr"),
    ("kJ/mol", "nm"),
)
_ALIASES = {"A": "Å", "Angstrom": "Å", "angstrom": "Å", "bohr": "Bohr", "hartree": "Hartree"}


@dataclass(frozen=True)
class Units:
    """energy, length: names ("" = no labels); force: (energy, length).

    unsure, choices, problems: as in importing.Report.
    """

    energy: str
    length: str
    force: tuple[str, str]
    reason: str
    unsure: str = ""
    choices: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """For example "kcal/mol, kcal/mol/Å, Å"; the length alone without labels."""
        if not self.energy:
            return self.length
        return f"{self.energy}, {self.force[0]}/{self.force[1]}, {self.length}"

    @property
    def energy_ev(self) -> float:
        """eV per energy unit."""
        return ENERGY[self.energy or "eV"]

    @property
    def length_a(self) -> float:
        """Å per length unit."""
        return LENGTH[self.length]

    @property
    def force_ev(self) -> float:
        """eV/Å per force unit."""
        return force_factor(self.force)


def force_factor(unit: tuple[str, str]) -> float:
    """eV/Å per force unit."""
    return ENERGY[unit[0]] / LENGTH[unit[1]]


def decide(raw: Raw, *, energy: str = "", length: str = "") -> Units:
    """Units of a file. energy, length: what the person chose ("" = find out).

    Raises ReaderError for a chosen unit that does not exist.
    """
    energy, length = (_ALIASES.get(u, u) for u in (energy, length))
    for chosen, table in ((energy, ENERGY), (length, LENGTH)):
        if chosen and chosen not in table:
            raise ReaderError("units", f"{shown(chosen)!r} is none of {', '.join(table)}")
    found = _length(raw, length)
    scale = LENGTH[found[0]]
    labelled = [b for b in raw.blocks if b.energies is not None]
    forced = [b for b in raw.blocks if b.forces is not None]
    if not labelled and not forced and not raw.isolated:
        unsure = found[2]
        return Units(
            "", found[0], ("eV", "Å"), found[1], unsure, tuple(LENGTH) if unsure else (),
        )  # fmt: skip
    absolute = _absolute(raw)
    constants = [s for b in forced if (s := evidence.stretch(b, length=scale)) is not None]
    spring = abs(float(np.median([s.constant for s in constants]))) if constants else 0.0
    near = evidence.work([b for b in labelled if b.forces is not None])
    slope = abs(near.slope) if near and abs(near.correlation) > 0.7 and near.slope else 0.0
    name, reason, unsure, problems = _energy(raw, energy, absolute, spring, slope, scale)
    force, why = _force(raw, name, found[0], spring, slope, scale)
    if found[2] and not unsure:
        unsure, choices = found[2], tuple(LENGTH)
    else:
        choices = _ordered(name) if unsure else ()
    why = f"; forces {force[0]}/{force[1]}: {why}" if forced else ""
    return Units(
        energy=name,
        length=found[0],
        force=force,
        reason=f"{reason}{why}; {found[1]}",
        unsure=unsure,
        choices=choices,
        problems=problems,
    )


def _ordered(first: str) -> tuple[str, ...]:
    return (first, *(u for u in ENERGY if u != first))


def _length(raw: Raw, chosen: str) -> tuple[str, str, str]:
    """(unit, reason, unsure) from the shortest distances."""
    ratios = [r for b in raw.blocks[:50] if np.isfinite(r := evidence.nearest(b))]
    shown_unit = ""
    if ratios:
        ratio = float(np.median(ratios))
        shown_unit = next((u for u, a in LENGTH.items() if 0.75 < ratio * a < 1.35), "")
    if chosen:
        return chosen, f"{chosen} chosen by hand", ""
    claimed = raw.stated.length
    if shown_unit and (not claimed or claimed == shown_unit or not raw.stated.binding):
        return shown_unit, f"{shown_unit} by the bond lengths", ""
    if raw.stated.trusted:
        return claimed, f"{claimed}: {raw.stated.why}", ""
    if shown_unit:
        return (
            claimed,
            f"{claimed}: {raw.stated.why}",
            f"lengths: {raw.stated.why}: {claimed}, but the bond lengths are those of {shown_unit}",
        )
    if not ratios or (claimed and raw.stated.binding):
        return claimed or "Å", f"{claimed or 'Å'} {raw.stated.why or 'assumed'}", ""
    return (
        "Å",
        "Å assumed",
        f"lengths: the shortest distances are {ratio:.2f} times those of bonds, no known unit",
    )


def _absolute(raw: Raw) -> tuple[str, str]:
    """(unit, why) from absolute energies; ("", "") when they are not total energies."""
    for table, what, most in (
        (evidence.ATOM_TOTAL, "total energies of all electrons", 1.25),
        (evidence.ATOM_GFN2, "total energies as GFN2-xTB counts them", 1.35),
    ):
        ratios = [r for b in raw.blocks if np.isfinite(r := evidence.atom_ratio(b, table))]
        if not ratios:
            continue
        fits = [
            unit
            for unit, ev in ENERGY.items()
            if all(0.95 < r * ev / HARTREE < most for r in ratios)
        ]
        if len(fits) == 1:
            times = float(np.median(ratios)) * ENERGY[fits[0]] / HARTREE
            return fits[0], f"{what} ({times:.3f} x the sum of the free atoms)"
    return "", ""


def _spring_units(spring: float) -> list[tuple[str, str]]:
    """Force units in which the X-H force constants come out right within 0.7..1.4."""
    return [u for u in FORCE if 0.7 < spring * force_factor(u) < 1.4] if spring else []


def _energy(
    raw: Raw, chosen: str, absolute: tuple[str, str], spring: float, slope: float, scale: float
) -> tuple[str, str, str, tuple[str, ...]]:
    """(unit, reason, unsure, problems)."""
    stated = raw.stated
    springs = _spring_units(spring)
    by_force = ""
    if springs and not absolute[0]:
        wanted = springs[0]
        match = (
            [u for u, ev in ENERGY.items() if _agree(slope * ev / scale, wanted)] if slope else []
        )
        by_force = match[0] if len(match) == 1 else ("" if slope else wanted[0])
    shown_unit = absolute[0] or by_force
    why = absolute[1] or (
        "the force constants of the X-H bonds, and energies and forces agree" if slope
        else "the force constants of the X-H bonds"
    )  # fmt: skip
    if chosen:
        problem: tuple[str, ...] = ()
        if shown_unit and shown_unit != chosen:
            problem = (f"{chosen} was chosen, but by {why} the energies are in {shown_unit}",)
        return chosen, f"energies {chosen}: chosen by hand", "", problem
    if shown_unit:
        if stated.energy and stated.energy != shown_unit:
            if stated.trusted:
                return stated.energy, f"energies {stated.energy}: {stated.why}", "", ()
            if stated.binding:
                unsure = f"{stated.why}: {stated.energy}, but by {why} they are in {shown_unit}"
                return shown_unit, f"energies {shown_unit}: {why}", unsure, ()
            why += f" (although {stated.why})"
        return shown_unit, f"energies {shown_unit}: {why}", "", ()
    if stated.energy and stated.binding:
        return stated.energy, f"energies {stated.energy}: {stated.why}", "", ()
    guess = stated.energy or _spread(raw)
    claim = f"{stated.why}, but nothing" if stated.energy else "nothing"
    unsure = f"the unit of the energies: {claim} in the numbers confirms one"
    return guess, f"energies {guess}: a guess", unsure, ()


def _agree(slope_ev: float, force: tuple[str, str]) -> bool:
    """Do dE (slope in eV per file force and Å) and this force unit describe one surface?"""
    return 0.73 < slope_ev / force_factor(force) < 1.37


def _spread(raw: Raw) -> str:
    """The unit in which the spread per degree of freedom is nearest to 0.03 eV (350 K)."""
    spreads = [
        float(np.nanstd(b.energies)) / np.sqrt(3 * len(b.numbers))
        for b in raw.blocks
        if b.energies is not None and np.isfinite(b.energies).sum() > 1
    ]
    spread = float(np.median(spreads)) if spreads else 0.0
    if spread <= 0:
        return "eV"
    return min(ENERGY, key=lambda u: abs(np.log(spread * ENERGY[u] / 0.03)))


def _force(
    raw: Raw, energy: str, length: str, spring: float, slope: float, scale: float
) -> tuple[tuple[str, str], str]:
    """(unit, reason)."""
    springs = _spring_units(spring)
    # dE/work is in file energies over (file force x file length).
    by_work = [u for u in FORCE if _agree(slope * ENERGY[energy] / scale, u)] if slope else []
    both = [u for u in by_work if u in springs]
    usual = (energy, "Bohr" if energy == "Hartree" else length)
    for options, why in (
        (both, "X-H force constants, and agreement with the energies"),
        (by_work if not springs else [], "agreement with the energies"),
        (springs, "X-H force constants"),
    ):
        if options:
            same = [u for u in options if u in (raw.stated.force, usual, (energy, length))]
            return (same or options)[0], why
    if raw.stated.force:
        return raw.stated.force, raw.stated.why
    return usual, "assumed, too few near frames to check"
