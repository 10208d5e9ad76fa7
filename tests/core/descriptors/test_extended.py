"""Angles and dihedrals in the descriptor: values, slopes, permutations, what may be named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.descriptors.extended import Descriptor
from core.descriptors.extended_terms import (
    TermError,
    close_terms,
    no_terms,
    parse_terms,
    straight,
)
from core.fitting.symmetry import close_group
from core.geometry import measure
from tests.molecules import ETHANOL, ethanol_frames

METHYL = close_group(np.array([[0, 1, 2, 4, 5, 3, 6, 7, 8], [0, 1, 2, 4, 3, 5, 6, 7, 8]]))
TERMS = close_terms(parse_terms("1-2-3, 2-3-9; 1-2-3-9, 4-1-2-3", ETHANOL), METHYL)
LIKE: dict[str, Any] = {"dtype": torch.float64, "device": torch.device("cpu")}


@pytest.fixture
def descriptor() -> Descriptor:
    return Descriptor(9, TERMS, **LIKE)


def test_values_are_those_of_the_paper(descriptor: Descriptor) -> None:
    """Vassilev-Galindo 2021: (1 - exp(-Theta))² - 1 and 1 + cos Phi, in radians."""
    r = ethanol_frames(5)
    d = descriptor(torch.tensor(r))[0].numpy()
    for k, term in enumerate(TERMS.tolist()):
        atoms = term[:3] if term[3] < 0 else term
        value = measure(r, atoms)
        want = (1 - np.exp(-value)) ** 2 - 1 if term[3] < 0 else 1 + np.cos(value)
        np.testing.assert_allclose(d[:, 36 + k], want, atol=1e-13)
    trans = descriptor(torch.tensor(ETHANOL.positions[None]))[0][0, 36:]
    chain = TERMS.tolist().index([0, 1, 2, 8])
    assert abs(float(trans[chain])) < 1e-3  # anti: Phi = 180 degrees


def test_slopes_are_those_of_autograd(descriptor: Descriptor) -> None:
    r = torch.tensor(ethanol_frames(3))
    d, slope = descriptor(r)
    j = descriptor.jacobian(slope)
    for i in range(len(r)):
        derived = torch.autograd.functional.jacobian(lambda x: descriptor(x[None])[0][0], r[i])
        torch.testing.assert_close(j[i], derived.flatten(1), rtol=0, atol=1e-12)
    g = torch.randn(d.shape, dtype=d.dtype, generator=torch.Generator().manual_seed(0))
    pulled = descriptor.pull_back(g, slope).flatten(1)
    torch.testing.assert_close(pulled, torch.einsum("bd,bdx->bx", g, j), rtol=0, atol=1e-12)


def test_permuted_atoms_permute_the_descriptor(descriptor: Descriptor) -> None:
    r = ethanol_frames(3)
    images = descriptor.images(METHYL)
    d = descriptor(torch.tensor(r))[0].numpy()
    assert sorted(images[1].tolist()) == list(range(36 + len(TERMS)))
    for p, row in zip(METHYL, images, strict=True):
        moved = descriptor(torch.tensor(r[:, p]))[0].numpy()
        np.testing.assert_allclose(moved, d[:, row], atol=1e-13)


def test_the_chosen_are_closed_under_the_permutations() -> None:
    names = {tuple(t) for t in TERMS.tolist()}
    assert len(names) == 6  # two angles, C-C-O-H, and one H-C-C-O became three
    assert {(2, 1, 0, h) for h in (3, 4, 5)} <= names
    assert len(close_terms(no_terms(), METHYL)) == 0


def test_auto_takes_the_bonds_that_turn() -> None:
    assert {tuple(t) for t in parse_terms("auto", ETHANOL).tolist()} == {
        (0, 1, 2, 8),
        (2, 1, 0, 3),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1-2", "neither an angle nor a dihedral"),
        ("1-2-x", "neither an angle nor a dihedral"),
        ("1-2-12", "the atoms 1 to 9"),
        ("0-1-2", "the atoms 1 to 9"),
        ("1-2-1", "names an atom twice"),
        ("1-2-3,,", "neither"),
    ],
)
def test_what_names_nothing_is_refused(text: str, why: str) -> None:
    with pytest.raises(TermError, match=why):
        parse_terms(text, ETHANOL)


def test_a_straight_angle_is_found() -> None:
    r = ethanol_frames(3)
    r[1, 2] = 2 * r[1, 1] - r[1, 0]  # C-C-O straight
    terms = parse_terms("1-2-3-9", ETHANOL)
    assert straight(terms, r) == (1, "1-2-3")
    assert straight(terms, ethanol_frames(3)) is None
