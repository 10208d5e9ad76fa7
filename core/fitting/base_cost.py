"""How long it takes to evaluate the field below a correction on the training frames.

An external program (GFN2-xTB: milliseconds for ethanol, a second for 100 atoms) can take longer
than the fit of what it leaves, and how long depends on the machine and the molecule: it is tried
on one geometry. Fields that compute many geometries at once are not worth the try.
"""

from __future__ import annotations

import time

import numpy as np

from core.fieldref import FieldRef
from core.forcefields.base import ForceField, ForceFieldError
from core.forcefields.load import field_class, make
from core.molecule import Molecule

SLOW = 0.05  #: s; a first evaluation that takes longer is taken as it is
AGAIN = 4  #: further evaluations of a faster one: the first also sets things up
BATCHED = 1e-5  #: s for each atom of a geometry, for MM fields that take many at once
LEARNT = 3e-4  #: … for learnt fields: ACE and GAP on ethanol, one core


def evaluating(base: FieldRef, molecule: Molecule, frames: int, *, trains: bool) -> float:
    """Seconds for `frames` geometries. trains: the base is fitted first, and cannot be tried now.

    Raises ForceFieldError where the base cannot be made for the molecule.
    """
    cls = field_class(base.key)
    n = len(molecule.numbers)
    if trains or (cls.INFO.batched and not base.model):
        return frames * n * (LEARNT if cls.INFO.family == "ML" else BATCHED)
    try:
        field = make(base, molecule)
        return frames * _seconds(field, molecule.positions)
    except ForceFieldError:
        raise
    except (OSError, ValueError) as error:
        raise ForceFieldError(f"the base: {error}") from error


def _seconds(field: ForceField, positions: np.ndarray) -> float:
    """For one geometry (N,3) Å."""
    start = time.perf_counter()
    field.predict(positions[None])
    first = time.perf_counter() - start
    if first > SLOW:
        return first
    # shaken a little: a program may start from what it found for the very same geometry
    shaken = positions + np.random.default_rng(0).normal(0.0, 0.02, (AGAIN, *positions.shape))
    start = time.perf_counter()
    field.predict(shaken)
    return (time.perf_counter() - start) / AGAIN
