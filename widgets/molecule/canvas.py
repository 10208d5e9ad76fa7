"""The molecule's picture: a plain widget that paints what VTK drew and writes values over it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QColor, QFontMetricsF, QImage, QPainter, QShowEvent
from PySide6.QtWidgets import QWidget

from core.bonding import connectivity
from core.elements import MASSES
from core.molecule import Molecule
from widgets.molecule import measure as ink
from widgets.molecule.camera import Camera, superpose
from widgets.molecule.scene import NoOpenGL, Scene, atom_radii

BACKGROUND = {False: ("#fcfcfd", "#e8ebf0"), True: ("#2b2f37", "#17191d")}  # dark: (top, bottom)
SLOW = 0.025  # s: a picture that takes longer is drawn coarse while it moves
CALM = 180  # ms without change before it is drawn fine again
LABEL_SIZES = (6, 28)


class MoleculeCanvas(QWidget):
    """Draws one molecule, its labels and measurements. Knows neither mouse nor session."""

    picks_changed = Signal(object)  # tuple of atoms from 0, in the order picked
    labels_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.camera = Camera()
        self.molecule: Molecule | None = None
        self.positions = np.zeros((0, 3))  # as drawn: superposed when `align` is on
        self.bonds = np.zeros((0, 2), dtype=np.int64)
        self.orders = np.zeros(0)
        self.radii = np.zeros(0)
        self.picks: tuple[int, ...] = ()
        self.highlight: tuple[int, ...] = ()
        self.colours: dict[int, str] = {}
        self.pinned: tuple[tuple[int, ...], ...] = ()
        self.axes: tuple[tuple[int, ...] | None, ...] = (None, None)
        self.align = True
        self.labels = False
        self.style_ = ink.Style()
        self.empty_text = "No molecule yet.\nOpen a file, or drop one here."
        self.frame_ms = float("nan")  # last render, for the benchmark and the status line
        self._onto: np.ndarray | None = None
        self._raw = self.positions
        self._scene: Scene | None = None
        self._problem = ""
        self._closed = False
        self._stale = {"molecule": True, "positions": True}
        self._picture: QImage | None = None
        self._key: tuple = ()
        self._coarse = False
        self._fine_cost = 0.0
        self._hover: tuple[str, int] = ("", -1)
        self._calm = QTimer(self, singleShot=True, interval=CALM)
        self._calm.timeout.connect(self._refine)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(120, 120)
        self.setAccessibleName("Molecule")
        self._describe()

    def sizeHint(self) -> QSize:
        """A square; the dock decides."""
        return QSize(380, 360)

    # -- what is shown ------------------------------------------------------------------------
    def set_molecule(self, molecule: Molecule | None, positions: np.ndarray | None = None) -> None:
        """Show a molecule (None: nothing). Camera and picks stay if it has the same atoms."""
        old = self.molecule
        self.molecule = molecule
        if molecule is None:
            self.positions = self._raw = np.zeros((0, 3))
            self.radii, self.bonds = np.zeros(0), np.zeros((0, 2), dtype=np.int64)
            self.set_pinned(())
            self.set_highlight(())
            self.set_colours({})
            self.set_picks(())
            self._changed("molecule")
            return
        frame = molecule.positions if positions is None else positions
        same = old is not None and np.array_equal(old.numbers, molecule.numbers)
        bonds = molecule.bonds if len(molecule.bonds) else connectivity(molecule.numbers, frame)
        orders = molecule.orders if len(molecule.bonds) else np.ones(len(bonds))
        known = np.array_equal(bonds, self.bonds) and np.array_equal(orders, self.orders)
        if not same or not known:
            self.bonds, self.orders = bonds, orders
            self._stale["molecule"] = True
        if not same:
            self.radii = atom_radii(molecule.numbers)
            self._onto = None
            self._hover = ("", -1)
            self.set_pinned(())
            self.set_highlight(())
            self.set_colours({})
            self.set_picks(())
        self.set_positions(frame)
        if not same:
            self.reset_view()

    def set_positions(self, positions: np.ndarray) -> None:
        """positions (N,3) Å of another frame of the same molecule."""
        self._raw = np.asarray(positions, dtype=np.float64)
        if self._onto is None or self._onto.shape != self._raw.shape:
            self._onto = self._raw
        if self.align and self.molecule is not None and len(self._raw) > 1:
            self.positions = superpose(self._raw, self._onto, MASSES[self.molecule.numbers])
        else:
            self.positions = self._raw
        self._changed("positions")

    def set_align(self, on: bool) -> None:
        """Superpose every frame on the first one shown, so that only the shape moves."""
        self.align = on
        self.set_positions(self._raw)

    def set_picks(self, atoms: tuple[int, ...]) -> None:
        """Choose the picked atoms (from 0), at most four."""
        if atoms != self.picks:
            self.picks = atoms
            self._describe()
            self.update()
            self.picks_changed.emit(atoms)

    def set_highlight(self, atoms: tuple[int, ...]) -> None:
        """Light up atoms (from 0) that somebody else speaks of, () for none."""
        if atoms != self.highlight:
            self.highlight = atoms
            self.update()

    def set_colours(self, colours: dict[int, str]) -> None:
        """Mark atoms (from 0) with colours (#rrggbb), {} for none: those that belong together."""
        if colours != self.colours:
            self.colours = dict(colours)
            self.update()

    def set_pinned(self, pinned: tuple[tuple[int, ...], ...]) -> None:
        """Measurements (2 to 4 atoms each) that stay while others are picked."""
        self.pinned = pinned
        self.update()

    def set_axes(self, axes: tuple[tuple[int, ...] | None, ...]) -> None:
        """Mark the dihedrals that are the axes of the surface."""
        self.axes = axes
        self.update()

    def set_labels(self, on: bool) -> None:
        """Element and number on every atom."""
        if on != self.labels:
            self.labels = on
            self.update()
            self.labels_toggled.emit(on)

    def set_label_size(self, points: int) -> None:
        """Size of all writing in the scene, in points."""
        self.style_.size = int(np.clip(points, *LABEL_SIZES))
        self.update()

    def set_dark(self, dark: bool) -> None:
        """Follow the theme."""
        self.style_.dark = dark
        self.update()

    def reset_view(self) -> None:
        """The whole molecule, flat side to the viewer."""
        if len(self.positions):
            self.camera.fit(self.positions, self.radii)
        self._moved()

    # -- drawing ------------------------------------------------------------------------------
    def _changed(self, what: str) -> None:
        self._stale[what] = True
        self._describe()
        self._moved()

    def _moved(self) -> None:
        if self._fine_cost > SLOW:
            self._coarse = True
            self._calm.start()
        self.update()

    def _refine(self) -> None:
        self._coarse = False
        self.update()

    def _pixels_per_point(self) -> float:
        dpr = self.devicePixelRatioF()
        # twice the pixels, averaged when painted, are the anti-aliasing; retina screens need none
        return dpr if self._coarse or dpr >= 1.75 else 2.0 * dpr

    def _render(self, scale: float) -> QImage | None:
        """The picture without writing, from the cache unless something changed."""
        if self.molecule is None or self._closed:
            return None
        size = (max(1, round(self.width() * scale)), max(1, round(self.height() * scale)))
        c = self.camera
        key = (size, c.rotation.tobytes(), c.centre.tobytes(), c.radius, c.zoom, self.style_.dark)
        if self._picture is not None and key == self._key and not any(self._stale.values()):
            return self._picture
        if self._scene is None and not self._problem:
            try:
                self._scene = Scene()
            except (NoOpenGL, ImportError) as error:
                self._problem = str(error)
            self._stale = dict.fromkeys(self._stale, True)
        if self._scene is None:
            return None
        start = time.perf_counter()
        if self._stale["molecule"]:
            self._scene.set_molecule(self.molecule.numbers, self.bonds, self.orders)
        if any(self._stale.values()):
            self._scene.set_positions(self.positions)
        top, bottom = (QColor(x) for x in BACKGROUND[self.style_.dark])
        self._picture = self._scene.render(c, *size, top=top, bottom=bottom)
        self._stale = dict.fromkeys(self._stale, False)
        self._key = key
        self.frame_ms = 1e3 * (time.perf_counter() - start)
        if not self._coarse:
            self._fine_cost = self.frame_ms / 1e3
        return self._picture

    def projected(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Screen (N,2) in this widget's points, depth (N,) Å, drawn radius (N,) points."""
        screen, depth, scale = self.camera.project(self.positions, self.width(), self.height())
        return screen, depth, self.radii * scale

    def paintEvent(self, _event) -> None:
        painter = QPainter(self)
        self._paint(painter, self._render(self._pixels_per_point()), decorations=True)
        painter.end()

    def _paint(self, painter: QPainter, picture: QImage | None, *, decorations: bool) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        box = QRectF(0, 0, self.width(), self.height())
        if picture is None:
            painter.fillRect(box, QColor(BACKGROUND[self.style_.dark][1]))
            painter.setPen(self.style_.ink)
            text = f"The 3-D view cannot start:\n{self._problem}" if self._problem else None
            painter.drawText(
                box.adjusted(16, 16, -16, -16),
                Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap,
                text or self.empty_text,
            )
            return
        painter.drawImage(box, picture)
        self._write(painter, decorations=decorations)

    def _write(self, painter: QPainter, *, decorations: bool) -> None:
        assert self.molecule is not None
        screen, depth, radii = self.projected()
        style, symbols = self.style_, self.molecule.symbols
        taken: list[QRectF] = []
        if decorations and self._hover[0] == "atom" and self._hover[1] not in self.picks:
            a = self._hover[1]
            ink.draw_hover(painter, screen[a], float(radii[a]), style)
        for a, tint in self.colours.items():
            if a < len(symbols):
                ink.draw_disc(painter, screen[a], float(radii[a]), QColor(tint))
        lit = [a for a in self.highlight if a < len(symbols)]
        ink.draw_rings(painter, screen, radii, lit, style, colour=ink.HIGHLIGHT, width=4.0)
        ink.draw_rings(painter, screen, radii, self.picks, style)
        if self.labels:
            shown = ink.visible(screen, depth, radii)
            texts = [ink.atom_name(symbols, a) for a in range(len(symbols))]
            ink.draw_labels(painter, screen, shown, texts, style)
        if len(self.picks) > 1:
            which = [k for k, atoms in enumerate(self.axes) if atoms == self.picks]
            ink.draw_measurement(
                painter, screen, self.positions, self.picks, style.pick, style, taken,
                prefix=f"axis {which[0] + 1}: " if which else "",
            )  # fmt: skip
        marked = []
        for k, atoms in enumerate(self.axes):
            if atoms is not None and max(atoms) < len(symbols) and atoms != self.picks:
                marked.append(atoms)
                colour = ink.AXIS_COLOURS[k % 2]
                colour = colour.lighter(140) if style.dark else colour
                ink.draw_measurement(
                    painter, screen, self.positions, atoms, colour, style, taken,
                    prefix=f"axis {k + 1}: ",
                )  # fmt: skip
        for atoms in self.pinned:
            if atoms not in marked and atoms != self.picks:
                colour = QColor("#8a9099")
                ink.draw_measurement(painter, screen, self.positions, atoms, colour, style, taken)
        if decorations:
            self._write_corner(painter, style)

    def _write_corner(self, painter: QPainter, style: ink.Style) -> None:
        text = self.hover_text()
        if text:
            metrics = QFontMetricsF(painter.font())
            painter.setPen(style.ink)
            painter.drawText(QPointF(8, self.height() - 4 - metrics.descent()), text)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(self.palette().highlight().color())
            painter.drawRect(QRectF(0.5, 0.5, self.width() - 1, self.height() - 1))

    def hover_text(self) -> str:
        """What is under the mouse, in words."""
        kind, index = self._hover
        if self.molecule is None or index < 0:
            return ""
        symbols = self.molecule.symbols
        if kind == "atom":
            return ink.atom_name(symbols, index)
        i, j = (int(a) for a in self.bonds[index])
        return f"bond {ink.atoms_name(symbols, (i, j))}  {ink.value_text(self.positions, (i, j))}"

    def image(self, scale: float = 3.0) -> QImage:
        """The scene with its measurements, `scale` pixels per point, without hover and focus."""
        out = QImage(
            round(self.width() * scale), round(self.height() * scale), QImage.Format.Format_RGB32
        )
        picture = self._render(scale)
        painter = QPainter(out)
        painter.scale(scale, scale)
        self._paint(painter, picture, decorations=False)
        painter.end()
        return out

    def save_png(self, path: str | Path, *, scale: float = 3.0) -> None:
        """Save the scene. Raises OSError where the file cannot be written."""
        if not self.image(scale).save(str(path)):
            raise OSError(f"{path} cannot be written")

    def _describe(self) -> None:
        """Tell screen readers what the picture shows."""
        if self.molecule is None:
            text = self.empty_text
        else:
            text = f"{self.molecule.name or self.molecule.formula}, {len(self.radii)} atoms"
            if self.picks:
                text += f"; picked {ink.atoms_name(self.molecule.symbols, self.picks)}"
            if len(self.picks) > 1:
                kind = ink.KINDS[len(self.picks)]
                text += f": {kind} {ink.value_text(self._raw, self.picks)}"
        self.setAccessibleDescription(text)

    # -- end of life --------------------------------------------------------------------------
    def release(self) -> None:
        """Give the graphics back; nothing is rendered any more until the widget is shown again."""
        self._closed = True
        self._calm.stop()
        self._picture = None
        if self._scene is not None:
            self._scene.close()
            self._scene = None

    def closeEvent(self, event: QCloseEvent) -> None:
        self.release()
        super().closeEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        self._closed = False
        super().showEvent(event)
