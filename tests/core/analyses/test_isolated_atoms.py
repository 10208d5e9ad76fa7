"""Energies of free atoms come from a file of single atoms into a stored data set, and out again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core import storage
from core.analyses.isolated_atoms import IsolatedSpec, run
from core.dataset import Dataset
from core.engine.context import Context
from core.readers import ReaderError
from core.units import HARTREE
from tests.molecules import ETHANOL, ethanol_frames

# unrestricted PBE/def2-SVP, of the example that comes with the program
ATOMS = {"H": -13.568406656084337, "C": -1027.2636329484062, "O": -2038.5327610198729}
FREE = 2 * ATOMS["C"] + ATOMS["O"] + 6 * ATOMS["H"]


def write(path, rows, *, keyed: bool = True):
    """A file of single atoms: (symbol, energy)."""
    text = ""
    for symbol, energy in rows:
        head = f"Properties=species:S:1:pos:R:3 energy={energy}" if keyed else f"{energy}"
        text += f"1\n{head}\n{symbol} 0.0 0.0 0.0\n"
    path.write_text(text)
    return str(path)


@pytest.fixture
def record(tmp_path):
    """Ethanol bound by 3.65 eV per atom, as it is."""
    n = 6
    data = Dataset("ethanol", ETHANOL, ethanol_frames(n), FREE - 9 * 3.65 + 0.1 * np.arange(n))
    storage.save(tmp_path / "record.npz", data)
    return str(tmp_path / "record.npz")


def atoms_of(record) -> dict[str, float]:
    return storage.load(record, Dataset).isolated_atoms


def test_the_energies_are_put_in_and_the_binding_is_told(record, tmp_path):
    path = write(tmp_path / "atoms.extxyz", ATOMS.items())
    result = run(IsolatedSpec(record, path=path), Context())
    assert atoms_of(record) == result.energies == pytest.approx(ATOMS)
    assert result.before == {}
    assert result.missing == ()
    assert result.bound == pytest.approx(3.65, abs=0.05)
    again = run(IsolatedSpec(record, energies=result.before), Context())
    assert atoms_of(record) == {}
    assert again.missing == ("C", "O", "H")


def test_what_the_file_does_not_name_is_kept_and_what_lacks_is_told(record, tmp_path):
    run(IsolatedSpec(record, energies={"H": -13.0, "N": -1480.0}), Context())
    path = write(tmp_path / "atoms.xyz", [("H", ATOMS["H"]), ("C", ATOMS["C"])])
    result = run(IsolatedSpec(record, path=path), Context())
    assert result.missing == ("O",)
    assert atoms_of(record) == pytest.approx({"H": ATOMS["H"], "N": -1480.0, "C": ATOMS["C"]})


def test_hartree_is_recognised_by_the_size_of_the_energies(record, tmp_path):
    path = write(tmp_path / "atoms.xyz", [(s, e / HARTREE) for s, e in ATOMS.items()])
    result = run(IsolatedSpec(record, path=path), Context())
    assert result.units == "Hartree"
    assert atoms_of(record) == pytest.approx(ATOMS)


def test_geometries_and_labels_stay_as_they_were(record, tmp_path):
    before = storage.load(record, Dataset)
    run(IsolatedSpec(record, path=write(tmp_path / "a.xyz", ATOMS.items())), Context())
    after = storage.load(record, Dataset)
    for field in dataclasses.fields(Dataset):
        if field.name in ("positions", "energies"):
            assert np.array_equal(getattr(before, field.name), getattr(after, field.name))
        elif field.name in ("name", "level", "source", "sha256", "forces"):
            assert getattr(before, field.name) == getattr(after, field.name)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("3\nProperties=species:S:1:pos:R:3 energy=-2079.0\nO 0 0 0\nH 1 0 0\nH 0 1 0\n",
         "frame 1: holds H2O with 3 atoms.*one atom in each frame"),
        ("1\nProperties=species:S:1:pos:R:3 energy=-13.6\nH 0 0 0\n"
         "1\nProperties=species:S:1:pos:R:3\nC 0 0 0\n", "frame 2: this C atom has no energy"),
        ("1\nProperties=species:S:1:pos:R:3 energy=-13.6\nH 0 0 0\n"
         "1\nProperties=species:S:1:pos:R:3 energy=-13.1\nH 0 0 0\n", "two .*H.*keep"),
        ("nothing", "expected a number of atoms"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_single_atoms_is_refused_and_nothing_changes(
    record, tmp_path, text, why
):
    path = tmp_path / "bad.xyz"
    path.write_text(text)
    with pytest.raises(ReaderError, match=why):
        run(IsolatedSpec(record, path=str(path)), Context())
    assert atoms_of(record) == {}


def test_atoms_of_another_level_are_refused(record, tmp_path):
    gfn2 = {"H": -10.7, "C": -48.8, "O": -102.6}  # valence electrons only
    path = write(tmp_path / "gfn2.xyz", gfn2.items())
    with pytest.raises(ReaderError, match="another level of theory"):
        run(IsolatedSpec(record, path=path, units="eV"), Context())


def test_an_unknown_unit_is_asked_for(record, tmp_path):
    data = storage.load(record, Dataset)
    small = {s: 0.001 * e for s, e in ATOMS.items()}
    shifted = dataclasses.replace(data, energies=data.energies - FREE * 0.999)
    storage.save(record, shifted)
    path = write(tmp_path / "odd.xyz", small.items())
    asked = run(IsolatedSpec(record, path=path), Context())
    assert asked.unsure
    assert "eV" in asked.unit_choices
    assert atoms_of(record) == {}
    run(IsolatedSpec(record, path=path, units="eV"), Context())
    assert atoms_of(record) == pytest.approx(small)


def test_a_published_file_is_read(record, shared):
    path = str(shared / "data" / "3bpa" / "iso_atoms.xyz")
    data = storage.load(record, Dataset)
    storage.save(record, dataclasses.replace(data, energies=None))
    result = run(IsolatedSpec(record, path=path), Context())
    assert sorted(result.energies) == ["C", "H", "N", "O"]
    assert result.units == "eV"
    assert result.energies["H"] == pytest.approx(-13.587, abs=1e-3)
    assert np.isnan(result.bound)
