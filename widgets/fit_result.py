"""What a fit came to: errors in numbers, parity plots, histograms, curves, and how it was made."""

from __future__ import annotations

import math
import re

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QTabWidget, QVBoxLayout, QWidget

from core.analyses.fit import Fit
from core.units import EnergyUnit
from widgets.curves import LiveCurve
from widgets.naming import text_label
from widgets.parity import ErrorHistogram, ParityPlot
from widgets.tables import MISSING, Column, Row, Table


def quantity_text(value: float, unit: EnergyUnit) -> str:
    """A value in eV (or eV/Å) as the screen shows it, without unit."""
    if not math.isfinite(value):
        return MISSING
    return f"{unit.from_ev(value):.{unit.digits}f}".replace("-", "−")


def seconds_text(seconds: float) -> str:
    """About two digits: 0.4 s, 12 s, 3 min, 1.5 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def rough_seconds(seconds: float) -> str:
    """An estimate, without the digits it does not have: 3 s, 15 s, 70 s, 4 min."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    return f"{5 * round(seconds / 5)} s" if seconds < 90 else seconds_text(seconds)


def bytes_text(size: float) -> str:
    """About two digits: 80 MB, 1.5 GB."""
    return f"{size / 1e6:.0f} MB" if size < 0.95e8 else f"{size / 1e9:.1f} GB"


