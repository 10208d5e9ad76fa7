"""Sorting of the table of terms, and undo of edits made while it is sorted."""

from __future__ import annotations

import pytest

from tests.molecules import HYDROXYL
from tests.widgets.refit_lab import editor
from widgets.parameter import rows
from widgets.parameter.table import FORCE, HEADS, PHASE, TERM


@pytest.fixture
def panel(qtbot, working):
    return editor(qtbot, working)


def tops(panel) -> list[str]:
    return [panel.table.topLevelItem(i).text(TERM) for i in range(panel.table.topLevelItemCount())]


def cells(panel, kind: str, column: int) -> list[str]:
    table = panel.table
    every = (table.topLevelItem(i) for i in range(table.topLevelItemCount()))
    top = next(t for t in every if t.text(TERM).startswith(kind))
    return [top.child(k).text(column) for k in range(top.childCount())]


def test_headers_sort_numbers_within_each_kind_up_down_and_back(panel):
    kinds, asread = tops(panel), cells(panel, "Bonds", FORCE)
    values = [float(t) for t in asread]
    assert values != sorted(values)
    panel.table.header().sectionClicked.emit(FORCE)
    assert [float(t) for t in cells(panel, "Bonds", FORCE)] == sorted(values)
    assert panel.table.headerItem().text(FORCE).startswith("Strength ")
    panel.table.header().sectionClicked.emit(FORCE)
    assert [float(t) for t in cells(panel, "Bonds", FORCE)] == sorted(values, reverse=True)
    panel.table.header().sectionClicked.emit(FORCE)
    assert cells(panel, "Bonds", FORCE) == asread
    assert panel.table.headerItem().text(FORCE) == "Strength"
    assert tops(panel) == kinds


def test_the_menu_key_sorts_too(panel):
    names = cells(panel, "Angles", TERM)
    actions = {a.text(): a for a in panel.table.actions()}
    assert list(actions) == [f"Sort by {h.lower()}" for h in HEADS]
    actions["Sort by term"].trigger()
    assert cells(panel, "Angles", TERM) == sorted(names, key=str.casefold)


def test_kinds_without_the_column_stay_as_they_were(panel):
    before = cells(panel, "Bonds", TERM)
    panel.table.sorter.click(PHASE)
    assert cells(panel, "Bonds", TERM) == before


def test_selection_and_edits_hold_on_to_their_terms(panel):
    keys = rows.on_atoms(panel.document.topology, HYDROXYL)[:1]
    panel.table.select(keys)
    panel.table.sorter.click(FORCE)
    assert panel.table.selected_keys() == keys
    order = cells(panel, "Torsions", TERM)
    panel.document.set_value(keys, "k", 1.0)
    assert cells(panel, "Torsions", TERM) == order, "an edit moves nothing away under the hand"
    panel.document.add_torsion(keys)  # lines are made anew: in order
    values = [float(t) for t in cells(panel, "Torsions", FORCE) if t != "…"]
    assert values == sorted(values)
    while panel.document.stack.canUndo():
        panel.document.stack.undo()
    assert panel.document.topology is panel.document.original
    assert not panel.document.edited
