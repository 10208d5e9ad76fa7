"""ASE trajectories, formats through ASE, our own records, export."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from core.dataset import Dataset
from core.molecule import Molecule
from core.readers import ReaderError, read
from core.readers.export import write_extxyz
from core.storage import save
from core.units import BOHR, HARTREE


@pytest.fixture
def dataset(ethanol) -> Dataset:
    energies = ethanol.energies * HARTREE
    forces = ethanol.forces * HARTREE / BOHR
    energies[3] = np.nan
    forces[5] = np.nan
    return Dataset(
        "ethanol", Molecule("ethanol", ethanol.numbers, ethanol.positions[0], charge=0),
        ethanol.positions, energies, forces, level='GFN2-xTB "a\\b"',
        tags={"phi": np.arange(40.0)}, isolated_atoms={"C": -48.8, "H": -10.7},
    )  # fmt: skip


def test_export_reads_back_to_the_last_digit(tmp_path, importer, dataset):
    path = write_extxyz(dataset, tmp_path / "out.extxyz")
    found = importer(path)
    back = found.datasets[0]
    assert np.array_equal(back.positions, dataset.positions)
    assert np.array_equal(back.energies, dataset.energies, equal_nan=True)
    assert np.array_equal(back.forces, dataset.forces, equal_nan=True)
    assert back.level == dataset.level
    assert back.isolated_atoms == dataset.isolated_atoms
    assert back.tags["phi"].tolist() == dataset.tags["phi"].tolist()
    assert (found.reports[0].n_energies, found.reports[0].n_forces) == (39, 39)
    assert any("frame 4" in n for n in found.reports[0].notes)
    assert found.reports[0].unsure == ""
    assert [p.name for p in tmp_path.iterdir()] == ["out.extxyz"]


def test_ase_reads_our_export(tmp_path, dataset):
    from ase.io import read as ase_read

    path = write_extxyz(dataset, tmp_path / "out.extxyz")
    frames = ase_read(path, index=":")
    assert len(frames) == 42
    assert frames[0].get_potential_energy() == dataset.energies[0]
    assert np.array_equal(frames[0].get_forces(), dataset.forces[0])


def test_export_leaves_the_old_file_when_it_fails(tmp_path, dataset):
    path = tmp_path / "out.extxyz"
    path.write_text("old")
    broken = dataclasses.replace(dataset, tags={"phi": np.array([object()] * 40)})
    with pytest.raises(TypeError):
        write_extxyz(broken, path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_ase_trajectory(tmp_path, importer, ethanol):
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io.trajectory import Trajectory

    path = tmp_path / "a.traj"
    with Trajectory(path, "w") as out:
        for r, e, f in zip(ethanol.positions, ethanol.energies, ethanol.forces, strict=True):
            atoms = Atoms(numbers=ethanol.numbers, positions=r)
            atoms.calc = SinglePointCalculator(atoms, energy=e * HARTREE, forces=f * HARTREE / BOHR)
            out.write(atoms)
    found = importer(path)
    assert found.reports[0].force_sign == "ok"
    assert np.array_equal(found.datasets[0].positions, ethanol.positions)
    assert np.array_equal(found.datasets[0].energies, ethanol.energies * HARTREE)


def test_pickled_trajectories_are_refused_without_loading(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    for name in ("old.traj", "a.pckl", "a.npz", "a.extxyz", "a.db"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(Trap()))
        with pytest.raises(ReaderError):
            read(path)
    assert not (tmp_path / "sprung").exists()


def test_pdb_and_gaussian_input_through_ase(tmp_path, importer):
    path = tmp_path / "a.gjf"
    path.write_text(
        "#p pbe/sto-3g\n\ntitle\n\n0 1\nO 0.0 0.0 0.0\nH 0.96 0.0 0.0\nH -0.24 0.93 0.0\n\n"
    )
    found = importer(path)
    assert found.reports[0].format == "Gaussian input"
    assert found.datasets[0].molecule.formula == "H2O"
    assert len(found.datasets[0].molecule.bonds) == 2


def test_records(tmp_path, importer, dataset):
    save(tmp_path / "record.npz", dataset)
    found = importer(tmp_path / "record.npz")
    assert found.reports[0].format == "PEScape record"
    assert np.array_equal(found.datasets[0].forces, dataset.forces, equal_nan=True)
    save(tmp_path / "molecule.npz", dataset.molecule)
    assert len(importer(tmp_path / "molecule.npz").datasets[0]) == 1
    from core.dataset import Split

    save(tmp_path / "split.npz", Split(np.arange(3), np.arange(3, 4), np.arange(4, 5)))
    with pytest.raises(ReaderError, match="Split"):
        read(tmp_path / "split.npz")


def test_unknown_formats_say_what_is_read(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    with pytest.raises(ReaderError, match="extxyz"):
        read(path)
    with pytest.raises(ReaderError, match="none of"):
        read(path, format="gpaw")
    with pytest.raises(ReaderError, match="not one that is read"):
        read(path, format="ase:bundletrajectory")
