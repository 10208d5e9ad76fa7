"""The data panel: report, question about units, broken files, undo."""

import dataclasses
import itertools
from pathlib import Path

import pytest

from core.analyses.importing import Imported, Report
from core.analyses.model_import import ModelImportSpec
from core.engine.events import Event
from core.project import Project
from widgets.panels.data import DataPanel
from widgets.report_text import report_html
from widgets.session import Session

REPORT = Report(
    format="extxyz",
    frames=3,
    formula="H2O",
    n_energies=3,
    n_forces=2,
    units="eV",
    unit_reason="-2081 eV per molecule fits water",
    force_sign="ok",
)


@pytest.fixture
def session(qtbot, tmp_path):
    session = Session()
    session.project = Project.create(tmp_path / "p", "p")
    session.specs = {}
    numbers = itertools.count(1)

    def submit(spec, *, title="", device=""):
        job = f"job-{next(numbers)}"
        session.specs[job] = spec
        return job

    session.submit = submit
    yield session
    session.project.close()


@pytest.fixture
def panel(qtbot, session):
    panel = DataPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    return panel


def say(session, job, kind, **payload):
    session.job_event.emit(job, Event(job, 0, 0.0, kind, payload=payload))


def finish(session, job, water, report=REPORT):
    """What the real import does: write the record, then tell."""
    spec = session.specs[job]
    item = next(i for i in session.project.items("datasets") if str(i.folder) == spec.out)
    session.project.save(item, water)
    say(session, job, "done", result=Imported((water,), (report,), (str(item.record),)))


def test_import_adds_a_data_set_shows_it_and_can_be_undone(panel, session, water, tmp_path):
    path = tmp_path / "water.extxyz"
    path.write_text("")
    session.import_requested.emit(str(path))
    assert session.specs["job-1"].path == str(path)
    finish(session, "job-1", water)
    assert [i.name for i in session.project.items("datasets")] == ["water"]
    text = panel.report.text()
    assert "3 energies" in text
    assert "2 forces: missing in 1 frames" in text
    assert "fits water" in text
    assert session.geometries.positions.shape == (3, 3, 3)
    session.undo.undo()
    assert session.project.items("datasets") == ()
    session.undo.redo()
    assert [i.name for i in session.project.items("datasets")] == ["water"]


def test_unsure_units_are_asked_for_beside_the_report(panel, session, water, tmp_path):
    unsure = dataclasses.replace(
        REPORT, unsure="Energies may be kcal/mol or kJ/mol.", unit_choices=("kcal/mol", "kJ/mol")
    )
    panel.import_file(str(tmp_path / "x.npz"))
    finish(session, "job-1", water, unsure)
    assert panel.question.isVisible()
    assert session.undo.count() == 0
    panel.units.setCurrentText("kJ/mol")
    panel.go_on.click()
    assert session.specs["job-2"].units == "kJ/mol"
    assert session.specs["job-2"].out == session.specs["job-1"].out
    finish(session, "job-2", water)
    assert not panel.question.isVisible()
    assert len(session.project.items("datasets")) == 1


def test_forces_that_look_like_gradients_are_asked_for(panel, session, water, tmp_path):
    reversed_ = dataclasses.replace(REPORT, unsure="the sign of the forces: turn them round?")
    panel.import_file(str(tmp_path / "x.npz"))
    finish(session, "job-1", water, reversed_)
    panel.units.setCurrentIndex(panel.units.findData("flip"))
    panel.go_on.click()
    assert session.specs["job-2"].force_sign == "flip"


