"""The molecule view: the picture, picking, mouse and keyboard."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtWidgets import QApplication

from core.geometry import measure
from core.molecule import Molecule
from tests.molecules import ETHANOL, HYDROXYL
from tests.widgets.turning import LEFT, SIZE, at, click, frames, make_panel, pixels
from widgets.panels.molecule import MoleculePanel
from widgets.session import Geometries, Session

RIGHT, MIDDLE = Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton


@pytest.fixture
def session(qtbot) -> Session:
    return Session()


@pytest.fixture
def panel(qtbot, session):
    made = make_panel(qtbot, session)
    yield made
    made.release()


# -- the picture ------------------------------------------------------------------------------
def test_the_picture_shows_each_atom_where_it_is_projected(panel):
    image = pixels(panel.view.image(1.0))
    screen, _, radii = panel.view.projected()
    red = image[..., 0] - image[..., 1:].max(-1) > 90
    y, x = np.nonzero(red)
    oxygen = screen[2]
    assert np.hypot(x.mean() - oxygen[0], y.mean() - oxygen[1]) < 12, "oxygen is red, and there"
    x, y = screen[0] + [0, 0.7 * radii[0]]
    assert image[round(y), round(x)].max() < 190, "carbon is grey, not the background"


def test_atoms_are_marked_in_the_colours_asked_and_lose_them_with_the_molecule(panel, session):
    def magenta() -> np.ndarray:
        image = pixels(panel.view.image(1.0))
        return np.argwhere(image[..., [0, 2]].min(-1) - image[..., 1] > 100)[:, ::-1]

    assert len(magenta()) == 0
    session.atoms_coloured.emit({8: "#ff00ff"})
    screen, _, radii = panel.view.projected()
    away = np.linalg.norm(magenta() - screen[8], axis=1)
    assert len(away) > 50
    assert away.max() < radii[8] + 6, "on that atom only"
    session.set_frame(3)
    assert len(magenta()) > 50, "it stays while frames go by"
    session.show_nothing()
    session.show(Geometries(ETHANOL, frames()))
    assert len(magenta()) == 0


def test_the_widget_can_be_grabbed_and_follows_the_theme(panel, session):
    light = pixels(panel.view.grab().toImage())
    session.set_dark(True)
    dark = pixels(panel.view.grab().toImage())
    assert light[5, 5].mean() > 200
    assert dark[5, 5].mean() < 80
    session.set_dark(False)


def test_bonds_found_later_are_drawn(panel, session):
    """A molecule may come without bonds at first; double bonds are two sticks."""
    bare = dataclasses.replace(ETHANOL, bonds=np.zeros((0, 2), int), orders=np.zeros(0))
    session.show(Geometries(bare, frames()))
    assert len(panel.view.bonds) == 8, "drawn from distances"
    single = pixels(panel.view.image(1.0))
    double = dataclasses.replace(ETHANOL, orders=np.full(8, 2.0))
    session.show(Geometries(double, frames()))
    assert (np.abs(pixels(panel.view.image(1.0)) - single).max(-1) > 40).sum() > 200


def test_nothing_is_rendered_twice(panel, monkeypatch):
    calls = []
    render = panel.view._scene.render
    monkeypatch.setattr(
        panel.view._scene, "render", lambda *a, **k: calls.append(1) or render(*a, **k)
    )
    panel.view.grab()
    calls.clear()
    for _ in range(3):
        panel.view.grab()
    panel.view.set_picks((0, 1))
    panel.view.set_labels(True)
    panel.view.grab()
    assert calls == [], "labels and measurements are drawn over the same picture"
    panel.view.camera.rotate(0.1, 0)
    panel.view.grab()
    assert calls == [1]


def test_no_vtk_before_the_first_molecule_is_painted(qtbot, session):
    made = MoleculePanel(session)
    qtbot.addWidget(made)
    made.resize(*SIZE)
    made.show()
    QApplication.processEvents()
    assert made.view._scene is None
    assert "No molecule" in made.view.accessibleDescription()
    assert pixels(made.view.grab().toImage()).std() > 0, "the invitation is written there"
    made.release()


def test_closing_gives_the_graphics_back_and_showing_again_works(panel):
    panel.view.grab()
    panel.release()
    assert panel.view._scene is None
    panel.view.grab()
    assert panel.view._scene is None, "no painting after the end"
    panel.hide()
    panel.show()
    red = pixels(panel.view.image(1.0))
    assert (red[..., 0] - red[..., 1] > 90).any()


def test_a_machine_without_opengl_gets_a_sentence(qtbot, session, monkeypatch):
    from widgets.molecule import canvas as molecule_canvas
    from widgets.molecule.scene import NoOpenGL

    def broken():
        raise NoOpenGL("no OpenGL 3.2 here")

    monkeypatch.setattr(molecule_canvas, "Scene", broken)
    made = MoleculePanel(session)
    qtbot.addWidget(made)
    made.resize(*SIZE)
    made.show()
    session.show(Geometries(ETHANOL, ETHANOL.positions[None]))
    made.view.grab()
    assert "OpenGL" in made.view._problem


# -- picking ----------------------------------------------------------------------------------
def test_clicks_pick_two_three_four_atoms_and_their_values(qtbot, panel):
    for count, atom in enumerate((8, 2, 1, 0), start=1):
        click(qtbot, panel, at(panel, atom))
        assert len(panel.view.picks) == count
    assert panel.view.picks == (8, 2, 1, 0)
    want = math.degrees(measure(frames()[0], (8, 2, 1, 0)))
    shown = panel.strip.value.text().replace("−", "-").strip("<b>/°")
    assert float(shown) == pytest.approx(want, abs=0.051)
    qtbot.keyClick(panel.view, Qt.Key.Key_Escape)
    assert panel.view.picks == ()


def test_a_picked_atom_is_let_go_by_a_second_click_and_a_fifth_starts_anew(qtbot, panel):
    click(qtbot, panel, at(panel, 0))
    click(qtbot, panel, at(panel, 0))
    assert panel.view.picks == ()
    panel.view.set_picks(HYDROXYL)
    click(qtbot, panel, at(panel, 3))
    assert panel.view.picks == (3,)


def test_values_follow_the_frames_and_measurements_stay(qtbot, panel, session):
    panel.view.set_picks(HYDROXYL)
    for frame in (0, 4, 9):
        session.set_frame(frame)
        want = math.degrees(measure(frames()[frame], HYDROXYL))
        shown = float(panel.strip.value.text().replace("−", "-").strip("<b>/°"))
        assert shown == pytest.approx(want, abs=0.051)
    qtbot.keyClick(panel.view, Qt.Key.Key_M)
    assert panel.view.pinned == (HYDROXYL,)
    session.show(Geometries(ETHANOL, frames()[::-1]))
    assert panel.view.pinned == (HYDROXYL,), "other frames of the same molecule"
    water = Molecule("water", [8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    session.show(Geometries(water, water.positions[None]))
    assert panel.view.pinned == ()
    assert panel.view.picks == ()


def test_typed_atoms_are_picked_and_nonsense_is_told(qtbot, panel):
    panel.strip.edit.setText("1 2 3 9")
    qtbot.keyClick(panel.strip.edit, Qt.Key.Key_Return)
    assert panel.view.picks == HYDROXYL
    panel.strip.edit.setText("1 2 42")
    qtbot.keyClick(panel.strip.edit, Qt.Key.Key_Return)
    assert "no atom 42" in panel.strip.message.text()
    assert panel.view.picks == HYDROXYL


def test_the_picture_keeps_its_size_while_atoms_are_picked(panel):
    before = panel.view.size()
    for atoms in ((0,), (0, 1), (0, 1, 2), HYDROXYL, (0, 1, 2, 3)):
        panel.view.set_picks(atoms)
        QApplication.processEvents()
        assert panel.view.size() == before


def test_the_panel_fits_a_narrow_dock(panel):
    assert panel.minimumSizeHint().width() <= 320


# -- mouse and keyboard on the camera ---------------------------------------------------------
def drag(qtbot, view, button, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.mousePress(view, button, modifier, QPoint(60, 60))
    for x in (70, 90, 120):
        qtbot.mouseMove(view, QPoint(x, 60 + (x - 60) // 2))
    # qtbot's moves carry no modifier: say it directly
    qtbot.mouseRelease(view, button, modifier, QPoint(120, 90))


def test_left_drag_rotates_and_picks_nothing(qtbot, panel):
    before = panel.view.camera.rotation.copy()
    drag(qtbot, panel.view, LEFT)
    assert np.abs(panel.view.camera.rotation - before).max() > 0.1
    assert panel.view.picks == ()


@pytest.mark.parametrize("button", [MIDDLE, RIGHT])
def test_other_buttons_move_the_molecule_with_the_mouse(qtbot, panel, button):
    before, turned = panel.view.projected()[0].copy(), panel.view.camera.rotation.copy()
    drag(qtbot, panel.view, button)
    moved = panel.view.projected()[0] - before
    assert np.array_equal(panel.view.camera.rotation, turned)
    assert np.abs(moved - [60, 30]).max() < 12, "it follows the mouse (nearer atoms a little more)"


def test_the_wheel_zooms(panel):
    before = panel.view.projected()[2].copy()
    view = panel.view
    event = QWheelEvent(
        QPointF(50, 50), QPointF(view.mapToGlobal(QPoint(50, 50))), QPoint(), QPoint(0, 240),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)
    assert (view.projected()[2] > 1.2 * before).all()


def test_keyboard_alone_turns_zooms_resets_labels_and_steps(qtbot, panel, session):
    view, ctrl = panel.view, Qt.KeyboardModifier.ControlModifier
    start = view.camera.rotation.copy()
    qtbot.keyClick(view, Qt.Key.Key_Left, ctrl)
    assert np.abs(view.camera.rotation - start).max() > 0.1
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    assert view.camera.zoom > 1
    qtbot.keyClick(view, Qt.Key.Key_R)
    assert view.camera.zoom == 1
    qtbot.keyClick(view, Qt.Key.Key_L)
    assert view.labels
    assert panel.act_labels.isChecked()
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert session.frame == 1
    qtbot.keyClick(view, Qt.Key.Key_Left)
    qtbot.keyClick(view, Qt.Key.Key_Left)
    assert session.frame == len(frames()) - 1, "round the ends"


def test_a_bigger_picture_is_drawn_coarse_while_it_moves(qtbot, panel):
    panel.view._fine_cost = 0.2  # as on a slow machine
    panel.view.camera.rotate(0.1, 0)
    panel.view._moved()
    assert panel.view._coarse
    qtbot.waitUntil(lambda: not panel.view._coarse, timeout=2000)
    assert QColor(panel.view.grab().toImage().pixel(5, 5)).lightness() > 200
