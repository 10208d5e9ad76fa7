"""Comparison: the scorecard on the screen, and measuring what is missing in it."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt

from core.analyses.errors import ErrorsSpec
from core.fieldref import FieldRef
from core.storage import load
from core.units import ENERGY_UNITS
from tests.widgets.lab import Lab, make_errors
from widgets.panels.comparison import ComparisonPanel, fair_frames

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def lab(qtbot, tmp_path):
    made = Lab(tmp_path)
    yield made
    made.project.close()


@pytest.fixture
def panel(qtbot, lab):
    made = ComparisonPanel(lab.session)
    qtbot.addWidget(made)
    made.resize(900, 400)
    made.show()
    return made


def wait_rows(qtbot, panel, n: int) -> None:
    qtbot.waitUntil(lambda: len(panel.scores) == n and len(panel.table.shown()) == n, timeout=5000)


def test_empty_at_first_with_an_invitation_that_opens_the_chooser(qtbot, panel):
    qtbot.waitUntil(lambda: panel.states.message.title.text() == "Nothing to compare yet")
    qtbot.mouseClick(panel.states.message.button, LEFT)
    assert panel.chooser.isVisible()


def test_new_fits_appear_by_themselves_in_the_screens_unit(qtbot, panel, lab):
    lab.add_fit("sGDML 10", 0.04)
    lab.session.items_changed.emit("fits")
    wait_rows(qtbot, panel, 1)
    lab.session.set_unit(ENERGY_UNITS["meV"])
    row = panel.table.shown()[0]
    assert row[:3] == ["sGDML 10", "20.0", "40.0"]
    assert panel.table.model.columns[2].header == "Force MAE (meV/Å)"
    assert row[3] == "–"
    assert "own test frames of ethanol" in row[7]
    lab.session.set_unit(ENERGY_UNITS["eV"])
    assert panel.table.shown()[0][2] == "0.0400"


def test_sorting_and_markdown(qtbot, panel, lab):
    lab.add_fit("worse", 0.09)
    lab.add_fit("better", 0.01)
    lab.session.items_changed.emit("fits")
    wait_rows(qtbot, panel, 2)
    panel.table.sort_by(2)
    lines = panel.table.markdown().splitlines()
    assert lines[0].startswith("| Force field | Energy MAE (kcal/mol) |")
    assert lines[2].startswith("| better |")


def test_a_row_selects_its_item_and_the_item_its_row(qtbot, panel, lab):
    a, b = lab.add_fit("a"), lab.add_fit("b")
    lab.session.items_changed.emit("fits")
    wait_rows(qtbot, panel, 2)
    seen = []
    lab.session.item_selected.connect(seen.append)
    place = panel.table.view.visualRect(panel.table.sorted.index(1, 0)).center()
    qtbot.mouseClick(panel.table.view.viewport(), LEFT, pos=place)
    assert seen == [b.id]
    lab.session.item_selected.emit(a.id)
    assert panel.table.selected() == a.id


def test_evaluate_measures_the_ticked_ones_on_frames_nobody_was_trained_on(qtbot, panel, lab):
    lab.add_fit("small", n_train=10)
    lab.add_fit("large", n_train=12)
    lab.session.items_changed.emit("fits")
    wait_rows(qtbot, panel, 2)
    panel.evaluate.setChecked(True)
    labels = [panel.fields.item(k).text() for k in range(panel.fields.count())]
    assert labels == ["small", "large", "MMFF94", "UFF"]
    panel.fields.item(3).setCheckState(Qt.CheckState.Unchecked)
    assert panel.go.text() == "Evaluate 3 on ethanol"
    qtbot.mouseClick(panel.go, LEFT)
    qtbot.waitUntil(lambda: len(lab.jobs(ErrorsSpec)) == 3, timeout=5000)
    specs = [lab.specs[j] for j in lab.jobs(ErrorsSpec)]
    assert [s.field.label for s in specs] == ["small", "large", "MMFF94"]
    for spec in specs:
        assert spec.frames.tolist() == list(range(17, 40)), "12 + 5 were used, at most"
        assert spec.dataset == str(lab.data.record)
    assert "Evaluating small, large, MMFF94" in panel.note.text()

    job = lab.jobs(ErrorsSpec)[2]
    item = next(i for i in lab.project.items("errors") if str(i.folder) == lab.specs[job].out)
    lab.project.save(item, make_errors("MMFF94", 0.5))
    lab.say(job, "done", 1.0)
    wait_rows(qtbot, panel, 3)
    assert "MMFF94" in [row[0] for row in panel.table.shown()]
    assert "MMFF94" not in panel.note.text()


def test_a_failed_evaluation_is_told_beside_the_table(qtbot, panel, lab):
    panel.evaluate.setChecked(True)
    qtbot.mouseClick(panel.go, LEFT)
    qtbot.waitUntil(lambda: len(lab.jobs(ErrorsSpec)) == 2, timeout=5000)
    first, second = lab.jobs(ErrorsSpec)
    lab.say(first, "failed", message="MMFF94 has no parameters for boron")
    lab.say(second, "cancelled")
    assert "boron" in panel.note.text()


def test_fair_frames_leaves_training_and_validation_frames_out(lab):
    item = lab.add_fit("all of it", n_train=35)
    model = str(item.folder / "model.npz")
    refs = (FieldRef("sgdml", model=model),)
    with pytest.raises(ValueError, match="used to train"):
        fair_frames(lab.session, lab.data.id, refs)
    assert fair_frames(lab.session, lab.data.id, (FieldRef("uff"),)) is None
    other = lab.add_data("other", 30)
    assert fair_frames(lab.session, other.id, refs) is None, "another data set is all new to it"
    split = load(item.record).split
    assert len(np.intersect1d(split.train, split.valid)) == 0


def test_only_the_chosen_data_set_counts(qtbot, panel, lab):
    lab.add_fit("sGDML 10")
    other = lab.add_data("other", 30)
    lab.session.items_changed.emit("datasets")
    lab.session.items_changed.emit("fits")
    wait_rows(qtbot, panel, 1)
    panel.data.setCurrentIndex(panel.data.findData(other.id))
    qtbot.waitUntil(lambda: panel.table.shown()[0][2] == "–", timeout=5000)


def test_a_dynamics_bound_is_marked(qtbot, panel, lab):
    from tests.core.analyses.test_compare import trajectory

    lab.project.add("runs", "run", trajectory("UFF", 5.0))
    lab.session.items_changed.emit("runs")
    wait_rows(qtbot, panel, 1)
    assert panel.table.shown()[0][6] == "≥ 5.00"
