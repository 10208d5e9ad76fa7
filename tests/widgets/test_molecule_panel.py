"""The molecule panel: axes, playback, energy, and what goes out."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from core.molecule import Molecule
from core.units import ENERGY_UNITS
from tests.molecules import ETHANOL, HYDROXYL, METHYL
from tests.widgets.turning import LEFT, between, click, frames, make_panel
from widgets.session import Geometries, Session


@pytest.fixture
def session(qtbot) -> Session:
    return Session()


@pytest.fixture
def panel(qtbot, session):
    made = make_panel(qtbot, session)
    yield made
    made.release()


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


# -- playback and energy ----------------------------------------------------------------------
def test_space_plays_and_pauses(qtbot, panel, session):
    panel.playback.set_fps(60)
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
    panel.playback.set_fps(60)
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
