"""sGDML's solvers and its float32 path on a GPU; skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from core.dataset import Split
from core.engine.context import Context
from core.fitting.sgdml.hyper import SGDMLHyper
from core.forcefields.sgdml import SGDML
from tests.molecules import ethanol_frames, labelled
from tests.tolerances import FLOAT32_FORCE, GPU_EQUALS_CPU, ITERATIVE_FORCE

NONE = np.zeros(0, dtype=int)


@pytest.mark.parametrize("solver", ["closed", "iterative"])
@pytest.mark.parametrize("terms", ["", "1-2-3, 4-1-2-3"])
@pytest.mark.parametrize("energies", [False, True])
def test_a_fit_there_is_a_fit_here(solver: str, terms: str, energies: bool) -> None:
    data = labelled(ethanol_frames(60), key="mmff94")
    assert data.forces is not None
    hyper = SGDMLHyper(sigma=20.0, solver=solver, terms=terms, energies=energies, lam=1e-8)
    split = Split(np.arange(40), NONE, NONE)
    here, there = (SGDML.fit(data, split, hyper, Context(device=d)) for d in ("cpu", "cuda:0"))
    errors = [
        float(np.abs(m.predict(data.positions[40:]).forces - data.forces[40:]).mean())
        for m in (here, there)
    ]
    assert errors[1] == pytest.approx(errors[0], rel=ITERATIVE_FORCE)
    moved = SGDML.from_state(here.molecule, here.hyper, here.state(), device="cuda:0")
    one, two = (m.predict(data.positions[40:]) for m in (here, moved))
    assert np.abs(one.forces - two.forces).max() < 1e3 * GPU_EQUALS_CPU  # weights cancel


def test_float32_there_is_near_float64_here() -> None:
    data = labelled(ethanol_frames(60), key="mmff94")
    hyper = SGDMLHyper(sigma=20.0)
    model = SGDML.fit(data, Split(np.arange(40), NONE, NONE), hyper, Context())
    rounded = SGDML.from_state(
        model.molecule, hyper, model.state(), device="cuda:0", dtype="float32"
    )
    one, two = (m.predict(data.positions[40:]).forces for m in (model, rounded))
    assert np.abs(one - two).max() < FLOAT32_FORCE
