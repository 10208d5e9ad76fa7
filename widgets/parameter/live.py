"""Keeps the plots of the parameter editor at the terms as they are now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from core.analyses.parameter_preview import Preview
from widgets.empty import States
from widgets.parameter import rows
from widgets.parameter.document import Document
from widgets.parameter.follow import Follower
from widgets.parameter.plots import ParameterPlots
from widgets.parameter.rows import Key
from widgets.session import Session

if TYPE_CHECKING:
    from core.mm.topology import Topology

PATIENCE = 0.5  # s: a question under way for longer waits behind another job


class LivePlots(QObject):
    """Asks for energies of the present terms and of the original ones, and draws them."""

    def __init__(
        self, session: Session, plots: ParameterPlots, states: States, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.plots, self.states = plots, states
        self.document: Document | None = None
        self.follow, self.first = Follower(session, self), Follower(session, self)
        self._patience = QTimer(self, interval=250)
        self._patience.timeout.connect(self._waiting)
        self.follow.answered.connect(self._answered)
        self.follow.failed.connect(self._failed)
        self.first.answered.connect(self._first_answered)

    def forget(self) -> None:
        """What is on its way is not wanted any more."""
        self.follow.forget()
        self.first.forget()

    def begin(self, document: Document) -> None:
        """Another scan: the original terms are asked for once."""
        self.document = document
        if self.plots.scan is not None:
            self.first.ask(document.original, self.plots.scan.positions, {})

    def ask(self, topology: Topology, keys: list[Key]) -> None:
        """Draw these terms, the rows `keys` as a layer of their own."""
        scan = self.plots.scan
        if scan is None:
            return
        wanted: dict[str, tuple[int, ...]] = {}
        for kind, row in keys:
            if kind not in rows.ATOMIC:
                wanted[kind] = (*wanted.get(kind, ()), row)
        self.follow.ask(topology, scan.positions, wanted)
        self._patience.start()

    def _fits(self, preview: Preview) -> bool:
        scan = self.plots.scan
        return scan is not None and len(preview.energy) == len(scan.positions)

    def _answered(self, preview: Preview, topology: Topology) -> None:
        settled = self.document is not None and topology is self.document.topology
        self.states.ready()
        if self._fits(preview):
            self.plots.show_current(preview, settle=settled)

    def _first_answered(self, preview: Preview, _topology: Topology) -> None:
        if self._fits(preview):
            self.plots.show_original(preview.energy)

    def _failed(self, text: str) -> None:
        self.states.failed("The energies cannot be computed", text)

    def _waiting(self) -> None:
        if not self.follow.job:
            self._patience.stop()
        elif self.follow.waiting > PATIENCE:
            self.plots.figures.setText("Waiting for the job that is running …")
