"""What a fit came to: errors, single frames, symmetries, curves, and how it was made."""

from __future__ import annotations

import re

import numpy as np
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from core.analyses.fit import Fit
from core.units import EnergyUnit
from widgets.curves import LiveCurve
from widgets.fit.data import FitData
from widgets.fit.errors import FitErrors, quantity_text
from widgets.fit.frames import FitFrames
from widgets.fit.symmetry import FitSymmetry
from widgets.parity import ErrorHistogram, ParityPlot
from widgets.session import Session
from widgets.tables import Column, Row, Table

__all__ = ["FitResult", "bytes_text", "quantity_text", "rough_seconds", "seconds_text"]


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
    """Shows one Fit; `curve` also takes live points while it runs.

    before: a page on what a training would do, shown first and always there.
    """

    def __init__(self, session: Session, before: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.before = session, before
        self.fit: Fit | None = None
        self.unit: EnergyUnit | None = None
        self.name = ""
        self.data = FitData(session, self)
        self.errors = FitErrors()
        self.headline = self.errors.headline
        self.frames = FitFrames(session, self.data)
        self.symmetry = FitSymmetry(session, self.data)
        self.curve = LiveCurve(name="training curve")
        self._points: dict[str, np.ndarray] = {}
        self._labels: dict[str, tuple[str, str]] = {}
        self.details = Table("Details of the fit", filter_box=False)
        self.tabs = QTabWidget(documentMode=True)
        self.pages = {
            "Split": before,
            "Errors": self.errors,
            "Frames": self.frames,
            "Symmetries": self.symmetry,
            "Curve": self.curve,
            "Details": self.details,
        }
        tips = (
            "The frames that the form on the left would train on",
            "How far energies and forces are off on the test frames",
            "The test frames, worst first, and in the molecule view",
            "The permutations of like atoms that were found",
            "What the training told while it ran",
            "How it was made",
        )
        for k, (title, page) in enumerate(self.pages.items()):
            self.tabs.addTab(page, title)
            self.tabs.setTabToolTip(k, tips[k])
        self.symmetry.found.connect(lambda on: self.tabs.setTabVisible(3, on))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.tabs)
        self.show_none()

    @property
    def force_parity(self) -> ParityPlot:
        """Forces, predicted against reference."""
        return self.errors.force_parity

    @property
    def force_errors(self) -> ErrorHistogram:
        """How often each error of a force component occurs."""
        return self.errors.force_errors

    def _open(self, *titles: str) -> None:
        """Enable these pages, and go to the first where the present one is not among them."""
        wanted = [title in titles for title in self.pages]
        now = self.tabs.currentIndex()
        # first what is wanted: Qt would show (and draw) any page where the present one goes
        for k in sorted(range(len(wanted)), key=lambda k: (not wanted[k], k == now)):
            if k == now and not wanted[k]:
                self.go_to(titles[0])
            if self.tabs.isTabEnabled(k) != wanted[k]:
                self.tabs.setTabEnabled(k, wanted[k])

    def go_to(self, title: str) -> None:
        """Bring a page to the front."""
        self.tabs.setCurrentWidget(self.pages[title])

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        for page in (self.errors, self.frames, self.curve):
            page.set_dark(dark)

    def set_unit(self, unit: EnergyUnit) -> None:
        """Follow the energy unit of the screen."""
        self.unit = unit
        for name in self._points:
            self._draw_curve(name)
        if self.fit is not None:
            self.errors.show_fit(self.fit, self.name, unit)
            self.frames.set_unit(unit)

    def _forget_curves(self) -> None:
        self._points, self._labels = {}, {}
        self.curve.clear()

    def show_none(self) -> None:
        """No fit is chosen: only the split has something to show."""
        self.fit = None
        self.symmetry.show_fit(None)
        self._open("Split")

    def start_live(self, unit: EnergyUnit) -> None:
        """A fit is running: only the curve has something to show."""
        self.fit, self.unit = None, unit
        self._forget_curves()
        self.symmetry.show_fit(None)
        self._open("Curve", "Split")
        self.go_to("Curve")

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

    def show_fit(
        self, fit: Fit, name: str, unit: EnergyUnit, *, item_id: str = "", record: str = ""
    ) -> None:
        """Show a finished fit; name: what the person calls it now; record: its data set's path."""
        first, again = self.fit is None, self.fit is fit
        self.fit, self.unit, self.name = fit, unit, name
        live = self._labels
        self._forget_curves()
        for curve, points in fit.curves.items():
            if np.ndim(points) == 2 and len(points) == 2:
                self._points[curve] = points
                self._labels[curve] = fit.curve_labels.get(curve, live.get(curve, ("", "")))
                self._draw_curve(curve)
        shown = ["Errors", "Frames", "Symmetries", "Details", "Split"]
        self._open(*shown, *(["Curve"] if fit.curves else []))
        if first:
            self.go_to("Errors")
        self.errors.show_fit(fit, name, unit)
        if not again:
            self.data.set_record(record)
            self.symmetry.show_fit(fit)
        self.frames.show_fit(fit, item_id, name, unit)
        self._details(fit)

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
