"""What a training will cost, asked of the worker before it is started."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QLabel, QSizePolicy

from core.analyses.estimate import Estimate, EstimateSpec
from core.engine.events import FINAL
from widgets.fit.result import bytes_text, rough_seconds
from widgets.naming import named
from widgets.session import Session

WAIT_MS = 350  # after the last keystroke, before the cost is asked for


class Cost(QLabel):
    """One line: time and memory. `judged` tells why such a fit cannot be started, "" = it can."""

    judged = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        named(self, "Cost of this training")
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.session = session
        self._job = ""
        self.timer = QTimer(self, singleShot=True, interval=WAIT_MS)
        session.job_event.connect(self._event)

    def wait(self) -> None:
        """Something was edited: what is shown no longer holds; ask in a moment."""
        self.setText("")
        self.timer.start()

    def ask(self, spec: EstimateSpec) -> None:
        """Ask for the cost of this; a question asked before is withdrawn."""
        if self._job:
            self.session.cancel(self._job)
        try:
            self._job = self.session.submit(spec, title="Estimating the cost")
            self.setText("Estimating the cost …")
        except RuntimeError:
            self._job = ""  # no engine yet: the catalogue's arrival asks again

    def _event(self, job: str, event: Any) -> None:
        if not job or job != self._job or event.kind not in FINAL:
            return
        self._job = ""
        self.setText("")
        if event.kind == "done" and isinstance(event.payload.get("result"), Estimate):
            self._show(event.payload["result"])

    def _show(self, e: Estimate) -> None:
        if e.seconds > 0 or e.bytes > 0:
            memory = f", {bytes_text(e.bytes)} of memory" if e.bytes > 0 else ""
            text = f"About {rough_seconds(e.seconds)}{memory}"
            if e.available and e.bytes > e.available:
                text += (
                    f": more than the {bytes_text(e.available)} that are free. "
                    "Take fewer training frames."
                )
            self.setText(text)
        self.judged.emit(e.problem)
