"""Models of the sgdml package: the same predictions here, there and back."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from app import cli
from core.analyses.model_import import is_package_model
from core.dataset import Split
from core.descriptors.inverse_distances import pairs
from core.engine.context import Context
from core.fieldref import FieldRef
from core.fitting.sgdml.hyper import SGDMLHyper
from core.fitting.sgdml.npz import read_package_model, write_package_model
from core.forcefields.errors import ForceFieldError
from core.forcefields.load import load_model, make, save_model
from core.forcefields.sgdml import SGDML
from core.units import BOHR, HARTREE, KCAL_MOL
from tests.molecules import ethanol_frames, labelled
from tests.tolerances import PACKAGE_ENERGY, PACKAGE_ENERGY_CANCELS, PACKAGE_FORCE

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "sgdml"
NONE = np.zeros(0, dtype=int)


def same(field: SGDML, predicted: dict[str, np.ndarray]) -> None:
    """field agrees with the package's E (kcal/mol) and F, relative to the largest."""
    got = field.predict(predicted["R"])
    force, energy = predicted["F"] * KCAL_MOL, predicted["E"] * KCAL_MOL
    assert np.abs(got.forces - force).max() < PACKAGE_FORCE * np.abs(force).max()
    near = PACKAGE_ENERGY if field.energy_weights is None else PACKAGE_ENERGY_CANCELS
    assert np.abs(got.energy - energy).max() < near * np.abs(energy).max()
    assert np.ptp(energy) > 1e-2  # eV: something is being compared


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / name) as found:
        return {k: found[k] for k in found.files}


def altered(tmp_path: Path, **changes: object) -> Path:
    """forces.npz with other entries; None drops one."""
    with np.load(GOLDEN / "forces.npz", allow_pickle=True) as found:
        arrays = {k: found[k] for k in found.files} | changes
    path = tmp_path / "altered.npz"
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


@pytest.mark.parametrize("name", ["forces", "energies"])
def test_predictions_are_those_of_the_package(name: str) -> None:
    field = read_package_model(GOLDEN / f"{name}.npz")
    same(field, golden(f"{name}_predicted.npz"))
    assert len(field.permutations) == 12  # the methyl turned and reflected, the methylene swapped
    assert (field.energy_weights is not None) == (name == "energies")
    assert field.notes["units"] == "kcal/mol and Ang"


@pytest.mark.parametrize("name", ["forces", "energies"])
def test_written_and_read_again_it_is_the_same(name: str, tmp_path: Path) -> None:
    field = read_package_model(GOLDEN / f"{name}.npz")
    write_package_model(tmp_path / "again.npz", field)
    with np.load(tmp_path / "again.npz", allow_pickle=False) as written:
        assert all(written[k].dtype.kind != "O" for k in written.files)
    same(read_package_model(tmp_path / "again.npz"), golden(f"{name}_predicted.npz"))


