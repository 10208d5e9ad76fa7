"""Energies of every kind of term along given geometries: what the parameter editor redraws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.mm.topology import Topology
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context


@wire
@dataclass(frozen=True, eq=False)
class PreviewSpec:
    """Evaluate `topology` at positions (G,N,3) Å.

    kinds: names out of `core.mm.energy.KINDS`, empty = all. rows: kind -> rows (from 0) that are
    wanted one by one as well.
    """

    QUIET: ClassVar[bool] = True
    QUICK: ClassVar[bool] = True

    topology: Topology
    positions: np.ndarray
    kinds: tuple[str, ...] = ()
    rows: dict[str, tuple[int, ...]] = field(default_factory=dict)


@wire
@dataclass(frozen=True, eq=False)
class Preview:
    """kinds: name -> energy (G,) eV; rows: name -> (R,G) eV in the order asked; seconds it took."""

    kinds: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]
    seconds: float = 0.0

    @property
    def energy(self) -> np.ndarray:
        """(G,) eV, the sum of the kinds asked for."""
        return np.sum(list(self.kinds.values()), axis=0)


def run(spec: PreviewSpec, context: Context) -> Preview:
    """See PreviewSpec. Raises ValueError for an unknown kind, a row that is not there, a shape."""
    import time

    import torch

    from core.mm import energy as mm

    start = time.perf_counter()
    n = len(spec.topology.types)
    if spec.positions.ndim != 3 or spec.positions.shape[1:] != (n, 3):
        raise ValueError(f"positions have shape {spec.positions.shape}, expected (G, {n}, 3)")
    unknown = sorted({*spec.kinds, *spec.rows} - set(mm.KINDS))
    if unknown:
        raise ValueError(f"there are no terms {unknown[0]!r}; there are {', '.join(mm.KINDS)}")
    kinds = spec.kinds or mm.KINDS
    with torch.no_grad():
        t = mm.tensors(spec.topology)
        x = torch.tensor(spec.positions, dtype=torch.float64)
        every = {kind: mm.rows(t, kind, x) for kind in dict.fromkeys((*kinds, *spec.rows))}
        for kind, rows in spec.rows.items():
            have = every[kind].shape[1]
            if rows and not 0 <= min(rows) <= max(rows) < have:
                raise ValueError(f"there is no {kind} {max(rows) + 1}; there are {have}")
        single = {k: every[k][:, list(rows)].T.numpy().copy() for k, rows in spec.rows.items()}
        sums = {kind: every[kind].sum(-1).numpy().copy() for kind in kinds}
    return Preview(sums, single, time.perf_counter() - start)


SPEC = PreviewSpec
