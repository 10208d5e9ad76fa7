"""Which invariants an ACE basis has, and the tables by which they are evaluated.

Kovács et al. 2021, section 2.3: a product of nu one-particle features v_t = (z_t n_t l_t) belongs
to the basis where its degree sum_t (n_t + w_Y l_t) is at most D_nu, n from 1; here elements may
weigh on it too (`Truncation.more`). For each element of the centre the basis is its own. Every
invariant of order 1 to 4 is written as one bilinear form

    B_k = sum_M P_(a L M) P_(b L M)

of channels P, which are 1, the features A_v themselves (L = l) and the coupled pairs [A_v A_w]_L.
So the energy is a sparse quadratic form in P, its slope one sparse product, and the shared pairs
are evaluated once (the product recursion of Dusson et al. 2022 with couplings in the nodes).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.descriptors.ace.coupling import clebsch_gordan, independent


@dataclass(frozen=True)
class Truncation:
    """degrees: D_1 … D_nu; w_y: weight of l; most: largest number of neighbours per element.

    With `most`, products with more factors of an element than the centre can have neighbours of
    it are left out: they are functions of fewer bodies, which the lower orders describe. more:
    what a neighbour of each element adds to the degree of its factor, () = nothing.
    """

    degrees: tuple[float, ...]
    w_y: float = 2.0
    most: tuple[int, ...] | None = None
    more: tuple[float, ...] = ()

    def degree(self, n: int, l: int, z: int | None = None) -> float:  # noqa: E741
        """n + w_Y l, and `more` of the neighbour's element z."""
        return n + self.w_y * l + (self.more[z] if self.more and z is not None else 0.0)

    def shapes(self) -> list[tuple[int, int]]:
        """(n, l) that could occur in a product, l first."""
        room = [d - (nu - 1) for nu, d in enumerate(self.degrees, 1)]
        if len(self.degrees) == 1 or max(room[1:], default=0) <= 0:
            top: float = room[0]
        else:
            top = max(room)
        found = []
        for l in itertools.count():  # noqa: E741
            if self.degree(1, l) > top:
                break
            found += [(n, l) for n in range(1, int(top) + 1) if self.degree(n, l) <= top]
        return found


@dataclass(frozen=True, eq=False)
class CentreBasis:
    """Tables for one element at the centre.

    features (F,3): neighbour element's index, n, l; feature f has 2l+1 rows of A from row
    offset[f] on. Products: rows X = [1, A, A[first] A[second]]. P = S X with S as (rows, columns,
    values), one row per channel and M; channel c of L starts at row start[c], the channels of one
    L stand together. Functions: left, right (K,) channels, factor (K,); order, ns, ls for priors.
    """

    features: np.ndarray
    offset: np.ndarray
    first: np.ndarray
    second: np.ndarray
    s_row: np.ndarray
    s_col: np.ndarray
    s_value: np.ndarray
    channel_l: np.ndarray
    start: np.ndarray
    left: np.ndarray
    right: np.ndarray
    factor: np.ndarray
    order: np.ndarray
    members: np.ndarray  # (K,4) feature of each factor, -1 = none

    def __len__(self) -> int:
        return len(self.left)

    @property
    def rows_a(self) -> int:
        return int(self.offset[-1])

    @property
    def rows_p(self) -> int:
        return int((2 * self.channel_l + 1).sum())


def _multisets(
    degree: np.ndarray, element: np.ndarray, order: int, top: float, most: Sequence[int] | None
) -> Iterator[tuple[int, ...]]:
    """Non-decreasing index tuples with total degree <= top; degree is sorted."""

    def extend(chosen: tuple[int, ...], used: float) -> Iterator[tuple[int, ...]]:
        left = order - len(chosen)
        if left == 0:
            yield chosen
            return
        for f in range(chosen[-1] if chosen else 0, len(degree)):
            if used + left * degree[f] > top + 1e-9:
                break
            if most is not None:
                z = element[f]
                if sum(element[g] == z for g in chosen) >= most[z]:
                    continue
            yield from extend((*chosen, f), used + degree[f])

    yield from extend((), 0.0)


L_LIMIT = 20  #: angular momenta beyond this cost much and describe noise
LIMIT = 200_000  #: functions around one element; more would not fit anywhere


