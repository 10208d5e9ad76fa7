"""Panels into docks: movable, floatable, closable, made one after the other so that none waits."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from PySide6.QtCore import QEvent, QPoint, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import (
    QAbstractButton,
    QDockWidget,
    QMainWindow,
    QScrollArea,
    QTabWidget,
    QWidget,
)

from widgets.empty import Empty
from widgets.session import Session

LAYOUT = 1  # raise when the default layout changes so that an old one is not restored over it
ROOMY = 1200  # px; a narrower window keeps its sides small, for the plots in the middle
AREAS = ("left", "center", "right", "bottom")
Orientation = Qt.Orientation


BUTTONS = {  # lines on a 16 x 16 grid
    "close": (((4, 4), (12, 12)), ((12, 4), (4, 12))),
    "float": (((3, 6), (10, 6), (10, 13), (3, 13), (3, 6)), ((6, 6), (6, 3), (13, 3), (13, 10)),
              ((13, 10), (10, 10))),
}  # fmt: skip


def _drawn(shape: tuple[tuple[tuple[int, int], ...], ...], colour: QColor) -> QIcon:
    pixmap = QPixmap(48, 48)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(3, 3)
    painter.setPen(QPen(colour, 1.3))
    for line in shape:
        painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in line]))
    painter.end()
    return QIcon(pixmap)


@runtime_checkable
class InPieces(Protocol):
    """A panel whose heavy parts are made when they are first needed, or ahead of that."""

    def pieces(self) -> list[Callable[[], object]]:
        """Calls that make one part each."""
        ...


class PanelScroll(QScrollArea):
    """Lets a dock be smaller than its panel likes: it scrolls, the window need not grow."""

    def __init__(self, panel: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setWidget(panel)

    def minimumSizeHint(self) -> QSize:
        return QSize(80, 40)

    def sizeHint(self) -> QSize:
        panel = self.widget()
        return panel.sizeHint() if panel is not None else QSize(200, 150)


class Dock(QDockWidget):
    """One panel's place. The panel itself is made by `build`."""

    fronted = Signal(str)

    def __init__(self, panel_class: Any, session: Session) -> None:
        super().__init__(panel_class.TITLE)
        self.panel_class, self.session = panel_class, session
        self.area = panel_class.AREA if panel_class.AREA in AREAS else "center"
        self.panel: QWidget | None = None
        self.failed = False
        self.setObjectName(f"dock {panel_class.TITLE}")
        self.setWidget(Empty("", "…"))
        self.visibilityChanged.connect(self._visible)
        # a tab names its panel already; on its own a panel needs the bar to be moved by
        self._no_title = QWidget(self)
        self.topLevelChanged.connect(lambda _floating: self.fit_title_bar())

    def build(self) -> QWidget | None:
        """Make the panel. One that cannot be made says so in its own place."""
        if self.panel is not None or self.failed:
            return self.panel
        try:
            panel = self.panel_class(self.session)
        except Exception:  # a broken panel must not take the others with it; shown in full
            details = traceback.format_exc()
            failed = Empty()
            failed.say(
                f"{self.panel_class.TITLE} could not be opened",
                "The rest of the window works. Please report the details.",
                details=details,
            )
            self.setWidget(failed)
            self.failed = True
            return None
        self.panel = panel
        old = self.widget()
        self.setWidget(PanelScroll(panel))
        if old is not None:
            old.deleteLater()
        return panel

    def fit_title_bar(self) -> None:
        """No title bar where a tab says the same."""
        bare = self.area == "center" and not self.isFloating()
        self._no_title.setVisible(bare)
        self.setTitleBarWidget(self._no_title if bare else None)  # type: ignore[arg-type]
        self._draw_buttons()

    def _draw_buttons(self) -> None:
        """Close and float in the colour of text: Qt's own pictures stay dark on a dark theme."""
        for name, shape in BUTTONS.items():
            button = self.findChild(QAbstractButton, f"qt_dockwidget_{name}button")
            if button is not None:
                button.setIcon(_drawn(shape, self.palette().windowText().color()))
                button.setToolTip("Close" if name == "close" else "Make it a window of its own")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._draw_buttons()

    def _visible(self, on: bool) -> None:
        if on:
            self.fronted.emit(self.panel_class.TITLE)

    @property
    def help(self) -> str:
        """A few sentences about the panel."""
        return getattr(self.panel_class, "HELP", "") or (self.panel_class.__doc__ or "")


