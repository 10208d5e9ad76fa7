"""What a fit came to: errors, single frames, symmetries, curves, and how it was made."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from PySide6.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from core.analyses.fit import Fit
from core.units import EnergyUnit
from widgets.curves import LiveCurve
from widgets.fit.data import FitData
from widgets.fit.errors import FitErrors, quantity_text
from widgets.fit.frames import FitFrames
from widgets.fit.molecules import MoleculeChoice, MoleculePage, Portion
from widgets.fit.symmetry import FitSymmetry
from widgets.later import Room
from widgets.parity import ErrorHistogram, ParityPlot
from widgets.session import Session
from widgets.tables import Column, Row, Table
from widgets.words import bytes_text

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
        self.portions: tuple[Portion, ...] = ()  # of a combined fit: its molecules
        self.at, self._item = 0, ""  # the one shown; item of the fit
        self.choice, self.molecules = MoleculeChoice(), MoleculePage()
        self.errors = FitErrors()
        self.headline = self.errors.headline
        self._frames = Room(lambda: FitFrames(session, self.data))
        self.symmetry = FitSymmetry(session, self.data)
        self._curve = Room(self._make_curve)
        self._dark = session.dark
        self._points: dict[str, np.ndarray] = {}
        self._labels: dict[str, tuple[str, str]] = {}
        self.details = Table("Details of the fit", filter_box=False)
        self.tabs = QTabWidget(documentMode=True)
        self.pages = {
            "Split": before,
            "Molecules": self.molecules,
            "Errors": self.errors,
            "Frames": self._frames,
            "Symmetries": self.symmetry,
            "Curve": self._curve,
            "Details": self.details,
        }
        tips = (
            "The frames that the form on the left would train on",
            "How well each molecule was learnt",
            "How far energies and forces are off on the test frames",
            "The test frames, worst first, and in the molecule view",
            "The permutations of like atoms that were found",
            "What the training told while it ran",
            "How it was made",
        )
        for k, (title, page) in enumerate(self.pages.items()):
            self.tabs.addTab(page, title)
            self.tabs.setTabToolTip(k, tips[k])
        self.symmetry.found.connect(lambda on: self._offer("Symmetries", on))
        self.choice.chosen.connect(self.choose)
        self.molecules.chosen.connect(self.choose)
        self.molecules.opened.connect(lambda _k: self.go_to("Errors"))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.choice)
        outer.addWidget(self.tabs)
        self.show_none()

    # -- made when first needed, or ahead of that: each takes 10 ms -----------------------------
    @property
    def frames(self) -> FitFrames:
        """The test frames, worst first."""
        return self._frames.get()

    @property
    def curve(self) -> LiveCurve:
        """What the training told while it ran."""
        return self._curve.get()

    def _make_curve(self) -> LiveCurve:
        curve = LiveCurve(name="training curve")
        curve.set_dark(self._dark)
        return curve

    def pieces(self) -> list[Callable[[], object]]:
        """Calls that make one part each, ahead of its need."""
        return [self._curve.get, *self.errors.pieces(), self._frames.get]

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

    def _offer(self, title: str, on: bool) -> None:
        """Have the tab of a page, or not."""
        self.tabs.setTabVisible(list(self.pages).index(title), on)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self._dark = dark
        for page in (self.errors, self._frames.made, self._curve.made):
            if page is not None:
                page.set_dark(dark)

    def set_unit(self, unit: EnergyUnit) -> None:
        """Follow the energy unit of the screen."""
        self.unit = unit
        for name in self._points:
            self._draw_curve(name)
        if self.fit is not None:
            self.errors.show_fit(self._fit_shown(), self.name, unit)
            self.frames.set_unit(unit)
            self.molecules.show_portions(self.portions, self.at, unit)

    def _forget_curves(self) -> None:
        self._points, self._labels = {}, {}
        if self._curve.made is not None:
            self._curve.made.clear()

    def show_none(self) -> None:
        """No fit is chosen: only the split has something to show."""
        self.fit = None
        self._show_portions(())
        self.symmetry.show_fit(None)
        self._open("Split")

    def start_live(self, unit: EnergyUnit) -> None:
        """A fit is running: only the curve has something to show."""
        self.fit, self.unit = None, unit
        self._forget_curves()
        self._show_portions(())
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
        self, fit: Fit, name: str, unit: EnergyUnit, *, item_id: str = "",
        portions: tuple[Portion, ...] = (),
    ) -> None:  # fmt: skip
        """Show a finished fit; name: what the person calls it now; portions: its molecules."""
        first, again = self.fit is None, self.fit is fit
        self.fit, self.unit, self.name, self._item = fit, unit, name, item_id
        live = self._labels
        self._forget_curves()
        for curve, points in fit.curves.items():
            if np.ndim(points) == 2 and len(points) == 2:
                self._points[curve] = points
                self._labels[curve] = fit.curve_labels.get(curve, live.get(curve, ("", "")))
                self._draw_curve(curve)
        shown = ["Errors", "Frames", "Symmetries", "Details", "Split"]
        if not again:
            self._show_portions(portions)
        several = len(self.portions) > 1
        self._open(*shown, *(["Curve"] if fit.curves else []), *(["Molecules"] if several else []))
        if first:
            self.go_to("Molecules" if several else "Errors")
        self._show_part(again=again)

    def _show_portions(self, portions: tuple[Portion, ...]) -> None:
        """These molecules, the first of them on show."""
        self.portions, self.at = portions, 0
        self.choice.show_portions(portions, 0)
        several = len(portions) > 1
        if not several and self.tabs.currentWidget() is self.molecules:
            self.go_to("Errors")
        self._offer("Molecules", several)
        if several and self.unit is not None:
            self.molecules.show_portions(portions, 0, self.unit)

    def choose(self, at: int) -> None:
        """Be about another molecule of a combined fit (from 0)."""
        if self.fit is not None and at != self.at and 0 <= at < len(self.portions):
            self.at = at
            self.choice.show_portions(self.portions, at)
            self.molecules.table.select(str(at))
            self._show_part(again=False)

    def _fit_shown(self) -> Fit:
        """The fit with split and errors of the molecule on show."""
        assert self.fit is not None
        return self.portions[self.at].fit if self.portions else self.fit

    def _show_part(self, *, again: bool) -> None:
        """Show the molecule chosen; again: only its name or unit changed."""
        assert self.fit is not None
        assert self.unit is not None
        fit, at = self._fit_shown(), self.at
        self.errors.show_fit(fit, self.name, self.unit)
        if not again:
            self.data.set_record(self.portions[at].record if self.portions else "")
            self.symmetry.show_fit(None if at else fit)  # they are those of the first molecule
        self.frames.show_fit(fit, f"{self._item}#{at}" if at else self._item, self.name, self.unit)
        self._details(fit)

    def _details(self, fit: Fit) -> None:
        s, info = fit.split, dict(fit.info)
        if len(self.portions) > 1 and "training frames" in info:  # the split is of one of them
            info["training frames of all"] = info.pop("training frames")
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
            **info,
            **{f"test: {k}": v for k, v in fit.errors.notes.items()},
            **{f"version of {k}": v for k, v in fit.versions.items()},
            "file": fit.model,
        }
        rows = [Row("", (k, v), tip=v) for k, v in facts.items() if v]
        self.details.set_table((Column("What"), Column("Value")), rows)
