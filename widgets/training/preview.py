"""The split a training would use, shown before it is started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from core.analyses.fit import FitSpec
from core.analyses.splitting import Splitting, SplittingSpec
from core.bonding import BondingError, dihedrals, why_not_dihedral
from core.dataset import Dataset
from core.engine.events import FINAL
from core.molecule import Molecule
from widgets.background import in_background
from widgets.empty import States
from widgets.later import Room
from widgets.naming import text_label
from widgets.session import Session
from widgets.split_view import SplitView

WAIT_MS = 350  # after the last keystroke


def axes_for(
    molecule: Molecule, axes: tuple[tuple[int, ...] | None, ...]
) -> tuple[tuple[int, ...], ...]:
    """Up to two dihedrals: the surface's axes where they fit, else those suggested."""
    chosen = [a for a in axes if a is not None and not why_not_dihedral(molecule, a)]
    if not chosen:
        try:
            chosen = list(dihedrals(molecule)[:2])
        except BondingError:
            chosen = []
    return tuple(tuple(int(x) for x in a) for a in chosen)


class SplitPreview(QWidget):
    """Asks the worker how frames would be drawn, while it is on show, and draws the answer.

    wanted: gives (FitSpec, Dataset) or the sentence that says what is missing. others: a line for
    each further molecule of a combined fit.
    """

    def __init__(
        self,
        session: Session,
        wanted: Callable[[], tuple[FitSpec, Dataset] | str],
        others: Callable[[], list[str]] = list,
    ) -> None:
        super().__init__()
        self.session, self._wanted, self._lines = session, wanted, others
        self.room = Room(self._make_view)
        self.states = States(self.room)
        self.others = text_label("Frames of the other molecules", wrap=True)
        self.others.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.others.setContentsMargins(10, 0, 6, 4)
        self.others.hide()
        self._job = ""
        self._asked: tuple[Any, ...] = ()  # what the job, or the picture, is about
        self._molecule: Molecule | None = None
        self._axes: tuple[tuple[int, ...], ...] = ()
        self._axes_of: tuple[Any, ...] = ()  # molecule and axes of the surface they belong to
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.states, 1)
        box.addWidget(self.others)
        self.timer = QTimer(self, singleShot=True, interval=WAIT_MS)
        self.timer.timeout.connect(self.ask)
        session.job_event.connect(self._event)
        session.axes_changed.connect(self.timer.start)
        self.states.empty("The split", "Choose a data set on the left.")

    def _make_view(self) -> SplitView:
        view = SplitView()
        view.set_dark(self.session.dark)
        self.session.unit_changed.connect(view.set_unit)
        self.session.theme_changed.connect(view.set_dark)
        return view

    @property
    def view(self) -> SplitView:
        """The plots, made when first needed."""
        return self.room.get()

    def _find_axes(self, molecule: Molecule) -> bool:
        """Whether the dihedrals of the map are known; else they are looked for in a thread."""
        wanted = self.session.axes
        if self._axes_of and self._axes_of[0] is molecule and self._axes_of[1] == wanted:
            return True

        def found(axes: tuple[tuple[int, ...], ...]) -> None:
            self._axes, self._axes_of = axes, (molecule, wanted)
            self.ask()

        in_background(self, lambda: axes_for(molecule, wanted), done=found,
                      failed=lambda _why: found(()))  # fmt: skip
        return False

    def ask(self) -> None:
        """Ask now, unless nobody looks or nothing changed."""
        if not self.isVisible():
            return
        wanted = self._wanted()
        if isinstance(wanted, str):
            self._withdraw()
            self._asked = ()
            self.others.hide()
            self.states.empty("The split", wanted)
            return
        fit, dataset = wanted
        lines = self._lines()
        self.others.setText("\n".join(["Together with", *lines]))
        self.others.setVisible(bool(lines))
        if not self._find_axes(dataset.molecule):
            return
        spec = SplittingSpec(fit, self._axes)
        given = None if fit.split is None else id(fit.split)
        key = (fit.key, fit.dataset, fit.n_train, fit.n_valid, fit.n_test, fit.seed, fit.method,
               fit.region, given, spec.dihedrals)  # fmt: skip
        if key == self._asked:
            return
        self._withdraw()
        try:
            self._job = self.session.submit(spec, title="Drawing the split")
        except RuntimeError:
            return  # no engine yet: the catalogue's arrival asks again
        self._asked, self._molecule = key, dataset.molecule
        if self.room.made is None or self.room.made.splitting is None:
            self.states.loading("Drawing the frames …")

    def _withdraw(self) -> None:
        if self._job:
            self.session.cancel(self._job)
            self._job = ""

    def _event(self, job: str, event: Any) -> None:
        if not job or job != self._job or event.kind not in FINAL:
            return
        self._job = ""
        result = event.payload.get("result")
        if event.kind == "done" and isinstance(result, Splitting) and self._molecule is not None:
            self.view.show_splitting(result, self._molecule, self.session.unit)
            self.states.ready()
        elif event.kind == "failed":
            self.states.failed(
                "These frames cannot be drawn",
                str(event.payload.get("message", "")),
                details=str(event.payload.get("details", "")),
            )
        else:
            self._asked = ()

    def forget(self) -> None:
        """Another project: what is shown is of the old one."""
        self._withdraw()
        self._asked, self._molecule, self._axes_of = (), None, ()
        if self.room.made is not None:
            self.room.made.splitting = None
        self.timer.start()

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self.timer.start()
