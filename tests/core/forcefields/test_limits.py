"""Analytic limits of every machine-learned field that is trained: two bodies, one frame, apart."""

from __future__ import annotations

import numpy as np
import pytest

from core.dataset import Dataset, Split
from core.engine.context import Context
from core.forcefields import discover
from core.forcefields.load import hyper_from
from core.molecule import Molecule
from tests.molecules import ethanol_frames, labelled
from tests.tolerances import FAR_FORCE, LIMIT_ENERGY, LIMIT_FORCE, ONE_FRAME_FORCE

NONE = np.zeros(0, dtype=np.int64)
DEPTH, STIFFNESS, LENGTH = 6.1, 2.2, 0.92  # eV, 1/Å, Å: a Morse curve like that of HF
FIELDS = {
    key: cls
    for key, cls in sorted(discover().items())
    if cls.INFO.trainable and cls.INFO.family == "ML" and key != "composite"
}

#: where a test's quick settings, made for many frames of a larger molecule, do not serve
TWO: dict[str, dict] = {
    "sgdml": {"sigma": 10.0},
    "gap": {"sparse": 0, "sigma_force": 1e-3, "sigma_energy": 1e-3},
}
ONE: dict[str, dict] = {
    "gap": {"sigma_force": 1e-3, "sigma_energy": 1e-3},
    "ace": {"lam": 1e-10},
}

pytestmark = pytest.mark.parametrize("cls", FIELDS.values(), ids=FIELDS)


def morse(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energy (B,) eV and its slope (B,) eV/Å."""
    x = np.exp(-STIFFNESS * (r - LENGTH))
    return DEPTH * ((1 - x) ** 2 - 1), 2 * DEPTH * STIFFNESS * (1 - x) * x


def pair(r: np.ndarray) -> np.ndarray:
    """(B,2,3) Å: two atoms r apart, each pair turned another way."""
    turn = np.random.default_rng(0).normal(size=(len(r), 3))
    turn /= np.linalg.norm(turn, axis=1, keepdims=True)
    return np.stack([np.zeros_like(turn), turn * r[:, None]], 1)


@pytest.fixture(scope="module")
def curve() -> Dataset:
    """25 distances of a diatomic molecule."""
    r = np.linspace(0.75, 1.5, 25)
    positions = pair(r)
    e, slope = morse(r)
    along = positions[:, 1] / r[:, None]
    forces = np.stack([along * slope[:, None], -along * slope[:, None]], 1)
    return Dataset("HF", Molecule("HF", np.array([1, 9]), positions[0]), positions, e, forces)


def fit(cls, data: Dataset, frames: np.ndarray, **hyper):
    values = hyper_from(cls, {**cls.QUICK, **hyper})
    return cls.fit(data, Split(frames, NONE, NONE), values, Context())


def test_two_bodies(cls, curve):
    """A pair potential is learnt at 13 distances and known at the 12 between."""
    field = fit(cls, curve, np.arange(0, 25, 2), **TWO.get(cls.INFO.key, {}))
    p = field.predict(curve.positions[1::2])
    assert np.abs(p.energy - curve.energies[1::2]).max() < LIMIT_ENERGY
    assert np.abs(p.forces - curve.forces[1::2]).max() < LIMIT_FORCE


def test_one_frame(cls):
    """A field of one frame knows that frame."""
    data = labelled(ethanol_frames(1))
    field = fit(cls, data, np.arange(1), **ONE.get(cls.INFO.key, {}))
    p = field.predict(data.positions)
    assert np.abs(p.forces - data.forces).mean() < ONE_FRAME_FORCE
    assert abs(p.energy[0] - data.energies[0]) < ONE_FRAME_FORCE


def test_isolated_atoms(cls, curve):
    """Atoms far from each other feel nothing, and the energy no longer depends on how far."""
    field = fit(cls, curve, np.arange(0, 25, 2), **TWO.get(cls.INFO.key, {}))
    p = field.predict(pair(np.array([1e4, 2e4])))
    assert np.abs(p.forces).max() < FAR_FORCE
    assert abs(np.ptp(p.energy)) < FAR_FORCE * 1e3
