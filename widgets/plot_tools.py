"""What every plot offers: copy, export (SVG, PDF, PNG, CSV) and reset on right click."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QMarginsF, QPoint, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QImage, QPageSize, QPainter, QPalette, QPdfWriter
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QMessageBox, QWidget

from widgets.palette import inks

Table = tuple[Sequence[str], Sequence[Sequence[object]]]  # header, rows
FORMATS = ("svg", "pdf", "png", "csv")
PNG_SCALE = 3  # pixels per screen pixel: enough for a page


def to_csv(table: Table) -> str:
    """Header and rows as CSV text; numbers with enough digits to be used again."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table[0])
    for row in table[1]:
        writer.writerow([f"{v:.8g}" if isinstance(v, float) else v for v in row])
    return out.getvalue()


def save_picture(widget: QWidget, path: str | Path) -> None:
    """Draw `widget` into an .svg, .pdf (both vector) or .png file.

    Raises ValueError for another ending and OSError where the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    size = widget.size()
    if kind == "png":
        if not picture(widget, scale=PNG_SCALE).save(str(path)):
            raise OSError(f"{path} cannot be written")
        return
    device: Any
    if kind == "svg":
        from PySide6.QtSvg import QSvgGenerator

        device = QSvgGenerator()
        device.setFileName(str(path))
        device.setSize(size)
        device.setViewBox(widget.rect())
        scale = 1.0
    elif kind == "pdf":
        device = QPdfWriter(str(path))
        device.setPageSize(QPageSize(QSizeF(size) * 0.75, QPageSize.Unit.Point))
        device.setPageMargins(QMarginsF(0, 0, 0, 0))
        device.setResolution(960)
        scale = 10.0
    else:
        raise ValueError(f"{path.name}: plots are saved as .svg, .pdf, .png or .csv")
    painter = QPainter()
    if not painter.begin(device):
        raise OSError(f"{path} cannot be written")
    try:
        painter.scale(scale, scale)
        _draw(widget, painter)
    finally:
        painter.end()


def picture(widget: QWidget, *, scale: float = 1.0) -> QImage:
    """`widget` as an image."""
    image = QImage(widget.size() * scale, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    try:
        painter.scale(scale, scale)
        _draw(widget, painter)
    finally:
        painter.end()  # a device must never go while it is painted on
    return image


def _draw(widget: QWidget, painter: QPainter) -> None:
    """Render with markers as shapes: on the screen pyqtgraph draws them from a pixel cache."""
    flush = getattr(widget, "flush", None)
    if flush is not None:
        flush()
    plots = [widget, *widget.findChildren(pg.GraphicsView)]
    items = [i for p in plots if isinstance(p, pg.GraphicsView) for i in p.scene().items()]
    dots = [i for i in items if isinstance(i, pg.ScatterPlotItem)]
    for item in dots:
        item.setExportMode(True, {"resolutionScale": 1.0, "antialias": True})
    try:
        QWidget.render(widget, painter, QPoint(0, 0))  # a view has another `render` of its own
    finally:
        for item in dots:
            item.setExportMode(False)


def export(widget: QWidget, path: str | Path, table: Callable[[], Table] | None = None) -> None:
    """Save a plot as the file's ending says. Raises ValueError or OSError."""
    if Path(path).suffix.lower() == ".csv":
        if table is None:
            raise ValueError("this plot has no table to export")
        Path(path).write_text(to_csv(table()), encoding="utf-8")
    else:
        save_picture(widget, path)


