"""Coupling coefficients and the number of independent invariants, against characters of SO(3)."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from core.descriptors.ace.coupling import channels, clebsch_gordan, independent, tensor
from core.descriptors.harmonics import real_harmonics
from tests.tolerances import HARMONICS


def wigner(l: int, turn: np.ndarray) -> np.ndarray:  # noqa: E741
    """D with Y(R u) = D Y(u), by least squares over many directions."""
    u = np.random.default_rng(l).normal(size=(200, 3))
    part = slice(l * l, (l + 1) ** 2)
    here = real_harmonics(torch.tensor(u), l)[:, part].numpy()
    there = real_harmonics(torch.tensor(u @ turn.T), l)[:, part].numpy()
    return np.linalg.lstsq(here, there, rcond=None)[0].T


def test_coupled_products_turn_as_harmonics():
    turn = Rotation.random(random_state=5).as_matrix()
    for l1, l2 in itertools.product(range(5), range(5)):
        for big in range(abs(l1 - l2), l1 + l2 + 1):
            c = clebsch_gordan(l1, l2, big)
            d1, d2, d = wigner(l1, turn), wigner(l2, turn), wigner(big, turn)
            turned = np.einsum("abm,ax,by->xym", c, d1, d2)
            assert np.abs(turned - np.einsum("xyn,mn->xym", c, d)).max() < 10 * HARMONICS
            assert np.abs(np.einsum("abm,abn->mn", c, c) - np.eye(2 * big + 1)).max() < HARMONICS


def test_outside_the_triangle_and_beyond_order_four():
    with pytest.raises(ValueError, match="do not couple"):
        clebsch_gordan(1, 1, 3)
    with pytest.raises(ValueError, match="5 features"):
        channels((0, 0, 0, 0, 0))


def theory(ls: tuple[int, ...], same: tuple[int, ...]) -> int:
    """How often the invariant occurs in the symmetric product: mean of its character over SO(3).

    The character of the k-th symmetric power of chi follows from Newton's identities; the Haar
    measure of the class of angle w is (1 - cos w)/pi on [0, pi].
    """
    nodes, weights = np.polynomial.legendre.leggauss(120)
    w = (nodes + 1) * math.pi / 2
    measure = weights * math.pi / 2 * (1 - np.cos(w)) / math.pi

    def chi(l: int, angle: np.ndarray) -> np.ndarray:  # noqa: E741
        return 1 + 2 * sum(np.cos(m * angle) for m in range(1, l + 1)) + 0 * angle

    total = np.ones_like(w)
    for label in sorted(set(same)):
        l, k = ls[same.index(label)], same.count(label)  # noqa: E741
        powers = [np.ones_like(w)]
        for order in range(1, k + 1):
            powers.append(
                sum(chi(l, i * w) * powers[order - i] for i in range(1, order + 1)) / order
            )
        total = total * powers[k]
    return round(float((measure * total).sum())) if sum(ls) % 2 == 0 else 0


def test_number_of_independent_invariants_is_that_of_theory():
    cases = 0
    for order in (1, 2, 3, 4):
        for ls in itertools.combinations_with_replacement(range(5), order):
            for same in itertools.product(range(order), repeat=order):
                first = tuple(same.index(s) for s in same)
                if first != same or list(same) != sorted(same):
                    continue
                if any(
                    ls[i] != ls[j] for i in range(order) for j in range(i) if same[i] == same[j]
                ):
                    continue
                assert len(independent(ls, same)) == theory(ls, same), (ls, same)
                cases += 1
    assert cases > 200


def test_all_channels_are_independent_for_different_features():
    for ls in ((1, 1, 1, 1), (1, 2, 2, 3), (2, 2, 3, 3)):
        flat = np.stack([tensor(ls, big).ravel() for big in channels(ls)])
        assert np.abs(flat @ flat.T - np.eye(len(flat))).max() < HARMONICS
