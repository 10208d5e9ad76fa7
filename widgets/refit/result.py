"""What a refit did: errors before and after, why a profile is not met, changes, contributions."""

from __future__ import annotations

import html
import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from core.analyses.refit import ParameterChange, Refit
from core.units import EnergyUnit
from widgets.naming import text_label
from widgets.palette import inks
from widgets.refit.bars import NONE, Contributions
from widgets.refit.rows import COLUMNS, change_rows
from widgets.tables import Table

HELD_OUT = {"energy": ("energy", ""), "force": ("forces", "/Å")}


def pair_text(before: float, after: float, unit: EnergyUnit) -> str:
    """For example "1.21 → 0.64", in the unit shown."""
    ends = [f"{unit.from_ev(v):.{unit.digits}f}" if math.isfinite(v) else "–"
            for v in (before, after)]  # fmt: skip
    return " → ".join(ends)


def headline(refit: Refit, unit: EnergyUnit) -> str:
    """One line of rich text: the held-out errors, or that there are none."""
    parts = []
    for name, (what, per) in HELD_OUT.items():
        ends = refit.held_out.get(name, ())
        if len(ends) == 2 and any(math.isfinite(v) for v in ends):
            parts.append(f"{what} <b>{pair_text(*ends, unit)}</b> {unit.label}{per}")
    title = f"“{html.escape(refit.fit.label)}”" + (" (stopped early)" if refit.fit.stopped else "")
    if not parts:
        return f"{title}: fitted without frames, so no held-out errors."
    n = len(refit.fit.split.test)
    return f"{title}: RMSE on {n} held-out frames: {', '.join(parts)}"


def profile_lines(refit: Refit, unit: EnergyUnit, *, bad: str) -> str:
    """A line of rich text for each profile: its error, and why it is not met; bad: colour."""
    lines = []
    for p in refit.profiles:
        line = f"{html.escape(p.name)}: {pair_text(p.rmse_before, p.rmse_after, unit)} {unit.label}"
        line += "" if p.used else " (compared only)"
        if p.cause:
            line += f'<br><span style="color:{bad}">▲</span> Not met: {html.escape(p.cause)}'
        lines.append(line)
    return "<br>".join(lines)


class Changes(Table):
    """Parameters that a refit changed; click: `chosen` says which."""

    chosen = Signal(object)  # ParameterChange

    def __init__(self) -> None:
        super().__init__("Changes of the parameters", filter_box=False)
        self.changes: tuple[ParameterChange, ...] = ()
        self.row_selected.connect(lambda key: self.chosen.emit(self.changes[int(key)]))
        self.row_activated.connect(lambda key: self.chosen.emit(self.changes[int(key)]))

    def show_changes(self, changes: tuple[ParameterChange, ...], unit: EnergyUnit) -> None:
        """Other changes, or the same in another unit."""
        self.changes = changes
        self.set_table(COLUMNS, change_rows(changes, unit))


class RefitResult:
    """The parts that show one Refit; the tab places them."""

    def __init__(self) -> None:
        self.refit: Refit | None = None
        self.dark = False
        self.head = text_label("Errors on held-out frames", NONE, wrap=True)
        self.profiles = text_label("Errors of the profiles", wrap=True)
        for label in (self.head, self.profiles):
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
            label.setContentsMargins(6, 0, 6, 0)
        self.changes = Changes()
        self.bars = Contributions()
        self.unit: EnergyUnit | None = None
        self.page = QWidget()
        box = QVBoxLayout(self.page)
        box.setContentsMargins(0, 4, 0, 0)
        box.setSpacing(3)
        box.addWidget(self.head)
        box.addWidget(self.profiles)
        box.addWidget(self.changes, 1)
        self.changes.view.setMinimumHeight(60)
        self.show_refit(None, None)

    def show_refit(self, refit: Refit | None, unit: EnergyUnit | None) -> None:
        """Another refit, or None for none."""
        self.refit, self.unit = refit, unit
        if refit is None or unit is None:
            self.head.setText(NONE)
            self.profiles.hide()
            if unit is not None:
                self.changes.show_changes((), unit)
                self.bars.show_values({}, unit)
            return
        self.head.setText(headline(refit, unit))
        lines = profile_lines(refit, unit, bad=inks(dark=self.dark).bad)
        self.profiles.setText(lines)
        self.profiles.setVisible(bool(lines))
        self.changes.show_changes(refit.changes, unit)
        self.bars.show_values(refit.contributions, unit)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.dark = dark
        self.bars.set_dark(dark)
        self.show_refit(self.refit, self.unit)
