"""Broken and malicious files: always a ReaderError with a sentence, or a result; never a hang."""

from __future__ import annotations

import io
import os
import signal
import socket
import threading
import zipfile

import numpy as np
import pytest

from core import readers
from core.analyses.importing import ImportSpec, run
from core.engine import system
from core.engine.context import Context
from core.readers import ReaderError
from tests.hostile.mutate import mutate, mutate_member
from tests.hostile.seeds import archive, extxyz, geometries, npy, npz, ulm

FORMATS = (
    "extxyz", "xyz", "npz", "sgdml", "mol", "mol3000", "sdf", "smiles", "pdb", "gaussian", "traj",
    "record", "mol2",
)  # fmt: skip
SECONDS = 10
MEMORY = 400 << 20  # bytes; the whole process may grow by this in all tests of this file
PER_FORMAT = 40


@pytest.fixture(scope="module", autouse=True)
def peak_before() -> float:
    """The most memory (bytes) that this process had before the tests of this file."""
    system.reset_peak_rss()
    return system.peak_rss()


@pytest.fixture(autouse=True)
def watched():
    """No test of this file takes long, or much memory."""

    def late(signum, frame):
        raise TimeoutError(f"a reader was still busy after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def sentence(text: str) -> str:
    """A message that a window can show."""
    assert text
    assert text.isprintable()
    assert len(text) < 600
    return text


def check(path, **settings) -> str:
    """Import; a ReaderError's text, or "" for a result. Anything else is the test's failure."""
    try:
        found = run(ImportSpec(str(path), **settings), Context())
    except ReaderError as error:
        return sentence(str(error))
    for dataset, report in zip(found.datasets, found.reports, strict=True):
        assert np.isfinite(dataset.positions).all()
        assert report.frames == len(dataset)
    return ""


@pytest.mark.parametrize("name", FORMATS)
def test_the_seeds_are_good(tmp_path, seeds, name):
    suffix, data = seeds[name]
    path = tmp_path / f"good{suffix}"
    path.write_bytes(data)
    assert check(path) == ""


@pytest.mark.parametrize("seed", range(PER_FORMAT))
@pytest.mark.parametrize("name", FORMATS)
def test_mutated(tmp_path, seeds, name, seed):
    suffix, data = seeds[name]
    rng = np.random.default_rng([seed, FORMATS.index(name)])
    broken = mutate_member if suffix == ".npz" and seed % 2 else mutate
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(broken(data, rng))
    check(path)


@pytest.mark.parametrize("name", FORMATS)
def test_every_cut(tmp_path, seeds, name):
    """A download that stopped anywhere."""
    suffix, data = seeds[name]
    path = tmp_path / f"cut{suffix}"
    for end in np.linspace(0, len(data) - 1, 40).astype(int):
        path.write_bytes(data[:end])
        check(path)


@pytest.mark.parametrize("name", FORMATS)
def test_wrong_suffix(tmp_path, seeds, name):
    """Every format under every other's name."""
    data = seeds[name][1]
    for suffix in sorted(readers.suffixes()):
        path = tmp_path / f"wrong{suffix}"
        path.write_bytes(data)
        check(path)


def test_memory_stays_bounded(peak_before):
    """The tests above have run in this process; a bomb would show here."""
    assert system.peak_rss() < peak_before + MEMORY


# -- one by one -------------------------------------------------------------------------------
Z = npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }\n", b"\1" + b"\0" * 7)


def coordinates(shape: str, descr: str = "'<f8'", data: bytes = b"\0" * 24) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"
    return archive({"z.npy": Z, "R.npy": npy(text, data)})


