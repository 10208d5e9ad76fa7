"""Writing behind: seen at once, durable in order, problems told, nothing lost at the end."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from core import storage
from core.analyses.importing import ImportSpec
from core.behind import Behind
from core.project import Project


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def project(tmp_path: Path, told: list[str]):
    with Project.create(tmp_path / "mine", "mine") as project:
        project.write_behind(told.append)
        yield project


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch):
    """A disk that takes 60 ms for each sync, and notes which threads waited for it."""
    threads: list[threading.Thread] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        threads.append(threading.current_thread())
        time.sleep(0.06)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return threads


def test_work_is_done_in_order_and_the_thread_ends(told) -> None:
    behind, done, hold = Behind(told.append), [], threading.Event()
    behind.ask(Path("a"), hold.wait)
    for k in range(50):
        behind.ask(Path("b"), lambda k=k: done.append(k))
    assert done == []
    hold.set()
    behind.settle()
    assert done == list(range(50))
    behind.ask(Path("b"), lambda: done.append(50))  # a new thread where there was none
    behind.settle(Path("b"))
    assert done[-1] == 50


def test_a_problem_is_told_and_stops_only_what_it_concerns(told) -> None:
    behind, heard = Behind(told.append), {}

    def full() -> None:
        raise OSError(28, "No space left on device")

    behind.ask(Path("a"), full)
    behind.when_done(Path("a"), lambda problem: heard.setdefault("a", problem))
    behind.when_done(Path("b"), lambda problem: heard.setdefault("b", problem))
    behind.settle()
    assert "No space left" in heard["a"]
    assert heard["b"] == ""
    assert len(told) == 1
    behind.when_done(Path("a"), lambda problem: heard.update(a=problem))
    behind.settle()
    assert heard["a"] == ""  # told once


def test_whatever_goes_wrong_the_rest_is_done() -> None:
    def told(_problem: str) -> None:
        raise RuntimeError("the window is gone")

    behind, done = Behind(told), []
    behind.ask(Path("a"), lambda: 1 / 0)
    behind.ask(Path("a"), lambda: done.append(1))
    behind.settle()
    assert done == [1]


def test_nobody_waits_for_the_disk_but_the_job(project: Project, slow_disk) -> None:
    begin = time.perf_counter()
    item = project.reserve("fits", "sGDML")
    spec = ImportSpec("x", out=str(item.folder))
    project.note_job(item.id, spec)
    project.set("axes", [1, 2])
    project.rename(item.id, "another")
    took = time.perf_counter() - begin
    # seen at once, by this object and (but for name and setting) on the disk
    assert project.item(item.id).name == "another"
    assert project.settings == {"axes": [1, 2]}
    assert project.job(item.id) == spec
    assert took < 0.05
    safe = threading.Event()
    synced: list[int] = []
    project.when_safe(item.id, lambda _problem: (synced.append(len(slow_disk)), safe.set()))
    assert safe.wait(5)
    # card, its folder, the kind's folder, job, its folder: all before the job may start
    assert synced[0] >= 5
    assert threading.main_thread() not in slow_disk


def test_everything_is_there_after_close(project: Project, slow_disk) -> None:
    item = project.reserve("runs", "300 K")
    project.note_job(item.id, ImportSpec("x", out=str(item.folder)))
    project.note_job(item.id, ImportSpec("y", out=str(item.folder)))
    for k in range(3):
        project.rename(item.id, f"run {k}")
        project.set("k", k)
    gone = project.reserve("runs", "gone")
    project.rename(gone.id, "renamed and gone")
    project.remove(gone.id)
    project.close()
    with Project.open(project.root) as again:
        assert [i.name for i in again.items()] == ["run 2"]
        assert again.job(item.id).path == "y"
        assert again.settings == {"k": 2}
        assert [i.name for i in again.trash()] == ["renamed and gone"]
        assert not [p for p in again.root.rglob("*") if storage.is_leftover(p.name)]


def test_a_name_that_could_not_be_written_is_the_old_one_again(
    project: Project, told, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = project.reserve("runs", "old")

    def full(*_arguments: object, **_options: object) -> None:
        raise storage.StorageError("the disk is full")

    monkeypatch.setattr(storage, "write_json", full)
    project.rename(item.id, "new")
    problems: list[str] = []
    project.when_safe(item.id, problems.append)
    project._behind.settle()
    assert project.item(item.id).name == "old"
    assert "the disk is full" in problems[0]
    assert told == problems


def test_what_a_power_cut_left_hollow_is_taken_out(project: Project) -> None:
    hollow, real = project.reserve("fits", "hollow"), project.reserve("fits", "real")
    project.close()
    for name in ("item.json", "job.npz"):
        (hollow.folder / name).write_bytes(b"")
    with Project.open(project.root) as again:
        assert [i.id for i in again.items()] == [real.id]
