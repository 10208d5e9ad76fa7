import dataclasses

import numpy as np
import pytest

from core.fieldref import FieldRef
from core.forcefields.load import make
from core.mm.constants import AMBER_COULOMB, OPENMM_COULOMB
from core.mm.export.amber import parts
from core.mm.export.subject import ExportError, atom_names, make_subject
from core.mm.mol2 import read_mol2
from core.mm.prmtop import read_prmtop
from core.molecule import Molecule
from tests.core.mm.export.subjects import edited, kcal, oracle
from tests.core.mm.export.test_openmm import TOY
from tests.core.mm.toy import geometries, toy
from tests.tolerances import MM_EXPORT


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "oracles" / "gaff"


@pytest.fixture(scope="module")
def entries(folder):
    return oracle(folder)


@pytest.fixture
def write(tmp_path):
    """Write all files of a subject; returns the path of the prmtop."""

    def to(subject):
        for part in parts(subject, ".prmtop"):
            if part.text:
                (tmp_path / f"m{part.suffix}").write_text(part.text)
        return tmp_path / "m.prmtop"

    return to


def rows(term) -> list:
    """Atoms from the lower end and values of each row, sorted."""
    columns = np.stack(list(term.parameters.values()), axis=1)
    atoms = [min(tuple(a), tuple(a[::-1])) for a in term.atoms.tolist()]
    found = zip(atoms, columns.tolist(), strict=True)
    return sorted((*a, *(float(f"{v:.7g}") for v in c)) for a, c in found)


def test_the_prmtop_comes_back_term_by_term(entries, write):
    for key, (subject, x) in entries.items():
        old = subject.topology  # with impropers turned so that their centre is third
        atoms, new = read_prmtop(write(subject))
        assert atoms.names == subject.names
        assert np.array_equal(atoms.numbers, subject.molecule.numbers)
        assert new.types == old.types
        for kind, term in old.terms().items():
            assert rows(getattr(new, kind)) == rows(term), (key, kind)
        assert {tuple(p) for p in new.pairs.tolist()} == {tuple(p) for p in old.pairs.tolist()}
        wanted, found = kcal(old, x), kcal(new, x)
        for kind, value in wanted.items():
            assert abs(found[kind] - value) < MM_EXPORT, (key, kind)


def test_edited_fields_and_awkward_terms(entries, write):
    """Nine digits of every value are enough; 1-4 scales that differ from pair to pair too."""
    for key in ("aspirin/gaff/disp", "3bpa/gaff2/disp", "azobenzene/gaff/disp"):
        subject, x = entries[key]
        subject = edited(subject)
        _, new = read_prmtop(write(subject))
        assert abs(kcal(new, x)["total"] - kcal(subject.topology, x)["total"]) < MM_EXPORT, key
    _, new = read_prmtop(write(make_subject(TOY, toy())))
    assert sorted(zip(new.scee14, new.scnb14, strict=True)) == sorted(
        zip(toy().scee14, toy().scnb14, strict=True)
    )
    for x in geometries(10):
        assert kcal(new, x)["total"] == pytest.approx(kcal(toy(), x)["total"], abs=MM_EXPORT)


def test_a_pair_whose_torsion_was_taken_out_still_interacts(entries, write):
    subject, x = entries["ethanol/gaff/disp"]
    top = subject.topology
    none = dataclasses.replace(
        top.torsion, atoms=top.torsion.atoms[:0], types=(), source=(), penalty=np.zeros(0),
        parameters={n: c[:0] for n, c in top.torsion.parameters.items()},
    )  # fmt: skip
    bare = dataclasses.replace(top, torsion=none)
    _, new = read_prmtop(write(make_subject(subject.molecule, bare)))
    assert len(new.pairs14) == len(top.pairs14)
    assert abs(kcal(new, x)["total"] - kcal(bare, x)["total"]) < MM_EXPORT


def test_another_coulomb_constant_is_put_into_the_charges(entries, write):
    subject, x = entries["aspirin/gaff/disp"]
    other = dataclasses.replace(subject.topology, coulomb=OPENMM_COULOMB)
    found = make_subject(subject.molecule, other)
    assert "charges are multiplied by 1.00001731" in parts(found, ".prmtop")[0].note
    assert parts(subject, ".prmtop")[0].note == ""
    _, new = read_prmtop(write(found))
    assert new.coulomb == AMBER_COULOMB
    assert abs(kcal(new, x)["total"] - kcal(other, x)["total"]) < MM_EXPORT


