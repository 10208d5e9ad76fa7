"""What goes over a surface (geometries, the path of a run), and the surface that goes behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QSizePolicy, QWidget

from core.analyses.dynamics import DynamicsSpec
from core.analyses.fit import FitSpec
from core.analyses.refit import RefitSpec
from core.analyses.surface import Surface
from core.engine.events import Event
from core.storage import peek
from widgets.loading import load_item
from widgets.session import Session
from widgets.surface.data import SurfaceData

PATH_FRAMES = 2000  # the newest frames of a running dynamics that are drawn
PATH_MS = 100


class PointReader:
    """Stands where `load_item` wants a project: positions (P,N,3) of a fit's training frames.

    numbers: atoms of the molecule on show, which a combined fit may have learnt beside others.
    """

    def __init__(self, project: Any, numbers: np.ndarray | None = None) -> None:
        self.project, self.numbers = project, numbers

    def load(self, item: Any) -> np.ndarray:
        """Raises ValueError where the data set of a fit is not known."""
        if item.kind == "datasets":
            return self.project.load(item).positions
        spec = self.project.job(item.id)
        sets = [i for i in self.project.items("datasets") if i.record.exists()]
        if not isinstance(spec, FitSpec | RefitSpec):
            raise ValueError("which data set it was trained on is not noted")
        if not spec.dataset:
            raise ValueError("it was fitted to profiles alone, without a data set")
        fit = self.project.load(item)
        used = {spec.dataset: fit.split.train}
        shares = zip(getattr(spec, "others", ()), getattr(fit, "others", ()), strict=False)
        used |= {share.dataset: result.split.train for share, result in shares}
        source = [i for i in sets if str(i.record) in used]
        if not source:
            raise ValueError("its data set is no longer in the project")
        source.sort(key=lambda i: list(used).index(str(i.record)))
        wanted = self.numbers if len(used) > 1 else None
        for one in source:
            data = self.project.load(one)
            if wanted is None or np.array_equal(data.molecule.numbers, wanted):
                return data.positions[used[str(one.record)]]
        raise ValueError("none of the molecules it learnt is the one on show")


class PointChooser(QComboBox):
    """Which geometries are drawn as dots; reads them aside."""

    chosen = Signal(object)  # positions (P,N,3) Å, or None
    problem = Signal(str)

    def __init__(
        self,
        session: Session,
        parent: QWidget | None = None,
        *,
        numbers: Callable[[], np.ndarray | None] = lambda: None,
    ) -> None:
        super().__init__(parent)
        self.session, self._numbers = session, numbers  # atoms of the molecule on show
        self.setAccessibleName("Points drawn on the surface")
        self.setToolTip("Geometries drawn as dots: training frames of a fit, or a data set")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(90)
        self.activated.connect(lambda _row: self.read())

    def fill_again(self) -> None:
        """Read the project again; keeps the choice while it is there."""
        project, kept = self.session.project, self.currentData()
        self.clear()
        self.addItem("none", "")
        if project is not None:
            for kind, what in (("fits", "training of"), ("datasets", "data set")):
                for item in reversed(project.items(kind)):
                    if item.record.exists():
                        self.addItem(f"{what} {item.name}", item.id)
        at = self.findData(kept) if kept else 0
        self.setCurrentIndex(max(at, 0))
        if at < 0:
            self.chosen.emit(None)

    def choose(self, id: str) -> None:
        """Draw the points of a fit or data set, where it is in the list."""
        at = self.findData(id)
        if at >= 0:
            self.setCurrentIndex(at)
            self.read()

    def read(self) -> None:
        """Read the chosen geometries and hand them out."""
        id = self.currentData()
        if not id:
            self.chosen.emit(None)
            return

        def done(positions: np.ndarray) -> None:
            if self.currentData() == id:
                self.chosen.emit(positions)

        project = self.session.project
        reader = PointReader(project, self._numbers())
        load_item(self, reader, project.item(id), done=done, failed=self.problem.emit)


class LivePath(QObject):
    """Frames of the newest dynamics run (its first replica), handed out every 100 ms."""

    moved = Signal(object)  # positions (S,N,3) Å, or None

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self.job = ""
        self.frames: list[np.ndarray] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PATH_MS)
        self._timer.timeout.connect(self._move)
        session.job_event.connect(self._event)

    def clear(self) -> None:
        """Forget the path."""
        self.job, self.frames = "", []
        self.moved.emit(None)

    def _event(self, job: str, event: Event) -> None:
        if event.kind != "frame" or "temperature" not in event.payload:
            return
        record = self.session.jobs.get(job)
        if record is None or not isinstance(record.spec, DynamicsSpec):
            return
        if job != self.job:
            self.job, self.frames = job, []
        self.frames.append(np.asarray(event.payload["positions"])[0])
        del self.frames[:-PATH_FRAMES]
        if not self._timer.isActive():
            self._timer.start()

    def _move(self) -> None:
        self.moved.emit(np.stack(self.frames) if self.frames else None)


def dihedrals_of(item: Any) -> tuple[tuple[int, ...], ...]:
    """The dihedrals of a stored surface, from its record's head; () where it cannot be read."""
    try:
        return tuple(tuple(axis["atoms"]) for axis in peek(item.record)["axes"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def newest_surface(session: Session) -> Any:
    """The newest finished surface over the dihedrals chosen (an item), or None."""
    wanted = tuple(tuple(a) for a in session.axes if a is not None)
    if session.project is None or not wanted:
        return None
    there = [i for i in session.project.items("surfaces") if i.record.exists()]
    return next((i for i in reversed(there) if dihedrals_of(i) == wanted), None)


class GridReader:
    """Stands where `load_item` wants a project: the surface a scanned data set holds, or None."""

    def __init__(self, session: Session) -> None:
        self.project = session.project
        self.atoms = tuple(tuple(a) for a in session.axes if a is not None)

    def load(self, item: Any) -> SurfaceData | None:
        """None where the geometries are no regular grid over the dihedrals chosen."""
        data = self.project.load(item)
        if not self.atoms or max(map(max, self.atoms)) >= len(data.molecule.numbers):
            return None
        label = data.level or f"Reference: {item.name}"
        return SurfaceData.from_dataset(data, self.atoms, label=label, source=item.id)


class SurfaceBehind(QObject):
    """Keeps the newest surface over the dihedrals chosen at hand."""

    found = Signal(object)  # SurfaceData or None
    problem = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.session = session
        self._id = ""
        session.axes_changed.connect(self.find)
        session.items_changed.connect(lambda kind: self.find() if kind == "surfaces" else None)
        session.project_changed.connect(self.find)

    def find(self) -> None:
        """Look again; reads the surface aside when it is another one."""
        item = newest_surface(self.session)
        id = item.id if item is not None else ""
        if id == self._id and id:
            return
        self._id = id
        if item is None:
            self.found.emit(None)
            return

        def done(record: Any) -> None:
            if self._id == id and isinstance(record, Surface):
                self.found.emit(SurfaceData.from_surface(record, source=id))

        load_item(self, self.session.project, item, done=done, failed=self.problem.emit)
