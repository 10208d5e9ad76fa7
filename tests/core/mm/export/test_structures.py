"""From a structure to the other program, without any file of AMBER's in between."""

import numpy as np
import pytest

from core.fieldref import FieldRef
from core.forcefields.load import make
from core.mm.export import export
from core.mm.export.openmm import SWAPS
from core.mm.export.openmm_forcefield import _automorphisms
from core.mm.export.subject import make_subject
from core.mm.prmtop import read_prmtop
from core.molecule import Molecule
from tests.core.mm.export.subjects import kcal
from tests.tolerances import MM_EXPORT

SMILES = [
    "O=CN",  # the centre of an improper is not the first atom, an end of it is
    "C(=O)(N)C",  # the centre of an improper is the first atom
    "C1CCC1", "C1CC1", "c1ccccc1", "C1=CC=CN1", "C12CC1C2",  # 1-4 pairs in small rings
    "ClCBr", "CC#N", "C[N+](=O)[O-]", "[NH3+]C", "CC(=O)[O-]", "FC(F)(F)S(=O)(=O)C", "O", "CP(C)C",
]  # fmt: skip

#: The order of the atoms in GAFF's impropers tells atoms apart that the bonds do not.
UNSYMMETRIC = ("O=CN", "C(=O)(N)C", "c1ccccc1", "C1=CC=CN1", "C[N+](=O)[O-]", "CC(=O)[O-]")


def molecule(smiles: str) -> Molecule:
    """The structure by RDKit's distance geometry, every atom moved by a normal step of 0.05 Å."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=7)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    x = mol.GetConformer().GetPositions()
    return Molecule(
        smiles,
        np.array([a.GetAtomicNum() for a in mol.GetAtoms()]),
        x + np.random.default_rng(1).normal(0.0, 0.05, x.shape),
        charge=Chem.GetFormalCharge(mol),
        bonds=np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()]),
        orders=np.array([b.GetBondTypeAsDouble() for b in mol.GetBonds()]),
    )


@pytest.mark.parametrize("smiles", SMILES)
def test_all_programs_find_our_energy(smiles, tmp_path):
    field = make(FieldRef("gaff"), molecule(smiles))
    x = field.molecule.positions
    ours = kcal(field.topology, x)["total"]
    amber = export(field, "amber", tmp_path / "m.prmtop")
    assert not amber.notes
    assert len(amber.files) == 4
    assert abs(kcal(read_prmtop(amber.files[0])[1], x)["total"] - ours) < MM_EXPORT
    back = {"mol2": str(amber.files[2]), "parameters": str(amber.files[3])}
    again = make(FieldRef("gaff", hyper=back), field.molecule)
    assert abs(kcal(again.topology, x)["total"] - ours) < MM_EXPORT
    found = export(field, "openmm", tmp_path / "m.xml")
    assert len(found.files) == 3
    openmm = pytest.importorskip("openmm", reason="OpenMM is not installed (pip install openmm)")
    from openmm import app

    built = app.ForceField(str(found.files[1])).createSystem(
        app.PDBFile(str(found.files[2])).topology, nonbondedMethod=app.NoCutoff, constraints=None,
        rigidWater=False, removeCMMotion=False,
    )  # fmt: skip

    def energy(system) -> float:
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(x / 10.0)
        value = context.getState(getEnergy=True).getPotentialEnergy()
        return value.value_in_unit(openmm.unit.kilocalories_per_mole)

    system = openmm.XmlSerializer.deserialize(found.files[0].read_text())
    assert abs(energy(system) - ours) < MM_EXPORT
    assert (SWAPS in found.notes) == (smiles in UNSYMMETRIC)
    # the template's atoms are found by their bonds: where that is ambiguous, any of these is right
    swaps = _automorphisms(make_subject(field.molecule, field.topology), 200)
    images = [kcal(field.topology, x[list(p)])["total"] for p in swaps]
    if SWAPS not in found.notes:
        assert np.ptp(images) < MM_EXPORT
    assert min(abs(energy(built) - e) for e in images) < MM_EXPORT
