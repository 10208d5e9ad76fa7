"""Forms made of parameters: what is typed is judged, never changed."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit

from core.forcefields.info import Parameter
from widgets import file_line
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
    Parameter("mol2", "str", "", "mol2 file", "", "Types from a file", file=True),
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


def test_a_file_can_be_looked_for(form, monkeypatch):
    line, answers = form.editors["mol2"], iter(["/some/where.mol2", ""])
    monkeypatch.setattr(file_line.QFileDialog, "getOpenFileName", lambda *_a: (next(answers), ""))
    line.look.trigger()
    line.look.trigger()  # nothing chosen
    assert form.values()["mol2"] == "/some/where.mol2"
    assert not hasattr(form.editors["path"], "look")


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


RARE = (
    Parameter("sigma", "float", 0.0, "Width", "1/Å", "", 0.0, 1e3, automatic="chosen on the data"),
    Parameter("memory", "float", 0.0, "Memory", "GB", "", 0.0, 9.0, (), True, "what is free"),
    Parameter("lam", "float", 1e-10, "Ridge", "", "", 0.0, 1.0, advanced=True),
)


def test_zero_is_shown_as_automatic_where_it_means_that(qtbot):
    form = Form(RARE)
    qtbot.addWidget(form)
    box = form.editors["sigma"]
    assert box.lineEdit().text() == "automatic"
    assert form.values()["sigma"] == 0.0
    assert "Automatic (0): chosen on the data." in box.toolTip()
    assert "Default: automatic" in box.toolTip()
    type_into(qtbot, box, "20")
    assert form.values()["sigma"] == 20.0
    type_into(qtbot, box, "0")
    qtbot.keyClick(box.lineEdit(), Qt.Key.Key_Return)
    assert box.lineEdit().text() == "automatic"
    box.stepBy(1)
    assert form.values()["sigma"] == pytest.approx(0.1)
    type_into(qtbot, box, "Automatic")
    assert form.problems() == ()
    type_into(qtbot, box, "auto")
    assert form.problems() != ()
    type_into(qtbot, form.editors["lam"], "0")
    qtbot.keyClick(form.editors["lam"].lineEdit(), Qt.Key.Key_Return)
    assert form.editors["lam"].lineEdit().text() == "0", "a number where it is one"


def test_rare_settings_are_folded_away_but_never_a_mistake_in_them(qtbot):
    form = Form(RARE)
    qtbot.addWidget(form)
    form.show()
    assert form.editors["sigma"].isVisible()
    assert not form.editors["lam"].isVisible()
    assert form.fold.text() == "Advanced (2 settings)"
    assert form.values()["lam"] == 1e-10, "what is folded away counts"
    form.set_values({"lam": 1e-6})
    assert form.fold.text() == "Advanced (2 settings, 1 changed)"
    qtbot.mouseClick(form.fold, Qt.MouseButton.LeftButton)
    assert form.editors["lam"].isVisible()
    qtbot.mouseClick(form.fold, Qt.MouseButton.LeftButton)
    assert not form.editors["lam"].isVisible()
    form.editors["lam"].lineEdit().setText("2")
    assert form.editors["lam"].isVisible()
    assert form.problem_labels["lam"].isVisible()


def test_settings_are_taken_from_texts_as_far_as_they_fit(form):
    assert form.take({"sigma": "7.5", "symmetric": "false", "kernel": "gauss", "order": 4.0}) == ""
    values = form.values()
    assert (values["sigma"], values["symmetric"], values["kernel"], values["order"]) == (
        7.5, False, "gauss", 4,
    )  # fmt: skip
    assert form.take({"nothing": 1, "ridge": "x"}) == "Not taken over: nothing, Regularisation λ"
