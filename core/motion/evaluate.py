"""Call a force field on many geometries: none that is bad or slow harms another."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from core.engine.context import Cancelled
from core.fitting.cores import cores

if TYPE_CHECKING:
    from core.forcefields.base import ForceField

MANY = 32  # geometries in one call from which several threads pay
PATIENCE = 0.25  # s between two looks at whether the job was cancelled
MOST = 2048  # geometries in one call


class Evaluator:
    """field.compute for batches, cut into calls short enough that a cancel is answered in time.

    A geometry that the field cannot do gets NaN, and its reason in `reasons` (index within the
    last call -> text). `count` geometries have been evaluated so far. Made outside of a
    `cores(1)` and called inside, it gives large batches all cores back.
    """

    def __init__(self, field: ForceField, check: Callable[[], None] = lambda: None) -> None:
        self.field = field
        self.check = check
        self.count = 0
        self.reasons: dict[int, str] = {}
        self._size = MOST if field.INFO.batched else 4
        self._threads = torch.get_num_threads()
        self._guard = not field.INFO.differentiable

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x (P,N,3) Å -> energy (P,) eV, forces (P,N,3) eV/Å, in x's dtype."""
        self.count += len(x)
        if self.reasons:
            self.reasons = {}
        if len(x) <= self._size:
            return self._threaded(x, 0)
        energies, forces, at = [], [], 0
        while at < len(x):
            part = x[at : at + self._size]
            start = time.perf_counter()
            e, f = self._threaded(part, at)
            spent = time.perf_counter() - start
            energies.append(e)
            forces.append(f)
            at += len(part)
            # twice larger at most: the first calls also pay for warming up
            fits = int(len(part) * PATIENCE / max(spent, 1e-6))
            self._size = max(1, min(fits, 2 * self._size, MOST))
            self.check()
        return torch.cat(energies), torch.cat(forces)

    def _threaded(self, x: torch.Tensor, offset: int) -> tuple[torch.Tensor, torch.Tensor]:
        if len(x) < MANY:
            return self._call(x, offset)
        with cores(self._threads):
            return self._call(x, offset)

    def _call(self, x: torch.Tensor, offset: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self._guard and not math.isfinite(float(x.sum())):
            return self._without(x, offset)
        try:
            e, f = self.field.compute(x.to(self.field.dtype))
        except Cancelled:
            raise
        except Exception as error:
            # an external program may raise anything; the geometry is marked, the others go on
            if len(x) > 1:
                parts = [self._call(x[i : i + 1], offset + i) for i in range(len(x))]
                return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])
            self.reasons[offset] = f"{self.field.INFO.label}: {error}".strip()
            return x.new_full((1,), float("nan")), torch.full_like(x, float("nan"))
        for row, why in self.field.reasons.items():
            self.reasons[offset + row] = f"{self.field.INFO.label}: {why}"
        return e.detach().to(x.dtype), f.detach().to(x.dtype)

    def _without(self, x: torch.Tensor, offset: int) -> tuple[torch.Tensor, torch.Tensor]:
        """As `_call`; geometries that are not finite never reach programs they might crash."""
        fine = torch.isfinite(x).all(2).all(1)
        e, f = x.new_full((len(x),), float("nan")), torch.full_like(x, float("nan"))
        for row in torch.nonzero(~fine)[:, 0].tolist():
            self.reasons[offset + row] = "a coordinate is not a number"
        if fine.any():
            rows = torch.nonzero(fine)[:, 0].tolist()
            before, self.reasons = self.reasons, {}
            e[fine], f[fine] = self._call(x[fine], 0)
            self.reasons = before | {offset + rows[k]: why for k, why in self.reasons.items()}
        return e, f
