"""Which project is open, and what was left unfinished in it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from app.bridge import noted_fraction
from app.example import FOLDER, NAME, SETTING, SOURCE, ExampleMaker
from core.project import Project, ProjectError, ProjectLocked
from widgets.frames import geometries_of
from widgets.loading import load_item

if TYPE_CHECKING:
    from app.window import Window

MANY = 3  # more interrupted jobs than this share one notice


def is_project(path: Path) -> bool:
    """Whether a path is a project folder (or its project.json)."""
    return path.name == "project.json" or (path / "project.json").is_file()


class Projects(QObject):
    """Opens, makes and copies projects for one window.

    folder: where projects go that have no place of their own; example: the example's data.
    """

    def __init__(self, window: Window, folder: Path, example: Path = SOURCE) -> None:
        super().__init__(window)
        self.window, self.session, self.folder = window, window.session, folder
        self.source = example
        self.maker: ExampleMaker | None = None
        self._quiet = False
        self.session.axes_changed.connect(self._keep_axes)

    # -- open ---------------------------------------------------------------------------------
    def open(self, path: Path) -> bool:
        """Open a project folder; one that is open elsewhere is opened for reading only."""
        try:
            try:
                project = Project.open(path)
            except ProjectLocked as error:
                project = Project.open(path, read_only=True)
                self.session.message.emit(f"{error}. It is shown for reading only here.", "warning")
        except ProjectError as error:
            self.session.message.emit(str(error), "error")
            return False
        self._put(project)
        return True

    def create(self, path: Path, name: str = "") -> bool:
        """Make a new project and open it."""
        try:
            project = Project.create(path, name or path.name)
        except (ProjectError, OSError) as error:
            self.session.message.emit(str(error), "error")
            return False
        self._put(project)
        return True

    def example(self) -> None:
        """Open the example; made first where it is not there yet."""
        path = self.folder / FOLDER
        if is_project(path):
            if not self.open(path) or self.session.project.read_only:
                return
            unfinished = self.session.project.settings.get(SETTING) != "ready"
        else:
            if not self.create(path, NAME):
                return
            unfinished = True
        if unfinished:
            self.make_example()

    def make_example(self) -> None:
        """Fill the open project with the example data."""
        if not (self.source / "ethanol.extxyz").is_file():
            self.session.message.emit(
                f"The example data are not in {self.source}; import data of your own instead.",
                "warning",
            )
            return
        self.maker = ExampleMaker(self.session, self.source)
        self.maker.start()
        self._load_axes()

    def copy(self, target: Path) -> bool:
        """A second copy of the open project, without what lies in its bin."""
        project = self.session.project
        if project is None:
            return False
        if target.exists() and any(target.iterdir()):
            self.session.message.emit(f"{target} is not empty: choose a new folder.", "error")
            return False
        try:
            shutil.copytree(
                project.root,
                target,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("trash", "*.lock", ".lock*"),
            )
        except OSError as error:
            self.session.message.emit(f"The copy could not be made: {error}", "error")
            return False
        self.session.message.emit(f"Copied to {target}.", "info")
        return True

    def close(self) -> None:
        """Let go of the open project."""
        if self.session.project is not None:
            self.session.project.close()

    # -- what is in it ------------------------------------------------------------------------
    def _put(self, project: Project) -> None:
        self.window.bridge.abandon()
        if self.maker is not None:
            self.maker.deleteLater()
            self.maker = None
        self.close()
        self.session.undo.clear()
        self.session.jobs.clear()
        self.session.project = project
        self._load_axes()
        self.session.project_changed.emit()
        self.window.settings.add_recent(str(project.root))
        self.window.actions_.fill_recent(self.window.settings.recent)
        self.window.setWindowTitle(f"{project.name} – PEScape")
        self._first_frames(project)
        if not project.read_only and project.settings.get(SETTING) != "making":
            self._interrupted(project)

    def _first_frames(self, project: Project) -> None:
        """Show the first data set, or molecule, there is."""
        for kind in ("datasets", "molecules"):
            for item in project.items(kind):
                if item.finished and not item.problem:

                    def done(record: Any, item: Any = item) -> None:
                        geometries = geometries_of(record, source=item.id)
                        if geometries is not None and self.session.project is project:
                            self.session.show(geometries)

                    load_item(
                        self,
                        project,
                        item,
                        done=done,
                        failed=lambda text: self.session.message.emit(text, "error"),
                    )
                    return

    def _load_axes(self) -> None:
        saved = self.session.project.settings.get("axes") or [None, None]
        self._quiet = True
        for which, atoms in enumerate(saved[:2]):
            good = isinstance(atoms, list) and len(atoms) == 4
            self.session.set_axis(which, tuple(int(a) for a in atoms) if good else None)
        self._quiet = False

    def _keep_axes(self) -> None:
        project = self.session.project
        if self._quiet or project is None or project.read_only:
            return
        project.set("axes", [None if a is None else list(a) for a in self.session.axes])

    # -- interrupted jobs ---------------------------------------------------------------------
    def _interrupted(self, project: Project) -> None:
        left: list[tuple[Any, Any]] = []
        for item, spec in project.unfinished():
            if spec is None:
                project.remove(item.id)  # its job was never handed in
            else:
                left.append((item, spec))
        if not left:
            return
        if len(left) > MANY:
            self.window.notices.add(
                f"{len(left)} jobs were interrupted.",
                "info",
                (
                    ("Go on with all", lambda: self._all(left, go_on=True)),
                    ("Discard all", lambda: self._all(left, go_on=False)),
                ),
            )
            return
        for item, spec in left:
            fraction = noted_fraction(item.folder)
            at = f" at {100 * fraction:.0f} %" if fraction == fraction else ""
            buttons: tuple[tuple[str, Callable[[], object]], ...] = (
                ("Go on", partial(self.go_on, item, spec)),
                ("Discard", partial(self.discard, item)),
            )
            what = {"runs": "run", "fits": "training", "surfaces": "surface"}.get(item.kind, "job")
            self.window.notices.add(
                f"The {what} “{item.name}” was interrupted{at}.", "info", buttons
            )

    def _all(self, left: list[tuple[Any, Any]], *, go_on: bool) -> None:
        for item, spec in left:
            if go_on:
                self.go_on(item, spec)
            else:
                self.discard(item)

    def go_on(self, item: Any, spec: Any) -> str:
        """Start an interrupted job again, from its checkpoint if it has one; returns its id."""
        changes: dict[str, Any] = {"out": str(item.folder)}
        checkpoint = item.folder / "checkpoint.npz"
        if hasattr(spec, "resume") and checkpoint.is_file():
            changes["resume"] = str(checkpoint)
        return self.session.submit(dataclasses.replace(spec, **changes), title=item.name)

    def discard(self, item: Any) -> None:
        """Put what an interrupted job left into the bin."""
        self.session.project.remove(item.id)
        self.session.items_changed.emit(item.kind)