def build(n_elements: int, truncation: Truncation) -> CentreBasis:
    """The basis of one centre, whose neighbours are of `n_elements` elements.

    Raises ValueError where there would be more than LIMIT functions, or an l above L_LIMIT.
    """
    reach = max((d - nu for nu, d in enumerate(truncation.degrees, 1) if nu > 1), default=0.0)
    if reach / (2 * truncation.w_y) >= L_LIMIT + 1:
        words = " ".join(f"{d:g}" for d in truncation.degrees)
        raise ValueError(f"degrees {words} reach angular momenta above l = {L_LIMIT}")
    shapes = truncation.shapes()
    rows = [(z, *shape) for shape in shapes for z in range(n_elements)]
    if truncation.most is not None:
        rows = [r for r in rows if truncation.most[r[0]] > 0]
    rows.sort(key=lambda r: (truncation.degree(r[1], r[2], r[0]), r[2], r[0]))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    degree = np.array([truncation.degree(n, l, z) for z, n, l in rows])  # noqa: E741
    chosen: list[tuple[tuple[int, ...], int, float]] = []
    for order, top in enumerate(truncation.degrees, 1):
        for members in _multisets(degree, table[:, 0], order, top, truncation.most):
            ls = tuple(int(table[f, 2]) for f in members)
            if sum(ls) % 2:
                continue
            if len(chosen) > LIMIT:
                words = " ".join(f"{d:g}" for d in truncation.degrees)
                raise ValueError(f"degrees {words} make more than {LIMIT} functions per element")
            labels = tuple(members.index(f) for f in members)
            chosen += [(members, big, norm) for big, norm in independent(ls, labels)]
    # most (n, l) below the bound find no partner: they would only cost time
    used = sorted({f for members, _, _ in chosen for f in members})
    number = {f: k for k, f in enumerate(used)}
    chosen = [(tuple(number[f] for f in members), big, norm) for members, big, norm in chosen]
    return _tables(table[used], chosen)


def _tables(table: np.ndarray, chosen: list[tuple[tuple[int, ...], int, float]]) -> CentreBasis:
    """Number channels, products and functions."""
    ls = table[:, 2]
    offset = np.concatenate([[0], np.cumsum(2 * ls + 1)])
    # a channel: () is the constant 1, (f,) a feature, (f, g, L) a coupled pair
    Channel = tuple[int, ...]
    wanted: set[Channel] = set()
    ends: list[tuple[Channel, Channel]] = []
    for members, big, _ in chosen:
        left: Channel = members if len(members) == 1 else (members[0], members[1], big)
        right: Channel = ()
        if len(members) == 2:
            left, right = (members[0],), (members[1],)
        elif len(members) == 3:
            right = (members[2],)
        elif len(members) == 4:
            right = (members[2], members[3], big)
        ends.append((left, right))
        wanted |= {left, right}

    def momentum(c: Channel) -> int:
        return 0 if not c else int(ls[c[0]]) if len(c) == 1 else c[2]

    channels = sorted(wanted, key=lambda c: (momentum(c), len(c), c))
    number = {c: i for i, c in enumerate(channels)}
    channel_l = np.array([momentum(c) for c in channels], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(2 * channel_l + 1)])[:-1]
    products: dict[tuple[int, int], int] = {}
    s_row, s_col, s_value = [], [], []
    base = 1 + int(offset[-1])
    for c, at in zip(channels, start, strict=True):
        if not c:
            s_row.append(np.array([at]))
            s_col.append(np.array([0]))
            s_value.append(np.ones(1))
            continue
        if len(c) == 1:
            width = 2 * int(ls[c[0]]) + 1
            s_row.append(at + np.arange(width))
            s_col.append(1 + offset[c[0]] + np.arange(width))
            s_value.append(np.ones(width))
            continue
        coupling = clebsch_gordan(int(ls[c[0]]), int(ls[c[1]]), c[2])
        i, j, m = np.nonzero(coupling)
        one, two = offset[c[0]] + i, offset[c[1]] + j
        one, two = np.minimum(one, two), np.maximum(one, two)
        s_row.append(at + m)
        s_col.append(
            np.array(
                [
                    base + products.setdefault((int(a), int(b)), len(products))
                    for a, b in zip(one, two, strict=True)
                ]
            )
        )
        s_value.append(coupling[i, j, m])
    pairs = np.array(list(products), dtype=np.int64).reshape(-1, 2)
    factors = np.full((len(chosen), 4), -1, dtype=np.int64)
    for k, (m_, _, _) in enumerate(chosen):
        factors[k, : len(m_)] = m_
    left_of = np.array([number[a] for a, _ in ends], dtype=np.int64)
    factor = np.array(
        [
            1.0 / norm / np.sqrt(2 * channel_l[number[a]] + 1.0)
            for (_, _, norm), (a, _) in zip(chosen, ends, strict=True)
        ]
    )
    # functions of one L together, so that their rows are contiguous
    sort = np.lexsort((np.arange(len(chosen)), channel_l[left_of])) if chosen else np.zeros(0, int)
    return CentreBasis(
        features=table,
        offset=offset,
        first=pairs[:, 0],
        second=pairs[:, 1],
        s_row=np.concatenate(s_row),
        s_col=np.concatenate(s_col),
        s_value=np.concatenate(s_value),
        channel_l=channel_l,
        start=start,
        left=left_of[sort],
        right=np.array([number[b] for _, b in ends], dtype=np.int64)[sort],
        factor=factor[sort],
        order=(factors >= 0).sum(1)[sort],
        members=factors[sort],
    )
