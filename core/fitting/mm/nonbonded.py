"""Charges and Lennard-Jones parameters: what of them a refit may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from core.fitting.mm.design import Block, powers
from core.fitting.mm.tie import SAME, pairs_alike

if TYPE_CHECKING:
    from core.fitting.mm.model import Model

LARGEST = 3.0  #: e
HALVINGS = 80  #: of the interval in which the common shift of the charges lies


def add_charges(model: Model) -> None:
    """One charge for atoms that the graph does not tell apart; their total stays exact."""
    from core.fitting.mm.model import Group

    q, rules = model.start.charges, model.rules
    keys = [
        (c, round(float(x), SAME), rules.frozen("charge", i), -1 if rules.tied("charge", i) else i)
        for i, (c, x) in enumerate(zip(model.classes, q, strict=True))
    ]  # fmt: skip
    order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    classes = [order[key] for key in keys]
    at = len(model.parameters)
    first = [classes.index(i) for i in range(len(order))]
    for (_, value, frozen, _), atom in zip(order, first, strict=True):
        alike = np.flatnonzero(np.array(classes) == classes[atom])
        within = rules.within("charge", alike, "charges")
        label = f"atom {atom + 1} {model.start.types[atom]}"
        model.add(label, "charges", value, low=-LARGEST, high=LARGEST, within=within, frozen=frozen)
    where = slice(at, len(model.parameters))
    count = torch.tensor(np.bincount(classes), dtype=torch.float64)
    exact = torch.tensor(q[first])
    start = torch.tensor([p.start for p in model.parameters[where]], dtype=torch.float64)
    stays = torch.tensor([p.prior == 0 for p in model.parameters[where]])
    low = torch.tensor([p.low for p in model.parameters[where]], dtype=torch.float64)
    high = torch.tensor([p.high for p in model.parameters[where]], dtype=torch.float64)
    low, high = torch.where(stays, exact, low), torch.where(stays, exact, high)

    def charges(v: torch.Tensor) -> torch.Tensor:
        return at_total(exact + v[where] - start, exact, count, low, high)

    model.charges_of, model.charge_classes = charges, np.array(classes)
    pairs = list(pairs_alike(model.start, classes, model.start.scee14))
    one, two = torch.tensor([p[:2] for p in pairs], dtype=torch.int64).reshape(-1, 2).unbind(1)
    blocks = tuple(Block(atoms, powers(1.0, (1,)), 1, s) for _, _, atoms, s in pairs)
    constant = model.start.coulomb

    def coefficients(v: torch.Tensor) -> torch.Tensor:
        q = charges(v)
        return constant * q[one] * q[two]

    model.groups.append(Group(blocks, coefficients, constant * exact[one] * exact[two]))


def at_total(
    wished: torch.Tensor,
    exact: torch.Tensor,
    count: torch.Tensor,
    low: torch.Tensor,
    high: torch.Tensor,
) -> torch.Tensor:
    """The charges nearest to `wished` (K,) e within low..high whose total is that of `exact`.

    min sum count (q - wished)² under sum count q = sum count exact: q = wished - shift, cut at the
    bounds, with one shift for all (the water-filling of a projection on a simplex). count (K,):
    atoms of each class. low = high = exact where a charge is frozen.
    """
    with torch.no_grad():
        total = (count * exact).sum()
        inside = high > low
        if not bool(inside.any()):
            return exact

        def shifted(shift: torch.Tensor) -> torch.Tensor:
            return torch.maximum(torch.minimum(wished - shift, high), low)

        over = (count * torch.where(inside, wished, low)).sum() - total
        shift = over / count[inside].sum()
        free = inside & (wished - shift >= low) & (wished - shift <= high)
        if not bool((free == inside).all()):
            most, least = (wished - low)[inside].max(), (wished - high)[inside].min()
            for _ in range(HALVINGS):
                shift = 0.5 * (most + least)
                if (count * shifted(shift)).sum() > total:
                    least = shift
                else:
                    most = shift
            free = inside & (wished - shift > low) & (wished - shift < high)
        held = shifted(shift)
    if not bool(free.any()):
        return held
    # once more with the bounds known, so that there is a gradient
    rest = total - (count * torch.where(free, 0.0, held)).sum()
    common = ((count * wished)[free].sum() - rest) / count[free].sum()
    return torch.where(free, wished - common, held)


def add_lj(model: Model) -> None:
    """Depth and radius of every type."""
    from core.fitting.mm.model import Group

    t, rules = model.start, model.rules
    keys = [
        (name, rmin, eps, rules.frozen("lj", i), -1 if rules.tied("lj", i) else i)
        for i, (name, rmin, eps) in enumerate(zip(
            model.types, np.round(t.rmin_half, SAME), np.round(t.epsilon, SAME + 3), strict=True))
    ]  # fmt: skip
    order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    classes = [order[key] for key in keys]
    at: dict[int, tuple[int, int]] = {}
    exact: dict[int, tuple[float, float]] = {}
    free: set[int] = set()
    taken: set[str] = set()
    for (name, _, _, frozen, own), i in order.items():
        first = classes.index(i)
        rows = np.flatnonzero(np.array(classes) == i)
        e_in, r_in = (rules.within("lj", rows, p) for p in ("epsilon", "rmin_half"))
        eps, rmin = float(t.epsilon[first]), float(t.rmin_half[first])
        exact[i] = eps, rmin
        if eps <= 0 or rmin <= 0:
            continue  # an atom without Lennard-Jones keeps none
        words = "" if own < 0 else f" (atom {own + 1})"
        label = model.label("lj", (name,), taken, words)
        at[i] = (
            model.add(label, "epsilon", eps, low=0.1 * eps, high=10 * eps, within=e_in,
                      frozen=frozen),
            model.add(label, "rmin_half", rmin, low=0.7 * rmin, high=1.3 * rmin, within=r_in,
                      frozen=frozen),
        )  # fmt: skip
        if not frozen:
            free.add(i)
        model.tied.setdefault("epsilon", []).append((rows, at[i][0]))
        model.tied.setdefault("rmin_half", []).append((rows, at[i][1]))
    pairs = [
        p for p in pairs_alike(t, classes, t.scnb14)
        if p[0] in at and p[1] in at and {p[0], p[1]} & free
    ]  # fmt: skip
    lengths = [exact[a][1] + exact[b][1] for a, b, _, _ in pairs]
    blocks = tuple(
        Block(atoms, powers(length, (12, 6)), 2, s)
        for (_, _, atoms, s), length in zip(pairs, lengths, strict=True)
    )
    places = [(*at[a], *at[b]) for a, b, _, _ in pairs]
    one, two = torch.tensor(places, dtype=torch.int64).reshape(-1, 4).split(2, 1)
    length = torch.tensor(lengths, dtype=torch.float64)

    def coefficients(v: torch.Tensor) -> torch.Tensor:
        depth = (v[one[:, 0]] * v[two[:, 0]]).sqrt()
        s6 = ((v[one[:, 1]] + v[two[:, 1]]) / length) ** 6
        return torch.stack([depth * s6 * s6, -2.0 * depth * s6], 1).reshape(-1)

    model.groups.append(Group(blocks, coefficients, coefficients(model.starts())))
