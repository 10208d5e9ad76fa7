"""One small example of every force field, made the way any job makes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from core import storage
from core.dataset import Dataset, Split
from core.engine.context import Context
from core.fieldref import FieldRef
from core.forcefields import discover
from core.forcefields.base import ForceField
from core.forcefields.load import hyper_from, make, save_model
from tests.molecules import ETHANOL, ethanol_frames, labelled

TRAIN, VALID = 30, 10


@dataclass
class Examples:
    """Force fields by key, each made once: trained ones on the frames, others by reference."""

    folder: Path
    dataset: Dataset
    made: dict[str, ForceField] = field(default_factory=dict)

    @property
    def dataset_path(self) -> str:
        return str(self.folder / "dataset.npz")

    def get(self, key: str) -> ForceField:
        if key not in self.made:
            self.made[key] = self._make(discover()[key])
        return self.made[key]

    def ref(self, key: str) -> FieldRef:
        """A reference that another process can open."""
        if not discover()[key].INFO.must_be_trained:
            return FieldRef(key, dataset=self.dataset_path)
        path = self.folder / f"{key}.npz"
        if not path.exists():
            save_model(path, self.get(key))
        return FieldRef(key, model=str(path))

    def _make(self, cls: type[ForceField]) -> ForceField:
        if not cls.INFO.must_be_trained:
            return make(self.ref(cls.INFO.key), ETHANOL)
        return self.train(cls)

    def train(self, cls: type[ForceField]) -> ForceField:
        split = Split(np.arange(TRAIN), np.arange(TRAIN, TRAIN + VALID), np.zeros(0, dtype=int))
        return cls.fit(self.dataset, split, hyper_from(cls, cls.QUICK), Context())


@pytest.fixture(scope="session")
def examples(tmp_path_factory) -> Examples:
    """All force fields for ethanol, and 40 frames of it labelled with GFN2-xTB."""
    folder = tmp_path_factory.mktemp("contract")
    found = Examples(folder, labelled(ethanol_frames(TRAIN + VALID)))
    storage.save(Path(found.dataset_path), found.dataset)
    return found
