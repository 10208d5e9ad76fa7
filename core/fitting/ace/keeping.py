"""The equations of a linear ACE fit, kept for the next: another prior needs no new rows."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.descriptors.ace.setup import Setup
from core.engine.kept import Kept
from core.fitting.ace.rows import Rows
from core.fitting.linear import NormalEquations


@dataclass(frozen=True)
class Gathered:
    """Normal equations of `frames` frames and the sum of squares (K,) of every column."""

    equations: NormalEquations
    square: torch.Tensor
    frames: int


class Keeping:
    """Equations in the worker's memory: of the frames before lambda was chosen, and of all.

    What is kept must not change: frames that join are added to a copy, or nothing stays kept.
    """

    def __init__(self, kept: Kept, key: str, columns: int) -> None:
        self.kept, self.key = kept, key
        self.size = NormalEquations.bytes_needed(columns) / 2

    def get(self, *, joined: bool = False) -> Gathered | None:
        """What an earlier fit left."""
        found = self.kept.get(self.key)
        return found.get(joined) if found else None

    def put(self, gathered: Gathered) -> None:
        """Keep the equations from which lambda is chosen."""
        self.kept.put(self.key, {False: gathered}, self.size)

    def copy(self, gathered: Gathered) -> Gathered:
        """The same, to be changed; the original where it is not kept or there is no room."""
        if self.get() is not gathered:
            return gathered
        if not self.kept.has_room(2 * self.size, more=self.size):
            self.kept.drop()
            return gathered
        return Gathered(copy.deepcopy(gathered.equations), gathered.square.clone(), gathered.frames)

    def put_joined(self, gathered: Gathered) -> None:
        """Keep the equations of all frames too, where the others are."""
        first = self.get()
        if first is not None:
            self.kept.put(self.key, {False: first, True: gathered}, 2 * self.size)


def fingerprint(
    setup: Setup, sources: Sequence[Rows], frames: Sequence[tuple[np.ndarray, ...]]
) -> str:
    """Key of everything that the rows of these frames (of every source) depend on."""
    seen = hashlib.sha256(b"linear ACE")

    def add(*values: Any) -> None:
        for value in values:
            if isinstance(value, np.ndarray):
                seen.update(f"{value.dtype}{value.shape}".encode())
                seen.update(np.ascontiguousarray(value).tobytes())
            else:
                seen.update(repr(value).encode() + b";")

    for field in dataclasses.fields(setup):
        add(field.name, getattr(setup, field.name))
    for source, parts in zip(sources, frames, strict=True):
        data = source.dataset
        add(data.molecule.numbers, source.offset, source.weight, str(source.device))
        for part in parts:
            add(part, data.positions[part])
            add(None if data.energies is None else data.energies[part])
            add(None if data.forces is None else data.forces[part])
    return f"ace {seen.hexdigest()}"
