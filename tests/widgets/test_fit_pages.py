"""Pages of a finished fit: errors by element, worst frames, symmetries; and the line of fits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PySide6.QtCore import Qt

from core.analyses.estimate import EstimateSpec
from core.analyses.fit import FitSpec
from core.forcefields.info import Info, Parameter
from core.forcefields.load import Model
from core.storage import save
from core.units import ENERGY_UNITS
from tests.molecules import ETHANOL
from tests.widgets.lab import MMFF, SGDML, UFF, look_at, make_fit, training_panel
from widgets.fit.symmetry import cycles, cycles_text, read_permutations, skipped_cycles
from widgets.training.delta import settings_from, settings_text

LEFT = Qt.MouseButton.LeftButton
COMPOSITE = Info("composite", "Base + ML correction", "ML", trainable=True)
SKIPPING = dataclasses.replace(
    SGDML, parameters=(*SGDML.parameters, Parameter("skip_permutations", "str", "", "Skip"))
)
METHYL_TURN = np.array([0, 1, 2, 4, 5, 3, 6, 7, 8])
METHYLENE_SWAP = np.array([0, 1, 2, 3, 4, 5, 7, 6, 8])


@pytest.fixture
def lab(lab):
    lab.session.catalog = (SKIPPING, COMPOSITE, MMFF, UFF)
    return lab


@pytest.fixture
def panel(qtbot, lab):
    return training_panel(qtbot, lab)


def add_fit(lab, name="sGDML 10", *, permutations=None, sigma=(), **hyper):
    """A fit with errors per frame and element; its model holds these permutations."""
    item = lab.project.reserve("fits", name)
    spec = FitSpec("sgdml", str(lab.data.record), n_train=10, label=name, hyper=hyper)
    fit = make_fit(item, spec, 0.04)
    force = np.linspace(0.01, 0.2, 20)[np.argsort(np.argsort(np.sin(np.arange(20.0))))]
    errors = dataclasses.replace(
        fit.errors, frame_force_mae=force, frame_energy_error=0.1 - force,
        frames=np.arange(15, 35), element_force={"H": (0.02, 0.03), "C": (0.08, 0.1)},
        frame_sigma=np.asarray(sigma, dtype=float),
    )  # fmt: skip
    if permutations is not None:
        state = {"descriptors": np.ones((2, 36)), "permutations": np.asarray(permutations)}
        save(fit.model, Model("sgdml", ETHANOL, dict(hyper), state))
    lab.project.save(item, dataclasses.replace(fit, errors=errors))
    lab.project.note_job(item.id, spec)
    return item


# -- errors -----------------------------------------------------------------------------------
def test_errors_by_element_follow_the_unit(qtbot, panel, lab):
    lab.session.set_unit(ENERGY_UNITS["meV"])
    look_at(qtbot, panel, lab, add_fit(lab))
    text = panel.result.headline.text().replace("&nbsp;", " ")
    assert "H <b>20.0</b>" in text
    assert "C <b>80.0</b>" in text


# -- frames -----------------------------------------------------------------------------------
def test_the_worst_frames_come_first_and_are_shown_in_the_molecule_view(qtbot, panel, lab):
    look_at(qtbot, panel, lab, add_fit(lab))
    panel.result.go_to("Frames")
    frames = panel.result.frames
    lab.session.set_unit(ENERGY_UNITS["meV"])
    shown = frames.table.shown()
    errors = [float(row[1]) for row in shown]
    assert errors == sorted(errors, reverse=True)
    worst = 15 + int(np.argmax(np.sin(np.arange(20.0))))
    assert shown[0][0] == str(worst + 1)
    assert float(shown[0][1]) == pytest.approx(200.0)
    assert float(shown[0][2].replace("−", "-")) == pytest.approx(-100.0)
    qtbot.mouseClick(
        frames.table.view.viewport(), LEFT,
        pos=frames.table.view.visualRect(frames.table.sorted.index(0, 0)).center(),
    )  # fmt: skip
    qtbot.waitUntil(lambda: lab.session.geometries is not None)
    data = lab.project.load(lab.data)
    g = lab.session.geometries
    assert np.array_equal(g.positions[lab.session.frame], data.positions[worst])
    assert g.energies[lab.session.frame] == data.energies[worst]
    assert len(g.positions) == 20
    qtbot.mouseClick(frames.next, LEFT)
    assert lab.session.frame == 1
    lab.session.set_frame(5)
    assert frames.table.selected() == str(frames.frames[frames.order[5]])
    assert "6 of 20" in frames.say.text()
    assert frames.mark.data["x"].tolist() == [frames.frames[frames.order[5]] + 1]


def test_frames_by_energy_error(qtbot, panel, lab):
    look_at(qtbot, panel, lab, add_fit(lab))
    panel.result.go_to("Frames")
    frames = panel.result.frames
    frames.measure.setCurrentIndex(1)
    size = np.abs(frames.energy[frames.order])
    assert (np.diff(size) <= 0).all()
    frames.go_to(int(frames.frames[3]))
    qtbot.waitUntil(lambda: lab.session.geometries is not None)
    assert lab.session.frame == int(np.flatnonzero(frames.order == 3)[0])


def test_the_uncertainty_stands_beside_the_error_where_there_is_one(qtbot, panel, lab):
    sigma = np.linspace(0.1, 0.3, 20)
    look_at(qtbot, panel, lab, add_fit(lab, sigma=sigma))
    panel.result.go_to("Frames")
    frames = panel.result.frames
    header, rows = frames.numbers()
    assert header[-1].startswith("sigma of the energy")
    unit = lab.session.unit.ev
    assert [r[-1] for r in rows] == pytest.approx((sigma / unit)[frames.order].tolist())
    assert len(frames.table.shown()[0]) == 4


def test_an_older_fit_without_frame_numbers_takes_its_test_frames(qtbot, panel, lab):
    look_at(qtbot, panel, lab, lab.add_fit("older"))
    panel.result.go_to("Frames")
    assert panel.result.frames.frames.tolist() == list(range(15, 35))
    assert not panel.result.frames.measure.isEnabled()


def test_a_data_set_that_is_gone_is_said(qtbot, panel, lab):
    look_at(qtbot, panel, lab, add_fit(lab))
    panel.result.go_to("Frames")
    lab.project.remove(lab.data.id)
    panel.result.frames.step(1)
    assert "not in this project" in panel.result.frames.say.text()


# -- symmetries -------------------------------------------------------------------------------
def test_cycles_are_those_of_the_permutation():
    assert cycles(METHYL_TURN) == ((3, 4, 5),)
    assert cycles(METHYL_TURN[METHYLENE_SWAP]) == ((3, 4, 5), (6, 7))
    assert cycles_text(((3, 4, 5), (6, 7))) == "(4 5 6)(7 8)"
    assert skipped_cycles("(4 5 6)(7 8), (4 6)") == [((3, 4, 5), (6, 7)), ((3, 5),)]
    assert cycles(np.arange(5)) == ()


def test_permutations_are_read_from_a_model_or_its_correction(tmp_path):
    rows = np.stack([np.arange(3), [1, 0, 2]])
    state = {"correction.permutations": rows, "atoms": np.array([4, 6, 8]), "x": np.ones(3)}
    save(tmp_path / "m.npz", Model("composite", ETHANOL, {}, state))
    got, atoms = read_permutations(str(tmp_path / "m.npz"))
    assert got.tolist() == rows.tolist()
    assert atoms.tolist() == [4, 6, 8]
    save(tmp_path / "n.npz", Model("gap", ETHANOL, {}, {"weights": np.ones(3)}))
    assert read_permutations(str(tmp_path / "n.npz"))[0].shape == (0, 0)


def test_a_permutation_colours_its_atoms_cycle_by_cycle(qtbot, panel, lab):
    both = METHYL_TURN[METHYLENE_SWAP]
    item = add_fit(lab, permutations=np.stack([np.arange(9), METHYL_TURN, METHYLENE_SWAP, both]))
    coloured = []
    lab.session.atoms_coloured.connect(coloured.append)
    look_at(qtbot, panel, lab, item)
    symmetry = panel.result.symmetry
    qtbot.waitUntil(lambda: symmetry.list.count() == 3)
    assert [symmetry.list.item(k).text() for k in range(3)] == ["(4 5 6)", "(7 8)", "(4 5 6)(7 8)"]
    panel.result.go_to("Symmetries")
    symmetry.list.setCurrentRow(2)
    qtbot.waitUntil(lambda: bool(coloured) and bool(coloured[-1]))
    colours = coloured[-1]
    assert set(colours) == {3, 4, 5, 6, 7}
    assert len({colours[a] for a in (3, 4, 5)}) == 1
    assert colours[3] != colours[6]
    assert lab.session.geometries.molecule.numbers.tolist() == ETHANOL.numbers.tolist()
    panel.result.go_to("Errors")
    assert coloured[-1] == {}, "the colours go with the page"


def test_a_permutation_switched_off_goes_into_the_form(qtbot, panel, lab):
    item = add_fit(
        lab, permutations=np.stack([np.arange(9), METHYLENE_SWAP]), skip_permutations="(4 5 6)"
    )
    look_at(qtbot, panel, lab, item)
    symmetry = panel.result.symmetry
    qtbot.waitUntil(lambda: symmetry.list.count() == 2)
    assert symmetry.list.item(1).text() == "(4 5 6)"
    assert symmetry.list.item(1).checkState() == Qt.CheckState.Unchecked
    symmetry.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert panel.form.spec().hyper["skip_permutations"] == "(7 8), (4 5 6)"
    for k in range(2):
        symmetry.list.item(k).setCheckState(Qt.CheckState.Checked)
    assert panel.form.spec().hyper["skip_permutations"] == ""
    assert "All are used" in symmetry.say.text()


def test_a_fit_without_permutations_has_no_such_page(qtbot, panel, lab):
    look_at(qtbot, panel, lab, lab.add_fit("plain"))
    place = list(panel.result.pages).index("Symmetries")
    qtbot.waitUntil(lambda: not panel.result.tabs.isTabVisible(place))


# -- on top of another field ------------------------------------------------------------------
def test_on_top_of_another_field_makes_a_composite(qtbot, panel, lab):
    form = panel.form
    assert form.field.findData("composite") < 0, "On top of makes it"
    form.form.set_values({"sigma": 12.0, "skip_permutations": "(4 5 6), (7 8)"})
    form.on_top.base.setCurrentIndex(form.on_top.base.findText("MMFF94"))
    assert form.name.text() == "MMFF94 + sGDML 20"
    spec = form.spec()
    assert spec.key == "composite"
    assert (spec.hyper["base"], spec.hyper["base_model"]) == ("mmff94", "")
    assert spec.hyper["correction"] == "sgdml"
    text = str(spec.hyper["correction_settings"])
    from core.forcefields.composite import _settings

    expected = {"sigma": "12.0", "perms": "true", "skip_permutations": "(4 5 6), (7 8)"}
    assert _settings(text, "correction") == expected, "as the composite reads it"
    assert settings_from(text) == expected
    form.cost.timer.stop()
    form._ask_cost()
    assert lab.specs[lab.jobs(EstimateSpec)[-1]].key == "composite"
    form.on_top.base.setCurrentIndex(0)
    assert form.spec().key == "sgdml"


def test_a_fit_of_the_project_can_lie_below(qtbot, panel, lab):
    item = add_fit(lab, "first model")
    lab.session.items_changed.emit("fits")
    form = panel.form
    form.on_top.base.setCurrentIndex(form.on_top.base.findText("first model"))
    spec = form.spec()
    assert spec.hyper["base_model"] == str(item.folder / "model.npz")
    form.on_top.atoms.setText("1-4")
    wanted = dataclasses.replace(form.spec(), n_train=11)
    form.on_top.base.setCurrentIndex(0)
    form.form.reset()
    assert panel.form.fill(wanted) == ""
    again = form.spec()
    assert again.hyper == wanted.hyper
    assert again.n_train == 11


def test_settings_text_goes_both_ways():
    values = {"a": True, "b": 1e-10, "c": "x; y", "d": "", "e": 3}
    assert settings_from(settings_text(values)) == {"a": "true", "b": "1e-10", "c": "x, y",
                                                    "e": "3"}  # fmt: skip
    assert settings_from("sigma=20, lam=1e-9") == {"sigma": "20", "lam": "1e-9"}


# -- the line of trainings --------------------------------------------------------------------
def test_trainings_wait_in_line_and_can_be_taken_out_of_it(qtbot, panel, lab):
    jobs = []
    for n in (10, 11, 12):
        panel.form.n_train.set_value(n)
        qtbot.mouseClick(panel.form.train, LEFT)
        jobs.append(lab.jobs(FitSpec)[-1])
    lab.say(jobs[0], "started")
    states = {row[0]: row[1] for row in panel.fits.shown()}
    assert states == {
        "sGDML 10": "running", "sGDML 11": "waits, next",
        "sGDML 12": "waits, 2nd in line",
    }  # fmt: skip
    assert "It waits, 2nd in line." in panel.states.message.hint.text()
    second = next(i for i in lab.project.items("fits") if i.name == "sGDML 11")
    panel.fits.select(second.id)
    panel.fits.cancel()
    assert lab.asked[-1] == ("cancel", jobs[1])
    lab.project.remove(second.id)
    lab.say(jobs[1], "cancelled", message="cancelled before it was started")
    assert {row[0]: row[1] for row in panel.fits.shown()}["sGDML 12"] == "waits, next"
    lab.finish_fit(jobs[0])
    lab.say(jobs[2], "progress", 0.1, message="kernel", seconds_left=3.0, memory=4.2e8)
    assert {row[0]: row[1] for row in panel.fits.shown()}["sGDML 12"] == "running"
    assert panel.head.status.text() == "3 s left, kernel, 0.4 GB"
