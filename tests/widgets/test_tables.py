"""Tables: sorted by value, filtered, copied."""

from __future__ import annotations

import csv
import io
import math

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication

from widgets.tables import Column, Row, Shown, Table

COLUMNS = (Column("Name"), Column("Force MAE", "meV/Å", 1), Column("Stable", "ps", 1))
ROWS = (
    Row("a", ("UFF", 230.04, 5.0)),
    Row("b", ("sGDML | 200", 9.96, Shown(12.0, "≥ 12.0"))),
    Row("c", ("MMFF94", math.nan, None)),
    Row("d", ("gap", 100.0, 0.5)),
)


@pytest.fixture
def table(qtbot) -> Table:
    made = Table("Errors")
    qtbot.addWidget(made)
    made.resize(500, 300)
    made.show()
    made.set_table(COLUMNS, ROWS)
    return made


def names(table) -> list[str]:
    return [row[0] for row in table.shown()]


def click_header(qtbot, table, column):
    header = table.view.horizontalHeader()
    x = header.sectionViewportPosition(column) + 8
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(x, 8))


def test_numbers_have_their_digits_and_missing_ones_a_dash(table):
    assert table.shown()[0] == ["UFF", "230.0", "5.0"]
    assert table.shown()[2] == ["MMFF94", "–", "–"]
    assert table.shown()[1][2] == "≥ 12.0"


def test_headers_sort_by_value_missing_last_and_give_the_order_back(qtbot, table):
    click_header(qtbot, table, 1)
    assert names(table) == ["sGDML | 200", "gap", "UFF", "MMFF94"]
    click_header(qtbot, table, 1)
    assert names(table) == ["UFF", "gap", "sGDML | 200", "MMFF94"], "the missing one stays last"
    click_header(qtbot, table, 1)
    assert names(table) == [r.values[0] for r in ROWS]
    click_header(qtbot, table, 0)
    assert names(table) == ["gap", "MMFF94", "sGDML | 200", "UFF"]
    table.sort_by(2, descending=True)
    assert names(table)[0] == "sGDML | 200", "“≥ 12” sorts as 12"


def test_typing_filters(qtbot, table):
    qtbot.keyClicks(table.filter, "F")
    assert names(table) == ["UFF", "MMFF94"]


def test_numbers_are_right_aligned_and_units_in_the_header(table):
    model = table.model
    right = Qt.AlignmentFlag.AlignRight
    role = Qt.ItemDataRole.TextAlignmentRole
    assert model.data(model.index(0, 1), role) & int(right)
    assert model.data(model.index(0, 0), role) is None
    head = model.headerData(1, Qt.Orientation.Horizontal)
    assert head == "Force MAE\nmeV/Å"


def test_markdown_is_what_is_shown(qtbot, table):
    table.sort_by(1)
    table.view.setFocus()
    qtbot.keyClick(table.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QApplication.clipboard().text().splitlines()
    assert lines[0] == "| Name | Force MAE (meV/Å) | Stable (ps) |"
    assert lines[1] == "| --- | ---: | ---: |"
    assert lines[2] == "| sGDML \\| 200 | 10.0 | ≥ 12.0 |"
    assert len(lines) == 6


def test_csv_keeps_the_full_numbers(table):
    rows = list(csv.reader(io.StringIO(table.csv())))
    assert rows[0] == ["Name", "Force MAE (meV/Å)", "Stable (ps)"]
    assert rows[1] == ["UFF", "230.04", "5"]
    assert rows[2][2] == "12"
    assert rows[3][1:] == ["", ""]


def test_selection_is_told_and_survives_new_content_and_sorting(qtbot, table):
    seen = []
    table.row_selected.connect(seen.append)
    place = table.view.visualRect(table.sorted.index(1, 0)).center()
    qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert seen == ["b"]
    table.sort_by(1, descending=True)
    table.set_table(COLUMNS, ROWS[::-1])
    assert table.selected() == "b"
    assert names(table)[0] == "UFF", "still sorted"
    table.select("a")
    assert table.selected() == "a"
    assert seen == ["b"], "chosen by the program: nobody is told"
    table.set_table(COLUMNS, ROWS[2:])
    assert table.selected() == ""
