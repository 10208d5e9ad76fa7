"""How much one GAFF type is like another, for parameters that a table does not have.

An own scale: 0 the same type, 1 a special case for its general type (nv for nh), 2 the twin of a
conjugated pair (cd for cc), 2 to 8 the same element in the same hybridisation, 15 the same
element, 20 another halogen or another chalcogen. Beyond that there is no analogy. The scale was
tuned so that choices agree with parmchk2's on some 300 molecules. Estimated angles follow the rule
of Wang et al., J. Comput. Chem. 25, 1157 (2004), as parmchk2 evaluates it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

from core.mm.tables import WILD, Types
from core.mm.typing import TWINS
from core.units import KCAL_MOL

NONE = 1e6  #: no analogy
SPECIAL, TWIN, HYBRID, ELEMENT, COLUMN = 1.0, 2.0, 6.0, 15.0, 20.0
WILDCARD = 0.0  #: an atom that a general entry does not ask for
CENTRE = 3.0  #: weight of the atoms that an angle or torsion turns about
OWN = 5.0  #: for a torsion entry without wildcards
LARGEST = 120.0  #: a total beyond this is no analogy
ESTIMATED = 60.0  #: penalty of an angle from the empirical rule

#: special type -> the general type it was split from
GENERAL = {
    "c5": "c3", "c6": "c3", "cx": "c3", "cy": "c3", "cu": "c2", "cv": "c2", "cs": "c",
    "ns": "n", "nt": "n", "ni": "n", "nj": "n", "nu": "nh", "nv": "nh", "nm": "nh", "nn": "nh",
    "n7": "n3", "n8": "n3", "n9": "n3", "np": "n3", "nq": "n3", "n5": "n7", "n6": "n7",
    "nx": "n4", "ny": "n4", "nz": "n4", "n+": "n4", "nk": "n4", "nl": "n4",
    "op": "os", "oq": "os", "ow": "oh", "sp": "ss", "sq": "ss", "hw": "ho",
    "h4": "ha", "h5": "ha", "h1": "hc", "h2": "h1", "h3": "h2", "hx": "h1",
    "ne": "n2", "nf": "n2", "pe": "p2", "pf": "p2",
    "cg": "c1", "ch": "c1", "cp": "ca", "cq": "ca", "px": "p4", "py": "p5", "sx": "s4", "sy": "s6",
}  # fmt: skip
#: Those that GAFF2 split off by ring size or hydrogens: entries for the general type fit as well
#: as its own and come before wildcards.
SPLIT = frozenset(["c5", "c6", "ns", "nt", "nu", "nv", "n7", "n8", "n9", "nx", "ny", "nz", "n+"])
#: element and hybridisation of the general types
KINDS = {
    "C3": ["c3"], "C2": ["c", "c2", "ca", "cc", "cd", "ce", "cf", "cz"], "C1": ["c1"],
    "N3": ["n3", "n4"], "N2": ["n", "na", "nh", "no"], "N=": ["n2", "nb", "nc", "nd"], "N1": ["n1"],
    "O1": ["o"], "O2": ["oh", "os"], "S1": ["s"], "S2": ["sh", "ss"], "S=": ["s2"],
    "S4": ["s4", "s6"], "P2": ["p2", "pb", "pc", "pd"], "P3": ["p3"], "P4": ["p4", "p5"],
    "HC": ["hc", "ha"], "HX": ["hn", "ho", "hp", "hs"], "F": ["f"], "L": ["cl"], "R": ["br"],
    "I": ["i"],
}  # fmt: skip
#: (wanted, offered) sp2 carbons: conjugated ones are more like an alkene than like benzene
SP2 = {("c2", "cc"): 3.0, ("cc", "c2"): 3.0, ("cc", "ce"): 2.4, ("ce", "cc"): 2.6,
       ("c2", "ce"): 4.0, ("ce", "c2"): 4.0, ("nb", "nc"): 5.0}  # fmt: skip
CARBONYL = 8.0  #: c for another sp2 carbon and back
KIND = {name: kind for kind, names in KINDS.items() for name in names}
PAIRED = {**TWINS, **{b: a for a, b in TWINS.items()}}
#: Atoms with three neighbours that stay in one plane; they get an improper torsion. The same types
#: as AmberTools' PARMCHK.DAT marks.
PLANAR = frozenset(
    [
        "c",
        "c2",
        "ca",
        "cc",
        "cd",
        "ce",
        "cf",
        "cp",
        "cq",
        "cs",
        "cu",
        "cv",
        "cz",
        "n",
        "na",
        "nh",
        "no",
        "ns",
        "nt",
        "nu",
        "nv",
        "ni",
        "nj",
        "nm",
        "nn",
        "n5",
        "n6",
        "np",
        "nq",
    ]
)
#: Z of the outer and C of the central atom by element. Those of H, C, N, O, P and S reproduce what
#: parmchk2 (AmberTools 26) estimates; those of the halogens were not checked.
Z = {"h": 0.784, "c": 1.183, "n": 1.212, "o": 1.219, "f": 1.166, "l": 1.272, "r": 1.378,
     "i": 1.398, "p": 1.620, "s": 1.280}  # fmt: skip
C = {"c": 1.339, "n": 1.300, "o": 1.249, "p": 0.906, "s": 1.448}


def element(name: str) -> str:
    """One letter for the element of a type: l chlorine, r bromine, else its first letter."""
    return {"cl": "l", "br": "r"}.get(name, name[0])


CHALCOGEN = 1.0


def around(wanted: str, offered: str) -> float:
    """Like `distance`, for the outer atoms of an improper: there -O- and -S- count as one."""
    two = KIND.get(chain(wanted)[-1]) in ("O2", "S2")
    if two and wanted != offered and offered != "s" and element(offered) in "os":
        return CHALCOGEN
    return distance(wanted, offered)


@cache
def chain(name: str) -> Types:
    """The type, then the more and more general types it was split from."""
    return (name, *chain(GENERAL[name])) if name in GENERAL else (name,)


@cache
def distance(wanted: str, offered: str) -> float:
    """How bad it is to use a parameter of the type `offered` for `wanted` (NONE = not at all)."""
    if offered == WILD:
        return WILDCARD
    if wanted == offered:
        return 0.0
    if PAIRED.get(wanted) == offered:
        return TWIN
    mine, other = chain(wanted), chain(offered)
    if offered in mine:
        return SPECIAL * mine.index(offered)
    a, b = KIND.get(mine[-1], "?"), KIND.get(other[-1], "??")
    steps = SPECIAL * (len(mine) + len(other) - 2)
    if a == b:
        return (2 * SPECIAL if mine[-1] == other[-1] else _hybrid(mine[-1], other[-1])) + steps
    if element(wanted) == element(offered):
        return ELEMENT + steps
    columns = ({"f", "l", "r", "i"}, {"o", "s"}, {"n", "p"})
    if any(element(wanted) in c and element(offered) in c for c in columns) and a[1:] == b[1:]:
        return COLUMN + steps
    return NONE


def _hybrid(wanted: str, offered: str) -> float:
    first = {b: a for a, b in TWINS.items()}
    if "c" in (wanted, offered):
        return CARBONYL
    crossed = wanted in PAIRED and offered in PAIRED and (wanted in first) != (offered in first)
    pair = (first.get(wanted, wanted), first.get(offered, offered))
    return SP2.get(pair, HYBRID) + (TWIN if crossed else 0.0)


def nearest(
    wanted: Types, offered: Iterable[Types], centres: tuple[int, ...]
) -> tuple[Types, float]:
    """The entry most like the wanted types, in either direction, and its penalty.

    centres: places whose atom weighs CENTRE times as much; an entry that names its outer atoms
    counts OWN more where these differ, as it was made for them. ((), NONE) where nothing is alike.
    """
    weight = [CENTRE if i in centres else 1.0 for i in range(len(wanted))]
    best: tuple[Types, float] = ((), NONE)
    for key in offered:
        for way in (key, key[::-1]):
            total = OWN if centres and way[0] != WILD and len(way) == 4 else 0.0
            for mine, other, w in zip(wanted, way, weight, strict=True):
                total += w * distance(mine, other)
                if total >= best[1]:
                    break
            else:
                best = (key, total)
    return best if best[1] <= LARGEST else ((), NONE)


def estimate_angle(types: Types, ab: float, bc: float, theta: float) -> float:
    """Force constant (eV/rad²) of an angle: 143.9 Z_a C_b Z_c exp(-2D) / ((r_ab+r_bc) sqrt(theta)).

    D = (r_ab - r_bc)² / (r_ab + r_bc)²; ab, bc Å; theta rad. 0 where an element has no constants.
    """
    a, b, c = (element(t) for t in types)
    if a not in Z or b not in C or c not in Z:
        return 0.0
    d = ((ab - bc) / (ab + bc)) ** 2
    return 143.9 * KCAL_MOL * Z[a] * C[b] * Z[c] * math.exp(-2 * d) / ((ab + bc) * math.sqrt(theta))
