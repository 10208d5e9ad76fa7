"""Which rows of a topology share a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from core.mm.topology import Term, Topology

SAME = 6  #: decimals to which start values must agree to be tied


def rows_alike(
    kind: str, term: Term, names: Sequence[str], extra: np.ndarray | None = None
) -> dict[tuple, list[int]]:
    """(names of the atoms, start values …) -> rows; the same from either end.

    names (N,) of the atoms; extra (T,): one more start value.
    """
    table = np.column_stack([*term.parameters.values(), *([] if extra is None else [extra])])
    out: dict[tuple, list[int]] = {}
    for row, atoms in enumerate(term.atoms):
        key = one_way(kind, tuple(names[a] for a in atoms))
        out.setdefault((key, *np.round(table[row], SAME)), []).append(row)
    return out


def one_way(kind: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The reading direction that comes first; an improper has only one."""
    return names if kind == "improper" else min(names, names[::-1])


def series_alike(
    kind: str, term: Term, names: Sequence[str]
) -> dict[tuple, list[tuple[tuple[int, ...], list[int]]]]:
    """(names, start values …) -> quartets of atoms, each with its rows (one per periodicity)."""
    same: dict[tuple[int, ...], list[int]] = {}
    for row, atoms in enumerate(term.atoms.tolist()):
        turn = kind == "torsion" and atoms[1] > atoms[2]
        same.setdefault(tuple(atoms[::-1] if turn else atoms), []).append(row)
    k, n, phase = (term.parameters[p] for p in ("k", "n", "phase"))
    out: dict[tuple, list[tuple[tuple[int, ...], list[int]]]] = {}
    for quartet, rows in same.items():
        key = one_way(kind, tuple(names[a] for a in quartet))
        values = sorted((n[r], *np.round((k[r], phase[r]), SAME)) for r in rows)
        out.setdefault((key, *values), []).append((quartet, rows))
    return out


def pairs_alike(
    topology: Topology, classes: Sequence[int], scale14: np.ndarray
) -> Iterator[tuple[int, int, torch.Tensor, torch.Tensor]]:
    """(class a, class b, atoms (R,2), strength (R,)) for every two classes that are paired.

    scale14 (Q,): what 1-4 pairs are divided by.
    """
    atoms = np.concatenate([topology.pairs, topology.pairs14])
    strength = np.concatenate([np.ones(len(topology.pairs)), 1.0 / scale14])
    found: dict[tuple[int, int], list[int]] = {}
    for row, (i, j) in enumerate(atoms.tolist()):
        a, b = sorted((classes[i], classes[j]))
        found.setdefault((a, b), []).append(row)
    for (a, b), rows in found.items():
        yield a, b, torch.tensor(atoms[rows]), torch.tensor(strength[rows])


def atom_classes(numbers: np.ndarray, topology: Topology) -> list[int]:
    """(N,) atoms that the bonded graph does not tell apart have one class."""
    near: list[list[int]] = [[] for _ in numbers]
    for i, j in topology.bond.atoms.tolist():
        near[i].append(j)
        near[j].append(i)
    colours: list = [(int(z), t) for z, t in zip(numbers, topology.types, strict=True)]
    for _ in range(len(numbers)):  # each round sees one bond further
        names = {c: i for i, c in enumerate(sorted(set(colours)))}
        plain = [names[c] for c in colours]
        finer = [(plain[i], tuple(sorted(plain[j] for j in near[i]))) for i in range(len(numbers))]
        if len(set(finer)) == len(names):
            break
        colours = finer
    names = {c: i for i, c in enumerate(dict.fromkeys(colours))}
    return [names[c] for c in colours]
