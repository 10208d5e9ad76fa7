"""Extended and plain xyz."""

from __future__ import annotations

import time

import numpy as np
import pytest

from core.readers import ReaderError, detect, read

WATER = "O 0.0 0.0 0.0\nH 0.96 0.0 0.0\nH -0.24 0.93 0.0\n"


def frame(comment: str, rows: str = WATER, count: int = 3) -> str:
    return f"{count}\n{comment}\n{rows}"


def block(path, text, **options):
    path.write_text(text)
    return read(path, **options).blocks[0]


def test_plain_xyz_frames(tmp_path):
    path = tmp_path / "a.xyz"
    found = block(path, frame("one") + frame("two") + "\n\n")
    assert found.positions.shape == (2, 3, 3)
    assert found.numbers.tolist() == [8, 1, 1]
    assert found.energies is None
    assert found.forces is None
    assert found.positions[0, 1, 0] == 0.96


@pytest.mark.parametrize("key", ["energy", "Energy", "E", "dft_energy", "REF_energy", "energies"])
def test_energy_keys(tmp_path, key):
    found = block(tmp_path / "a.xyz", frame(f"Properties=species:S:1:pos:R:3 {key}=-76.4"))
    assert found.energies.tolist() == [-76.4]


@pytest.mark.parametrize(
    ("key", "sign"),
    [("forces", 1), ("force", 1), ("F", 1), ("dft_forces", 1), ("REF_forces", 1), ("gradient", -1)],
)
def test_force_keys(tmp_path, key, sign):
    rows = "O 0 0 0 1 2 3\nH 0.96 0 0 4 5 6\nH -0.24 0.93 0 7 8 -9\n"
    text = frame(f"Properties=species:S:1:pos:R:3:{key}:R:3 energy=-76.4", rows)
    found = block(tmp_path / "a.xyz", text)
    assert found.forces[0, 2].tolist() == [sign * 7, sign * 8, -sign * 9]


def test_forces_of_another_level_are_left_out_and_said(tmp_path):
    path = tmp_path / "a.xyz"
    rows = "O 0 0 0 1 2 3\nH 0.96 0 0 4 5 6\nH -0.24 0.93 0 7 8 -9\n"
    header = "Properties=species:S:1:pos:R:3:forces_mp2:R:3 energy_mp2=-76.2 energy_ccsdt=-76.3"
    path.write_text(frame(header, rows))
    raw = read(path)
    assert raw.blocks[0].energies.tolist() == [-76.3]
    assert raw.blocks[0].forces is None
    assert any("forces_mp2" in note for note in raw.notes)


def test_tags_names_level_charge(tmp_path):
    text = "".join(
        frame(
            f"Properties=species:S:1:pos:R:3 phi={phi} smiles=O charge=-1 level='A/B' "
            'dihedrals="_JSON [1.5, 2.5]" note="a \\"quoted\\" b" pbc="F F F"'
        )
        for phi in (10, 20)
    )
    found = block(tmp_path / "a.xyz", text)
    assert found.tags["phi"].tolist() == [10, 20]
    assert found.tags["dihedrals_2"].tolist() == [2.5, 2.5]
    assert found.charge == -1
    assert found.level == "A/B"


