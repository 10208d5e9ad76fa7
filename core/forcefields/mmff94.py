"""MMFF94 and MMFF94s (Halgren, J. Comput. Chem. 17, 490 (1996); 20, 720 (1999)) by RDKit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.forcefields._rdkit import NO_CUTOFF, RDKitForceField
from core.forcefields.base import hyper
from core.forcefields.info import Info

if TYPE_CHECKING:
    from rdkit.Chem import Mol

#: Elements with MMFF94 atom types (some only as ions).
ELEMENTS = (1, 3, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 19, 20, 26, 29, 30, 35, 53)


@dataclass(frozen=True)
class Hyper:
    """Which of the two parameter sets."""

    variant: str = hyper(
        "MMFF94",
        label="Variant",
        help="MMFF94s keeps conjugated nitrogen planar, as time-averaged structures show it",
        choices=("MMFF94", "MMFF94s"),
    )


class MMFF94(RDKitForceField):
    """Bonds, angles, stretch-bends, out-of-plane, torsions, buffered 14-7 and charges."""

    INFO = Info(
        key="mmff94",
        label="MMFF94",
        family="MM",
        doi="10.1002/(SICI)1096-987X(199604)17:5/6<490::AID-JCC1>3.0.CO;2-P",
        about="General force field for organic molecules, from ab initio data. No training.",
        implementation="RDKit (Tosco, Stiefl & Landrum 2014), no non-bonded cut-off",
        elements=ELEMENTS,
    )
    Hyper = Hyper

    def build(self, mol: Mol) -> Any:
        from rdkit.Chem import rdForceFieldHelpers

        self._properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(
            mol, mmffVariant=self.hyper.variant
        )
        if self._properties is None:
            raise self.missing(_untyped(mol), "atom type")
        ff = rdForceFieldHelpers.MMFFGetMoleculeForceField(
            mol, self._properties, nonBondedThresh=NO_CUTOFF, ignoreInterfragInteractions=False
        )
        ff.Initialize()
        return ff


def _untyped(mol: Mol) -> int:
    """The atom RDKit most likely failed at; it does not say so itself.

    An element that MMFF94 does not have, else an unpaired electron, else an unusual charge.
    """
    atoms = list(mol.GetAtoms())
    tests = (
        lambda a: a.GetAtomicNum() not in ELEMENTS,
        lambda a: a.GetNumRadicalElectrons() > 0,
        lambda a: a.GetFormalCharge() != 0,
        lambda a: a.GetAtomicNum() not in (1, 6),
    )
    for test in tests:
        for atom in atoms:
            if test(atom):
                return int(atom.GetIdx())
    return 0


FIELD = MMFF94
