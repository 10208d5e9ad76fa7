import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from core.mm.constants import AMBER_COULOMB, OPENMM_COULOMB
from core.mm.export.openmm import GROUPS, charge_factor, parts, system_xml
from core.mm.export.openmm_forcefield import forcefield_xml
from core.mm.export.pdb import pdb
from core.mm.export.subject import ExportError, make_subject
from core.mm.topology import Term
from core.molecule import Molecule
from tests.core.mm.export.subjects import changed, edited, kcal, oracle
from tests.core.mm.toy import geometries, toy
from tests.tolerances import MM_EXPORT

TOY = Molecule(
    "toy", [6, 6, 6, 6, 6, 1], geometries(1)[0],
    bonds=[[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [2, 4]], orders=np.ones(6),
)  # fmt: skip


@pytest.fixture(scope="module")
def openmm():
    return pytest.importorskip("openmm", reason="OpenMM is not installed (pip install openmm)")


@pytest.fixture(scope="module")
def entries(shared):
    return oracle(shared / "oracles" / "gaff")


@pytest.fixture(scope="module")
def toy_subject():
    return make_subject(TOY, toy())


@pytest.fixture
def energy(openmm):
    """energy(system, x, group=None) kcal/mol on the Reference platform, which is in double."""

    def of(system, x: np.ndarray, group: int | None = None) -> float:
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(np.asarray(x) / 10.0)
        groups = -1 if group is None else 1 << group
        state = context.getState(getEnergy=True, groups=groups)
        return state.getPotentialEnergy().value_in_unit(openmm.unit.kilocalories_per_mole)

    return of


def read_system(openmm, subject):
    return openmm.XmlSerializer.deserialize(system_xml(subject))


def without(openmm, subject, *, charges: bool):
    """The system with no charges, or with no Lennard-Jones terms."""
    system = read_system(openmm, subject)
    force = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    for i in range(force.getNumParticles()):
        q, sigma, eps = force.getParticleParameters(i)
        force.setParticleParameters(i, 0 if charges else q, sigma, eps if charges else 0)
    for i in range(force.getNumExceptions()):
        a, b, q, sigma, eps = force.getExceptionParameters(i)
        force.setExceptionParameters(i, a, b, 0 if charges else q, sigma, eps if charges else 0)
    return system


# -- System ------------------------------------------------------------------------------------
def test_every_term_of_the_system_is_ours(openmm, entries, energy):
    """Bonded kinds by force group, Lennard-Jones and Coulomb by taking the other one out."""
    for key, (subject, x) in entries.items():
        ours = kcal(subject.topology, x)
        system = read_system(openmm, subject)
        assert abs(energy(system, x) - ours["total"]) < MM_EXPORT, key
        for kind in ("bond", "angle", "torsion", "improper"):
            assert abs(energy(system, x, GROUPS[kind]) - ours[kind]) < MM_EXPORT, (key, kind)
        for gone, kinds in ((True, ("lj", "lj14")), (False, ("coulomb", "coulomb14"))):
            theirs = energy(without(openmm, subject, charges=gone), x, GROUPS["nonbonded"])
            assert abs(theirs - sum(ours[k] for k in kinds)) < MM_EXPORT, (key, kinds)


def test_a_field_with_every_awkward_term(openmm, toy_subject, energy):
    """Scales per pair, two impropers' worth of phases, negative amplitudes, a linear angle."""
    system = read_system(openmm, toy_subject)
    for x in geometries(20):
        assert energy(system, x) == pytest.approx(kcal(toy(), x)["total"], abs=MM_EXPORT)


def test_an_edited_field_keeps_all_its_digits(openmm, entries, energy):
    for key in ("aspirin/gaff/disp", "3bpa/gaff2/disp"):
        subject, x = entries[key]
        subject = edited(subject)
        ours = kcal(subject.topology, x)["total"]
        assert abs(energy(read_system(openmm, subject), x) - ours) < MM_EXPORT


def test_the_coulomb_constant(openmm, entries, energy):
    """OpenMM's own is taken as it is; with AMBER's the charges change by 1.7e-5."""
    subject, x = entries["aspirin/gaff/disp"]
    same = dataclasses.replace(subject.topology, coulomb=OPENMM_COULOMB)
    assert charge_factor(same) == 1.0
    assert charge_factor(subject.topology) == pytest.approx(1 - 1.731e-5, abs=1e-8)
    assert "charges are multiplied by 0.99998269" in parts(subject, ".xml")[0].note
    assert parts(make_subject(subject.molecule, same), ".xml")[0].note == ""
    away = kcal(same, x)["total"] - kcal(subject.topology, x)["total"]
    assert abs(away) > 100 * MM_EXPORT  # what would be wrong without the factor
    system = read_system(openmm, make_subject(subject.molecule, same))
    assert abs(energy(system, x) - kcal(same, x)["total"]) < MM_EXPORT
    assert pytest.approx(332.05221729 / 332.063713, rel=1e-7) == AMBER_COULOMB / OPENMM_COULOMB


def test_forces_and_masses(openmm, entries):
    import torch

    from core.mm import energy as mm
    from core.mm.forces import Forces
    from core.units import KCAL_MOL
    from tests.tolerances import MM_FORCE

    subject, x = entries["aspirin/gaff2/disp"]
    system = read_system(openmm, subject)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(x / 10.0)
    unit = openmm.unit.kilocalories_per_mole / openmm.unit.angstrom
    theirs = context.getState(getForces=True).getForces(asNumpy=True).value_in_unit(unit)
    _, ours = Forces(mm.tensors(subject.topology), len(x))(torch.tensor(x)[None])
    assert np.abs(theirs - ours[0].numpy() / KCAL_MOL).max() < MM_FORCE
    masses = [system.getParticleMass(i).value_in_unit(openmm.unit.dalton) for i in range(len(x))]
    assert masses == subject.masses.tolist()
    assert system.getNumConstraints() == 0


# -- ForceField --------------------------------------------------------------------------------
def build(openmm, subject, tmp_path):
    from openmm import app

    (tmp_path / "m.ff.xml").write_text(forcefield_xml(subject, charge_factor(subject.topology)))
    (tmp_path / "m.pdb").write_text(pdb(subject))
    read = app.PDBFile(str(tmp_path / "m.pdb"))
    field = app.ForceField(str(tmp_path / "m.ff.xml"))
    system = field.createSystem(
        read.topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False,
        removeCMMotion=False,
    )  # fmt: skip
    return read, system


def test_the_forcefield_file_makes_the_same_system(openmm, entries, energy, tmp_path):
    for key, (subject, x) in entries.items():
        read, system = build(openmm, subject, tmp_path)
        ours = kcal(subject.topology, x)["total"]
        assert abs(energy(system, x) - ours) < MM_EXPORT, key
        placed = np.array(read.getPositions(asNumpy=True)._value) * 10.0
        assert np.abs(placed - x).max() < 5.01e-4  # three decimals in a PDB


def test_the_forcefield_file_of_an_edited_field(openmm, entries, energy, tmp_path):
    for key in ("aspirin/gaff/disp", "malonaldehyde/gaff2/disp"):
        subject, x = entries[key]
        subject = edited(subject)
        _, system = build(openmm, subject, tmp_path)
        assert abs(energy(system, x) - kcal(subject.topology, x)["total"]) < MM_EXPORT


def test_what_a_forcefield_file_cannot_say(entries, toy_subject):
    subject, _ = entries["ethanol/gaff/min"]
    top = subject.topology

    def refused(**new) -> str:
        with pytest.raises(ExportError) as caught:
            forcefield_xml(make_subject(subject.molecule, dataclasses.replace(top, **new)), 1.0)
        return str(caught.value)

    scee = top.scee14.copy()
    scee[3] = 1.0
    assert "different Coulomb scales" in refused(scee14=scee)
    assert "do not interact as their number of bonds" in refused(pairs=top.pairs[1:])
    atoms = top.torsion.atoms.copy()
    atoms[0] = (0, 2, 1, 8)
    assert "joins atoms that are not bonded" in refused(
        torsion=dataclasses.replace(top.torsion, atoms=atoms)
    )
    improper = Term("improper", [[0, 1, 2, 3]], {"k": [0.1], "n": [2.0], "phase": [3.1]})
    assert "no centre bonded to the others" in refused(improper=improper)
    # the System holds it, and a note says what is missing
    system, field, geometry = parts(toy_subject, ".xml")
    assert system.text
    assert geometry.text
    assert not field.text
    assert "no ForceField file" in field.note


# -- for everyone ------------------------------------------------------------------------------
def test_a_constant_term_is_refused():
    top = toy()
    n = top.torsion.parameters["n"].copy()
    n[1] = 0.0
    with pytest.raises(ExportError, match=r"torsion 2 \(atoms 4-3-2-1\) has the periodicity 0"):
        make_subject(TOY, dataclasses.replace(top, torsion=changed(top.torsion, n=n)))


def test_missing_types_and_other_atoms_are_refused():
    top = toy()
    with pytest.raises(ExportError, match="atom 2 has no atom type"):
        make_subject(TOY, dataclasses.replace(top, types=("a", "", *top.types[2:])))
    with pytest.raises(ExportError, match="terms for 6 atoms and 1 atoms"):
        make_subject(Molecule("x", [1], [[0, 0, 0]]), top)


def test_far_away_molecules_are_no_pdb(toy_subject):
    far = dataclasses.replace(TOY, positions=TOY.positions + 2000.0)
    with pytest.raises(ExportError, match="centre it first"):
        pdb(make_subject(far, toy()))


def test_writing_needs_no_openmm():
    code = "import core.mm.export as e, sys; e.discover(); print('openmm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
