"""Write the frames of the molecule view to extended XYZ."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from widgets.session import Geometries


def write_extxyz(path: Path, geometries: Geometries) -> int:
    """Write all frames (Å, eV) atomically; returns how many. Raises OSError."""
    symbols = geometries.molecule.symbols
    lines: list[str] = []
    for k, frame in enumerate(geometries.positions):
        head = "Properties=species:S:1:pos:R:3"
        energy = None if geometries.energies is None else geometries.energies[k]
        if energy is not None and np.isfinite(energy):
            head += f" energy={energy:.10f}"
        if geometries.molecule.charge:
            head += f" charge={geometries.molecule.charge}"
        lines += [str(len(symbols)), head + ' pbc="F F F"']
        lines += [
            f"{s:<2s} {x:16.10f} {y:16.10f} {z:16.10f}"
            for s, (x, y, z) in zip(symbols, frame, strict=True)
        ]
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(path)
    return len(geometries.positions)