CRAFTED = {
    "empty.xyz": b"",
    "nul.xyz": b"\0" * 1000,
    "nul2.xyz": b"1\n\0\nH 0 0 0\n",
    "random.xyz": bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8)),
    "atoms.xyz": b"1000000000000\n\nH 0 0 0\n",
    "atoms2.xyz": b"9" * 500_000,
    "atoms3.xyz": b"10000\n\n" + b"H 0 0 0\n" * 9999,
    "line.xyz": b"1\n" + b"a" * 3_000_000 + b"\nH 0 0 0\n",
    "line2.xyz": b"1\n\nH 0 0 " + b"0" * 3_000_000,
    "spaces.xyz": b"1\nkey" + b" " * 900_000 + b"\nH 0 0 0\n",
    "equals.xyz": b"1\n" + b"=" * 900_000 + b"\nH 0 0 0\n",
    "quotes.xyz": b'1\na="' + b"\\" * 900_001 + b"\nH 0 0 0\n",
    "keys.xyz": b"1\n" + b" ".join(b"k%d=%d" % (k, k) for k in range(50_000)) + b"\nH 0 0 0\n",
    "braces.xyz": b"1\n" + b"a={ " * 250_000 + b"\nH 0 0 0\n",
    "backslash.xyz": b"1\n= " + b"\\" * 900_000 + b"\nH 0 0 0\n",
    "json.xyz": b'1\ncertificate="_JSON ' + b"[" * 200_000 + b'"\nH 0 0 0\n',
    "latin.xyz": "1\ncafé\nH 0 0 0\n".encode("latin-1"),
    "utf16.xyz": "1\n\nH 0 0 0\n".encode("utf-16"),
    "far.xyz": b"2\n\nH 0 0 0\nH 1e300 1e300 0\n",
    "far2.xyz": b"2\n\nH 0 0 0\nH 1e7 0 0\n",
    "same.xyz": b"3\n\nH 0 0 0\nH 0 0 0\nO 0 0 0\n",
    "energy.xyz": b"2\nProperties=species:S:1:pos:R:3 energy=1e308\nH 0 0 0\nH 0 0 1\n" * 9,
    "charge.xyz": b"2\nProperties=species:S:1:pos:R:3 charge=99\nH 0 0 0\nH 0 0 1\n",
    "columns.xyz": b"1\nProperties=" + b"a:R:3:" * 90_000 + b"\nH 0 0 0\n",
    "fake.traj": b"- of Ulm" + b"\xff" * 200,
    "deep.traj": ulm("x")[:64] + b"[" * 100_000,
    "shape.traj": ulm({"numbers.": {"ndarray": [[10**15], "int64", 0]}}),
    "negative.traj": ulm({"numbers.": {"ndarray": [[-1, -5], "int64", -9]}, "positions": []}),
    "kind.traj": ulm({"numbers": [1], "positions.": {"ndarray": [[1, 3], "object", 0]}}),
    "ragged.traj": ulm({"numbers": [1], "positions": [[1], [2, 3]]}),
    "text.traj": ulm({"numbers": ["a"], "positions": [[0, 0, 0]]}),
    "notzip.npz": b"PK\x03\x04" + b"\0" * 100,
    "nothing.npz": archive({}),
    "names.npz": archive({f"{k}.npy": b"" for k in range(1500)}),
    "shape.npz": coordinates("(1000000000000, 1, 3)"),
    "product.npz": coordinates("(4294967296, 4294967296, 3)"),
    "zero.npz": coordinates("(0, 1, 3)", data=b""),
    "negative.npz": coordinates("(-1, 1, 3)"),
    "code.npz": coordinates("(1, 1, 3), '__import__': __import__('os').system('false')"),
    "nested.npz": coordinates("(" * 900 + ")" * 900),
    "record.npz": coordinates("(1, 1, 3)", "[('a', '<f8')]"),
    "object.npz": coordinates("(1, 1, 3)", "'|O'"),
    "header.npz": archive({"z.npy": Z, "R.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f"}),
    "text.npz": npz(e_unit=np.array("x" * 100_000)),
    "point.npz": coordinates("()", "'<U1'", b"\xff\xff\xff\x7f"),
    "tree.npz": archive({"tree.json": b"[" * 100_000}),
    "tree2.npz": archive({"tree.json": b'{"!": "Dataset"}'}),
    "bomb.npz": archive({"z.npy": Z, "R.npy": b"\0" * 50_000_000}),
    "path.npz": archive({"../../z.npy": Z, "/etc/R.npy": Z}),
    "counts.mol": b"\n\n\n999999999999  0 V2000\n",
    "counts.sdf": b"\n\n\n  0  0 0 0 0 0 V3000\nM  V30 BEGIN CTAB\nM  V30 COUNTS 99999999999 1 0\n",
    "query.mol": b"\n\n\n  1  0  0  0  0  0            999 V2000\n"
    b"    0.0000    0.0000    0.0000 R#  0  0  0  0  0  0\nM  END\n",
    "many.sdf": b"$$$$\n" * 20_000,
    "long.smi": b"C" * 500_000,
    "rings.smi": b"C" + b"%11" * 600,
    "open.smi": b"(" * 1900,
    "metal.smi": b"[U@OH30]([Fe])([Zr])C",
    "cage.smi": b"C12C3C4C1C5C2C3C45",
    "empty.pdb": b"ATOM\nEND\n",
    "cut.gjf": b"#p hf\n\n",
    "endless.cube": b"a\nb\n 3 0 0 0\n 999999999 1 0 0\n 999999999 0 1 0\n 999999999 0 0 1\n",
    "POSCAR": b"x\n1.0\n1 0 0\n0 1 0\n0 0 1\nH\n999999999\nDirect\n0 0 0\n",
    "XDATCAR": b"x\n1.0\n1 0 0\n0 1 0\n0 0 1\nH\n999999999\nDirect configuration= 1\n",
    "coord": b"$coord\n0 0 0 zz\n",
    "gradient": b"$grad cycle\n",
    "a.log": b"Entering Gaussian System\n Standard orientation:\n",
    "a.pwo": b"Program PWSCF v.9\n number of atoms/cell = 999999999\n",
    "OUTCAR": b" POSCAR: x\n NIONS = 99999999\n",
    "a.castep": b"Number of BFGS iterations\n Unit Cell\n" * 10,
    "a.xsf": b"ANIMSTEPS 999999999\nCRYSTAL\n",
    "a.gen": b"999999999 C\nH\n",
    "a.gro": b"title\n999999999\n",
    "a.py": b"import os\n",
    "a.json": b"{}",
    "a": b"hello",
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(CRAFTED[name])
    check(path)
    if name.endswith((".npz", ".traj")):
        assert check(path) or name == "text.npz"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty.xyz", "is empty"), ("atoms.xyz", "1000000000000 atoms"),
        ("line.xyz", "longer than"),
        ("far2.xyz", "coordinate of 1e"), ("energy.xyz", "energy of 1e"), ("bomb.npz", "zip bomb"),
        ("object.npz", "pickle"), ("code.npz", "header"), ("names.npz", "1500 entries"),
        ("shape.npz", "announces"), ("header.npz", "header of"), ("charge.xyz", "charge"),
        ("a", "no known format"), ("a.py", "Python program"), ("query.mol", "placeholder"),
    ],
)  # fmt: skip
def test_the_sentence_is_the_right_one(tmp_path, name, message):
    path = tmp_path / name
    path.write_bytes(CRAFTED[name])
    assert message in check(path)
    assert name in check(path)


