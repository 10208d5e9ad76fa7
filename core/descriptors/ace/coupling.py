"""Rotation-invariant coupling of products of real spherical harmonics.

Two features of angular momenta l1, l2 couple to L with the Clebsch-Gordan coefficients of the
real harmonics (`core.descriptors.harmonics`), and the invariants of correlation order 2, 3, 4 are

    (A1 . A2),    ([A1 A2]_L . A3)  with L = l3,    ([A1 A2]_L . [A3 A4]_L)

divided by sqrt(2L + 1), with l1 + … even (invariance under reflection: Drautz, Phys. Rev. B 99,
014104 (2019); Dusson et al., J. Comput. Phys. 454, 110946 (2022)). Features are numbers, so their
product does not know their order: where two are the same feature, the invariants of different L
are dependent or zero. `independent` keeps as many as there are independent ones, by the rank of
the Gram matrix of the symmetrised coupling tensors; it is the number of times that the invariant
representation occurs in the symmetric product.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

RANK = 1e-9  #: relative size of a Gram pivot that counts as dependent


def _complex(l1: int, l2: int, big: int) -> np.ndarray:
    """Clebsch-Gordan coefficients <l1 m1 l2 m2|L M> (2l1+1, 2l2+1, 2L+1), Racah's formula."""
    f = math.factorial
    out = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * big + 1))
    delta = f(l1 + l2 - big) * f(l1 - l2 + big) * f(-l1 + l2 + big) / f(l1 + l2 + big + 1)
    for m1, m2 in itertools.product(range(-l1, l1 + 1), range(-l2, l2 + 1)):
        m = m1 + m2
        if abs(m) > big:
            continue
        total = 0.0
        for k in range(l1 + l2 - big + 1):
            first = (l1 + l2 - big - k, l1 - m1 - k, l2 + m2 - k)
            parts = (*first, big - l2 + m1 + k, big - l1 - m2 + k)
            if min(parts) >= 0:
                total += (-1) ** k / (f(k) * math.prod(f(p) for p in parts))
        norm = f(big + m) * f(big - m) * f(l1 + m1) * f(l1 - m1) * f(l2 + m2) * f(l2 - m2)
        out[m1 + l1, m2 + l2, m + big] = math.sqrt((2 * big + 1) * delta * norm) * total
    return out


def _to_real(l: int) -> np.ndarray:  # noqa: E741
    """U (2l+1, 2l+1): real harmonics = U complex harmonics (Condon-Shortley phase in those)."""
    u = np.zeros((2 * l + 1, 2 * l + 1), dtype=complex)
    u[l, l] = 1.0
    for m in range(1, l + 1):
        sign = (-1) ** m
        u[l + m, [l + m, l - m]] = np.array([sign, 1.0]) / math.sqrt(2)
        u[l - m, [l + m, l - m]] = np.array([sign, -1.0]) / (1j * math.sqrt(2))
    return u


@functools.cache
def clebsch_gordan(l1: int, l2: int, big: int) -> np.ndarray:
    """Coupling of real harmonics l1, l2 to L (2l1+1, 2l2+1, 2L+1); orthonormal in the last axis.

    For odd l1 + l2 + L the result is a pseudo-tensor and the phase i is taken out. Raises
    ValueError outside the triangle |l1 - l2| <= L <= l1 + l2.
    """
    if not abs(l1 - l2) <= big <= l1 + l2:
        raise ValueError(f"{l1} and {l2} do not couple to {big}")
    t = np.einsum(
        "abc,xa,yb,zc->xyz",
        _complex(l1, l2, big),
        _to_real(l1).conj(),
        _to_real(l2).conj(),
        _to_real(big),
        optimize=True,
    )
    part = t.real if (l1 + l2 + big) % 2 == 0 else t.imag
    assert abs(t - (part if (l1 + l2 + big) % 2 == 0 else 1j * part)).max() < 1e-10
    part = np.ascontiguousarray(part)
    part[abs(part) < 1e-14] = 0.0
    part.setflags(write=False)
    return part


def channels(ls: tuple[int, ...]) -> tuple[int, ...]:
    """The intermediate L that couple the l's of a product (order 1 to 4) to an invariant."""
    if sum(ls) % 2:
        return ()
    if len(ls) == 1:
        return (0,) if ls[0] == 0 else ()
    if len(ls) == 2:
        return (ls[0],) if ls[0] == ls[1] else ()
    low, high = abs(ls[0] - ls[1]), ls[0] + ls[1]
    if len(ls) == 3:
        return (ls[2],) if low <= ls[2] <= high else ()
    if len(ls) == 4:
        return tuple(range(max(low, abs(ls[2] - ls[3])), min(high, ls[2] + ls[3]) + 1))
    raise ValueError(f"products of {len(ls)} features are not implemented; at most 4")


def tensor(ls: tuple[int, ...], big: int) -> np.ndarray:
    """Coupling tensor (2l1+1, …) of the invariant through L, of norm 1."""
    if len(ls) == 1:
        return np.ones(1)
    if len(ls) == 2:
        return np.eye(2 * ls[0] + 1) / math.sqrt(2 * ls[0] + 1)
    left = clebsch_gordan(ls[0], ls[1], big) / math.sqrt(2 * big + 1)
    if len(ls) == 3:
        return left
    return np.einsum("abm,cdm->abcd", left, clebsch_gordan(ls[2], ls[3], big))


@functools.cache
def independent(ls: tuple[int, ...], same: tuple[int, ...]) -> tuple[tuple[int, float], ...]:
    """(L, norm) of a largest independent set of invariants of a product of features.

    ls: angular momenta; same: a label per feature, equal for equal features (their l's too), for
    instance (0, 0, 1, 2). norm: of the tensor after symmetrisation, at most 1, by which to divide.
    """
    candidates = channels(ls)
    if not candidates:
        return ()
    orders = [
        p
        for p in itertools.permutations(range(len(ls)))
        if all(same[i] == same[j] for i, j in enumerate(p))
    ]
    if len(orders) == 1:
        return tuple((big, 1.0) for big in candidates)
    flat = np.stack(
        [
            np.mean([tensor(ls, big).transpose(p) for p in orders], axis=0).ravel()
            for big in candidates
        ]
    )
    gram = flat @ flat.T
    size = np.sqrt(gram.diagonal())
    kept: list[tuple[int, float]] = []
    rest = gram.diagonal().copy()
    work = gram.copy()
    while rest.max() > RANK:  # pivoted Cholesky: the largest remainder first
        k = int(rest.argmax())
        kept.append((candidates[k], float(size[k])))
        column = work[:, k] / math.sqrt(work[k, k])
        work = work - np.outer(column, column)
        rest = work.diagonal().copy()
    return tuple(sorted(kept))
