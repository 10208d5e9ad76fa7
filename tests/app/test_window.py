"""The window around the panels: menus, layout, units, themes, messages, closing."""

import time

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QLabel, QWidget

from app.actions import every_action, plain
from app.palette_dialog import PaletteDialog, score
from app.settings import Settings
from core.project import Project


class Center(QWidget):
    TITLE, ORDER, AREA, HELP = "Surface", 20, "center", "Help of the surface."

    def __init__(self, session):
        super().__init__()
        self.session = session
        self.setMinimumSize(3000, 3000)


class Other(Center):
    TITLE, ORDER, HELP = "Training", 30, "Help of the training."


class Broken(Center):
    TITLE, ORDER = "Broken", 40

    def __init__(self, session):
        raise RuntimeError("no graphics card")


class Picture(Center):
    TITLE, ORDER, AREA = "Molecule", 50, "right"


def all_panels():
    from widgets.panels.data import DataPanel
    from widgets.panels.jobs import JobsPanel
    from widgets.panels.tree import TreePanel

    return TreePanel, DataPanel, Center, Other, Broken, Picture, JobsPanel


def test_no_panel_forces_the_window_to_grow(make_window):
    window = make_window(panels=all_panels())
    assert window.minimumSizeHint().width() <= 1366
    assert window.minimumSizeHint().height() <= 740
    window.resize(1366, 768)
    assert (window.width(), window.height()) == (1366, 768)


def test_broken_panel_says_so_and_the_rest_works(make_window):
    window = make_window(panels=all_panels())
    window.open_workspace("Broken")
    dock = window.docks.all["Broken"]
    texts = " ".join(label.text() for label in dock.findChildren(QLabel))
    assert "could not be opened" in texts
    assert "no graphics card" in texts
    assert window.panel("Surface") is not None


def test_workspaces_and_their_buttons(make_window, qtbot):
    window = make_window(panels=all_panels())
    assert [a.text() for a in window.bar.actions()] == ["Surface", "Training", "Broken"]
    window.actions_.all["go Training"].trigger()
    qtbot.waitUntil(lambda: window.actions_.all["go Training"].isChecked(), timeout=3000)
    assert not window.docks.all["Training"].visibleRegion().isEmpty()
    assert window.docks.all["Surface"].visibleRegion().isEmpty()


def test_layout_is_remembered_and_reset(make_window):
    window = make_window(panels=all_panels())
    window.docks.all["Data"].close()
    window.docks.all["Molecule"].setFloating(True)
    window.open_workspace("Training")
    window.close()
    again = make_window(panels=all_panels())
    assert not again.docks.all["Data"].isVisible()
    assert again.docks.all["Molecule"].isFloating()
    assert again.settings.workspace == "Training"
    again.reset_layout()
    assert again.docks.all["Data"].isVisible()
    assert not again.docks.all["Molecule"].isFloating()


def test_unit_is_chosen_in_one_place_and_remembered(make_window):
    window = make_window()
    seen = []
    window.session.unit_changed.connect(lambda u: seen.append(u.key))
    window.unit.setCurrentIndex(window.unit.findData("meV"))
    window.unit.activated.emit(window.unit.currentIndex())
    assert seen == ["meV"]
    assert window.actions_.all["unit meV"].isChecked()
    window.actions_.all["unit eV"].trigger()
    assert window.unit.currentData() == "eV"
    window.close()
    assert Settings.load(window.settings.path).unit == "eV"


def test_theme_reaches_the_panels(make_window, qtbot):
    window = make_window()
    seen = []
    window.session.theme_changed.connect(seen.append)
    window.set_theme("dark")
    qtbot.wait(1)
    assert window.palette().window().color().lightness() < 80
    window.set_theme("light")
    qtbot.wait(1)
    assert window.palette().window().color().lightness() > 200
    assert seen == [True, False]


