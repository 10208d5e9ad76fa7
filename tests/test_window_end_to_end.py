"""The real window on the real engine: from a dropped file to the difference map, and back again."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent

from app.example import AXES
from app.start import make_window
from core.analyses.dynamics import DynamicsSpec
from core.units import KCAL_MOL

CLOSE_SECONDS = 2.5  # 2 s for the engine, the rest for Qt on a busy machine


@pytest.fixture
def open_window(qtbot, tmp_path, example):
    """Opens real windows, one after the other, on the same preferences and projects."""
    made = []

    def make(*, path=None):
        window = make_window(
            settings_path=tmp_path / "settings.json",
            folder=tmp_path / "projects",
            example=example,
        )
        qtbot.addWidget(window)
        made.append(window)
        window.setWindowState(Qt.WindowState.WindowNoState)  # the pretended screen is small
        window.resize(1366, 768)
        window.show()
        window.begin(None if path is None else str(path), then=window.bridge.start)
        qtbot.waitUntil(lambda: bool(window.session.catalog), timeout=30_000)
        return window

    yield make
    for window in made:
        window.close()


def drop(window, path):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(50, 50),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    window.dropEvent(event)


def finished(window, kind):
    return [i for i in window.session.project.items(kind) if i.finished]


def click(qtbot, button):
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def import_file(window, qtbot, path):
    before = len(finished(window, "datasets"))
    drop(window, path)
    panel = window.panel("Data")
    qtbot.waitUntil(
        lambda: len(finished(window, "datasets")) == before + 1 and not panel.job, timeout=60_000
    )
    return finished(window, "datasets")[-1]


def test_from_import_to_difference_map(open_window, qtbot, tmp_path, example):
    from core.project import Project

    Project.create(tmp_path / "mine", "mine").close()
    window = open_window(path=tmp_path / "mine")
    session = window.session

    # import: the report says what was found, the frames are shown, the item is in the tree
    import_file(window, qtbot, example / "ethanol.extxyz")
    text = window.panel("Data").report.text()
    count = len(session.geometries.positions)
    assert count >= 500
    assert f"{count:,} frames of C2H6O" in text
    assert f"{count:,} forces" in text
    assert "downhill" in text
    import_file(window, qtbot, example / "surface.extxyz")
    tree = window.panel("Project")
    assert tree.groups["datasets"].childCount() == 2

    # a surface of three force fields, asked for with the panel's own form
    session.set_axis(0, AXES[0])
    session.set_axis(1, AXES[1])
    window.open_workspace("Surface")
    panel = window.panel("Surface")
    form = panel.form
    for row in (form.range1, form.range2):
        row.start.setValue(-180)
        row.stop.setValue(120)
        row.n.setValue(6)
    labels = [form.fields.item(k).text() for k in range(form.fields.count())]
    reference = next(t for t in labels if "surface" in t)
    for label in labels:
        form.fields.tick(label, label in (reference, "MMFF94", "UFF"))
    assert not form.problem()
    click(qtbot, panel.compute)
    qtbot.waitUntil(lambda: bool(finished(window, "surfaces")) and not panel.job, timeout=60_000)
    record = session.project.load(finished(window, "surfaces")[0])
    assert [layer.label for layer in record.layers] == [reference, "MMFF94", "UFF"]
    assert all(np.isfinite(layer.energy).all() for layer in record.layers)
    click(qtbot, panel.display.energy)
    # maps: every force field has its own zero, in kcal/mol
    for layer, shown in zip(record.layers, panel.display.grid.maps, strict=True):
        expected = (layer.energy - layer.energy.min()) / KCAL_MOL
        np.testing.assert_allclose(np.ravel(shown.values), expected, atol=1e-9)

    # difference maps: E - E_reference up to one constant per force field
    click(qtbot, panel.display.difference)
    maps = panel.display.grid.maps
    assert [m.label for m in maps] == ["MMFF94", "UFF"]
    base = record.layers[0].energy
    for layer, shown in zip(record.layers[1:], maps, strict=True):
        rest = np.ravel(shown.values) - (layer.energy - base) / KCAL_MOL
        assert np.ptp(rest) < 1e-6
        assert np.ptp(shown.values) > 0.1  # these force fields are not the reference

    # a click on the map shows that geometry in the molecule view
    panel.display.choose(0, 7)
    chosen = session.geometries.positions[session.frame]
    assert any(np.allclose(chosen, layer.positions[7]) for layer in record.layers)

    # closed and opened again: everything is there
    window.close()
    again = open_window(path=tmp_path / "mine")
    assert [i.name for i in finished(again, "datasets")] == ["ethanol", "surface"]
    shown = again.panel("Surface").display
    qtbot.waitUntil(lambda: len(shown.grid.maps) >= 3, timeout=10_000)
    assert again.session.axes == AXES


def test_broken_file_leaves_the_project_as_it_was(open_window, qtbot, tmp_path, example):
    from core.project import Project

    Project.create(tmp_path / "mine", "mine").close()
    window = open_window(path=tmp_path / "mine")
    bad = tmp_path / "bad.extxyz"
    lines = (example / "ethanol.extxyz").read_text().splitlines()[:33]
    bad.write_text("\n".join([*lines[:14], "C 0.1 zero 0.3 0 0 0", *lines[15:]]))
    drop(window, bad)
    message = window.panel("Data").states.message
    qtbot.waitUntil(lambda: "not imported" in message.title.text(), timeout=30_000)
    assert "bad.extxyz" in message.hint.text()
    assert any(word in message.hint.text() for word in ("line 15", "frame 2"))
    assert window.session.project.items() == ()


def test_example_is_made_once_and_a_run_goes_on_after_closing(open_window, qtbot):
    window = open_window()
    assert window.session.geometries is not None  # the molecule is there before any worker
    assert window.session.axes == AXES
    qtbot.waitUntil(lambda: len(finished(window, "surfaces")) == 1, timeout=60_000)
    assert len(finished(window, "datasets")) == 2
    surface = window.session.project.load(finished(window, "surfaces")[0])
    assert surface.layers[0].energy.shape == (576,)
    qtbot.waitUntil(lambda: window.session.project.settings.get("example") == "ready")

    # a run that would take minutes, cut off by closing the window
    data = window.session.project.load(finished(window, "datasets")[0])
    item = window.session.project.reserve("runs", "long run")
    from core.fieldref import FieldRef

    spec = DynamicsSpec(
        data.molecule,
        FieldRef("uff", label="UFF"),
        time=1e6,
        stride=20,
        checkpoint_seconds=0.3,
        out=str(item.folder),
    )
    window.session.submit(spec, title="long run")
    checkpoint = item.folder / "checkpoint.npz"
    qtbot.waitUntil(checkpoint.exists, timeout=30_000)
    begin = time.perf_counter()
    window.close()
    assert time.perf_counter() - begin < CLOSE_SECONDS

    again = open_window()
    assert len(finished(again, "datasets")) == 2  # not made a second time
    (offer,) = [n for n in again.notices.shown() if n.buttons]
    assert "long run" in offer.text
    old = checkpoint.read_bytes()
    click(qtbot, offer.buttons["Go on"])
    (job,) = [j for j in again.session.jobs.values() if j.title == "long run"]
    assert job.spec.resume == str(checkpoint)
    qtbot.waitUntil(lambda: checkpoint.read_bytes() != old, timeout=30_000)
    again.session.stop(job.id)
    qtbot.waitUntil(lambda: bool(finished(again, "runs")), timeout=30_000)
    run = again.session.project.load(finished(again, "runs")[0])
    assert np.all(np.diff(run.time) > 0)  # one run, not two
