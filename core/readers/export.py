"""Write a data set as extended xyz, so that it reads back to the last digit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from core.dataset import Dataset
from core.storage import replacing

RESERVED = ("energy", "level", "charge", "multiplicity", "name", "config_type", "properties", "pbc")


def write_extxyz(dataset: Dataset, path: str | Path) -> Path:
    """Write `dataset` (eV, Å, eV/Å) to `path`, atomically; missing labels are left out per frame.

    Isolated-atom energies follow as frames of one atom. Returns the path. Raises OSError when it
    cannot be written; the old file is then untouched.
    """
    path = Path(path)
    with replacing(path) as file:
        for index in range(len(dataset)):
            file.write(_frame(dataset, index).encode())
        for symbol, energy in dataset.isolated_atoms.items():
            text = (
                f"1\nProperties=species:S:1:pos:R:3 config_type=isolated_atom "
                f'energy={energy!r} units="eV"{_words(dataset)} pbc="F F F"\n{symbol} 0 0 0\n'
            )
            file.write(text.encode())
    return path


def _quoted(text: str) -> str:
    plain = text.replace("\n", " ").replace("\r", " ")
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _words(dataset: Dataset) -> str:
    return f" level={_quoted(dataset.level)}" if dataset.level else ""


def _frame(dataset: Dataset, index: int) -> str:
    molecule = dataset.molecule
    columns = [dataset.positions[index]]
    properties = "species:S:1:pos:R:3"
    if dataset.forces is not None and np.isfinite(dataset.forces[index]).all():
        columns.append(dataset.forces[index])
        properties += ":forces:R:3"
    words = [f"Properties={properties}"]
    if dataset.energies is not None and np.isfinite(dataset.energies[index]):
        words.append(f"energy={float(dataset.energies[index])!r}")
    words.append('units="eV" length_unit="Angstrom"')
    if dataset.level:
        words.append(_words(dataset).strip())
    if molecule.charge:
        words.append(f"charge={molecule.charge}")
    if molecule.multiplicity != 1:
        words.append(f"multiplicity={molecule.multiplicity}")
    for tag, column in dataset.tags.items():
        value = float(column[index])
        clean = "".join(c if c.isalnum() or c in "_-." else "_" for c in tag)
        if clean.lower() not in RESERVED and np.isfinite(value):
            words.append(f"{clean}={value!r}")
    words.append('pbc="F F F"')
    rows = np.hstack(columns).tolist()
    text = io.StringIO()
    text.write(f"{len(rows)}\n{' '.join(words)}\n")
    for symbol, row in zip(molecule.symbols, rows, strict=True):
        text.write(f"{symbol} {' '.join(map(repr, row))}\n")
    return text.getvalue()
