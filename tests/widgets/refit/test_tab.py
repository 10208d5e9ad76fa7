"""Refit in the parameter editor: the form, progress, what comes of it, going back."""

from __future__ import annotations

import numpy as np
import pytest

from core.analyses import surface_tools as tools
from core.analyses.parameters import Flag
from core.analyses.refit import ParameterChange
from core.units import ENERGY_UNITS, KCAL_MOL
from tests.molecules import HYDROXYL, METHYL
from tests.tolerances import BATCH_EQUALS_SINGLE
from tests.widgets.refit_lab import begun, energies
from widgets.parameter import rows
from widgets.parameter.plots import AFTER, BEFORE, CURRENT
from widgets.refit.rows import change_rows, keys_of
from widgets.surface.overlays import PointReader


# -- the form ---------------------------------------------------------------------------------
def test_the_spec_is_what_the_form_and_the_table_say(lab, panel):
    form = panel.refit.form
    keys = rows.on_atoms(panel.document.topology, HYDROXYL)
    panel.document.set_value(keys[:1], "k", 0.05)
    panel.document.set_flags(keys[:1], "Freeze parameters", frozen=True)
    form.frames.lineEdit().setText("20")
    form.weights["forces"].set_value(0.5)
    form.forms[0].set_values({"fit_terms": "bonded", "fit_orders": 3})
    form.forms[1].set_values({"fit_tie": "symmetry", "fit_prior": 2.0})
    spec = lab.specs[begun(lab, panel)]
    assert spec.topology is panel.document.topology
    assert Flag(*keys[0], frozen=True) in spec.flags
    assert spec.parent == "GAFF, edited"
    assert (spec.dataset, spec.n_train) == (str(lab.data.record), 20)
    assert (spec.energy_weight, spec.force_weight, spec.profile_weight) == (1.0, 0.5, 1.0)
    assert {k: spec.hyper[k] for k in ("fit_terms", "fit_orders", "fit_tie", "fit_prior")} == {
        "fit_terms": "bonded", "fit_orders": 3, "fit_tie": "symmetry", "fit_prior": 2.0,
    }  # fmt: skip
    assert spec.hyper["flavour"] == "gaff"
    (profile,) = spec.profiles
    assert profile.weight == 1.0
    assert np.array_equal(profile.positions, panel.plots.scan.positions)
    assert np.array_equal(profile.energies, panel.plots.scan.reference)
    assert spec.around == ()
    assert lab.project.items("fits")[-1].name == spec.label == "GAFF refit"


def test_a_profile_that_is_not_ticked_is_only_compared(lab, panel):
    panel.refit.form.profile.setChecked(False)
    (profile,) = lab.specs[begun(lab, panel)].profiles
    assert profile.weight == 0.0


def test_only_the_torsions_about_the_chosen_bond(lab, panel):
    form = panel.refit.form
    assert form.bond.currentData() == (1, 2)  # of the scan
    panel._chosen(rows.on_atoms(panel.document.topology, METHYL))
    assert form.bond.currentData() == (0, 1)
    form.only.setChecked(True)
    assert not form.forms[0].editors["fit_terms"].isEnabled()
    assert lab.specs[begun(lab, panel)].around == ((0, 1),)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda f: f.frames.lineEdit().setText("40"), "leave some to measure"),
        (lambda f: f.frames.lineEdit().setText("many"), "not a whole number"),
        (lambda f: [w.set_value(0) for w in f.weights.values()], "All weights are 0"),
        (lambda f: f.weights["forces"].set_value(-1), "Weight of the forces"),
        (lambda f: (f.data.setCurrentIndex(0), f.profile.setChecked(False)), "Nothing to fit to"),
        (lambda f: f.forms[1].editors["fit_prior"].set_value(-2), "prior: must be"),
    ],
)
def test_what_cannot_be_fitted_is_said_before(panel, change, why):
    change(panel.refit.form)
    assert not panel.refit.refit.isEnabled()
    assert why in panel.refit.problem.text()
    assert panel.refit.refit.toolTip() == panel.refit.problem.text()
    assert panel.refit.problem.isVisible()


