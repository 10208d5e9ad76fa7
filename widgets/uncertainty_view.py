"""The uncertainty of one force field of the comparison: in words, as a plot, frame by frame."""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from core.analyses.compare import Score
from core.analyses.uncertainty import NORMAL
from core.dataset import Dataset
from core.units import EnergyUnit
from widgets.fit.data import FitData
from widgets.loading import load_item
from widgets.naming import text_label
from widgets.session import Geometries, Session
from widgets.tables import Column, Shown
from widgets.uncertainty import UncertaintyPlot

SOURCE = "uncertainty of "  # head of Geometries.source, so that we know our own


def in_words(score: Score) -> str:
    """How good the sigmas of a field are, in a sentence or two."""
    f = score.sigma
    if not math.isfinite(f.get("within_1", math.nan)):
        return f"{score.label} tells its own error; no frame has an energy to judge that by."
    own = _percents(f["within_1"], f.get("within_2", math.nan))
    parts = [
        f"<b>{html.escape(score.label)}</b>, {score.frames} frames: {own} of the energy errors are "
        f"within its own σ and 2σ (normal errors: {_percents(*NORMAL)})"
    ]
    if math.isfinite(f.get("rank", math.nan)):
        parts.append(
            f"rank correlation of σ with the energy error {f['rank']:.2f} (normal errors of these "
            f"σ would give {f['expected_rank']:.2f})"
        )
    if math.isfinite(f.get("force_rank", math.nan)):
        parts.append(f"with the force error of the frame {f['force_rank']:.2f}")
    return "; ".join(parts) + "."


def _percents(one: float, two: float) -> str:
    return f"{100 * one:.0f} %, {100 * two:.0f} %"


def sigma_columns(unit: EnergyUnit) -> tuple[Column, ...]:
    """What is told of the standard deviations that a field gives its own energies."""
    return (
        Column("Mean σ", unit.label, unit.digits, "standard deviation that the force field gives "
               "its own energy, mean over the frames"),
        Column("σ rank", "", 2, "rank correlation (Spearman) of σ with the size of the energy "
               "error; in brackets what normal errors of exactly these σ would give"),
        Column("Within σ, 2σ", "", 2, "share of the energy errors within σ and twice σ; normal "
               "errors: 68 % and 95 %"),
    )  # fmt: skip


def sigma_values(score: Score, unit: EnergyUnit) -> tuple[float, ...]:
    """The cells of `sigma_columns`, NaN where there is none."""
    f, nan = score.sigma, math.nan
    rank, share = f.get("rank", nan), f.get("within_1", nan)
    if math.isfinite(rank):
        rank = Shown(rank, f"{rank:.2f} ({f.get('expected_rank', nan):.2f})")
    if math.isfinite(share):
        share = Shown(share, _percents(share, f.get("within_2", nan)))
    return unit.from_ev(f.get("mean", nan)), rank, share


class UncertaintyView(QWidget):
    """Shows a Score with sigma; hidden for others. A click shows the frame."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.score: Score | None = None
        self.data = FitData(session, self)
        self.frames = np.zeros(0, dtype=np.int64)
        self.order = np.zeros(0, dtype=np.int64)  # largest error first
        self.say = text_label("How good the uncertainty is", wrap=True)
        self.say.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.plot = UncertaintyPlot()
        self.plot.setMinimumHeight(150)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addWidget(self.say)
        box.addWidget(self.plot, 1)
        self.plot.frame_clicked.connect(self.go_to)
        session.frame_changed.connect(self._frame_elsewhere)
        self.plot.set_dark(session.dark)
        self.hide()

    def show_score(self, score: Score | None) -> None:
        """Another force field, or the same with other errors; None or one without sigma hides."""
        if score is None or not score.sigma or self.session.project is None:
            self.score = None
            self.hide()
            return
        same = self.score is not None and (score.errors, score.sigma, score.label) == (
            self.score.errors, self.score.sigma, self.score.label
        )  # fmt: skip
        self.score = score
        self.show()
        if same:
            return
        self.say.setText(in_words(score))
        self.data.set_record(score.path)
        self._fill(None)
        item = next((i for i in self.session.project.items() if i.id == score.errors), None)
        if item is not None:
            load_item(
                self, self.session.project, item,
                done=lambda record: self._loaded(score, record), failed=self.say.setText,
            )  # fmt: skip

    def set_unit(self, unit: EnergyUnit) -> None:
        """Follow the unit of the screen."""
        self.plot.set_unit(unit)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.plot.set_dark(dark)

    def _loaded(self, score: Score, record: Any) -> None:
        if self.score is not score:
            return
        # a fit has its errors inside, a combined one also those of its other molecules
        own = getattr(record, "errors", record)
        every = [own, *(share.errors for share in getattr(record, "others", ()))]
        found = [e for e in every if getattr(e, "sigma_figures", {}) == score.sigma]
        self._fill(found[0] if found else None)

    def _fill(self, errors: Any) -> None:
        nothing = np.zeros(0)
        sigma, error, self.frames = nothing, nothing, np.zeros(0, dtype=np.int64)
        if errors is not None and len(errors.frames) == len(errors.frame_sigma):
            sigma, error = np.asarray(errors.frame_sigma), np.asarray(errors.frame_energy_error)
            self.frames = np.asarray(errors.frames)
        self.order = np.argsort(-np.nan_to_num(np.abs(error), nan=-1.0), kind="stable")
        label = "" if self.score is None else self.score.label
        self.plot.show_errors(sigma, error, self.frames, label=label, unit=self.session.unit)

    # -- one frame ----------------------------------------------------------------------------
    def _source(self) -> str:
        return "" if self.score is None else f"{SOURCE}{self.score.errors}/{self.score.label}"

    def go_to(self, place: int) -> None:
        """Show a frame, by its place among those evaluated, in the molecule view."""
        self.plot.select(place)
        self.data.get(lambda dataset: self._show(place, dataset), self.say.setText)

    def _show(self, place: int, dataset: Dataset) -> None:
        """All frames, largest error first, so that the arrows there go from bad to good."""
        if self.score is None or place >= len(self.frames):
            return
        order = self.order[self.frames[self.order] < len(dataset)]
        at = np.flatnonzero(order == place)
        if not len(at):
            self.say.setText("The data set does not hold this frame any more.")
            return
        now = self.session.geometries
        if now is not None and now.source == self._source():
            self.session.set_frame(int(at[0]))
            return
        frames = self.frames[order]
        energies = None if dataset.energies is None else dataset.energies[frames]
        geometries = Geometries(
            dataset.molecule, dataset.positions[frames], energies,
            caption=f"{self.score.label}: largest energy error first", source=self._source(),
        )  # fmt: skip
        self.session.show(geometries, frame=int(at[0]))

    def _frame_elsewhere(self, place: int) -> None:
        """The molecule view stepped on: the same frame here."""
        now = self.session.geometries
        ours = self.score is not None and now is not None and now.source == self._source()
        if ours and place < len(self.order):
            self.plot.select(int(self.order[place]))