class Docks:
    """All docks of the window."""

    def __init__(self, window: QMainWindow, classes: list[Any], session: Session) -> None:
        self.window = window
        self.all: dict[str, Dock] = {c.TITLE: Dock(c, session) for c in classes}
        window.setDockNestingEnabled(True)
        window.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        self.place()

    @property
    def version(self) -> str:
        """Names the default layout: another set of panels must not get an old one's places."""
        return f"{LAYOUT}: " + ", ".join(self.all)

    def of(self, area: str) -> list[Dock]:
        """The docks that belong to an area by default, in order."""
        return [d for d in self.all.values() if d.area == area]

    def place(self) -> None:
        """The default layout."""
        left_area, right_area = (
            Qt.DockWidgetArea.LeftDockWidgetArea,
            Qt.DockWidgetArea.RightDockWidgetArea,
        )
        for dock in self.all.values():
            dock.setFloating(False)
            self.window.removeDockWidget(dock)
        left, center, right = self.of("left"), self.of("center"), self.of("right")
        for above, dock in zip([None, *left], left, strict=False):
            if above is None:
                self.window.addDockWidget(left_area, dock)
            else:
                self.window.splitDockWidget(above, dock, Orientation.Vertical)
        if center:
            self.window.addDockWidget(right_area, center[0])
        for above, dock in zip([None, *right], right, strict=False):
            if above is not None:
                self.window.splitDockWidget(above, dock, Orientation.Vertical)
            elif center:
                self.window.splitDockWidget(center[0], dock, Orientation.Horizontal)
            else:
                self.window.addDockWidget(right_area, dock)
        for dock in center[1:]:
            self.window.tabifyDockWidget(center[0], dock)
        for dock in self.of("bottom"):
            self.window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        for dock in self.all.values():
            dock.setFloating(False)
            dock.fit_title_bar()
            dock.show()
        if center:
            center[0].raise_()

    def proportions(self) -> None:
        """Share out the window's size; call it once the window is shown."""
        width, height = self.window.width(), self.window.height()
        columns = [c[0] for c in (self.of("left"), self.of("center"), self.of("right")) if c]
        least = (206, 330) if width >= ROOMY else (160, 296)
        shares = {
            "left": max(least[0], min(340, round(0.155 * width))),
            "right": max(least[1], round(0.26 * width)),
        }
        shares["center"] = width - shares["left"] - shares["right"]
        self.window.resizeDocks(columns, [shares[d.area] for d in columns], Orientation.Horizontal)
        bottom = self.of("bottom")
        strip = min(130, max(76, round(0.1 * height)))
        if bottom:
            self.window.resizeDocks(bottom, [strip] * len(bottom), Orientation.Vertical)
        left = self.of("left")
        if len(left) == 2:
            free = height - strip - 80
            self.window.resizeDocks(
                left, [round(0.55 * free), round(0.45 * free)], Orientation.Vertical
            )

    def under(self, position: QPoint) -> Dock | None:
        """The dock at a place on the screen."""
        for dock in self.all.values():
            if dock.isVisible() and dock.rect().contains(dock.mapFromGlobal(position)):
                return dock
        return None

    def build_visible(self) -> None:
        """Make the panels that are seen now."""
        for dock in self.all.values():
            if dock.panel is None and dock.isVisible() and not dock.visibleRegion().isEmpty():
                dock.build()

    def build_rest(self, then: Callable[[], object]) -> None:
        """Make the hidden panels, one piece per turn of the event loop.

        A panel with much in it has `pieces()`: what it would else make when it is needed first.
        """
        docks, pieces = list(self.all.values()), deque[Callable[[], object]]()

        def turn() -> None:
            if pieces:
                pieces.popleft()()
            elif docks:
                panel = docks.pop(0).build()
                if isinstance(panel, InPieces):
                    pieces.extend(panel.pieces())
            else:
                then()
                return
            QTimer.singleShot(0, self.window, turn)  # not when the window is gone

        turn()
