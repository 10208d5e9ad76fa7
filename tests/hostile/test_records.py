"""Broken records, projects and engine frames: their own clean error, or a result."""

from __future__ import annotations

import contextlib
import json
import shutil

import numpy as np
import pytest

from core.dataset import Dataset, Split
from core.engine.codec import decode, encode
from core.engine.errors import EngineError
from core.molecule import Molecule
from core.project import Project, ProjectError
from core.storage import StorageError, load
from core.wire import WireError, pack, unpack
from tests.hostile.mutate import mutate, mutate_member
from tests.hostile.seeds import NUMBERS, geometries

SEEDS = 60


def dataset() -> Dataset:
    r, e, f = geometries()
    return Dataset("x", Molecule("x", NUMBERS, r[0]), r, e, f, tags={"phi": np.arange(6.0)})


@pytest.mark.parametrize("seed", range(SEEDS))
def test_records(tmp_path, seeds, seed):
    rng = np.random.default_rng([seed, 100])
    path = tmp_path / "record.npz"
    path.write_bytes((mutate_member if seed % 2 else mutate)(seeds["record"][1], rng))
    with contextlib.suppress(StorageError):
        assert isinstance(load(path, Dataset), Dataset)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_frames_of_the_engine(seed):
    """msgpack that another process wrote, or did not finish writing."""
    rng = np.random.default_rng([seed, 200])
    body = encode(dataset())[4:]
    with contextlib.suppress(EngineError):
        assert isinstance(decode(mutate(body, rng), Dataset), Dataset)


def broken_tree(tree, rng: np.random.Generator):
    """The same tree with one value of another kind."""
    if isinstance(tree, dict) and tree and rng.random() < 0.8:
        key = sorted(tree)[int(rng.integers(len(tree)))]
        return {**tree, key: broken_tree(tree[key], rng)}
    strange = (
        None, -1, 2**80, float("nan"), "x" * 1000, [], {}, [[]], True, np.zeros((2, 2)),
        np.array(["a"]), {"!": "Split"}, {"!": "nothing"}, np.full((6, 7, 3), np.nan), b"bytes",
    )  # fmt: skip
    return strange[int(rng.integers(len(strange)))]


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("kind", [Dataset, Split])
def test_trees(kind, seed):
    rng = np.random.default_rng([seed, 300])
    good = dataset() if kind is Dataset else Split(np.arange(4), np.arange(4, 5), np.arange(5, 6))
    with contextlib.suppress(WireError):
        assert isinstance(unpack(broken_tree(pack(good), rng), kind), kind)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project") / "p"
    with Project.create(folder, "p") as made:
        made.add("datasets", "x", dataset())
        made.reserve("fits", "y")
        made.set("unit", "eV")
    return folder


@pytest.mark.parametrize("seed", range(SEEDS))
def test_projects(tmp_path, project, seed):
    """One file of the folder is broken; everything else can still be listed."""
    rng = np.random.default_rng([seed, 400])
    folder = tmp_path / "copy"
    shutil.copytree(project, folder)
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in (".json", ".npz"))
    victim = files[int(rng.integers(len(files)))]
    victim.write_bytes(mutate(victim.read_bytes(), rng))
    with contextlib.suppress(ProjectError), Project.open(folder) as opened:
        assert isinstance(opened.settings, dict)
        for item in opened.items():
            with contextlib.suppress(ProjectError):
                opened.load(item)
        opened.unfinished()


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "[" * 100_000, '{"a": 1e999}', "\0"])
def test_project_files_that_are_something_else(tmp_path, project, text):
    folder = tmp_path / "copy"
    shutil.copytree(project, folder)
    (folder / "project.json").write_text(text)
    with pytest.raises(ProjectError):
        Project.open(folder)
    head = json.loads((project / "project.json").read_text())
    (folder / "project.json").write_text(json.dumps({**head, "name": 5, "settings": []}))
    with contextlib.suppress(ProjectError), Project.open(folder) as opened:
        assert isinstance(opened.name, str)
