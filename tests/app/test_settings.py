"""Preferences survive a restart, and a broken file does not stop the window."""

from app.settings import RECENT_MAX, Settings


def test_round_trip(tmp_path):
    path = tmp_path / "deep" / "settings.json"
    settings = Settings.load(path)
    settings.unit, settings.theme, settings.state = "meV", "dark", "c3RhdGU="
    settings.add_recent("/a")
    settings.save()
    again = Settings.load(path)
    assert (again.unit, again.theme, again.state) == ("meV", "dark", "c3RhdGU=")
    assert again.recent == ["/a"]
    assert [p.name for p in path.parent.iterdir()] == ["settings.json"]  # no leftovers


def test_broken_file_gives_defaults_and_says_so(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text("{ not json")
    settings = Settings.load(path)
    assert settings.unit == "kcal/mol"
    assert str(path) in settings.problem


def test_wrong_values_become_defaults(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"unit": "furlong", "theme": 3, "recent": [1, "/x"], "path": "/etc/passwd"}')
    settings = Settings.load(path)
    assert (settings.unit, settings.theme) == ("kcal/mol", "system")
    assert settings.recent == ["/x"]
    assert settings.path == path


def test_unwritable_place_is_no_crash(tmp_path):
    (tmp_path / "file").write_text("")
    settings = Settings.load(tmp_path / "file" / "settings.json")
    settings.save()
    assert "could not be saved" in settings.problem


def test_recent_is_short_and_without_repeats():
    settings = Settings()
    for i in range(20):
        settings.add_recent(f"/{i % 12}")
    assert len(settings.recent) == RECENT_MAX
    assert settings.recent[0] == "/7"
    assert len(set(settings.recent)) == RECENT_MAX
