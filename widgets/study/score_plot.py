"""What pictures of a search have in common: colour scale above, trial under the mouse below."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from widgets.naming import text_label
from widgets.plot_tools import PlotMenu, PlotWidget, Table, paper
from widgets.study.scores import ColourStrip, Scores


class ScorePlot(QWidget):
    """Shows Scores. A subclass has `draw`, `draw_mark` and `nearest`; a click tells the trial."""

    trial_clicked = Signal(int)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scores: Scores | None = None
        self.dark, self.selected = False, -1
        self.plot = PlotWidget()
        self.plot.setAccessibleName(name)
        self.plot.plotItem.vb.setMouseEnabled(x=False, y=False)
        self.strip = ColourStrip()
        self.readout = text_label("Trial under the mouse")
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        box = QVBoxLayout(self)
        box.setContentsMargins(4, 2, 4, 0)
        box.setSpacing(1)
        box.addWidget(self.strip)
        box.addWidget(self.plot, 1)
        box.addWidget(self.readout)
        self._items: list[pg.GraphicsObject] = []
        self._mark: pg.GraphicsObject | None = None
        self.menu = PlotMenu(self.plot, table=self.table, name=name)
        self.plot.scene().sigMouseMoved.connect(self._hover)
        self.plot.scene().sigMouseClicked.connect(self._click)

    def draw(self) -> None:
        """All anew, from self.scores, with the mark."""
        raise NotImplementedError

    def draw_mark(self) -> pg.GraphicsObject | None:
        """What shows which trial is selected, or None."""
        raise NotImplementedError

    def nearest(self, place: QPointF) -> int:
        """The trial at a place of the scene, -1 where there is none."""
        raise NotImplementedError

    def table(self) -> Table:
        """Rows: settings and score of every trial."""
        s = self.scores
        if s is None:
            return (), []
        header = (*(a.title for a in s.axes), f"{s.title} ({s.unit})")
        rows = [
            (*(t.values[a.name] for a in s.axes), float(v))
            for t, v in zip(s.trials, s.values, strict=True)
        ]
        return header, rows

    def show_scores(self, scores: Scores) -> None:
        """Replace everything."""
        self.scores = scores
        self.draw()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.dark = dark
        paper(self, dark=dark)
        self.plot.set_dark(dark)
        self.draw()

    def select(self, index: int) -> None:
        """Mark one trial, -1 for none."""
        self.selected = index
        self.mark()

    def mark(self) -> None:
        """Show the selected trial, and no other."""
        if self._mark is not None:
            self.plot.plotItem.removeItem(self._mark)
        self._mark = self.draw_mark() if self.scores is not None else None
        if self._mark is not None:
            self._mark.setZValue(50)
            self.plot.plotItem.addItem(self._mark, ignoreBounds=True)

    def clear(self) -> None:
        """Before drawing."""
        for item in self._items:
            self.plot.plotItem.removeItem(item)
        self._items.clear()
        self.strip.show_scores(self.scores, dark=self.dark)

    def add(self, item: pg.GraphicsObject, *, z: int) -> None:
        """Put something into the plot, until `clear`."""
        item.setZValue(z)
        self._items.append(item)
        self.plot.plotItem.addItem(item, ignoreBounds=True)

    def _hover(self, place: QPointF) -> None:
        k = self.nearest(place)
        text = self.scores.text(k) if k >= 0 and self.scores is not None else ""
        self.readout.setText(text)
        self.readout.setToolTip(text)

    def _click(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not event.double():
            k = self.nearest(event.scenePos())
            if k >= 0:
                self.trial_clicked.emit(k)