def test_a_scan_without_reference_has_no_profile_to_fit(lab, panel):
    panel.bar.reference.setCurrentIndex(0)
    panel.scan()
    lab.work()
    form = panel.refit.form
    assert not form.profile.isEnabled()
    assert not form.profile.isChecked()
    assert "no reference points" in form.profile.toolTip()
    assert not panel.plots.difference.isEnabled()
    assert lab.specs[begun(lab, panel)].profiles == ()


def test_data_that_cannot_be_read_is_told(qtbot, lab, panel):
    lab.data.record.write_bytes(b"no archive")
    panel.refit.form.choice._read()
    qtbot.waitUntil(lambda: "could not be read" in panel.refit.problem.text())
    assert not panel.refit.refit.isEnabled()


def test_nothing_is_left_behind_when_the_engine_refuses(lab, panel):
    def refuse(*_args, **_kwargs):
        raise RuntimeError("the engine is closed")

    lab.session.submit = refuse
    panel.refit.refit.click()
    assert "the engine is closed" in panel.notice.text()
    assert not lab.project.items("fits")


# -- running ----------------------------------------------------------------------------------
def test_progress_tells_the_time_left_and_stop_and_cancel_work(lab, panel):
    tab = panel.refit
    job = begun(lab, panel)
    assert not tab.refit.isVisible()
    lab.say(job, "started", 0.0)
    lab.say(job, "progress", 0.4, seconds_left=12.0, message="iteration 3")
    assert tab.words.text() == "40 %, 12 s left, iteration 3"
    assert tab.progress.value() == 400
    tab.stop.click()
    assert lab.asked[-1] == ("stop", job)
    assert not tab.stop.isEnabled()
    tab.cancel.click()
    assert lab.asked[-1] == ("cancel", job)
    lab.say(job, "cancelled", message="cancelled")
    assert tab.refit.isVisible()
    assert tab.refit.isEnabled()
    assert panel.document.topology is panel.document.original


def test_a_refit_that_fails_says_why(lab, panel):
    lab.say(begun(lab, panel), "failed", message="the charges add up to 0.5 e")
    assert panel.notice.text() == "The refit was not done: the charges add up to 0.5 e"
    assert panel.notice.property("level") == "error"


# -- afterwards -------------------------------------------------------------------------------
def test_a_refit_is_one_edit_and_shows_before_after_and_reference(lab, panel):
    start = panel.document.topology
    refit = lab.finish_refit(begun(lab, panel))
    lab.work()
    assert panel.document.topology is refit.topology
    assert lab.session.undo.count() == 1
    assert lab.session.undo.undoText() == "Refit “GAFF refit”"
    maps = {m.label: m.values for m in panel.plots.profile.maps}
    assert list(maps) == ["mmff94", BEFORE, AFTER]
    after = tools.zeroed(energies(refit.topology, panel.plots.scan.positions)) / KCAL_MOL
    assert np.allclose(maps[AFTER], after, atol=BATCH_EQUALS_SINGLE / KCAL_MOL)
    assert panel.plots.profile.legend.text().count("white-space") == 3
    lab.session.undo.undo()
    lab.work()
    assert panel.document.topology is start
    assert [m.label for m in panel.plots.profile.maps] == ["mmff94", BEFORE, AFTER]
    panel.document.set_value(rows.on_atoms(start, HYDROXYL)[:1], "k", 0.05)
    lab.work()
    assert [m.label for m in panel.plots.profile.maps] == ["mmff94", BEFORE, AFTER, CURRENT]


def test_before_and_after_have_colours_that_no_other_curve_has(lab, panel):
    from widgets.palette import color_of, marker_of

    names = ("mmff94", BEFORE, AFTER, CURRENT)
    for dark in (False, True):
        assert len({color_of(n, dark=dark) for n in names}) == 4
    assert len({marker_of(n) for n in names}) == 4


