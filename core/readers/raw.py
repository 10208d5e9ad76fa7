"""What a format reader hands on: labels still in the file's own units, grouped by molecule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.readers.errors import ReaderError
from core.readers.limits import MAX_FRAMES, MAX_GROUPS

Tick = Callable[[float], None]
MAX_TAGS = 64


@dataclass(frozen=True)
class Options:
    """What a person may ask of a reader beyond the file.

    energy_key, force_key: the names of the labels to take where a file holds several.
    """

    energy_key: str = ""
    force_key: str = ""
    tick: Tick = lambda fraction: None


@dataclass(frozen=True)
class Stated:
    """Units that a file or its format claims ("" = says nothing).

    energy, length: names of core.readers.units; force: (energy, length). why: for the report.
    binding: the file says it itself, or a library has converted; not just a habit of the format.
    trusted: our own file; whatever was unsure has been decided before it was saved.
    """

    energy: str = ""
    length: str = ""
    force: tuple[str, str] | None = None
    why: str = ""
    binding: bool = False
    trusted: bool = False


@dataclass(frozen=True, eq=False)
class Block:
    """Frames of one composition, atom order and charge.

    numbers (N,), positions (M,N,3), energies (M,) or None, forces (M,N,3) or None: file units, NaN
    where a frame has no label. frames (M,) numbers in the file from 1. tags: columns (M,).
    """

    numbers: np.ndarray
    positions: np.ndarray
    energies: np.ndarray | None
    forces: np.ndarray | None
    frames: np.ndarray
    tags: dict[str, np.ndarray] = field(default_factory=dict)
    label: str = ""
    level: str = ""
    charge: int = 0
    multiplicity: int | None = None
    bonds: np.ndarray | None = None
    orders: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Raw:
    """One file. isolated: symbol -> energy in file units."""

    format: str
    blocks: tuple[Block, ...]
    stated: Stated = Stated()
    isolated: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(eq=False)
class Frame:
    """One frame on its way into a Collector; arrays as in Block, without the M axis."""

    numbers: np.ndarray
    positions: np.ndarray
    energy: float | None = None
    forces: np.ndarray | None = None
    tags: dict[str, float] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # molecule, smiles, … -> value
    level: str = ""
    charge: int = 0
    multiplicity: int | None = None
    bonds: np.ndarray | None = None
    orders: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def check_finite(path: Any, what: str, values: np.ndarray | None, index: int) -> None:
    """Raises ReaderError naming the atom where values (N,3) of frame `index` are not finite."""
    if values is not None and not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise ReaderError(path, f"atom {bad + 1} has a {what} that is not a number", frame=index)


class Collector:
    """Groups frames by atoms, charge and name, in the order of first appearance."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.count = 0
        self._groups: dict[tuple[Any, ...], list[tuple[int, Frame]]] = {}

    def add(self, frame: Frame) -> None:
        """Raises ReaderError beyond MAX_FRAMES or MAX_GROUPS."""
        self.count += 1
        if self.count > MAX_FRAMES:
            raise ReaderError(self.path, f"more than {MAX_FRAMES} frames", frame=self.count)
        key = (frame.numbers.tobytes(), frame.charge, tuple(frame.names.items()))
        group = self._groups.setdefault(key, [])
        if len(self._groups) > 20 * MAX_GROUPS:
            self._too_many(len(self._groups))
        group.append((self.count, frame))

    def blocks(self) -> tuple[Block, ...]:
        """The groups, stacked."""
        groups = self._merge()
        if len(groups) > MAX_GROUPS:
            self._too_many(len(groups))
        return tuple(_stack(g, several=len(groups) > 1) for g in groups)

    def _too_many(self, found: int) -> None:
        raise ReaderError(
            self.path,
            f"holds {found} different molecules or more; at most {MAX_GROUPS} are imported at "
            "once. PEScape studies one molecule at a time: keep the frames of a few",
        )

    def _merge(self) -> list[list[tuple[int, Frame]]]:
        """A name that changes from frame to frame is a frame's name, not a molecule's."""
        by_atoms: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
        for key in self._groups:
            by_atoms.setdefault(key[:2], []).append(key)
        merged = []
        for keys in by_atoms.values():
            frames = sum(len(self._groups[k]) for k in keys)
            if len(keys) > 1 and frames < 1.5 * len(keys):
                together = [f for k in keys for f in self._groups[k]]
                together.sort(key=lambda pair: pair[0])
                for _, frame in together:
                    frame.names = {}
                merged.append(together)
            else:
                merged.extend(self._groups[k] for k in keys)
        merged.sort(key=lambda group: group[0][0])
        return merged


def _stack(group: list[tuple[int, Frame]], *, several: bool) -> Block:
    frames = [f for _, f in group]
    first = frames[0]
    m, n = len(frames), len(first.numbers)
    energies = forces = None
    if any(f.energy is not None for f in frames):
        energies = np.array([np.nan if f.energy is None else f.energy for f in frames])
    if any(f.forces is not None for f in frames):
        forces = np.full((m, n, 3), np.nan)
        for k, f in enumerate(frames):
            if f.forces is not None:
                forces[k] = f.forces
    names = dict.fromkeys(t for f in frames for t in f.tags)
    tags = {
        t: np.array([f.tags.get(t, np.nan) for f in frames], dtype=np.float64)
        for t in list(names)[:MAX_TAGS]
    }
    levels = dict.fromkeys(f.level for f in frames if f.level)
    notes = list(dict.fromkeys(note for f in frames for note in f.notes))
    if len(levels) > 1:
        notes.append(f"several levels of theory in one group: {', '.join(list(levels)[:4])}")
    if len(names) > MAX_TAGS:
        notes.append(f"{len(names)} per-frame numbers found; the first {MAX_TAGS} are kept")
    same_bonds = first.bonds is not None and all(
        f.bonds is not None and np.array_equal(f.bonds, first.bonds) for f in frames
    )
    return Block(
        numbers=first.numbers,
        positions=np.array([f.positions for f in frames], dtype=np.float64),
        energies=energies,
        forces=forces,
        frames=np.array([k for k, _ in group], dtype=np.int64),
        tags=tags,
        label=_label(first.names) if several else "",
        level=next(iter(levels)) if len(levels) == 1 else "",
        charge=first.charge,
        multiplicity=first.multiplicity,
        bonds=first.bonds if same_bonds else None,
        orders=first.orders if same_bonds else None,
        notes=tuple(notes),
    )


def _label(names: dict[str, str]) -> str:
    """What tells this molecule from the others of the file."""
    texts = [value for key, value in names.items() if key != "scan"]
    return " ".join([*texts, *(f"scan {v}" for k, v in names.items() if k == "scan")])
