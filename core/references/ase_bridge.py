"""Any force field of PEScape as an ASE calculator, for ASE's own optimisers and dynamics.

A saved model in a script of one's own:

    from core.references.ase_bridge import load_calculator, to_ase

    calculator = load_calculator("ethanol.npz")
    atoms = to_ase(calculator.field.molecule)
    atoms.calc = calculator
    atoms.get_potential_energy(), atoms.get_forces()  # eV, eV/Å
"""

from __future__ import annotations

from pathlib import Path
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
        _same_atoms(self.field, self.atoms)
        x = torch.as_tensor(
            self.atoms.get_positions()[None], dtype=self.field.dtype, device=self.field.device
        )
        e, f = self.field.compute(x)
        self.count += 1
        self.results = {"energy": float(e[0]), "forces": f[0].detach().cpu().double().numpy()}


def load_calculator(path: str | Path, *, device: str = "cpu") -> FieldCalculator:
    """A saved model (`pescape fit … --out FILE`) as an ASE calculator.

    device: "cpu" or "cuda:N". Raises ForceFieldError naming the file and the cause.
    """
    from core.forcefields.load import load_model

    return FieldCalculator(load_model(path, device=device))


def _same_atoms(field: ForceField, atoms: Atoms) -> None:
    from core.forcefields.errors import ForceFieldError

    wanted, found = list(field.molecule.numbers), list(atoms.numbers)
    if wanted != found:
        raise ForceFieldError(
            f"{field.INFO.label} is for {field.molecule.formula} with its atoms in the order "
            f"{' '.join(field.molecule.symbols)}, not for {' '.join(atoms.symbols)}"
        )


def to_ase(molecule: Molecule, field: ForceField | None = None) -> Atoms:
    """The molecule as ASE Atoms, with `field` as its calculator where one is given."""
    from ase import Atoms

    atoms = Atoms(numbers=molecule.numbers, positions=molecule.positions)
    if field is not None:
        atoms.calc = FieldCalculator(field)
    return atoms
