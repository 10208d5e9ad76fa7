"""Ethanol with its hydroxyl turning, shown in a molecule panel, and where to click on it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from core.bonding import moving_atoms
from core.geometry import rotate_dihedral
from tests.molecules import ETHANOL, HYDROXYL
from widgets.panels.molecule import MoleculePanel
from widgets.session import Geometries, Session

SIZE = (420, 520)
LEFT = Qt.MouseButton.LeftButton


def frames() -> np.ndarray:
    """The hydroxyl turned in 30° steps."""
    angles = np.radians(np.arange(-150.0, 181.0, 30.0))
    start = np.repeat(ETHANOL.positions[None], len(angles), axis=0)
    return rotate_dihedral(start, HYDROXYL, angles, moving_atoms(ETHANOL, HYDROXYL))


def make_panel(qtbot, session: Session) -> MoleculePanel:
    """The panel, on show, with `frames` and their energies. Call `release` at the end."""
    made = MoleculePanel(session)
    qtbot.addWidget(made)
    made.resize(*SIZE)
    made.show()
    qtbot.waitExposed(made)
    r = frames()
    energies = 0.05 * (1 - np.cos(3 * np.radians(np.arange(-150.0, 181.0, 30.0)))) - 4000.0
    session.show(Geometries(ETHANOL, r, energies, "turning hydroxyl"))
    QApplication.processEvents()
    return made


def at(panel, atom: int) -> QPoint:
    x, y = panel.view.projected()[0][atom]
    return QPoint(round(x), round(y))


def between(panel, i: int, j: int) -> QPoint:
    """The middle of what is seen of a bond, between the two spheres."""
    screen, _, radii = panel.view.projected()
    a, b = screen[i], screen[j]
    u = (b - a) / np.linalg.norm(b - a)
    middle = 0.5 * (a + u * radii[i] + b - u * radii[j])
    return QPoint(*(round(v) for v in middle))


def click(qtbot, panel, where: QPoint, button=LEFT, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.mouseClick(panel.view, button, modifier, where)


def pixels(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGBX8888)
    flat = np.frombuffer(image.constBits(), dtype=np.uint8)
    return flat.reshape(image.height(), image.width(), 4)[..., :3].astype(int)
