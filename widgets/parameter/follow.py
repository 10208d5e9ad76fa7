"""Keeps the energies of the shown terms up to date: one question at a time, the newest wins."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from core.analyses.parameter_preview import Preview, PreviewSpec
from core.engine.events import FINAL, Event
from widgets.session import Session

if TYPE_CHECKING:
    from core.mm.topology import Topology


def changed_kinds(old: Topology, new: Topology) -> tuple[str, ...]:
    """Kinds of energies (names of `core.mm.energy.KINDS`) that are others between two edits."""
    kinds = [kind for kind, term in new.terms().items() if term is not old.terms()[kind]]
    same = [
        np.array_equal(getattr(new, n), getattr(old, n))
        for n in ("epsilon", "rmin_half", "charges")
    ]
    if not (same[0] and same[1]):
        kinds += ["lj", "lj14"]
    if not same[2]:
        kinds += ["coulomb", "coulomb14"]
    return tuple(kinds)


class Follower(QObject):
    """Asks the worker for a Preview of the last topology it was given.

    Only kinds of terms that changed since the last answer are computed again.

    While one question is under way later ones replace each other, so that a drag never builds up
    a queue. `latency`: seconds from asking to the answer, the newest last.
    """

    answered = Signal(object, object)  # Preview, its Topology
    failed = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.job = ""
        self.latency: list[float] = []
        self._asked: PreviewSpec | None = None
        self._next: PreviewSpec | None = None
        self._known: tuple[PreviewSpec, Preview] | None = None  # the last answer, complete
        self._began = 0.0
        session.job_event.connect(self._event)

    @property
    def waiting(self) -> float:
        """Seconds that the present question has been under way, 0 when there is none."""
        return time.perf_counter() - self._began if self.job else 0.0

    def ask(
        self, topology: Topology, positions: np.ndarray, rows: dict[str, tuple[int, ...]]
    ) -> None:
        """Evaluate topology at positions (G,N,3) Å, with some rows one by one."""
        self._next = PreviewSpec(topology, positions, rows=rows)
        if not self.job:
            self._submit()

    def _sparing(self, spec: PreviewSpec) -> PreviewSpec:
        """The same question without what is known already."""
        if self._known is None or self._known[0].positions is not spec.positions:
            return spec
        kinds = changed_kinds(self._known[0].topology, spec.topology)
        kinds = tuple(dict.fromkeys((*kinds, *spec.rows)))
        return dataclasses.replace(spec, kinds=kinds)

    def _complete(self, asked: PreviewSpec, answer: Preview) -> Preview:
        """The answer with what was known already; kept for the next question."""
        if asked.kinds and self._known is not None:
            kinds = {**self._known[1].kinds, **answer.kinds}
            answer = dataclasses.replace(answer, kinds=kinds)
        self._known = (asked, answer)
        return answer

    def forget(self) -> None:
        """Nothing that was asked matters any more."""
        self._next = self._asked = self._known = None
        if self.job:
            job, self.job = self.job, ""
            self.session.cancel(job)

    def _submit(self) -> None:
        spec, self._next = self._next, None
        if spec is None:
            return
        spec = self._sparing(spec)
        self._asked, self._began = spec, time.perf_counter()
        try:
            self.job = self.session.submit(spec, title="Energies of the terms")
        except (RuntimeError, ValueError) as error:
            self.job = ""
            self.failed.emit(str(error))

    def _event(self, job: str, event: Event) -> None:
        if not job or job != self.job or event.kind not in FINAL:
            return
        self.job = ""
        asked = self._asked
        self.latency = [*self.latency[-199:], time.perf_counter() - self._began]
        result = event.payload.get("result")
        good = event.kind == "done" and isinstance(result, Preview) and asked is not None
        answer = self._complete(asked, result) if good else None  # type: ignore[arg-type]
        self._submit()  # before drawing: the worker computes while we draw
        if answer is not None and asked is not None:
            self.answered.emit(answer, asked.topology)
        elif event.kind == "failed":
            self.failed.emit(str(event.payload.get("message", "")))