def test_what_the_refit_did_is_told_in_the_unit_of_the_screen(lab, panel):
    lab.finish_refit(begun(lab, panel))
    result = panel.refit.result
    assert "7 held-out frames" in result.head.text()
    assert "1.21 → 0.64" in result.head.text()
    assert "6.37 → 4.78" in result.head.text()
    assert "Not met: the reference has a barrier" in result.profiles.text()
    assert result.bars.bars.rows == [
        ("bonds", (pytest.approx(2.1), pytest.approx(2.0))),
        ("torsions", (pytest.approx(0.6), pytest.approx(0.9))),
    ]
    lab.session.set_unit(ENERGY_UNITS["kJ/mol"])
    assert "5.06 → 2.68" in result.head.text()
    assert result.bars.bars.rows[0][1][0] == pytest.approx(2.1 * 4.184)
    assert "kJ/mol" in result.bars.legend.text()
    lab.session.set_dark(True)
    assert "5.06 → 2.68" in result.head.text()


def test_changes_are_sorted_by_size_and_a_click_selects_the_terms(lab, panel):
    refit = lab.finish_refit(begun(lab, panel))
    changes = panel.refit.result.changes
    shown = changes.shown()
    assert shown[0] == ["torsion c3-c3-oh-ho n=3", "▲ +4.2", "0.160", "0.330", "kcal/mol"]
    assert shown[1] == ["bond c3-oh k", "−1.9", "316.0", "290.0", "kcal/mol/Å²"]
    changes.sort_by(1)
    assert changes.shown()[-1][0] == "torsion c3-c3-oh-ho n=3"
    lit = []
    lab.session.atoms_highlighted.connect(lit.append)
    changes.view.selectRow(3)
    wanted = [k for k in rows.on_atoms(refit.topology, HYDROXYL)
              if rows.value(refit.topology, k, "n") == 3]  # fmt: skip
    assert panel.keys == wanted
    assert set(lit[-1]) == set(HYDROXYL)
    assert panel.tabs.currentWidget() is panel.refit


def test_the_frames_of_a_refit_can_be_drawn_on_a_surface(lab, panel):
    refit = lab.finish_refit(begun(lab, panel))
    item = lab.project.items("fits")[-1]
    drawn = PointReader(lab.project).load(item)
    assert np.array_equal(drawn, lab.project.load(lab.data).positions[refit.fit.split.train])


def test_labels_lead_to_their_rows(panel):
    topology = panel.document.topology

    def found(label: str, quantity: str = "torsion.k") -> list:
        return keys_of(ParameterChange(label, quantity, 0, 0, 0), topology)

    hydrogens = found("torsion ho-oh-c3-h1 n=3")  # from the other end
    assert {rows.types(topology, k) for k in hydrogens} == {"h1-c3-oh-ho"}
    assert found("torsion h1#3-c3#1-oh#2-ho#4 (2) n=3") == hydrogens
    assert found("torsion h1-c3-oh-ho n=5") == hydrogens  # a term that was not kept: its torsion
    assert found("bond c3-oh k", "bond.k") == [
        ("bond", i) for i in range(8) if rows.types(topology, ("bond", i)) == "c3-oh"
    ]
    assert found("atom 9 ho charge", "charges") == [("charge", 8)]
    alike = found("atom 4 hc charge", "charges")  # named by the first of those tied to it
    assert {rows.types(topology, k) for k in alike} == {topology.types[3]}
    assert len(alike) == topology.types.count(topology.types[3]) > 1
    assert len(found("lj hc Rmin/2", "rmin_half")) == 3
    assert found("atom 90 ho", "charges") == found("something else") == []
    unknown = ParameterChange("bond c3-oh D", "bond.D", 3.0, 4.0, 0.5)
    assert change_rows((unknown,), ENERGY_UNITS["eV"])[0].values[0] == "bond c3-oh D"


def test_edits_made_meanwhile_are_not_overwritten(lab, panel):
    job = begun(lab, panel)
    keys = rows.on_atoms(panel.document.topology, HYDROXYL)
    panel.document.set_value(keys[:1], "k", 0.05)
    edited = panel.document.topology
    refit = lab.finish_refit(job)
    assert panel.document.topology is edited
    assert "were edited meanwhile" in panel.notice.text()
    item = lab.project.items("fits")[-1].id
    panel.refit.load(item)
    assert panel.document.topology is refit.topology
    assert lab.session.undo.count() == 2
