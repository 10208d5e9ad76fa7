"""GAFF as OpenMM evaluates it: the same terms in another program, as a second opinion.

The terms are GAFF's here, written as in `core.mm.export.openmm` (with charges scaled for OpenMM's
Coulomb constant) and computed by OpenMM's Reference platform in double precision: Eastman et al.,
J. Phys. Chem. B 128, 109 (2024). Needs the optional package openmm; without it this field does not
appear among the others.
"""

from __future__ import annotations

import importlib.util
from functools import cached_property
from typing import Any, Self

import numpy as np

from core.forcefields.base import DataForceField, ForceFieldError
from core.forcefields.gaff import GAFF, Hyper, parametrise
from core.forcefields.info import Info
from core.mm.symmetry import symmetries
from core.mm.topology import Topology
from core.molecule import Molecule
from core.units import KJ_MOL

PLATFORM = "Reference"
NM = 0.1  # Å in nm
KEY = "gaff-openmm"
NEEDS = "GAFF (OpenMM) needs the package openmm: pip install openmm"


class GAFFOpenMM(DataForceField):
    """GAFF's terms, OpenMM's arithmetic; geometries one after another."""

    INFO = Info(
        key=KEY,
        label="GAFF (OpenMM)",
        family="MM",
        doi="10.1021/acs.jpcb.3c06662",
        about="GAFF run by OpenMM's Reference platform, to check our own evaluation against.",
        implementation="OpenMM; types, charges and parameters as in GAFF here",
        elements=GAFF.INFO.elements,
    )
    Hyper = Hyper

    def __init__(
        self,
        molecule: Molecule,
        hyper: Any = None,
        *,
        topology: Topology | None = None,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> None:
        """topology: the terms, where they are known; else they are looked up as for GAFF."""
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        if topology is None:
            self.molecule, topology = parametrise(molecule, self.hyper)
        self.topology = topology
        self._context = _context(self.molecule, topology)

    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import openmm

        energy, forces = np.full(len(positions), np.nan), np.full(positions.shape, np.nan)
        for i, x in enumerate(positions):
            try:
                self._context.setPositions(x * NM)
                state = self._context.getState(getEnergy=True, getForces=True)
            except openmm.OpenMMException as error:
                self.reasons[i] = f"OpenMM: {error}"
                continue
            energy[i] = state.getPotentialEnergy()._value * KJ_MOL
            forces[i] = state.getForces(asNumpy=True)._value * (KJ_MOL * NM)
        return energy, forces

    @cached_property
    def permutations(self) -> np.ndarray:
        """(P,N) the permutations that map every term on an equal one."""
        return symmetries(self.molecule.numbers, self.topology)

    def state(self) -> dict[str, np.ndarray]:
        from core.mm.pack import to_arrays

        return to_arrays(self.topology)

    @classmethod
    def from_state(
        cls,
        molecule: Molecule,
        hyper: Any,
        state: dict[str, np.ndarray],
        *,
        device: str = "cpu",
        dtype: str = "float64",
    ) -> Self:
        topology = GAFF.from_state(molecule, None, state).topology
        return cls(molecule, hyper, topology=topology, device=device, dtype=dtype)


def _context(molecule: Molecule, topology: Topology) -> Any:
    from core.mm.export.openmm import system_xml
    from core.mm.export.subject import ExportError, make_subject

    try:
        import openmm
    except ImportError as error:
        raise ForceFieldError(f"{NEEDS} ({error})") from error
    try:
        system = openmm.XmlSerializer.deserialize(system_xml(make_subject(molecule, topology)))
    except ExportError as error:
        raise ForceFieldError(f"GAFF by OpenMM: {error}") from error
    platform = openmm.Platform.getPlatformByName(PLATFORM)
    return openmm.Context(system, openmm.VerletIntegrator(0.001), platform)


if importlib.util.find_spec("openmm"):
    FIELD = GAFFOpenMM
else:
    ABSENT = {KEY: NEEDS}
