"""Comparison: the scorecard on the screen, and measuring what is missing in it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from core.analyses.errors import Errors, ErrorsSpec
from core.analyses.uncertainty import figures
from core.fieldref import FieldRef
from core.storage import load
from core.units import ENERGY_UNITS
from tests.widgets.lab import make_errors, show
from widgets.panels.comparison import ComparisonPanel, fair_frames
from widgets.uncertainty import FLOOR

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(qtbot, lab):
    return show(qtbot, ComparisonPanel(lab.session), 900, 400)


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


# -- uncertainty --------------------------------------------------------------------------------
def sure(label: str, frames: int = 40) -> Errors:
    """Errors with sigmas over a decade; frame k has error (-1)^k 1.5 sigma, the last none."""
    sigma = 0.001 * 10 ** np.linspace(0, 1, frames)
    error = 1.5 * sigma * (-1.0) ** np.arange(frames)
    error[-1] = 0.0
    force = sigma.copy()
    return dataclasses.replace(
        make_errors(label, 0.03, frames), frames=np.arange(frames), frame_sigma=sigma,
        frame_energy_error=error, frame_force_mae=force,
        sigma_figures=figures(sigma, error, force),
    )  # fmt: skip


def add_errors(lab, label: str, errors: Errors):
    item = lab.project.reserve("errors", f"{label} on ethanol")
    lab.project.save(item, errors)
    lab.project.note_job(item.id, ErrorsSpec(FieldRef("gap", label=label), str(lab.data.record)))
    return item


def test_uncertainty_is_a_plot_only_where_a_field_tells_its_own(qtbot, panel, lab):
    lab.add_fit("sGDML 10")
    lab.session.items_changed.emit("fits")
    wait_rows(qtbot, panel, 1)
    assert not panel.uncertainty.isVisible()
    assert len(panel.table.model.columns) == 8
    add_errors(lab, "GAP", sure("GAP"))
    lab.session.items_changed.emit("errors")
    wait_rows(qtbot, panel, 2)
    qtbot.waitUntil(lambda: len(panel.uncertainty.plot.sigma) == 40)
    assert panel.uncertainty.isVisible()
    lab.session.set_unit(ENERGY_UNITS["meV"])
    row = next(r for r in panel.table.shown() if r[0] == "GAP")
    assert row[7:10] == ["3.9", "0.85 (0.58)", "2 %, 100 %"]
    assert "2 %, 100 % of the energy errors are within its own σ" in panel.uncertainty.say.text()
    other = next(r for r in panel.table.shown() if r[0] == "sGDML 10")
    assert other[7:10] == ["–", "–", "–"]
    # a field without sigma is selected: what is on show stays
    panel.table.select(next(s.id for s in panel.scores if s.label == "sGDML 10"))
    assert panel.uncertainty.score.label == "GAP"


def test_dots_and_squares_lead_to_frames(qtbot, panel, lab):
    add_errors(lab, "GAP", sure("GAP"))
    lab.session.items_changed.emit("errors")
    wait_rows(qtbot, panel, 1)
    plot = panel.uncertainty.plot
    qtbot.waitUntil(lambda: len(plot.sigma) == 40)
    panel.resize(900, 700)
    view = plot.plot.plotItem.vb
    qtbot.waitUntil(lambda: view.sceneBoundingRect().height() > 100)
    x, y = plot._xy()
    assert 10 ** y[-1] == pytest.approx(FLOOR * np.median(plot.sigma) / lab.session.unit.ev)
    assert plot.nearest(view.mapViewToScene(QPointF(x[-1], y[-1]))) == ("frame", 39)
    gx, gy = plot._middles()
    assert len(gx) == 5
    np.testing.assert_allclose(gy[:-1] - gx[:-1], np.log10(1.5), atol=1e-9)
    kind, k = plot.nearest(view.mapViewToScene(QPointF(gx[2], gy[2])))
    assert (kind, k) == ("group", 2)
    assert "8 frames" in plot.text(kind, k)
    with qtbot.waitSignal(lab.session.geometries_changed):
        plot.frame_clicked.emit(39)
    shown = lab.session.geometries
    assert "largest energy error first" in shown.caption
    assert lab.session.frame == 39, "no error at all comes last"
    np.testing.assert_array_equal(shown.positions[0], load(lab.data.record).positions[38])
    lab.session.set_frame(0)
    assert plot._selected == 38
    header, rows = plot.table()
    assert header[0] == "frame"
    assert rows[0][0] == 1


def test_theme_and_unit_reach_the_uncertainty(qtbot, panel, lab):
    add_errors(lab, "GAP", sure("GAP"))
    lab.session.items_changed.emit("errors")
    wait_rows(qtbot, panel, 1)
    qtbot.waitUntil(lambda: len(panel.uncertainty.plot.sigma) == 40)
    lab.session.set_unit(ENERGY_UNITS["meV"])
    axis = panel.uncertainty.plot.plot.plotItem.getAxis("bottom")
    assert "meV" in axis.labelText
    lab.session.theme_changed.emit(True)
    assert panel.uncertainty.plot.dark
