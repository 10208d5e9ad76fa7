"""What the force fields that RDKit computes have in common."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from core.bonding import BondingError, label, to_rdkit
from core.forcefields.base import DataForceField, ForceFieldError
from core.molecule import Molecule
from core.units import KCAL_MOL

if TYPE_CHECKING:
    from rdkit.Chem import Mol

#: Cut-off of the non-bonded terms, as Å (MMFF94) or as a multiple of the contact distance (UFF).
#: RDKit lists the pairs once, for the first geometry; without a cut-off the list suits them all.
NO_CUTOFF = 1e6
#: At most this many atom permutations are listed.
MAX_PERMUTATIONS = 100


class RDKitForceField(DataForceField):
    """Energy and gradient in kcal/mol and Å by RDKit, set up once per molecule."""

    def __init__(
        self, molecule: Molecule, hyper: Any = None, *, device: str = "cpu", dtype: str = "float64"
    ) -> None:
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        try:
            self._mol = to_rdkit(molecule)  # kept: the RDKit force field points into it
        except BondingError as error:
            raise ForceFieldError(f"{self.INFO.label} needs bond orders: {error}") from error
        self._ff = self.build(self._mol)

    @abstractmethod
    def build(self, mol: Mol) -> Any:
        """RDKit's force field object. Raises ForceFieldError naming what has no parameters."""

    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energy_of, gradient_of = self._ff.CalcEnergy, self._ff.CalcGrad
        energy = np.empty(len(positions))
        gradient = np.empty((len(positions), positions.shape[1] * 3))
        # One call per geometry: RDKit has no batched evaluation. The energy must come first: it
        # renews RDKit's cached distances, the gradient alone would use those of the call before.
        for i, x in enumerate(positions.reshape(gradient.shape).tolist()):
            energy[i] = energy_of(x)
            gradient[i] = gradient_of(x)
        return energy * KCAL_MOL, gradient.reshape(positions.shape) * -KCAL_MOL

    @cached_property
    def permutations(self) -> np.ndarray:
        """(P,N) the automorphisms of the bonded graph (chirality aside)."""
        plain = type(self._mol)(self._mol)
        for bond in plain.GetBonds():
            bond.SetStereo(bond.GetStereo().STEREONONE)
        found = plain.GetSubstructMatches(plain, uniquify=False, maxMatches=MAX_PERMUTATIONS)
        identity = tuple(range(len(self.molecule.numbers)))
        return np.array([identity, *sorted({tuple(m) for m in found} - {identity})])

    def missing(self, atom: int, what: str) -> ForceFieldError:
        """The error for an atom (from 0) without parameters."""
        where = label(self.molecule, atom)
        return ForceFieldError(
            f"{self.INFO.label} has no {what} for atom {where} of "
            f"{self.molecule.name or self.molecule.formula}; check its bonds, or use a force field "
            "that covers it (GFN2-xTB, or one trained on data)"
        )
