"""A surface as views hold it: finished, or filling in while a job runs; and how it is put in words.

Only presentation lives here; zeros, differences and minima come from `core.analyses.surface_tools`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from core.analyses import surface_tools as tools
from core.analyses.surface import Axis, Surface, SurfaceSpec
from core.dataset import Dataset
from core.geometry import measure
from core.molecule import Molecule
from core.units import KCAL_MOL
from widgets.palette import palette

MAX_LINES = 20  # contour lines over the shown range
HELD_NOTE = 0.1  # degrees: requested and measured angles further apart than this are both shown


@dataclass(eq=False)
class LayerData:
    """One force field's points; NaN energy with `known` = it was tried and failed.

    energy (G,) eV; positions (G,N,3) Å; measured (G,A) rad; known, converged (G,) bool.
    """

    label: str
    key: str
    energy: np.ndarray
    positions: np.ndarray
    measured: np.ndarray
    known: np.ndarray
    converged: np.ndarray
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> np.ndarray:
        """(F,) grid indices that were tried without success."""
        return np.flatnonzero(self.known & ~np.isfinite(self.energy))


@dataclass(eq=False)
class SurfaceData:
    """Layers over one grid; `source` is the project item, `job` the running job."""

    name: str
    molecule: Molecule
    axes: tuple[Axis, ...]
    relaxed: bool
    layers: list[LayerData]
    source: str = ""
    job: str = ""

    def __post_init__(self) -> None:
        for layer in self.layers:
            if layer.key == "reference":
                palette().reference(layer.label)

    @classmethod
    def from_spec(cls, spec: SurfaceSpec, *, source: str = "", job: str = "") -> SurfaceData:
        """Empty layers, ready for `put`."""
        shape = (int(np.prod(tools.grid_shape(spec.axes))), len(spec.molecule.numbers))
        layers = [
            blank_layer(ref.label or ref.key, ref.key, shape, spec.axes) for ref in spec.fields
        ]
        return cls(spec.name, spec.molecule, spec.axes, spec.relax, layers, source, job)

    @classmethod
    def from_surface(cls, surface: Surface, *, source: str = "") -> SurfaceData:
        """A finished result."""
        layers = []
        for x in surface.layers:
            known = np.ones(len(x.energy), dtype=bool)
            parts = (x.energy, x.positions, x.measured, known, x.converged, dict(x.problems))
            layers.append(LayerData(x.label, x.key, *parts))
        return cls(surface.name, surface.molecule, surface.axes, surface.relaxed, layers, source)

    @classmethod
    def from_dataset(
        cls, dataset: Dataset, atoms: tuple[tuple[int, ...], ...], *, label: str, source: str = ""
    ) -> SurfaceData | None:
        """The reference surface that a scanned data set holds, or None where it is no grid."""
        if not dataset.has_energy.any():
            return None
        r = dataset.positions
        angles = np.stack([measure(r, a) for a in atoms], axis=-1)
        axes = tools.grid_of(angles, atoms)
        if axes is None:
            return None
        shape = (int(np.prod(tools.grid_shape(axes))), r.shape[1])
        layer = blank_layer(label, "reference", shape, axes)
        at = tools.nearest(angles, axes)
        layer.energy[at] = dataset.energies
        layer.positions[at] = r
        layer.measured[at] = angles
        layer.known[at] = True
        layer.converged[at] = True
        return cls(dataset.name, dataset.molecule, axes, True, [layer], source)

    def put(self, payload: dict) -> int:
        """Fill in what a `frame` event of the surface job carries; returns the layer's index.

        Raises ValueError where the event does not fit this surface.
        """
        which = int(payload["layer"])
        points = np.asarray(payload["points"], dtype=np.int64)
        if not 0 <= which < len(self.layers):
            raise ValueError(f"layer {which} of {len(self.layers)}")
        layer = self.layers[which]
        if len(points) and (points.min() < 0 or points.max() >= len(layer.energy)):
            raise ValueError(f"grid point outside 0..{len(layer.energy) - 1}")
        layer.energy[points] = payload["energy"]
        layer.known[points] = True
        layer.converged[points] = np.isfinite(payload["energy"])
        for name, array in (("positions", layer.positions), ("measured", layer.measured)):
            if name in payload:
                array[points] = payload[name]
        return which

    @property
    def size(self) -> int:
        """G, the number of grid points."""
        return int(np.prod(tools.grid_shape(self.axes)))

    @property
    def reference(self) -> int:
        """Index of the first reference layer, -1 without one."""
        return next((i for i, x in enumerate(self.layers) if x.key == "reference"), -1)


def blank_layer(label: str, key: str, shape: tuple[int, int], axes: tuple) -> LayerData:
    """A layer with nothing in it; shape is (G, N)."""
    g, n = shape
    nothing = np.zeros(g, dtype=bool)
    energy, measured = np.full(g, np.nan), np.full((g, len(axes)), np.nan)
    return LayerData(
        label, key, energy, np.full((g, n, 3), np.nan), measured, nothing, nothing.copy()
    )


def degrees_text(angle: float) -> str:
    """An angle in rad as whole or tenth degrees with a true minus sign."""
    value = round(math.degrees(angle), 1)
    text = f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"
    return text.replace("-", "−") + "°"


def nice_step(span: float, *, parts: int = 10) -> float:
    """The smallest of 1, 2 or 5 times a power of ten that divides `span` into at most `parts`."""
    if not span > 0 or not math.isfinite(span):
        return 1.0
    raw = span / parts
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))


def line_step(span: float, ev: float) -> float:
    """Distance of contour lines over `span`, in a unit of `ev` eV.

    About 1 kcal/mol (1 kcal/mol, 5 kJ/mol, 0.05 eV, 50 meV), unless that makes too few or too many.
    """
    usual = nice_step(KCAL_MOL / ev, parts=1)
    return usual if 4 * usual <= span <= MAX_LINES * usual else nice_step(span, parts=10)


def nice_limit(value: float) -> float:
    """`value` rounded up to a number that looks well at the end of a scale."""
    if not value > 0 or not math.isfinite(value):
        return 1.0
    step = nice_step(value, parts=12)
    return math.ceil(value / step - 1e-9) * step


def shown_range(layers: list[np.ndarray]) -> float:
    """Upper end of the energy scale, in the unit of `layers` (each above its own minimum).

    The 90th percentile of what there is, at least: a rigid scan's clashes would otherwise flatten
    all that matters; what lies above is hatched.
    """
    together = np.concatenate([x[np.isfinite(x)] for x in layers]) if layers else np.zeros(0)
    if not len(together):
        return 1.0
    top, most = np.percentile(together, 90) * 1.25, together.max()
    return nice_limit(float(min(top, most)) or float(most))
