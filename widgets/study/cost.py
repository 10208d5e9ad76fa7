"""What a study of many trainings will cost: the engine is asked once for each kind of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QObject, Signal

from core.analyses.estimate import Estimate, EstimateSpec
from core.engine.events import FINAL
from widgets.fit.result import bytes_text, rough_seconds
from widgets.session import Session

Question = tuple[EstimateSpec, float]  # and how many such trainings there are


class StudyCost(QObject):
    """`ask` with all trainings; `answered` comes when the sum is known."""

    answered = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.text, self.problem = "", ""
        self._answers: dict[str, Estimate] = {}
        self._asked: dict[str, str] = {}  # job -> what it answers
        self._wanted: dict[str, float] = {}
        session.job_event.connect(self._event)

    def forget(self) -> None:
        """Nothing is wanted any more."""
        self.text, self.problem = "", ""
        self._wanted.clear()
        jobs, self._asked = self._asked, {}
        for job in jobs:
            self.session.cancel(job)

    def ask(self, questions: Sequence[Question]) -> None:
        """Ask for the cost of all; answers known from before are not asked for again."""
        self.forget()
        specs = {}
        for spec, times in questions:
            key = _key(spec)
            specs[key] = spec
            self._wanted[key] = self._wanted.get(key, 0.0) + times
        try:
            for key, spec in specs.items():
                if key not in self._answers:
                    job = self.session.submit(spec, title="Estimating the cost")
                    self._asked[job] = key
        except RuntimeError:
            self._asked.clear()  # no engine yet: the catalogue's arrival asks again
            return
        self.text = "Estimating the cost …" if self._asked else ""
        self._sum_up()

    def _event(self, job: str, event: Any) -> None:
        if job not in self._asked or event.kind not in FINAL:
            return
        key = self._asked.pop(job)
        result = event.payload.get("result")
        known = event.kind == "done" and isinstance(result, Estimate)
        self._answers[key] = result if known else Estimate(0.0, 0.0)
        self._sum_up()

    def _sum_up(self) -> None:
        if self._asked or not self._wanted:
            return
        found = [(self._answers[k], times) for k, times in self._wanted.items()]
        self.problem = next((e.problem for e, _ in found if e.problem), "")
        seconds = sum(e.seconds * times for e, times in found)
        memory = max(e.bytes for e, _ in found)
        free = max(e.available for e, _ in found)
        self.text = ""
        if seconds > 0:
            some = "At least" if any(e.seconds <= 0 for e, _ in found) else "About"
            most = f", up to {bytes_text(memory)} of memory" if memory > 0 else ""
            self.text = f"{some} {rough_seconds(seconds)}{most}"
            if free and memory > free:
                self.text += (
                    f": more than the {bytes_text(free)} that are free. Take fewer training frames."
                )
        self.answered.emit()


def _key(spec: EstimateSpec) -> str:
    settings = sorted(spec.hyper.items())
    return repr((spec.key, spec.molecule.formula, spec.n_train, settings, spec.device))
