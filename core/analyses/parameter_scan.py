"""Geometries along one or two dihedrals for the parameter editor, with what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.analyses.surface import Axis
from core.molecule import Molecule
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context

MOST_POINTS = 10_000  #: of one scan: all of them are evaluated again with every edit


@wire
@dataclass(frozen=True, eq=False)
class ParameterScanSpec:
    """Rigid scan of `molecule`; dataset: path of a saved Dataset with reference points, or ""."""

    QUIET: ClassVar[bool] = True
    QUICK: ClassVar[bool] = True

    molecule: Molecule
    axes: tuple[Axis, ...]
    dataset: str = ""


@wire
@dataclass(frozen=True, eq=False)
class ParameterScan:
    """positions (G,N,3) Å; reference (G,) eV, NaN where there is no point of the data set.

    Where there is one its own geometry is taken, elsewhere the molecule is rotated rigidly. label:
    level of theory of the reference.
    """

    axes: tuple[Axis, ...]
    positions: np.ndarray
    reference: np.ndarray
    label: str = ""


def run(spec: ParameterScanSpec, context: Context) -> ParameterScan:
    """See ParameterScanSpec. Raises ValueError naming the axis or file that is wrong."""
    from core import storage
    from core.analyses.surface import SurfaceSpec
    from core.analyses.surface_tools import step
    from core.bonding import with_bonds
    from core.dataset import Dataset
    from core.fieldref import FieldRef
    from core.forcefields.load import check_atoms
    from core.forcefields.reference import Reference
    from core.motion.layers import check_axes
    from core.motion.scan import make_grid, rotated

    molecule = with_bonds(spec.molecule)
    check_axes(SurfaceSpec(molecule, spec.axes, (FieldRef("gaff"),)), molecule)
    grid = make_grid([a.atoms for a in spec.axes], [a.values() for a in spec.axes])
    count = len(grid.targets)
    if count > MOST_POINTS:
        raise ValueError(f"{count} points are too many to follow an edit: at most {MOST_POINTS}")
    positions = rotated(molecule, grid, molecule.positions, np.arange(count))
    reference, label = np.full(count, np.nan), ""
    if spec.dataset:
        dataset = storage.load(spec.dataset, Dataset)
        check_atoms(dataset.molecule, molecule, what=f"the data set {dataset.name}")
        if dataset.has_energy.any():
            steps = np.array([step(a) for a in spec.axes])
            field = Reference.from_dataset(dataset)
            reference, points = field.at_grid(grid.targets, grid.dihedrals, steps)
            held = np.isfinite(reference)
            positions[held] = points[held]
            label = dataset.level or dataset.name
    return ParameterScan(spec.axes, positions, reference, label)


SPEC = ParameterScanSpec
