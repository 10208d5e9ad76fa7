"""Asking for files and folders, and writing frames to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog

from core.dataset import Dataset

if TYPE_CHECKING:
    from app.window import Window


class Files:
    """What the File menu does, for one window."""

    def __init__(self, window: Window) -> None:
        self.window = window

    def new_project(self) -> None:
        """Ask for a folder and make a project in it."""
        path, _kind = QFileDialog.getSaveFileName(
            self.window, "New project (a folder)", str(self.window.projects.folder / "project")
        )
        if path:
            self.window.projects.create(Path(path))

    def open_project(self) -> None:
        """Ask for a project folder and open it."""
        start = self.window.settings.last_folder or str(self.window.projects.folder)
        path = QFileDialog.getExistingDirectory(self.window, "Open project", start)
        if path:
            self.window.settings.last_folder = str(Path(path).parent)
            self.open_folder(path)

    def open_folder(self, path: str) -> None:
        """Open a project by its folder."""
        self.window.projects.open(Path(path))

    def open_example(self) -> None:
        """Open the example project."""
        self.window.projects.example()

    def copy_project(self) -> None:
        """Ask for a place and copy the project there."""
        path, _kind = QFileDialog.getSaveFileName(
            self.window, "Save a copy of the project (a folder)"
        )
        if path:
            self.window.projects.copy(Path(path))

    def import_data(self) -> None:
        """Let a person pick files to import."""
        self.window.raise_panel("Data")
        panel = self.window.panel("Data")
        if panel is not None:
            panel.choose()

    def export_frames(self) -> None:
        """Write the frames of the molecule view to a file."""
        geometries = self.window.session.geometries
        if geometries is None:
            self.window.session.message.emit("There are no frames in the molecule view.", "info")
            return
        path, _kind = QFileDialog.getSaveFileName(
            self.window,
            "Export frames",
            f"{geometries.molecule.name or 'frames'}.extxyz",
            "Extended XYZ (*.extxyz)",
        )
        if path:
            self.export_to(Path(path))

    def export_to(self, path: Path) -> None:
        """Write the frames of the molecule view to `path`."""
        geometries = self.window.session.geometries
        if geometries is None:
            return
        from core.readers.export import write_extxyz

        data = Dataset(
            geometries.molecule.name,
            geometries.molecule,
            geometries.positions,
            energies=geometries.energies,
        )
        try:
            write_extxyz(data, path)
        except OSError as error:
            self.window.session.message.emit(
                f"{path} could not be written: {error.strerror}", "error"
            )
        else:
            self.window.session.message.emit(f"{len(data):,} frames written to {path}.", "info")
