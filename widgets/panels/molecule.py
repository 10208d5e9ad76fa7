"""The molecule panel: canvas, picked atoms, energy of the frame, playback."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QActionGroup, QGuiApplication
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.bonding import why_not_dihedral
from core.molecule import Molecule
from widgets.molecule.measure import MINUS, atoms_name
from widgets.molecule.picks import PickStrip, SetAxis, dihedral_of_bond
from widgets.molecule.view import MoleculeView
from widgets.naming import text_label, tool_button
from widgets.playback import SPEEDS, Playback
from widgets.session import Geometries, Session

SIZES = {"Small": 8, "Medium": 10, "Large": 13, "Huge": 18}


class MoleculePanel(QWidget):
    """Shows `session.geometries` at `session.frame`; sets the surface's axes from picked atoms."""

    TITLE = "Molecule"
    ORDER = 20
    AREA = "right"
    HELP = (
        "Left drag turns, shift or right drag moves, the wheel zooms. Click atoms to measure "
        "(2 distance, 3 angle, 4 dihedral); click a bond to make its dihedral an axis. "
        "Arrows step through frames, space plays, Ctrl+arrows turn, R resets, L labels, Esc clears."
    )
    KEYS = (
        ("frame before or after", "Left, Right"),
        ("play or pause", "Space"),
        ("turn", "Ctrl+arrows"),
        ("nearer or further", "+, −"),
        ("reset view", "R"),
        ("labels", "L"),
        ("keep the measurement", "M"),
        ("forget the picked atoms", "Esc"),
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.view = MoleculeView(self)
        self.strip = PickStrip(self)
        self.playback = Playback(self)
        self.caption = text_label("What is shown")
        self.caption.setTextFormat(Qt.TextFormat.PlainText)
        self.caption.setMinimumWidth(40)
        self.energy = text_label("Energy of the frame")
        self.energy.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._lowest = float("nan")
        self._next_axis = 0
        self._make_actions()
        self._lay_out()
        self._connect()
        self._theme(session.dark)
        self._axes()
        self._geometries(session.geometries)

    # -- building -----------------------------------------------------------------------------
    def _action(self, text: str, tip: str, call, *, key: str = "", check: bool | None = None):
        action = QAction(text, self)
        action.setToolTip(tip + (f" ({key})" if key else ""))
        if check is None:
            action.triggered.connect(lambda _=False: call())
        else:
            action.setCheckable(True)
            action.setChecked(check)
            action.toggled.connect(call)
        return action

    def _make_actions(self) -> None:
        view = self.view
        self.act_reset = self._action("Reset view", "The whole molecule", view.reset_view, key="R")
        self.act_labels = self._action(
            "Labels", "Element and number on every atom", view.set_labels, key="L", check=False
        )
        self.act_align = self._action(
            "Align frames", "Superpose every frame on the first", view.set_align, check=True
        )
        self.act_save = self._action("Save picture…", "Save the scene as PNG", self.ask_save)
        self.act_copy = self._action("Copy picture", "Scene to the clipboard", self.copy_picture)
        self.act_xyz = self._action("Copy geometry", "This frame as XYZ, in Å", self.copy_geometry)
        self.act_unpin = self._action("Remove pinned measurements", "", lambda: view.set_pinned(()))
        self.sizes = QMenu("Label size", self)
        group = QActionGroup(self)
        for name, points in SIZES.items():
            action = self.sizes.addAction(name, partial(view.set_label_size, points))
            action.setCheckable(True)
            action.setChecked(points == view.style_.size)
            group.addAction(action)

        self.speeds = QMenu("Speed of playback", self)
        speed_group = QActionGroup(self)
        for fps in SPEEDS:
            action = self.speeds.addAction(
                f"{fps} frames per second", partial(self.playback.set_fps, fps)
            )
            action.setCheckable(True)
            action.setChecked(fps == self.playback.fps)
            speed_group.addAction(action)

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(4, 2, 4, 2)
        bar.setSpacing(2)
        for action in (self.act_reset, self.act_labels):
            button = QToolButton(autoRaise=True)
            button.setDefaultAction(action)
            button.setAccessibleName(action.text())
            bar.addWidget(button)
        bar.addStretch(1)
        more = tool_button("More", name="More about the picture")
        more.setToolTip("Label size, speed, aligning, save and copy")
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        more.setMenu(self._menu())
        bar.addWidget(more)
        info = QHBoxLayout()
        info.setContentsMargins(6, 0, 6, 0)
        info.addWidget(self.caption, 1)
        info.addWidget(self.energy)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(1)
        box.addLayout(bar)
        box.addWidget(self.view, 1)
        box.addWidget(self.strip)
        box.addLayout(info)
        box.addWidget(self.playback)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.addActions([self.act_reset, self.act_labels, self.act_align])
        menu.addMenu(self.sizes)
        menu.addMenu(self.speeds)
        menu.addSeparator()
        menu.addActions([self.act_copy, self.act_save, self.act_xyz])
        menu.addSeparator()
        menu.addAction(self.act_unpin)
        return menu

    def _connect(self) -> None:
        s, view = self.session, self.view
        s.geometries_changed.connect(self._geometries)
        s.frame_changed.connect(self._frame)
        s.axes_changed.connect(self._axes)
        s.unit_changed.connect(lambda _unit: self._show_energy())
        s.theme_changed.connect(self._theme)
        s.atoms_highlighted.connect(view.set_highlight)
        s.atoms_coloured.connect(view.set_colours)
        view.picks_changed.connect(self._picked)
        view.picks_changed.connect(s.atoms_picked)
        view.bond_clicked.connect(self._bond)
        view.labels_toggled.connect(self.act_labels.setChecked)
        view.step_requested.connect(self.playback.step)
        view.play_requested.connect(self.playback.toggle)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)  # right drag moves
        view.menu_requested.connect(lambda where: self._menu().popup(where))
        self.playback.frame_requested.connect(s.set_frame)
        self.strip.atoms_entered.connect(view.set_picks)
        self.strip.pin_requested.connect(view.pin)
        self.strip.clear_requested.connect(lambda: view.set_picks(()))
        self.strip.axis_requested.connect(self.use_as_axis)
        app = QGuiApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.release)

    # -- session -> view ----------------------------------------------------------------------
    def _geometries(self, geometries: Geometries | None) -> None:
        self.strip.setVisible(geometries is not None)
        if geometries is None:
            self.view.set_molecule(None)
            self.playback.set_count(0)
            self.playback.hide()
            self.caption.setText("")
            self.energy.setText("")
            self.strip.show_picks(None, np.zeros((0, 3)), ())
            return
        frame = min(self.session.frame, len(geometries.positions) - 1)
        self.view.set_molecule(geometries.molecule, geometries.positions[frame])
        self.playback.set_count(len(geometries.positions))
        self.playback.setVisible(len(geometries.positions) > 1)
        e = geometries.energies
        known = np.zeros(0) if e is None else e[np.isfinite(e)]
        self._lowest = float(known.min()) if len(known) else float("nan")
        text = geometries.caption or geometries.molecule.name or geometries.molecule.formula
        self.caption.setText(text)
        self.caption.setToolTip(text)
        self._axes()
        self._picked(self.view.picks)
        self._frame(frame)

    def _frame(self, frame: int) -> None:
        g = self.session.geometries
        if g is None or not 0 <= frame < len(g.positions):
            return
        self.view.set_positions(g.positions[frame])
        self.playback.set_frame(frame)
        self.strip.show_picks(g.molecule, g.positions[frame], self.view.picks)
        self._show_energy()

    def _show_energy(self) -> None:
        g, unit = self.session.geometries, self.session.unit
        if g is None or g.energies is None or not np.isfinite(g.energies[self.session.frame]):
            self.energy.setText("" if g is None else "no energy")
            self.energy.setToolTip("This frame has no energy")
            return
        above = unit.from_ev(float(g.energies[self.session.frame]) - self._lowest)
        self.energy.setText(f"{above:.{unit.digits}f} {unit.label}".replace("-", MINUS))
        whole = f"{g.energies[self.session.frame]:.6f} eV".replace("-", MINUS)
        self.energy.setToolTip(f"Energy above the lowest of these frames; in all {whole}")

    def _axes(self) -> None:
        g = self.session.geometries
        # axes may belong to another molecule than the one on show
        fits = [
            a if g is not None and a is not None and not why_not_dihedral(g.molecule, a) else None
            for a in self.session.axes
        ]
        self.view.set_axes(tuple(fits))

    def _theme(self, dark: bool) -> None:
        self.view.set_dark(dark)

    # -- picks --------------------------------------------------------------------------------
    def _now(self) -> Molecule | None:
        """The molecule in the geometry on show."""
        g = self.session.geometries
        if g is None:
            return None
        return dataclasses.replace(g.molecule, positions=g.positions[self.session.frame])

    def _picked(self, atoms: tuple[int, ...]) -> None:
        molecule = self._now()
        if molecule is None:
            return
        self.strip.show_picks(molecule, molecule.positions, atoms)
        if len(atoms) == 4:
            reason = why_not_dihedral(molecule, atoms)
            for button in self.strip.axis:
                button.setEnabled(not reason)
            text = f"Not an axis: {reason}." if reason else atoms_name(molecule.symbols, atoms)
            self.strip.say(text, problem=bool(reason))
        elif atoms:
            more = {1: "one more for a distance", 2: "a third for an angle",
                    3: "a fourth for a dihedral"}[len(atoms)]  # fmt: skip
            self.strip.say(f"{atoms_name(molecule.symbols, atoms)}: pick {more}.")
        else:
            self.strip.say()

    def _bond(self, i: int, j: int) -> None:
        """A clicked bond: its dihedral is picked and, if it turns, becomes the next axis."""
        molecule = self._now()
        if molecule is None:
            return
        atoms, reason = dihedral_of_bond(molecule, i, j)
        self.view.set_picks(atoms)
        if reason:
            self.strip.say(f"Not made an axis: {reason}.", problem=True)
            return
        for k, axis in enumerate(self.session.axes):
            if axis is not None and {axis[1], axis[2]} == {i, j}:
                self.strip.say(f"{atoms_name(molecule.symbols, axis)} is axis {k + 1} already.")
                self.view.set_picks(tuple(axis))
                return
        empty = [k for k in (0, 1) if self.session.axes[k] is None]
        self.use_as_axis(empty[0] if empty else self._next_axis)

    def use_as_axis(self, which: int) -> None:
        """Make the picked dihedral axis 0 or 1 (undoable), or say why not."""
        molecule, atoms = self._now(), self.view.picks
        if molecule is None:
            return
        reason = why_not_dihedral(molecule, atoms)
        if reason:
            self.strip.say(f"Not an axis: {reason}.", problem=True)
            return
        if self.session.axes[1 - which] == atoms:
            self.strip.say(f"This dihedral is axis {2 - which} already.", problem=True)
            return
        self.session.undo.push(SetAxis(self.session, which, atoms))
        self._next_axis = 1 - which
        name = atoms_name(molecule.symbols, atoms)
        self.strip.say(f"{name} is now axis {which + 1} of the surface (Ctrl+Z undoes).")

    # -- out ----------------------------------------------------------------------------------
    def copy_picture(self) -> None:
        """The scene to the clipboard."""
        QApplication.clipboard().setImage(self.view.image())

    def copy_geometry(self) -> None:
        """The frame on show as XYZ text (Å) to the clipboard."""
        molecule = self._now()
        if molecule is not None:
            rows = zip(molecule.symbols, molecule.positions, strict=True)
            lines = [f"{s:2s} {x:14.8f} {y:14.8f} {z:14.8f}" for s, (x, y, z) in rows]
            comment = f"{self.caption.text()}, frame {self.session.frame + 1}"
            QApplication.clipboard().setText("\n".join([str(len(lines)), comment, *lines, ""]))

    def ask_save(self) -> None:
        """Ask for a file name and save the scene as PNG."""
        path, _ = QFileDialog.getSaveFileName(self, "Save picture", "molecule.png", "*.png")
        if not path:
            return
        try:
            self.view.save_png(path if path.lower().endswith(".png") else path + ".png")
        except OSError as error:
            self.session.message.emit(str(error), "error")
        else:
            self.session.message.emit(f"Saved {path}", "info")

    def release(self) -> None:
        """Stop playing and give the graphics back."""
        self.playback.pause()
        self.view.release()

    def closeEvent(self, event) -> None:
        self.release()
        super().closeEvent(event)


PANEL = MoleculePanel
