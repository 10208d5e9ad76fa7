"""The molecule view: what is drawn, projected and picked is the same molecule."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication

from core.geometry import measure, rotate_dihedral
from core.molecule import Molecule
from core.units import ENERGY_UNITS
from tests.molecules import ETHANOL, HYDROXYL, METHYL
from tests.tolerances import SUPERPOSED
from widgets.molecule_camera import Camera, pick_atom, pick_bond, superpose
from widgets.molecule_picks import dihedral_of_bond, parse_atoms
from widgets.molecule_scene import atom_radii
from widgets.panels.molecule import MoleculePanel
from widgets.session import Geometries, Session

LEFT, RIGHT, MIDDLE = (
    Qt.MouseButton.LeftButton,
    Qt.MouseButton.RightButton,
    Qt.MouseButton.MiddleButton,
)
SIZE = (420, 520)


def frames() -> np.ndarray:
    """The hydroxyl turned in 30° steps."""
    from core.bonding import moving_atoms

    angles = np.radians(np.arange(-150.0, 181.0, 30.0))
    start = np.repeat(ETHANOL.positions[None], len(angles), axis=0)
    return rotate_dihedral(start, HYDROXYL, angles, moving_atoms(ETHANOL, HYDROXYL))


@pytest.fixture
def session(qtbot) -> Session:
    return Session()


@pytest.fixture
def panel(qtbot, session) -> MoleculePanel:
    made = MoleculePanel(session)
    qtbot.addWidget(made)
    made.resize(*SIZE)
    made.show()
    qtbot.waitExposed(made)
    r = frames()
    energies = 0.05 * (1 - np.cos(3 * np.radians(np.arange(-150.0, 181.0, 30.0)))) - 4000.0
    session.show(Geometries(ETHANOL, r, energies, "turning hydroxyl"))
    QApplication.processEvents()
    yield made
    made.release()


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


# -- geometry of the camera -------------------------------------------------------------------
def test_rays_go_through_what_is_projected_there():
    camera = Camera()
    camera.fit(ETHANOL.positions, atom_radii(ETHANOL.numbers))
    camera.rotate(0.7, -0.4)
    camera.pan(13, -8, 400, 300)
    camera.magnify(1.7)
    screen, depth, _ = camera.project(ETHANOL.positions, 400, 300)
    for (x, y), d, r in zip(screen, depth, ETHANOL.positions, strict=True):
        origin, direction = camera.ray(x, y, 400, 300)
        along = (r - origin) @ direction
        assert np.linalg.norm(r - origin - along * direction) < 1e-9
        assert along * (direction @ -camera.rotation[2]) == pytest.approx(d)


@pytest.mark.parametrize("size", [(400, 300), (200, 500), (90, 90)])
def test_the_whole_molecule_fits_in_any_window(size):
    camera, radii = Camera(), atom_radii(ETHANOL.numbers)
    camera.fit(ETHANOL.positions, radii)
    screen, _, scale = camera.project(ETHANOL.positions, *size)
    r = (radii * scale)[:, None]
    assert (screen - r >= -1).all()
    assert (screen + r <= np.array(size) + 1).all()
    spread = (screen + r).max(0) - (screen - r).min(0)
    assert (spread / np.array(size)).max() > 0.6, "and it is not lost in it"


def test_turning_many_times_keeps_a_rotation():
    camera = Camera()
    for _ in range(3000):
        camera.rotate(0.031, 0.017)
        camera.roll(0.01)
    assert np.abs(camera.rotation @ camera.rotation.T - np.eye(3)).max() < 1e-12
    assert np.linalg.det(camera.rotation) == pytest.approx(1.0)


def test_the_nearest_of_two_atoms_in_line_is_picked():
    positions = np.array([[0.0, 0, 0], [0, 0, 3.0]])
    atom, distance = pick_atom(
        np.array([0, 0, 10.0]), np.array([0, 0, -1.0]), positions, np.ones(2)
    )
    assert (atom, distance) == (1, pytest.approx(6.0))
    assert pick_atom(np.array([5.0, 0, 10]), np.array([0, 0, -1.0]), positions, np.ones(2))[0] == -1


def test_a_bond_is_picked_within_its_radius_only():
    positions = np.array([[-1.0, 0, 0], [1.0, 0, 0]])
    bonds = np.array([[0, 1]])
    down = np.array([0, 0, -1.0])
    assert pick_bond(np.array([0.3, 0.1, 5]), down, positions, bonds, 0.15)[0] == 0
    assert pick_bond(np.array([0.3, 0.2, 5]), down, positions, bonds, 0.15)[0] == -1
    assert pick_bond(np.array([1.3, 0.0, 5]), down, positions, bonds, 0.15)[0] == -1


def test_superposing_changes_no_internal_coordinate_and_finds_the_way_back():
    rng = np.random.default_rng(3)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    moved = ETHANOL.positions @ q.T + [3.0, -2.0, 7.0]
    back = superpose(moved, ETHANOL.positions, np.ones(9))
    assert np.abs(back - ETHANOL.positions).max() < SUPERPOSED
    mirrored = superpose(ETHANOL.positions * [1, 1, -1], ETHANOL.positions, np.ones(9))
    a, b = (measure(x, METHYL) for x in (mirrored, ETHANOL.positions * [1, 1, -1]))
    assert a == pytest.approx(b), "a mirror image is not folded back by a reflection"


def test_atoms_are_parsed_as_chemists_write_them():
    assert parse_atoms("1 2 3 9", 9) == (0, 1, 2, 8)
    assert parse_atoms("C1-C2, O3–H9", 9) == (0, 1, 2, 8)
    for text in ("1 2 12", "1 x", "1 1", "1 2 3 4 5", "0 1"):
        with pytest.raises(ValueError, match=r"atom|stands|there"):
            parse_atoms(text, 9)


def test_best_dihedral_of_a_bond_or_the_reason_why_there_is_none():
    assert dihedral_of_bond(ETHANOL, 1, 2) == (HYDROXYL, "")
    assert dihedral_of_bond(ETHANOL, 1, 0)[1] == ""
    atoms, reason = dihedral_of_bond(ETHANOL, 2, 8)
    assert atoms == (2, 8)
    assert "no other neighbour" in reason


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


def test_the_widget_can_be_grabbed_and_follows_the_theme(panel, session):
    light = pixels(panel.view.grab().toImage())
    session.set_dark(True)
    dark = pixels(panel.view.grab().toImage())
    assert light[5, 5].mean() > 200
    assert dark[5, 5].mean() < 80
    session.set_dark(False)


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
    from widgets import molecule_canvas
    from widgets.molecule_scene import NoOpenGL

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


# -- axes -------------------------------------------------------------------------------------
def test_clicking_two_bonds_makes_the_two_axes_and_undo_takes_them_back(qtbot, panel, session):
    click(qtbot, panel, between(panel, 1, 2))
    assert session.axes == (HYDROXYL, None)
    assert panel.view.picks == HYDROXYL
    click(qtbot, panel, between(panel, 0, 1))
    assert session.axes[0] == HYDROXYL
    assert {session.axes[1][1], session.axes[1][2]} == {0, 1}
    session.undo.undo()
    assert session.axes == (HYDROXYL, None)
    session.undo.undo()
    assert session.axes == (None, None)


def test_four_atoms_become_an_axis_by_a_button(qtbot, panel, session):
    for atom in METHYL:
        panel.view.set_picks((*panel.view.picks, atom))
    qtbot.mouseClick(panel.strip.axis[1], LEFT)
    assert session.axes == (None, METHYL)


@pytest.mark.parametrize(
    ("atoms", "reason"),
    [((0, 1, 2, 3), "not bonded"), ((3, 0, 4, 1), "not bonded|improper"), ((5, 4, 3, 0), "not")],
)
def test_a_senseless_dihedral_is_refused_with_the_reason(panel, session, atoms, reason):
    import re

    panel.view.set_picks(atoms)
    assert not panel.strip.axis[0].isEnabled()
    assert re.search(reason, panel.strip.message.text())
    panel.use_as_axis(0)
    assert session.axes == (None, None)


def test_a_bond_that_cannot_turn_says_why(qtbot, panel, session):
    click(qtbot, panel, between(panel, 2, 8))
    assert session.axes == (None, None)
    assert "no other neighbour" in panel.strip.message.text()


def test_axes_of_another_molecule_are_not_drawn(panel, session):
    session.set_axis(0, HYDROXYL)
    assert panel.view.axes[0] == HYDROXYL
    water = Molecule("water", [8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    session.show(Geometries(water, water.positions[None]))
    assert panel.view.axes == (None, None)


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


# -- playback and energy ----------------------------------------------------------------------
def test_space_plays_and_pauses(qtbot, panel, session):
    panel.playback.fps.setValue(60)
    seen = []
    session.frame_changed.connect(seen.append)
    qtbot.keyClick(panel.view, Qt.Key.Key_Space)
    assert panel.playback.playing
    qtbot.waitUntil(lambda: len(seen) >= 4, timeout=3000)
    assert seen[:4] == [1, 2, 3, 4]
    qtbot.keyClick(panel.view, Qt.Key.Key_Space)
    assert not panel.playback.playing


def test_without_loop_it_ends_at_the_last_frame(qtbot, panel, session):
    panel.playback.loop.setChecked(False)
    panel.playback.fps.setValue(60)
    session.set_frame(len(frames()) - 3)
    panel.playback.start()
    qtbot.waitUntil(lambda: not panel.playback.playing, timeout=3000)
    assert session.frame == len(frames()) - 1


def test_slider_and_number_choose_the_frame(panel, session):
    panel.playback.slider.setValue(5)
    assert session.frame == 5
    assert panel.playback.spin.value() == 6, "people count from 1"
    panel.playback.spin.setValue(3)
    assert session.frame == 2
    assert panel.playback.slider.value() == 2


def test_energy_is_above_the_lowest_frame_in_the_chosen_unit(panel, session):
    e = session.geometries.energies
    session.set_frame(2)
    for key in ("kcal/mol", "meV"):
        unit = ENERGY_UNITS[key]
        session.set_unit(unit)
        text = panel.energy.text()
        assert float(text.split()[0]) == pytest.approx((e[2] - e.min()) / unit.ev, abs=0.06)
        assert key in text
    session.show(Geometries(ETHANOL, frames()))
    assert panel.energy.text() == "no energy"


def test_frames_are_superposed_unless_told_otherwise(panel, session):
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    tumbled = np.stack([ETHANOL.positions, ETHANOL.positions @ q.T + 5.0])
    session.show(Geometries(dataclasses.replace(ETHANOL, name="tumbling"), tumbled))
    first = panel.view.positions.copy()
    session.set_frame(1)
    assert np.abs(panel.view.positions - first).max() < 1.0
    panel.act_align.setChecked(False)
    assert np.array_equal(panel.view.positions, tumbled[1])


# -- out --------------------------------------------------------------------------------------
def test_png_is_saved_sharp_and_a_bad_path_is_an_error(panel, tmp_path):
    panel.view.save_png(tmp_path / "ethanol.png", scale=2.0)
    image = QImage(str(tmp_path / "ethanol.png"))
    assert image.width() == 2 * panel.view.width()
    with pytest.raises(OSError, match="cannot be written"):
        panel.view.save_png(tmp_path / "missing" / "x.png")


def test_geometry_is_copied_as_xyz(panel, session):
    session.set_frame(3)
    panel.copy_geometry()
    lines = QApplication.clipboard().text().splitlines()
    assert lines[0] == "9"
    assert "frame 4" in lines[1]
    got = np.array([[float(v) for v in line.split()[1:]] for line in lines[2:11]])
    assert np.abs(got - frames()[3]).max() < 1e-7


def test_every_control_has_a_name_for_screen_readers(panel):
    from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QLineEdit

    inner = (QAbstractSpinBox,)
    for kind in (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QLineEdit):
        for w in panel.findChildren(kind):
            if isinstance(w.parent(), inner):
                continue  # part of a spin box, which has a name
            assert w.accessibleName() or getattr(w, "text", lambda: "")(), w
    assert "ethanol" in panel.view.accessibleDescription()


def test_a_bigger_picture_is_drawn_coarse_while_it_moves(qtbot, panel):
    panel.view._fine_cost = 0.2  # as on a slow machine
    panel.view.camera.rotate(0.1, 0)
    panel.view._moved()
    assert panel.view._coarse
    qtbot.waitUntil(lambda: not panel.view._coarse, timeout=2000)
    assert QColor(panel.view.grab().toImage().pixel(5, 5)).lightness() > 200
