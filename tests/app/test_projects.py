"""Projects of the window: making, opening, copying, and what was interrupted."""

import numpy as np
import pytest

from core.analyses.dynamics import DynamicsSpec
from core.analyses.importing import ImportSpec
from core.fieldref import FieldRef
from core.project import Project


@pytest.fixture
def interrupted(tmp_path, small):
    """A project with a run that was cut off at 40 %."""
    with Project.create(tmp_path / "cut", "cut") as project:
        project.add("datasets", "water", small)
        item = project.reserve("runs", "water 300 K")
        project.note_job(
            item.id, DynamicsSpec(small.molecule, FieldRef("mmff94"), out=str(item.folder))
        )
        (item.folder / "progress.json").write_text('{"fraction": 0.4}')
        (item.folder / "checkpoint.npz").write_bytes(b"x")
        project.reserve("fits", "never handed in")
        return project.root


def offers(window):
    return [n for n in window.notices.shown() if n.buttons]


def test_interrupted_run_is_offered_and_goes_on_from_its_checkpoint(
    qtbot, make_window, interrupted
):
    window = make_window(path=str(interrupted))
    (offer,) = offers(window)
    assert "water 300 K" in offer.text
    assert "40 %" in offer.text
    offer.buttons["Go on"].click()
    engine = window.engine_for_tests
    qtbot.waitUntil(lambda: bool(engine.specs), timeout=5000)
    spec = engine.specs["engine-1"]
    assert spec.resume.endswith("checkpoint.npz")
    assert spec.out == str(window.session.project.items("runs")[0].folder)
    assert not offers(window)


def test_interrupted_run_can_be_discarded(make_window, interrupted):
    window = make_window(path=str(interrupted))
    offers(window)[0].buttons["Discard"].click()
    assert window.session.project.items("runs") == ()
    assert window.session.project.items("fits") == ()  # the one never handed in is gone too


def test_a_moved_project_goes_on_where_it_is_now(qtbot, make_window, interrupted, tmp_path):
    moved = tmp_path / "elsewhere"
    interrupted.rename(moved)
    window = make_window(path=str(moved))
    offers(window)[0].buttons["Go on"].click()
    engine = window.engine_for_tests
    qtbot.waitUntil(lambda: bool(engine.specs), timeout=5000)
    spec = engine.specs["engine-1"]
    assert spec.out.startswith(str(moved))
    assert spec.resume.startswith(str(moved))


def test_opening_shows_the_first_data_set(make_window, interrupted, qtbot, small):
    window = make_window(path=str(interrupted))
    qtbot.waitUntil(lambda: window.session.geometries is not None, timeout=5000)
    np.testing.assert_allclose(window.session.geometries.positions, small.positions)
    window.projects.create(interrupted.parent / "empty")
    assert window.session.geometries is None  # nothing of the project before stays on show


def test_axes_are_kept_with_the_project(make_window, tmp_path):
    window = make_window()
    window.projects.create(tmp_path / "a")
    window.session.set_axis(0, (0, 1, 2, 8))
    window.projects.create(tmp_path / "b")
    assert window.session.axes == (None, None)
    window.projects.open(tmp_path / "a")
    assert window.session.axes == ((0, 1, 2, 8), None)


def test_broken_and_missing_projects_are_refused_with_a_sentence(make_window, tmp_path):
    window = make_window()
    window.projects.create(tmp_path / "a")
    before = window.session.project
    assert not window.projects.open(tmp_path / "nothing here")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "project.json").write_text("{")
    assert not window.projects.open(tmp_path / "bad")
    assert window.session.project is before
    assert "bad" in window.notices.shown()[-1].text


def test_copy_opens_elsewhere(make_window, interrupted, tmp_path):
    window = make_window(path=str(interrupted))
    assert window.projects.copy(tmp_path / "copy")
    with Project.open(tmp_path / "copy") as copy:
        assert [i.name for i in copy.items("datasets")] == ["water"]
    assert not window.projects.copy(tmp_path / "copy")  # never over something else


def test_switching_projects_lets_go_of_jobs_without_losing_them(
    qtbot, make_window, tmp_path, small
):
    window = make_window()
    window.projects.create(tmp_path / "a")
    item = window.session.project.reserve("runs", "r")
    window.session.submit(
        DynamicsSpec(small.molecule, FieldRef("mmff94"), out=str(item.folder)), title="r"
    )
    qtbot.waitUntil(lambda: bool(window.engine_for_tests.specs), timeout=5000)
    window.projects.create(tmp_path / "b")
    assert window.engine_for_tests.handles["engine-1"].asked == ["cancel"]
    with Project.open(tmp_path / "a") as first:
        assert [i.name for i, spec in first.unfinished() if spec is not None] == ["r"]


def test_second_window_opens_for_reading_only(make_window, tmp_path):
    import subprocess
    import sys

    window = make_window()
    window.projects.create(tmp_path / "a")
    code = (
        "import sys; from core.project import Project\n"
        "p = Project.open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    window.projects.create(tmp_path / "b")
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "a")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout.readline() == "open\n"
        assert window.projects.open(tmp_path / "a")
        assert window.session.project.read_only
        assert "reading only" in window.notices.shown()[-1].text
    finally:
        other.communicate(timeout=10)


def test_code_named_by_an_interrupted_job_is_shown_before_it_runs(
    qtbot, make_window, tmp_path, small
):
    ref = FieldRef("ase-calculator", hyper={"path": "evil:Shell", "arguments": '{"a": "rm"}'})
    with Project.create(tmp_path / "sent", "sent") as project:
        for name in ("bad", "good 1", "good 2", "good 3", "good 4"):
            item = project.reserve("runs", name)
            field = ref if name == "bad" else FieldRef("mmff94")
            project.note_job(item.id, DynamicsSpec(small.molecule, field, out=str(item.folder)))
    window = make_window(path=str(tmp_path / "sent"))
    every, bad = offers(window)
    assert "evil:Shell" in bad.text
    assert '{"a": "rm"}' in bad.text
    every.buttons["Go on with all"].click()
    specs = window.engine_for_tests.specs
    qtbot.waitUntil(lambda: len(specs) == 4, timeout=5000)
    assert all(s.field.key == "mmff94" for s in specs.values())
    bad.buttons["Run it"].click()
    qtbot.waitUntil(lambda: len(specs) == 5, timeout=5000)


def test_another_project_takes_the_offers_of_the_one_before_away(
    make_window, interrupted, tmp_path
):
    window = make_window(path=str(interrupted))
    assert offers(window)
    window.projects.create(tmp_path / "b")
    assert not offers(window)


def test_a_copy_into_the_project_itself_is_refused(make_window, interrupted):
    window = make_window(path=str(interrupted))
    assert not window.projects.copy(interrupted / "inside")
    assert "inside the project" in window.notices.shown()[-1].text


def test_an_interrupted_import_is_asked_for_anew(make_window, tmp_path, qtbot):
    with Project.create(tmp_path / "p", "p") as project:
        item = project.reserve("datasets", "CCO")
        project.note_job(item.id, ImportSpec("CCO", format="smiles", out=str(item.folder)))
    window = make_window(path=str(tmp_path / "p"))
    with qtbot.waitSignal(window.session.import_requested) as asked:
        offers(window)[0].buttons["Go on"].click()
    assert asked.args == ["CCO"]
    assert [i.id for i in window.session.project.items("datasets")] != [item.id]
