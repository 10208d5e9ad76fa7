"""What stands above the plots of a run: how far, how stable, how fast, what went wrong."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.analyses.run_tools import drift
from widgets.palette import inks
from widgets.run.data import RunData
from widgets.session import Session

SPACE = "\N{NO-BREAK SPACE}"


class RunHead(QWidget):
    """Status line, replica and follow controls, and the line of trouble with its button."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.status = QLabel(wordWrap=True)
        self.status.setAccessibleName("State of the run")
        self.reason = QLabel(wordWrap=True)
        self.reason.setAccessibleName("Why replicas were stopped")
        for label in (self.status, self.reason):
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.keep = QPushButton("Keep these frames for labelling")
        self.keep.setAccessibleName("Keep these frames for labelling")
        self.keep.setToolTip(
            "Add the unphysical frames to the project as a data set without labels (undo: Ctrl+Z)"
        )
        self.follow = QCheckBox("Follow")
        self.follow.setChecked(True)
        self.follow.setToolTip("Show the newest frame in the molecule view while the run goes on")
        self.replica = QSpinBox()
        self.replica.setPrefix("replica ")
        self.replica.setAccessibleName("Replica shown")
        self.replica.setToolTip("The replica in the molecule view and on the map")
        self.fold = QToolButton()
        self.fold.setArrowType(Qt.ArrowType.LeftArrow)
        self.fold.setAutoRaise(True)
        self.fold.setAccessibleName("Hide or show the settings")
        self.fold.setToolTip("Hide or show the settings")
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(self.fold)
        top.addWidget(self.status, 1)
        top.addWidget(self.replica)
        top.addWidget(self.follow)
        second = QHBoxLayout()
        second.addWidget(self.reason, 1)
        second.addWidget(self.keep)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(3)
        box.addLayout(top)
        box.addLayout(second)
        self.set_replicas(1)
        self.trouble("")

    def set_folded(self, folded: bool) -> None:
        """The arrow points to where the settings go."""
        self.fold.setArrowType(Qt.ArrowType.RightArrow if folded else Qt.ArrowType.LeftArrow)

    def set_replicas(self, count: int) -> None:
        """How many there are to choose from; the first is chosen."""
        self.replica.blockSignals(True)
        self.replica.setRange(1, count)
        self.replica.setValue(1)
        self.replica.setSuffix(f" of {count}")
        self.replica.blockSignals(False)
        self.replica.setVisible(count > 1)

    def trouble(self, text: str, *, unphysical: int = 0) -> None:
        """What went wrong ("" = nothing); with unphysical frames the button to keep them."""
        bad = inks(dark=self.session.dark).bad
        self.reason.setText(f'<span style="color:{bad}">■</span> {text}' if text else "")
        self.reason.setVisible(bool(text))
        self.keep.setVisible(unphysical > 0)

    def describe(self, data: RunData | None, rate: float) -> None:
        """One line: how far, how stable, how fast. rate: steps per second so far."""
        if data is None or not len(data):
            self.status.setText("")
            return
        parts = [f"<b>{data.label}</b>", f"{data.time[-1] / 1000:.2f} ps"]
        if np.isfinite(data.temperature).any():
            parts.append(f"mean {np.nanmean(data.temperature):.0f} K")
        run = data.trajectory
        if run is not None:
            rate = run.steps_per_second
            parts.append(f"stable {run.stable_ps:.2f} ps")
        if data.ensemble == "nve":
            total = (data.potential + data.kinetic)[:, 0]
            slope = drift(data.time, total) * 1000 / self.session.unit.ev
            if np.isfinite(slope):
                parts.append(f"drift {slope:.2g} {self.session.unit.label}/ps")
        if np.isfinite(rate):
            parts.append(f"{rate:,.0f} steps/s".replace(",", " "))
        self.status.setText(" · ".join(p.replace(" ", SPACE) for p in parts))