def test_answers_add_up(panel, session, water, tmp_path):
    first = dataclasses.replace(REPORT, unsure="lengths: ?", unit_choices=("Å", "Bohr"))
    second = dataclasses.replace(REPORT, unsure="energies: ?", unit_choices=("eV", "kJ/mol"))
    panel.import_file(str(tmp_path / "x.npz"))
    finish(session, "job-1", water, first)
    panel.units.setCurrentText("Bohr")
    panel.go_on.click()
    finish(session, "job-2", water, second)
    panel.units.setCurrentText("kJ/mol")
    panel.go_on.click()
    spec = session.specs["job-3"]
    assert (spec.length_units, spec.units) == ("Bohr", "kJ/mol")


def test_unsure_import_can_be_dropped(panel, session, water, tmp_path):
    unsure = dataclasses.replace(REPORT, unsure="?", unit_choices=("eV", "kJ/mol"))
    panel.import_file(str(tmp_path / "x.npz"))
    finish(session, "job-1", water, unsure)
    panel.discard.click()
    assert session.project.items("datasets") == ()
    assert "as it was" in panel.states.message.hint.text()


def test_broken_file_gives_its_sentence_in_place(panel, session, tmp_path):
    panel.import_file(str(tmp_path / "bad.xyz"))
    say(session, "job-1", "failed", message="bad.xyz, line 7: 3 columns, 4 expected", details="tb")
    assert "line 7" in panel.states.message.hint.text()
    assert panel.states.message.title.isVisible()
    assert session.undo.count() == 0


def test_several_files_are_read_one_after_the_other(panel, session, water, tmp_path):
    panel.import_file(str(tmp_path / "a.xyz"))
    panel.import_file(str(tmp_path / "b.xyz"))
    assert list(session.specs) == ["job-1"]
    say(session, "job-1", "failed", message="broken")
    assert session.specs["job-2"].name == "b"


def test_the_same_file_twice_gets_another_name(panel, session, water, tmp_path):
    for job in ("job-1", "job-2"):
        panel.import_file(str(tmp_path / "a.xyz"))
        finish(session, job, water)
    assert [i.name for i in session.project.items("datasets")] == ["a", "a (2)"]


def test_smiles(panel, session, qtbot):
    panel.smiles.setText("CCO")
    panel.smiles.returnPressed.emit()
    assert (session.specs["job-1"].path, session.specs["job-1"].format) == ("CCO", "smiles")


def test_a_file_with_two_compositions_is_one_undo_step(panel, session, water, tmp_path):
    panel.import_file(str(tmp_path / "two.xyz"))
    first = session.project.items("datasets")[0]
    session.project.save(first, water)
    from core import storage

    second = first.folder.with_name(first.folder.name + "-2")
    second.mkdir()
    other = dataclasses.replace(water, name="second")
    storage.save(second / "record.npz", other)
    paths = (str(first.record), str(second / "record.npz"))
    say(session, "job-1", "done", result=Imported((water, other), (REPORT, REPORT), paths))
    assert len(session.project.items("datasets")) == 2
    session.undo.undo()
    assert session.project.items("datasets") == ()


def test_a_model_of_the_sgdml_package_becomes_a_fit(panel, session):
    golden = Path(__file__).resolve().parents[1] / "golden" / "sgdml" / "forces.npz"
    panel.import_file(str(golden))
    (spec,) = session.specs.values()
    assert isinstance(spec, ModelImportSpec)
    assert Path(spec.out).parent.name == "fits"
    assert not panel.queue


def test_without_a_project_it_says_what_to_do(panel, session):
    project, session.project = session.project, None
    said = []
    session.message.connect(lambda text, level: said.append(text))
    panel.import_smiles("CCO")
    assert "New project" in said[0]
    session.project = project


def test_report_escapes_what_a_file_says():
    html = report_html(dataclasses.replace(REPORT, notes=("<script>x</script>",)), name="<b>")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_report_marks_problems():
    bad = dataclasses.replace(
        REPORT, force_sign="reversed", duplicates=tuple(range(1, 40)), outliers=(5,)
    )
    html = report_html(bad)
    assert html.count("⚠") == 4  # forces missing, sign, duplicates, outliers
    assert "and 27 more" in html
