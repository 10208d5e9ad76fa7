"""Slider, spin box and buttons to step through frames and play them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap, QPolygonF
from PySide6.QtWidgets import QHBoxLayout, QSlider, QSpinBox, QToolButton, QWidget

from widgets.naming import named, tool_button

FPS = 15
SPEEDS = (2, 5, 10, 15, 30, 60)  # frames per second
ICON = 16
#: Shapes on a 16 x 16 grid. The platform's own media icons stay black on a dark theme.
SHAPES = {
    "previous": (((11, 3), (4, 8), (11, 13)), ((3, 3), (4.5, 3), (4.5, 13), (3, 13))),
    "play": (((4, 2), (14, 8), (4, 14)),),
    "pause": (((4, 3), (7, 3), (7, 13), (4, 13)), ((9, 3), (12, 3), (12, 13), (9, 13))),
    "next": (((5, 3), (12, 8), (5, 13)), ((11.5, 3), (13, 3), (13, 13), (11.5, 13))),
}


def draw_icon(shape: str, colour: QColor) -> QIcon:
    """One of SHAPES in a colour, at three times its size so that it stays sharp."""
    pixmap = QPixmap(3 * ICON, 3 * ICON)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(3, 3)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    for polygon in SHAPES[shape]:
        painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in polygon]))
    painter.end()
    return QIcon(pixmap)


class Playback(QWidget):
    """Asks for frames by `frame_requested`; is told the frame by `set_frame`. Counts from 1."""

    frame_requested = Signal(int)  # from 0
    playing_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._count, self._frame = 0, 0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self.previous = self._button("Previous frame", "Left arrow")
        self.play = self._button("Play", "Space")
        self.next = self._button("Next frame", "Right arrow")
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        self.play.clicked.connect(self.toggle)
        self.slider = named(QSlider(Qt.Orientation.Horizontal), "Frame slider")
        self.slider.setToolTip("Frame. Arrows step, Page Up and Down jump")
        self.slider.setMinimumWidth(60)
        self.slider.valueChanged.connect(self.frame_requested)
        self.spin = named(QSpinBox(), "Frame number")
        self.spin.setKeyboardTracking(False)
        self.spin.setToolTip("Frame number, from 1")
        self.spin.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.spin.valueChanged.connect(lambda v: self.frame_requested.emit(v - 1))
        self.loop = tool_button("↻", check=True)
        self.loop.setChecked(True)
        self.loop.setToolTip("Begin again at the end")
        self.loop.setAccessibleName("Loop")
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 0, 4, 4)
        row.setSpacing(2)
        for button in (self.previous, self.play, self.next):
            row.addWidget(button)
        row.addWidget(self.slider, 1)
        row.addWidget(self.spin)
        row.addWidget(self.loop)
        self._draw_icons()
        self.set_fps(FPS)
        self.set_count(0)

    def _button(self, name: str, key: str) -> QToolButton:
        button = QToolButton(autoRaise=True)
        button.setIconSize(QSize(ICON, ICON))
        button.setAccessibleName(name)
        button.setToolTip(f"{name} ({key})")
        return button

    def _draw_icons(self) -> None:
        # not the greyed colour of now: Qt greys the icons of disabled buttons by itself
        colour = self.palette().color(QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText)
        shapes = {self.previous: "previous", self.next: "next"}
        shapes[self.play] = "pause" if self.playing else "play"
        for button, shape in shapes.items():
            button.setIcon(draw_icon(shape, colour))

    def changeEvent(self, event: QEvent) -> None:
        """Another theme, other icons."""
        if event.type() == QEvent.Type.PaletteChange:
            self._draw_icons()
        super().changeEvent(event)

    @property
    def playing(self) -> bool:
        """Whether frames advance by themselves."""
        return self._timer.isActive()

    def set_count(self, count: int) -> None:
        """Say how many frames there are; with one or none there is nothing to play."""
        self._count = count
        for w in (self.slider, self.spin):
            w.blockSignals(True)
        self.slider.setRange(0, max(0, count - 1))
        self.slider.setPageStep(max(1, count // 20))
        self.spin.setRange(min(1, count), count)
        for w in (self.slider, self.spin):
            w.blockSignals(False)
        self.spin.setSuffix(f" / {count}")
        self.setEnabled(count > 1)
        if count <= 1:
            self.pause()

    def set_frame(self, frame: int) -> None:
        """Show `frame` (from 0) without asking for it again."""
        self._frame = frame
        for w, value in ((self.slider, frame), (self.spin, frame + 1)):
            w.blockSignals(True)
            w.setValue(value)
            w.blockSignals(False)

    def step(self, by: int) -> None:
        """Ask for a frame before or after, round the ends."""
        if self._count:
            self.frame_requested.emit((self._frame + by) % self._count)

    def toggle(self) -> None:
        """Play or pause."""
        self.pause() if self.playing else self.start()

    def start(self) -> None:
        """Play, from the beginning if at the end."""
        if self._count < 2 or self.playing:
            return
        if self._frame == self._count - 1 and not self.loop.isChecked():
            self.frame_requested.emit(0)
        self._timer.start()
        self._show_state()

    def pause(self) -> None:
        """Stop playing."""
        if self.playing:
            self._timer.stop()
            self._show_state()

    def _tick(self) -> None:
        if self._frame == self._count - 1 and not self.loop.isChecked():
            self.pause()
        else:
            self.step(1)

    def set_fps(self, fps: int) -> None:
        """Speed, frames per second."""
        self.fps = fps
        self._timer.setInterval(round(1000 / fps))

    def _show_state(self) -> None:
        name = "Pause" if self.playing else "Play"
        self._draw_icons()
        self.play.setAccessibleName(name)
        self.play.setToolTip(f"{name} (Space)")
        self.playing_changed.emit(self.playing)
