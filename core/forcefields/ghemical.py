"""Ghemical's molecular mechanics (Hassinen & Peräkylä, J. Comput. Chem. 22, 1229 (2001)).

By Open Babel (O'Boyle et al., J. Cheminformatics 3, 33 (2011)), optional and in a process of its
own: it is under the GPL, and its force fields are shared by everything in one process.
"""

from __future__ import annotations

import importlib.util
from functools import cached_property
from typing import Any

import numpy as np

from core.bonding import BondingError, label, to_rdkit, with_bonds
from core.forcefields._openbabel import OpenBabel
from core.forcefields.base import DataForceField, ForceFieldError
from core.forcefields.info import Info
from core.molecule import Molecule
from core.units import KJ_MOL

KEY = "ghemical"
NEEDS = "Ghemical needs Open Babel: pip install pescape[openbabel] (the package openbabel-wheel)"
UNTYPED = "FFFF"  #: what Open Babel calls an atom without a type; it would go on without a word
MAX_PERMUTATIONS = 100


class Ghemical(DataForceField):
    """Harmonic bonds and angles, cosine torsions, Lennard-Jones and charges, in Tripos' form.

    E = sum k_b (r - r0)^2 + k_a (theta - theta0)^2 + k_t (1 + s cos n phi) + Lennard-Jones and
    Coulomb of atoms three or more bonds apart (1-4 pairs as Open Babel scales them), no cut-off.
    Forces are Open Babel's analytic ones: unlike those of its MMFF94 and UFF they are right (a test
    holds them to central differences of the energy). An atom without a type is refused. Terms for
    which Open Babel took its default parameters are told in `notes`, and so are charges that do not
    add up to the molecule's, which its parameters do not know.
    """

    INFO = Info(
        key=KEY,
        label="Ghemical",
        family="MM",
        doi="10.1002/jcc.1080",
        about="Small general force field in Tripos' form, as Open Babel has it. No training.",
        implementation="Open Babel, in a process of its own",
        elements=(1, 6, 7, 8, 9, 15, 16, 17, 35, 53),
    )

    def __init__(
        self, molecule: Molecule, hyper: Any = None, *, device: str = "cpu", dtype: str = "float64"
    ) -> None:
        super().__init__(molecule, hyper, device=device, dtype=dtype)
        if importlib.util.find_spec("openbabel") is None:
            raise ForceFieldError(NEEDS)
        self._babel = OpenBabel(self._message(), molecule.positions, label=self.INFO.label)
        about = self._babel.about()
        if about.get("unit") != "kJ/mol":
            raise ForceFieldError(f"Open Babel gives Ghemical in {about.get('unit')}, not kJ/mol")
        self.types = tuple(str(t) for t in about["types"])
        self.charges = np.array(about["partial"], dtype=np.float64)
        self._check(about["missing"])

    def evaluate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        energy, forces = np.full(len(positions), np.nan), np.full(positions.shape, np.nan)
        if len(positions):
            energy, forces = self._babel.evaluate(positions)
        return energy * KJ_MOL, forces * KJ_MOL

    @cached_property
    def permutations(self) -> np.ndarray:
        """(P,N) the automorphisms of the graph that Open Babel was given, chirality aside."""
        mol = self._mol
        found = mol.GetSubstructMatches(mol, uniquify=False, maxMatches=MAX_PERMUTATIONS)
        identity = tuple(range(len(self.molecule.numbers)))
        return np.array([identity, *sorted({tuple(m) for m in found} - {identity})])

    def _message(self) -> dict[str, Any]:
        """Atoms, formal charges and Kekulé bonds; Open Babel finds the aromatic rings itself."""
        from rdkit import Chem

        try:
            self.molecule = with_bonds(self.molecule)
            mol = to_rdkit(self.molecule)
        except BondingError as error:
            raise ForceFieldError(f"{self.INFO.label} needs bond orders: {error}") from error
        Chem.RemoveStereochemistry(mol)
        Chem.Kekulize(mol, clearAromaticFlags=True)
        self._mol = mol
        for atom in mol.GetAtoms():
            if atom.GetNumRadicalElectrons():
                raise ForceFieldError(
                    f"{self.INFO.label} has no parameters for radicals, and "
                    f"{label(self.molecule, atom.GetIdx())} has an unpaired electron: correct the "
                    "charge or the bonds, or use GFN2-xTB"
                )
        return {
            "setup": "Ghemical",
            "numbers": [a.GetAtomicNum() for a in mol.GetAtoms()],
            "charges": [a.GetFormalCharge() for a in mol.GetAtoms()],
            "bonds": [
                [b.GetBeginAtomIdx(), b.GetEndAtomIdx(), round(b.GetBondTypeAsDouble())]
                for b in mol.GetBonds()
            ],
        }

    def _check(self, missing: list[str]) -> None:
        name = self.molecule.name or self.molecule.formula
        untyped = [label(self.molecule, i) for i, t in enumerate(self.types) if t == UNTYPED]
        if untyped:
            raise ForceFieldError(
                f"{self.INFO.label} has no atom type for {', '.join(untyped)} of {name}; check its "
                "bonds, or use a force field that covers it (GFN2-xTB, or one trained on data)"
            )
        if missing:
            self.notes["default parameters"] = f"Open Babel has none for: {', '.join(missing)}"
        total = float(self.charges.sum())
        if abs(total - self.molecule.charge) > 1e-6:
            self.notes["charges"] = (
                f"Ghemical's charges add up to {total:+.2f} e, the molecule's charge is "
                f"{self.molecule.charge:+d}"
            )


if importlib.util.find_spec("openbabel"):
    FIELD = Ghemical
else:
    ABSENT = {KEY: NEEDS}
