"""Which project is open, and what was left unfinished in it."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from app.example import FOLDER, NAME, SETTING, SOURCE, ExampleMaker, clear, place
from app.interrupted import Interrupted
from core.lock import NAME as LOCK
from core.project import Project, ProjectError, ProjectLocked
from widgets.frames import geometries_of
from widgets.loading import load_item

if TYPE_CHECKING:
    from app.window import Window
    from widgets.notice import Notice


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
        self.interrupted = Interrupted(self.session, window.notices)
        self.locked: Notice | None = None
        self._quiet = False
        self.session.axes_changed.connect(self._keep_axes)

    # -- open ---------------------------------------------------------------------------------
    def open(self, path: Path) -> bool:
        """Open a project folder; one that is open elsewhere is opened for reading only."""
        why = ""
        try:
            try:
                project = Project.open(path)
            except ProjectLocked as error:
                why = str(error)
                project = Project.open(path, read_only=True)
        except ProjectError as error:
            self.session.message.emit(str(error), "error")
            return False
        self._put(project)
        if why:
            self._say_read_only(project, why)
        return True

    def _say_read_only(self, project: Project, why: str) -> None:
        name = project.name
        again = partial(self.open, project.root)
        self.locked = self.window.notices.add(
            f"“{name}” is open in another PEScape. Here it is for reading only: nothing can be "
            "computed, imported or changed.",
            "warning",
            (("Try again", again), ("Save a copy …", self.window.files.copy_project)),
            details=why,
        )

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
        """Open the example; made first where it is not there yet, or made from older data."""
        path, what, sentence = place(self.folder, self.source)
        if what == "renew" and not clear(path):
            what, sentence = "open", ""
        if what == "create":
            number = path.name.removeprefix(FOLDER).replace("-", " ")
            if not self.create(path, NAME + number):
                return
        elif not self.open(path) or self.session.read_only:
            return
        if sentence:
            self.session.message.emit(sentence, "warning" if what == "create" else "info")
        if what != "open" or self.session.project.settings.get(SETTING) != "ready":
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
        root = project.root.resolve()
        wrong = ""
        if root == target.resolve() or root in target.resolve().parents:
            wrong = f"{target} lies inside the project itself: choose a folder outside it."
        elif target.exists() and (not target.is_dir() or any(target.iterdir())):
            wrong = f"{target} is not empty: choose a new folder."
        if wrong:
            self.session.message.emit(wrong, "error")
            return False
        project.settle()
        try:
            shutil.copytree(
                project.root,
                target,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("trash", LOCK),
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
        for notice in (*self.interrupted.notices, self.locked):
            if notice is not None and notice in self.window.notices.shown():
                notice.dismiss()  # it spoke of the project before
        self.locked = None
        self.session.undo.clear()
        self.session.jobs.clear()
        self.session.project = project
        self.session.show_nothing()
        self._load_axes()
        self.session.project_changed.emit()
        self.window.settings.add_recent(str(project.root))
        self.window.actions_.fill_recent(self.window.settings.recent)
        only = " (reading only)" if project.read_only else ""
        self.window.setWindowTitle(f"{project.name}{only} – PEScape")
        self._first_frames(project)
        if not project.read_only and project.settings.get(SETTING) != "making":
            self.interrupted.offer(project)

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
