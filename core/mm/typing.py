"""GAFF and GAFF2 atom types from a structure.

Types and their meaning: Wang, Wolf, Caldwell, Kollman, Case, J. Comput. Chem. 25, 1157 (2004);
the program that defines them in practice is antechamber (Wang et al., J. Mol. Graph. Model. 25, 247
(2006)). What is asked about an atom, and in which order, was learnt from the documentation and the
definitions of its types (ATOMTYPE_GFF.DEF, AmberTools 26) and from its answers; the code is ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from core.bonding import BondingError, label, to_rdkit
from core.elements import SYMBOLS
from core.mm.chemgraph import HALOGENS, Graph
from core.molecule import Molecule

FLAVOURS = ("gaff", "gaff2")
#: type -> its twin across a double bond; which of the two comes first is a naming freedom.
TWINS = {"cc": "cd", "ce": "cf", "cg": "ch", "cp": "cq", "nc": "nd", "ne": "nf"}
TWINS |= {"pc": "pd", "pe": "pf"}
#: Types that must agree on the choice within one conjugated system.
FAMILIES = (
    {"cc", "nc", "pc"},
    {"ce", "ne", "pe"},
    {"cg"},
    {"cp"},
)
#: Atoms that draw electrons from a carbon, counted for the types of its hydrogens.
WITHDRAWING = {7, 8, 9, 16, 17, 34, 35, 53}


class TypingError(ValueError):
    """An atom for which the force field has no type; the message names it."""


def atom_types(molecule: Molecule, *, flavour: str = "gaff") -> tuple[str, ...]:
    """GAFF 1.81 ("gaff") or GAFF2 ("gaff2") type of every atom, in atom order.

    Bonds are perceived from the geometry where the molecule has none. Raises TypingError for an
    atom without a type (metals, boron, silicon, radicals …), naming it, or where bond orders
    cannot be determined.
    """
    if flavour not in FLAVOURS:
        raise TypingError(f"there are types for {' and '.join(FLAVOURS)}, not for {flavour!r}")
    name = molecule.name or molecule.formula
    for i, z in enumerate(molecule.numbers):
        if int(z) not in RULES:
            raise TypingError(
                f"{name}: GAFF has no type for {label(molecule, i)} ({SYMBOLS[z]}); it covers H, "
                "C, N, O, F, P, S, Cl, Br and I"
            )
    if molecule.multiplicity != 1:
        raise TypingError(
            f"{name} has multiplicity {molecule.multiplicity}{_unpaired(molecule)}: GAFF has no "
            "types for radicals and other open shells; correct the multiplicity or choose another "
            "force field"
        )
    try:
        graph = Graph(molecule)
    except BondingError as error:
        raise TypingError(str(error)) from None
    types = []
    for i, z in enumerate(graph.z):
        found = "" if graph.radicals[i] else RULES[z](graph, i, flavour == "gaff2")
        if not found:
            kind = "an unpaired electron" if graph.radicals[i] else f"{graph.degree(i)} neighbours"
            raise TypingError(
                f"{name}: GAFF has no type for {label(molecule, i)} with {kind}; check its bonds "
                "and the charge of the molecule"
            )
        types.append(found)
    return tuple(_alternate(graph, types))


def _unpaired(molecule: Molecule) -> str:
    """Where the unpaired electrons are, in brackets; "" where the bonds do not tell."""
    try:
        atoms = to_rdkit(molecule).GetAtoms()
    except BondingError:
        return ""
    names = [label(molecule, a.GetIdx()) for a in atoms if a.GetNumRadicalElectrons()]
    return f" (unpaired electron at {', '.join(names)})" if names else ""


# -- environments --------------------------------------------------------------------------------


def _conjugated(g: Graph, i: int, *, ring: bool = False, one: bool = False) -> bool:
    """Whether a single bond leads from i to another unsaturated atom.

    ring: bonds of pure aromatic rings count too; one: also to O or S without other neighbours.
    """
    for j in g.near[i]:
        if g.order[i, j] != 1 or not (ring or g.plain(i, j)):
            continue
        if g.is_(j, 6, 3) or g.is_(j, {7, 15}, 2):
            return True
        if g.is_(j, {15, 16}) and g.degree(j) in (3, 4) and g.multiple(j) and not _anion(g, j):
            return True
        if one and g.is_(j, {8, 16}, 1):
            return True
    return False


def _anion(g: Graph, i: int) -> bool:
    """Whether a neighbour of i is negative: its double bonds are then delocalised."""
    return any(g.charge[j] < 0 for j in g.near[i])


def _next_to_sp(g: Graph, i: int) -> bool:
    """Whether a single bond leads to a carbon with two neighbours."""
    return any(g.order[i, j] == 1 and g.plain(i, j) and g.is_(j, 6, 2) for j in g.near[i])


def _hydrogen(g: Graph, i: int, _new: bool) -> str:
    if g.degree(i) != 1:
        return ""
    (j,) = g.near[i]
    z = g.z[j]
    if z in (7, 8, 15, 16):
        return {7: "hn", 8: "ho", 15: "hp", 16: "hs"}[z]
    if z != 6:
        return "ha"
    if any(g.is_(k, 7, 4) for k in g.near[j]):
        return "hx"
    pull = sum(g.z[k] in WITHDRAWING for k in g.near[j])
    if g.degree(j) == 4:
        return ("hc", "h1", "h2", "h3")[min(pull, 3)]
    if g.degree(j) == 3:
        return ("ha", "h4", "h5")[min(pull, 2)]
    return "ha"


def _carbon(g: Graph, i: int, new: bool) -> str:
    n = g.degree(i)
    if n == 4:
        rings = {3: "cx", 4: "cy"} | ({5: "c5", 6: "c6"} if new else {})
        return next((t for size, t in rings.items() if size in g.sizes[i]), "c3")
    if n == 3:
        return _carbon_sp2(g, i, new)
    if n == 2:
        if 3 in g.orders(i) and (
            _conjugated(g, i)
            or _next_to_sp(g, i)
            or any(g.is_(j, 7, 1) and g.order[i, j] == 1 for j in g.near[i])
        ):
            return "cg"
        return "c1"
    return "c1" if n == 1 else ""


def _carbon_sp2(g: Graph, i: int, new: bool) -> str:
    ends = [j for j in g.near[i] if g.is_(j, {8, 16}, 1)]
    double = g.multiple(i)
    if any(g.order[i, j] == 2 for j in ends):
        return "cs" if new and any(g.z[j] == 16 for j in ends) else "c"
    if all(g.is_(j, 7, 3) for j in g.near[i]):
        return "cz"
    if g.aromatic(i, 1):
        one_six = g.sizes[i].count(6) == 1
        joins = all(g.z[j] in (6, 7, 8, 15, 16) and g.aromatic(j, 1) for j in g.near[i])
        return "cp" if one_six and joins else "ca"
    if double and g.aromatic(i, 2, 3):
        return "cc"
    if double and (_conjugated(g, i) or _next_to_sp(g, i)):
        return "ce"
    if 3 in g.sizes[i]:
        return "cu"
    return "cv" if 4 in g.sizes[i] else "c2"


def _nitrogen(g: Graph, i: int, new: bool) -> str:
    n, sizes = g.degree(i), g.sizes[i]
    if n == 4:
        if 3 in sizes or 4 in sizes:
            return "nk" if 3 in sizes else "nl"
        return ("n4", "nx", "ny", "nz", "n+")[g.hydrogens(i)] if new else "n4"
    if n == 3:
        return _nitrogen_three(g, i, new)
    if n == 2:
        return _nitrogen_two(g, i, new)
    return "n1" if n == 1 else ""


def _nitrogen_three(g: Graph, i: int, new: bool) -> str:
    hs = g.hydrogens(i)
    small = 3 if 3 in g.sizes[i] else 4 if 4 in g.sizes[i] else 0
    amide = any(g.is_(j, 6, 3) and any(g.is_(k, {8, 16}, 1) for k in g.near[j]) for j in g.near[i])
    if amide:
        if new and hs in (1, 2):
            return ("", "ns", "nt")[hs]
        return {3: "ni", 4: "nj", 0: "n"}[small]
    if sum(g.is_(j, 8, 1) for j in g.near[i]) >= 2:
        return "no"
    if g.aromatic(i, 1, 2, 3):
        return "na"
    flat = any(
        g.aromatic(j, 1, 2, 3)
        or (
            (g.is_(j, 6, 3) or g.is_(j, {7, 15}, 2))
            and any(g.order[j, k] == 2 and g.plain(j, k) for k in g.near[j])
        )
        for j in g.near[i]
    )
    if flat:
        if new and hs in (1, 2):
            return ("", "nu", "nv")[hs]
        return {3: "nm", 4: "nn", 0: "nh"}[small]
    if not new:
        return {3: "np", 4: "nq", 0: "n3"}[small]
    if small and hs < 2:
        return {(3, 0): "np", (4, 0): "nq", (3, 1): "n5", (4, 1): "n6"}[small, hs]
    return ("n3", "n7", "n8", "n9")[hs]


def _nitrogen_two(g: Graph, i: int, new: bool) -> str:
    orders = g.orders(i)
    if g.aromatic(i, 1):
        return "nb"
    if g.aromatic(i, 2, 3) and (sorted(orders) == [1, 2] or g.charge[i] == -1):
        return "nc"  # an anion shares its pair with the ring
    if sorted(orders) == [1, 2]:
        azide = any(g.is_(j, 7, 2) and any(g.is_(k, 7, 1) for k in g.near[j]) for j in g.near[i])
        if not azide and (_conjugated(g, i, one=True) or _next_to_sp(g, i)):
            return "ne"
    if orders == [2, 2] or 3 in orders:
        return "n1"
    return "n2"


def _oxygen(g: Graph, i: int, _new: bool) -> str:
    n = g.degree(i)
    if n == 1:
        return "o"
    if n not in (2, 3):
        return ""
    if g.hydrogens(i):
        return "oh"
    if n == 2 and 3 in g.sizes[i]:
        return "op"
    return "oq" if n == 2 and 4 in g.sizes[i] else "os"


def _phosphorus(g: Graph, i: int, _new: bool) -> str:
    n = g.degree(i)
    if n == 1:
        return "p2"
    if n == 2:
        if g.aromatic(i, 1):
            return "pb"
        if sorted(g.orders(i)) == [1, 2]:
            if g.aromatic(i, 2, 3):
                return "pc"
            if _conjugated(g, i, one=True) or _next_to_sp(g, i):
                return "pe"
        return "p2"
    if n == 3:
        if not g.multiple(i):
            return "p3"
        if _conjugated(g, i, ring=True):
            return "px"
        return "p4" if any(g.is_(j, {8, 16}, 1) for j in g.near[i]) else "p3"
    if n == 4 and g.multiple(i) and not _anion(g, i) and _conjugated(g, i, ring=True):
        return "py"
    return "p5" if n in (4, 5, 6) else ""


def _sulfur(g: Graph, i: int, _new: bool) -> str:
    n = g.degree(i)
    if n == 1:
        return "s"
    if n == 2:
        if set(g.orders(i)) & {2, 3}:
            return "s2"
        if g.hydrogens(i):
            return "sh"
        return "sp" if 3 in g.sizes[i] else "sq" if 4 in g.sizes[i] else "ss"
    if n in (3, 4) and g.multiple(i) and not _anion(g, i) and _conjugated(g, i, ring=True):
        return "sx" if n == 3 else "sy"
    return "s4" if n == 3 else "s6" if n in (4, 5, 6) else ""


def _halogen(g: Graph, i: int, _new: bool) -> str:
    return {9: "f", 17: "cl", 35: "br", 53: "i"}[g.z[i]] if g.degree(i) == 1 else ""


RULES: dict[int, Callable[[Graph, int, bool], str]] = {
    1: _hydrogen,
    6: _carbon,
    7: _nitrogen,
    8: _oxygen,
    15: _phosphorus,
    16: _sulfur,
    **{z: _halogen for z in HALOGENS},
}


# -- cc or cd ------------------------------------------------------------------------------------


def _alternate(g: Graph, types: list[str]) -> list[str]:
    """Give every second atom of a conjugated system its twin type.

    Atoms joined by a double bond differ, by a single bond agree (cc=cd-cd=cc); the first atom of
    each system keeps the first name.
    """
    out = list(types)
    for family in FAMILIES:
        seen: set[int] = set()
        for start, kind in enumerate(types):
            if kind not in family or start in seen:
                continue
            seen.add(start)
            queue, flipped = deque([start]), {start: False}
            while queue:
                i = queue.popleft()
                for j in g.near[i]:
                    if types[j] not in family or j in flipped:
                        continue
                    flipped[j] = flipped[i] != _differs(g, i, j, kind)
                    queue.append(j)
            seen |= set(flipped)
            for i, flip in flipped.items():
                if flip:
                    out[i] = TWINS[types[i]]
    return out


def _differs(g: Graph, i: int, j: int, kind: str) -> bool:
    if kind == "cp":
        return not g.plain(i, j)
    if kind == "cg":
        return g.order[i, j] == 3
    return g.order[i, j] == 2
