"""The unit and the sign are found whatever the file was written in."""

from __future__ import annotations

import numpy as np
import pytest

from core.readers.units import ENERGY, LENGTH, force_factor
from core.units import BOHR, HARTREE

#: Force constants are known to a few per cent; units differ by 1.9 and more.
FORCES = [
    ("eV", ("eV", "Å")),
    ("kcal/mol", ("kcal/mol", "Å")),
    ("kJ/mol", ("kJ/mol", "Å")),
    ("Hartree", ("Hartree", "Bohr")),
    ("Hartree", ("Hartree", "Å")),
    ("Hartree", ("eV", "Å")),
    ("eV", ("kcal/mol", "Å")),
]


def save(path, ethanol, *, energy, force, length, shift=0.0, sign=1.0):
    ev = (ethanol.energies - shift) * HARTREE
    np.savez(
        path,
        z=ethanol.numbers,
        R=ethanol.positions / LENGTH[length],
        E=ev / ENERGY[energy],
        F=sign * ethanol.forces * HARTREE / BOHR / force_factor(force),
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("length", ["Å", "Bohr"])
@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize(("energy", "force"), FORCES)
def test_rescaled_data_are_recognised(
    tmp_path, importer, ethanol, energy, force, length, absolute, sign
):
    path = tmp_path / "data.npz"
    shift = 0.0 if absolute else float(ethanol.energies.mean())
    save(path, ethanol, energy=energy, force=force, length=length, shift=shift, sign=sign)
    found = importer(path)
    report, dataset = found.reports[0], found.datasets[0]
    assert report.units == f"{energy}, {force[0]}/{force[1]}, {length}", report.unit_reason
    assert report.force_sign == ("ok" if sign > 0 else "reversed"), report.force_sign_detail
    assert np.allclose(dataset.positions, ethanol.positions, atol=1e-9)
    assert np.allclose(dataset.energies, (ethanol.energies - shift) * HARTREE, atol=1e-8)
    assert np.allclose(dataset.forces, sign * ethanol.forces * HARTREE / BOHR, atol=1e-8)


def test_reversed_forces_are_not_saved_until_decided(tmp_path, importer, ethanol):
    path = tmp_path / "data.npz"
    save(path, ethanol, energy="eV", force=("eV", "Å"), length="Å", sign=-1.0)
    asked = importer(path, out=str(tmp_path / "a"))
    assert "sign" in asked.reports[0].unsure
    assert asked.reports[0].problems
    assert asked.paths == ("",)
    assert not (tmp_path / "a").exists()
    turned = importer(path, out=str(tmp_path / "a"), force_sign="flip")
    assert turned.reports[0].force_sign == "ok"
    assert turned.paths == (str(tmp_path / "a"),)
    kept = importer(path, out=str(tmp_path / "b"), force_sign="keep")
    assert kept.paths == (str(tmp_path / "b"),)
    assert np.array_equal(kept.datasets[0].forces, -turned.datasets[0].forces)
    # decided once, our own record is not asked about again
    again = importer(tmp_path / "b" / "record.npz", out=str(tmp_path / "c"))
    assert again.reports[0].unsure == ""


def test_relative_energies_without_forces_are_asked_about(tmp_path, importer, ethanol):
    path = tmp_path / "data.npz"
    np.savez(path, z=ethanol.numbers, R=ethanol.positions, E=ethanol.energies - ethanol.energies[0])
    report = importer(path, out=str(tmp_path / "out")).reports[0]
    assert report.unsure
    assert set(report.unit_choices) == set(ENERGY)
    assert not (tmp_path / "out").exists()
    decided = importer(path, units="Hartree", out=str(tmp_path / "out"))
    assert decided.reports[0].unsure == ""
    assert np.allclose(
        decided.datasets[0].energies, (ethanol.energies - ethanol.energies[0]) * HARTREE
    )


def test_a_wrong_claim_of_the_file_is_asked_about(tmp_path, importer, ethanol):
    path = tmp_path / "data.npz"
    np.savez(
        path, z=ethanol.numbers, R=ethanol.positions, E=ethanol.energies, F=ethanol.forces,
        e_unit=np.array("kcal/mol"), r_unit=np.array("Ang"), type=np.array("d"),
    )  # fmt: skip
    report = importer(path).reports[0]
    assert "kcal/mol" in report.unsure
    assert report.unit_choices[0] == "Hartree"


def test_a_wrong_choice_by_hand_is_a_problem(tmp_path, importer, ethanol):
    path = tmp_path / "data.npz"
    save(path, ethanol, energy="eV", force=("eV", "Å"), length="Å")
    report = importer(path, units="kcal/mol").reports[0]
    assert report.units.startswith("kcal/mol")
    assert any("eV" in p for p in report.problems)


def test_unknown_unit_is_refused(tmp_path, importer, ethanol):
    path = tmp_path / "data.npz"
    save(path, ethanol, energy="eV", force=("eV", "Å"), length="Å")
    with pytest.raises(ValueError, match="furlong"):
        importer(path, length_units="furlong")


def test_strange_lengths_are_asked_about(tmp_path, importer, ethanol):
    path = tmp_path / "data.npz"
    np.savez(path, z=ethanol.numbers, R=ethanol.positions * 3.3)
    report = importer(path).reports[0]
    assert report.unsure.startswith("lengths")
    assert "Bohr" in report.unit_choices
