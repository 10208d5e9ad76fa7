"""The project tree: shows what is there, renames and deletes with undo, selects everywhere."""

import numpy as np
import pytest

from core.engine.events import Event
from core.forcefields.info import Info
from core.project import Project
from widgets.panels.tree import KIND, TreePanel
from widgets.session import Job, Session


@pytest.fixture
def session(qtbot, tmp_path, water):
    session = Session()
    session.project = Project.create(tmp_path / "p", "p")
    session.project.add("datasets", "water", water)
    yield session
    session.project.close()


@pytest.fixture
def panel(qtbot, session):
    panel = TreePanel(session)
    qtbot.addWidget(panel)
    return panel


def names(panel, kind):
    group = panel.groups[kind]
    return [group.child(i).text(0) for i in range(group.childCount())]


def pick(panel, kind, index=0):
    panel.tree.setCurrentItem(panel.groups[kind].child(index))


def test_everything_is_listed_and_empty_groups_say_what_to_do(panel, session):
    session.catalog = (Info("uff", "UFF", "MM"),)
    session.catalog_changed.emit()
    assert names(panel, "datasets") == ["water"]
    assert names(panel, "fits") == ["UFF"]
    assert "Compute" in names(panel, "surfaces")[0]
    assert panel.groups["surfaces"].child(0).data(0, KIND) is None


def test_rename_and_undo(panel, session):
    pick(panel, "datasets")
    panel.groups["datasets"].child(0).setText(0, "my water")
    assert session.project.items("datasets")[0].name == "my water"
    assert names(panel, "datasets") == ["my water"]
    session.undo.undo()
    assert session.project.items("datasets")[0].name == "water"
    assert names(panel, "datasets") == ["water"]
    session.undo.redo()
    assert names(panel, "datasets") == ["my water"]


def test_empty_name_is_not_taken(panel, session):
    panel.groups["datasets"].child(0).setText(0, "   ")
    assert names(panel, "datasets") == ["water"]
    assert session.undo.count() == 0


def test_delete_and_undo(panel, session):
    pick(panel, "datasets")
    panel.delete_action.trigger()
    assert session.project.items("datasets") == ()
    session.undo.undo()
    assert names(panel, "datasets") == ["water"]


def test_selection_goes_both_ways(panel, session, water):
    second = session.project.add("datasets", "other", water)
    session.items_changed.emit("datasets")
    seen = []
    session.item_selected.connect(seen.append)
    pick(panel, "datasets", 0)
    assert seen == [session.project.items("datasets")[0].id]
    session.item_selected.emit(second.id)
    assert panel.current_id() == second.id
    assert seen[1:] == [second.id]  # no echo


def test_double_click_shows_the_frames(panel, session, qtbot, water):
    panel.open(session.project.items("datasets")[0].id)
    qtbot.waitUntil(lambda: session.geometries is not None, timeout=5000)
    np.testing.assert_allclose(session.geometries.positions, water.positions)
    np.testing.assert_allclose(session.geometries.energies, water.energies)


def test_unfinished_and_damaged_items_are_marked(panel, session):
    item = session.project.reserve("surfaces", "scan")
    session.jobs["j"] = Job("j", "scan", None, item.id, "surfaces")
    session.items_changed.emit("surfaces")
    assert panel.row(item.id).text(1) == "not finished"
    session.job_event.emit("j", Event("j", 0, 0.0, "progress", 0.42))
    assert panel.row(item.id).text(1) == "42 %"
    session.item_selected.emit(item.id)
    panel.delete()  # not while it runs
    assert session.project.item(item.id)
    broken = session.project.items("datasets")[0].folder / "item.json"
    broken.write_text("{")
    session.items_changed.emit("datasets")
    assert panel.groups["datasets"].child(0).text(1) == "damaged"


def test_studies_are_listed_once_there_are_some_and_open_in_their_panel(panel, session):
    assert panel.groups["studies"].isHidden()
    item = session.project.reserve("studies", "curves")
    session.items_changed.emit("studies")
    assert not panel.groups["studies"].isHidden()
    assert names(panel, "studies") == ["curves"]
    opened, said = [], []
    session.open_workspace.connect(opened.append)
    session.message.connect(lambda text, level: said.append(text))
    panel.open(item.id)
    assert opened == ["Studies"]
    assert said == []  # nothing is wanted of the molecule view


def test_what_is_selected_before_it_is_listed_is_selected_then(panel, session):
    old = session.project.items("datasets")[0]
    session.item_selected.emit(old.id)
    new = session.project.reserve("fits", "new")
    session.item_selected.emit(new.id)
    assert panel.current_id() == old.id
    session.items_changed.emit("fits")
    assert panel.current_id() == new.id
    session.item_selected.emit(old.id)
    session.items_changed.emit("fits")
    assert panel.current_id() == old.id