def test_a_lying_zip_directory(tmp_path):
    """The directory says 100 bytes, the stream unpacks to more."""
    data = bytearray(npz())
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10**9).to_bytes(4, "little")
    path = tmp_path / "lie.npz"
    path.write_bytes(bytes(data))
    check(path)
    data[at + 24 : at + 28] = (1).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    check(path)


def test_encrypted_and_doubled_members(tmp_path):
    data = bytearray(npz())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = data.find(mark)
        while position >= 0:
            data[position + at] |= 1
            position = data.find(mark, position + 4)
    path = tmp_path / "locked.npz"
    path.write_bytes(bytes(data))
    assert "unpacked" in check(path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        out.writestr("z.npy", Z)
        with pytest.warns(UserWarning, match="Duplicate"):
            out.writestr("z.npy", Z)
    path.write_bytes(buffer.getvalue())
    assert "twice" in check(path)


def test_things_that_are_no_files(tmp_path):
    assert "no such file" in check(tmp_path / "missing.xyz")
    assert "is a folder" in check(tmp_path)
    assert "NUL" in check("a\0b.xyz")
    assert check("x" * 5000)
    os.mkfifo(tmp_path / "pipe.xyz")
    assert "not a regular file" in check(tmp_path / "pipe.xyz")
    assert "not a regular file" in check("/dev/zero")
    os.symlink(tmp_path / "loop.xyz", tmp_path / "loop.xyz")
    assert check(tmp_path / "loop.xyz")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.xyz"))
        assert check(tmp_path / "s.xyz")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path):
    path = tmp_path / "locked.xyz"
    path.write_bytes(extxyz())
    path.chmod(0)
    assert "permission" in check(path)


def test_too_large_a_file_is_not_read(tmp_path):
    path = tmp_path / "large.xyz"
    with open(path, "wb") as file:
        file.truncate(3 << 30)  # sparse: takes no room
    assert "at most" in check(path)


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_bytes(extxyz() * 200)
    shrink = threading.Timer(0.01, lambda: os.truncate(path, 100))
    shrink.start()
    check(path)
    shrink.join()


@pytest.mark.parametrize("format", ["xyz", "npz", "sdf", "smiles", "record", "traj", "ase"])
def test_every_reader_on_every_seed(tmp_path, seeds, format):
    """A person may name the wrong format."""
    for name, (_, data) in seeds.items():
        path = tmp_path / name
        path.write_bytes(data)
        check(path, format=format)


def test_many_molecules_are_refused(tmp_path):
    path = tmp_path / "many.xyz"
    rows = [f"{n}\n\n" + "".join(f"H {k} 0 0\n" for k in range(n))
            for n in range(2, 1100)]  # fmt: skip
    path.write_text("".join(rows))
    assert "different molecules" in check(path)


def test_nothing_is_left_behind_by_a_refused_file(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_bytes(extxyz()[:-40])
    assert check(path, out=str(tmp_path / "item"))
    assert [p.name for p in tmp_path.iterdir()] == ["a.xyz"]


def test_geometries_of_the_seeds():
    r, e, f = geometries()
    assert r.shape == f.shape == (6, 7, 3)
    assert e.shape == (6,)