class PlotMenu:
    """The right-click menu of a plot.

    widget: what is drawn in a picture; table: gives (header, rows) for CSV; reset: shows all again.
    """

    def __init__(
        self,
        widget: QWidget,
        *,
        table: Callable[[], Table] | None = None,
        reset: Callable[[], None] | None = None,
        name: str = "plot",
    ) -> None:
        self.widget, self.table, self.reset, self.name = widget, table, reset, name
        widget.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        widget.customContextMenuRequested.connect(lambda p: self.open(widget.mapToGlobal(p)))

    def menu(self) -> QMenu:
        """The menu, made anew (it belongs to the plot)."""
        menu = QMenu(self.widget)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Copy picture", self.copy_picture)
        if self.table is not None:
            menu.addAction("Copy numbers (CSV)", self.copy_numbers)
        menu.addSeparator()
        for kind in FORMATS if self.table is not None else FORMATS[:3]:
            menu.addAction(f"Export {kind.upper()}…", functools.partial(self.ask, kind))
        if self.reset is not None:
            menu.addSeparator()
            menu.addAction("Reset view", self.reset)
        return menu

    def open(self, where: QPoint) -> None:
        """Show the menu at a place on the screen."""
        self.menu().popup(where)

    def copy_picture(self) -> None:
        """Picture to the clipboard."""
        QApplication.clipboard().setImage(picture(self.widget, scale=2))

    def copy_numbers(self) -> None:
        """Numbers to the clipboard as CSV."""
        if self.table is not None:
            QApplication.clipboard().setText(to_csv(self.table()))

    def ask(self, kind: str) -> None:
        """Ask for a file and save."""
        path, _ = QFileDialog.getSaveFileName(
            self.widget, f"Export {kind.upper()}", f"{self.name}.{kind}", f"*.{kind}"
        )
        if not path:
            return
        if Path(path).suffix.lower() != f".{kind}":
            path += f".{kind}"
        try:
            export(self.widget, path, self.table)
        except (OSError, ValueError) as error:
            QMessageBox.warning(self.widget, "Not exported", str(error))


def paper(widget: QWidget, *, dark: bool) -> None:
    """Give a widget that holds plots (and its labels) the background and ink of the plots."""
    ink = inks(dark=dark)
    colours = widget.palette()
    colours.setColor(QPalette.ColorRole.Window, QColor(ink.paper))
    colours.setColor(QPalette.ColorRole.WindowText, QColor(ink.ink))
    widget.setPalette(colours)
    widget.setAutoFillBackground(True)


def style_plot(plot: pg.PlotItem, *, dark: bool) -> None:
    """Give a plot the inks of the theme."""
    ink = inks(dark=dark)
    for side in ("left", "bottom", "top", "right"):
        axis = plot.getAxis(side)
        axis.setPen(pg.mkPen(ink.muted, width=1))
        axis.setTextPen(pg.mkPen(ink.ink))
        if axis.label is not None:
            axis.label.setDefaultTextColor(pg.mkColor(ink.ink))
    plot.titleLabel.setAttr("color", ink.ink)


class PlainAxis(pg.AxisItem):
    """An axis that shows the numbers as they are.

    pyqtgraph multiplies numbers below 1 by a thousand for an SI prefix, even when told not to
    (enableAutoSIPrefix(False) sets the factor once more, 0.14.0), and our titles have none.
    """

    _html = ""

    def updateAutoSIPrefix(self) -> None:
        self.autoSIPrefixScale, self.labelUnitPrefix = 1.0, ""
        self._updateLabel()

    def _updateLabel(self) -> None:
        """Laid out only when it reads otherwise: it is called for every change of the range."""
        html = self.labelString()
        if html == self._html:
            self.picture = None
            self.update()
        else:
            self._html = html
            super()._updateLabel()
            self.resizeEvent()  # centres the title, which pyqtgraph does only when the size changes


class PlotWidget(pg.PlotWidget):
    """A pyqtgraph plot with our inks, double click to reset, and without pyqtgraph's own menu."""

    def __init__(self, parent: QWidget | None = None, **kwargs) -> None:
        axes = {side: PlainAxis(side) for side in ("bottom", "left")}
        axes |= kwargs.pop("axisItems", None) or {}
        super().__init__(parent, background=None, enableMenu=False, axisItems=axes, **kwargs)
        self.on_reset: Callable[[], None] = self.plotItem.autoRange
        self.plotItem.hideButtons()
        self.setFrameShape(self.Shape.NoFrame)
        self.set_dark(False)

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.setBackground(inks(dark=dark).paper)
        style_plot(self.plotItem, dark=dark)

    def sizeHint(self) -> QSize:
        """Small: the layout decides."""
        return QSize(220, 180)

    def mouseDoubleClickEvent(self, event) -> None:
        """Show everything again."""
        super().mouseDoubleClickEvent(event)
        self.on_reset()
