"""The Fourier series of torsions and impropers: what of them a refit may change.

A row k (1 + cos(n phi - phase)) is a cos(n phi) + b sin(n phi) with a = k cos(phase) and
b = k sin(phase), in which the energy is linear. A row whose k or phase is bounded keeps its phase,
and k alone is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.fitting.mm.design import Block, fourier
from core.fitting.mm.flags import ANY
from core.fitting.mm.options import RefitError
from core.fitting.mm.tie import SAME, series_alike

if TYPE_CHECKING:
    from core.fitting.mm.model import Entry, Model
    from core.mm.topology import Term

STRAIGHT = 2.9  #: rad, an angle about which a torsion is not fitted


@dataclass(frozen=True)
class Wave:
    """One order of a series: the places of a and of b (-1: there is none) among the values.

    phase: rad, where it is kept; `cosine` is then the place of k.
    """

    n: int
    cosine: int
    sine: int = -1
    phase: float | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """The waves that replace the rows `rows` of the quartets that are alike."""

    kind: str
    rows: np.ndarray
    waves: tuple[Wave, ...]


@dataclass(frozen=True)
class _Order:
    """What is asked of one order of one quartet; equal ones share their parameters."""

    n: int
    own: tuple[int, ...]  # the quartet, where it is not tied
    frozen: tuple[tuple[int, float], ...]  # n and k of the quartet's rows that stay


def add_fourier(model: Model, kind: str) -> None:
    """Parameters, blocks and series of the torsions or impropers that may change."""
    term, taken = getattr(model.start, kind), set[str]()
    n = term.parameters["n"]
    blocks: list[Block] = []
    entries: list[Entry] = []
    starts: list[float] = []
    for (names, *values), members in series_alike(kind, term, model.types).items():
        if kind == "torsion":
            if any(_straight(model, q) for q, _ in members):
                continue  # no dihedral there: what they say must not be fitted
            members = [m for m in members if _wanted(model, m[0])]
        more = range(1, model.options.orders + 1) if kind == "torsion" else ()
        every = sorted({int(v[0]) for v in values} - {0} | set(more))
        # a free sine would tell a molecule from its mirror image: only where there is one
        sines = kind == "torsion" and model.options.sines
        sines = sines or any(abs(v[1] * np.sin(v[2])) > 1e-6 and v[0] > 0 for v in values)
        classes: dict[tuple[_Order, ...], list[tuple[tuple[int, ...], list[int]]]] = {}
        rows: dict[_Order, list[list[int]]] = {}  # of each quartet, those of this order
        for quartet, all_rows in members:
            asked = _orders(model, kind, term, quartet, all_rows, every)
            model.held += not asked
            if asked:
                free = [r for r in all_rows if not model.rules.frozen(kind, r)]
                classes.setdefault(asked, []).append((quartet, free))
                for order in asked:
                    rows.setdefault(order, []).append([r for r in free if int(n[r]) == order.n])
        places: dict[_Order, Wave] = {}
        labels: dict[tuple, str] = {}
        for order, found in rows.items():
            key = order.own, order.frozen
            if key not in labels:
                own = f" ({'-'.join(str(a + 1) for a in order.own)})" if order.own else ""
                labels[key] = model.label(kind, names, taken, own)
            places[order] = _add(model, kind, term, found, order, labels[key], sines)
        for asked, alike in classes.items():
            waves = tuple(places[order] for order in asked)
            _block(model, waves, len(starts), sines, entries, starts)
            replaced = np.array([r for _, free in alike for r in free], dtype=np.int64)
            model.fourier.append(Series(kind, replaced, waves))
            quartets = torch.tensor(np.array([atoms for atoms, _ in alike]))
            orders = tuple(w.n for w in waves)
            blocks.append(Block(quartets, fourier(orders, sines=sines), len(orders) * (1 + sines)))
    if blocks:
        _group(model, blocks, entries, starts)


def _orders(
    model: Model, kind: str, term: Term, quartet: tuple[int, ...], rows: list[int],
    every: list[int],
) -> tuple[_Order, ...]:  # fmt: skip
    """The orders of a quartet that are fitted: none where all its rows are frozen."""
    rules = model.rules
    k, n = term.parameters["k"], term.parameters["n"]
    stay = [r for r in rows if rules.frozen(kind, r)]
    if len(stay) == len(rows):
        return ()
    frozen = tuple(sorted((int(n[r]), round(float(k[r]), SAME)) for r in stay))
    loose = all(not rules.tied(kind, r) for r in rows)  # then new orders are its own as well
    out = []
    for m in every:
        here = [r for r in rows if int(n[r]) == m]
        moving = [r for r in here if r not in stay]
        if here and not moving:
            continue
        apart = any(not rules.tied(kind, r) for r in moving) if moving else loose
        out.append(_Order(m, quartet if apart else (), frozen))
    return tuple(out)


def _add(
    model: Model, kind: str, term: Term, rows: list[list[int]], order: _Order, label: str,
    sines: bool,
) -> Wave:  # fmt: skip
    """The parameters of an order; rows: of each quartet that shares them."""
    k, phase = term.parameters["k"], term.parameters["phase"]
    name, text, here = f"{kind}.k", f"{label} n={order.n}", rows[0]
    every = [r for found in rows for r in found]
    if any(model.rules.bounds(kind, r, p) != ANY for r in every for p in ("k", "phase")):
        if len(here) > 1:
            raise RefitError(
                f"the {kind}s {here[0] + 1} and {here[1] + 1} are terms of the same atoms and "
                f"n = {order.n}: bounds can be held only where there is one of them"
            )
        low, high = model.rules.within(kind, every, "k")
        if model.rules.within(kind, every, "phase") != ANY:
            low = max(low, min(0.0, float(k[here[0]])))  # a change of sign is one of phase
        place = model.add(text, name, float(k[here[0]]), within=(low, high), linear=True)
        return Wave(order.n, place, phase=float(phase[here[0]]))
    a, b = (float(np.sum(k[here] * turn(phase[here]))) for turn in (np.cos, np.sin))
    cosine = model.add(text, name, a, linear=True)
    sine = model.add(f"{text} sine", name, b, linear=True) if sines else -1
    return Wave(order.n, cosine, sine)


def _block(
    model: Model, waves: tuple[Wave, ...], at: int, sines: bool, entries: list[Entry],
    starts: list[float],
) -> None:  # fmt: skip
    """Coefficients of one block, cosines first, from the values of its waves."""
    count = len(waves)
    here = np.zeros(count * (1 + sines))
    for i, wave in enumerate(waves):
        parts = [(i, wave.cosine, 1.0)]
        if wave.phase is not None:
            parts = [(i, wave.cosine, float(np.cos(wave.phase)))]
            if sines:
                parts.append((count + i, wave.cosine, float(np.sin(wave.phase))))
        elif wave.sine >= 0:
            parts.append((count + i, wave.sine, 1.0))
        for row, place, factor in parts:
            here[row] += factor * model.parameters[place].start
            entries.append((at + row, place, factor))
    starts += here.tolist()


def _group(model: Model, blocks: list[Block], entries: list[Entry], starts: list[float]) -> None:
    from core.fitting.mm.model import Group

    rows, places = (torch.tensor([e[i] for e in entries]) for i in (0, 1))
    factors = torch.tensor([e[2] for e in entries], dtype=torch.float64)
    count = len(starts)

    def coefficients(v: torch.Tensor) -> torch.Tensor:
        return v.new_zeros(count).index_add(0, rows, factors * v[places])

    before = torch.tensor(starts, dtype=torch.float64)
    model.groups.append(Group(tuple(blocks), coefficients, before, tuple(entries)))


def _straight(model: Model, quartet: tuple[int, ...]) -> bool:
    """Whether a torsion runs over an angle that is, or comes near to being, straight."""
    i, j, k, m = quartet
    angle = model.start.angle
    wide = angle.atoms[angle.parameters["theta0"] > STRAIGHT].tolist()
    return any(a in wide or a[::-1] in wide for a in ([i, j, k], [j, k, m]))


def _wanted(model: Model, quartet: tuple[int, ...]) -> bool:
    around = model.options.around
    return not around or quartet[1:3] in around or quartet[2:0:-1] in around
