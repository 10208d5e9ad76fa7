"""One record in one file: round trip, damage, paths that travel."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core import storage
from core.analyses.dynamics import DynamicsSpec
from core.analyses.fit import FitSpec
from core.dataset import Dataset
from core.fieldref import FieldRef
from core.molecule import Molecule
from core.storage import StorageError
from core.wire import pack

WATER = Molecule("water", [8, 1, 1], [[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    positions = WATER.positions + 0.1 * rng.normal(size=(20, 3, 3))
    energies = rng.normal(size=20)
    energies[3] = np.nan
    return Dataset("d", WATER, positions, energies, rng.normal(size=(20, 3, 3)), level="PBE")


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "record.npz"
    storage.save(path, dataset())
    back = storage.load(path, Dataset)
    for name in ("positions", "energies", "forces"):
        np.testing.assert_array_equal(getattr(back, name), getattr(dataset(), name))
    assert back.molecule.formula == "H2O"
    assert storage.peek(path)["level"] == "PBE"
    with np.load(path, allow_pickle=False) as plain:
        assert json.loads(plain[storage.TREE])["record"]["name"] == "d"
        assert any(np.array_equal(plain[k], back.positions) for k in plain if k != storage.TREE)
    assert [p.name for p in tmp_path.iterdir()] == ["record.npz"], "a temporary file is left"


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3)])
def test_arrays_of_every_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    for dtype in ("float64", "float32", "int64", "int32", "bool", "uint8"):
        array = np.ones(shape, dtype=dtype)
        storage.save(tmp_path / "a.npz", {"a": array, "b": np.asfortranarray(array).T})
        back = storage.load(tmp_path / "a.npz")
        assert back["a"].dtype == array.dtype
        assert back["a"].shape == shape
        np.testing.assert_array_equal(back["b"], array.T)


def test_another_kind_is_refused(tmp_path: Path) -> None:
    storage.save(tmp_path / "m.npz", WATER)
    with pytest.raises(StorageError, match=r"m\.npz.*expected Dataset, got Molecule"):
        storage.load(tmp_path / "m.npz", Dataset)


def test_a_failed_save_leaves_the_old_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.npz"
    storage.save(path, WATER)

    def disk_full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", disk_full)
    with pytest.raises(StorageError, match=r"record\.npz could not be written: No space left"):
        storage.save(path, dataset())
    assert storage.load(path, Molecule).name == "water"
    assert [p.name for p in tmp_path.iterdir()] == ["record.npz"]


def test_what_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    for value in (object(), {"a": np.array([None])}, {"a": np.zeros(2, dtype=complex)}):
        with pytest.raises(StorageError, match="cannot"):
            storage.save(tmp_path / "x.npz", value)
    with pytest.raises(StorageError, match="No such file"):
        storage.save(tmp_path / "nowhere" / "x.npz", WATER)
    assert not list(tmp_path.iterdir())


def write_zip(path: Path, members: dict[str, bytes], **options: object) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tree(record: object, **head: object) -> bytes:
    base = {"format": storage.FORMAT, "version": 1, "record": record}
    return json.dumps({**base, **head}).encode()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


POINTER = {"a": {"!": "ndarray", "at": 0}}


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "has no tree"),
        ({"tree.json": b"{"}, "damaged"),
        ({"tree.json": b"[" * 100_000}, "damaged"),
        ({"tree.json": b"[]"}, "not a PEScape record"),
        ({"tree.json": tree({}, format="other")}, "not a PEScape record"),
        ({"tree.json": tree({}, version=2)}, "newer PEScape.*update"),
        ({"tree.json": tree({}, version="1")}, "newer PEScape"),
        ({"tree.json": tree(POINTER)}, "a0.npy is missing"),
        ({"tree.json": tree({"a": {"!": "ndarray", "at": -1}})}, "no such array"),
        ({"tree.json": tree({"a": {"!": "ndarray", "at": "../x"}})}, "no such array"),
        ({"tree.json": tree(POINTER), "a0.npy": b"\x93NUMPY"}, "damaged"),
        ({"tree.json": tree(POINTER), "a0.npy": npy(np.zeros(9))[:-8]}, "as long as its shape"),
        ({"tree.json": tree(POINTER), "a0.npy": npy(np.array([{}]))}, "not accepted"),
        ({"tree.json": tree(POINTER), "a0.npy": npy(np.array(["x"]))}, "not accepted"),
        ({"tree.json": tree({"!": "Molecule", "name": 3})}, "Molecule.name"),
        ({"tree.json": tree({"!": "Popen"})}, "unknown record"),
        ({"tree.json": tree({"a": "$HERE/../../etc/passwd"})}, "outside its folder"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, members: dict, reason: str) -> None:
    path = write_zip(tmp_path / "bad.npz", members)
    with pytest.raises(StorageError, match=f"(?s)bad.npz.*{reason}"):
        storage.load(path)


def test_bombs_are_refused_before_they_are_opened(tmp_path: Path) -> None:
    head = tree(POINTER)
    deflated = write_zip(
        tmp_path / "a.npz",
        {"tree.json": head, "a0.npy": npy(np.zeros(10_000_000))},
        compression=zipfile.ZIP_DEFLATED,
    )
    with pytest.raises(StorageError, match="compressed"):
        storage.load(deflated)
    # a header that promises 8 TB
    huge = npy(np.zeros(9)).replace(b"(9,), }" + b" " * 11, b"(999999999999,), }")
    assert b"999999999999" in huge
    path = write_zip(tmp_path / "b.npz", {"tree.json": head, "a0.npy": huge})
    with pytest.raises(StorageError, match="not as long as its shape says"):
        storage.load(path)


def test_mutated_files_never_surprise(tmp_path: Path) -> None:
    """300 damaged copies: each loads (the flip hit padding or a number) or is a StorageError."""
    path = tmp_path / "record.npz"
    storage.save(path, dataset())
    good = path.read_bytes()
    rng = np.random.default_rng(3)
    refused, reasons = 0, set()
    for i in range(300):
        data = bytearray(good)
        if i % 3 == 0:
            data = data[: int(rng.integers(len(data)))]
        for _ in range(int(rng.integers(1, 20))):
            # the directory at the end and the tree at the start are where it can hurt
            at = int(rng.choice([rng.integers(len(data) + 1), len(data) - rng.integers(1, 300)]))
            if 0 <= at < len(data):
                data[at] = int(rng.integers(256))
        path.write_bytes(data)
        try:
            assert isinstance(storage.load(path, Dataset), Dataset)
        except StorageError as error:
            refused += 1
            reasons.add(str(error))
    assert refused > 200
    assert all(str(path) in reason for reason in reasons)


def test_paths_into_the_project_travel(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    item = root / "runs" / "md-1"
    item.mkdir(parents=True)
    (root / storage.PROJECT_FILE).write_text("{}")
    spec = DynamicsSpec(
        WATER,
        FieldRef("sgdml", model=str(root / "fits" / "f-1" / "model.npz")),
        out=str(item),
        resume=str(item / "checkpoint.npz"),
        name="$PROJECT/ is only a name, $HERE/ too",
    )
    storage.save(item / "job.npz", spec)
    assert str(tmp_path).encode() not in (item / "job.npz").read_bytes()
    there = tmp_path / "theirs"
    shutil.move(root, there)
    back = storage.load(there / "runs" / "md-1" / "job.npz", DynamicsSpec)
    assert back.field.model == str(there / "fits" / "f-1" / "model.npz")
    assert back.out == str(there / "runs" / "md-1")
    assert back.resume == str(there / "runs" / "md-1" / "checkpoint.npz")
    assert back.name == spec.name


def test_other_paths_are_left_alone(tmp_path: Path) -> None:
    names = {"key": "k", "dataset": "/data/x.npz"}
    for label in (str(tmp_path) + "-other/x", "relative/x", "$PROJECT/", "$$HERE/x", "$"):
        spec = FitSpec(**names, label=label)
        storage.save(tmp_path / "x.npz", spec)
        assert pack(storage.load(tmp_path / "x.npz", FitSpec)) == pack(spec)


def test_paths_beside_a_record_outside_of_projects_travel_too(tmp_path: Path) -> None:
    here = tmp_path / "out"
    here.mkdir()
    storage.save(here / "record.npz", FieldRef("sgdml", model=str(here / "model.npz")))
    os.rename(here, tmp_path / "moved")
    back = storage.load(tmp_path / "moved" / "record.npz", FieldRef)
    assert back.model == str(tmp_path / "moved" / "model.npz")
