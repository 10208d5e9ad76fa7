"""GAFF-Morse: its bonds by their definition, and its limit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from core.fieldref import FieldRef
from core.forcefields.base import ForceFieldError
from core.forcefields.gaff import GAFF
from core.forcefields.gaff_morse import DEPTH, GAFFMorse
from core.forcefields.load import make
from tests.molecules import ETHANOL, ethanol_frames
from tests.tolerances import ANALYTIC_EQUALS_AUTOGRAD


def test_bonds_are_morse_curves_and_nothing_else_differs():
    gaff, morse = GAFF(ETHANOL), GAFFMorse(ETHANOL)
    x = ethanol_frames(5)
    bonds = gaff.topology.bond
    r = np.linalg.norm(x[:, bonds.atoms[:, 1]] - x[:, bonds.atoms[:, 0]], axis=-1)
    k, r0 = bonds.parameters["k"], bonds.parameters["r0"]
    a = np.sqrt(k / morse.depth)
    curve = morse.depth * (1.0 - np.exp(-a * (r - r0))) ** 2
    there, here = gaff.terms(torch.tensor(x)), morse.terms(torch.tensor(x))
    assert np.allclose(here["bond"].numpy(), curve.sum(1), atol=1e-12)
    for kind in there:
        if kind != "bond":
            assert torch.equal(there[kind], here[kind])
    assert np.allclose(morse.predict(x).energy, sum(here.values()).numpy(), atol=1e-12)


def test_deep_wells_are_harmonic():
    gaff = GAFF(ETHANOL)
    deep = GAFFMorse(ETHANOL, topology=gaff.topology, depth=np.full(8, 1e10))
    x = ethanol_frames(5)
    one, two = gaff.predict(x), deep.predict(x)
    assert np.abs(one.energy - two.energy).max() < 1e-3
    assert np.abs(one.forces - two.forces).max() < 1e-3


def test_forces_are_those_of_the_energy():
    field = GAFFMorse(ETHANOL)
    x = torch.tensor(ethanol_frames(4), requires_grad=True)
    (slope,) = torch.autograd.grad(field.energy(x).sum(), x)
    energy, forces = field.compute(x.detach())
    assert float((forces + slope).abs().max()) < ANALYTIC_EQUALS_AUTOGRAD
    assert float((energy - field.energy(x.detach())).abs().max()) < ANALYTIC_EQUALS_AUTOGRAD


def test_unequal_depths_break_the_symmetry():
    even = GAFFMorse(ETHANOL)
    depth = even.depth.copy()
    depth[1] *= 2.0  # one C-H of the methyl
    odd = GAFFMorse(ETHANOL, topology=even.topology, depth=depth)
    assert len(odd.permutations) < len(even.permutations)


def test_must_be_trained_and_depths_are_checked():
    with pytest.raises(ForceFieldError, match="trained first"):
        make(FieldRef("gaff-morse"), ETHANOL)
    field = GAFFMorse(ETHANOL)
    for bad in (np.zeros(8), np.ones(3), np.full(8, np.nan)):
        with pytest.raises(ForceFieldError, match="depths"):
            GAFFMorse(ETHANOL, topology=field.topology, depth=bad)
    state = {k: v for k, v in field.state().items() if k != DEPTH}
    with pytest.raises(ForceFieldError, match="no bond depths"):
        GAFFMorse.from_state(ETHANOL, None, state)
    assert dataclasses.asdict(field.hyper)["fit_orders"] == 8
