"""Whose terms the parameter editor shows: molecules just opened, files, references that miss."""

from __future__ import annotations

import pytest

from core.analyses import importing
from core.analyses.importing import ImportSpec
from core.analyses.parameter_scan import ParameterScanSpec
from core.analyses.parameters import ParametersSpec
from core.dataset import Dataset
from core.engine.context import Context
from tests.widgets.refit_lab import editor
from widgets.parameter import bar as parameter_bar


@pytest.fixture
def lab(working):
    return working


@pytest.fixture
def panel(qtbot, lab):
    made = editor(qtbot, lab)
    assert made.plots.current is not None
    return made


def test_a_reference_that_does_not_fit_is_left_out_with_its_reason(lab, panel):
    assert panel.bar.dataset()
    panel.scan()
    lab.say(lab.jobs(ParameterScanSpec)[-1], "failed", message="other atoms are bonded")
    assert "other atoms are bonded" in panel.notice.text()
    assert lab.specs[lab.jobs(ParameterScanSpec)[-1]].dataset == ""
    lab.work()
    assert panel.plots.current is not None


def propane() -> Dataset:
    """A molecule just opened: no labels."""
    found = importing.run(ImportSpec("CCC", format="smiles"), Context(lambda *_a, **_k: None))
    return found.datasets[0]


def test_the_terms_of_a_molecule_just_opened_come_at_once(qtbot, lab, panel):
    item = lab.project.add("datasets", "propane", propane())
    lab.session.items_changed.emit("datasets")
    lab.session.item_selected.emit(item.id)
    qtbot.waitUntil(lambda: bool(lab.jobs(ParametersSpec)))
    lab.work()
    assert len(panel.document.topology.types) == 11
    assert panel.bar.source.currentText() == "propane"


def test_of_a_molecule_opened_elsewhere_too_once_the_panel_is_seen(qtbot, lab, panel):
    panel.hide()
    item = lab.project.add("datasets", "propane", propane())
    lab.session.items_changed.emit("datasets")
    lab.session.item_selected.emit(item.id)
    assert not lab.jobs(ParametersSpec)
    panel.show()
    qtbot.waitUntil(lambda: bool(lab.jobs(ParametersSpec)))
    lab.work()
    assert len(panel.document.topology.types) == 11


def test_data_of_the_same_molecule_leave_the_edits_alone(lab, panel):
    document = panel.document
    document.set_value([("bond", 0)], "k", 12.0)
    other = lab.add_data("more ethanol", 8)
    lab.session.items_changed.emit("datasets")
    lab.session.item_selected.emit(other.id)
    assert panel.document is document
    assert not lab.jobs(ParametersSpec)


def test_charges_and_types_from_a_file(qtbot, lab, panel, monkeypatch):
    bar = panel.bar
    answers = iter(["/some/ethanol.mol2", "", "/some/ethanol.prmtop"])
    monkeypatch.setattr(
        parameter_bar.QFileDialog, "getOpenFileName", lambda *_a: (next(answers), "")
    )

    def choose_file() -> dict:
        at = bar.charges.findData(parameter_bar.FILE)
        bar.charges.setCurrentIndex(at)
        bar.charges.activated.emit(at)
        qtbot.waitUntil(lambda: bool(lab.jobs(ParametersSpec)))
        return lab.specs[lab.jobs(ParametersSpec)[-1]].hyper

    asked = choose_file()
    assert (asked["charges"], asked["mol2"]) == ("auto", "/some/ethanol.mol2")
    assert bar.charges.currentText() == "ethanol.mol2"
    choose_file()  # nothing chosen: as before
    assert bar.hyper()["mol2"] == "/some/ethanol.mol2"
    choose_file()
    assert bar.hyper()["parameters"] == "/some/ethanol.prmtop"
    bar._source_chosen()  # another molecule: the file was not its
    assert bar.hyper() == {"flavour": "gaff", "charges": "gasteiger"}
    assert bar.charges.itemText(bar.charges.findData(parameter_bar.FILE)) == parameter_bar.FROM_FILE