class FitResult(QWidget):
    """Shows one Fit; `curve` also takes live points while it runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.fit: Fit | None = None
        self.unit: EnergyUnit | None = None
        self.headline = text_label("Errors on the test frames")
        self.headline.setTextFormat(Qt.TextFormat.RichText)
        self.headline.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.headline.setWordWrap(True)
        self.energy_parity = ParityPlot("energy parity")
        self.force_parity = ParityPlot("force parity")
        self.energy_errors = ErrorHistogram("energy errors")
        self.force_errors = ErrorHistogram("force errors")
        self.plots = (self.energy_parity, self.force_parity, self.energy_errors, self.force_errors)
        self.curve = LiveCurve(name="training curve")
        self._forget_curves()
        self.details = Table("Details of the fit", filter_box=False)
        grid = QGridLayout()
        for k, plot in enumerate(self.plots):
            plot.setMinimumSize(120, 110)
            grid.addWidget(plot, k // 2, k % 2)
        grid.setSpacing(2)
        page = QWidget()
        box = QVBoxLayout(page)
        box.setContentsMargins(4, 4, 4, 0)
        box.addWidget(self.headline)
        box.addLayout(grid, 1)
        self.tabs = QTabWidget(documentMode=True)
        self.tabs.addTab(page, "Errors")
        self.tabs.addTab(self.curve, "Curve")
        self.tabs.addTab(self.details, "Details")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.tabs)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        for plot in (*self.plots, self.curve):
            plot.set_dark(dark)

    def set_unit(self, unit: EnergyUnit) -> None:
        """Follow the energy unit of the screen."""
        self.unit = unit
        for name in self._points:
            self._draw_curve(name)
        if self.fit is not None:
            self._errors(self.fit, unit)

    def _forget_curves(self) -> None:
        self._points: dict[str, np.ndarray] = {}
        self._labels: dict[str, tuple[str, str]] = {}
        self.curve.clear()

    def start_live(self, unit: EnergyUnit) -> None:
        """A fit is running: only the curve has something to show."""
        self.fit, self.unit = None, unit
        self._forget_curves()
        for index in (0, 2):
            self.tabs.setTabEnabled(index, False)
        self.tabs.setCurrentIndex(1)

    def take_curve(self, payload: dict) -> None:
        """Points of a `curve` event."""
        name = payload["name"]
        new = np.array([payload["x"], payload["y"]], dtype=np.float64)
        old = self._points.get(name, np.zeros((2, 0)))
        self._points[name] = np.concatenate([old, new], axis=1)
        self._labels[name] = (payload.get("x_label", ""), payload.get("y_label", ""))
        forward = not old.size or (new[0, 0] >= old[0, -1] and (np.diff(new[0]) >= 0).all())
        self._draw_curve(name, only=new if forward else None)

    def _draw_curve(self, name: str, *, only: np.ndarray | None = None) -> None:
        """Draw one curve in the unit of the screen: all of it, or only points that come after."""
        points = self._points[name] if only is None else only
        if only is None:  # a search jumps back and forth: the line goes from left to right
            points = points[:, np.argsort(points[0], kind="stable")]
        x_label, y_label = self._labels.get(name, ("", ""))
        scale = 1.0
        if self.unit is not None and re.search(r"\beV\b", y_label):
            scale = 1.0 / self.unit.ev
            y_label = re.sub(r"\beV\b", self.unit.label, y_label)
        draw = self.curve.set_series if only is None else self.curve.append
        draw(name, points[0], points[1] * scale)
        self.curve.set_labels(x_label, y_label or name)

    def show_fit(self, fit: Fit, name: str, unit: EnergyUnit) -> None:
        """Show a finished fit; name: what the person calls it now."""
        was_live = self.fit is None
        self.fit, self.unit, self.name = fit, unit, name
        live = self._labels
        self._forget_curves()
        for curve, points in fit.curves.items():
            if np.ndim(points) == 2 and len(points) == 2:
                self._points[curve] = points
                self._labels[curve] = fit.curve_labels.get(curve, live.get(curve, ("", "")))
                self._draw_curve(curve)
        self.tabs.setTabEnabled(0, True)
        self.tabs.setTabEnabled(1, bool(fit.curves))
        self.tabs.setTabEnabled(2, True)
        if was_live or not self.tabs.isTabEnabled(self.tabs.currentIndex()):
            self.tabs.setCurrentIndex(0)
        self._errors(fit, unit)
        self._details(fit)

    def _errors(self, fit: Fit, unit: EnergyUnit) -> None:
        e = fit.errors
        force = f"{unit.label}/Å"
        rows = (
            ("Energy", e.energy_mae, e.energy_rmse, unit.label, f"{e.n_energies} frames"),
            ("Force", e.force_mae, e.force_rmse, force, f"{e.n_forces} frames"),
        )
        cell = "<td align='right' style='padding-left:14px'>"
        html = f"<table><tr><td></td>{cell}MAE</td>{cell}RMSE</td><td></td></tr>"
        for title, mae, rmse, label, count in rows:
            html += (
                f"<tr><td>{title}</td>{cell}<b>{quantity_text(mae, unit)}</b></td>"
                f"{cell}{quantity_text(rmse, unit)}</td>"
                f"<td style='padding-left:8px'>{label} &nbsp; on {count}</td></tr>"
            )
        early = "<br>Stopped early: the best so far was kept." if fit.stopped else ""
        self.headline.setText(html + "</table>" + early)
        k = 1.0 / unit.ev
        zero = float(e.energies.min()) if len(e.energies) else 0.0
        label = self.name
        self.energy_parity.set_data(
            (e.energies - zero) * k,
            (e.predicted_energies - zero) * k,
            quantity="energy",
            unit=unit.label,
            label=label,
        )
        self.force_parity.set_data(
            e.forces * k, e.predicted_forces * k, quantity="force", unit=force, label=label
        )
        self.energy_errors.set_data(
            (e.predicted_energies - e.energies) * k,
            quantity="energy",
            unit=unit.label,
            label=label,
        )
        self.force_errors.set_data(
            (e.predicted_forces - e.forces) * k, quantity="force", unit=force, label=label
        )

    def _details(self, fit: Fit) -> None:
        s = fit.split
        facts = {
            "force field": fit.key,
            "training frames": str(len(s.train)),
            "validation frames": str(len(s.valid)),
            "test frames": str(len(s.test)),
            "split": f"{s.method}, seed {s.seed}",
            "time": seconds_text(fit.fit_seconds),
            "peak memory": bytes_text(fit.peak_rss),
            "device": fit.device,
            **{k: f"{v:g}" if isinstance(v, float) else str(v) for k, v in fit.hyper.items()},
            **fit.info,
            **{f"test: {k}": v for k, v in fit.errors.notes.items()},
            **{f"version of {k}": v for k, v in fit.versions.items()},
            "file": fit.model,
        }
        rows = [Row("", (k, v), tip=v) for k, v in facts.items() if v]
        self.details.set_table((Column("What"), Column("Value")), rows)
