"""UFF (Rappé et al., J. Am. Chem. Soc. 114, 10024 (1992)) by RDKit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.forcefields._rdkit import NO_CUTOFF, RDKitForceField
from core.forcefields.info import Info

if TYPE_CHECKING:
    from rdkit.Chem import Mol


class UFF(RDKitForceField):
    """Universal force field without charges, as RDKit implements it."""

    INFO = Info(
        key="uff",
        label="UFF",
        family="MM",
        doi="10.1021/ja00051a040",
        about="Covers nearly all elements, roughly. Differs between programs by 3-40 kcal/mol.",
        implementation="RDKit, without electrostatics, no van der Waals cut-off",
    )

    def build(self, mol: Mol) -> Any:
        from rdkit import rdBase
        from rdkit.Chem import rdForceFieldHelpers

        with rdBase.BlockLogs():  # said again, with the atom, in the error
            if not rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
                for i in range(mol.GetNumAtoms()):
                    if rdForceFieldHelpers.GetUFFVdWParams(mol, i, i) is None:
                        raise self.missing(i, "atom type")
                raise self.missing(0, "parameters")
            ff = rdForceFieldHelpers.UFFGetMoleculeForceField(
                mol, vdwThresh=NO_CUTOFF, ignoreInterfragInteractions=False
            )
        ff.Initialize()
        return ff


FIELD = UFF
