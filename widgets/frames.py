"""Any record that holds geometries -> what the molecule view shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.dataset import Dataset
from core.molecule import Molecule
from widgets.session import Geometries


def geometries_of(record: Any, *, source: str = "", layer: int = 0) -> Geometries | None:
    """Frames of a Dataset, Molecule, Trajectory (first replica) or Surface (one layer), or None."""
    if isinstance(record, Dataset):
        return Geometries(
            record.molecule, record.positions, record.energies, caption=record.name, source=source
        )
    if isinstance(record, Molecule):
        return Geometries(record, record.positions[None], caption=record.name, source=source)
    layers = getattr(record, "layers", None)
    if layers is not None and len(layers):
        chosen = layers[layer]
        good = np.isfinite(chosen.positions).all((1, 2))
        if not good.any():
            return None
        # a failed point shows the geometry before it; its energy stays NaN
        last = np.maximum.accumulate(np.where(good, np.arange(len(good)), -1))
        first = int(np.flatnonzero(good)[0])
        rows = np.where(last < 0, first, last)
        caption = f"{record.name}: {chosen.label}" if record.name else chosen.label
        return Geometries(
            record.molecule, chosen.positions[rows], chosen.energy, caption=caption, source=source
        )
    positions = getattr(record, "positions", None)
    if positions is not None and np.ndim(positions) == 4 and len(positions):
        caption = f"{record.name or record.label}, replica 1"
        return Geometries(
            record.molecule,
            positions[:, 0],
            record.potential[:, 0],
            caption=caption,
            source=source,
        )
    return None
