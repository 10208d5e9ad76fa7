"""MD17, rMD17 and sGDML files; what is refused."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from core.readers import Options, ReaderError, read
from core.units import HARTREE

Z = np.array([8, 1, 1])
R = np.array([[[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]] * 4) + np.arange(4)[:, None, None] * 0.01
E = np.linspace(-47900.0, -47890.0, 4)
F = np.ones((4, 3, 3))


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    "names",
    [("z", "R", "E", "F"), ("nuclear_charges", "coords", "energies", "forces"),
     ("atomic_numbers", "positions", "energy", "force")],
)  # fmt: skip
def test_names(tmp_path, names):
    path = save(tmp_path / "a.npz", **dict(zip(names, (Z, R, E[:, None], F), strict=True)))
    block = read(path).blocks[0]
    assert block.positions.shape == (4, 3, 3)
    assert np.array_equal(block.energies, E)
    assert np.array_equal(block.forces, F)


def test_old_labels_are_an_option(tmp_path):
    arrays = dict(nuclear_charges=Z, coords=R, energies=E, forces=F)
    path = save(tmp_path / "a.npz", **arrays, old_energies=E + 1, old_forces=F + 1)
    raw = read(path)
    assert np.array_equal(raw.blocks[0].energies, E)
    assert any("old_energies" in n for n in raw.notes)
    old = read(path, options=Options(energy_key="old_energies", force_key="old_forces"))
    assert np.array_equal(old.blocks[0].energies, E + 1)
    assert np.array_equal(old.blocks[0].forces, F + 1)


def test_gradients_are_turned_into_forces(tmp_path):
    raw = read(save(tmp_path / "a.npz", z=Z, R=R, E=E, gradients=F))
    assert np.array_equal(raw.blocks[0].forces, -F)
    assert any("gradient" in n for n in raw.notes)


def test_sgdml_states_units_and_theory(tmp_path, importer):
    path = save(
        tmp_path / "a.npz", type=np.array("d"), z=Z, R=R, E=np.linspace(-76.42, -76.4, 4), F=F * 0,
        r_unit=np.array("Ang"), e_unit=np.array("Ha"), theory=np.array("PBE"), name=np.array("w"),
    )  # fmt: skip
    found = importer(path)
    assert found.reports[0].format == "sGDML npz"
    assert found.reports[0].units.startswith("Hartree")
    assert found.datasets[0].level == "PBE"
    assert found.datasets[0].energies[0] == pytest.approx(-76.42 * HARTREE)


def test_bytes_and_padding_and_byte_order(tmp_path):
    numbers = np.array([[8, 1, 1], [1, 1, 0], [8, 1, 1], [1, 1, 0]], dtype=">i4")
    path = save(
        tmp_path / "a.npz", z=numbers, R=np.asfortranarray(R.astype(">f8")), E=E, F=F,
        e_unit=np.array(b"kcal/mol"), r_unit=np.array(b"Ang"),
    )  # fmt: skip
    raw = read(path)
    assert [b.numbers.tolist() for b in raw.blocks] == [[8, 1, 1], [1, 1]]
    assert np.array_equal(raw.blocks[1].positions, R[1::2, :2])
    assert raw.stated.energy == "kcal/mol"
    assert raw.stated.binding


def test_single_precision_is_said(tmp_path):
    raw = read(save(tmp_path / "a.npz", z=Z, R=R, E=E.astype("f4"), F=F))
    assert any("precision" in n for n in raw.notes)


def bad(name):
    r, e = R.copy(), E.copy()
    r[2, 1, 0] = np.nan
    e[3] = np.inf
    return {
        "no atoms": dict(R=R, E=E),
        "no coordinates": dict(z=Z, E=E),
        "objects": dict(z=Z, R=R, E=np.array([{}, 1, 2, 3], dtype=object)),
        "nan": dict(z=Z, R=r, E=E, F=F),
        "inf": dict(z=Z, R=R, E=e),
        "shape": dict(z=Z, R=R[:, :2]),
        "frames": dict(z=Z, R=R, E=E[:3]),
        "numbers": dict(z=Z * 100, R=R),
        "complex": dict(z=Z, R=R + 1j),
        "model": dict(type=np.array("m"), z=Z, R=R),
        "forces": dict(z=Z, R=R, E=E, F=F[:, :2]),
    }[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no atoms", "atomic numbers"), ("no coordinates", "coordinates"), ("objects", "pickle"),
        ("nan", "frame 3: atom 2"), ("inf", "frame 4"), ("shape", r"\(3,\)"),
        ("frames", r"expected \(4,\)"), ("numbers", "800"), ("complex", "complex"),
        ("model", "trained sGDML model"), ("forces", r"expected \(4, 3, 3\)"),
    ],
)  # fmt: skip
def test_refused(tmp_path, name, message):
    path = save(tmp_path / "bad.npz", **bad(name))
    with pytest.raises(ReaderError, match=message):
        read(path)


def test_an_object_array_that_is_not_needed_does_not_matter(tmp_path):
    read(save(tmp_path / "a.npz", z=Z, R=R, E=E, extra=np.array([{}], dtype=object)))


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name in ("R", "z"):
            buffer = io.BytesIO()
            np.save(buffer, np.zeros(8_000_000))
            out.writestr(f"{name}.npy", buffer.getvalue())
    with pytest.raises(ReaderError, match="zip bomb"):
        read(path)


@pytest.mark.parametrize(
    ("charge", "read_as", "said"),
    [(1, 1, False), (np.full(4, -1.0), -1, False), (0.5, 0, True), (np.inf, 0, True)],
)
def test_a_charge_that_is_none_is_said(tmp_path, charge, read_as, said):
    raw = read(save(tmp_path / "a.npz", z=Z, R=R, E=E, F=F, charge=charge))
    assert raw.blocks[0].charge == read_as
    assert any("not one whole number" in p for p in raw.problems) == said
