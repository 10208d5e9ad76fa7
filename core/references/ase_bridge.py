"""Any force field of PEScape as an ASE calculator, for ASE's own optimisers and dynamics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from ase.calculators.calculator import Calculator, all_changes

if TYPE_CHECKING:
    from ase import Atoms

    from core.forcefields.base import ForceField
    from core.molecule import Molecule


class FieldCalculator(Calculator):
    """ASE calculator around a ForceField: energy (eV) and forces (eV/Å) of one geometry.

    `count` is the number of evaluations so far.
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012  (as ASE declares it)

    def __init__(self, field: ForceField) -> None:
        super().__init__()
        self.field = field
        self.count = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None  # set by the call above
        x = torch.as_tensor(
            self.atoms.get_positions()[None], dtype=self.field.dtype, device=self.field.device
        )
        e, f = self.field.compute(x)
        self.count += 1
        self.results = {"energy": float(e[0]), "forces": f[0].detach().cpu().double().numpy()}


def to_ase(molecule: Molecule, field: ForceField | None = None) -> Atoms:
    """The molecule as ASE Atoms, with `field` as its calculator where one is given."""
    from ase import Atoms

    atoms = Atoms(numbers=molecule.numbers, positions=molecule.positions)
    if field is not None:
        atoms.calc = FieldCalculator(field)
    return atoms
