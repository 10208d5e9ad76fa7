"""The developers' real data, through the whole import."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.analyses.importing import Imported, ImportSpec, run
from core.engine.context import Cancelled, Context
from core.storage import load
from core.units import KCAL_MOL


def importer(path: Path, **settings: str) -> Imported:
    return run(ImportSpec(str(path), **settings), Context())


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize(
    ("name", "formula"), [("ethanol", "C2H6O"), ("malonaldehyde", "C3H4O2"), ("aspirin", "C9H8O4")]
)
def test_rmd17(shared, name, formula, part):
    path = shared / "data" / "rmd17" / f"rmd17_{name}_{part}_01.npz"
    found = importer(path)
    report, dataset = found.reports[0], found.datasets[0]
    assert (report.frames, report.n_energies, report.n_forces) == (1000, 1000, 1000)
    assert report.formula == formula
    assert report.units == "kcal/mol, kcal/mol/Å, Å"
    assert report.force_sign == "ok"
    assert report.unsure == ""
    assert report.problems == ()
    with np.load(path, allow_pickle=False) as stored:
        assert np.allclose(dataset.energies, stored["energies"] * KCAL_MOL, rtol=1e-12)
        assert np.allclose(dataset.forces, stored["forces"] * KCAL_MOL, rtol=1e-12)
    old = importer(path, energy_key="old_energies", force_key="old_forces").reports[0]
    assert old.force_sign == "ok"
    assert old.units == report.units


@pytest.mark.parametrize(
    ("file", "frames", "forces", "formula"),
    [
        ("3bpa/train_300K.xyz", 500, 500, "C12H12N2O"),
        ("3bpa/train_mixedT.xyz", 500, 500, "C12H12N2O"),
        ("acac/train_300K.xyz", 500, 500, "C5H8O2"),
        ("acac/train_600K.xyz", 500, 500, "C5H8O2"),
        ("acac/test_MD_300K.xyz", 650, 650, "C5H8O2"),
        ("acac/test_MD_600K.xyz", 650, 650, "C5H8O2"),
        ("acac/test_dihedral.xyz", 45, 0, "C5H8O2"),
        ("acac/test_H_transfer.xyz", 15, 0, "C5H8O2"),
    ],
)
def test_3bpa_and_acac(shared, file, frames, forces, formula):
    found = importer(shared / "data" / file)
    report = found.reports[0]
    assert len(found.reports) == 1
    assert (report.frames, report.n_energies, report.n_forces) == (frames, frames, forces)
    assert report.formula == formula
    assert report.units == "eV, eV/Å, Å"
    assert report.force_sign == ("ok" if forces else "unknown")
    assert report.unsure == ""
    assert any("no forces" in n for n in report.notes) == (not forces)
    assert len(found.datasets[0].molecule.bonds) == {"C12H12N2O": 28, "C5H8O2": 14}[formula]


def test_tags_of_3bpa(shared):
    dataset = importer(shared / "data" / "3bpa" / "train_300K.xyz").datasets[0]
    assert [dataset.tags[f"dihedrals_{k}"][0] for k in (1, 2, 3)] == [209.44, 80.54, 59.96]


@pytest.mark.parametrize(
    ("file", "symbols"), [("3bpa/iso_atoms.xyz", "CHNO"), ("acac/isolated_atoms.xyz", "CHO")]
)
def test_isolated_atoms(shared, file, symbols):
    found = importer(shared / "data" / file)
    assert "".join(sorted(found.datasets[0].isolated_atoms)) == symbols
    assert found.datasets[0].isolated_atoms["H"] == pytest.approx(-13.58, abs=0.02)


@pytest.mark.parametrize(
    ("file", "groups", "frames", "forces"),
    [
        ("torsions/roche_gen2.extxyz", 56, 1180, True),
        ("torsions/torsion30_ccsdt.extxyz", 30, 720, False),
        ("s66x8/s66x8.extxyz", 66, 528, True),
    ],
)
def test_many_molecules(shared, file, groups, frames, forces):
    found = importer(shared / "data" / file)
    assert len(found.datasets) == len(found.reports) == groups
    assert sum(r.frames for r in found.reports) == frames
    assert sum(r.n_energies for r in found.reports) == frames
    assert sum(r.n_forces for r in found.reports) == (frames if forces else 0)
    assert {r.units for r in found.reports} == {"eV, eV/Å, Å"}
    assert {r.force_sign for r in found.reports} == {"ok" if forces else "unknown"}
    assert {r.unsure for r in found.reports} == {""}
    assert len({d.name for d in found.datasets}) == groups


def test_torsion30_takes_the_best_level_and_says_so(shared):
    path = shared / "data" / "torsions" / "torsion30_ccsdt.extxyz"
    found = importer(path)
    assert any("energy_ccsdt_cbs" in n for n in found.reports[0].notes)
    assert any("forces_mp2" in n for n in found.reports[0].notes)
    mp2 = importer(path, energy_key="energy_mp2_havtz", force_key="forces_mp2")
    assert sum(r.n_forces for r in mp2.reports) == 720
    assert found.datasets[0].molecule.charge == -1


@pytest.mark.parametrize("file", ["acac/train_600K.xyz", "torsions/roche_gen2.extxyz"])
def test_flipped_signs_are_seen(shared, tmp_path, file):
    """Every force negated in the text itself."""
    lines = (shared / "data" / file).read_text().splitlines()
    flipped = []
    for line in lines:
        words = line.split()
        if len(words) == 7:
            words[4:] = [w[1:] if w.startswith("-") else "-" + w for w in words[4:]]
            line = " ".join(words)
        flipped.append(line)
    path = tmp_path / "flipped.extxyz"
    path.write_text("\n".join(flipped) + "\n")
    found = importer(path, out=str(tmp_path / "out"))
    assert {r.force_sign for r in found.reports} == {"reversed"}
    assert set(found.paths) == {""}
    turned = importer(path, force_sign="flip")
    assert {r.force_sign for r in turned.reports} == {"ok"}


def test_saved_in_one_folder_each(shared, tmp_path):
    path = shared / "data" / "s66x8" / "s66x8.extxyz"
    found = importer(path, out=str(tmp_path / "item"), name="dimers")
    assert found.paths[:2] == (str(tmp_path / "item"), str(tmp_path / "item-2"))
    back = load(tmp_path / "item-2" / "record.npz")
    assert np.array_equal(back.positions, found.datasets[1].positions)
    assert back.source == "s66x8.extxyz"
    assert len(back.sha256) == 64
    assert back.name == "dimers mol01"


def test_cancel_leaves_nothing(shared, tmp_path):
    context = Context()
    context.request_cancel()
    path = shared / "data" / "s66x8" / "s66x8.extxyz"
    with pytest.raises(Cancelled):
        run(ImportSpec(str(path), out=str(tmp_path / "item")), context)
    assert list(tmp_path.iterdir()) == []


def test_the_example(example):
    found = importer(example / "ethanol.extxyz")
    report = found.reports[0]
    assert report.frames == report.n_energies == report.n_forces > 0
    assert (report.units, report.force_sign, report.unsure) == ("eV, eV/Å, Å", "ok", "")
    assert "certificate" in report.unit_reason or "total energies" in report.unit_reason
    surface = importer(example / "surface.extxyz").datasets[0]
    assert len(surface) == 576
    assert {"phi", "psi"} <= set(surface.tags)
    atoms = importer(example / "isolated_atoms.extxyz").datasets[0].isolated_atoms
    assert set(atoms) == {"C", "H", "O"}