def test_openmm_reads_the_prmtop(entries, write):
    """With OpenMM's Coulomb constant, which that reader uses: so do our terms here."""
    openmm = pytest.importorskip("openmm", reason="OpenMM is not installed (pip install openmm)")
    from openmm import app

    for key, (subject, x) in entries.items():
        file = app.AmberPrmtopFile(str(write(subject)))
        system = file.createSystem(nonbondedMethod=app.NoCutoff, removeCMMotion=False)
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(x / 10.0)
        energy = context.getState(getEnergy=True).getPotentialEnergy()
        theirs = energy.value_in_unit(openmm.unit.kilocalories_per_mole)
        ours = kcal(dataclasses.replace(subject.topology, coulomb=OPENMM_COULOMB), x)["total"]
        assert abs(theirs - ours) < MM_EXPORT, key
        assert [a.name for a in file.topology.atoms()] == list(subject.names)


@pytest.mark.filterwarnings("ignore")
def test_parmed_reads_all_files(entries, folder, write):
    """And finds in them what LEaP wrote, section by section, up to masses and order of rows."""
    parmed = pytest.importorskip("parmed", reason="ParmEd is not installed (pip install parmed)")
    for key, (subject, x) in entries.items():
        path = write(subject)
        new = parmed.amber.AmberParm(str(path), str(path.with_suffix(".inpcrd")))
        name, flavour, _ = key.split("/")
        old = parmed.amber.AmberParm(str(folder / f"{name}_{flavour}.prmtop"))
        assert np.abs(new.coordinates - x).max() < 1e-7
        assert list(new.parm_data) == list(old.parm_data)
        for section in ("ATOM_NAME", "ATOMIC_NUMBER", "ATOM_TYPE_INDEX", "NONBONDED_PARM_INDEX",
                        "NUMBER_EXCLUDED_ATOMS", "EXCLUDED_ATOMS_LIST", "RADII", "SCREEN",
                        "AMBER_ATOM_TYPE", "RESIDUE_LABEL"):  # fmt: skip
            assert new.parm_data[section] == old.parm_data[section], (key, section)
        assert np.abs(np.subtract(new.parm_data["CHARGE"], old.parm_data["CHARGE"])).max() < 1e-7


def test_mol2_and_frcmod_give_the_field_again(entries, write):
    """Through our own tables: what tleap does with them. Total charges are whole numbers here."""
    for key in (
        "ethanol/gaff/disp",
        "malonaldehyde/gaff2/disp",
        "aspirin/gaff/disp",
        "3bpa/gaff2/disp",
    ):
        subject, x = entries[key]
        prmtop = write(subject)
        mol2, frcmod = (str(prmtop.with_suffix(s)) for s in (".mol2", ".frcmod"))
        read, types, charges = read_mol2(mol2)
        assert types == subject.topology.types
        assert np.abs(charges - subject.topology.charges).max() < 1e-9
        assert np.abs(read.positions - x).max() < 1e-7
        hyper = {"flavour": key.split("/")[1], "mol2": mol2, "parameters": frcmod}
        field = make(FieldRef("gaff", hyper=hyper), read)
        wanted, found = kcal(subject.topology, x), kcal(field.topology, x)
        for kind, value in wanted.items():
            if kind.startswith(("coulomb", "total")):  # charges there are made whole
                continue
            assert abs(found[kind] - value) < MM_EXPORT, (key, kind)


def test_an_frcmod_cannot_tell_equal_types_apart(entries):
    subject, _ = entries["ethanol/gaff/min"]
    found = {p.suffix: p for p in parts(edited(subject), ".prmtop")}
    assert found[".prmtop"].text
    assert found[".mol2"].text
    assert not found[".frcmod"].text
    assert "no frcmod file" in found[".frcmod"].note
    with pytest.raises(ExportError, match="one value per type"):
        parts(edited(subject), ".frcmod")


def test_what_amber_does_not_have(entries):
    subject, _ = entries["ethanol/gaff/min"]
    top = subject.topology
    n = top.torsion.parameters["n"].copy()
    n[2] = 12.0
    torsion = dataclasses.replace(top.torsion, parameters={**top.torsion.parameters, "n": n})
    with pytest.raises(ExportError, match="torsion 3 has the periodicity 12"):
        parts(make_subject(subject.molecule, dataclasses.replace(top, torsion=torsion)), ".prmtop")
    types = ("carbon", *top.types[1:])
    with pytest.raises(ExportError, match="carbon has more than"):
        parts(make_subject(subject.molecule, dataclasses.replace(top, types=types)), ".prmtop")


def test_names_stay_short_and_unique():
    many = Molecule("x", np.full(1500, 1), np.arange(4500.0).reshape(-1, 3))
    names = atom_names(many)
    assert len(set(names)) == 1500
    assert max(map(len, names)) <= 4
    bromine = Molecule("x", np.full(150, 35), np.arange(450.0).reshape(-1, 3))
    assert len(set(atom_names(bromine))) == 150
    with pytest.raises(ExportError, match="too many"):
        atom_names(Molecule("x", np.full(1300, 35), np.arange(3900.0).reshape(-1, 3)))