def test_a_charge_that_is_none_is_said(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(frame("Properties=species:S:1:pos:R:3 charge=half multiplicity=1.5"))
    raw = read(path)
    assert (raw.blocks[0].charge, raw.blocks[0].multiplicity) == (0, None)
    assert len(raw.problems) == 2


def test_isolated_atoms_are_no_frames(tmp_path):
    path = tmp_path / "a.xyz"
    atom = "1\nProperties=species:S:1:pos:R:3 config_type=IsolatedAtom energy=-13.6\nH 0 0 0\n"
    path.write_text(atom + frame("Properties=species:S:1:pos:R:3 energy=-2000.0"))
    raw = read(path)
    assert raw.isolated == {"H": -13.6}
    assert len(raw.blocks) == 1
    assert raw.blocks[0].frames.tolist() == [2]


def test_molecules_and_atom_orders_are_kept_apart(tmp_path):
    path = tmp_path / "a.xyz"
    other = "H 0.96 0 0\nO 0 0 0\nH -0.24 0.93 0\n"
    rows = "N 0 0 0\nH 1 0 0\n"
    path.write_text(frame("") + frame("", other) + frame("", rows, 2) + frame(""))
    raw = read(path)
    assert [b.frames.tolist() for b in raw.blocks] == [[1, 4], [2], [3]]
    assert any("order" in n for n in raw.blocks[1].notes)


def test_names_of_single_frames_do_not_split(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text("".join(frame(f"Properties=species:S:1:pos:R:3 name=f{k}") for k in range(5)))
    assert len(read(path).blocks) == 1


def test_xtb_and_orca_comments(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(frame(" energy: -5.0705 gnorm: 0.001 xtb: 6.5.1"))
    raw = read(path)
    assert raw.blocks[0].energies.tolist() == [-5.0705]
    assert raw.stated.energy == "Hartree"
    path.write_text(frame("Coordinates from ORCA-job scan E -76.40"))
    assert read(path).stated.energy == "Hartree"


BROKEN = {
    "cut": (frame("") + "3\nx\nO 0 0 0\n", r"frame 2, line 8: the file ends here"),
    "count": (frame("") + "three\n", r"frame 2, line 6: expected a number of atoms"),
    "too many atoms": (frame("", WATER + "H 1 1 1\n"), r"frame 2, line 6.*more atoms"),
    "huge": (frame("", WATER, 10**12), r"announces 1000000000000 atoms"),
    "zero": ("0\n\n", r"announces 0 atoms"),
    "nan": (frame("", WATER.replace("0.96", "nan")), r"frame 1, line 4: atom 2 .*'nan'"),
    "inf": (frame("", WATER.replace("0.96", "1e999")), r"line 4"),
    "word": (frame("", WATER.replace("0.96", "x1")), r"line 4: atom 2 .*'x1'"),
    "underscore": (frame("", WATER.replace("0.96", "0_9")), r"line 4"),
    "element": (frame("", WATER.replace("O ", "Qq ")), r"line 3: atom 1 is no element: 'Qq'"),
    "short row": (frame("", WATER.replace("0.96 ", "")), r"line 4: atom 2 has 3 columns"),
    "columns": (frame("Properties=species:S:1:pos:R:3", WATER.replace("0.96", "1 2")), "5 colu"),
    "no pos": (frame("Properties=species:S:1:x:R:3"), r"line 2: .*no pos"),
    "properties": (frame("Properties=species:S:1:pos:R"), r"triples"),
    "width": (frame("Properties=species:S:1:pos:R:3:f:R:99999"), r"columns"),
    "energy": (frame("Properties=species:S:1:pos:R:3 energy=nan"), r"line 2: energy is not a num"),
    "twice": (frame("Properties=species:S:1:pos:R:3 energy=1 energy=2"), r"twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_say_where(tmp_path, name):
    text, message = BROKEN[name]
    path = tmp_path / "broken.xyz"
    path.write_text(text)
    with pytest.raises(ReaderError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith("broken.xyz, frame")


def test_the_format_is_found_without_a_suffix(tmp_path):
    path = tmp_path / "data"
    path.write_text(frame(""))
    assert detect(path) == "xyz"


def test_a_thousand_frames_take_less_than_half_a_second(tmp_path):
    rng = np.random.default_rng(0)
    header = "Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.0 phi=3"
    rows = "".join(
        "C " + " ".join(f"{x:.8f}" for x in rng.normal(size=6)) + "\n" for _ in range(21)
    )
    path = tmp_path / "a.xyz"
    path.write_text(frame(header, rows, 21) * 1000)
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        read(path)
        best = min(best, time.perf_counter() - start)
    assert best < 0.5
