"""SIGKILL at random moments: the project opens, what was completed is there, nothing is torn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.molecule import Molecule
from core.project import Project

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 50
OPERATIONS = ("add", "reserve", "finish", "rename", "remove", "restore", "set")
ATOMS = 3000  # 70 kB of coordinates: long enough to be torn in the middle

# Imports once, then forks one writer per line "seed operations milliseconds" and kills it that
# long after it has begun so many operations: the moments do not depend on how busy the machine is.
NURSERY = """
import os, random, signal, sys, time
sys.path[:0] = [{root!r}, {here!r}]
import test_project_kill as test
for line in sys.stdin:
    seed, operations, milliseconds = line.split()
    start = os.path.getsize({log!r})
    pid = os.fork()
    if pid == 0:
        try:
            test.write({project!r}, {log!r}, int(seed))
        finally:
            os._exit(1)
    with open({log!r}) as log:
        log.seek(start)
        begun = 0
        end = time.monotonic() + 20
        while begun < int(operations) and time.monotonic() < end:
            begun += log.read().count("start")
            time.sleep(0.001)
    time.sleep(float(milliseconds) / 1000)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    print(status, flush=True)
"""


def molecule(key: str) -> Molecule:
    """A record that can be told to be whole: everything in it follows from its key."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    return Molecule(key, np.full(ATOMS, 6), rng.normal(size=(ATOMS, 3)))


def write(path: str, log: str, seed: int) -> None:
    """Random operations without end; a line before ("start") and after ("end") each."""
    rng = np.random.default_rng(seed)
    out = os.open(log, os.O_WRONLY | os.O_APPEND)

    def note(when: str, what: dict[str, Any]) -> None:
        os.write(out, (json.dumps({"when": when, **what}) + "\n").encode())

    with Project.open(path) as project:
        for count in range(10**9):
            key = f"s{seed}n{count}"
            items, removed = project.items(), project.trash()
            what = str(rng.choice(OPERATIONS))
            if len(items) > 12:
                what = "remove"
            some = items[rng.integers(len(items))] if items else None
            open_ = [i for i in items if not i.finished]
            if what == "add":
                note("start", {"op": what, "name": key, "key": key})
                project.add("molecules", key, molecule(key))
                note("end", {})
            elif what == "reserve":
                note("start", {"op": what, "name": key, "key": ""})
                project.reserve("runs", key)
                note("end", {})
            elif what == "finish" and open_:
                note("start", {"op": what, "name": open_[0].name, "key": key})
                project.save(open_[0], molecule(key))
                note("end", {})
            elif what == "rename" and some:
                note("start", {"op": what, "name": some.name, "new": key})
                project.rename(some.id, key)
                note("end", {})
            elif what == "remove" and some:
                note("start", {"op": what, "name": some.name})
                project.remove(some.id)
                note("end", {})
            elif what == "restore" and removed:
                item = removed[rng.integers(len(removed))]
                note("start", {"op": what, "name": item.name})
                project.restore(item.id)
                note("end", {})
            elif what == "set":
                note("start", {"op": what, "key": f"k{count % 5}", "value": key})
                project.set(f"k{count % 5}", key)
                note("end", {})


State = tuple[dict[str, str], dict[str, str], dict[str, str]]


def apply(state: State, step: dict[str, Any]) -> State:
    """Items here and in the trash, both name -> key of the record ("" = none), and settings."""
    here, trash, settings = (dict(part) for part in state)
    op = step["op"]
    if op in ("add", "reserve", "finish"):
        here[step["name"]] = step["key"]
    elif op == "rename":
        here[step["new"]] = here.pop(step["name"])
    elif op == "remove":
        trash[step["name"]] = here.pop(step["name"])
    elif op == "restore":
        here[step["name"]] = trash.pop(step["name"])
    else:
        settings[step["key"]] = step["value"]
    return here, trash, settings


def found(project: Project) -> State:
    """The same from the disk, every record read and checked to be whole."""

    def keys(items: tuple) -> dict[str, str]:
        rows = {}
        for item in items:
            assert not item.problem, item
            rows[item.name] = ""
            if item.finished:
                record = project.load(item)
                np.testing.assert_array_equal(record.positions, molecule(record.name).positions)
                rows[item.name] = record.name
        return rows

    return keys(project.items()), keys(project.trash()), project.settings


@pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")
def test_killed_at_random_moments_nothing_is_lost(tmp_path: Path) -> None:
    root, log = tmp_path / "project", tmp_path / "log"
    Project.create(root).close()
    log.touch()
    here = str(Path(__file__).resolve().parent)
    script = NURSERY.format(root=str(ROOT), here=here, project=str(root), log=str(log))
    rng = np.random.default_rng(11)
    state: State = ({}, {}, {})
    interrupted = completed = read = 0
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for round_ in range(4 * ROUNDS):
            if round_ >= ROUNDS and interrupted > ROUNDS // 3:
                break  # how many kills fall into an operation depends on the speed of the disk
            operations, wait = rng.integers(0, 12), rng.uniform(0, 30)
            print(round_, operations, wait, file=nursery.stdin, flush=True)
            assert int(nursery.stdout.readline()) == 9, "it ended by itself"
            steps = [json.loads(line) for line in log.read_text().splitlines()[read:]]
            read += len(steps)
            pending = None
            for step in steps:
                if step["when"] == "start":
                    pending = step
                else:
                    assert pending is not None
                    state = apply(state, pending)
                    pending = None
                    completed += 1
            with Project.open(root) as project:
                now = found(project)
            hidden = [p for p in root.rglob("*") if p.name.startswith(".")]
            assert not hidden, "an interrupted write left something behind"
            if pending is None:
                assert now == state
            else:  # the operation that was cut off has happened, or it has not
                interrupted += 1
                assert now in (state, apply(state, pending))
                state = now
        nursery.stdin.close()
    assert completed > 3 * ROUNDS
    assert interrupted > ROUNDS // 3, "hardly anything was cut off: the test tests nothing"
