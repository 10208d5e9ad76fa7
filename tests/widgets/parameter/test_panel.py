"""The parameter editor: table, edits with undo, flags, molecule view, throttling, keeping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PySide6.QtCore import Qt

from core.analyses import parameter_preview
from core.analyses.parameter_preview import PreviewSpec
from core.analyses.parameter_scan import ParameterScanSpec
from core.analyses.parameters import Flag, ParametersSpec
from core.engine.context import Context
from core.units import ENERGY_UNITS, KCAL_MOL
from tests.widgets.lab import show
from tests.widgets.parameters_lab import choose, line, rows_of, torsions
from widgets.panels.parameters import ParametersPanel
from widgets.parameter import rows
from widgets.parameter.follow import changed_kinds

LEFT = Qt.MouseButton.LeftButton


# -- states -----------------------------------------------------------------------------------
def test_without_a_molecule_it_says_what_to_do(qtbot, lab):
    lab.project.remove(lab.data.id)
    made = show(qtbot, ParametersPanel(lab.session))
    assert made.states.message.title.text() == "No molecule yet"
    assert not lab.jobs(ParametersSpec)


def test_nothing_is_asked_before_the_panel_is_seen(lab, empty):
    assert not lab.specs


def test_loading_and_failure_are_drawn(qtbot, lab, empty):
    empty.show()
    assert not empty.states.message.busy.isHidden()
    qtbot.waitUntil(lambda: bool(lab.jobs(ParametersSpec)))
    lab.say(lab.jobs(ParametersSpec)[0], "failed", message="C1 has no GAFF type", details="x")
    assert "C1 has no GAFF type" in empty.states.message.hint.text()
    assert empty.document is None
    empty.bar.version.setCurrentIndex(1)
    empty.bar.source_changed.emit()
    qtbot.waitUntil(lambda: len(lab.jobs(ParametersSpec)) == 2)
    assert lab.specs[lab.jobs(ParametersSpec)[-1]].hyper["flavour"] == "gaff2"
    lab.work()
    assert empty.document is not None


def test_a_scan_that_fails_leaves_the_table(lab, panel):
    panel.bar.reference.setCurrentIndex(0)
    panel.scan()
    lab.say(lab.jobs(ParameterScanSpec)[-1], "failed", message="axis 1 is in a ring")
    assert "in a ring" in panel.plot_states.message.hint.text()
    assert panel.states.stack.currentWidget() is panel.states.content


# -- the table --------------------------------------------------------------------------------
def test_every_term_is_listed_by_kind_and_type_with_its_unit(panel):
    table, topology = panel.table, panel.document.topology
    tops = [table.topLevelItem(i) for i in range(table.topLevelItemCount())]
    assert [t.text(0) for t in tops] == [
        "Bonds (8)", "Angles (13)", f"Torsions ({len(topology.torsion)})",
        "Lennard-Jones (9)", "Charges (9)",
    ]  # fmt: skip
    assert tops[0].text(1) == "kcal/mol/Å²"
    assert tops[1].text(2) == "°"
    listed = {k for _, keys in table._lines for k in keys}
    assert len(listed) == 8 + 13 + len(topology.torsion) + 9 + 9
    bond = line(panel, "c3-oh")
    k = rows.value(topology, ("bond", rows_of(panel, "bond", "c3-oh")[0]), "k") / KCAL_MOL
    assert bond.text(1) == f"{k:.1f}"
    assert all(item.text(6) for item, keys in table._lines if keys[0][0] == "bond")


def test_units_follow_the_screen(lab, panel):
    before = line(panel, "c3-oh").text(1)
    lab.session.set_unit(ENERGY_UNITS["kJ/mol"])
    assert panel.table.topLevelItem(0).text(1) == "kJ/mol/Å²"
    assert float(line(panel, "c3-oh").text(1)) == pytest.approx(4.184 * float(before), abs=0.3)


def test_a_penalty_is_marked(qtbot, lab, panel):
    import dataclasses

    topology = panel.document.topology
    penalty = np.zeros(len(topology.angle))
    penalty[3] = 12.0
    angle = dataclasses.replace(topology.angle, penalty=penalty)
    guessed = dataclasses.replace(topology, angle=angle)
    panel._loaded(dataclasses.replace(panel.document.parameters, topology=guessed))
    marked = [i for i, keys in panel.table._lines if keys == [("angle", 3)]]
    assert marked[0].text(4).startswith("▲▲ 12.0")
    assert marked[0].background(4).color().name() == "#fff3d6"
    assert "▲ 1 of the terms taken by analogy" in panel.notice.text()


# -- editing ----------------------------------------------------------------------------------
def test_typing_a_value_sets_it_for_the_type_and_undo_takes_it_back(lab, panel):
    item = line(panel, "c3-oh")
    key = ("bond", rows_of(panel, "bond", "c3-oh")[0])
    old = rows.value(panel.document.topology, key, "k")
    item.setText(1, "300.5")
    assert rows.value(panel.document.topology, key, "k") == pytest.approx(300.5 * KCAL_MOL)
    assert panel.document.topology.bond.source[key[1]].startswith("by hand; was ")
    assert item.font(1).bold()
    assert lab.session.undo.count() == 1
    lab.session.undo.undo()
    assert rows.value(panel.document.topology, key, "k") == old
    assert panel.document.topology is panel.document.original
    lab.session.undo.redo()
    assert item.text(1) == "300.5"


@pytest.mark.parametrize(("text", "why"), [("abc", "not a number"), ("-5", "0 or more")])
def test_what_cannot_be_is_refused_in_words(lab, panel, text, why):
    item = line(panel, "c3-oh")
    before = item.text(1)
    item.setText(1, text)
    assert why in panel.notice.text()
    assert item.text(1) == before
    assert lab.session.undo.count() == 0


def test_a_line_that_is_opened_and_closed_again_changes_nothing(lab, panel):
    item = line(panel, "c3-oh")
    panel.table.itemChanged.emit(item, 1)
    assert lab.session.undo.count() == 0


def test_tied_terms_move_together_and_untied_ones_alone(lab, panel):
    keys = torsions(panel, "h1-c3-oh-ho")
    assert len(keys) == 2
    choose(panel, keys[:1])
    assert "moves 2 terms" in panel.editor.title.text()
    panel.editor.rows[0].settled.emit("k", 0.02)
    assert [rows.value(panel.document.topology, k, "k") for k in keys] == [0.02, 0.02]
    panel.editor.tied.click()
    panel.editor.rows[0].settled.emit("k", 0.03)
    assert [rows.value(panel.document.topology, k, "k") for k in keys] == [0.03, 0.02]
    assert panel.document.flag(keys[0]) == Flag(*keys[0], tied=False)
    for _ in range(3):
        lab.session.undo.undo()
    assert panel.document.topology is panel.document.original
    assert not panel.document.flags


def test_dragging_previews_without_filling_the_undo_stack(lab, panel):
    keys = torsions(panel, "h1-c3-oh-ho")
    choose(panel, keys)
    lab.work()
    before = panel.plots.current.energy
    slider = panel.editor.rows[0].slider
    slider.setSliderDown(True)
    for place in range(520, 720, 10):
        slider.setValue(place)
    asked = lab.jobs(PreviewSpec)
    assert len(asked) == 1  # one under way, the newest waits, all between are dropped
    assert lab.work() == 2
    assert lab.session.undo.count() == 0
    wanted = slider_value(panel, 710)
    shown = panel.plots.current.energy
    assert np.ptp(shown - before) > 0.01
    slider.setSliderDown(False)
    assert lab.session.undo.count() == 1
    assert rows.value(panel.document.topology, keys[0], "k") == pytest.approx(wanted)
    lab.work()
    assert np.allclose(panel.plots.current.energy, shown)
    lab.session.undo.undo()
    lab.work()
    assert np.allclose(panel.plots.current.energy, before)


def slider_value(panel, place: int) -> float:
    row = panel.editor.rows[0]
    return row.low + (row.high - row.low) * place / 1000


def test_only_what_changed_is_computed_again_and_the_sum_stays_right(lab, panel):
    choose(panel, [("bond", 0)])
    lab.work()
    old = panel.document.topology
    choose(panel, torsions(panel, "h1-c3-oh-ho"))
    lab.work()
    panel.editor.rows[0].settled.emit("k", 0.05)
    assert changed_kinds(old, panel.document.topology) == ("torsion",)
    assert lab.specs[lab.jobs(PreviewSpec)[-1]].kinds == ("torsion",)
    lab.work()
    context = Context(lambda *_a, **_k: None)
    spec = PreviewSpec(panel.document.topology, panel.plots.scan.positions)
    whole = parameter_preview.run(spec, context)
    assert np.allclose(panel.plots.current.energy, whole.energy, atol=1e-12)


def test_phase_is_in_degrees_on_the_screen_and_radians_inside(panel):
    keys = torsions(panel, "h1-c3-oh-ho")
    choose(panel, keys)
    number = panel.editor.rows[2].number
    number.setText("180")
    number.setModified(True)
    number.editingFinished.emit()
    assert rows.value(panel.document.topology, keys[0], "phase") == pytest.approx(math.pi)


def test_a_torsion_term_is_added_and_removed(lab, panel):
    keys = torsions(panel, "h1-c3-oh-ho")
    before = len(panel.document.topology.torsion)
    choose(panel, keys)
    panel.editor.add.click()
    topology = panel.document.topology
    assert len(topology.torsion) == before + 2
    assert list(topology.torsion.parameters["n"][before:]) == [1.0, 1.0]
    assert list(topology.torsion.parameters["k"][before:]) == [0.0, 0.0]
    assert panel.keys == [("torsion", before), ("torsion", before + 1)]
    lab.work()
    panel.editor.rows[0].settled.emit("k", 0.01)
    lab.work()
    panel.editor.remove.click()
    assert len(panel.document.topology.torsion) == before
    lab.session.undo.undo()
    assert len(panel.document.topology.torsion) == before + 2
    lab.session.undo.setIndex(0)
    assert panel.document.topology is panel.document.original


def test_flags_follow_their_rows_when_a_torsion_goes(panel):
    document = panel.document
    last = len(document.topology.torsion) - 1
    document.set_flags([("torsion", last)], "Untie", tied=False)
    document.set_flags([("torsion", last)], "Freeze", frozen=True)
    atoms = rows.atoms(document.topology, ("torsion", last))
    gone = document.tied([("torsion", 0)])
    document.remove_torsion([("torsion", 0)])
    key = ("torsion", last - len(gone))
    assert document.flag(key).frozen
    assert document.flag(key).row == key[1]
    assert rows.atoms(document.topology, key) == atoms


def test_bounds_are_kept_and_checked(panel):
    keys = torsions(panel, "h1-c3-oh-ho")
    choose(panel, keys)
    panel.editor.rows[0].bounded.emit("low", "k", -0.1)
    assert panel.document.flag(keys[1]).low == {"k": -0.1}
    panel.editor.rows[0].bounded.emit("high", "k", -0.2)
    assert "below the upper" in panel.notice.text()
    assert panel.document.flag(keys[1]).high == {}
    assert "↕" in line(panel, "h1-c3-oh-ho").text(5)


def test_undo_goes_back_to_the_terms_it_speaks_of(qtbot, lab, panel):
    first = panel.document
    first.set_value([("bond", 0)], "k", 12.0)
    panel.bar.version.setCurrentIndex(1)
    panel.load()
    qtbot.waitUntil(lambda: bool(lab.jobs(ParametersSpec)))
    lab.work()
    assert panel.document is not first
    assert panel.document.parameters.hyper["flavour"] == "gaff2"
    assert panel.table.selected_keys() == []
    lab.session.undo.undo()
    assert panel.document is first
    assert not first.edited
    assert panel.bar.version.currentData() == "gaff"


# -- filter and copy --------------------------------------------------------------------------
def test_filter_and_copy(panel):
    panel.table.filter_box.setText("c3-oh ho")
    shown = [i for i, _ in panel.table._lines if not i.isHidden()]
    assert {k[0] for i, keys in panel.table._lines if i in shown for k in keys} <= {
        "angle", "torsion", "bond"
    }  # fmt: skip
    assert all("oh" in i.text(0) or i.parent().parent() is not None for i in shown)
    assert panel.table.topLevelItem(4).isHidden()
    panel.table.filter_box.clear()
    assert not any(i.isHidden() for i, _ in panel.table._lines)
    lines = panel.table.csv().splitlines()
    topology = panel.document.topology
    many = sum(len(t.parameters) * len(t) for t in topology.terms().values())
    assert len(lines) == 1 + many + 3 * len(topology.types)
    assert lines[1].startswith("bond,c3-c3,1-2,k,")
