"""A project on disk: items, trash, settings, jobs, locks, damage, copies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core import storage
from core.analyses.dynamics import DynamicsSpec
from core.analyses.fit import FitSpec
from core.dataset import Dataset
from core.fieldref import FieldRef
from core.lock import NAME as LOCK
from core.molecule import Molecule
from core.project import KINDS, Project, ProjectError, ProjectLocked
from core.wire import pack

ROOT = Path(__file__).resolve().parents[2]
WATER = Molecule("water", [8, 1, 1], [[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])


@pytest.fixture
def project(tmp_path: Path):
    with Project.create(tmp_path / "mine", "My project") as project:
        yield project


def reopen(project: Project) -> Project:
    project.close()
    return Project.open(project.root)


def test_items_are_there_again(project: Project) -> None:
    water = project.add("molecules", "Water", WATER)
    data = project.add("datasets", "Path", Dataset("d", WATER, WATER.positions[None]))
    project.rename(water.id, "  Water,  pure ")
    project.set("theme", {"dark": True, "angles": [1, 2.5]})
    project.set_name("Renamed")
    with reopen(project) as again:
        assert again.name == "Renamed"
        assert again.settings == {"theme": {"dark": True, "angles": [1, 2.5]}}
        assert [i.name for i in again.items("molecules")] == ["Water, pure"]
        assert [i.id for i in again.items()] == [water.id, data.id]
        assert again.load(water.id).formula == "H2O"
        assert len(again.load(again.item(data.id))) == 1
        assert again.item(water.id).created == water.created
        again.set("theme", None)
        assert again.settings == {}


def test_remove_and_restore(project: Project) -> None:
    item = project.add("molecules", "Water", WATER)
    project.remove(item.id)
    assert project.items() == ()
    with pytest.raises(ProjectError, match="no item"):
        project.item(item.id)
    with reopen(project) as again:
        assert [i.name for i in again.trash()] == ["Water"]
        assert again.restore(item.id) == again.item(item.id)
        assert again.load(item.id).formula == "H2O"
        again.remove(item.id)
        again.empty_trash()
        with pytest.raises(ProjectError, match="trash"):
            again.restore(item.id)


def test_a_reserved_item_is_finished_when_its_record_is_there(project: Project) -> None:
    item = project.reserve("fits", "sGDML 200")
    dataset = str(project.root / "datasets" / "d" / "record.npz")
    spec = FitSpec("sgdml", dataset, out=str(item.folder))
    project.note_job(item.id, spec)
    assert not item.finished
    with pytest.raises(ProjectError, match="sGDML 200 has no result yet"):
        project.load(item)
    with reopen(project) as again:
        ((listed, noted),) = again.unfinished()
        assert listed == item
        assert pack(noted) == pack(spec)
        storage.save(item.record, FieldRef("sgdml", model=str(item.folder / "model.npz")))
        assert again.unfinished() == []
        assert again.load(item.id).model == str(item.folder / "model.npz")
        assert pack(again.job(item.id)) == pack(spec)


def test_a_copy_opens_where_it_lands(project: Project, tmp_path: Path) -> None:
    item = project.reserve("runs", "300 K")
    model = project.root / "fits" / "f" / "model.npz"
    project.note_job(item.id, DynamicsSpec(WATER, FieldRef("k", str(model)), out=str(item.folder)))
    fit = project.add("fits", "f", FieldRef("k", model=str(model)))
    # copied while it is open, lock and all, and the original goes away
    there = Path(shutil.copytree(project.root, tmp_path / "elsewhere" / "copy"))
    project.close()
    shutil.rmtree(project.root)
    with Project.open(there) as copy:
        ((_, spec),) = copy.unfinished()
        assert spec.out == str(there / "runs" / item.id)
        assert spec.field.model == str(there / "fits" / "f" / "model.npz")
        assert copy.load(fit.id).model == str(there / "fits" / "f" / "model.npz")
        for file in filter(Path.is_file, there.rglob("*")):
            assert str(project.root).encode() not in file.read_bytes(), file


def test_a_second_record_of_a_job_is_adopted(project: Project) -> None:
    """A file with two molecules: the import writes out and out-2."""
    item = project.reserve("datasets", "two.xyz")
    beside = item.folder.with_name(item.folder.name + "-2")
    beside.mkdir()
    storage.save(item.record, Dataset("first", WATER, WATER.positions[None]))
    storage.save(beside / "record.npz", Dataset("second", WATER, WATER.positions[None]))
    names = {i.name for i in project.items("datasets")}
    assert names == {"two.xyz", "second"}
    project.rename(beside.name, "other")
    assert project.item(beside.name).name == "other"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "not a PEScape project"),
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "does not belong"),
        ('{"format": "pescape-project"}', "no version"),
        ('{"format": "other", "version": 1}', "does not belong"),
        ('{"format": "pescape-project", "version": 99}', "newer PEScape.*update"),
        ('{"format": "pescape-project", "version": 1, "name": 3}', "name or settings"),
    ],
)
def test_what_is_no_project_is_refused(tmp_path: Path, content: str | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "project.json").write_text(content)
    with pytest.raises(ProjectError, match=reason):
        Project.open(tmp_path)
    assert not (tmp_path / LOCK).exists()


def test_damaged_items_are_listed_and_the_others_open(project: Project) -> None:
    items = [project.add("molecules", f"w{i}", WATER) for i in range(4)]
    (items[0].folder / "item.json").write_text("{")
    (items[1].folder / "item.json").unlink()
    items[1].record.unlink()
    items[2].record.write_bytes(items[2].record.read_bytes()[:-40])
    with reopen(project) as again:
        listed = {i.id: i for i in again.items("molecules")}
        assert [bool(listed[i.id].problem) for i in items] == [True, True, True, False]
        assert again.load(items[3].id).formula == "H2O"
        with pytest.raises(ProjectError, match=r"w2 cannot be read: .*damaged"):
            again.load(items[2].id)
        again.remove(items[0].id)
        assert len(again.items()) == 3


def test_wrong_use_is_refused(project: Project) -> None:
    with pytest.raises(ProjectError, match="unknown kind"):
        project.add("things", "x", WATER)
    for name in ("", "  \n", "x" * 300):
        with pytest.raises(ProjectError, match="name"):
            project.add("molecules", name, WATER)
    with pytest.raises(ProjectError, match="cannot"):
        project.add("molecules", "x", object())
    for id in ("nobody", "../molecules", "", ".", "a/b"):
        with pytest.raises(ProjectError, match="no item"):
            project.remove(id)
    with pytest.raises(ProjectError, match="setting"):
        project.set("x", object())
    assert project.items() == ()
    assert not [p for p in project.root.rglob("*") if p.name.startswith(".")]
    with pytest.raises(ProjectError, match="not empty"):
        Project.create(project.root)


def test_names_need_not_be_file_names(project: Project) -> None:
    for name in ("../../etc", "a/b\\c:*?", "漢字", "CON", "." * 50, "é" * 100):
        item = project.add("molecules", name, WATER)
        assert item.folder.parent == project.root / "molecules"
        assert project.item(item.id).name == name


def test_two_windows_cannot_write_at_once(project: Project) -> None:
    def other(mode: str) -> str:
        code = (
            "import sys; from core.project import Project, ProjectError\n"
            f"try: p = Project.open({str(project.root)!r}, read_only={mode == 'r'})\n"
            "except ProjectError as error: sys.exit(f'{type(error).__name__}: {error}')\n"
            "print(p.name, len(p.items()))\n"
            "try: p.set('a', 1)\n"
            "except ProjectError as error: sys.exit(str(error))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    assert f"ProjectLocked: the project {project.root} is open already: process {os.getpid()}" in (
        other("w")
    )
    assert "My project 0\n" in (said := other("r"))
    assert "reading only" in said
    project.close()
    assert other("w") == "My project 0\n"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"host": "h", "pid": "x"}'])
def test_a_damaged_lock_holds_nobody(project: Project, content: str) -> None:
    project.close()
    (project.root / LOCK).write_text(content)
    with Project.open(project.root) as again:
        again.set("a", 1)


def test_locks_of_the_dead_and_of_other_machines(project: Project) -> None:
    content = json.loads((project.root / LOCK).read_text())
    project.close()
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    for change in ({"pid": process.pid}, {"pid": 1}):  # gone; the number was reused
        (project.root / LOCK).write_text(json.dumps({**content, **change}))
        Project.open(project.root).close()
    (project.root / LOCK).write_text(json.dumps({**content, "host": "another"}))
    with pytest.raises(ProjectLocked, match="on another has it"):
        Project.open(project.root)


def test_leftovers_of_interrupted_writes_are_cleaned(project: Project) -> None:
    item = project.add("molecules", "w", WATER)
    aside = project.root / "molecules" / ".new-x-1"
    aside.mkdir()
    left = [
        aside / "item.json",
        item.folder / ".record.npz.tmp-12-ab",
        project.root / ".project.json.tmp-12-ab",
    ]
    for path in left:
        path.write_bytes(b"half")
    with reopen(project) as again:
        assert [i.id for i in again.items()] == [item.id]
        assert not any(path.exists() for path in [*left, aside])


def test_folders_that_a_copy_tool_dropped_come_back(project: Project) -> None:
    for kind in KINDS:
        (project.root / kind).rmdir()
    shutil.rmtree(project.root / "trash")
    with reopen(project) as again:
        again.remove(again.add("molecules", "w", WATER).id)


def test_nothing_changes_after_close(project: Project) -> None:
    item = project.add("molecules", "w", WATER)
    project.close()
    for change in (
        lambda: project.rename(item.id, "x"),
        lambda: project.remove(item.id),
        lambda: project.add("molecules", "x", WATER),
        lambda: project.set("a", 1),
    ):
        with pytest.raises(ProjectError, match="reading only"):
            change()
    np.testing.assert_array_equal(project.load(item).positions, WATER.positions)


def test_items_are_read_again_only_where_something_changed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [project.reserve("fits", f"fit {k}") for k in range(5)]
    project.note_job(items[0].id, FitSpec("sgdml", "x"))
    read: list[str] = []
    for name in ("read_json", "peek", "load"):
        real = getattr(storage, name)
        monkeypatch.setattr(
            storage,
            name,
            lambda path, *a, real=real: (read.append(Path(path).name), real(path, *a))[1],
        )
    first = project.items("fits")
    assert read == ["item.json"] * 4, "one was read when its job was noted"
    assert project.job(items[0].id).key == "sgdml"
    read.clear()
    assert project.items("fits") == first
    assert project.item(items[1].id) in first
    assert project.job(items[0].id).key == "sgdml"
    assert read == []
    project.save(items[2], WATER)
    project.rename(items[3].id, "another")
    project.note_job(items[0].id, FitSpec("gap", "x"))
    read.clear()
    assert [i.finished for i in project.items("fits")] == [False, False, True, False, False]
    assert project.item(items[3].id).name == "another"
    assert project.job(items[0].id).key == "gap"
    assert sorted(read) == ["item.json", "job.npz", "record.npz"]
    items[2].record.write_bytes(b"damaged")
    assert "damaged" in project.item(items[2].id).problem
    items[2].record.unlink()
    assert project.item(items[2].id).problem == ""
