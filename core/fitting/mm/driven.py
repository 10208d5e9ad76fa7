"""Which bond a scan turns about, from its geometries."""

from __future__ import annotations

import numpy as np

from core.geometry import measure
from core.mm.topology import Topology

STEP = np.radians(40.0)  #: a gap between two points of a scan that still counts as covered
TURNED = np.radians(75.0)  #: less than this is no scan of a torsion


def driven_bond(topology: Topology, positions: np.ndarray) -> tuple[int, int] | None:
    """The bond (two atoms from 0) whose dihedrals cover most of the circle, or None.

    positions (M,N,3) Å in any order. A dihedral covers the gaps between its sorted values, each
    counted up to STEP, so that a group that flips between two values covers little.
    """
    atoms = topology.torsion.atoms
    cover: dict[tuple[int, int], list[float]] = {}
    for quartet in np.unique(atoms, axis=0).tolist():
        phi = np.sort(measure(np.asarray(positions, dtype=float), quartet))
        gaps = np.diff(np.append(phi, phi[0] + 2 * np.pi))
        bond = (min(quartet[1:3]), max(quartet[1:3]))
        outside = STEP if gaps.max() > STEP else 0.0  # what the scan leaves out
        cover.setdefault(bond, []).append(float(np.minimum(gaps, STEP).sum() - outside))
    # every dihedral of a turned bond turns: the least of them tells
    found = {bond: min(values) for bond, values in cover.items()}
    if not found:
        return None
    best = max(found, key=lambda b: found[b])
    return best if found[best] > TURNED else None
