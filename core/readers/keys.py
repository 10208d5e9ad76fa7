"""Which entry of a stranger's file is the energy, which are the forces, which units it names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.readers.raw import Stated

#: In order of preference, compared without case.
ENERGY_KEYS = (
    "energy", "dft_energy", "ref_energy", "qm_energy", "total_energy", "energies", "dft_energies",
    "ref_energies", "potential_energy", "energy_ref", "energy_dft", "e_tot", "etot", "toten",
    "scf_energy", "e_dft", "e", "u0", "free_energy",
)  # fmt: skip
FORCE_KEYS = (
    "forces", "force", "dft_forces", "ref_forces", "qm_forces", "dft_force", "ref_force",
    "forces_ref", "forces_dft", "f",
)  # fmt: skip
GRADIENT_KEYS = ("gradient", "gradients", "grad", "grads", "dft_gradient", "energy_gradient")
NOT_ENERGY = re.compile(
    r"interaction|kinetic|per_atom|unit|correction|zero|thermal|binding|weight|std|sigma|error"
)
NAME_KEYS = ("name", "smiles", "mol", "molecule", "mol_name", "scan")
LEVEL_KEYS = ("level", "level_of_theory", "theory", "method", "functional")
#: The best level first: a file that carries many levels is about its best one.
BEST = (re.compile(r"ccsd"), re.compile(r"reference|target"))


def stem(key: str) -> str:
    """What is left of a key without the word energy or forces: the level it names."""
    word = r"energy|energies|forces?|gradients?|grads?"
    return re.sub(rf"^(?:{word})_?|_?(?:{word})$", "", key.lower())


def _exact(keys: Iterable[str], wanted: Iterable[str]) -> str:
    lower: dict[str, str] = {}
    for key in keys:
        lower.setdefault(key.lower(), key)
    return next((lower[w] for w in wanted if w in lower), "")


def energy_key(keys: Iterable[str]) -> tuple[str, str]:
    """The key of the energy, or "", and a remark for the report ("" = nothing to say)."""
    keys = list(keys)
    exact = _exact(keys, ENERGY_KEYS)
    if exact:
        return exact, ""
    candidates = [
        k
        for k in keys
        if re.search(r"(?:^|_)energ(?:y|ies)(?:_|$)", k.lower())
        and not NOT_ENERGY.search(k.lower())
    ]
    if not candidates:
        return "", ""
    if len(candidates) == 1:
        return candidates[0], f"energies are taken from {candidates[0]!r}"
    for pattern in BEST:
        best = [k for k in candidates if pattern.search(k.lower())]
        if len(best) == 1:
            others = len(candidates) - 1
            return best[0], f"energies are taken from {best[0]!r}; {others} other levels are tags"
    listed = ", ".join(candidates[:6]) + (" …" if len(candidates) > 6 else "")
    return "", f"several energies and none of them named 'energy': {listed}. Name one to take it"


def force_key(keys: Iterable[str], energy: str) -> tuple[str, bool, str]:
    """(key or "", whether it is a gradient, remark). Forces of another level are left out."""
    keys = list(keys)
    exact = _exact(keys, FORCE_KEYS) or _exact(keys, GRADIENT_KEYS)
    if not exact:
        candidates = [
            k for k in keys if re.search(r"(?:^|_)(?:forces?|grad(?:ient)?s?)(?:_|$)", k.lower())
        ]
        same = [k for k in candidates if not energy or stem(k) == stem(energy)]
        if len(same) == 1:
            exact = same[0]
        elif candidates:
            return (
                "",
                False,
                f"{candidates[0]!r} is left out: it is not of the level of the energies "
                f"({energy or 'not decided'}). Name both keys to take it",
            )
    if not exact:
        return "", False, ""
    gradient = "grad" in exact.lower()
    remark = f"{exact!r} is a gradient: forces are minus that" if gradient else ""
    if not remark and exact.lower() not in FORCE_KEYS:
        remark = f"forces are taken from {exact!r}"
    return exact, gradient, remark


_ENERGY_NAMES = {
    "ev": "eV", "electronvolt": "eV", "kcal/mol": "kcal/mol", "kcalmol": "kcal/mol",
    "kcal": "kcal/mol", "kj/mol": "kJ/mol", "kjmol": "kJ/mol", "hartree": "Hartree",
    "ha": "Hartree", "eh": "Hartree", "au": "Hartree", "a.u.": "Hartree", "hartrees": "Hartree",
}  # fmt: skip
_LENGTH_NAMES = {
    "ang": "Å", "angstrom": "Å", "angstroms": "Å", "a": "Å", "å": "Å", "ångström": "Å",
    "bohr": "Bohr", "a0": "Bohr", "au": "Bohr", "a.u.": "Bohr", "nm": "nm",
}  # fmt: skip


def energy_unit(text: str) -> str:
    """Canonical name of an energy unit as people write it, or ""."""
    plain = re.sub(r"\s+|\^|\*|\{|\}", "", text.lower()).replace("mol-1", "/mol")
    return _ENERGY_NAMES.get(plain.replace("//", "/"), "")


def length_unit(text: str) -> str:
    """Canonical name of a length unit as people write it, or ""."""
    return _LENGTH_NAMES.get(re.sub(r"\s+", "", text.lower()), "")


def force_unit(text: str) -> tuple[str, str] | None:
    """(energy, length) of a force unit such as eV/Å, or None."""
    head, slash, tail = text.strip().rpartition("/")
    energy, length = energy_unit(head), length_unit(tail)
    return (energy, length) if slash and energy and length else None


def stated(entries: dict[str, str], *, where: str) -> Stated | None:
    """Units named by entries such as energy_unit, r_unit, e_unit; None when there are none."""
    lower = {k.lower(): str(v) for k, v in entries.items()}

    def find(names: str, read):
        for name in names.split():
            if name in lower and read(lower[name]):
                return read(lower[name])
        return None

    energy = find("energy_unit energy_units e_unit energy units unit", energy_unit)
    length = find("length_unit length_units r_unit length position_unit distance_unit", length_unit)
    force = find("force_unit force_units forces_unit f_unit forces force", force_unit)
    if energy is None and force is not None:
        energy = force[0]
    if energy is None and length is None:
        return None
    return Stated(
        energy=energy or "", length=length or "", force=force, why=f"{where} says so", binding=True
    )
