"""The parameter editor beside the molecule: selection, scans and maps of layers, saving."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt

from core.analyses.parameter_scan import ParameterScanSpec
from core.analyses.parameters import Flag
from core.analyses.topology_saving import SaveTopologySpec
from core.units import ENERGY_UNITS
from tests.molecules import ETHANOL, HYDROXYL
from tests.widgets.parameters_lab import choose, rows_of, torsions
from widgets.parameter import rows
from widgets.parameter.bar import MAP
from widgets.parameter.layers import stacked, without_clashes

LEFT = Qt.MouseButton.LeftButton


# -- molecule view ----------------------------------------------------------------------------
def test_a_selected_row_lights_up_and_picked_atoms_select_rows(qtbot, lab, panel):
    seen = []
    lab.session.atoms_highlighted.connect(seen.append)
    panel.table._lines[0][0].setSelected(True)
    key = panel.table._lines[0][1][0]
    assert set(rows.atoms(panel.document.topology, key)) <= set(seen[-1])
    lab.session.atoms_picked.emit((8, 2, 1, 0))
    assert panel.keys == torsions(panel, "c3-c3-oh-ho")
    assert set(seen[-1]) == set(HYDROXYL)
    lab.session.atoms_picked.emit((1, 2))
    assert panel.keys == [("bond", rows_of(panel, "bond", "c3-oh")[0])]


def test_the_molecule_panel_takes_part(qtbot, lab, panel):
    from widgets.panels.molecule import MoleculePanel

    view = MoleculePanel(lab.session)
    qtbot.addWidget(view)
    choose(panel, [("bond", 0)])
    assert set(view.view.highlight) == set(rows.atoms(panel.document.topology, ("bond", 0)))
    view.view.set_picks((0, 1, 2))
    assert panel.keys[0][0] == "angle"
    view.view.set_molecule(None)
    assert view.view.highlight == ()
    view.release()


# -- the scan ---------------------------------------------------------------------------------
def test_the_layers_add_up_to_the_profile(lab, panel):
    choose(panel, torsions(panel, "c3-c3-oh-ho"))
    lab.work()
    preview = panel.plots.current
    layers = stacked(preview, np.arange(24))
    total = np.sum([e for _, e in layers], axis=0)
    assert np.ptp(total - preview.energy) < 1e-5
    assert layers[-1][0] == "selected terms"
    assert all(e.min() >= 0 for _, e in layers)


def test_overlapping_atoms_do_not_flatten_the_scale():
    unit = ENERGY_UNITS["kcal/mol"]
    assert without_clashes(45.0, unit) == 45.0
    assert without_clashes(1e9, unit) == 20.0


def test_the_map_of_two_dihedrals(lab, panel):
    at = panel.bar.scan.findData(MAP)
    panel.bar.scan.setCurrentIndex(at)
    panel.scan()
    lab.work()
    assert len(panel.plots.current.energy) == 576
    assert panel.plots.stack.currentWidget() is panel.plots.grid
    choose(panel, torsions(panel, "c3-c3-oh-ho"))
    panel.editor.rows[0].settled.emit("k", 0.1)
    lab.work()
    panel.plots.grid.flush()
    assert [m.label for m in panel.plots.grid.maps][-1] == "current"


def test_axes_of_another_molecule_are_not_offered(lab, panel):
    lab.session.axes = ((0, 2, 1, 8), (0, 1, 2, 30))  # not bonded; not there
    lab.session.axes_changed.emit()
    offered = [panel.bar.scan.itemData(i) for i in range(panel.bar.scan.count())]
    assert offered[:-1] == [tuple(d) for d in panel.document.parameters.dihedrals]
    lab.work()
    assert panel.plots.current is not None


def test_a_data_set_of_another_molecule_is_no_reference(lab, panel):
    from core.dataset import Dataset
    from core.molecule import Molecule

    water = Molecule("water", np.array([8, 1, 1]), np.eye(3))
    lab.project.add("datasets", "water", Dataset("water", water, np.eye(3)[None], np.zeros(1)))
    lab.session.items_changed.emit("datasets")
    box = panel.bar.reference
    assert [box.itemText(i) for i in range(box.count())] == ["none", "ethanol"]
    assert panel.bar.dataset() == str(lab.data.record)


def test_after_a_scan_that_failed_edits_ask_nothing(lab, panel):
    panel.bar.reference.setCurrentIndex(0)
    panel.scan()
    lab.say(lab.jobs(ParameterScanSpec)[-1], "failed", message="no")
    lab.specs.clear()
    panel.document.set_value([("bond", 0)], "k", 12.0)
    assert not lab.specs


def test_a_clicked_point_is_shown_in_the_molecule_view(lab, panel):
    panel.plots.profile.clicked.emit(0, 5)
    assert lab.session.frame == 5
    assert len(lab.session.geometries.positions) == 24


# -- keeping ----------------------------------------------------------------------------------
def test_saving_reserves_a_fit_with_the_terms_and_flags(qtbot, lab, panel):
    panel.document.set_flags([("bond", 0)], "Freeze", frozen=True)
    panel.name.setText("my GAFF")
    qtbot.mouseClick(panel.save, LEFT)
    spec = lab.specs[lab.jobs(SaveTopologySpec)[0]]
    assert spec.topology is panel.document.topology
    assert spec.flags[0] == Flag("bond", 0, frozen=True)
    assert spec.dataset == str(lab.data.record)
    assert [i.name for i in lab.project.items("fits")] == ["my GAFF"]
    assert not panel.save.isEnabled()
    lab.say(lab.jobs(SaveTopologySpec)[0], "failed", message="the disk is full")
    assert "the disk is full" in panel.notice.text()
    assert panel.save.isEnabled()


def test_charges_that_do_not_add_up_are_not_saved(qtbot, lab, panel):
    q = rows.value(panel.document.topology, ("charge", 0), "charges")
    panel.document.set_value([("charge", 0)], "charges", q + 0.1)
    qtbot.mouseClick(panel.save, LEFT)
    assert "add up to" in panel.notice.text()
    assert not lab.jobs(SaveTopologySpec)


def test_ethanol_of_the_tests_is_what_was_read(panel):
    assert np.array_equal(panel.document.molecule.numbers, ETHANOL.numbers)
