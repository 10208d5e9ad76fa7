"""Force fields that run on a GPU answer there as on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from core.dataset import Split
from core.engine.context import Context
from core.fieldref import FieldRef
from core.forcefields import discover
from core.forcefields.load import hyper_from, load_model, make, save_model
from tests.molecules import ETHANOL, ethanol_frames, labelled
from tests.tolerances import GPU_EQUALS_CPU

GPU = {k: cls for k, cls in discover().items() if cls.INFO.gpu}
KEYS = sorted(k for k, cls in GPU.items() if cls.INFO.trainable)
UNTRAINED = sorted(k for k, cls in GPU.items() if not cls.INFO.must_be_trained)


@pytest.mark.parametrize("key", KEYS)
def test_gpu_equals_cpu(key, tmp_path):
    cls = discover()[key]
    data = labelled(ethanol_frames(40))
    split = Split(np.arange(30), np.arange(30, 40), np.zeros(0, dtype=int))
    field = cls.fit(data, split, hyper_from(cls, cls.QUICK), Context())
    save_model(tmp_path / "model.npz", field)
    other = load_model(tmp_path / "model.npz", device="cuda:0")
    r = ethanol_frames(64, seed=9)
    here, there = field.predict(r), other.predict(r)
    assert np.abs(here.energy - there.energy).max() < GPU_EQUALS_CPU
    assert np.abs(here.forces - there.forces).max() < GPU_EQUALS_CPU


@pytest.mark.parametrize("key", UNTRAINED)
def test_gpu_equals_cpu_untrained(key):
    here, there = (make(FieldRef(key), ETHANOL, device=d) for d in ("cpu", "cuda:0"))
    r = ethanol_frames(64, seed=9)
    one, two = here.predict(r), there.predict(r)
    assert np.abs(one.energy - two.energy).max() < GPU_EQUALS_CPU
    assert np.abs(one.forces - two.forces).max() < GPU_EQUALS_CPU


@pytest.mark.parametrize("key", KEYS)
def test_fit_on_gpu_equals_fit_on_cpu(key):
    cls = discover()[key]
    data = labelled(ethanol_frames(40))
    split = Split(np.arange(30), np.arange(30, 40), np.zeros(0, dtype=int))
    hyper = hyper_from(cls, cls.QUICK)
    fields = [cls.fit(data, split, hyper, Context(device=d)) for d in ("cpu", "cuda:0")]
    r = ethanol_frames(64, seed=9)
    here, there = (f.predict(r) for f in fields)
    assert np.abs(here.forces - there.forces).max() < 1e3 * GPU_EQUALS_CPU  # solved, not only used