def package(*words: object) -> None:
    python = os.environ.get("PESCAPE_SGDML_PYTHON", "")
    if not python:
        pytest.skip("set PESCAPE_SGDML_PYTHON to an interpreter that has sgdml (numpy < 2)")
    script = [python, str(GOLDEN / "in_package.py"), *map(str, words)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(script, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("energies", [False, True])
def test_the_package_predicts_the_same_with_a_model_trained_here(
    energies: bool, tmp_path: Path
) -> None:
    data = labelled(ethanol_frames(20), key="mmff94")
    hyper = SGDMLHyper(sigma=10.0, energies=energies, lam=1e-8)
    field = SGDML.fit(data, Split(np.arange(20), NONE, NONE), hyper, Context())
    write_package_model(tmp_path / "model.npz", field, dataset="ethanol", theory="MMFF94")
    r = ethanol_frames(5, seed=2)
    np.savez(tmp_path / "r.npz", R=r)
    package("predict", tmp_path / "model.npz", tmp_path / "r.npz", tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as out:
        same(field, {"R": r, "E": out["E"], "F": out["F"]})


def test_the_package_trains_and_we_predict_the_same(tmp_path: Path) -> None:
    data = labelled(ethanol_frames(9, seed=3), key="mmff94")
    assert data.energies is not None
    assert data.forces is not None
    e, f = data.energies / KCAL_MOL, data.forces / KCAL_MOL
    np.savez(tmp_path / "d.npz", z=data.molecule.numbers, R=data.positions, E=e, F=f)
    package("train", tmp_path / "d.npz", tmp_path / "m.npz", 15, 0)
    np.savez(tmp_path / "r.npz", R=data.positions)
    package("predict", tmp_path / "m.npz", tmp_path / "r.npz", tmp_path / "o.npz")
    with np.load(tmp_path / "o.npz") as out:
        same(read_package_model(tmp_path / "m.npz"), {"R": data.positions, **out})


def test_the_geometry_is_rebuilt_from_its_distances() -> None:
    field = read_package_model(GOLDEN / "forces.npz")
    a, b = pairs(9)
    r = field.molecule.positions
    d = 1.0 / np.linalg.norm(r[a] - r[b], axis=1)
    np.testing.assert_allclose(d, field.descriptors[0], rtol=1e-9)
    # hence the atoms can be told apart: bonds are found, and other orders refused
    assert make(FieldRef("", model=str(GOLDEN / "forces.npz")), ethanol_molecule()) is not None


def ethanol_molecule():
    from tests.molecules import ETHANOL

    return ETHANOL


def test_units_of_the_file_are_obeyed(tmp_path: Path) -> None:
    """The same model in hartree and bohr: distances, width, weights and constant all scaled."""
    with np.load(GOLDEN / "forces.npz", allow_pickle=True) as found:
        given = {k: found[k] for k in ("R_desc", "R_d_desc_alpha", "sig", "std", "c")}
    other = altered(
        tmp_path,
        R_desc=given["R_desc"] * BOHR, sig=given["sig"] * BOHR,
        R_d_desc_alpha=given["R_d_desc_alpha"] * BOHR,
        std=given["std"] * KCAL_MOL / HARTREE, c=given["c"] * KCAL_MOL / HARTREE,
        e_unit=np.array("Hartree"), r_unit=np.array("bohr"),
    )  # fmt: skip
    same(read_package_model(other), golden("forces_predicted.npz"))


def test_without_units_the_packages_own_convention_is_taken_and_told(tmp_path: Path) -> None:
    path = altered(tmp_path, e_unit=None, r_unit=None)
    field = read_package_model(path)
    assert "by convention" in field.notes["units"]
    assert read_package_model(path, energy_unit="eV").offset == pytest.approx(
        field.offset / KCAL_MOL
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"R_desc": np.array([[{}]], dtype=object)}, "object array.*pickle.*refused"),
        ({"perms": None}, "'perms' is missing"),
        ({"perms": np.tile(np.arange(9)[::-1], (12, 1))}, "not permutations of like atoms"),
        ({"tril_perms_lin": np.arange(432)}, "do not fit each other"),
        ({"sig": np.array(0)}, "width that are not above 0"),
        ({"c": np.array(np.nan)}, "not finite"),
        ({"lattice": np.eye(3)}, "periodic"),
        ({"e_unit": np.array("furlong")}, "'furlong' is not known"),
        ({"r_unit": np.array("bohr")}, "no molecule"),
        ({"type": np.array("t")}, "type is not 'm'"),
        ({"R_desc": np.linspace(0.2, 0.9, 36 * 12).reshape(36, 12)}, "points in space"),
        ({"alphas_E": np.zeros(3)}, "one number per training frame"),
    ],
)
def test_what_is_no_model_is_refused_with_the_entry(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(ForceFieldError, match=why):
        read_package_model(altered(tmp_path, **changes))


def test_pickled_entries_that_predictions_do_not_need_are_not_touched() -> None:
    with np.load(GOLDEN / "forces.npz", allow_pickle=True) as found:
        assert found["f_err"].dtype == object
    assert is_package_model(GOLDEN / "forces.npz")
    read_package_model(GOLDEN / "forces.npz")


def test_it_opens_like_our_own_models_and_saves_as_one(tmp_path: Path) -> None:
    field = load_model(GOLDEN / "energies.npz")
    save_model(tmp_path / "ours.npz", field)
    assert not is_package_model(tmp_path / "ours.npz")
    r = golden("energies_predicted.npz")["R"]
    one, two = field.predict(r), load_model(tmp_path / "ours.npz").predict(r)
    assert np.array_equal(one.forces, two.forces)


def test_export_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    field = read_package_model(GOLDEN / "forces.npz")
    save_model(tmp_path / "ours.npz", field)
    out, figures = tmp_path / "theirs.npz", tmp_path / "f.json"
    words = ["export", str(tmp_path / "ours.npz"), "--to", "sgdml", "--out", str(out)]
    assert cli.main([*words, "--json", str(figures)]) == 0
    assert "for sgdml's GDMLPredict" in capsys.readouterr().out
    assert json.loads(figures.read_text())["to"] == "sgdml"
    same(read_package_model(out), golden("forces_predicted.npz"))


def test_other_models_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ForceFieldError, match="one of MMFF94"):
        write_package_model(tmp_path / "x.npz", make(FieldRef("mmff94"), ethanol_molecule()))


def test_damaged_files_are_refused_or_read_but_never_raise_anything_else(tmp_path: Path) -> None:
    """Bytes changed, dropped and doubled at random, 80 times."""
    whole = (GOLDEN / "forces.npz").read_bytes()
    rng = np.random.default_rng(0)
    path, refused = tmp_path / "x.npz", 0
    for _ in range(80):
        data = bytearray(whole)
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(0, len(data)))
            how = int(rng.integers(0, 4))
            if how == 0:
                del data[at : at + int(rng.integers(1, 50))]
            elif how == 1:
                data[at:at] = data[at : at + int(rng.integers(1, 50))]
            else:
                data[at] = int(rng.integers(0, 256))
        path.write_bytes(data)
        try:
            load_model(path)
        except ForceFieldError:
            refused += 1
    assert refused > 40
