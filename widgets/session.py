"""What all panels share: project, engine, selection, units, undo. One object, one selection.

Panels talk to each other only through these signals. The app makes the one Session and fills in
`submit`, `cancel` and `stop` (see app/bridge.py); tests may put in fakes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.molecule import Molecule
from core.units import ENERGY_UNITS, EnergyUnit
from widgets.later import Later
from widgets.undo import UndoStack


@dataclass(frozen=True, eq=False)
class Geometries:
    """Frames shown in the molecule view: positions (M,N,3) Å, energies (M,) eV or None."""

    molecule: Molecule
    positions: np.ndarray
    energies: np.ndarray | None = None
    caption: str = ""
    source: str = ""  # item id of where they come from


@dataclass(frozen=True, eq=False)
class Job:
    """A job as the panels know it: what was asked, and the item its result goes to ("" = none)."""

    id: str
    title: str
    spec: Any
    item: str = ""
    kind: str = ""  # kind of that item


class Session(QObject):
    """The shared state of the window."""

    project_changed = Signal()  # another project was opened
    items_changed = Signal(str)  # kind of the items that changed: datasets, fits, surfaces, ...
    catalog_changed = Signal()  # the worker told which force fields there are
    geometries_changed = Signal(object)  # Geometries now in the molecule view, or None
    frame_changed = Signal(int)  # index into the current Geometries
    axes_changed = Signal()  # self.axes was set: (atoms of axis 1, atoms of axis 2 or None)
    unit_changed = Signal(object)  # EnergyUnit of the screen
    theme_changed = Signal(bool)  # True = dark
    item_selected = Signal(str)  # item id selected in the tree (or anywhere)
    job_added = Signal(str, str)  # job id, title
    job_event = Signal(str, object)  # job id, core.engine.events.Event
    queue_changed = Signal()  # which jobs wait, or their order
    message = Signal(str, str)  # text, level: info, warning, error
    open_workspace = Signal(str)  # TITLE of a panel to bring to the front
    atoms_picked = Signal(object)  # tuple of atoms (from 0) picked in the molecule view
    atoms_highlighted = Signal(object)  # tuple of atoms (from 0) to light up there, () for none
    atoms_coloured = Signal(object)  # dict atom (from 0) -> "#rrggbb" to mark there, {} for none
    import_requested = Signal(str)  # path, or a SMILES string, to hand to the data panel
    fit_proposed = Signal(object)  # FitSpec that a study found: the training form takes it over

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project: Any = None  # core.project.Project
        self.catalog: tuple = ()  # core.forcefields.base.Info of every force field
        self.devices: dict[str, str] = {}  # "cpu", "cuda:0" -> what it is; empty until told
        self.unit: EnergyUnit = ENERGY_UNITS["kcal/mol"]
        self.dark = False
        self.undo = UndoStack(self)
        self.later = Later(self)  # what nobody waits for, a piece at a time
        self.geometries: Geometries | None = None
        self.frame = 0
        self.axes: tuple[tuple[int, ...] | None, tuple[int, ...] | None] = (None, None)
        self.jobs: dict[str, Job] = {}  # every job of this session, oldest first
        # filled in by the app
        self.submit: Callable[..., str] = _not_connected  # (spec, title=..., device=...) -> job id
        self.cancel: Callable[[str], None] = _not_connected  # throw away
        self.stop: Callable[[str], None] = _not_connected  # finish early, keep what is there
        self.waiting: Callable[[], tuple[str, ...]] = tuple  # jobs that wait, the next one first
        self.move: Callable[[str, int], int] = _not_connected  # to a place in that line -> old one

    @property
    def read_only(self) -> bool:
        """Whether nothing can be added to the open project (it is open in another window)."""
        return self.project is not None and bool(self.project.read_only)

    def show(self, geometries: Geometries, *, frame: int = 0) -> None:
        """Put frames into the molecule view."""
        self.geometries = geometries
        self.frame = frame
        self.geometries_changed.emit(geometries)
        self.frame_changed.emit(frame)

    def show_nothing(self) -> None:
        """Empty the molecule view."""
        if self.geometries is not None:
            self.geometries, self.frame = None, 0
            self.geometries_changed.emit(None)

    def set_frame(self, frame: int) -> None:
        """Select a frame everywhere."""
        if self.geometries is None or not 0 <= frame < len(self.geometries.positions):
            return
        if frame != self.frame:
            self.frame = frame
            self.frame_changed.emit(frame)

    def set_axis(self, which: int, atoms: tuple[int, ...] | None) -> None:
        """Set axis 0 or 1 of the surface to a dihedral (atoms from 0), or clear it."""
        axes = list(self.axes)
        axes[which] = atoms
        self.axes = (axes[0], axes[1])
        self.axes_changed.emit()

    def set_unit(self, unit: EnergyUnit) -> None:
        """Change the energy unit of the whole screen."""
        self.unit = unit
        self.unit_changed.emit(unit)

    def set_dark(self, dark: bool) -> None:
        """Change the theme."""
        self.dark = dark
        self.theme_changed.emit(dark)


def _not_connected(*_args: Any, **_kwargs: Any) -> Any:
    raise RuntimeError("the engine is not connected")
