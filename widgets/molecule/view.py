"""The molecule view: the picture with mouse and keyboard, picking atoms and bonds."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from widgets.molecule.camera import pick_atom, pick_bond
from widgets.molecule.canvas import MoleculeCanvas
from widgets.molecule.scene import BOND_RADIUS

TURN = 0.009  # rad per pixel of mouse movement
CLICK = 4.0  # pixels a click may wander
MAX_PICKS = 4


class MoleculeView(MoleculeCanvas):
    """Shows one molecule; rotate, pan, zoom, pick. Knows nothing of the session.

    Left drag rotates (with ctrl in the plane); middle, right or shift drag moves; the wheel zooms;
    a click picks an atom or a bond. Ctrl+arrows rotate, shift+arrows move, +/- zoom, R resets,
    L labels, M pins, Esc clears; left and right ask for another frame, space for playback.
    """

    bond_clicked = Signal(int, int)  # its two atoms
    step_requested = Signal(int)  # -1, +1 frame
    play_requested = Signal()
    menu_requested = Signal(object)  # global position

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._press: QPointF | None = None
        self._last = QPointF()
        self._dragged = False
        self._button = Qt.MouseButton.NoButton
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)

    def pin(self) -> None:
        """Keep the current measurement on show and start another."""
        if len(self.picks) > 1:
            if self.picks not in self.pinned:
                self.set_pinned((*self.pinned, self.picks))
            self.set_picks(())

    # -- mouse --------------------------------------------------------------------------------
    def under(self, x: float, y: float) -> tuple[str, int]:
        """("atom", index), ("bond", index) or ("", -1) at a point of this widget."""
        if self.molecule is None:
            return "", -1
        origin, direction = self.camera.ray(x, y, self.width(), self.height())
        atom, near = pick_atom(origin, direction, self.positions, self.radii)
        reach = 1.6 * BOND_RADIUS  # a little generous: bonds are thin
        bond, far = pick_bond(origin, direction, self.positions, self.bonds, reach)
        if atom >= 0 and near <= far:
            return "atom", atom
        return ("bond", bond) if bond >= 0 else ("", -1)

    def mousePressEvent(self, event) -> None:
        self._press = self._last = event.position()
        self._dragged = False
        self._button = event.button()

    def mouseMoveEvent(self, event) -> None:
        here = event.position()
        if self._press is None:
            hover = self.under(here.x(), here.y())
            if hover != self._hover:
                self._hover = hover
                pointing = Qt.CursorShape.PointingHandCursor if hover[0] else None
                self.setCursor(pointing) if pointing else self.unsetCursor()
                self.update()
            return
        if not self._dragged:
            wander = here - self._press
            if max(abs(wander.x()), abs(wander.y())) < CLICK:
                return
            self._dragged = True
        dx, dy = here.x() - self._last.x(), here.y() - self._last.y()
        self._last = here
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        ctrl = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if self._button != Qt.MouseButton.LeftButton or shift:
            self.camera.pan(dx, dy, self.width(), self.height())
        elif ctrl:
            self.camera.roll(-TURN * dx)
        else:
            self.camera.rotate(TURN * dx, TURN * dy)
        self._moved()

    def mouseReleaseEvent(self, event) -> None:
        clicked = self._press is not None and not self._dragged
        self._press = None
        if clicked and self._button == Qt.MouseButton.RightButton:
            self.menu_requested.emit(event.globalPosition().toPoint())
        elif clicked and self._button == Qt.MouseButton.LeftButton:
            kind, index = self.under(event.position().x(), event.position().y())
            if kind == "atom":
                self._toggle(index)
            elif kind == "bond":
                self.bond_clicked.emit(*(int(a) for a in self.bonds[index]))

    def _toggle(self, atom: int) -> None:
        if atom in self.picks:
            self.set_picks(tuple(a for a in self.picks if a != atom))
        elif len(self.picks) == 4:
            self.set_picks((atom,))
        else:
            self.set_picks((*self.picks, atom))

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.camera.magnify(1.0015 ** event.angleDelta().y())
        self._moved()
        event.accept()

    def leaveEvent(self, event) -> None:
        self._hover = ("", -1)
        self.update()
        super().leaveEvent(event)

    # -- keyboard -----------------------------------------------------------------------------
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._key_pressed(event):
            super().keyPressEvent(event)

    def _key_pressed(self, event: QKeyEvent) -> bool:
        key, mods = Qt.Key(event.key()), event.modifiers()
        arrows = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        if key in arrows:
            dx, dy = arrows[key]
            if mods & Qt.KeyboardModifier.ControlModifier:
                self.camera.rotate(np.radians(10.0) * dx, np.radians(10.0) * dy)
            elif mods & Qt.KeyboardModifier.ShiftModifier:
                self.camera.pan(20 * dx, 20 * dy, self.width(), self.height())
            elif dx:
                self.step_requested.emit(dx)
                return True
            else:
                return False
            self._moved()
            return True
        simple = {
            Qt.Key.Key_Plus: lambda: self._zoom(1.15),
            Qt.Key.Key_Equal: lambda: self._zoom(1.15),
            Qt.Key.Key_Minus: lambda: self._zoom(1 / 1.15),
            Qt.Key.Key_R: self.reset_view,
            Qt.Key.Key_L: lambda: self.set_labels(not self.labels),
            Qt.Key.Key_M: self.pin,
            Qt.Key.Key_Escape: lambda: self.set_picks(()),
            Qt.Key.Key_Space: self.play_requested.emit,
        }
        blocked = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
        if key not in simple or mods & blocked:
            return False
        simple[key]()
        return True

    def _zoom(self, factor: float) -> None:
        self.camera.magnify(factor)
        self._moved()