def test_messages_are_not_modal(make_window):
    window = make_window()
    window.session.message.emit("saved", "info")
    assert window.statusBar().currentMessage() == "saved"
    before = len(window.notices.shown())
    window.session.message.emit("no", "error")
    window.session.message.emit("no", "error")
    assert len(window.notices.shown()) == before + 1
    assert "×2" in window.notices.shown()[-1].label.text()
    for i in range(9):
        window.session.message.emit(f"warning {i}", "warning")
    assert len(window.notices.shown()) <= 4


def test_exceptions_in_slots_become_notices(make_window, capsys):
    from app.start import Excepthook

    window = make_window()
    try:
        raise KeyError("lost")
    except KeyError as error:
        Excepthook(window)(KeyError, error, error.__traceback__)
    notice = window.notices.shown()[-1]
    assert "lost" in notice.text
    assert "test_window" in notice.details.text()
    assert "lost" in capsys.readouterr().err


def test_every_action_has_a_name_and_a_tip(make_window):
    window = make_window(panels=all_panels())
    for action in every_action(window):
        assert plain(action)
        assert action.toolTip()
    keys = [
        s.toString()
        for a in window.actions_.all.values()
        for s in a.shortcuts()
        if a is not window.actions_.all["redo"]
    ]
    assert len(keys) == len(set(keys))


def test_command_palette_finds_and_does(make_window, qtbot):
    window = make_window(panels=all_panels())
    dialog = PaletteDialog(every_action(window), window)
    qtbot.addWidget(dialog)
    dialog.line.setText("theme dark")
    assert dialog.list.count() >= 0
    dialog.line.setText("dark")
    qtbot.keyClick(dialog.line, Qt.Key.Key_Return)
    assert window.session.dark
    window.set_theme("light")


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [("res", "Reset layout", "Show results"), ("sa co", "Save copy as", "Stop all")],
)
def test_palette_order(query, better, worse):
    assert score(query, better) > score(query, worse)


def test_help_names_the_panel(make_window):
    window = make_window(panels=all_panels())
    assert "Help of the surface" in window.docks.all["Surface"].help
    middle = window.docks.all["Jobs"].mapToGlobal(window.docks.all["Jobs"].rect().center())
    assert window.docks.under(middle) is window.docks.all["Jobs"]


def test_dropped_file_goes_to_the_data_panel(qtbot, make_window, tmp_path):
    window = make_window()
    window.projects.create(tmp_path / "mine")
    path = tmp_path / "frames.xyz"
    path.write_text("1\n\nH 0 0 0\n")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    window.dropEvent(
        QDropEvent(
            QPointF(5, 5),
            Qt.DropAction.CopyAction,
            mime,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )
    specs = window.engine_for_tests.specs
    qtbot.waitUntil(lambda: bool(specs), timeout=5000)
    assert specs["engine-1"].path == str(path)


def test_export_round_trip(make_window, tmp_path, small):
    import ase.io

    from widgets.session import Geometries

    window = make_window()
    window.session.show(Geometries(small.molecule, small.positions, small.energies))
    window.files.export_to(tmp_path / "out.extxyz")
    frames = ase.io.read(tmp_path / "out.extxyz", ":")
    assert len(frames) == 4
    assert frames[2].get_potential_energy() == pytest.approx(0.2)
    assert abs(frames[3].positions - small.positions[3]).max() < 1e-9
    window.files.export_to(tmp_path / "nowhere" / "out.extxyz")
    assert "could not be written" in window.notices.shown()[-1].text


def test_close_ends_the_engine_and_lets_go_of_the_project(make_window, tmp_path):
    window = make_window()
    window.projects.create(tmp_path / "mine")
    begin = time.perf_counter()
    window.close()
    assert time.perf_counter() - begin < 2.0
    assert window.engine_for_tests.closed
    Project.open(tmp_path / "mine").close()  # not locked any more


def test_stall_monitor_sees_a_stall(qtbot):
    from app.stall import StallMonitor

    monitor = StallMonitor()
    monitor.start()
    qtbot.wait(60)
    time.sleep(0.2)
    qtbot.wait(20)
    assert 0.15 < monitor.stop() < 0.6
    assert len(monitor.stalls) == 1
