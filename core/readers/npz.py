"""MD17, rMD17 and sGDML data sets: arrays of frames in one .npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.molecule import MAX_ATOMS, MAX_ELEMENT
from core.readers import keys
from core.readers.errors import ReaderError, shown
from core.readers.limits import MAX_FRAMES, MAX_GROUPS
from core.readers.npy import Npz
from core.readers.raw import Block, Options, Raw, Stated

KEY = "npz"
LABEL = "npz (MD17, rMD17, sGDML)"
SUFFIXES = (".npz",)
NUMBERS = ("z", "nuclear_charges", "atomic_numbers", "numbers", "charges_nuclear")
POSITIONS = ("r", "coords", "coordinates", "positions", "pos", "xyz")
CONVENTION = Stated("kcal/mol", "Å", why="MD17-style npz is kcal/mol and Å by convention")


def sniff(path: Path, head: bytes) -> bool:
    """Is it a zip file that is not one of our own records?"""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def read(path: Path, options: Options) -> Raw:
    """Read all frames. Raises ReaderError naming entry, shape and what was expected."""
    with Npz(path) as npz:
        return _read(path, npz, options)


def _find(npz: Npz, names: tuple[str, ...]) -> str:
    lower: dict[str, str] = {}
    for key in npz.keys:
        lower.setdefault(key.lower(), key)
    return next((lower[n] for n in names if n in lower), "")


def _chosen(npz: Npz, wanted: str) -> str:
    if wanted and wanted not in npz.keys:
        listed = ", ".join(shown(k) for k in npz.keys[:12])
        raise ReaderError(npz.path, f"there is no entry {shown(wanted)!r}; there are {listed}")
    return wanted


def _read(path: Path, npz: Npz, options: Options) -> Raw:
    if "type" in npz.keys and npz.text("type") == "m":
        raise ReaderError(path, "is a trained sGDML model, not a data set")
    positions_key = _find(npz, POSITIONS)
    numbers_key = _find(npz, NUMBERS)
    if not positions_key or not numbers_key:
        missing = "coordinates (R, coords, positions)" if not positions_key else (
            "atomic numbers (z, nuclear_charges, numbers)"
        )  # fmt: skip
        listed = ", ".join(shown(k) for k in npz.keys[:12]) or "nothing"
        raise ReaderError(path, f"has no {missing}; it holds {listed}")
    current = [k for k in npz.keys if not k.lower().startswith("old_")]
    energy_key, remark = _chosen(npz, options.energy_key), ""
    if not energy_key:
        energy_key, remark = keys.energy_key(current)
    force_key, gradient, said = _chosen(npz, options.force_key), False, ""
    if not force_key:
        force_key, gradient, said = keys.force_key(current, energy_key)
    else:
        gradient = "grad" in force_key.lower()
    notes = [r for r in (remark, said) if r]
    old = [k for k in npz.keys if k.lower().startswith("old_") and k not in (energy_key, force_key)]
    if old and not options.energy_key:
        notes.append(f"other labels of the same frames are left out: {', '.join(old[:4])}")

    positions = _numbers(npz, positions_key, ndim=(2, 3))
    positions = positions[None] if positions.ndim == 2 else positions
    m, n = positions.shape[:2]
    if positions.shape[2] != 3 or not 0 < n <= MAX_ATOMS or not 0 < m <= MAX_FRAMES:
        raise ReaderError(
            path,
            f"entry {positions_key!r} has shape {positions.shape}; expected frames x atoms x 3 "
            f"with 1 to {MAX_FRAMES} frames of 1 to {MAX_ATOMS} atoms",
        )
    options.tick(0.3)
    numbers = _atoms(npz, numbers_key, m, n)
    energies = forces = None
    if energy_key:
        energies = _numbers(npz, energy_key, ndim=(0, 1, 2, 3))
        if npz.array(energy_key).dtype.itemsize < 8 and np.abs(energies).max(initial=0) > 1e4:
            notes.append("energies are stored in single precision: their last digits are lost")
        energies = _fit(path, energy_key, energies, (m,))
    if force_key:
        forces = _fit(path, force_key, _numbers(npz, force_key, ndim=(2, 3)), (m, n, 3))
        forces = -forces if gradient else forces
    options.tick(0.8)
    _finite(path, numbers, positions, energies, forces)
    said_units = keys.stated(
        {k: t for k in npz.keys if k.lower().endswith("unit") and (t := npz.text(k))},
        where="the file",
    )
    level = next((t for k in ("theory", "level") if k in npz.keys and (t := npz.text(k))), "")
    problems: list[str] = []
    charge = _charge(npz, problems)
    blocks = _blocks(path, numbers, positions, energies, forces, level=level, charge=charge)
    return Raw(
        format="sGDML npz" if "type" in npz.keys else LABEL,
        blocks=blocks,
        stated=said_units or CONVENTION,
        notes=tuple(notes),
        problems=tuple(problems),
    )


def _numbers(npz: Npz, key: str, *, ndim: tuple[int, ...]) -> np.ndarray:
    array = npz.array(key)
    if array.dtype.kind not in "fiu" or array.ndim not in ndim:
        raise ReaderError(
            npz.path,
            f"entry {shown(key)!r} is {array.dtype} of shape {array.shape}, not an array of "
            f"numbers with {' or '.join(map(str, ndim))} dimensions",
        )
    return array.astype(np.float64)


def _fit(path: Path, key: str, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape))
    trimmed = tuple(s for s in array.shape if s != 1)
    if array.size != size or trimmed != tuple(s for s in shape if s != 1):
        raise ReaderError(path, f"entry {shown(key)!r} has shape {array.shape}, expected {shape}")
    return array.reshape(shape)


def _atoms(npz: Npz, key: str, m: int, n: int) -> np.ndarray:
    """(N,) or, with one row per frame and 0 where a frame has fewer atoms, (M,N)."""
    array = npz.array(key)
    if array.dtype.kind in "SU" and array.ndim == 1:
        from core.elements import NUMBER_OF

        texts = [t.decode("ascii", "replace") if isinstance(t, bytes) else str(t) for t in array]
        array = np.array([NUMBER_OF.get(t.strip(), -1) for t in texts], dtype=np.int64)
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "f" and (array == array.round()).all())
    if not whole or array.shape not in ((n,), (1, n), (m, n)):
        raise ReaderError(
            npz.path,
            f"entry {shown(key)!r} ({array.dtype}, shape {array.shape}) is no list of {n} atomic "
            "numbers",
        )
    least = 0 if array.shape == (m, n) and m > 1 else 1
    if array.size and not (array.min() >= least and array.max() <= MAX_ELEMENT):
        bad = array[(array < least) | (array > MAX_ELEMENT)].reshape(-1)[0]
        raise ReaderError(npz.path, f"entry {shown(key)!r} holds the atomic number {bad}")
    array = array.astype(np.int64)
    return array[0] if array.ndim == 2 and len(array) == 1 else array


def _finite(path: Path, numbers, positions, energies, forces) -> None:
    real = np.broadcast_to(numbers > 0, positions.shape[:2])  # padding may hold anything
    for name, array in (("coordinate", positions), ("force", forces)):
        if array is None:
            continue
        bad = ~np.isfinite(array).all(-1) & real
        if bad.any():
            frame, atom = (int(i) for i in np.argwhere(bad)[0])
            raise ReaderError(
                path, f"atom {atom + 1} has a {name} that is not a number", frame=frame + 1
            )
    if energies is not None and not np.isfinite(energies).all():
        frame = int(np.flatnonzero(~np.isfinite(energies))[0])
        raise ReaderError(path, "the energy is not a number", frame=frame + 1)


def _charge(npz: Npz, problems: list[str]) -> int:
    """The molecule's charge, one number or one for every frame; 0 where the file has none."""
    for key in ("charge", "total_charge"):
        if key in npz.keys:
            value = npz.array(key)
            if value.dtype.kind in "fiu" and value.size:
                first = float(value.flat[0])
                if (value == first).all() and abs(first) < 100 and first == round(first):
                    return int(first)
            problems.append(f"entry {key!r} is not one whole number: the charge is taken as 0")
    return 0


def _blocks(path, numbers, positions, energies, forces, *, level, charge) -> tuple[Block, ...]:
    m = len(positions)
    rows = np.zeros(m, dtype=np.int64)
    kinds = numbers[None]
    if numbers.ndim == 2:
        kinds, rows = np.unique(numbers, axis=0, return_inverse=True)
        rows = rows.reshape(-1)
    if len(kinds) > MAX_GROUPS:
        raise ReaderError(
            path, f"holds {len(kinds)} different molecules; at most {MAX_GROUPS} at once"
        )
    blocks = []
    for kind in sorted(range(len(kinds)), key=lambda k: int(np.argmax(rows == k))):
        take = np.flatnonzero(rows == kind)
        real = kinds[kind] > 0
        if not real.any():
            raise ReaderError(path, "has no atoms", frame=int(take[0]) + 1)
        blocks.append(
            Block(
                numbers=kinds[kind][real],
                positions=positions[take][:, real],
                energies=None if energies is None else energies[take],
                forces=None if forces is None else forces[take][:, real],
                frames=take + 1,
                level=level,
                charge=charge,
            )
        )
    return tuple(blocks)
