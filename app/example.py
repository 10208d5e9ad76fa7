"""The example project: made at the first start, by the same jobs a person would run."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject

from core.analyses.importing import ImportSpec
from core.analyses.surface import Axis, SurfaceSpec
from core.elements import NUMBER_OF
from core.fieldref import FieldRef
from core.molecule import Molecule
from core.project import FILE, Project, ProjectError
from widgets.frames import geometries_of
from widgets.session import Geometries, Session

SOURCE = Path(__file__).resolve().parent.parent / "resources" / "examples" / "ethanol"
FOLDER = "ethanol-example"
NAME = "Ethanol example"
AXES = ((1, 0, 2, 8), (5, 1, 0, 2))  # C-C-O-H and H-C-C-O, atoms from 0
LEVEL = "PBE/def2-SVP"  # also the name of the reference surface
GRID = {"start": -180, "stop": 165, "n": 24}  # degrees
SETTING = "example"  # project setting: "making" until everything is there
MADE_FROM = "example data"  # project setting: `fingerprint` of the files it was made from
FILES = ("ethanol.extxyz", "surface.extxyz")
OWN_ITEMS = {("datasets", "ethanol"), ("datasets", "surface"), ("surfaces", LEVEL)}


def first_frame(path: Path) -> Molecule:
    """The first geometry of an (ext)xyz file, read here so that it shows before a worker is up.

    Raises ValueError or OSError when the file does not begin like one.
    """
    with path.open(encoding="utf-8") as file:
        count = int(file.readline())
        file.readline()
        rows = [file.readline().split()[:4] for _ in range(count)]
    numbers = np.array([NUMBER_OF[r[0]] for r in rows])
    return Molecule(path.stem, numbers, np.array([[float(x) for x in r[1:]] for r in rows]))


def fingerprint(source: Path) -> str:
    """SHA-256 over the shipped files; "" where they are missing."""
    seen = hashlib.sha256()
    try:
        for name in FILES:
            seen.update((source / name).read_bytes())
    except OSError:
        return ""
    return seen.hexdigest()


def place(folder: Path, source: Path) -> tuple[Path, str, str]:
    """Where the example is to be opened, what to do first, and a sentence about it ("" = none).

    What: "open", "create", or "renew": the shipped data have changed and nobody added anything.
    An example that somebody worked in stays as it is; the new data get a folder of their own.
    """
    number = 1
    while (folder / _numbered(number + 1) / FILE).is_file():
        number += 1
    path, following = folder / _numbered(number), folder / _numbered(number + 1)
    if not (path / FILE).is_file():
        return path, "create", ""
    try:
        project = Project.open(path, read_only=True)
    except ProjectError as error:
        return following, "create", f"{error} Here is a fresh example."
    shipped = fingerprint(source)
    if not shipped or project.settings.get(MADE_FROM) == shipped:
        return path, "open", ""
    if all((item.kind, item.name) in OWN_ITEMS for item in project.items()):
        return path, "renew", "The example's data are newer now; it is made again."
    return (
        following,
        "create",
        f"The example's data are newer now, and this is a fresh example. Your work is in {path}.",
    )


def clear(path: Path) -> bool:
    """Empty an example project that is to be made again; False when it is open elsewhere."""
    try:
        with Project.open(path) as project:
            for item in project.items():
                project.remove(item.id)
    except ProjectError:
        return False
    return True


def _numbered(number: int) -> str:
    return FOLDER if number == 1 else f"{FOLDER}-{number}"


class ExampleMaker(QObject):
    """Fills an empty project with the example: two imports, then the reference surface."""

    def __init__(self, session: Session, source: Path = SOURCE) -> None:
        super().__init__(session)
        self.session, self.source = session, source
        self.after: dict[str, Callable[[Any], None]] = {}
        session.job_event.connect(self._job)

    def start(self) -> None:
        """Show the molecule at once and hand in the jobs."""
        project = self.session.project
        project.set("axes", [list(a) for a in AXES])
        project.set("grid", GRID)
        project.set(SETTING, "making")
        project.set(MADE_FROM, fingerprint(self.source))
        for item, _spec in project.unfinished():
            project.remove(item.id)
        data = self.source / "ethanol.extxyz"
        molecule = first_frame(data)
        self.session.show(Geometries(molecule, molecule.positions[None], caption="ethanol"))
        have = {(i.kind, i.name): i for i in project.items()}
        # named first, read last: the surface is what a person waits for, and the newest data set
        later = None
        if ("datasets", "ethanol") not in have:
            later = project.reserve("datasets", "ethanol")
        grid = have.get(("datasets", "surface"))
        if ("surfaces", LEVEL) in have:
            self._all_there(None)
        elif grid is not None:  # the window was closed between the import and the surface
            self._surface_there(grid, project.load(grid))
        else:
            item = project.reserve("datasets", "surface")
            self._import(self.source / "surface.extxyz", item, self._surface_there)
        if later is not None:
            self._import(data, later, self._data_there)

    def _import(self, path: Path, item: Any, after: Callable[[Any, Any], None]) -> None:
        spec = ImportSpec(path=str(path), name=item.name, units="eV", out=str(item.folder))
        job = self.session.submit(spec, title=f"import {item.name}")
        self.after[job] = lambda result: after(item, result.datasets[0])

    def _data_there(self, item: Any, dataset: Any) -> None:
        geometries = geometries_of(dataset, source=item.id)
        if geometries is not None:
            self.session.show(geometries)

    def _surface_there(self, item: Any, dataset: Any) -> None:
        surface = self.session.project.reserve("surfaces", LEVEL)
        start, stop = (math.radians(GRID[k]) for k in ("start", "stop"))
        spec = SurfaceSpec(
            molecule=dataset.molecule,
            axes=tuple(Axis(a, start, stop, GRID["n"]) for a in AXES),
            fields=(
                FieldRef("reference", dataset=str(item.record), label=dataset.level or "reference"),
            ),
            name=surface.name,
            out=str(surface.folder),
        )
        self.after[self.session.submit(spec, title="reference surface")] = self._all_there

    def _all_there(self, _result: Any) -> None:
        self.session.project.set(SETTING, "ready")

    def _job(self, job: str, event: Any) -> None:
        if job not in self.after:
            return
        if event.kind == "done":
            self.after.pop(job)(event.payload["result"])
        elif event.kind in ("failed", "cancelled"):
            self.after.pop(job)
            why = event.payload.get("message", "it was cancelled")
            self.session.message.emit(f"The example could not be made complete: {why}", "error")
