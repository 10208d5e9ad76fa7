"""Potential-energy profiles and surfaces over one or two dihedrals, by many force fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.fieldref import FieldRef
from core.molecule import Molecule
from core.wire import wire

if TYPE_CHECKING:
    from core.engine.context import Context


@wire
@dataclass(frozen=True)
class Axis:
    """One dihedral axis: atoms (4, from 0), n points from start to stop (rad, both included)."""

    atoms: tuple[int, int, int, int]
    start: float
    stop: float
    n: int

    def values(self) -> np.ndarray:
        """(n,) rad."""
        return np.linspace(self.start, self.stop, self.n)


@wire
@dataclass(frozen=True, eq=False)
class SurfaceSpec:
    """Scan one or two dihedrals of `molecule` with each of `fields`.

    relax: minimise everything else with the dihedrals held exactly; else rotate rigidly from the
    molecule's own geometry (or from the reference field's point, where one is in `fields` and
    has it). fmax eV/Å is the relaxation's stop criterion.
    """

    molecule: Molecule
    axes: tuple[Axis, ...]
    fields: tuple[FieldRef, ...]
    relax: bool = False
    fmax: float = 0.01
    max_steps: int = 500
    device: str = "cpu"
    name: str = ""
    out: str = ""


@wire
@dataclass(frozen=True, eq=False)
class Layer:
    """One force field's surface over G = n1 (or n1*n2, second axis fastest) grid points.

    energy (G,) eV, NaN where failed; positions (G,N,3) Å; measured (G,A) rad; converged (G,);
    problems: grid index (as text) -> why it failed. residual (G,) eV/Å: the largest force on an
    atom, along free directions where the surface is relaxed.
    """

    label: str
    key: str
    energy: np.ndarray
    positions: np.ndarray
    measured: np.ndarray
    converged: np.ndarray
    residual: np.ndarray
    problems: dict[str, str]
    seconds: float


@wire
@dataclass(frozen=True, eq=False)
class Surface:
    """Layers over one grid. Zero of every layer is free: views put each minimum at zero.

    While it runs, `frame` events carry {layer: index, label, points (P,) grid indices, energy (P,),
    positions (P,N,3), measured (P,A)}.
    """

    name: str
    molecule: Molecule
    axes: tuple[Axis, ...]
    relaxed: bool
    layers: tuple[Layer, ...]


def run(spec: SurfaceSpec, context: Context) -> Surface:
    """See SurfaceSpec.

    Axes must be different rotatable bonds. A force field that fails gives a layer of NaN with the
    reason in `problems`, and the others go on. A stop keeps the points that are there. Raises
    ValueError naming the axis that makes no sense, or when no force field gave any energy.
    """
    from core import storage
    from core.motion.layers import compute

    storage.make_folder(spec.out)
    layers = compute(spec, context)
    name = spec.name or f"{spec.molecule.name or spec.molecule.formula} surface"
    surface = Surface(name, spec.molecule, spec.axes, spec.relax, layers)
    storage.save_result(spec.out, surface)
    context.progress(1.0, "done")
    return surface


SPEC = SurfaceSpec
