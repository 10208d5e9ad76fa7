"""The example project follows the shipped data, and never takes a person's work away."""

import pytest

from app.example import FOLDER, LEVEL, MADE_FROM, clear, fingerprint, place
from core.project import Project


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "shipped"
    folder.mkdir()
    for name in ("ethanol.extxyz", "surface.extxyz"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def made(tmp_path, source, small):
    """An example as it is after its first start."""
    with Project.create(tmp_path / "home" / FOLDER, "Ethanol example") as project:
        project.add("datasets", "ethanol", small)
        project.add("datasets", "surface", small)
        project.add("surfaces", LEVEL, small)
        project.set(MADE_FROM, fingerprint(source))
    return project.root


def test_first_start_creates_it(tmp_path, source):
    assert place(tmp_path / "home", source) == (tmp_path / "home" / FOLDER, "create", "")


def test_it_is_opened_while_the_data_are_the_same(made, source):
    assert place(made.parent, source) == (made, "open", "")


def test_untouched_it_is_renewed_when_the_data_change(made, source):
    (source / "surface.extxyz").write_text("newer")
    assert place(made.parent, source)[:2] == (made, "renew")


def test_with_work_in_it_the_new_data_go_beside_it(made, source, small):
    with Project.open(made) as project:
        project.add("fits", "mine", small)
    (source / "surface.extxyz").write_text("newer")
    path, what, sentence = place(made.parent, source)
    assert (path, what) == (made.parent / f"{FOLDER}-2", "create")
    assert str(made) in sentence
    Project.create(path, "Ethanol example 2").close()
    assert place(made.parent, source)[0] == path  # from now on, this is the example


def test_a_damaged_one_is_left_alone(made, source):
    (made / "project.json").write_text("{")
    path, what, sentence = place(made.parent, source)
    assert (path.name, what) == (f"{FOLDER}-2", "create")
    assert "fresh example" in sentence


def test_without_shipped_data_it_opens_as_it_is(made, tmp_path):
    assert place(made.parent, tmp_path / "nowhere")[1] == "open"


def test_renewing_empties_it_but_the_bin_keeps_what_was_there(made):
    assert clear(made)
    with Project.open(made) as project:
        assert project.items() == ()
        assert len(project.trash()) == 3
