"""A force field gives the same answer in a worker process as here, and in the next one."""

from __future__ import annotations

import numpy as np
import pytest

from core.analyses.errors import ErrorsSpec
from core.engine.client import Engine
from core.forcefields import discover
from tests.tolerances import BATCH_EQUALS_SINGLE


@pytest.fixture(scope="module")
def engine():
    with Engine(workers=2) as running:
        yield running


def test_same_answer_on_each_worker(engine, examples):
    frames = np.array([0, 7, 31, 36])
    keys = sorted(discover())
    # one per field and worker, all queued at once, so that both processes are busy
    jobs = [
        (key, engine.submit(spec))
        for key in keys
        for spec in [ErrorsSpec(examples.ref(key), examples.dataset_path, frames, False)] * 2
    ]
    r = examples.dataset.positions[frames]
    for key, job in jobs:
        answer = job.result(timeout=60)
        here = examples.get(key).predict(r)
        energy = here.energy + answer.energy_shift
        assert np.abs(answer.predicted_energies - energy).max() < BATCH_EQUALS_SINGLE, key
        forces = np.sort(here.forces, axis=None)  # the result lists components in its own order
        away = np.abs(np.sort(answer.predicted_forces, axis=None) - forces)
        assert away.max() < BATCH_EQUALS_SINGLE, key
