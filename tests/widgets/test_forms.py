"""Forms made of parameters: what is typed is judged, never changed."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit

from core.forcefields.info import Parameter
from widgets.forms import Form, NumberBox, range_text

PARAMETERS = (
    Parameter(
        "sigma", "float", 20.0, "Length scale σ", "Å", "How far a geometry is felt", 0.1, 1e3
    ),
    Parameter("ridge", "float", 1e-12, "Regularisation λ", "", "Added to the diagonal", 0.0, 1.0),
    Parameter("order", "int", 3, "Body order", "", "Atoms per term", 1, 6),
    Parameter("symmetric", "bool", True, "Use permutations", "", "Equivalent atoms are swapped"),
    Parameter("kernel", "str", "matern", "Kernel", "", "Its shape", choices=("matern", "gauss")),
    Parameter("path", "str", "", "Calculator", "", "Import path"),
)


@pytest.fixture
def form(qtbot) -> Form:
    made = Form(PARAMETERS)
    qtbot.addWidget(made)
    made.show()
    return made


def type_into(qtbot, box: NumberBox, text: str) -> None:
    box.lineEdit().selectAll()
    qtbot.keyClicks(box.lineEdit(), text)


def test_defaults_come_back_with_their_types(form):
    values = form.values()
    assert values == {p.name: p.default for p in PARAMETERS}
    assert [type(values[p.name]).__name__ for p in PARAMETERS] == [p.kind for p in PARAMETERS]


def test_each_kind_has_its_editor_with_name_unit_help_and_range(form):
    kinds = {"sigma": NumberBox, "order": NumberBox, "symmetric": QCheckBox, "kernel": QComboBox,
             "path": QLineEdit}  # fmt: skip
    for name, kind in kinds.items():
        assert isinstance(form.editors[name], kind)
        assert form.editors[name].accessibleName()
    assert "Å" in form.editors["sigma"].accessibleName()
    tip = form.editors["sigma"].toolTip()
    assert "felt" in tip
    assert "between 0.1 and 1000" in tip
    assert "Default: 20 Å" in tip


def test_what_is_typed_is_taken(qtbot, form):
    type_into(qtbot, form.editors["sigma"], "7.5")
    type_into(qtbot, form.editors["ridge"], "3e-9")
    qtbot.keyClicks(form.editors["path"], "ase.calculators.emt:EMT")
    form.editors["kernel"].setCurrentText("gauss")
    qtbot.mouseClick(form.editors["symmetric"], Qt.MouseButton.LeftButton)
    v = form.values()
    assert (v["sigma"], v["ridge"], v["kernel"]) == (7.5, 3e-9, "gauss")
    assert v["path"] == "ase.calculators.emt:EMT"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("sigma", "0", "between 0.1 and 1000"),
        ("sigma", "1e9", "between 0.1 and 1000"),
        ("sigma", "abc", "not a number"),
        ("sigma", "nan", "finite"),
        ("order", "2.5", "not a whole number"),
        ("order", "", "needed"),
    ],
)
def test_wrong_values_stay_and_are_told_beside_the_field(qtbot, form, name, text, why):
    box = form.editors[name]
    box.lineEdit().selectAll()
    qtbot.keyClick(box.lineEdit(), Qt.Key.Key_Delete)
    qtbot.keyClicks(box.lineEdit(), text)
    form.editors["path"].setFocus()  # leaving the field corrects nothing
    assert box.lineEdit().text() == text
    assert why in form.problem_labels[name].text()
    assert form.problem_labels[name].isVisible()
    with pytest.raises(ValueError, match=why):
        form.values()
    form._resets[name].click()
    assert form.problems() == ()
    assert not form.problem_labels[name].isVisible()


def test_reset_is_offered_only_where_something_differs(form):
    assert not form._resets["sigma"].isEnabled()
    form.set_values({"sigma": 5.0, "symmetric": False})
    assert form._resets["sigma"].isEnabled()
    assert form._resets["symmetric"].isEnabled()
    form.reset()
    assert form.values() == {p.name: p.default for p in PARAMETERS}


def test_unknown_values_are_refused(form):
    with pytest.raises(ValueError, match="sigmaa"):
        form.set_values({"sigmaa": 1.0})


def test_a_change_is_told_once_and_building_tells_nothing(qtbot, form):
    seen = []
    form.changed.connect(lambda: seen.append(1))
    form.set_parameters(PARAMETERS[:2])
    assert seen == []
    form.editors["sigma"].set_value(3)
    assert seen == [1]


@pytest.mark.parametrize(
    ("kind", "start", "up"),
    [("float", 20.0, 21.0), ("float", 1e-12, 1.1e-12), ("int", 3, 4), ("int", 250, 260)],
)
def test_arrows_step_in_the_second_digit(qtbot, kind, start, up):
    box = NumberBox(kind)
    qtbot.addWidget(box)
    box.set_value(start)
    qtbot.keyClick(box, Qt.Key.Key_Up)
    assert box.value() == pytest.approx(up)
    qtbot.keyClick(box, Qt.Key.Key_Down)
    assert box.value() == pytest.approx(start)


def test_arrows_stop_at_the_limits(qtbot):
    box = NumberBox("int", low=0, high=2)
    qtbot.addWidget(box)
    box.set_value(2)
    box.stepBy(1)
    assert box.value() == 2


def test_ranges_in_words():
    assert range_text(1, 6, "int") == "between 1 and 6"
    assert range_text(0.5, None) == "at least 0.5"
    assert range_text(None, 2) == "at most 2"
    assert range_text(None, None) == ""
